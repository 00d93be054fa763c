// Butterflies of the number-theoretic transform over F. T is u64 or a vector of them; canonical in and out.
#pragma once

#include "goldilocks.h"

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

}  // namespace zkdl

#ifdef __CUDACC__
// One radix-4 step of decimation in frequency on blocks of 4*quarter elements, `count` = size / 4 threads;
// twiddles[k] = w^k for k <= 3 * (quarter - 1), w = g_block or its inverse.
extern "C" __global__ void zkdl_ntt_frequency(zkdl::u64* data, const zkdl::u64* twiddles, zkdl::u64 quarter,
                                              bool is_inverse, zkdl::u64 count) {
    const zkdl::u64 i = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const zkdl::u64 j = i % quarter;
    zkdl::u64* x = data + (i / quarter) * 4 * quarter + j;
    zkdl::frequency_four(x[0], x[quarter], x[2 * quarter], x[3 * quarter], twiddles[j], twiddles[2 * j],
                         twiddles[3 * j], is_inverse);
}

// One radix-4 step of decimation in time, arguments as above.
extern "C" __global__ void zkdl_ntt_time(zkdl::u64* data, const zkdl::u64* twiddles, zkdl::u64 quarter,
                                         bool is_inverse, zkdl::u64 count) {
    const zkdl::u64 i = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const zkdl::u64 j = i % quarter;
    zkdl::u64* x = data + (i / quarter) * 4 * quarter + j;
    zkdl::time_four(x[0], x[quarter], x[2 * quarter], x[3 * quarter], twiddles[j], twiddles[2 * j], twiddles[3 * j],
                    is_inverse);
}
#endif
