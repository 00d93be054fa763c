// Products of integer matrices with vectors over K on the CPU; Integer is i32, i64 or u64.
#pragma once

#include "zkdl/extension.h"

namespace zkdl {

// out[i] = sum_c matrix[i, c] * vectors[i % period, c]
template <class Integer>
void matvec(const Integer* matrix, const Extension* vectors, u64 rows, u64 columns, u64 period, Extension* out,
            unsigned threads);

// out[c] = sum_i vector[i] * matrix[i, c]
template <class Integer>
void vecmat(const Extension* vector, const Integer* matrix, u64 rows, u64 columns, Extension* out, unsigned threads);

}  // namespace zkdl
