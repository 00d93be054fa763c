// The tree of fractions of LogUp-GKR on stored tables, see base.Backend.
#pragma once

#include "zkdl/fraction.kernel.h"

namespace zkdl {

// (2 * count) twice into (count) twice.
void fraction_layer(const Extension* p, const Extension* q, u64 count, Extension* p_out, Extension* q_out, unsigned threads);

// (4 * count) twice; the weight of block i is high[i / low_count] * low[i % low_count].
void fraction_round(const Extension* p, const Extension* q, u64 count, Extension lam, const Extension* weights_high,
                    const Extension* weights_low, u64 low_count, Extension* out, unsigned threads);

// (4 * count) into (2 * count).
void fraction_bind(const Extension* x, Extension r, u64 count, Extension* out, unsigned threads);

// What a round adds up: the constant and the leading coefficient.
struct RoundSums {
    Extension at_zero{0, 0}, leading{0, 0};

    void add_scaled(Extension factor, Extension zero, Extension lead) {
        at_zero = multiply_add(at_zero, factor, zero);
        leading = multiply_add(leading, factor, lead);
    }
    void add_sums(const RoundSums& other) {
        at_zero = add(at_zero, other.at_zero);
        leading = add(leading, other.leading);
    }
};

// Calls body(first, stop, low weights, high weight) on the parts of [begin, end) that share a high weight: it multiplies
// their sum.
template <class Body>
void for_weights(u64 begin, u64 end, const Extension* weights_high, const Extension* weights_low, u64 low_count,
                 const Body& body) {
    while (begin < end) {
        const u64 block = begin / low_count;
        const u64 stop = end < (block + 1) * low_count ? end : (block + 1) * low_count;
        body(begin, stop, weights_low + (begin - block * low_count), weights_high[block]);
        begin = stop;
    }
}

}  // namespace zkdl
