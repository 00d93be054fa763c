// Tables of the fraction tree near its leaves, recomputed tile by tile from the leaves' integers.
#pragma once

#include <vector>

#include "zkdl/leaves.kernel.h"

namespace zkdl {

// Spans ascend and do not overlap; leaves in no span, and those behind the last one, are (0, 1). The table of level k has
// one entry for 2^k leaves.
using LeafProgram = std::vector<LeafSpan>;

// Entries [0, count) of the table of this level.
void leaf_table(const LeafProgram& program, unsigned level, u64 count, Extension* p, Extension* q, unsigned threads);

// See base.Backend.fraction_round, on the first 4 * count entries of the table of this level.
void leaf_round(const LeafProgram& program, unsigned level, u64 count, Extension lam, const Extension* weights_high,
                const Extension* weights_low, u64 low_count, Extension* out, unsigned threads);

// See base.Backend.fraction_bind: 2 * count entries out of the first 4 * count of the table of this level.
void leaf_bind(const LeafProgram& program, unsigned level, u64 count, Extension r, Extension* p, Extension* q,
               unsigned threads);

}  // namespace zkdl
