"""Exact integer matrix products through float64 BLAS.

Every product and every partial sum stays within 2^53, so each float64 operation is exact, whatever the order
of summation, the number of threads or the machine. A factor that is too wide is cut into limbs, and the parts
are added in int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class SplitMatrix:
    """An integer matrix sum_i 2^(shifts[i]) limbs[i], limbs in float64."""

    limbs: tuple[Float, ...]
    shifts: tuple[int, ...]

    def product(self, left: NDArray[Any]) -> Int:
        """left (m, inner) times the matrix (inner, n), (m, n) int64; int64 must hold the result."""
        return self._sum(left, list(self.limbs))

    def transposed_product(self, left: NDArray[Any]) -> Int:
        """left (m, n) times the transposed matrix, (m, inner) int64; int64 must hold the result."""
        return self._sum(left, [limb.T for limb in self.limbs])

    def _sum(self, left: NDArray[Any], limbs: list[Float]) -> Int:
        factor = left.astype(np.float64, copy=False)
        out = (factor @ limbs[0]).astype(np.int64)
        for limb, shift in zip(limbs[1:], self.shifts[1:], strict=True):
            out += (factor @ limb).astype(np.int64) << shift
        return out


def split(matrix: Int, limb_bits: int) -> SplitMatrix:
    """Cut into limbs with |limb| <= 2^limb_bits, lowest first.

    Args:
        matrix: int64, |entries| < 2^63.
        limb_bits: from `statement.bounds.product_limb_bits` for the widest product the matrix takes part in.
    """
    largest = max(int(matrix.max()), -int(matrix.min()))
    if largest <= 1 << limb_bits:
        return SplitMatrix((matrix.astype(np.float64),), (0,))
    limbs, shifts = [], []
    rest, shift = matrix, 0
    while largest > 1 << limb_bits:
        limbs.append((rest & ((1 << limb_bits) - 1)).astype(np.float64))
        shifts.append(shift)
        rest = rest >> limb_bits
        shift += limb_bits
        # An arithmetic shift rounds towards minus infinity: -1 stays -1.
        largest = (largest >> limb_bits) + 1
    return SplitMatrix((*limbs, rest.astype(np.float64)), (*shifts, shift))
