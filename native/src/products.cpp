#include "products.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "largest.h"
#include "parallel.h"
#include "processor.h"

#ifdef ZK_AVX512
#include <immintrin.h>
#define ZK_FOR_VNNI __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni")))
#endif

namespace zkdl {

#ifdef ZK_AVX512
namespace {

// A product is made in tiles of so many rows and columns; a panel is what one task keeps in its cache.
constexpr u64 kRows = 8;
constexpr u64 kLanes = 16;
constexpr u64 kVectors = 4;
constexpr u64 kColumns = kLanes * kVectors;
// An entry w of the matrix is low + 2^15 high with 0 <= low < 2^15 <= 2^15 - high.
constexpr int kLimbBits = 15;
// Terms that are added in 32 bits: a multiple of what is packed at once.
constexpr u64 kTermsAtOnce = 2 * kLanes;
constexpr u64 kMaxTerms = 256;

// Terms of |left| <= largest that fit 31 bits; 0 if too few.
u64 terms_of(u64 largest) {
    if (largest >> kLimbBits) return 0;
    const u64 terms = ((u64{1} << 31) - 1) / (std::max<u64>(1, largest) << kLimbBits);
    return std::min(kMaxTerms, terms / kTermsAtOnce * kTermsAtOnce);
}

// Two neighbouring columns side by side as 16-bit halves: (group of kRows rows, pair, kRows), filled with zeros.
std::vector<u32> paired_left(const i64* left, u64 rows, u64 inner, u64 pairs) {
    std::vector<u32> out((rows + kRows - 1) / kRows * pairs * kRows, 0);
    for (u64 row = 0; row < rows; ++row)
        for (u64 c = 0; c < inner; ++c) {
            const u32 half = static_cast<u32>(left[row * inner + c]) & 0xFFFFU;
            out[(row / kRows * pairs + c / 2) * kRows + row % kRows] |= half << (16 * (c % 2));
        }
    return out;
}

using Vector = __m512i;

// Low and high limbs of pairs.
struct Limbs {
    Vector low, high;
};

ZK_FOR_VNNI inline Limbs limbs_of(Vector first, Vector second, Vector& seen) {
    const Vector mask = _mm512_set1_epi32((1 << kLimbBits) - 1), half = _mm512_set1_epi32(0xFFFF);
    // |INT32_MIN|, which is what a value that fits no 32 bits becomes, stays large as an unsigned number.
    seen = _mm512_or_si512(seen, _mm512_or_si512(_mm512_abs_epi32(first), _mm512_abs_epi32(second)));
    const Vector low =
        _mm512_or_si512(_mm512_and_si512(first, mask), _mm512_slli_epi32(_mm512_and_si512(second, mask), 16));
    const Vector high = _mm512_or_si512(_mm512_and_si512(_mm512_srai_epi32(first, kLimbBits), half),
                                        _mm512_slli_epi32(_mm512_srai_epi32(second, kLimbBits), 16));
    return {low, high};
}

// Up to 16 doubles as 32-bit integers; what is missing is zero.
ZK_FOR_VNNI inline Vector load_integers(const double* from, u64 count) {
    const u64 first = std::min<u64>(count, 8), second = count - first;
    const __m512d low = _mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << first) - 1), from);
    const __m512d high = _mm512_maskz_loadu_pd(static_cast<__mmask8>((1U << second) - 1), from + first);
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtpd_epi32(low)), _mm512_cvtpd_epi32(high), 1);
}

// A matrix (or its transpose) in blocks: `terms` of the inner dimension by kColumns outputs.
struct Panel {
    const double* matrix;
    u64 stride, inner, outputs;
    u64 first_term, terms, first_output;
    // (vector, pair, limb, lane)
    u32* words;

    u64 pairs() const { return terms / 2; }
    u32* at(u64 vector, u64 pair) const { return words + (vector * pairs() + pair) * 2 * kLanes; }
};

ZK_FOR_VNNI void pack(const Panel& panel, Vector& seen) {
    for (u64 pair = 0; pair < panel.pairs(); ++pair) {
        const u64 row = panel.first_term + 2 * pair;
        for (u64 v = 0; v < kVectors; ++v) {
            const u64 column = panel.first_output + v * kLanes;
            const u64 count = column < panel.outputs ? std::min(kLanes, panel.outputs - column) : 0;
            const double* from = panel.matrix + row * panel.stride + column;
            const Vector first = row < panel.inner && count ? load_integers(from, count) : _mm512_setzero_si512();
            const Vector second =
                row + 1 < panel.inner && count ? load_integers(from + panel.stride, count) : _mm512_setzero_si512();
            const Limbs limbs = limbs_of(first, second, seen);
            _mm512_store_si512(panel.at(v, pair), limbs.low);
            _mm512_store_si512(panel.at(v, pair) + kLanes, limbs.high);
        }
    }
}

