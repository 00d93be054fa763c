// Butterflies of the number-theoretic transform over F. T is u64 or a vector of them; canonical in and out.
#pragma once

#include "launch.h"

namespace zkdl {

// a * g_4, g_4 = 2^48: a * 2^48 = (a >> 16) * 2^64 + (a << 48)
ZK_FN u64 by_fourth_root(u64 a) { return reduce(Wide{a << 48, a >> 16}); }

// One level of decimation in frequency: (a + b, (a - b) * w).
template <class T>
ZK_FN void frequency_two(T& a, T& b, T w) {
    const T difference = subtract(a, b);
    a = add(a, b);
    b = multiply(difference, w);
}

// One level of decimation in time: (a + b * w, a - b * w).
template <class T>
ZK_FN void time_two(T& a, T& b, T w) {
    const T product = multiply(b, w);
    b = subtract(a, product);
    a = add(a, product);
}

// (a - b) * g_4, or its negative.
template <class T>
ZK_FN T turned_difference(T a, T b, bool is_inverse) {
    return by_fourth_root(is_inverse ? subtract(b, a) : subtract(a, b));
}

// The four-point transform with g_4 or, for the inverse, 1/g_4 = -g_4; natural order in, bit-reversed out.
template <class T>
ZK_FN void four_frequencies(T& x0, T& x1, T& x2, T& x3, bool is_inverse) {
    const T s02 = add(x0, x2), d02 = subtract(x0, x2);
    const T s13 = add(x1, x3), turned = turned_difference(x1, x3, is_inverse);
    x0 = add(s02, s13);
    x1 = subtract(s02, s13);
    x2 = add(d02, turned);
    x3 = subtract(d02, turned);
}

// The same from bit-reversed to natural order.
template <class T>
ZK_FN void four_times(T& x0, T& x1, T& x2, T& x3, bool is_inverse) {
    const T s02 = add(x0, x1), d02 = subtract(x0, x1);
    const T s13 = add(x2, x3), turned = turned_difference(x2, x3, is_inverse);
    x0 = add(s02, s13);
    x1 = add(d02, turned);
    x2 = subtract(s02, s13);
    x3 = subtract(d02, turned);
}

// Two levels of decimation in frequency on the quarters of a block; w1 = w^j, w2 = w^2j, w3 = w^3j.
template <class T>
ZK_FN void frequency_four(T& x0, T& x1, T& x2, T& x3, T w1, T w2, T w3, bool is_inverse) {
    four_frequencies(x0, x1, x2, x3, is_inverse);
    x1 = multiply(x1, w2);
    x2 = multiply(x2, w1);
    x3 = multiply(x3, w3);
}

// Two levels of decimation in time: the quarters hold the transforms of the coefficients 0, 2, 1, 3 mod 4.
template <class T>
ZK_FN void time_four(T& x0, T& x1, T& x2, T& x3, T w1, T w2, T w3, bool is_inverse) {
    x1 = multiply(x1, w2);
    x2 = multiply(x2, w1);
    x3 = multiply(x3, w3);
    four_times(x0, x1, x2, x3, is_inverse);
}

ZK_FN u64 reversed_bits(u64 i, u64 bits) {
    u64 out = 0;
    for (u64 k = 0; k < bits; ++k) out |= ((i >> k) & 1) << (bits - 1 - k);
    return out;
}

}  // namespace zkdl

#ifdef ZK_LAUNCHERS
namespace zkdl {
// Elements of a block that are transformed in shared memory, 16 KiB.
constexpr u64 kTile = 2048;

ZK_FN u64 low_mask(u64 bits) { return (1ULL << bits) - 1; }
}  // namespace zkdl

// Transforms of rows of 2^bits elements, in place: frequency from natural to bit-reversed order, time back. w[k] are the
// powers of g_(2^bits) or of its inverse, k < 2^bits / 2; `count` elements in all rows together. Tiles of at most 2^tile_bits
// elements make the levels within a tile, in shared memory; steps make the levels above it, one level a launch.

