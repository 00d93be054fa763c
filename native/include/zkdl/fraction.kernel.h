// The tree of fractions of LogUp-GKR: p0/q0 + p1/q1 = (p0*q1 + p1*q0) / (q0*q1).
#pragma once

#include "extension.h"

namespace zkdl {

// Parent i of the children 2i, 2i+1.
ZK_FN void fraction_layer_at(const Extension* p, const Extension* q, Extension* p_out, Extension* q_out, u64 i) {
    const Extension q0 = q[2 * i], q1 = q[2 * i + 1];
    const u64 seven = times_seven(q1.c1);
    ExtensionAccumulator numerator, denominator;
    numerator.add_product(q1, seven, p[2 * i]);
    numerator.add_product(q0, p[2 * i + 1]);
    denominator.add_product(q1, seven, q0);
    p_out[i] = numerator.value();
    q_out[i] = denominator.value();
}

// p0*q1 + p1*q0 + lam*q0*q1 = (p0 + lam*q0)*q1 + p1*q0, loose; lam7 = 7 * lam.c1
ZK_FN Extension fraction_value(Extension p0, Extension p1, Extension q0, Extension q1, Extension lam, u64 lam7) {
    ExtensionAccumulator shifted, sum;
    shifted.add_product(lam, lam7, q0);
    shifted.add_element(p0);
    sum.add_product(q1, shifted.value_loose());
    sum.add_product(q0, p1);
    return sum.value_loose();
}

struct FractionRound {
    ProductSum at_zero, leading;

    ZK_FN void add_at(const Extension* p, const Extension* q, Extension lam, u64 lam7, Extension weight, u64 i) {
        const Extension p0 = p[4 * i], p1 = p[4 * i + 1], q0 = q[4 * i], q1 = q[4 * i + 1];
        at_zero.add_product(weight, fraction_value(p0, p1, q0, q1, lam, lam7));
        const Extension dp0 = subtract(p[4 * i + 2], p0), dp1 = subtract(p[4 * i + 3], p1);
        const Extension dq0 = subtract(q[4 * i + 2], q0), dq1 = subtract(q[4 * i + 3], q1);
        leading.add_product(weight, fraction_value(dp0, dp1, dq0, dq1, lam, lam7));
    }
};

// Element j = 2i + c of the bound table.
ZK_FN Extension fraction_bind_at(const Extension* x, Extension r, u64 r7, u64 j) {
    const u64 from = 4 * (j >> 1) + (j & 1);
    ExtensionAccumulator sum;
    sum.add_product(r, r7, subtract(x[from + 2], x[from]));
    sum.add_element(x[from]);
    return sum.value();
}

}  // namespace zkdl

#ifdef __CUDACC__
extern "C" __global__ void zkdl_fraction_layer(const zkdl::Extension* p, const zkdl::Extension* q,
                                               zkdl::Extension* p_out, zkdl::Extension* q_out, zkdl::u64 count) {
    const zkdl::u64 i = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) zkdl::fraction_layer_at(p, q, p_out, q_out, i);
}

// Grid-stride partial sums: every thread writes its own, the caller adds them up.
extern "C" __global__ void zkdl_fraction_round(const zkdl::Extension* p, const zkdl::Extension* q, zkdl::Extension lam,
                                               const zkdl::Extension* weights_high, const zkdl::Extension* weights_low,
                                               zkdl::u64 low_count, zkdl::u64 count, zkdl::Extension* partial) {
    const zkdl::u64 thread = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    const zkdl::u64 lam7 = zkdl::times_seven(lam.c1);
    zkdl::FractionRound round;
    for (zkdl::u64 i = thread; i < count; i += static_cast<zkdl::u64>(gridDim.x) * blockDim.x) {
        const zkdl::Extension weight = zkdl::multiply(weights_high[i / low_count], weights_low[i % low_count]);
        round.add_at(p, q, lam, lam7, weight, i);
    }
    partial[2 * thread] = round.at_zero.value();
    partial[2 * thread + 1] = round.leading.value();
}

extern "C" __global__ void zkdl_fraction_bind(const zkdl::Extension* x, zkdl::Extension r, zkdl::Extension* out,
                                              zkdl::u64 count) {
    const zkdl::u64 j = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (j < count) out[j] = zkdl::fraction_bind_at(x, r, zkdl::times_seven(r.c1), j);
}
#endif