ZK_FOR_VNNI inline void transpose(Vector (&rows)[kLanes]) {
    Vector other[kLanes];
    for (u64 i = 0; i < kLanes; i += 2) {
        other[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        other[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (u64 i = 0; i < kLanes; i += 4)
        for (u64 k = 0; k < 2; ++k) {
            rows[i + 2 * k] = _mm512_unpacklo_epi64(other[i + k], other[i + 2 + k]);
            rows[i + 2 * k + 1] = _mm512_unpackhi_epi64(other[i + k], other[i + 2 + k]);
        }
    for (u64 i = 0; i < kLanes; i += 8)
        for (u64 k = 0; k < 4; ++k) {
            other[i + k] = _mm512_shuffle_i32x4(rows[i + k], rows[i + 4 + k], 0x88);
            other[i + 4 + k] = _mm512_shuffle_i32x4(rows[i + k], rows[i + 4 + k], 0xDD);
        }
    for (u64 k = 0; k < 8; ++k) {
        rows[k] = _mm512_shuffle_i32x4(other[k], other[8 + k], 0x88);
        rows[8 + k] = _mm512_shuffle_i32x4(other[k], other[8 + k], 0xDD);
    }
}

ZK_FOR_VNNI void pack_transposed(const Panel& panel, Vector& seen) {
    const Vector evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const Vector odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    for (u64 v = 0; v < kVectors; ++v)
        for (u64 pair = 0; pair < panel.pairs(); pair += kLanes) {
            const u64 column = panel.first_term + 2 * pair;
            const u64 count = column < panel.inner ? std::min(kTermsAtOnce, panel.inner - column) : 0;
            Vector low[kLanes], high[kLanes];
            for (u64 lane = 0; lane < kLanes; ++lane) {
                const u64 row = panel.first_output + v * kLanes + lane;
                if (row >= panel.outputs || count == 0) {
                    low[lane] = high[lane] = _mm512_setzero_si512();
                    continue;
                }
                const double* from = panel.matrix + row * panel.stride + column;
                const Vector left = load_integers(from, std::min(kLanes, count));
                const Vector right =
                    count > kLanes ? load_integers(from + kLanes, count - kLanes) : _mm512_setzero_si512();
                const Limbs limbs = limbs_of(_mm512_permutex2var_epi32(left, evens, right),
                                             _mm512_permutex2var_epi32(left, odds, right), seen);
                low[lane] = limbs.low;
                high[lane] = limbs.high;
            }
            transpose(low);
            transpose(high);
            for (u64 k = 0; k < kLanes; ++k) {
                _mm512_store_si512(panel.at(v, pair + k), low[k]);
                _mm512_store_si512(panel.at(v, pair + k) + kLanes, high[k]);
            }
        }
}

// Asks for part `part` of `parts` of the panel behind this one, while the processor multiplies.
void prefetch_next(const Panel& panel, bool transposed, u64 part, u64 parts) {
    const u64 term = panel.first_term + panel.terms;
    if (term >= panel.inner) return;
    const u64 terms = std::min(panel.terms, panel.inner - term);
    const u64 outputs = std::min(kColumns, panel.outputs - panel.first_output);
    const u64 rows = transposed ? outputs : terms, columns = transposed ? terms : outputs;
    const double* from = panel.matrix + (transposed ? panel.first_output * panel.stride + term
                                                    : term * panel.stride + panel.first_output);
    for (u64 row = rows * part / parts; row < rows * (part + 1) / parts; ++row)
        for (u64 c = 0; c < columns; c += 8) __builtin_prefetch(from + row * panel.stride + c, 0, 2);
}

// sums (kRows, kLanes), rows kColumns apart, += left (pairs, kRows) times panel (pairs, limb, kLanes).
ZK_FOR_VNNI void add_tile(const u32* left, const u32* panel, u64 pairs, i64* sums) {
    Vector low[kRows], high[kRows];
    for (u64 r = 0; r < kRows; ++r) low[r] = high[r] = _mm512_setzero_si512();
    for (u64 pair = 0; pair < pairs; ++pair, left += kRows, panel += 2 * kLanes) {
        const Vector lows = _mm512_load_si512(panel), highs = _mm512_load_si512(panel + kLanes);
        for (u64 r = 0; r < kRows; ++r) {
            const Vector factor = _mm512_set1_epi32(static_cast<int>(left[r]));
            low[r] = _mm512_dpwssd_epi32(low[r], factor, lows);
            high[r] = _mm512_dpwssd_epi32(high[r], factor, highs);
        }
    }
    for (u64 r = 0; r < kRows; ++r)
        for (int part = 0; part < 2; ++part) {
            i64* to = sums + r * kColumns + 8 * static_cast<u64>(part);
            const Vector lows = _mm512_cvtepi32_epi64(part ? _mm512_extracti64x4_epi64(low[r], 1)
                                                           : _mm512_castsi512_si256(low[r]));
            const Vector highs = _mm512_cvtepi32_epi64(part ? _mm512_extracti64x4_epi64(high[r], 1)
                                                            : _mm512_castsi512_si256(high[r]));
            const Vector value = _mm512_add_epi64(lows, _mm512_slli_epi64(highs, kLimbBits));
            _mm512_storeu_si512(to, _mm512_add_epi64(_mm512_loadu_si512(to), value));
        }
}

// Whether every value that `seen` collected is below 2^30: the high limbs then fit 16 bits.
ZK_FOR_VNNI bool are_narrow(Vector seen) {
    return (static_cast<u32>(_mm512_reduce_or_epi32(seen)) >> (2 * kLimbBits)) == 0;
}

struct alignas(64) Line {
    u32 words[kLanes];
};

struct Product {
    const std::vector<u32>& left;
    const double* matrix;
    bool transposed;
    u64 rows, inner, n, terms;
    i64* out;

    // Columns [first, first + kColumns) of the product; false if an entry of the matrix is too wide.
    ZK_FOR_VNNI bool block(u64 first, std::vector<Line>& words, std::vector<i64>& sums) const {
        const u64 all_pairs = (inner + 1) / 2, groups = (rows + kRows - 1) / kRows;
        std::fill(sums.begin(), sums.end(), 0);
        Vector seen = _mm512_setzero_si512();
        for (u64 term = 0; term < inner; term += terms) {
            const Panel panel{matrix, transposed ? inner : n, inner, n, term, terms, first, words[0].words};
            transposed ? pack_transposed(panel, seen) : pack(panel, seen);
            const u64 pairs = std::min(panel.pairs(), all_pairs - term / 2);
            for (u64 v = 0; v < kVectors && first + v * kLanes < n; ++v)
                for (u64 group = 0; group < groups; ++group) {
                    prefetch_next(panel, transposed, v * groups + group, kVectors * groups);
                    add_tile(left.data() + (group * all_pairs + term / 2) * kRows, panel.at(v, 0), pairs,
                             sums.data() + group * kRows * kColumns + v * kLanes);
                }
        }
        const u64 width = std::min(kColumns, n - first);
        for (u64 row = 0; row < rows; ++row) std::copy_n(sums.data() + row * kColumns, width, out + row * n + first);
        return are_narrow(seen);
    }
};

}  // namespace

bool narrow_products(const i64* left, const double* matrix, bool transposed, u64 rows, u64 inner, u64 n, i64* out,
                     unsigned threads) {
    if (!has_vnni()) return false;
    const u64 terms = terms_of(largest_of(left, rows * inner));
    if (terms == 0) return false;
    const u64 groups = (rows + kRows - 1) / kRows, blocks = (n + kColumns - 1) / kColumns;
    const std::vector<u32> pairs = paired_left(left, rows, inner, (inner + 1) / 2);
    const Product product{pairs, matrix, transposed, rows, inner, n, terms, out};
    std::atomic<bool> is_narrow{true};
    // A thread's memory is made here: a task must not throw.
    std::atomic<u64> next{0};
    const u64 workers = std::max<u64>(1, std::min<u64>(threads, blocks));
    struct Scratch {
        std::vector<Line> words;
        std::vector<i64> sums;
    };
    std::vector<Scratch> scratch(workers);
    for (auto& each : scratch) {
        each.words.resize(kVectors * terms);
        each.sums.resize(groups * kRows * kColumns);
    }
    parallel_for(workers, 1, threads, [&](u64 begin, u64 end) {
        for (u64 worker = begin; worker < end; ++worker)
            for (u64 block = next.fetch_add(1); block < blocks && is_narrow; block = next.fetch_add(1))
                if (!product.block(block * kColumns, scratch[worker].words, scratch[worker].sums)) is_narrow = false;
    });
    return is_narrow;
}
#else
bool narrow_products(const i64*, const double*, bool, u64, u64, u64, i64*, unsigned) { return false; }
#endif

}  // namespace zkdl
