#include "update.h"

#include <algorithm>
#include <vector>

#include "largest.h"
#include "parallel.h"
#include "processor.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define ZK_UPDATE_AVX2
#endif

namespace zkdl {

namespace {

// Sums that are held at once: a few inputs by so many outputs, a multiple of every vector length.
constexpr u64 kColumns = 32;
constexpr u64 kMaxInputs = 8;
constexpr u64 kInputsPerTask = 16;

u32 pair_of(const i32* values, u64 rows, u64 columns, u64 pair, u64 column) {
    const u32 low = static_cast<u32>(values[2 * pair * columns + column]) & 0xFFFFU;
    const u32 high = 2 * pair + 1 < rows ? static_cast<u32>(values[(2 * pair + 1) * columns + column]) : 0;
    return low | high << 16;
}

// Two rows side by side as 16-bit halves. A power-of-two stride would map all pairs to one set of the cache, so what is
// read together lies together: (group, pair, width) with groups of `width` columns, the last one filled with zeros.
std::vector<u32> paired(const i32* values, u64 rows, u64 columns, u64 width) {
    const u64 pairs = (rows + 1) / 2, groups = (columns + width - 1) / width;
    std::vector<u32> out(groups * pairs * width, 0);
    for (u64 pair = 0; pair < pairs; ++pair)
        for (u64 first = 0; first < columns; first += width) {
            u32* to = out.data() + (first * pairs + pair * width);
            for (u64 c = first; c < std::min(columns, first + width); ++c)
                *to++ = pair_of(values, rows, columns, pair, c);
        }
    return out;
}

// sums[i][c] = sum over pairs of left[pair][i] * right[pair][c], both halves, for `inputs` by kColumns.
struct PairSums {
    u64 inputs;
    void (*run)(const u32* left, const u32* right, u64 pairs, i32 (*sums)[kColumns]);
};

#ifdef ZK_AVX512
__attribute__((target("avx512f,avx512vnni"))) void pair_sums_vnni(const u32* left, const u32* right, u64 pairs,
                                                                  i32 (*sums)[kColumns]) {
    constexpr u64 kInputs = 8, kVectors = kColumns / 16;
    __m512i acc[kInputs][kVectors];
    for (auto& row : acc)
        for (auto& each : row) each = _mm512_setzero_si512();
    for (u64 pair = 0; pair < pairs; ++pair, left += kInputs, right += kColumns) {
        const __m512i values[kVectors] = {_mm512_loadu_si512(right), _mm512_loadu_si512(right + 16)};
        for (u64 i = 0; i < kInputs; ++i) {
            const __m512i factor = _mm512_set1_epi32(static_cast<int>(left[i]));
            for (u64 k = 0; k < kVectors; ++k) acc[i][k] = _mm512_dpwssd_epi32(acc[i][k], factor, values[k]);
        }
    }
    for (u64 i = 0; i < kInputs; ++i)
        for (u64 k = 0; k < kVectors; ++k) _mm512_storeu_si512(sums[i] + 16 * k, acc[i][k]);
}
#endif

#ifdef ZK_UPDATE_AVX2
__attribute__((target("avx2"))) void pair_sums_avx2(const u32* left, const u32* right, u64 pairs,
                                                    i32 (*sums)[kColumns]) {
    constexpr u64 kInputs = 2, kVectors = kColumns / 8;
    __m256i acc[kInputs][kVectors];
    for (auto& row : acc)
        for (auto& each : row) each = _mm256_setzero_si256();
    for (u64 pair = 0; pair < pairs; ++pair) {
        const __m256i first = _mm256_set1_epi32(static_cast<int>(left[kInputs * pair]));
        const __m256i second = _mm256_set1_epi32(static_cast<int>(left[kInputs * pair + 1]));
        for (u64 k = 0; k < kVectors; ++k) {
            const __m256i values =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(right + kColumns * pair + 8 * k));
            acc[0][k] = _mm256_add_epi32(acc[0][k], _mm256_madd_epi16(first, values));
            acc[1][k] = _mm256_add_epi32(acc[1][k], _mm256_madd_epi16(second, values));
        }
    }
    for (u64 i = 0; i < kInputs; ++i)
        for (u64 k = 0; k < kVectors; ++k)
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums[i] + 8 * k), acc[i][k]);
}
#endif

void pair_sums_scalar(const u32* left, const u32* right, u64 pairs, i32 (*sums)[kColumns]) {
    constexpr u64 kInputs = 2;
    for (u64 i = 0; i < kInputs; ++i) std::fill_n(sums[i], kColumns, 0);
    for (u64 pair = 0; pair < pairs; ++pair)
        for (u64 i = 0; i < kInputs; ++i) {
            const u32 factor = left[kInputs * pair + i];
            const i32 low = static_cast<std::int16_t>(factor), high = static_cast<std::int16_t>(factor >> 16);
            for (u64 c = 0; c < kColumns; ++c) {
                const u32 value = right[kColumns * pair + c];
                sums[i][c] += low * static_cast<std::int16_t>(value) + high * static_cast<std::int16_t>(value >> 16);
            }
        }
}

PairSums fastest_pair_sums() {
#ifdef ZK_AVX512
    if (has_vnni()) return {8, pair_sums_vnni};
#endif
#ifdef ZK_UPDATE_AVX2
    if (__builtin_cpu_supports("avx2")) return {2, pair_sums_avx2};
#endif
    return {2, pair_sums_scalar};
}

