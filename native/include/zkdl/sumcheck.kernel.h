// Rounds of sumcheck over products of tables; the least significant variable is bound first.
#pragma once

#include "launch.h"

namespace zkdl {

struct ProductRound {
    ProductSum at_zero, leading;

    // Element i of sum_i w_i a_i b_i.
    ZK_FN void add_at(const Extension* a, const Extension* b, Extension weight, u64 i) {
        const Extension a0 = a[2 * i], b0 = b[2 * i];
        at_zero.add_product(weight, multiply_loose(a0, b0));
        leading.add_product(weight, multiply_loose(subtract(a[2 * i + 1], a0), subtract(b[2 * i + 1], b0)));
    }
    // The same with weight 1: one reduction in the whole loop.
    ZK_FN void add_at(const Extension* a, const Extension* b, u64 i) {
        const Extension a0 = a[2 * i], b0 = b[2 * i];
        at_zero.add_product(a0, b0);
        leading.add_product(subtract(a[2 * i + 1], a0), subtract(b[2 * i + 1], b0));
    }
};

struct TripleRound {
    ProductSum at_zero, at_two, leading;

    ZK_FN void add_at(const Extension* u, const Extension* a, const Extension* b, u64 i) {
        const Extension u0 = u[2 * i], a0 = a[2 * i], b0 = b[2 * i];
        const Extension u1 = u[2 * i + 1], a1 = a[2 * i + 1], b1 = b[2 * i + 1];
        const Extension du = subtract(u1, u0), da = subtract(a1, a0), db = subtract(b1, b0);
        at_zero.add_product(multiply_loose(u0, a0), b0);
        at_two.add_product(multiply_loose(add(u1, du), add(a1, da)), add(b1, db));
        leading.add_product(multiply_loose(du, da), db);
    }
};

}  // namespace zkdl

#ifdef ZK_LAUNCHERS
// Sums of each block, two or three per block; F is exact, so their order does not matter.
extern "C" __global__ void zkdl_product_round(const zkdl::Extension* a, const zkdl::Extension* b,
                                              const zkdl::Extension* weights, zkdl::u64 period, zkdl::u64 count,
                                              zkdl::Extension* partial) {
    __shared__ zkdl::Extension shared[zkdl::kMaxBlock];
    zkdl::ProductRound round;
    for (zkdl::u64 i = zkdl::thread_index(); i < count; i += zkdl::thread_count())
        round.add_at(a, b, weights[i % period], i);
    zkdl::write_round(round, shared, partial);
}

extern "C" __global__ void zkdl_product3_round(const zkdl::Extension* u, const zkdl::Extension* a,
                                               const zkdl::Extension* b, zkdl::u64 count, zkdl::Extension* partial) {
    __shared__ zkdl::Extension shared[zkdl::kMaxBlock];
    zkdl::TripleRound round;
    for (zkdl::u64 i = zkdl::thread_index(); i < count; i += zkdl::thread_count()) round.add_at(u, a, b, i);
    const zkdl::Extension sums[3] = {zkdl::block_sum(round.at_zero.value(), shared),
                                     zkdl::block_sum(round.at_two.value(), shared),
                                     zkdl::block_sum(round.leading.value(), shared)};
    if (threadIdx.x == 0)
        for (int k = 0; k < 3; ++k) partial[3 * static_cast<zkdl::u64>(blockIdx.x) + k] = sums[k];
}
#endif
