// Element-wise kernels over F and K.
#pragma once

#include "extension.h"

namespace zkdl {

// t[2i] + r*(t[2i+1] - t[2i])
ZK_FN Extension bind_at(const Extension* table, Extension r, u64 i) {
    const Extension zero = table[2 * i];
    return multiply_add(zero, r, subtract(table[2 * i + 1], zero));
}

// Children 2i, 2i+1 of an eq table, one more coordinate.
ZK_FN void eq_step_at(const Extension* table, Extension coordinate, Extension* out, u64 i) {
    const Extension one = multiply(coordinate, table[i]);
    out[2 * i] = subtract(table[i], one);
    out[2 * i + 1] = one;
}

// out[i] += coefficient * x[i]
template <class Integer>
ZK_FN Extension axpy_at(Extension out, Extension coefficient, Integer x) {
    return add(out, scale(coefficient, from_int(x)));
}

}  // namespace zkdl

#ifdef __CUDACC__
#define ZK_INDEX (static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x)

extern "C" __global__ void zkdl_f_mul(const zkdl::u64* a, const zkdl::u64* b, zkdl::u64* out, zkdl::u64 count) {
    const zkdl::u64 i = ZK_INDEX;
    if (i < count) out[i] = zkdl::multiply(a[i], b[i]);
}

extern "C" __global__ void zkdl_k_mul(const zkdl::Extension* a, const zkdl::Extension* b, zkdl::Extension* out,
                                      zkdl::u64 count) {
    const zkdl::u64 i = ZK_INDEX;
    if (i < count) out[i] = zkdl::multiply(a[i], b[i]);
}

extern "C" __global__ void zkdl_bind(const zkdl::Extension* table, zkdl::Extension r, zkdl::Extension* out,
                                     zkdl::u64 count) {
    const zkdl::u64 i = ZK_INDEX;
    if (i < count) out[i] = zkdl::bind_at(table, r, i);
}

extern "C" __global__ void zkdl_eq_step(const zkdl::Extension* table, zkdl::Extension coordinate, zkdl::Extension* out,
                                        zkdl::u64 count) {
    const zkdl::u64 i = ZK_INDEX;
    if (i < count) zkdl::eq_step_at(table, coordinate, out, i);
}

extern "C" __global__ void zkdl_outer(const zkdl::Extension* a, const zkdl::Extension* b, zkdl::Extension* out,
                                      zkdl::u64 width, zkdl::u64 count) {
    const zkdl::u64 i = ZK_INDEX;
    if (i < count) out[i] = zkdl::multiply(a[i / width], b[i % width]);
}

extern "C" __global__ void zkdl_axpy_i32(zkdl::Extension* out, zkdl::Extension coefficient, const zkdl::i32* x,
                                         zkdl::u64 count) {
    const zkdl::u64 i = ZK_INDEX;
    if (i < count) out[i] = zkdl::axpy_at(out[i], coefficient, x[i]);
}
#endif
