"""A field F of prime order and its quadratic extension K in Python integers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zkdl.backend.base import GENERATOR, NON_RESIDUE, P

Element = tuple[int, int]
ZERO: Element = (0, 0)
ONE: Element = (1, 0)


@dataclass(frozen=True)
class Field:
    """F = GF(p) and K = F[X]/(X^2 - non_residue), p < 2^64.

    Attributes: p prime; non_residue not a square mod p; generator of the multiplicative group of F.
    """

    p: int
    non_residue: int
    generator: int

    def root_of_unity(self, order: int) -> int:
        """generator^((p-1)/order). Raises ValueError when order does not divide p - 1."""
        if (self.p - 1) % order:
            raise ValueError(f"F has no subgroup of order {order}")
        return pow(self.generator, (self.p - 1) // order, self.p)

    def inverse(self, a: int) -> int:
        """1/a mod p, a != 0."""
        return pow(a, self.p - 2, self.p)

    def add(self, a: Element, b: Element) -> Element:
        return (a[0] + b[0]) % self.p, (a[1] + b[1]) % self.p

    def subtract(self, a: Element, b: Element) -> Element:
        return (a[0] - b[0]) % self.p, (a[1] - b[1]) % self.p

    def multiply(self, a: Element, b: Element) -> Element:
        constant = a[0] * b[0] + self.non_residue * a[1] * b[1]
        return constant % self.p, (a[0] * b[1] + a[1] * b[0]) % self.p

    def scale(self, a: Element, b: int) -> Element:
        return a[0] * b % self.p, a[1] * b % self.p

    def total(self, values: Iterable[Element]) -> Element:
        out = ZERO
        for value in values:
            out = self.add(out, value)
        return out

    def evaluate(self, coefficients: Sequence[int], x: int) -> int:
        """A polynomial over F at x, by Horner's rule."""
        out = 0
        for coefficient in reversed(coefficients):
            out = (out * x + coefficient) % self.p
        return out


GOLDILOCKS = Field(P, NON_RESIDUE, GENERATOR)
