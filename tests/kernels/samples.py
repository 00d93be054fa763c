"""Arguments for every kernel: random ones that are rich in edge values, from a seed that tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from zkdl.backend.base import P

EDGES = np.array([0, 1, 2, P - 1, P - 2, 2**32 - 2, 2**32 - 1, 2**32, 2**32 + 1, 2**63, P - 2**32], dtype=np.uint64)
INTEGERS = (np.int32, np.int64, np.uint64)

Arguments = tuple[object, ...]


class BogusRng:
    """Totally predictable, for tests only."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def field(self, *shape: int) -> np.ndarray:
        """Canonical elements, two in five of them edge values."""
        values = self.rng.integers(0, P, size=shape, dtype=np.uint64)
        edges = EDGES[self.rng.integers(0, len(EDGES), size=shape)]
        return np.where(self.rng.random(shape) < 0.4, edges, values)

    def integers(self, dtype: type, *shape: int) -> np.ndarray:
        """Of the whole range of a dtype, both ends included; canonical for uint64."""
        if dtype is np.uint64:
            return self.field(*shape)
        limits = np.iinfo(dtype)
        values = self.rng.integers(limits.min, limits.max, size=shape, dtype=dtype, endpoint=True)
        ends = np.array([limits.min, limits.max, 0, -1, 1], dtype=dtype)[self.rng.integers(0, 5, size=shape)]
        return np.where(self.rng.random(shape) < 0.3, ends, values)

    def octets(self, *shape: int) -> np.ndarray:
        return self.rng.integers(0, 256, size=shape, dtype=np.uint8)


def _elementwise(rng: BogusRng, kind: str, sizes: tuple[int, ...]) -> Iterator[Arguments]:
    for n in sizes:
        if kind == "f":
            yield rng.field(n), rng.field(n)
            yield rng.field(n), rng.field(1)
            yield rng.field(), rng.field(n)
            yield rng.field(3, 1, 2), rng.field(n, 1)
        else:
            yield rng.field(n, 2), rng.field(n, 2)
            yield rng.field(2), rng.field(n, 2)
            yield rng.field(n, 2), rng.field(2)
    yield (rng.field(), rng.field()) if kind == "f" else (rng.field(2), rng.field(2))


def _tables(
    rng: BogusRng, count: int, factor: int, sizes: tuple[int, ...], *extra: tuple[int, ...]
) -> Iterator[Arguments]:
    for n in sizes:
        yield *(rng.field(factor * n, 2) for _ in range(count)), *(rng.field(*shape) for shape in extra)


