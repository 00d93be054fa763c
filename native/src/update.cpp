#include "update.h"

#include <algorithm>
#include <vector>

#include "parallel.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define ZK_UPDATE_AVX2
#endif

namespace zkdl {

namespace {

// Outputs whose sums are held at once; a multiple of every vector length.
constexpr u64 kColumns = 32;
constexpr u64 kInputsPerTask = 16;

u64 largest_of(const i32* values, u64 count) {
    u64 out = 0;
    for (u64 i = 0; i < count; ++i) {
        const i64 value = values[i];
        out = std::max(out, static_cast<u64>(value < 0 ? -value : value));
    }
    return out;
}

// Two rows side by side as 16-bit halves: element (pair, column) of (ceil(rows / 2), padded columns).
std::vector<u32> paired(const i32* values, u64 rows, u64 columns, u64 padded) {
    std::vector<u32> out((rows + 1) / 2 * padded, 0);
    for (u64 row = 0; row < rows; ++row)
        for (u64 c = 0; c < columns; ++c) {
            const u32 half = static_cast<u32>(values[row * columns + c]) & 0xFFFFU;
            out[row / 2 * padded + c] |= row % 2 == 0 ? half : half << 16;
        }
    return out;
}

#ifdef ZK_UPDATE_AVX2
// sums[c] = sum over pairs of left[pair * stride] * right[pair * padded + c], both halves, for kColumns columns.
__attribute__((target("avx2"))) void pair_sums_avx2(const u32* left, u64 stride, const u32* right, u64 padded,
                                                    u64 pairs, i32* sums) {
    __m256i acc[kColumns / 8];
    for (auto& each : acc) each = _mm256_setzero_si256();
    for (u64 pair = 0; pair < pairs; ++pair) {
        const __m256i factor = _mm256_set1_epi32(static_cast<int>(left[pair * stride]));
        const u32* row = right + pair * padded;
        for (u64 k = 0; k < kColumns / 8; ++k) {
            const __m256i values = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + 8 * k));
            acc[k] = _mm256_add_epi32(acc[k], _mm256_madd_epi16(factor, values));
        }
    }
    for (u64 k = 0; k < kColumns / 8; ++k) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8 * k), acc[k]);
}
#endif

void pair_sums(const u32* left, u64 stride, const u32* right, u64 padded, u64 pairs, i32* sums) {
    std::fill_n(sums, kColumns, 0);
    for (u64 pair = 0; pair < pairs; ++pair) {
        const u32 factor = left[pair * stride];
        const i32 low = static_cast<std::int16_t>(factor), high = static_cast<std::int16_t>(factor >> 16);
        for (u64 c = 0; c < kColumns; ++c) {
            const u32 value = right[pair * padded + c];
            sums[c] += low * static_cast<std::int16_t>(value) + high * static_cast<std::int16_t>(value >> 16);
        }
    }
}

using PairSums = void (*)(const u32*, u64, const u32*, u64, u64, i32*);

PairSums fastest_pair_sums() {
#ifdef ZK_UPDATE_AVX2
    if (__builtin_cpu_supports("avx2")) return pair_sums_avx2;
#endif
    return pair_sums;
}

// Subtracts factor * sums and reports the new values.
template <class Integer>
u64 apply(i64* matrix, double* floats, const Integer* sums, u64 count, i64 factor) {
    i64 low = 0, high = 0;
    for (u64 c = 0; c < count; ++c) {
        const i64 value = matrix[c] - factor * static_cast<i64>(sums[c]);
        matrix[c] = value;
        floats[c] = static_cast<double>(value);
        low = std::min(low, value);
        high = std::max(high, value);
    }
    return std::max(static_cast<u64>(high), static_cast<u64>(-low));
}

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

u64 subtract_products(i64* matrix, const i32* left, const i32* right, u64 rows, u64 inputs, u64 outputs, i64 factor,
                      double* floats, unsigned threads) {
    const u64 left_largest = largest_of(left, rows * inputs), right_largest = largest_of(right, rows * outputs);
    const bool is_narrow = left_largest < (1 << 15) && right_largest < (1 << 15) &&
                           (rows + 1) * left_largest * right_largest < (u64{1} << 31);
    if (!is_narrow) {
        return over_inputs(inputs, threads, [&](u64 input) {
            std::vector<i64> sums(outputs, 0);
            for (u64 r = 0; r < rows; ++r)
                for (u64 c = 0; c < outputs; ++c)
                    sums[c] += static_cast<i64>(left[r * inputs + input]) * right[r * outputs + c];
            return apply(matrix + input * outputs, floats + input * outputs, sums.data(), outputs, factor);
        });
    }
    const u64 padded = (outputs + kColumns - 1) / kColumns * kColumns, pairs = (rows + 1) / 2;
    const std::vector<u32> left_pairs = paired(left, rows, inputs, inputs);
    const std::vector<u32> right_pairs = paired(right, rows, outputs, padded);
    const PairSums sums_of = fastest_pair_sums();
    return over_inputs(inputs, threads, [&](u64 input) {
        u64 largest = 0;
        i32 sums[kColumns];
        for (u64 first = 0; first < outputs; first += kColumns) {
            sums_of(left_pairs.data() + input, inputs, right_pairs.data() + first, padded, pairs, sums);
            const u64 at = input * outputs + first, count = std::min(kColumns, outputs - first);
            largest = std::max(largest, apply(matrix + at, floats + at, sums, count, factor));
        }
        return largest;
    });
}

void write_transposed(i32* out, u64 stride, const i64* values, u64 rows, u64 columns, unsigned threads) {
    // Blocks of one cache line of input columns: each line is read once and every output row is written in a run.
    constexpr u64 kBlock = 8;
    parallel_for((columns + kBlock - 1) / kBlock, 64, threads, [&](u64 begin, u64 end) {
        for (u64 block = begin; block < end; ++block) {
            const u64 first = block * kBlock, last = std::min(columns, first + kBlock);
            for (u64 i = 0; i < rows; ++i)
                for (u64 j = first; j < last; ++j) out[j * stride + i] = static_cast<i32>(values[i * columns + j]);
        }
    });
}

}  // namespace zkdl
