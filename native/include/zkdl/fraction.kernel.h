// The tree of fractions of LogUp-GKR: p0/q0 + p1/q1 = (p0*q1 + p1*q0) / (q0*q1).
#pragma once

#include "launch.h"

namespace zkdl {

template <class Element>
struct FractionOf {
    ExtensionOf<Element> p, q;
};

using Fraction = FractionOf<u64>;

template <class Element>
ZK_FN FractionOf<Element> fraction_sum(FractionOf<Element> x0, FractionOf<Element> x1) {
    const Element seven = times_seven(x1.q.c1);
    ExtensionAccumulatorOf<Element> numerator, denominator;
    numerator.add_product(x1.q, seven, x0.p);
    numerator.add_product(x0.q, x1.p);
    denominator.add_product(x1.q, seven, x0.q);
    return {numerator.value(), denominator.value()};
}

// Numerators of one: 1/q0 + 1/q1
template <class Element>
ZK_FN FractionOf<Element> unit_sum(ExtensionOf<Element> q0, ExtensionOf<Element> q1) {
    return {add(q0, q1), multiply(q0, q1)};
}

// p0*q1 + p1*q0 + lam*q0*q1 = (p0 + lam*q0)*q1 + p1*q0, loose; lam7 = 7 * lam.c1
template <class Element>
ZK_FN ExtensionOf<Element> fraction_value(FractionOf<Element> x0, FractionOf<Element> x1, ExtensionOf<Element> lam,
                                          Element lam7) {
    ExtensionAccumulatorOf<Element> shifted, sum;
    shifted.add_product(lam, lam7, x0.q);
    shifted.add_element(x0.p);
    sum.add_product(x1.q, shifted.value_loose());
    sum.add_product(x0.q, x1.p);
    return sum.value_loose();
}

template <class Element>
ZK_FN FractionOf<Element> subtract(FractionOf<Element> a, FractionOf<Element> b) {
    return {subtract(a.p, b.p), subtract(a.q, b.q)};
}

template <class Element>
struct FractionRoundOf {
    ProductSumOf<Element> at_zero, leading;

    // Children x[0], x[1] where the variable is zero, x[2], x[3] where it is one.
    ZK_FN void add(const FractionOf<Element>* x, ExtensionOf<Element> lam, Element lam7, ExtensionOf<Element> weight) {
        at_zero.add_product(weight, fraction_value(x[0], x[1], lam, lam7));
        leading.add_product(weight, fraction_value(subtract(x[2], x[0]), subtract(x[3], x[1]), lam, lam7));
    }
};

using FractionRound = FractionRoundOf<u64>;

// x0 + r*(x1 - x0), r7 = 7 * r.c1
template <class Element>
ZK_FN ExtensionOf<Element> bound_value(ExtensionOf<Element> x0, ExtensionOf<Element> x1, ExtensionOf<Element> r,
                                       Element r7) {
    ExtensionAccumulatorOf<Element> sum;
    sum.add_product(r, r7, subtract(x1, x0));
    sum.add_element(x0);
    return sum.value();
}

// Parent i of the children 2i, 2i+1.
ZK_FN void fraction_layer_at(const Extension* p, const Extension* q, Extension* p_out, Extension* q_out, u64 i) {
    const Fraction sum = fraction_sum(Fraction{p[2 * i], q[2 * i]}, Fraction{p[2 * i + 1], q[2 * i + 1]});
    p_out[i] = sum.p;
    q_out[i] = sum.q;
}

// Parents 2i, 2i+1 of a round, the variable being their index's lowest bit.
ZK_FN void add_round_at(FractionRound& round, const Extension* p, const Extension* q, Extension lam, u64 lam7,
                        Extension weight, u64 i) {
    Fraction x[4];
    for (u64 k = 0; k < 4; ++k) x[k] = {p[4 * i + k], q[4 * i + k]};
    round.add(x, lam, lam7, weight);
}

// Element j = 2i + c of the bound table.
ZK_FN Extension fraction_bind_at(const Extension* x, Extension r, u64 r7, u64 j) {
    const u64 from = 4 * (j >> 1) + (j & 1);
    return bound_value(x[from], x[from + 2], r, r7);
}

}  // namespace zkdl

#ifdef ZK_LAUNCHERS
extern "C" __global__ void zkdl_fraction_layer(const zkdl::Extension* p, const zkdl::Extension* q,
                                               zkdl::Extension* p_out, zkdl::Extension* q_out, zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i < count) zkdl::fraction_layer_at(p, q, p_out, q_out, i);
}

// Sums of each block, two per block.
extern "C" __global__ void zkdl_fraction_round(const zkdl::Extension* p, const zkdl::Extension* q, zkdl::u64 lam0,
                                               zkdl::u64 lam1, const zkdl::Extension* weights_high,
                                               const zkdl::Extension* weights_low, zkdl::u64 low_count,
                                               zkdl::u64 count, zkdl::Extension* partial) {
    __shared__ zkdl::Extension shared[zkdl::kMaxBlock];
    const zkdl::Extension lam = {lam0, lam1};
    const zkdl::u64 lam7 = zkdl::times_seven(lam1);
    zkdl::FractionRound round;
    for (zkdl::u64 i = zkdl::thread_index(); i < count; i += zkdl::thread_count()) {
        const zkdl::Extension weight = zkdl::multiply(weights_high[i / low_count], weights_low[i % low_count]);
        zkdl::add_round_at(round, p, q, lam, lam7, weight, i);
    }
    zkdl::write_round(round, shared, partial);
}

extern "C" __global__ void zkdl_fraction_bind(const zkdl::Extension* x, zkdl::u64 r0, zkdl::u64 r1, zkdl::Extension* out,
                                              zkdl::u64 count) {
    const zkdl::u64 j = zkdl::thread_index();
    if (j < count) out[j] = zkdl::fraction_bind_at(x, {r0, r1}, zkdl::times_seven(r1), j);
}
#endif
