// Array arguments of the bindings. Every one is registered with .noconvert(): nanobind would otherwise copy a wrong
// dtype or a strided array silently, and an output would be lost with the copy.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>

#include "zkdl/extension.h"

namespace zkdl {

namespace nb = nanobind;
using namespace nanobind::literals;

template <class T, int Axes>
using In = nb::ndarray<const T, nb::ndim<Axes>, nb::c_contig, nb::device::cpu>;
template <class T, int Axes>
using Out = nb::ndarray<T, nb::ndim<Axes>, nb::c_contig, nb::device::cpu>;

using Elements = In<u64, 1>;
using ElementsOut = Out<u64, 1>;
using Rows = In<u64, 2>;
using RowsOut = Out<u64, 2>;
// Elements of K: (n, 2), and (2,) for a single one
using Extensions = nb::ndarray<const u64, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using ExtensionsOut = nb::ndarray<u64, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using Scalar = nb::ndarray<const u64, nb::shape<2>, nb::c_contig, nb::device::cpu>;
using Digests = nb::ndarray<const u8, nb::shape<-1, 32>, nb::c_contig, nb::device::cpu>;
using DigestsOut = nb::ndarray<u8, nb::shape<-1, 32>, nb::c_contig, nb::device::cpu>;

inline void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

inline void require_power_of_two(u64 n, const char* message) {
    require(n != 0 && (n & (n - 1)) == 0 && n <= (u64{1} << 32), message);
}

template <class Array>
const Extension* extensions(const Array& array) {
    return reinterpret_cast<const Extension*>(array.data());
}

template <class Array>
Extension* extensions_out(const Array& array) {
    return reinterpret_cast<Extension*>(array.data());
}

inline Extension scalar(const Scalar& array) { return {array.data()[0], array.data()[1]}; }

inline void store(const ExtensionsOut& out, u64 i, Extension value) { extensions_out(out)[i] = value; }

// A count of worker threads from Python.
inline unsigned thread_count(unsigned threads) {
    require(threads >= 1 && threads <= 4096, "threads must be in [1, 4096]");
    return threads;
}

void bind_field(nb::module_& m);
void bind_tables(nb::module_& m);
void bind_rounds(nb::module_& m);
void bind_fractions(nb::module_& m);
void bind_matrices(nb::module_& m);
void bind_codes(nb::module_& m);
void bind_leaves(nb::module_& m);
void bind_training(nb::module_& m);

}  // namespace zkdl
