// Eight elements of F in an AVX-512 register. To be included where AVX-512 F, DQ and IFMA are the target only.
#pragma once

#include <immintrin.h>

#include "zkdl/extension.h"

namespace zkdl {

namespace {

struct Lanes8 {
    static constexpr u64 count = 8;
    __m512i v;

    static ZK_FN Lanes8 load(const u64* from) { return {_mm512_loadu_si512(from)}; }
    static ZK_FN Lanes8 all(u64 value) { return {_mm512_set1_epi64(static_cast<long long>(value))}; }
    ZK_FN void store(u64* to) const { _mm512_storeu_si512(to, v); }

    // Integers shifted to unsigned, as unsigned_image does.
    static ZK_FN Lanes8 load_images(const i32* from) {
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        return {_mm512_cvtepu32_epi64(_mm256_xor_si256(x, _mm256_set1_epi32(static_cast<int>(0x80000000U))))};
    }
    static ZK_FN Lanes8 load_images(const i64* from) {
        return {_mm512_xor_si512(_mm512_loadu_si512(from), all(0x8000000000000000ULL).v)};
    }
    static ZK_FN Lanes8 load_images(const u64* from) { return load(from); }

    // What lies above the 52 bits that the processor multiplies at once.
    ZK_FN Lanes8 top() const { return {_mm512_srli_epi64(v, 52)}; }

    // Four elements from, and to, each of two places.
    static ZK_FN Lanes8 load_halves(const u64* low, const u64* high) {
        const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
        const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high));
        return {_mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1)};
    }
    ZK_FN void store_halves(u64* low, u64* high) const {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), _mm512_castsi512_si256(v));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(high), _mm512_extracti64x4_epi64(v, 1));
    }

    // Block m of `Words` words of `from` into lane m: out[k] holds word k of every block. Words is 2, 4 or 8.
    template <int Words>
    static ZK_FN void deinterleave(const u64* from, Lanes8* out) {
        Lanes8 vectors[Words];
#pragma GCC unroll 8
        for (int k = 0; k < Words; ++k) vectors[k] = load(from + 8 * k);
        separate<Words>(vectors, out);
    }

    // The inverse.
    template <int Words>
    static ZK_FN void interleave(const Lanes8* words, u64* to) {
        Lanes8 vectors[Words];
        mix<Words>(words, vectors);
#pragma GCC unroll 8
        for (int k = 0; k < Words; ++k) vectors[k].store(to + 8 * k);
    }

    // Words in sequence -> word k of every block in out[k]: even ones first, then odd ones, each by themselves.
    template <int Words>
    static ZK_FN void separate(const Lanes8* in, Lanes8* out) {
        if constexpr (Words == 1) {
            out[0] = in[0];
        } else {
            const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
            Lanes8 evens[Words / 2], odds[Words / 2], even_out[Words / 2], odd_out[Words / 2];
#pragma GCC unroll 8
            for (int k = 0; k < Words / 2; ++k) {
                evens[k].v = _mm512_permutex2var_epi64(in[2 * k].v, even, in[2 * k + 1].v);
                odds[k].v = _mm512_permutex2var_epi64(in[2 * k].v, odd, in[2 * k + 1].v);
            }
            separate<Words / 2>(evens, even_out);
            separate<Words / 2>(odds, odd_out);
#pragma GCC unroll 8
            for (int k = 0; k < Words / 2; ++k) {
                out[2 * k] = even_out[k];
                out[2 * k + 1] = odd_out[k];
            }
        }
    }
    template <int Words>
    static ZK_FN void mix(const Lanes8* in, Lanes8* out) {
        if constexpr (Words == 1) {
            out[0] = in[0];
        } else {
            const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            const __m512i high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            Lanes8 even_in[Words / 2], odd_in[Words / 2], evens[Words / 2], odds[Words / 2];
#pragma GCC unroll 8
            for (int k = 0; k < Words / 2; ++k) {
                even_in[k] = in[2 * k];
                odd_in[k] = in[2 * k + 1];
            }
            mix<Words / 2>(even_in, evens);
            mix<Words / 2>(odd_in, odds);
#pragma GCC unroll 8
            for (int k = 0; k < Words / 2; ++k) {
                out[2 * k].v = _mm512_permutex2var_epi64(evens[k].v, low, odds[k].v);
                out[2 * k + 1].v = _mm512_permutex2var_epi64(evens[k].v, high, odds[k].v);
            }
        }
    }

    // Pairs of integers, each shifted by 2^31 into the 32 bits of a half.
    template <int Words>
    static ZK_FN void load_pairs(const i32* from, Lanes8* out) {
        // Registers may be loaded from anywhere: the words are never read as u64.
        deinterleave<Words>(reinterpret_cast<const u64*>(from), out);
        const __m512i shift = _mm512_set1_epi32(static_cast<int>(0x80000000U));
#pragma GCC unroll 8
        for (int k = 0; k < Words; ++k) out[k].v = _mm512_xor_si512(out[k].v, shift);
    }
};

