"""Committed matrices over F and the masks of one opening. [proof-system.md, sections 1.2 and 1.5 B]

A row of ell values becomes P = W + (x^ell - 1) R: W interpolates the row on the subgroup H of order ell, R has t uniform
coefficients for every opening that the row must survive. The codeword is P on the coset 7 * <g_n>, disjoint from H.
Rows may be any small integers (int32, int64) or canonical field elements.

The masks of an opening (one for the fold, one for the low-degree test, both uniform over K) live in a tree of their
own over the same domain, fresh for every proof, and are opened at the same positions.

Soundness error: see `protocols/opening.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.extension import Array
from zkdl.backend.base import Backend
from zkdl.backend.scratch import KEPT_CODE_BYTES
from zkdl.commitment import merkle
from zkdl.commitment.parameters import CodeShape
from zkdl.hiding.entropy import Entropy

Matrix = NDArray[Any]

MASK_ROWS = 4  # two elements of K: fold, low-degree test


@dataclass(frozen=True)
class Committed:
    """Prover's side of a committed matrix.

    Attributes:
        matrix: (m, ell) int32, int64 or uint64. random: (m, t * openings) uint64.
        salts: (n, 32) uint8. levels: digests from leaves to root.
        code: (m, n) uint64, or None when it is too large to be kept; opened columns are then encoded again.
    """

    shape: CodeShape
    matrix: Matrix
    random: Array
    salts: merkle.Digests
    levels: list[merkle.Digests]
    code: Array | None = None

    @property
    def root(self) -> bytes:
        return self.levels[-1].tobytes()

    def columns(self, backend: Backend, indices: NDArray[np.int64]) -> bytes:
        """Salts, columns and tree nodes that open these positions."""
        if self.code is None:
            columns = backend.encode_columns(self.matrix, self.random, self.shape.domain, indices)
        else:
            columns = backend.read_columns(self.code, indices)
        return (
            self.salts[indices].tobytes()
            + columns.astype("<u8", copy=False).tobytes()
            + merkle.multiproof(self.levels, indices)
        )


def commit(
    backend: Backend, matrix: Matrix, shape: CodeShape, entropy: Entropy, label: str, kept: int = KEPT_CODE_BYTES
) -> Committed:
    """Encode, salt and hash a matrix of shape (shape.rows, shape.row). Args: kept: bytes of the largest code to keep."""
    salts = entropy.salts(label + "/salts", shape.domain)
    return _hashed(backend, shape, matrix, random_coefficients(shape, entropy, label), salts, kept)


def random_coefficients(shape: CodeShape, entropy: Entropy, label: str) -> Array:
    """Those that `commit` takes: (rows, t * openings) uint64."""
    return entropy.elements(label + "/random", (shape.rows, shape.random))


def _hashed(
    backend: Backend,
    shape: CodeShape,
    matrix: Matrix,
    random: Array,
    salts: merkle.Digests,
    kept: int = KEPT_CODE_BYTES,
) -> Committed:
    """The tree over a matrix's code, which is kept when it is small."""
    code = None
    # A device encodes again, quickly, what is opened: its memory is for tables.
    if 8 * shape.rows * shape.domain <= kept and backend.local is backend:
        code = backend.encode(matrix, random, shape.domain)
        leaves = backend.hash_columns(code, salts)
    else:
        leaves = backend.encode_and_hash(matrix, random, salts)
    return Committed(shape, matrix, random, salts, merkle.build(backend, leaves), code)


@dataclass(frozen=True)
class Masks:
    """Two uniform rows over K in systematic form: values on H (ell, 2) and random coefficients (t * openings, 2)."""

    fold: tuple[Array, Array]
    low_degree: tuple[Array, Array]
    tree: Committed


def make_masks(backend: Backend, shape: CodeShape, entropy: Entropy, label: str) -> Masks:
    """Fresh masks for one opening of a matrix of this shape."""
    values = entropy.elements(label + "/mask-values", (MASK_ROWS, shape.row))
    random = entropy.elements(label + "/mask-random", (MASK_ROWS, shape.random))
    salts = entropy.salts(label + "/mask-salts", shape.domain)
    mask_shape = CodeShape(MASK_ROWS, shape.log_row, shape.openings, shape.queries, shape.random, shape.log_domain)

    def pair(first: int) -> tuple[Array, Array]:
        return (
            np.ascontiguousarray(values[first : first + 2].T),
            np.ascontiguousarray(random[first : first + 2].T),
        )

    return Masks(pair(0), pair(2), _hashed(backend.local, mask_shape, values, random, salts))


def encode_message(backend: Backend, values: Array, random: Array, domain: int, indices: NDArray[np.int64]) -> Array:
    """A row over K in systematic form, encoded and read at `indices`: (t, 2)."""
    local = backend.local
    code = local.encode(np.ascontiguousarray(values.T), np.ascontiguousarray(random.T), domain)
    return local.read_columns(code, indices)
