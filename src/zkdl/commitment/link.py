"""Link commitments: a few hidden values that a segment's proof and the data proof open both. [review.md, (c) 8]

A value (a, b) of K is one column of a matrix with two rows over F: a above b, values side by side, zeros behind them. The
salts and random coefficients follow from a key, from the segment's statement and from the values, so who holds the key can
make the same tree again, and one key never repeats its coefficients for other values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.extension import ONE, Array, Ext, to_array
from zkdl.backend.base import Backend
from zkdl.commitment.ligero import Committed, Matrix, commit
from zkdl.commitment.parameters import CodeShape, ParameterSet, code_shape
from zkdl.hiding.entropy import Entropy

# A segment has at most five values. Rows of eight would do and save 7 % of an opening, but encoding takes n / ell cosets times
# (k - ell) / ell blocks, hundreds of times as many.
ROWS, LOG_ROW = 2, 7


def link_shape(budget: int, parameters: ParameterSet) -> CodeShape:
    """Sizes of a link that survives `budget` openings."""
    return code_shape(ROWS, LOG_ROW, budget, parameters.rate, parameters.query_bits)


def stacked_shape(shape: CodeShape, count: int) -> CodeShape:
    """Sizes of `count` links that are opened as one matrix."""
    return replace(shape, rows=ROWS * count)


def commit_link(backend: Backend, values: Sequence[Ext], shape: CodeShape, key: bytes, statement: bytes) -> Committed:
    """Commit at most 128 values. Args: key: 32 secret bytes; statement: of the segment."""
    matrix = np.zeros((shape.rows, shape.row), dtype=np.uint64)
    matrix[:, : len(values)] = to_array(values).reshape(-1, 2).T
    content = hashlib.sha256(repr(("link", astuple(shape))).encode())
    content.update(hashlib.sha256(statement).digest() + matrix.astype("<u8").tobytes())
    return commit(backend, matrix, shape, Entropy(key, b"link" + content.digest()), "link")


def row_weights() -> Array:
    """A column (a, b) stands for a + b X."""
    return to_array([ONE, Ext(0, 1)]).reshape(-1, 2)


@dataclass(frozen=True)
class Stacked:
    """Several links opened as one matrix: row on row, at the same positions of every tree."""

    shape: CodeShape
    parts: tuple[Committed, ...]
    matrix: Matrix
    random: Array

    def columns(self, backend: Backend, indices: NDArray[np.int64]) -> bytes:
        """Salts, columns and nodes of one tree after the other."""
        return b"".join(part.columns(backend, indices) for part in self.parts)


def stack(parts: Sequence[Committed]) -> Stacked:
    matrix = np.concatenate([part.matrix for part in parts])
    random = np.concatenate([part.random for part in parts])
    return Stacked(stacked_shape(parts[0].shape, len(parts)), tuple(parts), matrix, random)
