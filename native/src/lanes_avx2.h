// Four canonical elements of F in an AVX2 register. To be included where AVX2 is the target only.
#pragma once

#include <immintrin.h>

#include "zkdl/goldilocks.h"

namespace zkdl {

namespace {

struct Lanes4 {
    static constexpr u64 count = 4;
    __m256i v;

    static ZK_FN Lanes4 load(const u64* from) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))}; }
    ZK_FN void store(u64* to) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }
};

ZK_FN __m256i all(u64 value) { return _mm256_set1_epi64x(static_cast<long long>(value)); }

// AVX2 compares signed numbers only: with the top bit flipped, they are in the order of the unsigned ones.
constexpr u64 kSign = 0x8000000000000000ULL;

// kEpsilon where the mask is set: the upper half of the mask, shifted down.
ZK_FN __m256i epsilon_where(__m256i mask) { return _mm256_srli_epi64(mask, 32); }

// a + b - p (that is + kEpsilon) where a > p - 1 - b
ZK_FN Lanes4 add(Lanes4 a, Lanes4 b) {
    const __m256i limit = _mm256_sub_epi64(all(kModulus - 1 + kSign), b.v);
    const __m256i is_over = _mm256_cmpgt_epi64(_mm256_xor_si256(a.v, all(kSign)), limit);
    return {_mm256_add_epi64(_mm256_add_epi64(a.v, b.v), epsilon_where(is_over))};
}

ZK_FN Lanes4 subtract(Lanes4 a, Lanes4 b) {
    const __m256i is_under =
        _mm256_cmpgt_epi64(_mm256_xor_si256(b.v, all(kSign)), _mm256_xor_si256(a.v, all(kSign)));
    return {_mm256_sub_epi64(_mm256_sub_epi64(a.v, b.v), epsilon_where(is_under))};
}

// low + high * 2^64, canonical; the intermediate values carry a flipped top bit.
ZK_FN Lanes4 reduce_lanes(__m256i low, __m256i high) {
    const __m256i flipped = _mm256_xor_si256(low, all(kSign));
    const __m256i difference = _mm256_sub_epi64(flipped, _mm256_srli_epi64(high, 32));
    const __m256i base = _mm256_sub_epi64(difference, epsilon_where(_mm256_cmpgt_epi64(difference, flipped)));
    const __m256i sum = _mm256_add_epi64(base, _mm256_mul_epu32(high, all(kEpsilon)));
    const __m256i loose = _mm256_add_epi64(sum, epsilon_where(_mm256_cmpgt_epi64(base, sum)));
    const __m256i is_over = _mm256_cmpgt_epi64(loose, all((kModulus - 1) ^ kSign));
    return {_mm256_add_epi64(_mm256_xor_si256(loose, all(kSign)), epsilon_where(is_over))};
}

ZK_FN Lanes4 multiply(Lanes4 a, Lanes4 b) {
    const __m256i mask = all(kEpsilon);
    const __m256i a_high = _mm256_srli_epi64(a.v, 32), b_high = _mm256_srli_epi64(b.v, 32);
    const __m256i low = _mm256_mul_epu32(a.v, b.v), high = _mm256_mul_epu32(a_high, b_high);
    const __m256i first = _mm256_add_epi64(_mm256_mul_epu32(a_high, b.v), _mm256_srli_epi64(low, 32));
    const __m256i second = _mm256_add_epi64(_mm256_mul_epu32(a.v, b_high), _mm256_and_si256(first, mask));
    const __m256i carries = _mm256_add_epi64(_mm256_srli_epi64(first, 32), _mm256_srli_epi64(second, 32));
    return reduce_lanes(_mm256_blend_epi32(low, _mm256_slli_epi64(second, 32), 0xAA), _mm256_add_epi64(high, carries));
}

ZK_FN Lanes4 by_fourth_root(Lanes4 a) { return reduce_lanes(_mm256_slli_epi64(a.v, 48), _mm256_srli_epi64(a.v, 16)); }

// The 4 x 4 tile whose rows are x0..x3.
ZK_FN void transpose(Lanes4& x0, Lanes4& x1, Lanes4& x2, Lanes4& x3) {
    const __m256i even01 = _mm256_unpacklo_epi64(x0.v, x1.v), odd01 = _mm256_unpackhi_epi64(x0.v, x1.v);
    const __m256i even23 = _mm256_unpacklo_epi64(x2.v, x3.v), odd23 = _mm256_unpackhi_epi64(x2.v, x3.v);
    x0.v = _mm256_permute2x128_si256(even01, even23, 0x20);
    x1.v = _mm256_permute2x128_si256(odd01, odd23, 0x20);
    x2.v = _mm256_permute2x128_si256(even01, even23, 0x31);
    x3.v = _mm256_permute2x128_si256(odd01, odd23, 0x31);
}

}  // namespace

}  // namespace zkdl
