// Passes over fractions, for any vector type `Lanes`; included by one translation unit per instruction set, as
// `ntt_passes.h` is and for the same reason.
#pragma once

#include "fraction_plan.h"

namespace zkdl {

// Lanes: count, all, load_pairs, low_half, high_half, deinterleave, interleave, and the operations of the field.
template <class Lanes>
struct FractionPasses {
    static constexpr u64 kLanes = Lanes::count;
    // A block has at most 16 leaves, two of them in a word.
    static constexpr unsigned kMaxWords = 1 << kLeafDepth;
    // Terms of a sum that an accumulator holds; a product in K adds two.
    static constexpr u64 kTerms = 128;

    using K = ExtensionOf<Lanes>;
    using F = FractionOf<Lanes>;

    static ZK_FN K all(Extension value) { return {Lanes::all(value.c0), Lanes::all(value.c1)}; }

    // One element of K per lane and block of `kCount`.
    template <unsigned kCount>
    static ZK_FN void load(const Extension* from, K* out) {
        Lanes words[2 * kCount];
        Lanes::template deinterleave<2 * kCount>(&from->c0, words);
#pragma GCC unroll 8
        for (unsigned k = 0; k < kCount; ++k) out[k] = {words[2 * k], words[2 * k + 1]};
    }
    template <unsigned kCount>
    static ZK_FN void store(const K* from, Extension* to) {
        Lanes words[2 * kCount];
#pragma GCC unroll 8
        for (unsigned k = 0; k < kCount; ++k) {
            words[2 * k] = from[k].c0;
            words[2 * k + 1] = from[k].c1;
        }
        Lanes::template interleave<2 * kCount>(words, &to->c0);
    }

    static ZK_FN Extension total(K value) {
        u64 c0[kLanes], c1[kLanes];
        value.c0.store(c0);
        value.c1.store(c1);
        Extension sum{0, 0};
        for (u64 k = 0; k < kLanes; ++k) sum = zkdl::add(sum, Extension{c0[k], c1[k]});
        return sum;
    }

    // Every lane's leaves, and what is the same for all lanes.
    struct Leaves {
        u64 fields;
        AccumulatorOf<Lanes> constant[2];
        K coefficient[kLeafFields][1 << kLeafDepth], top[kLeafFields][1 << kLeafDepth];
        Lanes pair[kLeafFields][kMaxWords];
        K r[kLeafDepth];
        Lanes r7[kLeafDepth];
    };

    static ZK_FN void prepare(const LinearForm& form, unsigned terms, const Extension* r, unsigned bound, Leaves& leaves) {
        leaves.fields = form.field_count;
        const K constant = all(form.constant);
        leaves.constant[0] = leaves.constant[1] = {};
        leaves.constant[0].add_element(constant.c0);
        leaves.constant[1].add_element(constant.c1);
        for (u64 c = 0; c < form.field_count; ++c)
            for (unsigned s = 0; s < terms; ++s) {
                const K each = leaves.coefficient[c][s] = all(form.coefficient[c][s]);
                leaves.top[c][s] = {each.c0.top(), each.c1.top()};
            }
        for (unsigned k = 0; k < bound; ++k) {
            leaves.r[k] = all(r[k]);
            leaves.r7[k] = Lanes::all(zkdl::times_seven(r[k].c1));
        }
    }

    template <unsigned kWords>
    static ZK_FN void read(const LinearForm& form, u64 block, Leaves& leaves) {
        for (u64 c = 0; c < form.field_count; ++c)
            Lanes::template load_pairs<kWords>(form.field[c] + 2 * kWords * block, leaves.pair[c]);
    }

    // Entry t of level 0, loose.
    template <unsigned kBound>
    static ZK_FN K loose_leaf(const Leaves& leaves, unsigned t) {
        AccumulatorOf<Lanes> c0 = leaves.constant[0], c1 = leaves.constant[1];
        for (u64 c = 0; c < leaves.fields; ++c)
#pragma GCC unroll 8
            for (unsigned s = 0; s < (1 << kBound); ++s) {
                const Lanes pair = leaves.pair[c][((t >> 1) << kBound) + s];
                const Lanes value = t & 1 ? high_half(pair) : low_half(pair);
                c0.add_small_product(leaves.coefficient[c][s].c0, leaves.top[c][s].c0, value);
                c1.add_small_product(leaves.coefficient[c][s].c1, leaves.top[c][s].c1, value);
            }
        return {c0.small_value(), c1.small_value()};
    }

    template <unsigned kBound>
    static ZK_FN K leaf(const Leaves& leaves, unsigned t) {
        const K value = loose_leaf<kBound>(leaves, t);
        return {canonical(value.c0), canonical(value.c1)};
    }

