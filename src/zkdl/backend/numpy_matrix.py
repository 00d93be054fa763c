"""Products of integer matrices with vectors over K through float64 BLAS on 16-bit limbs.

Every limb product has 32 bits, so a sum of 2^20 of them is exact in a float64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import ExtensionArray, FieldArray, Integers, P
from zkdl.backend.numpy_field import add, from_int, multiply

LIMB_BITS = 16
LONGEST_SUM = 1 << 20
# Elements of one float64 copy of a part of the matrix: bounds the memory of a product.
PART = 1 << 21

Floats = NDArray[np.float64]


def _limbs(x: Integers) -> list[Floats]:
    """x = sum_i limb_i * 2^(16 i): limbs in [0, 2^16), the last one of a signed type in [-2^15, 2^15)."""
    count = x.dtype.itemsize // 2
    limbs = [((x >> (LIMB_BITS * i)) & 0xFFFF).astype(np.float64) for i in range(count - 1)]
    return [*limbs, (x >> (LIMB_BITS * (count - 1))).astype(np.float64)]


def _vector_limbs(vectors: ExtensionArray) -> Floats:
    """(..., 2) -> (..., 8): the four limbs of c0, then those of c1."""
    shifts = np.arange(4, dtype=np.uint64) * np.uint64(LIMB_BITS)
    parts = (vectors[..., :, None] >> shifts) & np.uint64(0xFFFF)
    return parts.reshape(*vectors.shape[:-1], 8).astype(np.float64)


def _recombine(sums: Floats, weight: int) -> ExtensionArray:
    """(..., 8) exact sums -> (..., 2) elements of K times 2^weight."""
    residues = from_int(sums.astype(np.int64))
    scale = np.array([pow(2, weight + LIMB_BITS * (i % 4), P) for i in range(8)], dtype=np.uint64)
    scaled = multiply(residues, scale)
    out = add(add(scaled[..., 0::4], scaled[..., 1::4]), add(scaled[..., 2::4], scaled[..., 3::4]))
    return out


def matvec(matrix: Integers, vectors: ExtensionArray) -> ExtensionArray:
    """See `base.Backend.matvec`."""
    rows, columns = matrix.shape
    period = vectors.shape[0]
    out = np.zeros((rows, 2), dtype=np.uint64)
    for first in range(0, columns, LONGEST_SUM):
        last = min(columns, first + LONGEST_SUM)
        width = max(1, PART // (last - first))
        for phase in range(0, period, width):
            phases = min(width, period - phase)
            limbs = _vector_limbs(vectors[phase : phase + phases, first:last])
            for group in range(0, max(1, -(-rows // period)), max(1, width // phases)):
                groups = min(max(1, width // phases), -(-rows // period) - group)
                index = (np.arange(group, group + groups)[:, None] * period + phase + np.arange(phases)).T
                _accumulate(out, matrix[:, first:last], index, limbs)
    return out


def _accumulate(out: FieldArray, matrix: Integers, index: NDArray[np.int64], limbs: Floats) -> None:
    """Add the products of the rows `index` (phases, groups) with the vectors of their phase to out."""
    inside = index < out.shape[0]
    part = matrix[np.where(inside, index, 0)]
    for position, limb in enumerate(_limbs(part)):
        value = _recombine(np.matmul(limb, limbs), LIMB_BITS * position)
        out[index[inside]] = add(out[index[inside]], value[inside])


def vecmat(vector: ExtensionArray, matrix: Integers) -> ExtensionArray:
    """See `base.Backend.vecmat`."""
    rows, columns = matrix.shape
    out = np.zeros((columns, 2), dtype=np.uint64)
    height = min(LONGEST_SUM, max(1, PART // max(1, columns)))
    for first in range(0, rows, height):
        limbs = np.ascontiguousarray(_vector_limbs(vector[first : first + height]).T)
        for position, limb in enumerate(_limbs(matrix[first : first + height])):
            out = add(out, _recombine((limbs @ limb).T, LIMB_BITS * position))
    return out


def integer_product(left: NDArray[np.int64], matrix: NDArray[np.float64], transposed: bool) -> NDArray[np.int64]:
    """left (r, k) times matrix (k, n), or times matrix (n, k) transposed, through BLAS; exact while sums stay within 2^53."""
    return (left.astype(np.float64) @ (matrix.T if transposed else matrix)).astype(np.int64)
