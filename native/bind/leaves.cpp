// The fraction tree near its leaves, from the integers that are looked up.
#include "leaves.h"

#include "arrays.h"
#include "counting.h"

namespace zkdl {

namespace {

using Places = nb::ndarray<const u64, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Betas = nb::ndarray<const u64, nb::shape<-1, kLeafFields, 2>, nb::c_contig, nb::device::cpu>;

// Entries of a Python list cannot be declared noconvert: the same rule by hand.
const i32* integers(nb::handle value, u64 length) {
    if (value.is_none()) return nullptr;
    In<i32, 1> array;
    if (!nb::try_cast(value, array, false)) throw nb::type_error("fields and counts must be contiguous i32 arrays");
    require(array.shape(0) == length, "a field must have the length of its span");
    return array.data();
}

LeafProgram read_program(Places places, Extensions constants, Betas betas, nb::list fields, nb::list counts) {
    const u64 spans = places.shape(0);
    require(constants.shape(0) == spans && betas.shape(0) == spans && nb::len(fields) == kLeafFields * spans &&
                nb::len(counts) == spans,
            "places, constants, betas, fields and counts must describe the same spans");
    LeafProgram program(spans);
    u64 behind = 0;
    for (u64 s = 0; s < spans; ++s) {
        LeafSpan& span = program[s];
        const u64* place = places.data() + 3 * s;
        const u64 length = place[1];
        require(place[0] >= behind && length < (u64{1} << 62) && place[0] < (u64{1} << 62), "spans must ascend");
        span.start = place[0];
        span.stop = behind = place[0] + length;
        require(place[2] <= length, "no more leaves can be active than a span has");
        span.active_stop = span.start + place[2];
        span.constant = extensions(constants)[s];
        span.field_count = 0;
        for (u64 c = 0; c < kLeafFields; ++c) {
            const i32* field = integers(fields[kLeafFields * s + c], length);
            if (field == nullptr) continue;
            const u64* beta = betas.data() + 2 * (kLeafFields * s + c);
            span.beta[span.field_count] = {beta[0], beta[1]};
            span.field[span.field_count++] = field;
            span.constant = subtract(span.constant, scale({beta[0], beta[1]}, u64{1} << 31));
        }
        span.counts = integers(counts[s], length);
    }
    return program;
}

void require_level(unsigned level) { require(level <= 8, "level must be at most 8"); }

LeafStage read_stage(unsigned level, const Extensions& bound) {
    require(level + bound.shape(0) <= 8, "level and bound variables must be at most 8");
    return {level, std::vector<Extension>(extensions(bound), extensions(bound) + bound.shape(0))};
}

void leaf_table_of(Places places, Extensions constants, Betas betas, nb::list fields, nb::list counts, unsigned level,
                   ExtensionsOut p, ExtensionsOut q, unsigned threads) {
    const LeafProgram program = read_program(places, constants, betas, fields, counts);
    const u64 count = p.shape(0);
    require(q.shape(0) == count, "p and q must have the same length");
    require_level(level);
    thread_count(threads);
    Extension *p_out = extensions_out(p), *q_out = extensions_out(q);
    const nb::gil_scoped_release release;
    leaf_table(program, level, count, p_out, q_out, threads);
}

void leaf_round_of(Places places, Extensions constants, Betas betas, nb::list fields, nb::list counts, unsigned level,
                   Extensions bound, u64 count, Scalar lam, Extensions weights_high, Extensions weights_low, ExtensionsOut out,
                   unsigned threads) {
    const LeafProgram program = read_program(places, constants, betas, fields, counts);
    const u64 low = weights_low.shape(0);
    require(count == 0 || (low > 0 && (count + low - 1) / low <= weights_high.shape(0)),
            "weights_high and weights_low must cover every element");
    require(out.shape(0) == 2, "out must have shape (2, 2)");
    const LeafStage stage = read_stage(level, bound);
    thread_count(threads);
    const Extension *high = extensions(weights_high), *lowest = extensions(weights_low);
    const Extension factor = scalar(lam);
    Extension* to = extensions_out(out);
    const nb::gil_scoped_release release;
    leaf_round(program, stage, count, factor, high, lowest, low, to, threads);
}

void leaf_bind_of(Places places, Extensions constants, Betas betas, nb::list fields, nb::list counts, unsigned level,
                  Extensions bound, ExtensionsOut p, ExtensionsOut q, unsigned threads) {
    const LeafProgram program = read_program(places, constants, betas, fields, counts);
    require(p.shape(0) == q.shape(0) && p.shape(0) % 2 == 0, "p and q must have the same even length");
    require(bound.shape(0) >= 1, "at least one variable must be bound");
    const LeafStage stage = read_stage(level, bound);
    thread_count(threads);
    const u64 count = p.shape(0);
    Extension *p_out = extensions_out(p), *q_out = extensions_out(q);
    const nb::gil_scoped_release release;
    leaf_bind(program, stage, count, p_out, q_out, threads);
}

void count_lookups_of(nb::list values, nb::list constants, u64 length, In<i64, 1> least, In<i64, 1> sizes,
                      In<i32, 1> index, Out<i32, 1> counts, unsigned threads) {
    const u64 fields = nb::len(values), rows = counts.shape(0);
    require(fields >= 1 && nb::len(constants) == fields, "values and constants must be as many, and one at least");
    require(least.shape(0) == fields && sizes.shape(0) == fields, "least and sizes must describe the fields");
    thread_count(threads);
    std::vector<LookupField> read(fields);
    u64 keys = 1;
    for (u64 f = 0; f < fields; ++f) {
        i32 constant;
        if (!nb::try_cast(constants[f], constant, false)) throw nb::type_error("constants must be 32-bit integers");
        const i64 size = sizes.data()[f];
        require(size >= 1 && size <= (i64{1} << 32) && keys <= (u64{1} << 31), "sizes are out of range");
        read[f] = {integers(values[f], length), constant, least.data()[f], size};
        keys *= static_cast<u64>(size);
    }
    // An empty index: the key is the row.
    require(index.shape(0) == keys || (index.shape(0) == 0 && keys <= rows), "index must have one entry per key");
    for (u64 key = 0; key < index.shape(0); ++key)
        require(index.data()[key] < static_cast<i64>(rows), "index points behind the counts");
    const i32* from = index.shape(0) == 0 ? nullptr : index.data();
    i32* to = counts.data();
    const nb::gil_scoped_release release;
    count_lookups(read, length, from, to, rows, threads);
}

}  // namespace

void bind_leaves(nb::module_& m) {
    m.def("count_lookups", &count_lookups_of, "values"_a, "constants"_a, "length"_a, "least"_a.noconvert(),
          "sizes"_a.noconvert(), "index"_a.noconvert(), "counts"_a.noconvert(), "threads"_a,
          "Lists of (n,) i32 or None and of integers, (f,) i64 twice, (keys,) i32 or empty; adds to counts (rows,) i32.");
    m.def("leaf_table", &leaf_table_of, "places"_a.noconvert(), "constants"_a.noconvert(), "betas"_a.noconvert(),
          "fields"_a, "counts"_a, "level"_a, "p"_a.noconvert(), "q"_a.noconvert(), "threads"_a,
          "Spans (s, 3), (s, 2), (s, 3, 2), lists of i32 arrays or None; the first entries of a level into p, q (n, 2).");
    m.def("leaf_round", &leaf_round_of, "places"_a.noconvert(), "constants"_a.noconvert(), "betas"_a.noconvert(),
          "fields"_a, "counts"_a, "level"_a, "bound"_a.noconvert(), "count"_a, "lam"_a.noconvert(), "weights_high"_a.noconvert(),
          "weights_low"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
          "fraction_round on the first 4 * count entries of a level with variables bound, into out (2, 2).");
    m.def("leaf_bind", &leaf_bind_of, "places"_a.noconvert(), "constants"_a.noconvert(), "betas"_a.noconvert(),
          "fields"_a, "counts"_a, "level"_a, "bound"_a.noconvert(), "p"_a.noconvert(), "q"_a.noconvert(), "threads"_a,
          "The first entries of a level with variables bound, (b, 2), into p, q (n, 2), n even.");
}

}  // namespace zkdl
