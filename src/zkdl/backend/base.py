"""The interface of every backend: the array kernels that a prover or a verifier needs.

F = GF(p), p = 2^64 - 2^32 + 1, as uint64 arrays of canonical values (< p). K = F[X]/(X^2 - 7), as uint64
arrays whose last axis holds (c0, c1). Kernels take C-contiguous arrays, return fresh canonical ones, and give
the same bits for every backend and every number of threads. Uint64 inputs must be canonical: that is the
caller's duty and is not checked. A wrong dtype, number of axes or a strided array is a TypeError, a wrong
length a ValueError.

A backend with a device (`device_backend.py`) takes and returns `DeviceArray`s for large tables too. They have a shape, a
dtype, a length, leading slices and `reshape`, and np.concatenate joins them; where numpy must see values, `device.to_host`
is what copies them.

Orders: g_n = 7^((p-1)/n); H = <g_ell>; the code domain is L = 7*<g_n>, position i being 7*g_n^i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from zkdl.backend.counting import TableIndex
    from zkdl.backend.leaves import LeafProgram
    from zkdl.backend.scratch import Tables

P = 2**64 - 2**32 + 1
NON_RESIDUE = 7
GENERATOR = 7

FieldArray = NDArray[np.uint64]
ExtensionArray = NDArray[np.uint64]
Integers = NDArray[np.int32] | NDArray[np.int64] | NDArray[np.uint64]
SignedIntegers = NDArray[np.int32] | NDArray[np.int64]
Digests = NDArray[np.uint8]
Indices = NDArray[np.int64]


class Backend(Protocol):
    """Kernels over F and K.

    Attributes: name is "native", "numpy", "reference" or "cuda"; threads is how many it was asked to use.
    """

    name: str
    threads: int

    @property
    def local(self) -> Backend:
        """A backend on the host for what is too small to travel: this one, unless it has a device."""
        ...

    def with_resident(self, *arrays: NDArray[np.generic]) -> Backend:
        """The same kernels; these arrays do not change any more, so a device may keep copies until the result is dropped."""
        ...

    def with_tables(self, tables: Tables) -> Backend:
        """The same kernels; those of a fraction tree return arrays that `tables` makes. Some backends need not care."""
        ...

    def f_from_int(self, x: SignedIntegers) -> FieldArray:
        """Signed integers of any shape as canonical field elements of the same shape."""
        ...

    def f_add(self, a: FieldArray, b: FieldArray) -> FieldArray:
        """a + b in F with numpy broadcasting; strides are free."""
        ...

    def f_sub(self, a: FieldArray, b: FieldArray) -> FieldArray:
        """a - b in F with numpy broadcasting; strides are free."""
        ...

    def f_mul(self, a: FieldArray, b: FieldArray) -> FieldArray:
        """a * b in F with numpy broadcasting; strides are free."""
        ...

    def k_add(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        """a + b in K: (n, 2) with (n, 2), or (2,) on either side (or on both: the result is then (2,))."""
        ...

    def k_sub(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        """a - b in K, shapes as `k_add`."""
        ...

    def k_mul(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        """a * b in K, shapes as `k_add`."""
        ...

    def k_sum(self, a: ExtensionArray) -> ExtensionArray:
        """Sum of the n elements of (n, 2) as (2,)."""
        ...

    def eq_table(self, point: ExtensionArray) -> ExtensionArray:
        """eq(point, x) for all x: (v, 2) -> (2^v, 2). point[0] is the most significant bit of the index."""
        ...

    def outer(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        """(n, 2), (m, 2) -> (n*m, 2): element i*m + j is a[i]*b[j]."""
        ...

    def matvec(self, matrix: Integers, vectors: ExtensionArray) -> ExtensionArray:
        """(R, C), (P, C, 2) -> (R, 2): row i is sum_c matrix[i, c] * vectors[i % P, c], P >= 1."""
        ...

    def vecmat(self, vector: ExtensionArray, matrix: Integers) -> ExtensionArray:
        """(R, 2), (R, C) -> (C, 2): sum_i vector[i] * matrix[i, :]."""
        ...

    def axpy(self, out: ExtensionArray, coefficient: ExtensionArray, x: Integers) -> None:
        """out += coefficient * x in place: (n, 2), (2,), (n,)."""
        ...

    def running_difference(self, start: ExtensionArray, updates: ExtensionArray, factors: FieldArray) -> ExtensionArray:
        """(d, 2), (d, T, 2), (t <= T,) -> (d, T, 2): at [:, i], start - sum over s < i of factors[s] * updates[:, s].

        Factors behind the last are zero.
        """
        ...

    def bind(self, table: ExtensionArray, r: ExtensionArray) -> ExtensionArray:
        """Fix the least significant variable at r: (2m, 2), (2,) -> (m, 2), t[2i] + r*(t[2i+1] - t[2i])."""
        ...

    def product_round(self, a: ExtensionArray, b: ExtensionArray, weights: ExtensionArray) -> ExtensionArray:
        """One round of sumcheck for sum_i weights[i % e] a_i b_i: (2m, 2), (2m, 2), (e, 2) -> (2, 2).

        Returns [sum w_i a[2i] b[2i], sum w_i (a[2i+1]-a[2i]) (b[2i+1]-b[2i])].
        """
        ...

    def product3_round(self, u: ExtensionArray, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        """One round of sumcheck for sum_i u_i a_i b_i: three (2m, 2) -> (3, 2).

        With f(X) = sum_i u_i(X) a_i(X) b_i(X), linear through (2i, 2i+1): [f(0), f(2), coefficient of X^3].
        """
        ...

    def fraction_layer(self, p: ExtensionArray, q: ExtensionArray) -> tuple[ExtensionArray, ExtensionArray]:
        """Add fractions 2i and 2i+1: (2m, 2) twice -> (m, 2) twice, p' = p0*q1 + p1*q0 and q' = q0*q1."""
        ...

    def fraction_round(
        self,
        p: ExtensionArray,
        q: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        """One round of the fraction sumcheck: p, q (4m, 2), lam (2,), weights (h, 2) and (l, 2) -> (2, 2).

        For i < m <= h*l the weight is weights_high[i // l] * weights_low[i % l]; parent 2i has the children
        4i, 4i+1 and parent 2i+1 has 4i+2, 4i+3; value(p0, p1, q0, q1) = p0*q1 + p1*q0 + lam*q0*q1. Returns
        [sum w*value at parent 2i, sum w*value of the component-wise differences parent 2i+1 minus parent 2i].
        """
        ...

    def fraction_bind(
        self, p: ExtensionArray, q: ExtensionArray, r: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        """Fix the variable of `fraction_round` at r: (4m, 2) twice -> (2m, 2) twice.

        x'[2i+c] = x[4i+c] + r*(x[4i+2+c] - x[4i+c]) for c in {0, 1}.
        """
        ...

    def leaf_table(self, program: LeafProgram, level: int) -> tuple[ExtensionArray, ExtensionArray]:
        """The fraction tree's table `level` layers above the leaves: program.entries(level) entries each, (n, 2)."""
        ...

    def leaf_round(
        self,
        program: LeafProgram,
        level: int,
        bound: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        """`fraction_round` on that table after `fraction_bind` at bound[0], bound[1], .. (b, 2).

        The table is padded by (0, 1) so that it has a multiple of four entries then.
        """
        ...

    def leaf_bind(
        self, program: LeafProgram, level: int, bound: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        """That table after `fraction_bind` at bound[0], bound[1], .., (b, 2) with b >= 1.

        The table is padded by (0, 1) so that it had a multiple of four entries before the last bind.
        """
        ...

    def integer_product(
        self, left: NDArray[np.int64], matrix: NDArray[np.float64], transposed: bool = False
    ) -> NDArray[np.int64]:
        """left (r, k) times matrix (k, n), or times matrix (n, k) transposed, (r, n); both hold integers.

        Every partial sum must stay within 2^53 in absolute value: the caller's duty.
        """
        ...

    def subtract_products(
        self,
        matrix: NDArray[np.int64] | NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        factor: int,
    ) -> int:
        """matrix -= factor * left^T right in place, in integers: (n, m), (B, n), (B, m). Returns the largest new |entry|.

        B |left| |right| must stay below 2^53, |matrix| + |factor| B |left| |right| below 2^63, or 2^53 for float64: the
        caller's duty.
        """
        ...

    def count_lookups(self, table: TableIndex, fields: Sequence[NDArray[np.int32]], counts: NDArray[np.int32]) -> None:
        """counts[row] += how many of the tuples (fields[0][i], fields[1][i], ..) name that row of the table.

        A tuple names a row by its indexed fields; the others are not looked at. One field per column, (n,) each, a stride
        of 0 standing for one value everywhere; counts has at least as many entries as the table.
        """
        ...

    def write_transposed(self, out: NDArray[np.int32], values: NDArray[np.int64]) -> None:
        """out[j, i] = values[i, j]: (n, m), rows of out contiguous, and (m, n). Values must fit int32: not checked."""
        ...

    def interpolate(self, values: FieldArray) -> FieldArray:
        """(m, ell) values at g_ell^i -> (m, ell) coefficients, per row; ell a power of two."""
        ...

    def evaluate_coset(self, coefficients: FieldArray, n: int) -> FieldArray:
        """(m, k) coefficients -> (m, n) values at 7*g_n^i, per row; n a power of two, k <= n."""
        ...

    def encode(self, rows: Integers, random: FieldArray, n: int) -> FieldArray:
        """Masked Reed-Solomon code: (m, ell), (m, t) -> (m, n), ell and n powers of two, ell + t <= n.

        Row i is W + (x^ell - 1)*R on L; W interpolates rows[i] on H, R has the coefficients random[i].
        """
        ...

    def encode_and_hash(self, rows: Integers, random: FieldArray, salts: Digests) -> Digests:
        """`hash_columns` of `encode`, without the code in memory: (m, ell), (m, t), (n, 32) -> (n, 32)."""
        ...

    def encode_columns(self, rows: Integers, random: FieldArray, n: int, indices: Indices) -> FieldArray:
        """Columns of `encode`, without the code in memory: (m, ell), (m, t), (i,) -> (i, m)."""
        ...

    def hash_columns(self, code: FieldArray, salts: Digests, first_index: int = 0) -> Digests:
        """Leaves of the columns: (m, n), (n, 32) uint8 -> (n, 32) uint8.

        SHA256(0x00 || u64le index || salt || u32le m || column as m u64le), index = first_index + position.
        """
        ...

    def read_columns(self, code: FieldArray, indices: Indices) -> FieldArray:
        """(m, n), (i,) -> (i, m): columns of a code, one after the other."""
        ...

    def merkle_parents(self, nodes: Digests, level: int) -> Digests:
        """(2m, 32) -> (m, 32): SHA256(0x01 || u8 level || u64le index || left || right).

        `level` and index are the parent's; leaves have level 0, so 1 <= level <= 255.
        """
        ...
