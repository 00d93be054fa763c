"""Sums of fractions: zero or not, over trees of every size, with leaves left out and denominators that vanish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from tests.support.alone import (
    Shifted,
    accepted,
    check_every_change_is_rejected,
    check_every_shift_is_rejected,
    extension_at,
    prove_alone,
    random_elements,
    reveal,
    verify_alone,
)
from zkdl.algebra.extension import ONE, ZERO, Ext, to_array
from zkdl.backend.base import Backend
from zkdl.hiding.ledger import ProverLedger, VerifierLedger
from zkdl.protocols import fractions
from zkdl.protocols.fractions import LeafClaim

# Leaves present: one, two, full trees, trees with a tail that is not stored.
SIZES = [1, 2, 3, 4, 5, 7, 8, 13, 16]


def variables(leaves: int) -> int:
    return (leaves - 1).bit_length()


def plain_total(p: Sequence[Ext], q: Sequence[Ext]) -> Ext:
    return sum((a * b.inverse() for a, b in zip(p, q, strict=True)), ZERO)


def zero_sum(leaves: int, seed: int = 0) -> tuple[list[Ext], list[Ext]]:
    """Random fractions; the last numerator makes the sum zero."""
    rng = np.random.default_rng(seed + leaves)
    p, q = random_elements(rng, leaves), random_elements(rng, leaves)
    p[-1] = -plain_total(p[:-1], q[:-1]) * q[-1]
    assert plain_total(p, q).is_zero()
    return p, q


def parties(p: list[Ext], q: list[Ext]) -> tuple[Callable, Callable]:
    """Both sides; leaf claims are compared with the leaves, absent ones being (0, 1)."""
    n_vars = variables(len(p))
    missing = (1 << n_vars) - len(p)

    def close(ledger: ProverLedger | VerifierLedger, claim: LeafClaim) -> LeafClaim:
        ledger.require_zero(claim.numerator - extension_at(p + [ZERO] * missing, claim.point))
        ledger.require_zero(claim.denominator - extension_at(q + [ONE] * missing, claim.point))
        return claim

    def prover(ledger: ProverLedger, backend: Backend) -> LeafClaim:
        return close(ledger, fractions.prove(ledger, backend, (to_array(p), to_array(q)), n_vars))

    def verifier(ledger: VerifierLedger, backend: Backend) -> LeafClaim:
        return close(ledger, fractions.verify(ledger, n_vars))

    return prover, verifier


@pytest.mark.parametrize("leaves", SIZES)
def test_a_sum_of_zero_is_proven(leaves: int) -> None:
    """T13: the verifier's two claims hide the leaves' extensions at the common point."""
    p, q = zero_sum(leaves)
    count = fractions.pads(variables(leaves))
    prover, verifier = parties(p, q)
    proof, sent = prove_alone(count, prover)
    claim = verify_alone(count, proof, verifier)
    assert claim.point == sent.point and len(claim.point) == variables(leaves)
    missing = (1 << variables(leaves)) - leaves
    assert reveal(count, claim.numerator) == extension_at(p + [ZERO] * missing, claim.point)
    assert reveal(count, claim.denominator) == extension_at(q + [ONE] * missing, claim.point)


@pytest.mark.parametrize("leaves", SIZES)
def test_another_sum_is_rejected(leaves: int) -> None:
    """One numerator or denominator changed, at the first and at the last leaf."""
    for place in {0, leaves - 1}:
        for side in range(2):
            fraction = zero_sum(leaves)
            fraction[side][place] = fraction[side][place] + (ONE if side == 0 else Ext(1, 1))
            if plain_total(*fraction).is_zero():
                # A single leaf has numerator 0 over any denominator.
                assert leaves == 1 and side == 1 and accepted(fractions.pads(0), *parties(*fraction))
                continue
            assert not accepted(fractions.pads(variables(leaves)), *parties(*fraction))


@pytest.mark.parametrize("leaves", [1, 2, 3, 5, 8])
def test_each_message_is_bound(leaves: int) -> None:
    """Root and inverse, both values of every round, all factors of every layer."""
    prover, verifier = parties(*zero_sum(leaves))
    count = fractions.pads(variables(leaves))
    check_every_shift_is_rejected(count, prover, verifier)
    if leaves == 5:
        check_every_change_is_rejected(count, prove_alone(count, prover)[0], verifier)


@pytest.mark.parametrize("zeros", [[0], [2], [0, 1], [1, 3], [0, 1, 2, 3, 4]])
def test_a_vanishing_denominator_is_rejected(zeros: list[int]) -> None:
    """T14: with one of them the root is (n, 0), with two it is (0, 0), which a check of the numerator would pass."""
    p, q = zero_sum(5)
    for i in zeros:
        q[i] = ZERO
    assert not accepted(fractions.pads(3), *parties(p, q))
    p = [ZERO] * 5
    assert not accepted(fractions.pads(3), *parties(p, q))


def test_no_inverse_is_made_up_for_a_vanishing_root() -> None:
    """Shifting the inverse, or claiming another root, does not help."""
    p, q = zero_sum(4)
    q[1] = q[2] = ZERO
    for at in range(2):
        assert not accepted(fractions.pads(2), *parties(p, q), make=partial(Shifted, at=at))


def test_extra_padding_changes_nothing() -> None:
    """Leaves (0, 1) stored or left out give the same claim; a padding leaf (0, 0) is rejected, (1, 1) too."""
    p, q = zero_sum(5)
    count = fractions.pads(3)
    _, short = prove_alone(count, parties(p, q)[0])
    for numerator, denominator, fine in ((ZERO, ONE, True), (ZERO, ZERO, False), (ONE, ONE, False)):
        longer = parties(p + [numerator] * 2, q + [denominator] * 2)
        assert accepted(count, *longer) == fine
        if fine:
            proof, stored = prove_alone(count, longer[0])
            assert stored.point == short.point
            # A verifier that knows of five leaves reads the same claims.
            verify_alone(count, proof, parties(p, q)[1])


def test_layers_longer_than_one_inner_weight_table() -> None:
    """More variables than the inner equality table of a round has."""
    leaves = (1 << (fractions.LOW_WEIGHT_VARS + 2)) + 3
    rng = np.random.default_rng(0)
    p, q = random_elements(rng, leaves), random_elements(rng, leaves)
    for wrong in (0, 1):
        half = p[: leaves // 2]
        cancelled = half + [-a for a in half] + [Ext(wrong)]
        doubled = q[: leaves // 2] * 2 + [ONE]
        n_vars = variables(leaves)
        count = fractions.pads(n_vars)

        def prover(ledger: ProverLedger, backend: Backend, p: list[Ext] = cancelled, q: list[Ext] = doubled) -> None:
            fractions.prove(ledger, backend, (to_array(p), to_array(q)), variables(len(p)))

        def verifier(ledger: VerifierLedger, backend: Backend, n_vars: int = n_vars) -> None:
            fractions.verify(ledger, n_vars)

        assert len(cancelled) == leaves == len(doubled)
        assert accepted(count, prover, verifier) == (not wrong)
