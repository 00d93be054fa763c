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

// What comes before a round: the layers up to `level`, then variables that are bound already, in their order.
struct LeafStage {
    unsigned level;
    std::vector<Extension> bound;

    // log2 of the leaves behind one entry
    unsigned depth() const { return level + static_cast<unsigned>(bound.size()); }
};

// See base.Backend.fraction_round, on the first 4 * count entries of the table at this stage.
void leaf_round(const LeafProgram& program, const LeafStage& stage, u64 count, Extension lam, const Extension* weights_high,
                const Extension* weights_low, u64 low_count, Extension* out, unsigned threads);

// The first `count` entries of the table at this stage, of which at least one variable is bound; count is even.
void leaf_bind(const LeafProgram& program, const LeafStage& stage, u64 count, Extension* p, Extension* q,
               unsigned threads);

}  // namespace zkdl
