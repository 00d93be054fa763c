// The update of a weight matrix: matrix -= factor * left^T right, exact in 64-bit integers.
#pragma once

#include "zkdl/portability.h"

namespace zkdl {

// matrix (inputs, outputs), i64 or integers in double; left (rows, inputs), right (rows, outputs). Returns the largest absolute
// value of the new matrix. No sum may leave 63 bits, or 53 in double: that is the caller's duty.
template <class Element>
u64 subtract_products(Element* matrix, const i32* left, const i32* right, u64 rows, u64 inputs, u64 outputs, i64 factor,
                      unsigned threads);

// out[j * stride + i] = values[i * columns + j]; values (rows, columns) must fit 32 bits.
void write_transposed(i32* out, u64 stride, const i64* values, u64 rows, u64 columns, unsigned threads);

}  // namespace zkdl
