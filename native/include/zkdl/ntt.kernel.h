// Butterflies of the number-theoretic transform over F. Canonical in and out.
#pragma once

#include "goldilocks.h"

namespace zkdl {

// Decimation in frequency: (a + b, (a - b) * w).
ZK_FN void butterfly(u64& a, u64& b, u64 w) {
    const u64 sum = add(a, b);
    b = multiply(subtract(a, b), w);
    a = sum;
}

// a * g_4, g_4 = 2^48: a * 2^48 = (a >> 16) * 2^64 + (a << 48)
ZK_FN u64 by_fourth_root(u64 a) { return reduce(Wide{a << 48, a >> 16}); }

// The four-point transform of the quarters of a block (g_4 or, for the inverse, 1/g_4 = -g_4); results in bit-reversed order.
ZK_FN void four_points(u64& x0, u64& x1, u64& x2, u64& x3, bool is_inverse) {
    const u64 s02 = add(x0, x2), d02 = subtract(x0, x2);
    const u64 s13 = add(x1, x3), turned = by_fourth_root(is_inverse ? subtract(x3, x1) : subtract(x1, x3));
    x0 = add(s02, s13);
    x1 = subtract(s02, s13);
    x2 = add(d02, turned);
    x3 = subtract(d02, turned);
}

// Two levels of decimation in frequency; w1 = w^j, w2 = w^2j, w3 = w^3j.
ZK_FN void frequency_four(u64& x0, u64& x1, u64& x2, u64& x3, u64 w1, u64 w2, u64 w3, bool is_inverse) {
    four_points(x0, x1, x2, x3, is_inverse);
    x1 = multiply(x1, w2);
    x2 = multiply(x2, w1);
    x3 = multiply(x3, w3);
}

// Two levels of decimation in time: the quarters hold the transforms of the coefficients 0, 2, 1, 3 mod 4.
ZK_FN void time_four(u64& x0, u64& x1, u64& x2, u64& x3, u64 w1, u64 w2, u64 w3, bool is_inverse) {
    const u64 e2 = multiply(x1, w2), e1 = multiply(x2, w1), e3 = multiply(x3, w3);
    const u64 s02 = add(x0, e2), d02 = subtract(x0, e2);
    const u64 s13 = add(e1, e3), turned = by_fourth_root(is_inverse ? subtract(e3, e1) : subtract(e1, e3));
    x0 = add(s02, s13);
    x1 = add(d02, turned);
    x2 = subtract(s02, s13);
    x3 = subtract(d02, turned);
}

}  // namespace zkdl

#ifdef __CUDACC__
// One radix-4 step of decimation in frequency on blocks of 4*quarter elements; twiddles: w^0 .. w^(3*quarter-3), w = g_block.
extern "C" __global__ void zkdl_ntt_frequency(zkdl::u64* data, const zkdl::u64* twiddles, zkdl::u64 quarter,
                                              bool is_inverse, zkdl::u64 count) {
    const zkdl::u64 i = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const zkdl::u64 j = i % quarter;
    zkdl::u64* x = data + (i / quarter) * 4 * quarter + j;
    zkdl::frequency_four(x[0], x[quarter], x[2 * quarter], x[3 * quarter], twiddles[j], twiddles[2 * j], twiddles[3 * j],
                         is_inverse);
}

// One radix-4 step of decimation in time, arguments as above.
extern "C" __global__ void zkdl_ntt_time(zkdl::u64* data, const zkdl::u64* twiddles, zkdl::u64 quarter, bool is_inverse,
                                         zkdl::u64 count) {
    const zkdl::u64 i = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const zkdl::u64 j = i % quarter;
    zkdl::u64* x = data + (i / quarter) * 4 * quarter + j;
    zkdl::time_four(x[0], x[quarter], x[2 * quarter], x[3 * quarter], twiddles[j], twiddles[2 * j], twiddles[3 * j],
                    is_inverse);
}
#endif
