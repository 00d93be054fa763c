// What the passes over fractions need to know, and the passes of every instruction set.
#pragma once

#include "zkdl/leaves.kernel.h"

namespace zkdl {

// Variables that can be bound on a leaf before it is stored, and layers that are computed again.
constexpr unsigned kLeafDepth = 3;

// Leaves of one lookup, whose numerators are one. The denominator at leaf i, or at 2^b of them when b variables are bound, is
// constant + sum_{c, s} coefficient[c][s] * (field[c] + 2^31), `constant` being lowered accordingly.
struct LinearForm {
    Extension constant;
    u64 field_count;
    Extension coefficient[kLeafFields][1 << kLeafDepth];
    const i32* field[kLeafFields];
};

// Passes take a multiple of `lanes` blocks. A round's block is four entries; a weight belongs to each.
struct FractionTable {
    u64 lanes;
    // Sums over blocks of weights * (q0*q1 - 1) and weights * dq0 * dq1; `bound` variables are in the coefficients.
    void (*unit_round)(const LinearForm& form, unsigned bound, u64 blocks, const Extension* weights, Extension* out);
    // A fraction round on the entries of this level, 1 or more, with the variables r bound.
    void (*leaf_round)(const LinearForm& form, unsigned level, const Extension* r, unsigned bound, u64 blocks,
                       Extension lam, const Extension* weights, Extension* out);
    // Entries of level 0, `bound` variables being in the coefficients; two entries a block.
    void (*unit_bind)(const LinearForm& form, unsigned bound, u64 blocks, Extension* q);
    // Entries of this level, 1 or more, with at least one variable r bound; two entries a block.
    void (*leaf_bind)(const LinearForm& form, unsigned level, const Extension* r, unsigned bound, u64 blocks, Extension* p,
                      Extension* q);
    // Entries of this level, 1 or more.
    void (*leaf_table)(const LinearForm& form, unsigned level, u64 entries, Extension* p, Extension* q);
    // The same on stored tables.
    void (*layer)(const Extension* p, const Extension* q, u64 entries, Extension* p_out, Extension* q_out);
    void (*round)(const Extension* p, const Extension* q, u64 blocks, Extension lam, const Extension* weights, Extension* out);
    void (*bind)(const Extension* x, Extension r, u64 blocks, Extension* out);
};

extern const FractionTable kScalarFractions;
// To be run if has_avx512() only.
extern const FractionTable kAvx512Fractions;

// The fastest that this processor runs.
const FractionTable& fastest_fractions();

}  // namespace zkdl
