// Products of integer matrices with vectors over K by vectors of elements; images are those of `matrix.kernel.h`.
#pragma once

#include "zkdl/matrix.kernel.h"

namespace zkdl {

template <class Integer>
struct MatrixPasses {
    u64 lanes;
    // sum of images of x[c] * v[c] over `count` terms, a multiple of `lanes`
    Extension (*dot)(const Integer* x, const Extension* v, u64 count);
    // out[c] = sum of images of matrix[row, c] * v[row]; `width` columns, a multiple of 2 * lanes
    void (*column_sums)(const Integer* matrix, u64 stride, u64 rows, u64 width, const Extension* v, Extension* out);
};

// nullptr where this build or this processor has no such instructions.
template <class Integer>
const MatrixPasses<Integer>* matrix_passes();

// To be run if has_avx512() only.
extern const MatrixPasses<i32> kAvx512MatrixI32;
extern const MatrixPasses<i64> kAvx512MatrixI64;
extern const MatrixPasses<u64> kAvx512MatrixU64;

}  // namespace zkdl