    // Entry t of a level from 1 on, with variables bound.
    template <unsigned kLevel, unsigned kBound>
    static ZK_FN F entry(const Leaves& leaves, unsigned t) {
        if constexpr (kBound > 0) {
            const unsigned from = 4 * (t >> 1) + (t & 1);
            const F x0 = entry<kLevel, kBound - 1>(leaves, from), x1 = entry<kLevel, kBound - 1>(leaves, from + 2);
            const K r = leaves.r[kBound - 1];
            const Lanes r7 = leaves.r7[kBound - 1];
            return {bound_value(x0.p, x1.p, r, r7), bound_value(x0.q, x1.q, r, r7)};
        } else if constexpr (kLevel > 1) {
            return fraction_sum(entry<kLevel - 1, 0>(leaves, 2 * t), entry<kLevel - 1, 0>(leaves, 2 * t + 1));
        } else {
            return unit_sum(leaf<0>(leaves, 2 * t), leaf<0>(leaves, 2 * t + 1));
        }
    }

    template <unsigned kBound>
    static void unit_round_at(const LinearForm& form, u64 blocks, const Extension* weights, Extension* out) {
        Leaves leaves;
        prepare(form, 1 << kBound, nullptr, 0, leaves);
        const Lanes minus_one = Lanes::all(kModulus - 1);
        out[0] = out[1] = {0, 0};
        for (u64 i = 0; i < blocks;) {
            ProductSumOf<Lanes> at_zero, leading;
            for (const u64 stop = i + kTerms * kLanes; i < blocks && i < stop; i += kLanes) {
                read<2 << kBound>(form, i, leaves);
                K weight;
                load<1>(weights + i, &weight);
                const K q0 = leaf<kBound>(leaves, 0), q1 = leaf<kBound>(leaves, 1);
                ExtensionAccumulatorOf<Lanes> product;
                product.add_product(q0, q1);
                product.constant.add_element(minus_one);
                at_zero.add_product(weight, product.value_loose());
                const K d0 = subtract(loose_leaf<kBound>(leaves, 2), q0), d1 = subtract(loose_leaf<kBound>(leaves, 3), q1);
                leading.add_product(weight, multiply_loose(d0, d1));
            }
            out[0] = zkdl::add(out[0], total(at_zero.value()));
            out[1] = zkdl::add(out[1], total(leading.value()));
        }
    }

    // children(i, x) writes the four entries of blocks i and following.
    template <class Children>
    static ZK_FN void round_of(u64 blocks, Extension lam, const Extension* weights, Extension* out, const Children& children) {
        const K factor = all(lam);
        const Lanes factor7 = Lanes::all(zkdl::times_seven(lam.c1));
        out[0] = out[1] = {0, 0};
        for (u64 i = 0; i < blocks;) {
            FractionRoundOf<Lanes> round;
            for (const u64 stop = i + kTerms * kLanes; i < blocks && i < stop; i += kLanes) {
                K weight;
                F x[4];
                load<1>(weights + i, &weight);
                children(i, x);
                round.add(x, factor, factor7, weight);
            }
            out[0] = zkdl::add(out[0], total(round.at_zero.value()));
            out[1] = zkdl::add(out[1], total(round.leading.value()));
        }
    }

    template <unsigned kLevel, unsigned kBound>
    static void leaf_round_at(const LinearForm& form, const Extension* r, u64 blocks, Extension lam, const Extension* weights,
                              Extension* out) {
        Leaves leaves;
        prepare(form, 1, r, kBound, leaves);
        round_of(blocks, lam, weights, out, [&](u64 i, F* x) {
            read<2 << (kLevel + kBound)>(form, i, leaves);
#pragma GCC unroll 4
            for (unsigned t = 0; t < 4; ++t) x[t] = entry<kLevel, kBound>(leaves, t);
        });
    }

    template <unsigned kBound>
    static void unit_bind_at(const LinearForm& form, u64 blocks, Extension* q) {
        Leaves leaves;
        prepare(form, 1 << kBound, nullptr, 0, leaves);
        for (u64 i = 0; i < blocks; i += kLanes) {
            read<1 << kBound>(form, i, leaves);
            const K x[2] = {leaf<kBound>(leaves, 0), leaf<kBound>(leaves, 1)};
            store<2>(x, q + 2 * i);
        }
    }

