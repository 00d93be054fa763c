// Integer matrices times vectors over K.
#include "arrays.h"
#include "matrix.h"

namespace zkdl {

namespace {

using Vectors = nb::ndarray<const u64, nb::shape<-1, -1, 2>, nb::c_contig, nb::device::cpu>;

template <class Integer>
void define(nb::module_& m) {
    m.def(
        "matvec",
        [](In<Integer, 2> matrix, Vectors vectors, ExtensionsOut out, unsigned threads) {
            const u64 rows = matrix.shape(0), columns = matrix.shape(1), period = vectors.shape(0);
            require(vectors.shape(1) == columns, "matrix and vectors must have the same number of columns");
            require(period >= 1, "vectors must hold at least one vector");
            require(out.shape(0) == rows, "out must have one element per row of matrix");
            thread_count(threads);
            const Integer* from = matrix.data();
            const Extension* v = extensions(vectors);
            Extension* to = extensions_out(out);
            const nb::gil_scoped_release release;
            matvec(from, v, rows, columns, period, to, threads);
        },
        "matrix"_a.noconvert(), "vectors"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
        "(R, C) i32, i64 or u64, (P, C, 2) u64 into out (R, 2): row i uses vector i mod P.");
    m.def(
        "vecmat",
        [](Extensions vector, In<Integer, 2> matrix, ExtensionsOut out, unsigned threads) {
            const u64 rows = matrix.shape(0), columns = matrix.shape(1);
            require(vector.shape(0) == rows, "vector and matrix must have the same number of rows");
            require(out.shape(0) == columns, "out must have one element per column of matrix");
            thread_count(threads);
            const Extension* v = extensions(vector);
            const Integer* from = matrix.data();
            Extension* to = extensions_out(out);
            const nb::gil_scoped_release release;
            vecmat(v, from, rows, columns, to, threads);
        },
        "vector"_a.noconvert(), "matrix"_a.noconvert(), "out"_a.noconvert(), "threads"_a,
        "(R, 2) u64, (R, C) i32, i64 or u64 into out (C, 2).");
}

}  // namespace

void bind_matrices(nb::module_& m) {
    define<i32>(m);
    define<i64>(m);
    define<u64>(m);
}

}  // namespace zkdl
