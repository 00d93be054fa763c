// Products of integer matrices with vectors over K. Integers are shifted to unsigned, x + 2^(bits-1), so that products
// add up without signs; the caller takes 2^(bits-1) * sum(v) off again.
#pragma once

#include "extension.h"

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

#ifdef __CUDACC__
// Thread (row): out[row] = sum_c matrix[row, c] * vectors[row % period, c]; sums[k] = sum_c vectors[k, c].
extern "C" __global__ void zkdl_matvec_i32(const zkdl::i32* matrix, const zkdl::Extension* vectors,
                                           const zkdl::Extension* sums, zkdl::u64 rows, zkdl::u64 columns,
                                           zkdl::u64 period, zkdl::Extension* out) {
    const zkdl::u64 row = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const zkdl::u64 phase = row % period;
    const zkdl::Extension images = zkdl::image_dot(matrix + row * columns, 1, vectors + phase * columns, columns);
    out[row] = zkdl::unshift<zkdl::i32>(images, sums[phase]);
}

// Thread (column): out[column] = sum_i vector[i] * matrix[i, column]; sum = sum_i vector[i].
extern "C" __global__ void zkdl_vecmat_i32(const zkdl::Extension* vector, const zkdl::i32* matrix, zkdl::Extension sum,
                                           zkdl::u64 rows, zkdl::u64 columns, zkdl::Extension* out) {
    const zkdl::u64 column = static_cast<zkdl::u64>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (column < columns)
        out[column] = zkdl::unshift<zkdl::i32>(zkdl::image_dot(matrix + column, columns, vector, rows), sum);
}
#endif
