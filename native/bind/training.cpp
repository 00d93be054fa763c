// Exact integer training.
#include "arrays.h"
#include "products.h"
#include "update.h"

namespace zkdl {

namespace {

template <class Element>
u64 subtract_products_of(Out<Element, 2> matrix, In<i32, 2> left, In<i32, 2> right, i64 factor, unsigned threads) {
    const u64 rows = left.shape(0), inputs = matrix.shape(0), outputs = matrix.shape(1);
    require(right.shape(0) == rows, "left and right must have as many rows");
    require(left.shape(1) == inputs && right.shape(1) == outputs, "left and right must fit the matrix");
    thread_count(threads);
    Element* to = matrix.data();
    const i32 *from = left.data(), *gradient = right.data();
    const nb::gil_scoped_release release;
    return subtract_products(to, from, gradient, rows, inputs, outputs, factor, threads);
}

bool narrow_products_of(In<i64, 2> left, In<double, 2> matrix, bool transposed, Out<i64, 2> out, unsigned threads) {
    const u64 rows = left.shape(0), inner = left.shape(1), n = matrix.shape(transposed ? 0 : 1);
    require(matrix.shape(transposed ? 1 : 0) == inner, "left and matrix must fit each other");
    require(out.shape(0) == rows && out.shape(1) == n, "out must have the shape of the product");
    thread_count(threads);
    const i64* from = left.data();
    const double* factor = matrix.data();
    i64* to = out.data();
    const nb::gil_scoped_release release;
    return narrow_products(from, factor, transposed, rows, inner, n, to, threads);
}

using Strided = nb::ndarray<i32, nb::ndim<2>, nb::device::cpu>;

void write_transposed_of(Strided out, In<i64, 2> values, unsigned threads) {
    const u64 rows = values.shape(0), columns = values.shape(1);
    require(out.shape(0) == columns && out.shape(1) == rows, "out must have the shape of the transposed values");
    require(rows <= 1 || out.stride(1) == 1, "rows of out must be contiguous");
    require(out.stride(0) >= 0, "rows of out must ascend");
    thread_count(threads);
    i32* to = out.data();
    const u64 stride = static_cast<u64>(out.stride(0));
    const i64* from = values.data();
    const nb::gil_scoped_release release;
    write_transposed(to, stride, from, rows, columns, threads);
}

template <class Element>
void define_update(nb::module_& m) {
    m.def("subtract_products", &subtract_products_of<Element>, "matrix"_a.noconvert(), "left"_a.noconvert(),
          "right"_a.noconvert(), "factor"_a, "threads"_a,
          "(n, m) i64 or f64 -= factor * (B, n) i32 transposed times (B, m) i32. Returns the largest |entry|.");
}

}  // namespace

void bind_training(nb::module_& m) {
    m.def("write_transposed", &write_transposed_of, "out"_a.noconvert(), "values"_a.noconvert(), "threads"_a,
          "(m, n) i64 into out (n, m) i32, whose rows are contiguous.");
    m.def("narrow_products", &narrow_products_of, "left"_a.noconvert(), "matrix"_a.noconvert(), "transposed"_a,
          "out"_a.noconvert(), "threads"_a,
          "(r, k) i64 times (k, n) f64, or times (n, k) transposed, into (r, n) i64; False where that needs other means.");
    define_update<i64>(m);
    define_update<double>(m);
}

}  // namespace zkdl
