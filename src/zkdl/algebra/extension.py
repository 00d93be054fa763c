"""Scalars of K = F[X]/(X^2 - 7), F = GF(2^64 - 2^32 + 1). [proof-system.md, head]

`Ext` is for the few thousand scalars of a protocol run; arrays live in the backends as uint64 (n, 2).
7 is neither a square nor a cube in F, so X^2 - 7 is irreducible and |K| is about 2^128.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

P = 2**64 - 2**32 + 1
NON_RESIDUE = 7

Array = NDArray[np.uint64]


class Ext:
    """An element a + b*X of K, immutable, with 0 <= a, b < p."""

    __slots__ = ("a", "b")

    def __init__(self, a: int, b: int = 0) -> None:
        self.a = a % P
        self.b = b % P

    def __add__(self, other: Ext | int) -> Ext:
        o = _lift(other)
        return Ext(self.a + o.a, self.b + o.b)

    def __sub__(self, other: Ext | int) -> Ext:
        o = _lift(other)
        return Ext(self.a - o.a, self.b - o.b)

    def __rsub__(self, other: int) -> Ext:
        return Ext(other - self.a, -self.b)

    def __neg__(self) -> Ext:
        return Ext(-self.a, -self.b)

    def __mul__(self, other: Ext | int) -> Ext:
        if isinstance(other, int):
            return Ext(self.a * other, self.b * other)
        a, b, c, d = self.a, self.b, other.a, other.b
        return Ext(a * c + NON_RESIDUE * b * d, a * d + b * c)

    __radd__ = __add__
    __rmul__ = __mul__

    def inverse(self) -> Ext:
        """Multiplicative inverse. Raises ZeroDivisionError for zero."""
        norm = (self.a * self.a - NON_RESIDUE * self.b * self.b) % P
        if norm == 0:
            raise ZeroDivisionError("zero has no inverse")
        scale = pow(norm, P - 2, P)
        return Ext(self.a * scale, -self.b * scale)

    def is_zero(self) -> bool:
        return self.a == 0 and self.b == 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.a == other % P and self.b == 0
        return isinstance(other, Ext) and self.a == other.a and self.b == other.b

    def __hash__(self) -> int:
        return hash((self.a, self.b))

    def __repr__(self) -> str:
        return f"Ext({self.a}, {self.b})"

    def array(self) -> Array:
        """(2,) uint64."""
        return np.array([self.a, self.b], dtype=np.uint64)


def _lift(value: Ext | int) -> Ext:
    return value if isinstance(value, Ext) else Ext(value)


ZERO = Ext(0)
ONE = Ext(1)


def to_array(values: Sequence[Ext]) -> Array:
    """Scalars as a (n, 2) uint64 array."""
    out = np.empty((len(values), 2), dtype=np.uint64)
    for i, value in enumerate(values):
        out[i, 0] = value.a
        out[i, 1] = value.b
    return out


def from_array(values: Array) -> list[Ext]:
    """A (n, 2) uint64 array as scalars."""
    return [Ext(int(a), int(b)) for a, b in values.reshape(-1, 2)]


def scalar(value: Array) -> Ext:
    """A (2,) uint64 array as one scalar."""
    return Ext(int(value[0]), int(value[1]))


def total(values: Iterable[Ext]) -> Ext:
    """Sum of scalars."""
    a = b = 0
    for value in values:
        a += value.a
        b += value.b
    return Ext(a, b)
