// Products of integer matrices with vectors over K. Integers are shifted to unsigned, x + 2^(bits-1), so that products
// add up without signs; the caller takes 2^(bits-1) * sum(v) off again.
#pragma once

#include "launch.h"

namespace zkdl {

ZK_FN u64 unsigned_image(i32 x) { return static_cast<u32>(x) ^ 0x80000000U; }
ZK_FN u64 unsigned_image(i64 x) { return static_cast<u64>(x) ^ 0x8000000000000000ULL; }
ZK_FN u64 unsigned_image(u64 x) { return x; }

ZK_FN u64 image_shift(i32) { return 0x80000000ULL; }
ZK_FN u64 image_shift(i64) { return 0x8000000000000000ULL; }
ZK_FN u64 image_shift(u64) { return 0; }

// sum of x_c * v_c over `count` terms with strides, images of x; v in F or in K
template <class Integer>
ZK_FN Extension image_dot(const Integer* x, u64 x_stride, const Extension* v, u64 count) {
    Accumulator c0, c1;
    for (u64 c = 0; c < count; ++c) {
        const u64 image = unsigned_image(x[c * x_stride]);
        c0.add_product(image, v[c].c0);
        c1.add_product(image, v[c].c1);
    }
    return {c0.value(), c1.value()};
}

// image_dot minus the shift: sum of x_c * v_c, given the sum of the v_c
template <class Integer>
ZK_FN Extension unshift(Extension images, Extension vector_sum) {
    return subtract(images, scale(vector_sum, image_shift(Integer())));
}

}  // namespace zkdl

#ifdef ZK_LAUNCHERS
// Block (row): out[row] = sum_c matrix[row, c] * vectors[row % period, c]; sums[k] = sum_c vectors[k, c].
// Block (column tile, chunk of rows): partial[chunk, column] = sum of vector[i] * matrix[i, column] over the chunk's rows;
// sums[0] = sum_i vector[i], taken off in chunk 0.
#define ZK_FOR_INTEGERS(Integer)                                                                                    \
    extern "C" __global__ void zkdl_matvec_##Integer(                                                               \
        const zkdl::Integer* matrix, const zkdl::Extension* vectors, const zkdl::Extension* sums, zkdl::u64 rows,   \
        zkdl::u64 columns, zkdl::u64 period, zkdl::Extension* out) {                                                \
        __shared__ zkdl::Extension shared[zkdl::kMaxBlock];                                                         \
        for (zkdl::u64 row = blockIdx.x; row < rows; row += gridDim.x) {                                            \
            const zkdl::u64 phase = row % period;                                                                   \
            const zkdl::Extension images =                                                                          \
                zkdl::block_sum(zkdl::strided_image_dot(matrix + row * columns, vectors + phase * columns,          \
                                                        threadIdx.x, blockDim.x, columns),                          \
                                shared);                                                                            \
            if (threadIdx.x == 0) out[row] = zkdl::unshift<zkdl::Integer>(images, sums[phase]);                     \
        }                                                                                                           \
    }                                                                                                               \
    extern "C" __global__ void zkdl_vecmat_##Integer(                                                               \
        const zkdl::Extension* vector, const zkdl::Integer* matrix, const zkdl::Extension* sums, zkdl::u64 rows,    \
        zkdl::u64 columns, zkdl::u64 chunk, zkdl::Extension* partial) {                                             \
        const zkdl::u64 column = zkdl::thread_index();                                                              \
        if (column >= columns) return;                                                                              \
        const zkdl::u64 first = blockIdx.y * chunk;                                                                 \
        const zkdl::u64 count = first + chunk < rows ? chunk : rows - first;                                        \
        const zkdl::Extension images =                                                                              \
            zkdl::image_dot(matrix + first * columns + column, columns, vector + first, count);                     \
        partial[blockIdx.y * columns + column] =                                                                    \
            blockIdx.y == 0 ? zkdl::unshift<zkdl::Integer>(images, sums[0]) : images;                               \
    }
namespace zkdl {
// image_dot over the terms first, first + step, ..
template <class Integer>
ZK_FN Extension strided_image_dot(const Integer* x, const Extension* v, u64 first, u64 step, u64 count) {
    Accumulator c0, c1;
    for (u64 c = first; c < count; c += step) {
        const u64 image = unsigned_image(x[c]);
        c0.add_product(image, v[c].c0);
        c1.add_product(image, v[c].c1);
    }
    return {c0.value(), c1.value()};
}
}  // namespace zkdl

ZK_FOR_INTEGERS(i32)
ZK_FOR_INTEGERS(i64)
ZK_FOR_INTEGERS(u64)
#undef ZK_FOR_INTEGERS

// Block (row): out[row] = sum of table[row, :].
extern "C" __global__ void zkdl_row_sums(const zkdl::Extension* table, zkdl::u64 columns, zkdl::Extension* out) {
    __shared__ zkdl::Extension shared[zkdl::kMaxBlock];
    zkdl::ExtensionAccumulator sum;
    for (zkdl::u64 c = threadIdx.x; c < columns; c += blockDim.x)
        sum.add_element(table[static_cast<zkdl::u64>(blockIdx.x) * columns + c]);
    const zkdl::Extension total = zkdl::block_sum(sum.value(), shared);
    if (threadIdx.x == 0) out[blockIdx.x] = total;
}

// Thread (column): out[column] = sum of table[:, column].
extern "C" __global__ void zkdl_column_sums(const zkdl::Extension* table, zkdl::u64 rows, zkdl::u64 columns,
                                            zkdl::Extension* out) {
    const zkdl::u64 column = zkdl::thread_index();
    if (column >= columns) return;
    zkdl::ExtensionAccumulator sum;
    for (zkdl::u64 row = 0; row < rows; ++row) sum.add_element(table[row * columns + column]);
    out[column] = sum.value();
}
#endif
