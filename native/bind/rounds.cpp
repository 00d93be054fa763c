// Rounds of sumcheck: sums over tables of K.
#include "arrays.h"
#include "parallel.h"
#include "zkdl/sumcheck.kernel.h"

namespace zkdl {

namespace {

constexpr u64 kGrain = 1 << 12;

struct Values {
    Extension v[3];
};

void add_values(Values& sum, const Values& part) {
    for (int i = 0; i < 3; ++i) sum.v[i] = add(sum.v[i], part.v[i]);
}

constexpr Values kZero{{{0, 0}, {0, 0}, {0, 0}}};

void product_round(Extensions a, Extensions b, Extensions weights, ExtensionsOut out, unsigned threads) {
    const u64 count = a.shape(0) / 2, period = weights.shape(0);
    require(a.shape(0) % 2 == 0 && a.shape(0) == b.shape(0), "a and b must have the same even length");
    require(count == 0 || period > 0, "weights must not be empty");
    require(out.shape(0) == 2, "out must have shape (2, 2)");
    thread_count(threads);
    const Extension *left = extensions(a), *right = extensions(b), *weight = extensions(weights);
    Extension* to = extensions_out(out);
    const nb::gil_scoped_release release;
    const auto weighted = [&](u64 begin, u64 end) {
        ProductRound round;
        for (u64 i = begin, k = begin % period; i < end; ++i) {
            round.add_at(left, right, weight[k], i);
            if (++k == period) k = 0;
        }
        return Values{{round.at_zero.value(), round.leading.value(), {0, 0}}};
    };
    const auto common = [&](u64 begin, u64 end) {
        ProductRound round;
        for (u64 i = begin; i < end; ++i) round.add_at(left, right, i);
        return Values{{multiply(weight[0], round.at_zero.value()), multiply(weight[0], round.leading.value()), {0, 0}}};
    };
    const Values sum = period == 1 ? parallel_reduce(count, kGrain, threads, kZero, common, add_values)
                                   : parallel_reduce(count, kGrain, threads, kZero, weighted, add_values);
    for (int i = 0; i < 2; ++i) to[i] = sum.v[i];
}

void product3_round(Extensions u, Extensions a, Extensions b, ExtensionsOut out, unsigned threads) {
    const u64 count = u.shape(0) / 2;
    require(u.shape(0) % 2 == 0 && u.shape(0) == a.shape(0) && u.shape(0) == b.shape(0),
            "u, a and b must have the same even length");
    require(out.shape(0) == 3, "out must have shape (3, 2)");
    thread_count(threads);
    const Extension *first = extensions(u), *second = extensions(a), *third = extensions(b);
    Extension* to = extensions_out(out);
    const nb::gil_scoped_release release;
    const auto partial = [&](u64 begin, u64 end) {
        TripleRound round;
        for (u64 i = begin; i < end; ++i) round.add_at(first, second, third, i);
        return Values{{round.at_zero.value(), round.at_two.value(), round.leading.value()}};
    };
    const Values sum = parallel_reduce(count, kGrain, threads, kZero, partial, add_values);
    for (int i = 0; i < 3; ++i) to[i] = sum.v[i];
}

}  // namespace

void bind_rounds(nb::module_& m) {
    m.def("product_round", &product_round, "a"_a.noconvert(), "b"_a.noconvert(), "weights"_a.noconvert(),
          "out"_a.noconvert(), "threads"_a, "(2m, 2) twice, (e, 2) into out (2, 2): constant and leading coefficient.");
    m.def("product3_round", &product3_round, "u"_a.noconvert(), "a"_a.noconvert(), "b"_a.noconvert(),
          "out"_a.noconvert(), "threads"_a, "Three (2m, 2) into out (3, 2): f(0), f(2), leading coefficient.");
}

}  // namespace zkdl
