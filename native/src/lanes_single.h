// One element of F, with what the passes ask of a vector.
#pragma once

#include "zkdl/extension.h"

namespace zkdl {

namespace {

struct Single {
    static constexpr u64 count = 1;
    u64 value;

    static ZK_FN Single all(u64 value) { return {value}; }
    static ZK_FN Single load(const u64* from) { return {*from}; }
    ZK_FN void store(u64* to) const { *to = value; }
    ZK_FN Single top() const { return {0}; }

    // One lane: blocks are in their own order.
    template <int Words>
    static ZK_FN void deinterleave(const u64* from, Single* out) {
        for (int k = 0; k < Words; ++k) out[k] = {from[k]};
    }
    template <int Words>
    static ZK_FN void interleave(const Single* words, u64* to) {
        for (int k = 0; k < Words; ++k) to[k] = words[k].value;
    }

    // Pairs of integers, each shifted by 2^31 into the 32 bits of a half.
    template <int Words>
    static ZK_FN void load_pairs(const i32* from, Single* out) {
        for (int k = 0; k < Words; ++k) {
            const u64 low = static_cast<u32>(from[2 * k]), high = static_cast<u32>(from[2 * k + 1]);
            out[k] = {(low | high << 32) ^ 0x8000000080000000ULL};
        }
    }
};

ZK_FN Single add(Single a, Single b) { return {zkdl::add(a.value, b.value)}; }
ZK_FN Single subtract(Single a, Single b) { return {zkdl::subtract(a.value, b.value)}; }
ZK_FN Single multiply(Single a, Single b) { return {zkdl::multiply(a.value, b.value)}; }
ZK_FN Single canonical(Single a) { return {zkdl::canonical(a.value)}; }
ZK_FN Single times_seven(Single a) { return {zkdl::times_seven(a.value)}; }

ZK_FN Single low_half(Single pair) { return {pair.value & kEpsilon}; }
ZK_FN Single high_half(Single pair) { return {pair.value >> 32}; }

}  // namespace

template <>
struct AccumulatorOf<Single> {
    Accumulator sum;

    ZK_FN void add_product(Single a, Single b) { sum.add_product(a.value, b.value); }
    ZK_FN void add_small_product(Single a, Single, Single b) { sum.add_product(a.value, b.value); }
    ZK_FN void add_element(Single a) { sum.add_element(a.value); }
    ZK_FN Single small_value() const { return {sum.value_loose()}; }
    ZK_FN Single value_loose() const { return {sum.value_loose()}; }
    ZK_FN Single value() const { return {sum.value()}; }
};

}  // namespace zkdl
