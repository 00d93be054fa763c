"""Leaves of a fraction tree as a recipe: what is looked up stays in narrow integers until a kernel needs field elements.

The table of level k of a tree has one entry (p, q) for 2^k leaves. Backends with a kernel of their own compute entries tile
by tile; `MaterialisedLeaves` builds all leaves and is their oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.backend import checks
from zkdl.backend.base import Backend, ExtensionArray
from zkdl.backend.scratch import Tables

Field = NDArray[np.int32]
FIELDS = 3


@dataclass(frozen=True)
class LeafSpan:
    """Leaves start .. start + length.

    Attributes:
        active: the first `active` leaves have numerator 1, the others 0; not used with counts.
        constant: (2,) K; betas: (2,) K per field; fields: int32, `length` each, at most FIELDS.
            The denominator is constant + sum betas[c] * fields[c].
        counts: int32, `length`: the numerator is minus the count. None for a lookup.
    """

    start: int
    length: int
    active: int
    constant: ExtensionArray
    betas: Sequence[ExtensionArray]
    fields: Sequence[Field]
    counts: Field | None = None


@dataclass(frozen=True)
class LeafProgram:
    """Ascending spans without overlap; leaves in none of them are (0, 1). count: leaves up to the last span's end."""

    spans: Sequence[LeafSpan]
    count: int

    def entries(self, level: int, multiple: int = 1) -> int:
        """Entries of the table of this level, padded by (0, 1) to a multiple."""
        entries = -(-self.count >> level)
        return entries + -entries % multiple


class MaterialisedLeaves:
    """The leaf methods of `base.Backend` on top of its other kernels."""

    def with_tables(self: Backend, tables: Tables) -> Backend:
        return self  # all leaves are in memory here, so nothing would be won

    def leaf_table(self: Backend, program: LeafProgram, level: int) -> tuple[ExtensionArray, ExtensionArray]:
        p, q = leaves(self, program, program.entries(level) << level)
        for _ in range(level):
            p, q = self.fraction_layer(p, q)
        return p, q

    def leaf_round(
        self: Backend,
        program: LeafProgram,
        level: int,
        bound: ExtensionArray,
        lam: ExtensionArray,
        weights_high: ExtensionArray,
        weights_low: ExtensionArray,
    ) -> ExtensionArray:
        p, q = _bound(self, program, level, bound, 4)
        return self.fraction_round(p, q, lam, weights_high, weights_low)

    def leaf_bind(
        self: Backend, program: LeafProgram, level: int, bound: ExtensionArray
    ) -> tuple[ExtensionArray, ExtensionArray]:
        checks.require(len(bound) >= 1, "at least one variable must be bound")
        return _bound(self, program, level, bound, 2)


def leaves(backend: Backend, program: LeafProgram, count: int) -> tuple[ExtensionArray, ExtensionArray]:
    """All leaves and (0, 1) behind them, `count` each."""
    p, q = (np.zeros((count, 2), dtype=np.uint64) for _ in range(2))
    q[:, 0] = 1
    for span in program.spans:
        here = slice(span.start, span.start + span.length)
        q[here] = span.constant
        for beta, values in zip(span.betas, span.fields, strict=True):
            backend.axpy(q[here], beta, values)
        if span.counts is None:
            p[span.start : span.start + span.active, 0] = 1
        else:
            p[here, 0] = backend.f_from_int(-span.counts.astype(np.int64))
    return p, q


def _bound(
    backend: Backend, program: LeafProgram, level: int, bound: ExtensionArray, multiple: int
) -> tuple[ExtensionArray, ExtensionArray]:
    """The table of a level after binding, padded so that a multiple of entries is left."""
    checks.require_extension("bound", bound)
    depth = level + len(bound)
    p, q = leaves(backend, program, program.entries(depth, multiple) << depth)
    for _ in range(level):
        p, q = backend.fraction_layer(p, q)
    for r in bound:
        p, q = backend.fraction_bind(p, q, np.ascontiguousarray(r))
    return p, q
