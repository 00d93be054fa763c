// Leaves of LogUp-GKR from the integers that are looked up: they are computed where they are needed and never stored.
#pragma once

#include "fraction.kernel.h"

namespace zkdl {

constexpr int kLeafFields = 3;
// Sums and bound variables between the leaves and a table that is computed from them.
constexpr int kLeafSteps = 8;

// Leaves [start, stop): denominator constant + sum_c beta[c] * field[c], numerator 1 before active_stop and 0 behind it,
// or minus a count. `constant` is already lowered by 2^31 * sum_c beta[c], see leaf_at.
struct LeafSpan {
    u64 start, stop, active_stop;
    Extension constant;
    u64 field_count;
    Extension beta[kLeafFields];
    const i32* field[kLeafFields];
    const i32* counts;
};

ZK_FN void leaf_at(const LeafSpan& span, u64 i, Extension* p, Extension* q) {
    const u64 at = i - span.start;
    Accumulator c0, c1;
    c0.add_element(span.constant.c0);
    c1.add_element(span.constant.c1);
    for (u64 c = 0; c < span.field_count; ++c) {
        // Shifted by 2^31 a signed field is a small unsigned factor, which needs no reduction of its own.
        const u64 shifted = static_cast<u32>(span.field[c][at]) ^ 0x80000000U;
        c0.add_product(span.beta[c].c0, shifted);
        c1.add_product(span.beta[c].c1, shifted);
    }
    *q = {c0.value(), c1.value()};
    if (span.counts != nullptr)
        *p = {from_int(-static_cast<i64>(span.counts[at])), 0};
    else
        *p = {static_cast<u64>(i < span.active_stop), 0};
}

// A table above the leaves: `level` sums of fractions, then `bound_count` variables bound. Its entries are computed from
// their 2^(level + bound_count) leaves, which are stored nowhere.
struct LeafTable {
    const LeafSpan* spans;
    u64 span_count, level;
    const Extension* bound;
    u64 bound_count;

    // Leaf `i`; `at` is the span to look at first, and is left at the leaf's. Leaves in no span are (0, 1).
    ZK_FN Fraction leaf(u64 i, u64& at) const {
        if (at >= span_count || i < spans[at].start || i >= spans[at].stop) {
            u64 high = span_count;
            for (at = 0; at < high;) {
                const u64 middle = (at + high) / 2;
                if (spans[middle].stop > i)
                    high = middle;
                else
                    at = middle + 1;
            }
        }
        if (at >= span_count || i < spans[at].start) return {{0, 0}, {1, 0}};
        Fraction out;
        leaf_at(spans[at], i, &out.p, &out.q);
        return out;
    }

    // The leaf under entry j that the bits of k lead to, the step next to the leaves having the lowest bit.
    ZK_FN u64 descend(u64 j, u64 k) const {
        for (u64 step = level + bound_count; step-- > 0;) {
            const u64 bit = (k >> step) & 1;
            j = step < level ? 2 * j + bit : 4 * (j >> 1) + (j & 1) + 2 * bit;
        }
        return j;
    }

    ZK_FN Fraction join(u64 step, Fraction x0, Fraction x1) const {
        if (step < level) return fraction_sum(x0, x1);
        const Extension r = bound[step - level];
        const u64 r7 = times_seven(r.c1);
        return {bound_value(x0.p, x1.p, r, r7), bound_value(x0.q, x1.q, r, r7)};
    }

    // Entry j; `at` as above.
    ZK_FN Fraction entry(u64 j, u64& at) const {
        Fraction waiting[kLeafSteps];
        const u64 count = 1ULL << (level + bound_count);
        for (u64 k = 0;; ++k) {
            Fraction x = leaf(descend(j, k), at);
            u64 step = 0;
            for (; (k >> step) & 1; ++step) x = join(step, waiting[step], x);
            if (k + 1 == count) return x;
            waiting[step] = x;
        }
    }
};

}  // namespace zkdl

#ifdef ZK_LAUNCHERS
extern "C" __global__ void zkdl_leaf_table(const zkdl::LeafSpan* spans, zkdl::u64 span_count, zkdl::u64 level,
                                           const zkdl::Extension* bound, zkdl::u64 bound_count, zkdl::u64 count,
                                           zkdl::Extension* p, zkdl::Extension* q) {
    const zkdl::LeafTable table = {spans, span_count, level, bound, bound_count};
    const zkdl::u64 i = zkdl::thread_index();
    if (i >= count) return;
    zkdl::u64 at = 0;
    const zkdl::Fraction x = table.entry(i, at);
    p[i] = x.p;
    q[i] = x.q;
}

// As zkdl_fraction_round, on such a table.
extern "C" __global__ void zkdl_leaf_round(const zkdl::LeafSpan* spans, zkdl::u64 span_count, zkdl::u64 level,
                                           const zkdl::Extension* bound, zkdl::u64 bound_count, zkdl::u64 lam0,
                                           zkdl::u64 lam1, const zkdl::Extension* weights_high,
                                           const zkdl::Extension* weights_low, zkdl::u64 low_count, zkdl::u64 count,
                                           zkdl::Extension* partial) {
    __shared__ zkdl::Extension shared[zkdl::kMaxBlock];
    const zkdl::LeafTable table = {spans, span_count, level, bound, bound_count};
    const zkdl::Extension lam = {lam0, lam1};
    const zkdl::u64 lam7 = zkdl::times_seven(lam1);
    zkdl::FractionRound round;
    zkdl::u64 at = 0;
    for (zkdl::u64 i = zkdl::thread_index(); i < count; i += zkdl::thread_count()) {
        zkdl::Fraction x[4];
        for (zkdl::u64 k = 0; k < 4; ++k) x[k] = table.entry(4 * i + k, at);
        round.add(x, lam, lam7, zkdl::multiply(weights_high[i / low_count], weights_low[i % low_count]));
    }
    zkdl::write_round(round, shared, partial);
}
#endif
