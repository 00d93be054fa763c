"""Exact integer matrix products with matrices kept in float64.

Every product and every partial sum stays within 2^53, so float64 BLAS is exact, whatever the order of summation, the
number of threads or the machine; backends may do the same in narrow integers. A factor that is too wide is cut into
limbs, and the parts are added in int64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class SplitMatrix:
    """An integer matrix sum_i 2^(shifts[i]) limbs[i], limbs in float64."""

    limbs: tuple[Float, ...]
    shifts: tuple[int, ...]

    def product(self, backend: Backend, left: Int, transposed: bool = False) -> Int:
        """left (m, inner) times the matrix (inner, n), (m, n) int64; int64 must hold the result.

        Args:
            transposed: left (m, n) times the transposed matrix instead, (m, inner).
        """
        out = backend.integer_product(left, self.limbs[0], transposed)
        for limb, shift in zip(self.limbs[1:], self.shifts[1:], strict=True):
            out += backend.integer_product(left, limb, transposed) << shift
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
