"""Weights of all layers as integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Weights:
    """W[l-1]: (d_{l-1}, d_l) int64; b[l-1]: (d_l,) int64 or None. All have weight_frac fraction bits."""

    W: list[NDArray[np.int64]]
    b: list[NDArray[np.int64] | None]

    def copy(self) -> Weights:
        """A deep copy."""
        return Weights([w.copy() for w in self.W], [None if b is None else b.copy() for b in self.b])

    def equal(self, other: Weights) -> bool:
        """Same shapes and the same integers."""
        if len(self.W) != len(other.W) or [b is None for b in self.b] != [b is None for b in other.b]:
            return False
        biases = [(x, y) for x, y in zip(self.b, other.b, strict=True) if x is not None and y is not None]
        pairs = [*zip(self.W, other.W, strict=True), *biases]
        return all(np.array_equal(x, y) for x, y in pairs)
