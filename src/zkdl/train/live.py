"""Weights while they are trained: integers in float64 wherever products and updates of them are exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.statement.weights import Weights
from zkdl.train.products import SplitMatrix, split

Int = NDArray[np.int64]

EXACT = 1 << 53


class LiveMatrix:
    """One W_l. A copy in float64 alone halves what an update has to move through memory.

    Attributes:
        parts: the matrix, ready for products.
    """

    def __init__(self, matrix: Int, limb_bits: int) -> None:
        self._bits = limb_bits
        self._integers: Int | None
        self.parts: SplitMatrix
        self._keep(matrix)
        if self._integers is matrix:
            self._integers = matrix.copy()

    def _keep(self, integers: Int) -> None:
        """In float64 alone where one limb holds them all."""
        self.parts = split(integers, self._bits)
        self._integers = None if len(self.parts.limbs) == 1 else integers

    def integers(self) -> Int:
        """A copy in int64."""
        return self.parts.limbs[0].astype(np.int64) if self._integers is None else self._integers.copy()

    def subtract(
        self, backend: Backend, left: NDArray[np.int32], right: NDArray[np.int32], factor: int, limit: int
    ) -> None:
        """Subtract factor * left^T right; |left^T right| <= limit."""
        if self._integers is None and (1 << self._bits) + abs(factor) * limit < EXACT:
            largest = backend.subtract_products(self.parts.limbs[0], left, right, factor)
            if largest > 1 << self._bits:
                self._keep(self.integers())
            return
        integers = self.integers() if self._integers is None else self._integers
        backend.subtract_products(integers, left, right, factor)
        self._keep(integers)


class LiveWeights:
    """All weights of a network. Attributes: W: by layer - 1. b: int64, changed in place; None without bias."""

    def __init__(self, weights: Weights, limb_bits: tuple[int, ...]) -> None:
        self.W = [LiveMatrix(matrix, bits) for matrix, bits in zip(weights.W, limb_bits, strict=True)]
        self.b = [None if bias is None else bias.copy() for bias in weights.b]

    def parts(self) -> list[SplitMatrix]:
        """Every W_l, ready for products in both directions."""
        return [matrix.parts for matrix in self.W]

    def integers(self) -> Weights:
        """A copy of the weights as they are now."""
        return Weights([matrix.integers() for matrix in self.W], [None if b is None else b.copy() for b in self.b])
