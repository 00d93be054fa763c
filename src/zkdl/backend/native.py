"""The compiled backend: argument checks and output arrays here, kernels in `native/`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zkdl._native as _native
from zkdl.backend import checks
from zkdl.backend.base import Digests, ExtensionArray, FieldArray, Indices, Integers, SignedIntegers
from zkdl.backend.counting import TableIndex
from zkdl.backend.leaves import FIELDS, LeafProgram
from zkdl.backend.numpy_matrix import integer_product
from zkdl.backend.on_host import OnHost
from zkdl.backend.scratch import Tables, empty_table

SPLIT_EQ = 10
Operation = Callable[[FieldArray, FieldArray, FieldArray, int], None]


class NativeBackend(OnHost):
    """See `base.Backend`, which documents every method.

    Releases the GIL while a kernel runs; several threads of Python may share one instance.

    Args:
        tables: makes what the kernels of a fraction tree return, see `scratch.py`.
    """

    name = "native"

    def __init__(self, threads: int, tables: Tables = empty_table) -> None:
        self.threads = threads
        self._table = tables

    def with_tables(self, tables: Tables) -> NativeBackend:
        return NativeBackend(self.threads, tables)

    def f_from_int(self, x: SignedIntegers) -> FieldArray:
        checks.require_array("x", x, checks.SIGNED_TYPES)
        out = np.empty(x.shape, dtype=np.uint64)
        _native.f_from_int(x.reshape(-1), out.reshape(-1), self.threads)
        return out

    def f_add(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field(_native.f_add, a, b)

    def f_sub(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field(_native.f_sub, a, b)

    def f_mul(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field(_native.f_mul, a, b)

    def _field(self, operation: Operation, a: FieldArray, b: FieldArray) -> FieldArray:
        checks.require_array("a", a, contiguous=False)
        checks.require_array("b", b, contiguous=False)
        shape = np.broadcast_shapes(a.shape, b.shape)
        out = np.empty(shape, dtype=np.uint64)
        operands = [np.ascontiguousarray(x if x.size == 1 else np.broadcast_to(x, shape)).reshape(-1) for x in (a, b)]
        operation(operands[0], operands[1], out.reshape(-1), self.threads)
        return out

    def k_add(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension(_native.k_add, a, b)

    def k_sub(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension(_native.k_sub, a, b)

    def k_mul(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension(_native.k_mul, a, b)

    def _extension(self, operation: Operation, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_operands(a, b)
        out = np.empty_like(b if a.ndim == 1 else a)
        operation(a.reshape(-1, 2), b.reshape(-1, 2), out.reshape(-1, 2), self.threads)
        return out

    def k_sum(self, a: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        out = np.empty((1, 2), dtype=np.uint64)
        _native.k_sum(a, out, self.threads)
        return out.reshape(2)

    def eq_table(self, point: ExtensionArray) -> ExtensionArray:
        checks.require_extension("point", point)
        if len(point) > SPLIT_EQ:
            # One pass over a large table instead of one per coordinate.
            half = len(point) // 2
            return self.outer(self.eq_table(point[:half]), self.eq_table(point[half:]))
        table = np.array([[1, 0]], dtype=np.uint64)
        for coordinate in point:
            longer = np.empty((2 * len(table), 2), dtype=np.uint64)
            _native.eq_step(table, coordinate, longer, self.threads)
            table = longer
        return table

    def outer(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        checks.require_extension("b", b)
        out = np.empty((len(a) * len(b), 2), dtype=np.uint64)
        _native.outer(a, b, out, self.threads)
        return out

    def matvec(self, matrix: Integers, vectors: ExtensionArray) -> ExtensionArray:
        checks.require_matrix_product(matrix, vectors)
        out = np.empty((matrix.shape[0], 2), dtype=np.uint64)
        _native.matvec(matrix, vectors, out, self.threads)
        return out

    def vecmat(self, vector: ExtensionArray, matrix: Integers) -> ExtensionArray:
        checks.require_vector_product(vector, matrix)
        out = np.empty((matrix.shape[1], 2), dtype=np.uint64)
        _native.vecmat(vector, matrix, out, self.threads)
        return out

    def axpy(self, out: ExtensionArray, coefficient: ExtensionArray, x: Integers) -> None:
        checks.require_axpy(out, coefficient, x)
        _native.axpy(out, coefficient, x, self.threads)

    def running_difference(self, start: ExtensionArray, updates: ExtensionArray, factors: FieldArray) -> ExtensionArray:
        checks.require_running_difference(start, updates, factors)
        out = np.empty_like(updates)
        _native.running_difference(start, updates, factors, out, self.threads)
        return out

    def bind(self, table: ExtensionArray, r: ExtensionArray) -> ExtensionArray:
        checks.require_table("table", table, 2)
        checks.require_scalar("r", r)
        out = np.empty((len(table) // 2, 2), dtype=np.uint64)
        _native.bind(table, r, out, self.threads)
        return out

    def product_round(self, a: ExtensionArray, b: ExtensionArray, weights: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, a=a, b=b)
        checks.require_extension("weights", weights)
        out = np.empty((2, 2), dtype=np.uint64)
        _native.product_round(a, b, weights, out, self.threads)
        return out

    def product3_round(self, u: ExtensionArray, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, u=u, a=a, b=b)
        out = np.empty((3, 2), dtype=np.uint64)
        _native.product3_round(u, a, b, out, self.threads)
        return out

    def fraction_layer(self, p: ExtensionArray, q: ExtensionArray) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(2, p=p, q=q)
        out = [self._table(len(p) // 2) for _ in range(2)]
        _native.fraction_layer(p, q, out[0], out[1], self.threads)
        return out[0], out[1]

    def fraction_round(
        self,
        p: ExtensionArray,
        q: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        checks.require_fraction_round(p, q, lam, weights_high, weights_low)
        out = np.empty((2, 2), dtype=np.uint64)
        _native.fraction_round(p, q, lam, weights_high, weights_low, out, self.threads)
        return out

    def fraction_bind(
        self, p: ExtensionArray, q: ExtensionArray, r: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(4, p=p, q=q)
        checks.require_scalar("r", r)
        out = [self._table(len(p) // 2) for _ in range(2)]
        for table, target in zip((p, q), out, strict=True):
            _native.fraction_bind(table, r, target, self.threads)
        return out[0], out[1]

    def leaf_table(self, program: LeafProgram, level: int) -> tuple[ExtensionArray, ExtensionArray]:
        out = [self._table(program.entries(level)) for _ in range(2)]
        _native.leaf_table(*_spans(program), level, out[0], out[1], self.threads)
        return out[0], out[1]

    def leaf_round(
        self,
        program: LeafProgram,
        level: int,
        bound: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        checks.require_extension("bound", bound)
        checks.require_scalar("lam", lam)
        checks.require_extension("weights_high", weights_high)
        checks.require_extension("weights_low", weights_low)
        out = np.empty((2, 2), dtype=np.uint64)
        count = program.entries(level + len(bound), 4) // 4
        _native.leaf_round(*_spans(program), level, bound, count, lam, weights_high, weights_low, out, self.threads)
        return out

    def leaf_bind(
        self, program: LeafProgram, level: int, bound: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_extension("bound", bound)
        entries = program.entries(level + len(bound), 2)
        out = [self._table(entries) for _ in range(2)]
        _native.leaf_bind(*_spans(program), level, bound, out[0], out[1], self.threads)
        return out[0], out[1]

    def integer_product(
        self, left: NDArray[np.int64], matrix: NDArray[np.float64], transposed: bool = False
    ) -> NDArray[np.int64]:
        checks.require_product(left, matrix, transposed)
        out = np.empty((left.shape[0], matrix.shape[0 if transposed else 1]), dtype=np.int64)
        if _native.narrow_products(left, matrix, transposed, out, self.threads):
            return out
        return integer_product(left, matrix, transposed)

    def subtract_products(
        self,
        matrix: NDArray[np.int64] | NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        factor: int,
    ) -> int:
        checks.require_update(matrix, left, right, factor)
        return int(_native.subtract_products(matrix, left, right, factor, self.threads))

    def count_lookups(self, table: TableIndex, fields: Sequence[NDArray[np.int32]], counts: NDArray[np.int32]) -> None:
        checks.require_lookups(table.columns, fields, counts)
        indexed = fields[: table.prefix]
        values = [None if field.strides == (0,) and len(field) else field for field in indexed]
        constants = [int(field[0]) if value is None else 0 for field, value in zip(indexed, values, strict=True)]
        least = np.array(table.least, dtype=np.int64)
        sizes = np.array(table.sizes, dtype=np.int64)
        _native.count_lookups(values, constants, len(fields[0]), least, sizes, table.rows, counts, self.threads)

    def write_transposed(self, out: NDArray[np.int32], values: NDArray[np.int64]) -> None:
        checks.require_transposed(out, values)
        _native.write_transposed(out, values, self.threads)

    def interpolate(self, values: FieldArray) -> FieldArray:
        checks.require_array("values", values, ndim=2)
        out = np.empty_like(values)
        _native.interpolate(values, out, self.threads)
        return out

    def evaluate_coset(self, coefficients: FieldArray, n: int) -> FieldArray:
        checks.require_array("coefficients", coefficients, ndim=2)
        checks.require_power_of_two("n", n)
        out = np.empty((len(coefficients), n), dtype=np.uint64)
        _native.evaluate_coset(coefficients, out, self.threads)
        return out

    def encode(self, rows: Integers, random: FieldArray, n: int) -> FieldArray:
        checks.require_code(rows, random, n)
        out = np.empty((len(rows), n), dtype=np.uint64)
        _native.encode(rows, random, out, self.threads)
        return out

    def encode_and_hash(self, rows: Integers, random: FieldArray, salts: Digests) -> Digests:
        checks.require_array("salts", salts, checks.BYTE_TYPE, ndim=2)
        checks.require_code(rows, random, len(salts))
        out = np.empty((len(salts), 32), dtype=np.uint8)
        _native.encode_and_hash(rows, random, salts, out, self.threads)
        return out

    def encode_columns(self, rows: Integers, random: FieldArray, n: int, indices: Indices) -> FieldArray:
        checks.require_code(rows, random, n)
        checks.require_indices(indices, n)
        out = np.empty((len(indices), len(rows)), dtype=np.uint64)
        _native.encode_columns(rows, random, n, indices, out, self.threads)
        return out

    def hash_columns(self, code: FieldArray, salts: Digests, first_index: int = 0) -> Digests:
        checks.require_columns(code, salts, first_index)
        out = np.empty_like(salts)
        _native.hash_columns(code, salts, first_index, out, self.threads)
        return out

    def merkle_parents(self, nodes: Digests, level: int) -> Digests:
        checks.require_nodes(nodes, level)
        out = np.empty((len(nodes) // 2, 32), dtype=np.uint8)
        _native.merkle_parents(nodes, level, out, self.threads)
        return out


def _spans(program: LeafProgram) -> tuple[FieldArray, FieldArray, FieldArray, list[Any], list[Any]]:
    """A leaf program as the arrays and lists that the kernels read."""
    spans = program.spans
    places = np.array([[s.start, s.length, s.active] for s in spans], dtype=np.uint64).reshape(-1, 3)
    constants = np.array([s.constant for s in spans], dtype=np.uint64).reshape(-1, 2)
    betas = np.zeros((len(spans), FIELDS, 2), dtype=np.uint64)
    fields: list[Any] = []
    for k, span in enumerate(spans):
        missing = FIELDS - len(span.fields)
        fields += [*span.fields, *([None] * missing)]
        betas[k, : len(span.betas)] = np.array(span.betas, dtype=np.uint64).reshape(-1, 2)
    return places, constants, betas, fields, [span.counts for span in spans]