def _fraction_round(rng: BogusRng, sizes: tuple[int, ...]) -> Iterator[Arguments]:
    for n in sizes:
        for low in (1, 2, 8, 64):
            high = -(-n // low) + (low == 8)
            yield (
                rng.field(4 * n, 2),
                rng.field(4 * n, 2),
                rng.field(2),
                rng.field(high, 2),
                rng.field(low, 2),
            )


def _matvec(rng: BogusRng, shapes: tuple[tuple[int, int, int], ...]) -> Iterator[Arguments]:
    for rows, columns, period in shapes:
        for dtype in INTEGERS:
            yield rng.integers(dtype, rows, columns), rng.field(period, columns, 2)


def _vecmat(rng: BogusRng, shapes: tuple[tuple[int, int, int], ...]) -> Iterator[Arguments]:
    for rows, columns, _ in shapes:
        for dtype in INTEGERS:
            yield rng.field(rows, 2), rng.integers(dtype, rows, columns)


def _encode(rng: BogusRng, lengths: tuple[int, ...]) -> Iterator[Arguments]:
    for size in lengths:
        for n in (size, 2 * size, 8 * size):
            for random in {0, 1, size // 2, min(size, n - size), n - size}:
                if size + random <= n:
                    for dtype in INTEGERS:
                        yield rng.integers(dtype, 2, size), rng.field(2, random), n
    yield rng.integers(np.int32, 0, 4), rng.field(0, 3), 16


def _evaluate(rng: BogusRng, lengths: tuple[int, ...]) -> Iterator[Arguments]:
    for n in lengths:
        for k in {0, 1, n // 2, n // 2 + 1, n - 1, n}:
            yield rng.field(3, k), n
    yield rng.field(0, 4), 8


def _hashes(rng: BogusRng, shapes: tuple[tuple[int, int], ...]) -> Iterator[Arguments]:
    for rows, columns in shapes:
        for first in (0, 2**40 + 3):
            yield rng.field(rows, columns), rng.octets(columns, 32), first


SMALL = (0, 1, 2, 7, 40)
LARGE = (20_000, 70_001)
SMALL_SHAPES = ((0, 3, 1), (3, 0, 2), (1, 1, 1), (5, 7, 3), (20, 17, 1), (19, 9, 40))
LARGE_SHAPES = ((300, 700, 3), (2, 40_000, 2), (40_000, 3, 7), (64, 1_000, 64))

Cases = Callable[[BogusRng, tuple[int, ...], tuple[tuple[int, int, int], ...], tuple[int, ...]], Iterator[Arguments]]

# kernel -> (rng, sizes, matrix shapes, lengths of rows) -> arguments
CASES: dict[str, Cases] = {
    "f_from_int": lambda r, n, _, __: (
        (r.integers(d, *s),) for k in n for d in INTEGERS[:2] for s in ((k,), (k, 3), ())
    ),
    **{f"f_{op}": lambda r, n, _, __: _elementwise(r, "f", n) for op in ("add", "sub", "mul")},
    **{f"k_{op}": lambda r, n, _, __: _elementwise(r, "k", n) for op in ("add", "sub", "mul")},
    "k_sum": lambda r, n, _, __: _tables(r, 1, 1, n),
    "eq_table": lambda r, n, _, __: ((r.field(max(0, k - 1).bit_length(), 2),) for k in n),
    "outer": lambda r, n, _, __: ((r.field(k // 2, 2), r.field(m, 2)) for k in n for m in (0, 1, 5)),
    "matvec": lambda r, _, shapes, __: _matvec(r, shapes),
    "vecmat": lambda r, _, shapes, __: _vecmat(r, shapes),
    "bind": lambda r, n, _, __: _tables(r, 1, 2, n, (2,)),
    "product_round": lambda r, n, _, __: (c for e in (1, 2, 5) for c in _tables(r, 2, 2, n, (e, 2))),
    "product3_round": lambda r, n, _, __: _tables(r, 3, 2, n),
    "fraction_layer": lambda r, n, _, __: _tables(r, 2, 2, n),
    "fraction_round": lambda r, n, _, __: _fraction_round(r, n),
    "fraction_bind": lambda r, n, _, __: _tables(r, 2, 4, n, (2,)),
    "interpolate": lambda r, _, __, lengths: ((r.field(m, k),) for k in lengths for m in (0, 1, 3)),
    "evaluate_coset": lambda r, _, __, lengths: _evaluate(r, lengths),
    "encode": lambda r, _, __, lengths: _encode(r, lengths),
    "hash_columns": lambda r, _, shapes, __: _hashes(r, tuple(s[:2] for s in shapes)),
    "merkle_parents": lambda r, n, _, __: ((r.octets(2 * k, 32), level) for k in n for level in (1, 255)),
}


def small(kernel: str) -> Iterator[Arguments]:
    """Arguments that the reference can work through."""
    return CASES[kernel](BogusRng(1), SMALL, SMALL_SHAPES, (1, 2, 4, 8, 16))


def large(kernel: str) -> Iterator[Arguments]:
    """Arguments large enough for several threads and for every level of blocking."""
    return CASES[kernel](BogusRng(2), LARGE, LARGE_SHAPES, (1 << 10, 1 << 13))