// Thread (pair): one level of frequency on blocks of 2^(level + 1) elements.
extern "C" __global__ void zkdl_ntt_frequency_step(zkdl::u64* data, const zkdl::u64* w, zkdl::u64 bits, zkdl::u64 level,
                                                   zkdl::u64 pairs) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i >= pairs) return;
    const zkdl::u64 j = i & zkdl::low_mask(level);
    zkdl::u64* x = data + ((i >> level) << (level + 1)) + j;
    zkdl::frequency_two(x[0], x[1ULL << level], w[j << (bits - 1 - level)]);
}

// Thread (pair): one level of time.
extern "C" __global__ void zkdl_ntt_time_step(zkdl::u64* data, const zkdl::u64* w, zkdl::u64 bits, zkdl::u64 level,
                                              zkdl::u64 pairs) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i >= pairs) return;
    const zkdl::u64 j = i & zkdl::low_mask(level);
    zkdl::u64* x = data + ((i >> level) << (level + 1)) + j;
    zkdl::time_two(x[0], x[1ULL << level], w[j << (bits - 1 - level)]);
}

// Thread (quadruple): two levels of frequency at once on blocks of 2^(level + 2) elements, levels `level` + 1 and `level`.
extern "C" __global__ void zkdl_ntt_frequency_four(zkdl::u64* data, const zkdl::u64* w, zkdl::u64 bits, zkdl::u64 level,
                                                   zkdl::u64 is_inverse, zkdl::u64 quadruples) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i >= quadruples) return;
    const zkdl::u64 quarter = 1ULL << level, j = i & zkdl::low_mask(level), unit = bits - 2 - level;
    zkdl::u64* x = data + ((i >> level) << (level + 2)) + j;
    const zkdl::u64 w1 = w[j << unit], w2 = w[j << (unit + 1)];
    zkdl::frequency_four(x[0], x[quarter], x[2 * quarter], x[3 * quarter], w1, w2, zkdl::multiply(w1, w2),
                         is_inverse != 0);
}

// Thread (quadruple): two levels of time at once, levels `level` and `level` + 1.
extern "C" __global__ void zkdl_ntt_time_four(zkdl::u64* data, const zkdl::u64* w, zkdl::u64 bits, zkdl::u64 level,
                                              zkdl::u64 is_inverse, zkdl::u64 quadruples) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i >= quadruples) return;
    const zkdl::u64 quarter = 1ULL << level, j = i & zkdl::low_mask(level), unit = bits - 2 - level;
    zkdl::u64* x = data + ((i >> level) << (level + 2)) + j;
    const zkdl::u64 w1 = w[j << unit], w2 = w[j << (unit + 1)];
    zkdl::time_four(x[0], x[quarter], x[2 * quarter], x[3 * quarter], w1, w2, zkdl::multiply(w1, w2), is_inverse != 0);
}

// Block (tile): the levels below 2^tile_bits.
extern "C" __global__ void zkdl_ntt_frequency_tile(zkdl::u64* data, const zkdl::u64* w, zkdl::u64 bits,
                                                   zkdl::u64 tile_bits) {
    __shared__ zkdl::u64 tile[zkdl::kTile];
    const zkdl::u64 size = 1ULL << tile_bits;
    zkdl::u64* here = data + (static_cast<zkdl::u64>(blockIdx.x) << tile_bits);
    for (zkdl::u64 i = threadIdx.x; i < size; i += blockDim.x) tile[i] = here[i];
    for (zkdl::u64 level = tile_bits; level-- > 0;) {
        __syncthreads();
        for (zkdl::u64 i = threadIdx.x; i < size / 2; i += blockDim.x) {
            const zkdl::u64 j = i & zkdl::low_mask(level);
            zkdl::u64* x = tile + ((i >> level) << (level + 1)) + j;
            zkdl::frequency_two(x[0], x[1ULL << level], w[j << (bits - 1 - level)]);
        }
    }
    __syncthreads();
    for (zkdl::u64 i = threadIdx.x; i < size; i += blockDim.x) here[i] = tile[i];
}

