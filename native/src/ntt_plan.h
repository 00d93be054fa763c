// What the passes of a transform need to know, and the passes of every instruction set.
#pragma once

#include "zkdl/portability.h"

namespace zkdl {

// Twiddles of a radix-4 level on blocks of 4*quarter elements: w^j, w^2j, w^3j for j < quarter.
struct Level {
    const u64 *w1, *w2, *w3;
};

// size = 4^level_count, or 2 * 4^level_count; then a radix-2 level with twiddles `top` is the outermost one.
struct Plan {
    u64 size;
    bool is_inverse;
    u64 level_count;
    const Level* levels;
    const u64* top;
};

// Transforms in place, and out = a * b; for plans whose radix-4 part has at least `smallest_size` elements.
struct PassTable {
    u64 smallest_size;
    void (*frequency)(u64* data, const Plan& plan);
    void (*time)(u64* data, const Plan& plan);
    void (*multiply)(const u64* a, const u64* b, u64* out, u64 count);
};

extern const PassTable kScalarPasses;
// To be run if has_avx512() only.
extern const PassTable kAvx512Passes;
// nullptr where this build or this processor has no such instructions.
const PassTable* avx2_passes();

}  // namespace zkdl
