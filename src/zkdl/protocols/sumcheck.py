"""Sumchecks on hidden claims: inner products with an optional equality weight, and products of three tables.
[Thaler22, section 4.1], [Gruen24, section 3.2], [proof-system.md, sections 2 and 6]

Reduces  sum_x eq(w, x_low) * sum_blocks A~(x) B~(x) = s  to  sum_blocks A~(r) B~(r) = s'  at a random r.
Variables are bound from the least significant one. The claim kept between rounds leaves out the equality factors that
are already bound, so a weighted round polynomial has degree 2 as well: with g(X) the unweighted round polynomial and w
the coordinate, s = (1 - w) g(0) + w g(1), and g(1) is implied.

Transcript (per round): P -> V: masked g(0), g(inf) (three tables: g(0), g(2), g(inf));  V -> P: r.
Soundness error: degree / |K| per round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zkdl.algebra.extension import ONE, ZERO, Array, Ext, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.scratch import Shelf, Tables, empty_table
from zkdl.errors import Rejected
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger

HALF = Ext(2).inverse()


def quadratic_pads(rounds: int) -> PadCount:
    return PadCount(singles=2 * rounds)


def cubic_pads(rounds: int) -> PadCount:
    return PadCount(singles=3 * rounds)


def next_claim(claim: Affine, at_zero: Affine, leading: Affine, r: Ext, weight: Ext | None) -> Affine:
    """g(r) for the degree-2 polynomial with this g(0), this leading coefficient and the g(1) that the claim implies."""
    if weight is None:
        at_one = claim - at_zero
    else:
        if weight.is_zero():
            # g(1) is not determined; a random coordinate is zero with probability 2^-128.
            raise Rejected("a sumcheck weight vanished", code="SUMCHECK_WEIGHT")
        at_one = (claim - at_zero * (ONE - weight)) * weight.inverse()
    return at_zero * (ONE - r) + at_one * r + leading * (r * r - r)


def _next_cubic(claim: Affine, at_zero: Affine, at_two: Affine, leading: Affine, r: Ext) -> Affine:
    """g(r) from g(0), g(1) = claim - g(0), g(2) and the coefficient of X^3."""
    one, two = r - 1, r - 2
    at_one = claim - at_zero
    through = at_zero * (one * two * HALF) + at_one * (-(r * two)) + at_two * (r * one * HALF)
    return through + leading * (r * one * two)


def prove_dot(
    ledger: ProverLedger,
    backend: Backend,
    claim: Affine,
    blocks: Sequence[tuple[Array, Array]],
    n_vars: int,
    weight: Sequence[Ext],
    label: str,
    tables_at: Tables = empty_table,
) -> tuple[list[Ext], list[tuple[Ext, Ext]], Affine]:
    """Prove sum over blocks and indices.

    Args:
        blocks: pairs (A, B) of K arrays of equal power-of-two length, at least 2^len(weight), at most 2^n_vars. A
            shorter A is extended by zeros and its B by repetition in the missing top variables.
        weight: equality point of the lowest variables.
        tables_at: makes the place of the tables that are bound.

    Returns: the point (most significant first), the final values (A, B) of each block without the zero-extension
        factor, and the final claim.
    """
    tables = [(a, b) for a, b in blocks]
    factors = [ONE] * len(tables)
    point: list[Ext] = []
    one = ONE.array().reshape(1, 2)
    for k in range(n_vars):
        coordinate = weight[len(weight) - 1 - k] if k < len(weight) else None
        eq = one if coordinate is None else backend.eq_table(to_array(weight[: len(weight) - 1 - k]).reshape(-1, 2))
        at_zero, leading = ZERO, ZERO
        for i, (a, b) in enumerate(tables):
            if len(a) > 1:
                sums = backend.product_round(a, b, eq)
                at_zero, leading = at_zero + scalar(sums[0]), leading + scalar(sums[1])
            else:
                at_zero = at_zero + factors[i] * scalar(a[0]) * scalar(b[0])
        hidden = ledger.send(label, [at_zero, leading])
        r = ledger.channel.transcript.challenge(label)
        shelf = Shelf(tables_at, sum(len(a) for a, _ in tables if len(a) > 1))
        for i, (a, b) in enumerate(tables):
            if len(a) > 1:
                tables[i] = (shelf.put(backend.bind(a, r.array())), shelf.put(backend.bind(b, r.array())))
            else:
                factors[i] = factors[i] * (ONE - r)
        claim = next_claim(claim, hidden[0], hidden[1], r, coordinate)
        point.insert(0, r)
    return point, [(scalar(a[0]), scalar(b[0])) for a, b in tables], claim


def verify_dot(
    ledger: VerifierLedger, claim: Affine, n_vars: int, weight: Sequence[Ext], label: str
) -> tuple[list[Ext], Affine]:
    """The verifier's side: the same point and final claim."""
    point: list[Ext] = []
    for k in range(n_vars):
        coordinate = weight[len(weight) - 1 - k] if k < len(weight) else None
        hidden = ledger.receive(label, 2)
        r = ledger.channel.transcript.challenge(label)
        claim = next_claim(claim, hidden[0], hidden[1], r, coordinate)
        point.insert(0, r)
    return point, claim


def prove_triple(
    ledger: ProverLedger,
    backend: Backend,
    claim: Affine,
    terms: Sequence[tuple[Array, Array, Array]],
    n_vars: int,
    label: str,
) -> tuple[list[Ext], list[tuple[Ext, Ext, Ext]], Affine]:
    """Prove sum_x sum_terms U~ A~ B~ for K arrays of length 2^n_vars. Returns point, final values, final claim."""
    tables = [tuple(term) for term in terms]
    point: list[Ext] = []
    for _ in range(n_vars):
        sums = np.stack([backend.product3_round(*table) for table in tables])
        at_zero, at_two, leading = (sum((scalar(sums[i, k]) for i in range(len(tables))), ZERO) for k in range(3))
        hidden = ledger.send(label, [at_zero, at_two, leading])
        r = ledger.channel.transcript.challenge(label)
        tables = [tuple(backend.bind(t, r.array()) for t in table) for table in tables]
        claim = _next_cubic(claim, hidden[0], hidden[1], hidden[2], r)
        point.insert(0, r)
    finals = [(scalar(u[0]), scalar(a[0]), scalar(b[0])) for u, a, b in tables]
    return point, finals, claim


def verify_triple(ledger: VerifierLedger, claim: Affine, n_vars: int, label: str) -> tuple[list[Ext], Affine]:
    """The verifier's side: the same point and final claim."""
    point: list[Ext] = []
    for _ in range(n_vars):
        hidden = ledger.receive(label, 3)
        r = ledger.channel.transcript.challenge(label)
        claim = _next_cubic(claim, hidden[0], hidden[1], hidden[2], r)
        point.insert(0, r)
    return point, claim