// a + kEpsilon, a - kEpsilon, where the mask is set.
ZK_FN __m512i add_epsilon(__m512i a, __mmask8 where) {
    return _mm512_mask_add_epi64(a, where, a, _mm512_set1_epi64(kEpsilon));
}
ZK_FN __m512i subtract_epsilon(__m512i a, __mmask8 where) {
    return _mm512_mask_sub_epi64(a, where, a, _mm512_set1_epi64(kEpsilon));
}

ZK_FN __m512i add_folding(__m512i a, __m512i b) {
    const __m512i sum = _mm512_add_epi64(a, b);
    return add_epsilon(sum, _mm512_cmplt_epu64_mask(sum, b));
}
ZK_FN __m512i subtract_folding(__m512i a, __m512i b) {
    return subtract_epsilon(_mm512_sub_epi64(a, b), _mm512_cmplt_epu64_mask(a, b));
}

ZK_FN Lanes8 canonical(Lanes8 a) {
    return {add_epsilon(a.v, _mm512_cmpge_epu64_mask(a.v, Lanes8::all(kModulus).v))};
}

ZK_FN Lanes8 add(Lanes8 a, Lanes8 b) {
    return {subtract_folding(a.v, _mm512_sub_epi64(Lanes8::all(kModulus).v, b.v))};
}

ZK_FN Lanes8 subtract(Lanes8 a, Lanes8 b) { return {subtract_folding(a.v, b.v)}; }

// low + high * 2^64, loose
ZK_FN __m512i reduce_loose(__m512i low, __m512i high) {
    return add_folding(subtract_folding(low, _mm512_srli_epi64(high, 32)),
                       _mm512_mul_epu32(high, _mm512_set1_epi64(kEpsilon)));
}

ZK_FN Lanes8 multiply(Lanes8 a, Lanes8 b) {
    const __m512i a_high = _mm512_srli_epi64(a.v, 32), b_high = _mm512_srli_epi64(b.v, 32);
    const __m512i low = _mm512_mul_epu32(a.v, b.v), high = _mm512_mul_epu32(a_high, b_high);
    const __m512i first = _mm512_add_epi64(_mm512_mul_epu32(a_high, b.v), _mm512_srli_epi64(low, 32));
    const __m512i second = _mm512_add_epi64(_mm512_mul_epu32(a.v, b_high),
                                            _mm512_and_si512(first, _mm512_set1_epi64(kEpsilon)));
    const __m512i carries = _mm512_add_epi64(_mm512_srli_epi64(first, 32), _mm512_srli_epi64(second, 32));
    const __m512i lower = _mm512_mask_blend_epi32(0xAAAA, low, _mm512_slli_epi64(second, 32));
    return canonical({reduce_loose(lower, _mm512_add_epi64(high, carries))});
}

ZK_FN Lanes8 by_fourth_root(Lanes8 a) {
    return canonical({reduce_loose(_mm512_slli_epi64(a.v, 48), _mm512_srli_epi64(a.v, 16))});
}

// loose -> loose, 7 * a = (a >> 61) * 2^64 + (a << 3) - a
ZK_FN Lanes8 times_seven(Lanes8 a) {
    const __m512i top = _mm512_srli_epi64(a.v, 61);
    const __m512i folded = _mm512_sub_epi64(_mm512_slli_epi64(top, 32), top);
    return {subtract_folding(add_folding(_mm512_slli_epi64(a.v, 3), folded), a.v)};
}

