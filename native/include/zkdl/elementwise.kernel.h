// Element-wise kernels over F and K.
#pragma once

#include "launch.h"

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

// out[t] = start - sum over s < t of factors[s] * updates[s]; factors behind the last are zero.
ZK_FN void running_difference_at(Extension start, const Extension* updates, const u64* factors, u64 factor_count,
                                 u64 steps, Extension* out) {
    for (u64 t = 0; t < steps; ++t) {
        out[t] = start;
        if (t < factor_count) start = subtract(start, scale(updates[t], factors[t]));
    }
}

}  // namespace zkdl

#ifdef ZK_LAUNCHERS
// Element-wise operations; a step of 0 stands for one value everywhere, else 1.
#define ZK_BINARY(name, Type, operation)                                                                       \
    extern "C" __global__ void name(const zkdl::Type* a, zkdl::u64 a_step, const zkdl::Type* b, zkdl::u64 b_step, \
                                    zkdl::Type* out, zkdl::u64 count) {                                        \
        const zkdl::u64 i = zkdl::thread_index();                                                              \
        if (i < count) out[i] = zkdl::operation(a[i * a_step], b[i * b_step]);                                 \
    }
ZK_BINARY(zkdl_f_add, u64, add)
ZK_BINARY(zkdl_f_sub, u64, subtract)
ZK_BINARY(zkdl_f_mul, u64, multiply)
ZK_BINARY(zkdl_k_add, Extension, add)
ZK_BINARY(zkdl_k_sub, Extension, subtract)
ZK_BINARY(zkdl_k_mul, Extension, multiply)
#undef ZK_BINARY

#define ZK_FOR_INTEGERS(name, Integer)                                                                           \
    extern "C" __global__ void zkdl_f_from_int_##name(const zkdl::Integer* x, zkdl::u64* out, zkdl::u64 count) {    \
        const zkdl::u64 i = zkdl::thread_index();                                                                \
        if (i < count) out[i] = zkdl::from_int(x[i]);                                                            \
    }                                                                                                            \
    extern "C" __global__ void zkdl_axpy_##name(zkdl::Extension* out, zkdl::u64 c0, zkdl::u64 c1,                   \
                                                const zkdl::Integer* x, zkdl::u64 count) {                       \
        const zkdl::u64 i = zkdl::thread_index();                                                                \
        if (i < count) out[i] = zkdl::axpy_at(out[i], {c0, c1}, x[i]);                                           \
    }
ZK_FOR_INTEGERS(i32, i32)
ZK_FOR_INTEGERS(i64, i64)
ZK_FOR_INTEGERS(u64, u64)
#undef ZK_FOR_INTEGERS

extern "C" __global__ void zkdl_bind(const zkdl::Extension* table, zkdl::u64 r0, zkdl::u64 r1, zkdl::Extension* out,
                                     zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i < count) out[i] = zkdl::bind_at(table, {r0, r1}, i);
}

extern "C" __global__ void zkdl_eq_step(const zkdl::Extension* table, zkdl::u64 r0, zkdl::u64 r1, zkdl::Extension* out,
                                        zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i < count) zkdl::eq_step_at(table, {r0, r1}, out, i);
}

extern "C" __global__ void zkdl_outer(const zkdl::Extension* a, const zkdl::Extension* b, zkdl::Extension* out,
                                      zkdl::u64 width, zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i < count) out[i] = zkdl::multiply(a[i / width], b[i % width]);
}

// Block sums of `width` interleaved sequences: partial[block * width + k] of a[i * width + k], i < count.
extern "C" __global__ void zkdl_k_sums(const zkdl::Extension* a, zkdl::u64 width, zkdl::u64 count,
                                       zkdl::Extension* partial) {
    __shared__ zkdl::Extension shared[zkdl::kMaxBlock];
    for (zkdl::u64 k = 0; k < width; ++k) {
        zkdl::ExtensionAccumulator sum;
        for (zkdl::u64 i = zkdl::thread_index(); i < count; i += zkdl::thread_count()) sum.add_element(a[i * width + k]);
        const zkdl::Extension total = zkdl::block_sum(sum.value(), shared);
        if (threadIdx.x == 0) partial[blockIdx.x * width + k] = total;
    }
}

// Thread (row): out[row, t] = start[row] - sum over s < t of factors[s] * updates[row, s], a table (rows, steps).
extern "C" __global__ void zkdl_running_difference(const zkdl::Extension* start, const zkdl::Extension* updates,
                                                   const zkdl::u64* factors, zkdl::u64 factor_count, zkdl::u64 rows,
                                                   zkdl::u64 steps, zkdl::Extension* out) {
    const zkdl::u64 row = zkdl::thread_index();
    if (row >= rows) return;
    zkdl::running_difference_at(start[row], updates + row * steps, factors, factor_count, steps, out + row * steps);
}

// Thread (index, row): out[index, row] = code[row, indices[index]], code (rows, columns).
extern "C" __global__ void zkdl_gather_columns(const zkdl::u64* code, zkdl::u64 columns, const zkdl::i64* indices,
                                               zkdl::u64 rows, zkdl::u64 out_stride, zkdl::u64* out, zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i < count) out[(i / rows) * out_stride + i % rows] = code[(i % rows) * columns + indices[i / rows]];
}

// Thread (index, word): out[index, word] = rows[indices[index], word], rows of `words` u64.
extern "C" __global__ void zkdl_gather_rows(const zkdl::u64* rows, zkdl::u64 words, const zkdl::i64* indices,
                                            zkdl::u64* out, zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i < count) out[i] = rows[indices[i / words] * words + i % words];
}
#endif
