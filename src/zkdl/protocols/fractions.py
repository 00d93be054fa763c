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

import numpy as np

from zkdl.algebra.eq import eq_prefix
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, from_array, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger, constant
from zkdl.protocols.sumcheck import next_claim

LOW_WEIGHT_VARS = 10  # variables in the inner one of the two equality tables of a round


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


def _layers(backend: Backend, p: Array, q: Array, n_vars: int) -> list[tuple[Array, Array]]:
    """Layers from the leaves upwards, each without its tail of (0, 1)."""
    layers = [(p, q)]
    for _ in range(n_vars):
        layers.append(backend.fraction_layer(*_padded(*layers[-1], 2)))
    return layers


def _prove_layer(
    ledger: ProverLedger,
    backend: Backend,
    claim: Affine,
    children: tuple[Array, Array],
    weight: Sequence[Ext],
    lam: Ext,
) -> tuple[list[Ext], tuple[Array, Array], Affine]:
    """One sumcheck over the parents of `children`; returns the point and the four child values there."""
    p, q = _padded(*children, 2)
    point: list[Ext] = []
    for k in range(len(weight)):
        p, q = _padded(p, q, 4)
        rest = weight[: len(weight) - 1 - k]
        low = min(len(rest), LOW_WEIGHT_VARS)
        high_table = backend.eq_table(to_array(rest[: len(rest) - low]).reshape(-1, 2))
        low_table = backend.eq_table(to_array(rest[len(rest) - low :]).reshape(-1, 2))
        sums = backend.fraction_round(p, q, lam.array(), high_table, low_table)
        # A pair of absent parents has h = lambda at every point, so it adds to g(0) and not to the leading coefficient.
        tail = lam * (ONE - eq_prefix(rest, len(p) // 4))
        hidden = ledger.send("fraction-round", [scalar(sums[0]) + tail, scalar(sums[1])])
        r = ledger.channel.transcript.challenge("fraction-round")
        p, q = backend.fraction_bind(p, q, r.array())
        claim = next_claim(claim, hidden[0], hidden[1], r, weight[len(weight) - 1 - k])
        point.insert(0, r)
    return point, (p, q), claim


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


def prove(ledger: ProverLedger, backend: Backend, p: Array, q: Array, n_vars: int) -> LeafClaim:
    """Args: p, q (M, 2) K arrays of the leaves present, 2^(n_vars - 1) < M <= 2^n_vars (or n_vars = 0 and M = 1)."""
    layers = _layers(backend, p, q, n_vars)
    root = scalar(layers[-1][1][0])
    # A vanishing denominator has no inverse; the verifier then rejects, as it must.
    inverse = ZERO if root.is_zero() else root.inverse()
    ((root_hidden, _, unit),) = ledger.send_products("fraction-root", [(root, inverse)])
    ledger.require_zero(unit - 1)
    here = LeafClaim([], constant(0), root_hidden)
    for depth in range(n_vars):
        lam = ledger.channel.transcript.challenge("fraction-lambda")
        claim = here.numerator + here.denominator * lam
        children = layers[n_vars - 1 - depth]
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