extern "C" __global__ void zkdl_ntt_time_tile(zkdl::u64* data, const zkdl::u64* w, zkdl::u64 bits, zkdl::u64 tile_bits) {
    __shared__ zkdl::u64 tile[zkdl::kTile];
    const zkdl::u64 size = 1ULL << tile_bits;
    zkdl::u64* here = data + (static_cast<zkdl::u64>(blockIdx.x) << tile_bits);
    for (zkdl::u64 i = threadIdx.x; i < size; i += blockDim.x) tile[i] = here[i];
    for (zkdl::u64 level = 0; level < tile_bits; ++level) {
        __syncthreads();
        for (zkdl::u64 i = threadIdx.x; i < size / 2; i += blockDim.x) {
            const zkdl::u64 j = i & zkdl::low_mask(level);
            zkdl::u64* x = tile + ((i >> level) << (level + 1)) + j;
            zkdl::time_two(x[0], x[1ULL << level], w[j << (bits - 1 - level)]);
        }
    }
    __syncthreads();
    for (zkdl::u64 i = threadIdx.x; i < size; i += blockDim.x) here[i] = tile[i];
}

// Thread (element): from (rows, 2^bits) in bit-reversed order to natural order, times `factor`.
extern "C" __global__ void zkdl_natural_order(const zkdl::u64* data, zkdl::u64 bits, zkdl::u64 factor, zkdl::u64* out,
                                              zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i >= count) return;
    const zkdl::u64 row = i >> bits;
    out[i] = zkdl::multiply(factor, data[(row << bits) + zkdl::reversed_bits(i & zkdl::low_mask(bits), bits)]);
}

// Thread (element): coefficients (rows, width) of polynomials in natural order, width <= 2^bits, times powers[i] = 7^i, to
// (rows, 2^bits) in bit-reversed order.
extern "C" __global__ void zkdl_coset_coefficients(const zkdl::u64* coefficients, zkdl::u64 width,
                                                   const zkdl::u64* powers, zkdl::u64 bits, zkdl::u64* out,
                                                   zkdl::u64 count) {
    const zkdl::u64 at = zkdl::thread_index();
    if (at >= count) return;
    const zkdl::u64 row = at >> bits, i = zkdl::reversed_bits(at & zkdl::low_mask(bits), bits);
    out[at] = i < width ? zkdl::multiply(powers[i], coefficients[row * width + i]) : 0;
}

// The same for a masked code: W + (x^ell - 1) R, where W has 2^row_bits coefficients in bit-reversed order, still to be
// multiplied by `factor`, and R has `random_width`.
extern "C" __global__ void zkdl_masked_coefficients(const zkdl::u64* message, zkdl::u64 row_bits, zkdl::u64 factor,
                                                    const zkdl::u64* random, zkdl::u64 random_width,
                                                    const zkdl::u64* powers, zkdl::u64 bits, zkdl::u64* out,
                                                    zkdl::u64 count) {
    const zkdl::u64 at = zkdl::thread_index();
    if (at >= count) return;
    const zkdl::u64 row = at >> bits, i = zkdl::reversed_bits(at & zkdl::low_mask(bits), bits);
    const zkdl::u64 width = 1ULL << row_bits;
    zkdl::u64 value = 0;
    if (i < width) value = zkdl::multiply(factor, message[(row << row_bits) + zkdl::reversed_bits(i, row_bits)]);
    if (i < random_width) value = zkdl::subtract(value, random[row * random_width + i]);
    if (i >= width && i - width < random_width) value = zkdl::add(value, random[row * random_width + i - width]);
    out[at] = zkdl::multiply(powers[i], value);
}
#endif
