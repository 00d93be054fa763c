"""The backend without compiled code: numpy and hashlib. Fast enough to verify and to prove small runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zkdl.backend import checks, numpy_field, numpy_matrix, numpy_ntt
from zkdl.backend.base import Digests, ExtensionArray, FieldArray, Integers, SignedIntegers
from zkdl.backend.codes import MaterialisedCodes
from zkdl.backend.counting import TableIndex
from zkdl.backend.leaves import MaterialisedLeaves
from zkdl.backend.numpy_field import add, k_multiply, k_total, multiply, subtract
from zkdl.backend.on_host import OnHost, RunningDifference


class NumpyBackend(OnHost, RunningDifference, MaterialisedLeaves, MaterialisedCodes):
    """See `base.Backend`, which documents every method."""

    name = "numpy"

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def f_from_int(self, x: SignedIntegers) -> FieldArray:
        checks.require_array("x", x, checks.SIGNED_TYPES)
        return numpy_field.from_int(x.reshape(-1)).reshape(x.shape)

    def f_add(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return _broadcast(add, a, b)

    def f_sub(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return _broadcast(subtract, a, b)

    def f_mul(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return _broadcast(multiply, a, b)

    def k_add(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_operands(a, b)
        return add(a, b)

    def k_sub(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_operands(a, b)
        return subtract(a, b)

    def k_mul(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_operands(a, b)
        product = k_multiply(np.atleast_2d(a), np.atleast_2d(b))
        return product[0] if a.ndim == b.ndim == 1 else product

    def k_sum(self, a: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        return k_total(a)

    def eq_table(self, point: ExtensionArray) -> ExtensionArray:
        checks.require_extension("point", point)
        table = np.array([[1, 0]], dtype=np.uint64)
        for coordinate in point:
            ones = k_multiply(table, coordinate[None, :])
            table = np.stack([subtract(table, ones), ones], axis=1).reshape(-1, 2)
        return table

    def outer(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        checks.require_extension("b", b)
        return k_multiply(a[:, None, :], b[None, :, :]).reshape(-1, 2)

    def matvec(self, matrix: Integers, vectors: ExtensionArray) -> ExtensionArray:
        checks.require_matrix_product(matrix, vectors)
        return numpy_matrix.matvec(matrix, vectors)

    def vecmat(self, vector: ExtensionArray, matrix: Integers) -> ExtensionArray:
        checks.require_vector_product(vector, matrix)
        return numpy_matrix.vecmat(vector, matrix)

    def axpy(self, out: ExtensionArray, coefficient: ExtensionArray, x: Integers) -> None:
        checks.require_axpy(out, coefficient, x)
        out[:] = add(out, multiply(_canonical(x)[:, None], coefficient[None, :]))

    def bind(self, table: ExtensionArray, r: ExtensionArray) -> ExtensionArray:
        checks.require_table("table", table, 2)
        checks.require_scalar("r", r)
        return _line(table[0::2], table[1::2], r)

    def product_round(self, a: ExtensionArray, b: ExtensionArray, weights: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, a=a, b=b)
        checks.require_extension("weights", weights)
        size = a.shape[0] // 2
        checks.require(size == 0 or weights.shape[0] > 0, "weights must not be empty")
        spread = weights[np.arange(size) % max(1, weights.shape[0])]
        at_zero = k_multiply(k_multiply(a[0::2], b[0::2]), spread)
        leading = k_multiply(k_multiply(_difference(a), _difference(b)), spread)
        return np.stack([k_total(at_zero), k_total(leading)])

    def product3_round(self, u: ExtensionArray, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, u=u, a=a, b=b)
        slopes = [_difference(x) for x in (u, a, b)]
        at_zero = k_multiply(k_multiply(u[0::2], a[0::2]), b[0::2])
        twos = [add(x[1::2], slope) for x, slope in zip((u, a, b), slopes, strict=True)]
        at_two = k_multiply(k_multiply(twos[0], twos[1]), twos[2])
        leading = k_multiply(k_multiply(slopes[0], slopes[1]), slopes[2])
        return np.stack([k_total(at_zero), k_total(at_two), k_total(leading)])

    def fraction_layer(self, p: ExtensionArray, q: ExtensionArray) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(2, p=p, q=q)
        left, right = k_multiply(p[0::2], q[1::2]), k_multiply(p[1::2], q[0::2])
        return add(left, right), k_multiply(q[0::2], q[1::2])

    def fraction_round(
        self,
        p: ExtensionArray,
        q: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        checks.require_fraction_round(p, q, lam, weights_high, weights_low)
        size = p.shape[0] // 4
        index = np.arange(size)
        low = max(1, weights_low.shape[0])
        weight = k_multiply(weights_high[index // low], weights_low[index % low])
        at_zero = [p[0::4], p[1::4], q[0::4], q[1::4]]
        at_one = [p[2::4], p[3::4], q[2::4], q[3::4]]
        slopes = [subtract(one, zero) for one, zero in zip(at_one, at_zero, strict=True)]
        sums = [k_total(k_multiply(weight, _fraction_value(x, lam))) for x in (at_zero, slopes)]
        return np.stack(sums)

    def fraction_bind(
        self, p: ExtensionArray, q: ExtensionArray, r: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(4, p=p, q=q)
        checks.require_scalar("r", r)
        pairs = [x.reshape(-1, 2, 2, 2) for x in (p, q)]
        bound = [_line(x[:, 0], x[:, 1], r).reshape(-1, 2) for x in pairs]
        return bound[0], bound[1]

    def integer_product(
        self, left: NDArray[np.int64], matrix: NDArray[np.float64], transposed: bool = False
    ) -> NDArray[np.int64]:
        checks.require_product(left, matrix, transposed)
        return numpy_matrix.integer_product(left, matrix, transposed)

    def subtract_products(
        self,
        matrix: NDArray[np.int64] | NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        factor: int,
    ) -> int:
        checks.require_update(matrix, left, right, factor)
        change = (left.T.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
        change *= factor
        matrix -= change
        return max(int(matrix.max()), -int(matrix.min())) if matrix.size else 0

    def count_lookups(self, table: TableIndex, fields: Sequence[NDArray[np.int32]], counts: NDArray[np.int32]) -> None:
        checks.require_lookups(table.columns, fields, counts)
        found = table.find(fields)
        counts += np.bincount(found[found >= 0], minlength=len(counts)).astype(np.int32)

    def write_transposed(self, out: NDArray[np.int32], values: NDArray[np.int64]) -> None:
        checks.require_transposed(out, values)
        out[:] = values.T

    def interpolate(self, values: FieldArray) -> FieldArray:
        checks.require_array("values", values, ndim=2)
        checks.require_power_of_two("the row length", values.shape[1])
        return numpy_ntt.interpolate(values)

    def evaluate_coset(self, coefficients: FieldArray, n: int) -> FieldArray:
        checks.require_array("coefficients", coefficients, ndim=2)
        checks.require_power_of_two("n", n)
        checks.require(coefficients.shape[1] <= n, "a row must not have more than n coefficients")
        return numpy_ntt.evaluate_coset(coefficients, n)

    def encode(self, rows: Integers, random: FieldArray, n: int) -> FieldArray:
        checks.require_code(rows, random, n)
        return numpy_ntt.encode(_canonical(rows), random, n)

    def hash_columns(self, code: FieldArray, salts: Digests, first_index: int = 0) -> Digests:
        checks.require_columns(code, salts, first_index)
        rows, columns = code.shape
        out = np.empty((columns, 32), dtype=np.uint8)
        count = rows.to_bytes(4, "little")
        for i in range(columns):
            body = np.ascontiguousarray(code[:, i]).astype("<u8").tobytes()
            prefix = b"\x00" + (first_index + i).to_bytes(8, "little") + salts[i].tobytes() + count
            out[i] = np.frombuffer(hashlib.sha256(prefix + body).digest(), dtype=np.uint8)
        return out

    def merkle_parents(self, nodes: Digests, level: int) -> Digests:
        checks.require_nodes(nodes, level)
        pairs = nodes.reshape(-1, 64)
        out = np.empty((len(pairs), 32), dtype=np.uint8)
        for i, pair in enumerate(pairs):
            prefix = b"\x01" + bytes([level]) + i.to_bytes(8, "little")
            out[i] = np.frombuffer(hashlib.sha256(prefix + pair.tobytes()).digest(), dtype=np.uint8)
        return out


def _broadcast(operation: Callable[[FieldArray, FieldArray], FieldArray], a: FieldArray, b: FieldArray) -> FieldArray:
    checks.require_array("a", a, contiguous=False)
    checks.require_array("b", b, contiguous=False)
    result = operation(np.atleast_1d(a), np.atleast_1d(b))
    return result if a.ndim or b.ndim else result.reshape(())


def _canonical(x: Integers) -> FieldArray:
    return x.astype(np.uint64) if x.dtype == np.uint64 else numpy_field.from_int(x)


def _difference(x: ExtensionArray) -> ExtensionArray:
    return subtract(x[1::2], x[0::2])


def _line(zero: ExtensionArray, one: ExtensionArray, r: ExtensionArray) -> ExtensionArray:
    return add(zero, k_multiply(subtract(one, zero), r[None, :]))


def _fraction_value(x: list[ExtensionArray], lam: ExtensionArray) -> ExtensionArray:
    p0, p1, q0, q1 = x
    numerators = add(k_multiply(p0, q1), k_multiply(p1, q0))
    return add(numerators, k_multiply(k_multiply(q0, q1), lam[None, :]))
