// Tables over K: sums, eq, outer products, binding.
#include <algorithm>

#include "arrays.h"
#include "parallel.h"
#include "zkdl/elementwise.kernel.h"

namespace zkdl {

namespace {

constexpr u64 kGrain = 1 << 13;

void k_sum(Extensions a, ExtensionsOut out, unsigned threads) {
    require(out.shape(0) == 1, "out must have shape (1, 2)");
    thread_count(threads);
    const Extension* from = extensions(a);
    const u64 count = a.shape(0);
    Extension* to = extensions_out(out);
    const nb::gil_scoped_release release;
    to[0] = parallel_reduce(
        count, 8 * kGrain, threads, Extension{0, 0},
        [&](u64 begin, u64 end) {
            ExtensionAccumulator sum;
            for (u64 i = begin; i < end; ++i) sum.add_element(from[i]);
            return sum.value();
        },
        [](Extension& sum, Extension part) { sum = add(sum, part); });
}

void eq_step(Extensions table, Scalar coordinate, ExtensionsOut out, unsigned threads) {
    require(out.shape(0) == 2 * table.shape(0), "out must be twice as long as table");
    thread_count(threads);
    const Extension* from = extensions(table);
    const Extension r = scalar(coordinate);
    Extension* to = extensions_out(out);
    const u64 count = table.shape(0);
    const nb::gil_scoped_release release;
    parallel_for(count, kGrain, threads, [&](u64 begin, u64 end) {
        for (u64 i = begin; i < end; ++i) eq_step_at(from, r, to, i);
    });
}

void outer(Extensions a, Extensions b, ExtensionsOut out, unsigned threads) {
    const u64 height = a.shape(0), width = b.shape(0);
    require(out.shape(0) == height * width, "out must have the length of a times that of b");
    thread_count(threads);
    const Extension *left = extensions(a), *right = extensions(b);
    Extension* to = extensions_out(out);
    const nb::gil_scoped_release release;
    parallel_for(height * width, kGrain, threads, [&](u64 begin, u64 end) {
        // Row by row: a division for every element would cost more than the product.
        for (u64 i = begin; i < end;) {
            const u64 row = i / width, start = row * width, stop = std::min(end, start + width);
            for (; i < stop; ++i) to[i] = multiply(left[row], right[i - start]);
        }
    });
}

template <class Integer>
void define_axpy(nb::module_& m) {
    m.def(
        "axpy",
        [](ExtensionsOut out, Scalar coefficient, In<Integer, 1> x, unsigned threads) {
            require(out.shape(0) == x.size(), "out and x must have the same length");
            thread_count(threads);
            Extension* to = extensions_out(out);
            const Extension c = scalar(coefficient);
            const Integer* from = x.data();
            const u64 count = x.size();
            const nb::gil_scoped_release release;
            parallel_for(count, kGrain, threads, [&](u64 begin, u64 end) {
                for (u64 i = begin; i < end; ++i) to[i] = axpy_at(to[i], c, from[i]);
            });
        },
        "out"_a.noconvert(), "coefficient"_a.noconvert(), "x"_a.noconvert(), "threads"_a,
        "out (n, 2) u64 += coefficient (2,) u64 * x (n,) i32, i64 or u64.");
}

void bind_table(Extensions table, Scalar r, ExtensionsOut out, unsigned threads) {
    require(table.shape(0) == 2 * out.shape(0), "table must be twice as long as out");
    thread_count(threads);
    const Extension* from = extensions(table);
    const Extension point = scalar(r);
    Extension* to = extensions_out(out);
    const u64 count = out.shape(0);
    const nb::gil_scoped_release release;
    parallel_for(count, kGrain, threads, [&](u64 begin, u64 end) {
        for (u64 i = begin; i < end; ++i) to[i] = bind_at(from, point, i);
    });
}

void running_difference(Extensions start, In<u64, 3> updates, In<u64, 1> factors, Out<u64, 3> out, unsigned threads) {
    const u64 rows = updates.shape(0), steps = updates.shape(1), count = factors.shape(0);
    require(updates.shape(2) == 2 && start.shape(0) == rows, "start and updates must fit each other");
    require(out.shape(0) == rows && out.shape(1) == steps && out.shape(2) == 2, "out must have the shape of updates");
    require(count <= steps, "there must be at most one factor per step");
    thread_count(threads);
    const Extension* from = extensions(start);
    const auto* changes = reinterpret_cast<const Extension*>(updates.data());
    const u64* times = factors.data();
    auto* to = reinterpret_cast<Extension*>(out.data());
    const nb::gil_scoped_release release;
    parallel_for(rows, std::max<u64>(1, kGrain / std::max<u64>(1, steps)), threads, [&](u64 begin, u64 end) {
        for (u64 i = begin; i < end; ++i)
            running_difference_at(from[i], changes + i * steps, times, count, steps, to + i * steps);
    });
}

}  // namespace

void bind_tables(nb::module_& m) {
    m.def("k_sum", &k_sum, "a"_a.noconvert(), "out"_a.noconvert(), "threads"_a, "Sum of (n, 2) u64 into out (1, 2).");
    m.def("eq_step", &eq_step, "table"_a.noconvert(), "coordinate"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "One more, least significant, coordinate of an eq table: (n, 2), (2,) into out (2n, 2).");
    m.def("outer", &outer, "a"_a.noconvert(), "b"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "out (n*m, 2) = a (n, 2) times b (m, 2), a is the high index.");
    define_axpy<i32>(m);
    define_axpy<i64>(m);
    define_axpy<u64>(m);
    m.def("running_difference", &running_difference, "start"_a.noconvert(), "updates"_a.noconvert(),
          "factors"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "out (d, T, 2): start (d, 2) minus the sums so far of factors (t,) times updates (d, T, 2).");
    m.def("bind", &bind_table, "table"_a.noconvert(), "r"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "out (m, 2) = t[2i] + r*(t[2i+1] - t[2i]), table (2m, 2).");
}

}  // namespace zkdl
