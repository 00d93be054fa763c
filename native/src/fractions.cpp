#include "fractions.h"

#include "fraction_plan.h"
#include "parallel.h"

namespace zkdl {

namespace {

// Blocks per task.
constexpr u64 kGrain = 1 << 11;

// Calls fast(begin, count) on the part of [begin, end) that is a multiple of the lanes, slow(i) on each block of the rest.
template <class Fast, class Slow>
void split(u64 begin, u64 end, u64 lanes, const Fast& fast, const Slow& slow) {
    const u64 whole = (end - begin) / lanes * lanes;
    if (whole > 0) fast(begin, whole);
    for (u64 i = begin + whole; i < end; ++i) slow(i);
}

}  // namespace

void fraction_layer(const Extension* p, const Extension* q, u64 count, Extension* p_out, Extension* q_out,
                    unsigned threads) {
    const FractionTable& passes = fastest_fractions();
    parallel_for(count, 2 * kGrain, threads, [&](u64 begin, u64 end) {
        split(
            begin, end, passes.lanes,
            [&](u64 i, u64 n) { passes.layer(p + 2 * i, q + 2 * i, n, p_out + i, q_out + i); },
            [&](u64 i) { fraction_layer_at(p, q, p_out, q_out, i); });
    });
}

void fraction_round(const Extension* p, const Extension* q, u64 count, Extension lam, const Extension* weights_high,
                    const Extension* weights_low, u64 low_count, Extension* out, unsigned threads) {
    const FractionTable& passes = fastest_fractions();
    const u64 lam7 = times_seven(lam.c1);
    const auto partial = [&](u64 begin, u64 end) {
        RoundSums sum;
        for_weights(begin, end, weights_high, weights_low, low_count,
                    [&](u64 first, u64 stop, const Extension* low, Extension high) {
                        FractionRound rest;
                        split(
                            first, stop, passes.lanes,
                            [&](u64 i, u64 n) {
                                Extension part[2];
                                passes.round(p + 4 * i, q + 4 * i, n, lam, low, part);
                                sum.add_scaled(high, part[0], part[1]);
                            },
                            [&](u64 i) { add_round_at(rest, p, q, lam, lam7, low[i - first], i); });
                        sum.add_scaled(high, rest.at_zero.value(), rest.leading.value());
                    });
        return sum;
    };
    const RoundSums sum = parallel_reduce(count, kGrain, threads, RoundSums{}, partial,
                                          [](RoundSums& all, const RoundSums& part) { all.add_sums(part); });
    out[0] = sum.at_zero;
    out[1] = sum.leading;
}

void fraction_bind(const Extension* x, Extension r, u64 count, Extension* out, unsigned threads) {
    const FractionTable& passes = fastest_fractions();
    const u64 r7 = times_seven(r.c1);
    parallel_for(count, 2 * kGrain, threads, [&](u64 begin, u64 end) {
        split(
            begin, end, passes.lanes, [&](u64 i, u64 n) { passes.bind(x + 4 * i, r, n, out + 2 * i); },
            [&](u64 i) {
                for (u64 j = 2 * i; j < 2 * i + 2; ++j) out[j] = fraction_bind_at(x, r, r7, j);
            });
    });
}

}  // namespace zkdl
