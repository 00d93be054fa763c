// Element-wise arithmetic of F and K.
#include "arrays.h"
#include "parallel.h"

namespace zkdl {

namespace {

constexpr u64 kGrain = 1 << 14;

// out[i] = operation(a[i], b[i]); an operand of one element is used for all.
template <class Value, class Operation>
void combine(const Value* a, u64 a_count, const Value* b, u64 b_count, Value* out, u64 count, unsigned threads,
             const Operation& operation) {
    require((a_count == count || a_count == 1) && (b_count == count || b_count == 1),
            "operands and output must have the same length");
    thread_count(threads);
    const nb::gil_scoped_release release;
    parallel_for(count, kGrain, threads, [&](u64 begin, u64 end) {
        if (a_count == count && b_count == count)
            for (u64 i = begin; i < end; ++i) out[i] = operation(a[i], b[i]);
        else if (b_count == count)
            for (u64 i = begin; i < end; ++i) out[i] = operation(a[0], b[i]);
        else
            for (u64 i = begin; i < end; ++i) out[i] = operation(a[a_count == count ? i : 0], b[0]);
    });
}

template <class Operation>
void define_pair(nb::module_& m, const char* f_name, const char* k_name, Operation operation) {
    m.def(
        f_name,
        [operation](Elements a, Elements b, ElementsOut out, unsigned threads) {
            combine(a.data(), a.size(), b.data(), b.size(), out.data(), out.size(), threads, operation);
        },
        "a"_a.noconvert(), "b"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
        "Element-wise in F: (n,) or (1,) u64 each, out (n,) u64.");
    m.def(
        k_name,
        [operation](Extensions a, Extensions b, ExtensionsOut out, unsigned threads) {
            combine(extensions(a), a.shape(0), extensions(b), b.shape(0), extensions_out(out), out.shape(0), threads,
                    operation);
        },
        "a"_a.noconvert(), "b"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
        "Element-wise in K: (n, 2) or (1, 2) u64 each, out (n, 2) u64.");
}

template <class Integer>
void define_integers(nb::module_& m) {
    m.def(
        "f_from_int",
        [](In<Integer, 1> x, ElementsOut out, unsigned threads) {
            require(x.size() == out.size(), "x and out must have the same length");
            thread_count(threads);
            const Integer* from = x.data();
            u64* to = out.data();
            const u64 count = x.size();
            const nb::gil_scoped_release release;
            parallel_for(count, 4 * kGrain, threads, [&](u64 begin, u64 end) {
                for (u64 i = begin; i < end; ++i) to[i] = from_int(from[i]);
            });
        },
        "x"_a.noconvert(), "out"_a.noconvert(), "threads"_a, "Signed integers (n,) to canonical elements (n,) u64.");
}

}  // namespace

void bind_field(nb::module_& m) {
    define_pair(m, "f_add", "k_add", [](auto a, auto b) { return add(a, b); });
    define_pair(m, "f_sub", "k_sub", [](auto a, auto b) { return subtract(a, b); });
    define_pair(m, "f_mul", "k_mul", [](auto a, auto b) { return multiply(a, b); });
    define_integers<i32>(m);
    define_integers<i64>(m);
}

}  // namespace zkdl
