"""R6: the examples of every step are the rows of the dataset that the public sampler names. [review.md, (a) R6]

A_0 is virtual: A~_0(t', b', x) = sum_n c_n D~(n, x) with the public vector c_n = sum over (t, b) with idx(t, b) = n of
eq(t', t) eq(b', b). Absent examples and steps name no row, so there A_0 is zero. The same holds for the labels.

Nothing is sent: a claim on A_0 or on the labels becomes a linear claim on the dataset's commitment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.extension import Array, Ext, to_array
from zkdl.backend.base import Backend
from zkdl.backend.device import to_host


def example_weights(
    backend: Backend, indices: NDArray[np.int64], step_point: Sequence[Ext], example_point: Sequence[Ext], padded: int
) -> Array:
    """c as a (padded, 2) K array.

    Args:
        indices: (T, B) dataset rows, -1 where a batch has no example.
        padded: length of the result, at least the number of examples.
    """
    steps, width = indices.shape
    step_eq = backend.eq_table(to_array(step_point).reshape(-1, 2))[:steps]
    example_eq = backend.eq_table(to_array(example_point).reshape(-1, 2))[:width]
    weights = to_host(backend.outer(step_eq, example_eq))
    flat = indices.reshape(-1)
    present = flat >= 0
    return scatter_add(backend, flat[present], weights[present], padded)


def scatter_add(backend: Backend, where: NDArray[np.int64], values: Array, length: int) -> Array:
    """out[where[i]] += values[i] in K; (length, 2)."""
    out = np.zeros((length, 2), dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    for c in range(2):
        # 32-bit halves: fewer than 2^32 summands cannot overflow 64 bits.
        low, high = (np.zeros(length, dtype=np.uint64) for _ in range(2))
        np.add.at(low, where, values[:, c] & mask)
        np.add.at(high, where, values[:, c] >> np.uint64(32))
        shifted = backend.f_mul(_reduce(high), np.full(1, 1 << 32, dtype=np.uint64))
        out[:, c] = backend.f_add(_reduce(low), shifted)
    return out


def _reduce(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return values % np.uint64(2**64 - 2**32 + 1)
