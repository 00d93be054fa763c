"""A sum of fractions is zero: the GKR tree of LogUp. [Haboeck22], [PapiniHaboeck23], [proof-system.md, section 3]

Reduces  sum_x p(x)/q(x) = 0 with all q(x) != 0  to claims on p~ and q~ at one random point. Each tree layer combines two
children: p = p0 q1 + p1 q0, q = q0 q1. Leaves behind the last one given are (0, 1) and are never stored.

Transcript: P -> V: masked root denominator and its inverse (a committed product that must be 1); then per layer
    V -> P: lambda;  one weighted sumcheck over the layer's index (two masked scalars per round);
    P -> V: masked (p0 + lambda q0, q1) and (p1, q0) as products;  V -> P: c, the child coordinate.
Soundness error: per layer of v variables 1/|K| (lambda) + 2v/|K| + 1/|K| (c); the denominators vanish with the error of
the caller's fingerprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from zkdl.algebra.eq import eq_prefix
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, from_array, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.leaves import LeafProgram
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger, constant
from zkdl.protocols.sumcheck import next_claim

LOW_WEIGHT_VARS = 10  # variables in the inner one of the two equality tables of a round
RECOMPUTED_LAYERS = 2  # layers from the leaves upwards that are computed twice and never stored


@dataclass(frozen=True)
class LeafClaim:
    """p~(point) and q~(point), hidden; point[0] is the most significant coordinate."""

    point: list[Ext]
    numerator: Affine
    denominator: Affine


def pads(n_vars: int) -> PadCount:
    """Hidden scalars and products for a tree with 2^n_vars leaves."""
    return PadCount(singles=n_vars * (n_vars - 1), products=1 + 2 * n_vars)


def _padded(p: Array, q: Array, multiple: int) -> tuple[Array, Array]:
    """Append leaves (0, 1) up to a multiple of `multiple`."""
    missing = -len(p) % multiple
    if missing == 0:
        return p, q
    unit = np.zeros((missing, 2), dtype=np.uint64)
    zero = unit.copy()
    unit[:, 0] = 1
    return np.concatenate([p, zero]), np.concatenate([q, unit])


class _Tree:
    """The layers of a tree, each without its tail of (0, 1); those near the leaves are not stored.

    A layer is dropped when it has been proven: the proof goes from the root to the leaves.
    """

    def __init__(self, backend: Backend, leaves: LeafProgram | tuple[Array, Array], n_vars: int) -> None:
        self.backend = backend
        if isinstance(leaves, LeafProgram):
            self.program = leaves
            self.recomputed = min(RECOMPUTED_LAYERS, n_vars)
            self.stored = [backend.leaf_table(leaves, self.recomputed)]
        else:
            self.recomputed = 0
            self.stored = [leaves]
        for _ in range(n_vars - self.recomputed):
            self.stored.append(backend.fraction_layer(*_padded(*self.stored[-1], 2)))

    def root(self) -> tuple[Array, Array]:
        return self.stored.pop()

    def layer(self, level: int) -> _Children:
        """The table that is `level` layers above the leaves; layers are asked for from the root downwards."""
        if level < self.recomputed:
            return _Recomputed(self.backend, self.program, level)
        return _Stored(self.backend, *self.stored.pop())


class _Children(Protocol):
    """A table that a sumcheck folds: one round's sums, and the table after a challenge."""

    def round(self, lam: Ext, high: Array, low: Array) -> Array: ...

    def bind(self, r: Ext) -> _Children: ...

    def parents(self) -> int:
        """Pairs of parents present, padded."""
        ...


@dataclass
class _Stored:
    backend: Backend
    p: Array
    q: Array

    def parents(self) -> int:
        self.p, self.q = _padded(self.p, self.q, 4)
        return len(self.p) // 4

    def round(self, lam: Ext, high: Array, low: Array) -> Array:
        return self.backend.fraction_round(self.p, self.q, lam.array(), high, low)

    def bind(self, r: Ext) -> _Stored:
        return _Stored(self.backend, *self.backend.fraction_bind(self.p, self.q, r.array()))


@dataclass
class _Recomputed:
    """A table near the leaves, and the variables that are bound already; stored when few enough leaves are left."""

    backend: Backend
    program: LeafProgram
    level: int
    bound: tuple[Ext, ...] = ()

    def _points(self, *more: Ext) -> Array:
        return to_array([*self.bound, *more]).reshape(-1, 2)

    def parents(self) -> int:
        return self.program.entries(self.level + len(self.bound), 4) // 4

    def round(self, lam: Ext, high: Array, low: Array) -> Array:
        return self.backend.leaf_round(self.program, self.level, self._points(), lam.array(), high, low)

    def bind(self, r: Ext) -> _Children:
        if self.level + len(self.bound) + 1 < RECOMPUTED_LAYERS:
            return _Recomputed(self.backend, self.program, self.level, (*self.bound, r))
        return _Stored(self.backend, *self.backend.leaf_bind(self.program, self.level, self._points(r)))

    def last(self) -> _Stored:
        """What is left after the last round."""
        if not self.bound:
            return _Stored(self.backend, *self.backend.leaf_table(self.program, self.level))
        return _Stored(self.backend, *self.backend.leaf_bind(self.program, self.level, self._points()))


