"""The reference: every kernel as its definition, in Python integers, one element at a time.

Slow on purpose. It is the oracle of the other backends, and, the field being a parameter, it runs the
protocols over small fields, where statements about distributions can be checked by enumeration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zkdl.backend import checks
from zkdl.backend.base import (
    Digests,
    ExtensionArray,
    FieldArray,
    Integers,
    SignedIntegers,
)
from zkdl.backend.codes import MaterialisedCodes
from zkdl.backend.counting import TableIndex
from zkdl.backend.leaves import MaterialisedLeaves
from zkdl.backend.on_host import OnHost, RunningDifference
from zkdl.backend.reference_field import GOLDILOCKS, ONE, ZERO, Element, Field


def _read(array: ExtensionArray) -> list[Element]:
    return [(int(a), int(b)) for a, b in array.reshape(-1, 2).tolist()]


def _write(values: Sequence[Element]) -> ExtensionArray:
    return np.array(values, dtype=np.uint64).reshape(-1, 2)


class ReferenceBackend(OnHost, RunningDifference, MaterialisedLeaves, MaterialisedCodes):
    """See `base.Backend`, which documents every method; `field` replaces p, 7 and 7 of that text."""

    name = "reference"

    def __init__(self, field: Field = GOLDILOCKS, threads: int = 1) -> None:
        self.field = field
        self.threads = threads

    def f_from_int(self, x: SignedIntegers) -> FieldArray:
        checks.require_array("x", x, checks.SIGNED_TYPES)
        return np.array([v % self.field.p for v in x.reshape(-1).tolist()], dtype=np.uint64).reshape(x.shape)

    def f_add(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field(lambda x, y: x + y, a, b)

    def f_sub(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field(lambda x, y: x - y, a, b)

    def f_mul(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field(lambda x, y: x * y, a, b)

    def _field(self, operation: Callable[[int, int], int], a: FieldArray, b: FieldArray) -> FieldArray:
        checks.require_array("a", a, contiguous=False)
        checks.require_array("b", b, contiguous=False)
        left, right = np.broadcast_arrays(a, b)
        pairs = zip(left.reshape(-1).tolist(), right.reshape(-1).tolist(), strict=True)
        return np.array([operation(x, y) % self.field.p for x, y in pairs], dtype=np.uint64).reshape(left.shape)

    def k_add(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension(self.field.add, a, b)

    def k_sub(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension(self.field.subtract, a, b)

    def k_mul(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension(self.field.multiply, a, b)

    def _extension(
        self, operation: Callable[[Element, Element], Element], a: ExtensionArray, b: ExtensionArray
    ) -> ExtensionArray:
        checks.require_operands(a, b)
        left, right = np.broadcast_arrays(a, b)
        return _write([operation(x, y) for x, y in zip(_read(left), _read(right), strict=True)]).reshape(left.shape)

    def k_sum(self, a: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        return _write([self.field.total(_read(a))]).reshape(2)

    def eq_table(self, point: ExtensionArray) -> ExtensionArray:
        checks.require_extension("point", point)
        table = [ONE]
        for r in _read(point):
            table = [self.field.multiply(t, f) for t in table for f in (self.field.subtract(ONE, r), r)]
        return _write(table)

    def outer(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        checks.require_extension("b", b)
        return _write([self.field.multiply(x, y) for x in _read(a) for y in _read(b)])

    def matvec(self, matrix: Integers, vectors: ExtensionArray) -> ExtensionArray:
        checks.require_matrix_product(matrix, vectors)
        columns = [_read(vector) for vector in vectors]
        return _write([self._dot(columns[i % len(columns)], row) for i, row in enumerate(matrix.tolist())])

    def vecmat(self, vector: ExtensionArray, matrix: Integers) -> ExtensionArray:
        checks.require_vector_product(vector, matrix)
        elements = _read(vector)
        return _write([self._dot(elements, column) for column in matrix.T.tolist()])

    def _dot(self, elements: Sequence[Element], integers: Sequence[int]) -> Element:
        return self.field.total(self.field.scale(v, x) for v, x in zip(elements, integers, strict=True))

    def axpy(self, out: ExtensionArray, coefficient: ExtensionArray, x: Integers) -> None:
        checks.require_axpy(out, coefficient, x)
        factor = _read(coefficient)[0]
        terms = zip(_read(out), x.tolist(), strict=True)
        out[:] = _write([self.field.add(old, self.field.scale(factor, v)) for old, v in terms])

    def bind(self, table: ExtensionArray, r: ExtensionArray) -> ExtensionArray:
        checks.require_table("table", table, 2)
        checks.require_scalar("r", r)
        t, point = _read(table), _read(r)[0]
        return _write([self._line(t[i], t[i + 1], point) for i in range(0, len(t), 2)])

    def _line(self, zero: Element, one: Element, r: Element) -> Element:
        return self.field.add(zero, self.field.multiply(r, self.field.subtract(one, zero)))

    def product_round(self, a: ExtensionArray, b: ExtensionArray, weights: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, a=a, b=b)
        checks.require_extension("weights", weights)
        checks.require(len(a) == 0 or len(weights) > 0, "weights must not be empty")
        f, left, right, w = self.field, _read(a), _read(b), _read(weights)
        sums = [ZERO, ZERO]
        for i in range(len(left) // 2):
            low = f.multiply(left[2 * i], right[2 * i])
            slopes = [f.subtract(x[2 * i + 1], x[2 * i]) for x in (left, right)]
            for k, value in enumerate((low, f.multiply(*slopes))):
                sums[k] = f.add(sums[k], f.multiply(w[i % len(w)], value))
        return _write(sums)

    def product3_round(self, u: ExtensionArray, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, u=u, a=a, b=b)
        f, tables = self.field, [_read(x) for x in (u, a, b)]
        sums = [ZERO, ZERO, ZERO]
        for i in range(len(tables[0]) // 2):
            zeros = [t[2 * i] for t in tables]
            slopes = [f.subtract(t[2 * i + 1], t[2 * i]) for t in tables]
            twos = [f.add(f.add(z, s), s) for z, s in zip(zeros, slopes, strict=True)]
            for k, (x, y, z) in enumerate((zeros, twos, slopes)):
                sums[k] = f.add(sums[k], f.multiply(f.multiply(x, y), z))
        return _write(sums)

    def fraction_layer(self, p: ExtensionArray, q: ExtensionArray) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(2, p=p, q=q)
        f, numerators, denominators = self.field, _read(p), _read(q)
        p_out, q_out = [], []
        for i in range(0, len(numerators), 2):
            p0, p1, q0, q1 = *numerators[i : i + 2], *denominators[i : i + 2]
            p_out.append(f.add(f.multiply(p0, q1), f.multiply(p1, q0)))
            q_out.append(f.multiply(q0, q1))
        return _write(p_out), _write(q_out)

    def fraction_round(
        self,
        p: ExtensionArray,
        q: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        checks.require_fraction_round(p, q, lam, weights_high, weights_low)
        f, high, low = self.field, _read(weights_high), _read(weights_low)
        numerators, denominators, factor = _read(p), _read(q), _read(lam)[0]
        sums = [ZERO, ZERO]
        for i in range(len(numerators) // 4):
            weight = f.multiply(high[i // len(low)], low[i % len(low)])
            here = [*numerators[4 * i : 4 * i + 2], *denominators[4 * i : 4 * i + 2]]
            there = [*numerators[4 * i + 2 : 4 * i + 4], *denominators[4 * i + 2 : 4 * i + 4]]
            slopes = [f.subtract(y, x) for x, y in zip(here, there, strict=True)]
            for k, (p0, p1, q0, q1) in enumerate((here, slopes)):
                numerator = f.add(f.multiply(p0, q1), f.multiply(p1, q0))
                value = f.add(numerator, f.multiply(factor, f.multiply(q0, q1)))
                sums[k] = f.add(sums[k], f.multiply(weight, value))
        return _write(sums)

    def fraction_bind(
        self, p: ExtensionArray, q: ExtensionArray, r: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(4, p=p, q=q)
        checks.require_scalar("r", r)
        point, out = _read(r)[0], []
        for x in (_read(p), _read(q)):
            pairs = [(i + c, i + 2 + c) for i in range(0, len(x), 4) for c in (0, 1)]
            out.append(_write([self._line(x[low], x[high], point) for low, high in pairs]))
        return out[0], out[1]

    def _domain(self, n: int) -> list[int]:
        root = self.field.root_of_unity(n)
        return [self.field.generator * pow(root, i, self.field.p) % self.field.p for i in range(n)]

    def integer_product(
        self, left: NDArray[np.int64], matrix: NDArray[np.float64], transposed: bool = False
    ) -> NDArray[np.int64]:
        checks.require_product(left, matrix, transposed)
        columns = [[int(value) for value in column] for column in (matrix if transposed else matrix.T).tolist()]
        rows = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in left.tolist()]
        return np.array(rows, dtype=np.int64).reshape(len(left), len(columns))

    def subtract_products(
        self,
        matrix: NDArray[np.int64] | NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        factor: int,
    ) -> int:
        checks.require_update(matrix, left, right, factor)
        for i in range(matrix.shape[0]):
            for j in range(matrix.shape[1]):
                products = sum(int(a) * int(b) for a, b in zip(left[:, i], right[:, j], strict=True))
                matrix[i, j] = int(matrix[i, j]) - factor * products
        return max((abs(int(value)) for value in matrix.flat), default=0)

    def count_lookups(self, table: TableIndex, fields: Sequence[NDArray[np.int32]], counts: NDArray[np.int32]) -> None:
        checks.require_lookups(table.columns, fields, counts)
        indexed = slice(0, table.prefix)
        rows = {row: i for i, row in enumerate(zip(*(c.tolist() for c in table.columns[indexed]), strict=True))}
        for row in zip(*(values.tolist() for values in fields[indexed]), strict=True):
            if row in rows:
                counts[rows[row]] += 1

    def write_transposed(self, out: NDArray[np.int32], values: NDArray[np.int64]) -> None:
        checks.require_transposed(out, values)
        for i, row in enumerate(values.tolist()):
            for j, value in enumerate(row):
                out[j, i] = value

    def interpolate(self, values: FieldArray) -> FieldArray:
        checks.require_array("values", values, ndim=2)
        size = values.shape[1]
        checks.require_power_of_two("the row length", size)
        root, scale = self.field.inverse(self.field.root_of_unity(size)), self.field.inverse(size)
        points = [pow(root, i, self.field.p) for i in range(size)]
        rows = [[self.field.evaluate(row, x) * scale % self.field.p for x in points] for row in values.tolist()]
        return np.array(rows, dtype=np.uint64).reshape(values.shape)

    def evaluate_coset(self, coefficients: FieldArray, n: int) -> FieldArray:
        checks.require_array("coefficients", coefficients, ndim=2)
        checks.require_power_of_two("n", n)
        checks.require(coefficients.shape[1] <= n, "a row must not have more than n coefficients")
        rows = [[self.field.evaluate(row, x) for x in self._domain(n)] for row in coefficients.tolist()]
        return np.array(rows, dtype=np.uint64).reshape(len(coefficients), n)

    def encode(self, rows: Integers, random: FieldArray, n: int) -> FieldArray:
        checks.require_code(rows, random, n)
        size, f = rows.shape[1], self.field
        values = np.array([v % f.p for v in rows.reshape(-1).tolist()], dtype=np.uint64).reshape(rows.shape)
        out = []
        for message, mask in zip(self.interpolate(values).tolist(), random.tolist(), strict=True):
            out.append(
                [
                    (f.evaluate(message, x) + (pow(x, size, f.p) - 1) * f.evaluate(mask, x)) % f.p
                    for x in self._domain(n)
                ]
            )
        return np.array(out, dtype=np.uint64).reshape(len(rows), n)

    def hash_columns(self, code: FieldArray, salts: Digests, first_index: int = 0) -> Digests:
        checks.require_columns(code, salts, first_index)
        out = []
        for i, (column, salt) in enumerate(zip(code.T.tolist(), salts, strict=True)):
            message = b"\x00" + (first_index + i).to_bytes(8, "little") + salt.tobytes()
            message += len(column).to_bytes(4, "little") + b"".join(v.to_bytes(8, "little") for v in column)
            out.append(hashlib.sha256(message).digest())
        return np.frombuffer(b"".join(out), dtype=np.uint8).reshape(-1, 32).copy()

    def merkle_parents(self, nodes: Digests, level: int) -> Digests:
        checks.require_nodes(nodes, level)
        out = []
        for i in range(len(nodes) // 2):
            children = nodes[2 * i].tobytes() + nodes[2 * i + 1].tobytes()
            out.append(hashlib.sha256(b"\x01" + bytes([level]) + i.to_bytes(8, "little") + children).digest())
        return np.frombuffer(b"".join(out), dtype=np.uint8).reshape(-1, 32).copy()
