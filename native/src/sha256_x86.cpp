// SHA-256 with the x86 SHA instructions, two messages interleaved; chosen at run time.
#include "hash.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>

#define ZK_SHA_TARGET __attribute__((target("sha,sse4.1")))

namespace zkdl {

namespace {

struct Lanes {
    __m128i abef, cdgh;
};

ZK_SHA_TARGET inline Lanes load(const ShaState& state) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state.h));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state.h + 4));
    const __m128i cdab = _mm_shuffle_epi32(low, 0xB1);
    const __m128i efgh = _mm_shuffle_epi32(high, 0x1B);
    return {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xF0)};
}

ZK_SHA_TARGET inline void store(ShaState& state, Lanes lanes) {
    const __m128i feba = _mm_shuffle_epi32(lanes.abef, 0x1B);
    const __m128i dchg = _mm_shuffle_epi32(lanes.cdgh, 0xB1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state.h), _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(state.h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

ZK_SHA_TARGET inline __m128i load_message(const u8* block, int i) {
    const __m128i big_endian = _mm_set_epi64x(0x0C0D0E0F08090A0BLL, 0x0405060700010203LL);
    return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block) + i), big_endian);
}

ZK_SHA_TARGET inline void four_rounds(Lanes& lanes, __m128i message, int group) {
    const __m128i constants = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kRoundConstants + 4 * group));
    const __m128i sum = _mm_add_epi32(message, constants);
    lanes.cdgh = _mm_sha256rnds2_epu32(lanes.cdgh, lanes.abef, sum);
    lanes.abef = _mm_sha256rnds2_epu32(lanes.abef, lanes.cdgh, _mm_shuffle_epi32(sum, 0x0E));
}

// w[0] <- the four words that follow w[0..3]
ZK_SHA_TARGET inline __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3) {
    const __m128i partial = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(partial, w3);
}

ZK_SHA_TARGET void compress_pair_sha(ShaState& first, const u8* first_blocks, ShaState& second,
                                     const u8* second_blocks, u64 count) {
    Lanes a = load(first), b = load(second);
    for (u64 n = 0; n < count; ++n, first_blocks += 64, second_blocks += 64) {
        const Lanes a_start = a, b_start = b;
        __m128i x[4], y[4];
        for (int i = 0; i < 4; ++i) {
            x[i] = load_message(first_blocks, i);
            y[i] = load_message(second_blocks, i);
            four_rounds(a, x[i], i);
            four_rounds(b, y[i], i);
        }
#pragma GCC unroll 12
        for (int i = 4; i < 16; ++i) {
            x[i & 3] = next_words(x[i & 3], x[(i + 1) & 3], x[(i + 2) & 3], x[(i + 3) & 3]);
            y[i & 3] = next_words(y[i & 3], y[(i + 1) & 3], y[(i + 2) & 3], y[(i + 3) & 3]);
            four_rounds(a, x[i & 3], i);
            four_rounds(b, y[i & 3], i);
        }
        a = {_mm_add_epi32(a.abef, a_start.abef), _mm_add_epi32(a.cdgh, a_start.cdgh)};
        b = {_mm_add_epi32(b.abef, b_start.abef), _mm_add_epi32(b.cdgh, b_start.cdgh)};
    }
    store(first, a);
    store(second, b);
}

bool has_sha_instructions() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1U << 19)) || !(c & (1U << 9))) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1U << 29));
}

}  // namespace

CompressPair compress_pair() {
    static const bool is_available = has_sha_instructions();
    return is_available ? compress_pair_sha : compress_pair_portable;
}

}  // namespace zkdl

#else

namespace zkdl {

CompressPair compress_pair() { return compress_pair_portable; }

}  // namespace zkdl

#endif
