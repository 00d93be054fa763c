"""Linear claims on a committed matrix, as prover and verifier both write them down. [review.md, section (d)]

A claim is  value = sum over parts of  sum_i weights[i] * <in_row, row[first_row + i]>. In-row vectors carry a name, so
that all parts with the same vector share one table in the batching sumcheck. Both are public and arbitrary: rows need no
tensor structure, and an in-row vector may be any vector of ell elements of K.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from zkdl.algebra.extension import ONE, Array, Ext
from zkdl.backend.base import Backend
from zkdl.backend.device import to_host
from zkdl.backend.scratch import Shelf, Tables, empty_table
from zkdl.commitment.ligero import Matrix
from zkdl.hiding.ledger import Affine, constant

InRow = Array | Callable[[], Array]


def vector(in_row: InRow) -> Array:
    """(ell, 2) K array."""
    return in_row() if callable(in_row) else in_row


@dataclass(frozen=True)
class Part:
    """weights (r, 2) on rows first_row .. first_row + r, contracted with the in-row vector named `in_row`."""

    in_row: str
    first_row: int
    weights: Array


@dataclass
class Claims:
    """All claims on one commitment in one proof.

    Attributes:
        in_rows: name -> (ell, 2) K array, or what makes it when it is needed.
        claims: hidden value and parts of each claim.
    """

    in_rows: dict[str, InRow] = field(default_factory=dict)
    claims: list[tuple[Affine, list[Part]]] = field(default_factory=list)

    def add(self, value: Affine, parts: list[Part]) -> None:
        self.claims.append((value, parts))


@dataclass(frozen=True)
class Batched:
    """One random combination of all claims: value = sum_names sum_i row_weights[name][i] <in_rows[name], row_{first + i}>.

    Attributes:
        rows: of the matrix. first: of each name, its first row in use; weights end with the last one.
    """

    value: Affine
    rows: int
    in_rows: list[InRow]
    first: list[int]
    row_weights: list[Array]
    used: list[np.ndarray[tuple[int], np.dtype[np.bool_]]]

    def tables(self, backend: Backend, matrix: Matrix, tables_at: Tables = empty_table) -> list[Array]:
        """For each name its combined row, (ell, 2), where `tables_at` says."""
        shelf = Shelf(tables_at, len(self.first) * matrix.shape[1])
        return [
            shelf.put(fold_rows(backend, weights, used, matrix[first : first + len(weights)]))
            for first, weights, used in zip(self.first, self.row_weights, self.used, strict=True)
        ]

    def combined_rows(self, backend: Backend, at_point: list[Ext]) -> Array:
        """Row weights of the fold, (m, 2), given each in-row vector's value at the sumcheck's point."""
        out = np.zeros((self.rows, 2), dtype=np.uint64)
        for start, weights, used, value in zip(self.first, self.row_weights, self.used, at_point, strict=True):
            for first, last in spans(used):
                scaled = backend.k_mul(weights[first:last], value.array())
                span = slice(start + first, start + last)
                out[span] = to_host(backend.k_add(out[span], scaled))
        return out


def spans(used: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Maximal runs of True as half-open intervals."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
    return [(int(edges[i]), int(edges[i + 1])) for i in range(0, len(edges), 2)]


def batch(backend: Backend, claims: Claims, rows: int, g: Ext) -> Batched:
    """Combine with powers of g, which must have been drawn after every claim was absorbed."""
    where = {name: i for i, name in enumerate(claims.in_rows)}
    first, last = [rows] * len(where), [0] * len(where)
    for _, parts in claims.claims:
        for part in parts:
            i = where[part.in_row]
            first[i] = min(first[i], part.first_row)
            last[i] = max(last[i], part.first_row + len(part.weights))
    # Only rows in use have weights: a data proof has many names, each on one block of rows.
    sizes = [max(0, end - start) for start, end in zip(first, last, strict=True)]
    weights = [np.zeros((size, 2), dtype=np.uint64) for size in sizes]
    used = [np.zeros(size, dtype=np.bool_) for size in sizes]
    value, power = constant(0), ONE
    for claimed, parts in claims.claims:
        value = value + claimed * power
        for part in parts:
            i = where[part.in_row]
            start = part.first_row - first[i]
            span = slice(start, start + len(part.weights))
            scaled = backend.k_mul(part.weights, power.array())
            weights[i][span] = to_host(backend.k_add(weights[i][span], scaled))
            used[i][span] = True
        power = power * g
    return Batched(value, rows, list(claims.in_rows.values()), first, weights, used)


def fold_rows(
    backend: Backend, weights: Array, used: np.ndarray[tuple[int], np.dtype[np.bool_]], matrix: Matrix
) -> Array:
    """sum_i weights[i] * matrix[i] over the rows in use: (columns, 2)."""
    out = np.zeros((matrix.shape[1], 2), dtype=np.uint64)
    for first, last in spans(used):
        out = backend.k_add(out, backend.vecmat(weights[first:last], matrix[first:last]))
    return out