def _prove_layer(
    ledger: ProverLedger, backend: Backend, claim: Affine, children: _Children, weight: Sequence[Ext], lam: Ext
) -> tuple[list[Ext], tuple[Array, Array], Affine]:
    """One sumcheck over the parents of `children`; returns the point and the four child values there."""
    point: list[Ext] = []
    for k in range(len(weight)):
        rest = weight[: len(weight) - 1 - k]
        low = min(len(rest), LOW_WEIGHT_VARS)
        high_table = backend.eq_table(to_array(rest[: len(rest) - low]).reshape(-1, 2))
        low_table = backend.eq_table(to_array(rest[len(rest) - low :]).reshape(-1, 2))
        # A pair of absent parents has h = lambda at every point, so it adds to g(0) and not to the leading coefficient.
        tail = lam * (ONE - eq_prefix(rest, children.parents()))
        sums = children.round(lam, high_table, low_table)
        hidden = ledger.send("fraction-round", [scalar(sums[0]) + tail, scalar(sums[1])])
        r = ledger.channel.transcript.challenge("fraction-round")
        children = children.bind(r)
        claim = next_claim(claim, hidden[0], hidden[1], r, weight[len(weight) - 1 - k])
        point.insert(0, r)
    last = children.last() if isinstance(children, _Recomputed) else children
    if not isinstance(last, _Stored):
        raise TypeError("a layer ends in a stored table")
    return point, _padded(last.p, last.q, 2), claim


def _close_layer(
    ledger: ProverLedger | VerifierLedger,
    claim: Affine,
    lam: Ext,
    products: Sequence[tuple[Affine, Affine, Affine]],
    point: list[Ext],
) -> LeafClaim:
    """Check the layer's last claim against the child values and merge the two children at a random coordinate."""
    (left, q1, left_q1), (p1, q0, p1_q0) = products
    ledger.require_zero(claim - left_q1 - p1_q0)
    c = ledger.channel.transcript.challenge("fraction-child")
    p0 = left - q0 * lam
    return LeafClaim([*point, c], p0 * (ONE - c) + p1 * c, q0 * (ONE - c) + q1 * c)


def prove(ledger: ProverLedger, backend: Backend, leaves: LeafProgram | tuple[Array, Array], n_vars: int) -> LeafClaim:
    """Args: leaves, 2^(n_vars - 1) < M <= 2^n_vars of them (or n_vars = 0 and M = 1): a recipe, or p and q (M, 2)."""
    tree = _Tree(backend, leaves, n_vars)
    root = scalar(tree.root()[1][0])
    # A vanishing denominator has no inverse; the verifier then rejects, as it must.
    inverse = ZERO if root.is_zero() else root.inverse()
    ((root_hidden, _, unit),) = ledger.send_products("fraction-root", [(root, inverse)])
    ledger.require_zero(unit - 1)
    here = LeafClaim([], constant(0), root_hidden)
    for depth in range(n_vars):
        lam = ledger.channel.transcript.challenge("fraction-lambda")
        claim = here.numerator + here.denominator * lam
        children = tree.layer(n_vars - 1 - depth)
        point, (pc, qc), claim = _prove_layer(ledger, backend, claim, children, here.point, lam)
        (p0, p1), (q0, q1) = from_array(pc), from_array(qc)
        products = ledger.send_products("fraction-children", [(p0 + lam * q0, q1), (p1, q0)])
        here = _close_layer(ledger, claim, lam, products, point)
    return here


def verify(ledger: VerifierLedger, n_vars: int) -> LeafClaim:
    """The verifier's side: the claim that the caller must check against the leaves."""
    ((root_hidden, _, unit),) = ledger.receive_products("fraction-root", 1)
    ledger.require_zero(unit - 1)
    here = LeafClaim([], constant(0), root_hidden)
    for _ in range(n_vars):
        lam = ledger.channel.transcript.challenge("fraction-lambda")
        claim = here.numerator + here.denominator * lam
        point: list[Ext] = []
        for coordinate in reversed(here.point):
            hidden = ledger.receive("fraction-round", 2)
            r = ledger.channel.transcript.challenge("fraction-round")
            claim = next_claim(claim, hidden[0], hidden[1], r, coordinate)
            point.insert(0, r)
        products = ledger.receive_products("fraction-children", 2)
        here = _close_layer(ledger, claim, lam, products, point)
    return here
