// Products of integer matrices in narrow limbs, for processors with 16-bit multiply-adds in 512-bit registers (VNNI).
#pragma once

#include "zkdl/portability.h"

namespace zkdl {

// out (rows, n) = left (rows, inner) times matrix (inner, n), or times its transpose where `transposed` is set; then matrix is
// (n, inner). The matrix holds integers in double. Returns false, with out undefined, where the processor has no such
// instructions, |left| is above 2^11 or an entry of the matrix is not an integer below 2^30 in absolute value.
bool narrow_products(const i64* left, const double* matrix, bool transposed, u64 rows, u64 inner, u64 n, i64* out,
                     unsigned threads);

}  // namespace zkdl