    template <unsigned kLevel, unsigned kBound>
    static void leaf_bind_at(const LinearForm& form, const Extension* r, u64 blocks, Extension* p, Extension* q) {
        Leaves leaves;
        prepare(form, 1, r, kBound, leaves);
        for (u64 i = 0; i < blocks; i += kLanes) {
            read<1 << (kLevel + kBound)>(form, i, leaves);
            const F x0 = entry<kLevel, kBound>(leaves, 0), x1 = entry<kLevel, kBound>(leaves, 1);
            const K ps[2] = {x0.p, x1.p}, qs[2] = {x0.q, x1.q};
            store<2>(ps, p + 2 * i);
            store<2>(qs, q + 2 * i);
        }
    }

    template <unsigned kLevel>
    static void leaf_table_at(const LinearForm& form, u64 entries, Extension* p, Extension* q) {
        Leaves leaves;
        prepare(form, 1, nullptr, 0, leaves);
        for (u64 i = 0; i < entries; i += kLanes) {
            read<1 << (kLevel - 1)>(form, i, leaves);
            const F x = entry<kLevel, 0>(leaves, 0);
            store<1>(&x.p, p + i);
            store<1>(&x.q, q + i);
        }
    }

    static void unit_round(const LinearForm& form, unsigned bound, u64 blocks, const Extension* weights, Extension* out) {
        constexpr decltype(&unit_round_at<0>) passes[] = {unit_round_at<0>, unit_round_at<1>, unit_round_at<2>};
        passes[bound](form, blocks, weights, out);
    }

    // Level and bound variables together are fewer than kLeafDepth.
    static void leaf_round(const LinearForm& form, unsigned level, const Extension* r, unsigned bound, u64 blocks,
                           Extension lam, const Extension* weights, Extension* out) {
        constexpr decltype(&leaf_round_at<1, 0>) passes[] = {leaf_round_at<1, 0>, leaf_round_at<1, 1>, leaf_round_at<2, 0>};
        passes[2 * (level - 1) + bound](form, r, blocks, lam, weights, out);
    }

    static void unit_bind(const LinearForm& form, unsigned bound, u64 blocks, Extension* q) {
        constexpr decltype(&unit_bind_at<1>) passes[] = {unit_bind_at<1>, unit_bind_at<2>, unit_bind_at<3>};
        passes[bound - 1](form, blocks, q);
    }

    static void leaf_bind(const LinearForm& form, unsigned level, const Extension* r, unsigned bound, u64 blocks, Extension* p,
                          Extension* q) {
        constexpr decltype(&leaf_bind_at<1, 1>) passes[] = {leaf_bind_at<1, 1>, leaf_bind_at<1, 2>, leaf_bind_at<2, 1>};
        passes[2 * (level - 1) + bound - 1](form, r, blocks, p, q);
    }

    static void leaf_table(const LinearForm& form, unsigned level, u64 entries, Extension* p, Extension* q) {
        constexpr decltype(&leaf_table_at<1>) passes[] = {leaf_table_at<1>, leaf_table_at<2>, leaf_table_at<3>};
        passes[level - 1](form, entries, p, q);
    }

    static void layer(const Extension* p, const Extension* q, u64 entries, Extension* p_out, Extension* q_out) {
        for (u64 i = 0; i < entries; i += kLanes) {
            K ps[2], qs[2];
            load<2>(p + 2 * i, ps);
            load<2>(q + 2 * i, qs);
            const F x = fraction_sum(F{ps[0], qs[0]}, F{ps[1], qs[1]});
            store<1>(&x.p, p_out + i);
            store<1>(&x.q, q_out + i);
        }
    }

    static void round(const Extension* p, const Extension* q, u64 blocks, Extension lam, const Extension* weights,
                      Extension* out) {
        round_of(blocks, lam, weights, out, [&](u64 i, F* x) {
            K ps[4], qs[4];
            load<4>(p + 4 * i, ps);
            load<4>(q + 4 * i, qs);
#pragma GCC unroll 4
            for (unsigned t = 0; t < 4; ++t) x[t] = {ps[t], qs[t]};
        });
    }

    static void bind(const Extension* x, Extension r, u64 blocks, Extension* out) {
        const K factor = all(r);
        const Lanes factor7 = Lanes::all(zkdl::times_seven(r.c1));
        for (u64 i = 0; i < blocks; i += kLanes) {
            K from[4];
            load<4>(x + 4 * i, from);
            const K to[2] = {bound_value(from[0], from[2], factor, factor7), bound_value(from[1], from[3], factor, factor7)};
            store<2>(to, out + 2 * i);
        }
    }

    static constexpr FractionTable table() {
        return {kLanes, unit_round, leaf_round, unit_bind, leaf_bind, leaf_table, layer, round, bind};
    }
};

}  // namespace zkdl
