// The fraction tree on stored tables.
#include "fractions.h"

#include "arrays.h"

namespace zkdl {

namespace {

void layer(Extensions p, Extensions q, ExtensionsOut p_out, ExtensionsOut q_out, unsigned threads) {
    const u64 count = p_out.shape(0);
    require(p.shape(0) == 2 * count && q.shape(0) == 2 * count && q_out.shape(0) == count,
            "p and q must be twice as long as the outputs");
    thread_count(threads);
    const Extension *p_in = extensions(p), *q_in = extensions(q);
    Extension *p_to = extensions_out(p_out), *q_to = extensions_out(q_out);
    const nb::gil_scoped_release release;
    fraction_layer(p_in, q_in, count, p_to, q_to, threads);
}

void round(Extensions p, Extensions q, Scalar lam, Extensions weights_high, Extensions weights_low, ExtensionsOut out,
           unsigned threads) {
    const u64 count = p.shape(0) / 4, low = weights_low.shape(0);
    require(p.shape(0) % 4 == 0 && p.shape(0) == q.shape(0), "p and q must have the same length, divisible by 4");
    require(count == 0 || (low > 0 && (count + low - 1) / low <= weights_high.shape(0)),
            "weights_high and weights_low must cover every element");
    require(out.shape(0) == 2, "out must have shape (2, 2)");
    thread_count(threads);
    const Extension *p_in = extensions(p), *q_in = extensions(q);
    const Extension *high = extensions(weights_high), *lowest = extensions(weights_low);
    const Extension factor = scalar(lam);
    Extension* to = extensions_out(out);
    const nb::gil_scoped_release release;
    fraction_round(p_in, q_in, count, factor, high, lowest, low, to, threads);
}

void bind(Extensions x, Scalar r, ExtensionsOut out, unsigned threads) {
    const u64 count = out.shape(0);
    require(count % 2 == 0 && x.shape(0) == 2 * count, "x must have shape (4m, 2), out (2m, 2)");
    thread_count(threads);
    const Extension* from = extensions(x);
    const Extension point = scalar(r);
    Extension* to = extensions_out(out);
    const nb::gil_scoped_release release;
    fraction_bind(from, point, count / 2, to, threads);
}

}  // namespace

void bind_fractions(nb::module_& m) {
    m.def("fraction_layer", &layer, "p"_a.noconvert(), "q"_a.noconvert(), "p_out"_a.noconvert(), "q_out"_a.noconvert(),
          "threads"_a, "Sums of neighbouring fractions: (2m, 2) twice into (m, 2) twice.");
    m.def("fraction_round", &round, "p"_a.noconvert(), "q"_a.noconvert(), "lam"_a.noconvert(),
          "weights_high"_a.noconvert(), "weights_low"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "(4m, 2) twice, (2,), (h, 2), (l, 2) into out (2, 2): constant and leading coefficient.");
    m.def("fraction_bind", &bind, "x"_a.noconvert(), "r"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "x (4m, 2) bound at r in the lowest variable of the parents: out (2m, 2).");
}

}  // namespace zkdl