// Subtracts factor * sums and reports the new values.
template <class Element, class Integer>
u64 apply(Element* matrix, const Integer* sums, u64 count, Element factor) {
    Element low = 0, high = 0;
    for (u64 c = 0; c < count; ++c) {
        const Element value = matrix[c] - factor * static_cast<Element>(sums[c]);
        matrix[c] = value;
        low = std::min(low, value);
        high = std::max(high, value);
    }
    return std::max(static_cast<u64>(high), static_cast<u64>(-low));
}

#ifdef ZK_AVX512
// The same for integers in double; compilers do not turn a maximum of doubles into vectors.
__attribute__((target("avx512f,avx512vl"))) u64 apply_avx512(double* matrix, const i32* sums, u64 count,
                                                             double factor) {
    const __m512d scale = _mm512_set1_pd(factor);
    __m512d largest = _mm512_setzero_pd();
    for (u64 c = 0; c < count; c += 8) {
        const u64 left = std::min<u64>(8, count - c);
        const __mmask8 some = static_cast<__mmask8>((1U << left) - 1);
        const __m512d terms = _mm512_cvtepi32_pd(_mm256_maskz_loadu_epi32(some, sums + c));
        // Both operations are exact, so this is what one rounding would give too.
        const __m512d value = _mm512_fnmadd_pd(scale, terms, _mm512_maskz_loadu_pd(some, matrix + c));
        _mm512_mask_storeu_pd(matrix + c, some, value);
        largest = _mm512_max_pd(largest, _mm512_abs_pd(value));
    }
    return static_cast<u64>(_mm512_reduce_max_pd(largest));
}
#endif

u64 apply_fastest(double* matrix, const i32* sums, u64 count, double factor) {
#ifdef ZK_AVX512
    if (has_vnni()) return apply_avx512(matrix, sums, count, factor);
#endif
    return apply(matrix, sums, count, factor);
}
u64 apply_fastest(i64* matrix, const i32* sums, u64 count, i64 factor) { return apply(matrix, sums, count, factor); }

// rows(input) calls apply on one row of the matrix and returns its largest value.
template <class Row>
u64 over_inputs(u64 inputs, unsigned threads, const Row& row) {
    return parallel_reduce(
        inputs, kInputsPerTask, threads, u64{0},
        [&](u64 begin, u64 end) {
            u64 largest = 0;
            for (u64 input = begin; input < end; ++input) largest = std::max(largest, row(input));
            return largest;
        },
        [](u64& all, u64 part) { all = std::max(all, part); });
}

}  // namespace

template <class Element>
u64 subtract_products(Element* matrix, const i32* left, const i32* right, u64 rows, u64 inputs, u64 outputs, i64 factor,
                      unsigned threads) {
    const Element scale = static_cast<Element>(factor);
    const u64 left_largest = largest_of(left, rows * inputs), right_largest = largest_of(right, rows * outputs);
    const bool is_narrow = left_largest < (1 << 15) && right_largest < (1 << 15) &&
                           (rows + 1) * left_largest * right_largest < (u64{1} << 31);
    if (!is_narrow) {
        return over_inputs(inputs, threads, [&](u64 input) {
            std::vector<i64> sums(outputs, 0);
            for (u64 r = 0; r < rows; ++r)
                for (u64 c = 0; c < outputs; ++c)
                    sums[c] += static_cast<i64>(left[r * inputs + input]) * right[r * outputs + c];
            return apply(matrix + input * outputs, sums.data(), outputs, scale);
        });
    }
    const u64 pairs = (rows + 1) / 2;
    const PairSums tile = fastest_pair_sums();
    const std::vector<u32> left_pairs = paired(left, rows, inputs, tile.inputs);
    const std::vector<u32> right_pairs = paired(right, rows, outputs, kColumns);
    return over_inputs((inputs + tile.inputs - 1) / tile.inputs, threads, [&](u64 group) {
        u64 largest = 0;
        i32 sums[kMaxInputs][kColumns];
        for (u64 first = 0; first < outputs; first += kColumns) {
            tile.run(left_pairs.data() + group * pairs * tile.inputs, right_pairs.data() + first * pairs, pairs, sums);
            const u64 count = std::min(kColumns, outputs - first);
            for (u64 i = 0; i < tile.inputs && group * tile.inputs + i < inputs; ++i) {
                const u64 at = (group * tile.inputs + i) * outputs + first;
                largest = std::max(largest, apply_fastest(matrix + at, sums[i], count, scale));
            }
        }
        return largest;
    });
}

template u64 subtract_products(i64*, const i32*, const i32*, u64, u64, u64, i64, unsigned);
template u64 subtract_products(double*, const i32*, const i32*, u64, u64, u64, i64, unsigned);

void write_transposed(i32* out, u64 stride, const i64* values, u64 rows, u64 columns, unsigned threads) {
    // Output rows lie whole pages apart, so they would evict each other from the cache if they were written side by side.
    constexpr u64 kBlock = 8, kRows = 64;
    parallel_for((columns + kBlock - 1) / kBlock, std::max<u64>(1, (1 << 17) / (kBlock * std::max<u64>(1, rows))),
                 threads, [&](u64 begin, u64 end) {
        i32 tile[kBlock][kRows];
        for (u64 block = begin; block < end; ++block) {
            const u64 first = block * kBlock, width = std::min(kBlock, columns - first);
            for (u64 row = 0; row < rows; row += kRows) {
                const u64 height = std::min(kRows, rows - row);
                for (u64 i = 0; i < height; ++i)
                    for (u64 j = 0; j < width; ++j)
                        tile[j][i] = static_cast<i32>(values[(row + i) * columns + first + j]);
                for (u64 j = 0; j < width; ++j) std::copy_n(tile[j], height, out + (first + j) * stride + row);
            }
        }
    });
}

}  // namespace zkdl