// The 4 x 4 tiles in both halves, whose rows are halves of x0..x3.
ZK_FN void transpose(Lanes8& x0, Lanes8& x1, Lanes8& x2, Lanes8& x3) {
    const __m512i even01 = _mm512_unpacklo_epi64(x0.v, x1.v), odd01 = _mm512_unpackhi_epi64(x0.v, x1.v);
    const __m512i even23 = _mm512_unpacklo_epi64(x2.v, x3.v), odd23 = _mm512_unpackhi_epi64(x2.v, x3.v);
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    x0.v = _mm512_permutex2var_epi64(even01, low, even23);
    x1.v = _mm512_permutex2var_epi64(odd01, low, odd23);
    x2.v = _mm512_permutex2var_epi64(even01, high, even23);
    x3.v = _mm512_permutex2var_epi64(odd01, high, odd23);
}

ZK_FN Lanes8 low_half(Lanes8 pair) { return {_mm512_and_si512(pair.v, _mm512_set1_epi64(kEpsilon))}; }
ZK_FN Lanes8 high_half(Lanes8 pair) { return {_mm512_srli_epi64(pair.v, 32)}; }

}  // namespace

// A sum of up to 512 products of loose elements in limbs of 52 bits, which the processor multiplies and adds in one step:
// low + middle * 2^52 + high * 2^104, every limb below 2^63.
template <>
struct AccumulatorOf<Lanes8> {
    __m512i low{}, middle{}, high{};

    ZK_FN void add_product(Lanes8 a, Lanes8 b) {
        const __m512i a_top = _mm512_srli_epi64(a.v, 52), b_top = _mm512_srli_epi64(b.v, 52);
        low = _mm512_madd52lo_epu64(low, a.v, b.v);
        middle = _mm512_madd52hi_epu64(middle, a.v, b.v);
        middle = _mm512_madd52lo_epu64(middle, a.v, b_top);
        middle = _mm512_madd52lo_epu64(middle, a_top, b.v);
        high = _mm512_madd52hi_epu64(high, a.v, b_top);
        high = _mm512_madd52hi_epu64(high, a_top, b.v);
        high = _mm512_madd52lo_epu64(high, a_top, b_top);
    }
    // b below 2^32; top = a.top(), which is the same for many products.
    ZK_FN void add_small_product(Lanes8 a, Lanes8 top, Lanes8 b) {
        low = _mm512_madd52lo_epu64(low, a.v, b.v);
        middle = _mm512_madd52hi_epu64(middle, a.v, b.v);
        middle = _mm512_madd52lo_epu64(middle, top.v, b.v);
    }
    ZK_FN void add_element(Lanes8 a) {
        low = _mm512_add_epi64(low, _mm512_and_si512(a.v, _mm512_set1_epi64((1LL << 52) - 1)));
        middle = _mm512_add_epi64(middle, _mm512_srli_epi64(a.v, 52));
    }
    // Of small products and elements only, loose.
    ZK_FN Lanes8 small_value() const {
        const __m512i upper = _mm512_srli_epi64(middle, 12);
        const __m512i first = add_folding(_mm512_slli_epi64(middle, 52), low);
        const __m512i second = add_folding(first, _mm512_mul_epu32(upper, _mm512_set1_epi64(kEpsilon)));
        return {subtract_folding(second, _mm512_srli_epi64(upper, 32))};
    }
    // 2^64 = kEpsilon, 2^96 = -1 and 2^104 = -2^8 mod p
    ZK_FN Lanes8 value_loose() const {
        const __m512i upper = _mm512_srli_epi64(middle, 12);
        const __m512i negative = _mm512_add_epi64(_mm512_srli_epi64(upper, 32), _mm512_slli_epi64(high, 8));
        const __m512i first = add_folding(_mm512_slli_epi64(middle, 52), low);
        const __m512i second = add_folding(first, _mm512_mul_epu32(upper, _mm512_set1_epi64(kEpsilon)));
        return {subtract_folding(second, negative)};
    }
    ZK_FN Lanes8 value() const { return canonical(value_loose()); }
};

}  // namespace zkdl
