"""A backend whose large tables stay on a device. [zkDL, section on the CUDA prover]

Work is done where its data are: arrays of the device, and views of resident ones, are worked on there; what is on the host
and small is left to a backend of the host. Results with at most `small` elements come back at once, so the last rounds of a
sumcheck, which would cost a launch and a wait each, run on the host, and a caller finds scalars in numpy arrays.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from zkdl.backend import checks
from zkdl.backend import device_launches as launches
from zkdl.backend.base import Backend, Digests, ExtensionArray, FieldArray, Indices, Integers, SignedIntegers
from zkdl.backend.counting import TableIndex
from zkdl.backend.device import Device, DeviceArray, to_host
from zkdl.backend.device_codes import Transforms
from zkdl.backend.leaves import FIELDS, LeafProgram
from zkdl.backend.scratch import Tables

SMALL = 1 << 12
SPAN_WORDS = 16


class Residents:
    """Copies on a device of host arrays, found by address: a view of such an array is a view of its copy."""

    def __init__(self, device: Device, arrays: Sequence[NDArray[Any]]) -> None:
        if not all(array.flags.c_contiguous for array in arrays):
            raise TypeError("a resident array is C-contiguous")
        self._kept = [(array, DeviceArray.of(device, array)) for array in arrays]

    def find(self, values: NDArray[Any]) -> DeviceArray | None:
        """None for an array that is not part of a resident one."""
        if not values.flags.c_contiguous or not values.size:
            return None
        for array, copy in self._kept:
            offset = values.ctypes.data - array.ctypes.data
            if 0 <= offset <= array.nbytes - values.nbytes:
                return DeviceArray(copy.device, copy.memory, copy.offset + offset, values.shape, values.dtype)
        return None


class DeviceBackend:
    """See `base.Backend`, which documents every method.

    Args:
        name: as `Backend.name`. host: does what stays here. small: elements, see the module; at least 16.
    """

    def __init__(
        self,
        device: Device,
        host: Backend,
        name: str = "cuda",
        small: int = SMALL,
        transforms: Transforms | None = None,
        residents: Residents | None = None,
    ) -> None:
        self.device, self.host, self.name, self.small = device, host, name, small
        self.threads = host.threads
        self._transforms = transforms if transforms is not None else Transforms(device)
        self._residents = residents if residents is not None else Residents(device, [])
        self._leaves: tuple[weakref.ref[LeafProgram], launches.Leaves, list[DeviceArray]] | None = None

    @property
    def local(self) -> Backend:
        return self.host

    def with_resident(self, *arrays: NDArray[np.generic]) -> Backend:
        residents = Residents(self.device, arrays)
        return DeviceBackend(self.device, self.host, self.name, self.small, self._transforms, residents)

    def with_tables(self, tables: Tables) -> Backend:
        return self  # they are on the device

    # Where things are.

    def _found(self, x: Any) -> DeviceArray | None:
        """The array on the device, if it is there already."""
        return x if isinstance(x, DeviceArray) else self._residents.find(x)

    def _is_here(self, *arrays: Any) -> bool:
        return any(isinstance(x, DeviceArray) for x in arrays)

    def _placed(self, x: Any) -> DeviceArray:
        found = self._found(x)
        return DeviceArray.of(self.device, x) if found is None else found

    def _resident(self, x: Any) -> Any:
        """The array on the device if it is there already, else as it is."""
        found = self._found(x)
        return x if found is None else found

    def _settled(self, x: DeviceArray, elements: int | None = None) -> Any:
        """Home, when it is small."""
        return x.to_host() if (len(x) if elements is None else elements) <= self.small else x

    def _is_large(self, elements: int) -> bool:
        return elements > self.small

    # Element-wise.

    def f_from_int(self, x: SignedIntegers) -> FieldArray:
        checks.require_array("x", x, checks.SIGNED_TYPES)
        if not self._is_here(x):
            return self.host.f_from_int(x)
        return cast(FieldArray, self._settled(launches.f_from_int(self._placed(x)), x.size))

    def f_add(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field("add", a, b)

    def f_sub(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field("sub", a, b)

    def f_mul(self, a: FieldArray, b: FieldArray) -> FieldArray:
        return self._field("mul", a, b)

    def _field(self, operation: str, a: FieldArray, b: FieldArray) -> FieldArray:
        checks.require_array("a", a, contiguous=False)
        checks.require_array("b", b, contiguous=False)
        if not self._is_here(a, b):
            return cast(FieldArray, getattr(self.host, f"f_{operation}")(a, b))
        shape = np.broadcast_shapes(a.shape, b.shape)
        left, right = (self._spread(x, shape) for x in (a, b))
        out = launches.elementwise(f"zkdl_f_{operation}", left, right, 1).reshape(*shape)
        return cast(FieldArray, self._settled(out, out.size))

    def _spread(self, x: Any, shape: tuple[int, ...]) -> DeviceArray:
        """An operand with as many elements as the result, or with one."""
        if x.size == 1 or x.shape == shape:
            return self._placed(x).reshape(-1)
        return DeviceArray.of(self.device, np.broadcast_to(to_host(x), shape)).reshape(-1)

    def k_add(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension("add", a, b)

    def k_sub(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension("sub", a, b)

    def k_mul(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        return self._extension("mul", a, b)

    def _extension(self, operation: str, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_operands(a, b)
        if not self._is_here(a, b):
            return cast(ExtensionArray, getattr(self.host, f"k_{operation}")(a, b))
        shape = (b if a.ndim == 1 else a).shape
        out = launches.elementwise(f"zkdl_k_{operation}", self._placed(a), self._placed(b), 2).reshape(*shape)
        return cast(ExtensionArray, self._settled(out, out.size // 2))

    def k_sum(self, a: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        if not self._is_here(a):
            return self.host.k_sum(a)
        return to_host(cast(Any, launches.k_sum(self._placed(a)))).reshape(2)

    def eq_table(self, point: ExtensionArray) -> ExtensionArray:
        checks.require_extension("point", point)
        if len(point) < 2 or not self._is_large(1 << len(point)):
            return self.host.eq_table(to_host(point))
        half, point = len(point) // 2, to_host(point)
        first = self._placed(self.host.eq_table(point[:half]))
        # The lowest variable by a step of its own: half as many factors to multiply.
        second = self._placed(self.host.eq_table(point[half:-1]))
        table = launches.outer(first, second)
        return cast(ExtensionArray, launches.eq_step(table, _scalar(point[-1])))

    def outer(self, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_extension("a", a)
        checks.require_extension("b", b)
        if not self._is_here(a, b) and not self._is_large(len(a) * len(b)):
            return self.host.outer(a, b)
        return cast(ExtensionArray, self._settled(launches.outer(self._placed(a), self._placed(b))))

    # Matrices.

    def matvec(self, matrix: Integers, vectors: ExtensionArray) -> ExtensionArray:
        checks.require_matrix_product(matrix, vectors)
        if matrix.shape[1] == 0 or (self._found(matrix) is None and not self._is_here(vectors)):
            return self.host.matvec(to_host(matrix), to_host(vectors))
        return cast(ExtensionArray, self._settled(launches.matvec(self._placed(matrix), self._placed(vectors))))

    def vecmat(self, vector: ExtensionArray, matrix: Integers) -> ExtensionArray:
        checks.require_vector_product(vector, matrix)
        if matrix.size == 0 or (self._found(matrix) is None and not self._is_here(vector)):
            return self.host.vecmat(to_host(vector), to_host(matrix))
        return cast(ExtensionArray, self._settled(launches.vecmat(self._placed(vector), self._placed(matrix))))

    def axpy(self, out: ExtensionArray, coefficient: ExtensionArray, x: Integers) -> None:
        checks.require_axpy(out, coefficient, x)
        if self._is_here(out):
            launches.axpy(self._placed(out), _scalar(coefficient), self._placed(x))
        else:
            self.host.axpy(out, coefficient, to_host(x))

    def running_difference(self, start: ExtensionArray, updates: ExtensionArray, factors: FieldArray) -> ExtensionArray:
        checks.require_running_difference(start, updates, factors)
        if not self._is_here(start, updates):
            return self.host.running_difference(start, updates, factors)
        out = launches.running_difference(self._placed(start), self._placed(updates), self._placed(factors))
        return cast(ExtensionArray, self._settled(out, out.size // 2))

    # Sumcheck.

    def bind(self, table: ExtensionArray, r: ExtensionArray) -> ExtensionArray:
        checks.require_table("table", table, 2)
        checks.require_scalar("r", r)
        if not self._is_here(table):
            return self.host.bind(table, r)
        return cast(ExtensionArray, self._settled(launches.bind(self._placed(table), _scalar(r))))

    def product_round(self, a: ExtensionArray, b: ExtensionArray, weights: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, a=a, b=b)
        checks.require_extension("weights", weights)
        checks.require(weights.shape[0] >= 1, "there must be a weight")
        if not self._is_here(a, b):
            return self.host.product_round(a, b, to_host(weights))
        return launches.product_round(*(self._placed(x) for x in (a, b, weights))).to_host()

    def product3_round(self, u: ExtensionArray, a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
        checks.require_tables(2, u=u, a=a, b=b)
        if not self._is_here(u, a, b):
            return self.host.product3_round(u, a, b)
        return launches.product3_round(*(self._placed(x) for x in (u, a, b))).to_host()

    def fraction_layer(self, p: ExtensionArray, q: ExtensionArray) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(2, p=p, q=q)
        if not self._is_here(p, q):
            return self.host.fraction_layer(p, q)
        return self._both(launches.fraction_layer(self._placed(p), self._placed(q)))

    def fraction_round(
        self,
        p: ExtensionArray,
        q: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        checks.require_fraction_round(p, q, lam, weights_high, weights_low)
        if not self._is_here(p, q):
            return self.host.fraction_round(p, q, lam, to_host(weights_high), to_host(weights_low))
        high, low = self._placed(weights_high), self._placed(weights_low)
        return launches.fraction_round(self._placed(p), self._placed(q), _scalar(lam), high, low).to_host()

    def fraction_bind(
        self, p: ExtensionArray, q: ExtensionArray, r: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_tables(4, p=p, q=q)
        checks.require_scalar("r", r)
        if not self._is_here(p, q):
            return self.host.fraction_bind(p, q, r)
        bound = [launches.fraction_bind(self._placed(x), _scalar(r)) for x in (p, q)]
        return self._both((bound[0], bound[1]))

    def _both(self, tables: tuple[DeviceArray, DeviceArray]) -> tuple[ExtensionArray, ExtensionArray]:
        return self._settled(tables[0]), self._settled(tables[1])

    # Leaves of a fraction tree.

    def _program(self, program: LeafProgram) -> launches.Leaves:
        """The spans on the device; kept as long as the program."""
        if self._leaves is None or self._leaves[0]() is not program:
            words = np.zeros((max(1, len(program.spans)), SPAN_WORDS), dtype=np.uint64)
            kept: list[DeviceArray] = []

            def address(values: NDArray[np.int32]) -> int:
                kept.append(self._placed(values))
                return kept[-1].address

            for row, span in zip(words, program.spans, strict=False):
                checks.require(len(span.fields) <= FIELDS, "a leaf has too many fields")
                betas = np.array(span.betas, dtype=np.uint64).reshape(-1, 2)
                # Fields are shifted by 2^31 in the kernels.
                shift = self.host.k_mul(self.host.k_sum(betas), np.array([1 << 31, 0], dtype=np.uint64))
                row[:3] = span.start, span.start + span.length, span.start + span.active
                row[3:5] = self.host.k_sub(np.ascontiguousarray(span.constant), shift)
                row[5] = len(span.fields)
                row[6 : 6 + 2 * len(betas)] = betas.reshape(-1)
                row[12 : 12 + len(span.fields)] = [address(values) for values in span.fields]
                row[15] = 0 if span.counts is None else address(span.counts)
            known = weakref.ref(program, self._forget)
            self._leaves = known, (DeviceArray.of(self.device, words), len(program.spans)), kept
        return self._leaves[1]

    def _forget(self, program: weakref.ref[LeafProgram]) -> None:
        if self._leaves is not None and self._leaves[0] is program:
            self._leaves = None

    def leaf_table(self, program: LeafProgram, level: int) -> tuple[ExtensionArray, ExtensionArray]:
        if not self._is_large(program.count) or level > launches.LEAF_DEPTH:
            return self.host.leaf_table(program, level)
        bound = DeviceArray.of(self.device, np.zeros((1, 2), dtype=np.uint64))
        return self._both(launches.leaf_table(self._program(program), level, bound, 0, program.entries(level)))

    def leaf_round(
        self,
        program: LeafProgram,
        level: int,
        bound: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        for name, values in (("bound", bound), ("weights_high", weights_high), ("weights_low", weights_low)):
            checks.require_extension(name, values)
        checks.require_scalar("lam", lam)
        if not self._is_large(program.count) or level + len(bound) > launches.LEAF_DEPTH:
            return self.host.leaf_round(program, level, bound, lam, to_host(weights_high), to_host(weights_low))
        count = program.entries(level + len(bound), 4) // 4
        covered = weights_high.shape[0] * weights_low.shape[0]
        checks.require(count <= covered, "weights_high and weights_low must cover every element")
        weights = self._placed(weights_high), self._placed(weights_low)
        leaves, points = self._program(program), self._bound(bound)
        return launches.leaf_round(leaves, level, points, len(bound), _scalar(lam), weights, count).to_host()

    def leaf_bind(
        self, program: LeafProgram, level: int, bound: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require_extension("bound", bound)
        checks.require(len(bound) >= 1, "at least one variable must be bound")
        if not self._is_large(program.count) or level + len(bound) > launches.LEAF_DEPTH:
            return self.host.leaf_bind(program, level, bound)
        entries = program.entries(level + len(bound), 2)
        leaves, points = self._program(program), self._bound(bound)
        return self._both(launches.leaf_table(leaves, level, points, len(bound), entries))

    def _bound(self, bound: ExtensionArray) -> DeviceArray:
        return self._placed(bound if len(bound) else np.zeros((1, 2), dtype=np.uint64))

    # Training and counting happen on the host.

    def integer_product(
        self, left: NDArray[np.int64], matrix: NDArray[np.float64], transposed: bool = False
    ) -> NDArray[np.int64]:
        return self.host.integer_product(left, matrix, transposed)

    def subtract_products(
        self,
        matrix: NDArray[np.int64] | NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        factor: int,
    ) -> int:
        return self.host.subtract_products(matrix, left, right, factor)

    def count_lookups(self, table: TableIndex, fields: Sequence[NDArray[np.int32]], counts: NDArray[np.int32]) -> None:
        self.host.count_lookups(table, fields, counts)

    def write_transposed(self, out: NDArray[np.int32], values: NDArray[np.int64]) -> None:
        self.host.write_transposed(out, values)

    # Codes.

    def interpolate(self, values: FieldArray) -> FieldArray:
        checks.require_array("values", values, ndim=2)
        checks.require_power_of_two("the row length", values.shape[1])
        if not self._is_here(values) and not self._is_large(values.size):
            return self.host.interpolate(values)
        return cast(FieldArray, self._settled(self._transforms.interpolate(self._placed(values)), values.size))

    def evaluate_coset(self, coefficients: FieldArray, n: int) -> FieldArray:
        checks.require_array("coefficients", coefficients, ndim=2)
        checks.require_power_of_two("n", n)
        checks.require(coefficients.shape[1] <= n, "there are more coefficients than values")
        if not self._is_here(coefficients) and not self._is_large(len(coefficients) * n):
            return self.host.evaluate_coset(coefficients, n)
        out = self._transforms.evaluate_coset(self._placed(coefficients), n)
        return cast(FieldArray, self._settled(out, out.size))

    def encode(self, rows: Integers, random: FieldArray, n: int) -> FieldArray:
        checks.require_code(rows, random, n)
        if not self._is_here(rows, random) and not self._is_large(len(rows) * n):
            return self.host.encode(rows, random, n)
        out = self._transforms.encode(self._placed(rows), self._placed(random), n)
        return cast(FieldArray, self._settled(out, out.size))

    def encode_and_hash(self, rows: Integers, random: FieldArray, salts: Digests) -> Digests:
        checks.require_array("salts", salts, checks.BYTE_TYPE, ndim=2)
        checks.require_code(rows, random, len(salts))
        if not len(rows) or (not self._is_here(rows, random) and not self._is_large(len(rows) * len(salts))):
            return self.host.encode_and_hash(to_host(cast(Any, rows)), to_host(random), to_host(salts))
        blocks = self._transforms.blocks(self._resident(rows), random, len(salts))
        out = self._transforms.hashed(blocks, len(rows), self._placed(salts), 0)
        return cast(Digests, self._settled(out))

    def encode_columns(self, rows: Integers, random: FieldArray, n: int, indices: Indices) -> FieldArray:
        checks.require_code(rows, random, n)
        checks.require_indices(indices, n)
        if not self._is_here(rows, random) and not self._is_large(len(rows) * n):
            return self.host.encode_columns(rows, random, n, indices)
        out = DeviceArray.empty(self.device, (len(indices), len(rows)))
        where = self._placed(indices)
        for first, code in self._transforms.blocks(self._resident(rows), random, n):
            launches.gather_columns(code, where, out, first)
        return out.to_host()

    def read_columns(self, code: FieldArray, indices: Indices) -> FieldArray:
        checks.require_array("code", code, ndim=2)
        checks.require_indices(indices, code.shape[1])
        if not self._is_here(code):
            return self.host.read_columns(code, indices)
        out = DeviceArray.empty(self.device, (len(indices), len(code)))
        launches.gather_columns(self._placed(code), self._placed(indices), out, 0)
        return out.to_host()

    def hash_columns(self, code: FieldArray, salts: Digests, first_index: int = 0) -> Digests:
        checks.require_columns(code, salts, first_index)
        if not self._is_here(code, salts) or not len(code):
            return self.host.hash_columns(to_host(code), to_host(salts), first_index)
        blocks = iter([(0, self._placed(code))])
        return cast(
            Digests, self._settled(self._transforms.hashed(blocks, len(code), self._placed(salts), first_index))
        )

    def merkle_parents(self, nodes: Digests, level: int) -> Digests:
        checks.require_nodes(nodes, level)
        if not self._is_here(nodes):
            return self.host.merkle_parents(nodes, level)
        return cast(Digests, self._settled(launches.merkle_parents(self._placed(nodes), level)))


def _scalar(value: ExtensionArray) -> launches.Scalar:
    c0, c1 = to_host(value).tolist()
    return c0, c1
