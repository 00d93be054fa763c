"""The product in the division with remainder, alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.support.alone import (
    accepted,
    check_every_change_is_rejected,
    check_every_shift_is_rejected,
    extension_at,
    prove_alone,
    random_elements,
    random_table,
    reveal,
    verify_alone,
)
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, from_array
from zkdl.backend.base import Backend
from zkdl.errors import Rejected
from zkdl.hiding.ledger import ProverLedger, VerifierLedger, constant
from zkdl.protocols import loss
from zkdl.protocols.loss import DivisionClaims


def parties(weight: list[Ext], sums: Array, quotients: Array, claimed: Ext) -> tuple[Callable, Callable]:
    def close(ledger: ProverLedger | VerifierLedger, claims: DivisionClaims) -> DivisionClaims:
        # The committed columns would answer these two claims.
        ledger.require_zero(claims.sums - extension_at(sums, claims.point))
        ledger.require_zero(claims.quotients - extension_at(quotients, claims.point))
        return claims

    def prover(ledger: ProverLedger, backend: Backend) -> DivisionClaims:
        return close(ledger, loss.prove(ledger, backend, constant(claimed), weight, sums, quotients))

    def verifier(ledger: VerifierLedger, backend: Backend) -> DivisionClaims:
        return close(ledger, loss.verify(ledger, constant(claimed), weight))

    return prover, verifier


def example(n_vars: int) -> tuple[list[Ext], Array, Array, Ext]:
    """The claim is the extension of the pointwise products: the definition."""
    rng = np.random.default_rng(n_vars)
    sums, quotients = random_table(rng, 1 << n_vars), random_table(rng, 1 << n_vars)
    weight = random_elements(rng, n_vars)
    products = [s * q for s, q in zip(from_array(sums), from_array(quotients), strict=True)]
    return weight, sums, quotients, extension_at(products, weight)


@pytest.mark.parametrize("n_vars", [0, 1, 2, 4])
def test_true_and_false_products(n_vars: int) -> None:
    """T13, T15: one slot up to sixteen; the claims left over are the tables' values at the point."""
    weight, sums, quotients, claimed = example(n_vars)
    prover, verifier = parties(weight, sums, quotients, claimed)
    proof, _ = prove_alone(loss.pads(n_vars), prover)
    claims = verify_alone(loss.pads(n_vars), proof, verifier)
    assert reveal(loss.pads(n_vars), claims.sums) == extension_at(sums, claims.point)
    assert reveal(loss.pads(n_vars), claims.quotients) == extension_at(quotients, claims.point)
    for off in (ONE, Ext(0, 1)):
        assert not accepted(loss.pads(n_vars), *parties(weight, sums, quotients, claimed + off))


@pytest.mark.parametrize("n_vars", [0, 1, 3])
def test_each_message_is_bound(n_vars: int) -> None:
    """Both values of every round, sum and quotient."""
    prover, verifier = parties(*example(n_vars))
    check_every_shift_is_rejected(loss.pads(n_vars), prover, verifier)
    check_every_change_is_rejected(loss.pads(n_vars), prove_alone(loss.pads(n_vars), prover)[0], verifier)


def test_a_product_is_not_the_product_of_sums() -> None:
    """The weighted sum of products, not the product of weighted sums."""
    weight, sums, quotients, _ = example(2)
    wrong = extension_at(sums, weight) * extension_at(quotients, weight)
    assert not accepted(loss.pads(2), *parties(weight, sums, quotients, wrong))


def test_a_vanishing_weight_is_rejected() -> None:
    """T16: by the prover's own arithmetic as well as by the verifier's."""
    weight, sums, quotients, claimed = example(2)
    proof, _ = prove_alone(loss.pads(2), parties(weight, sums, quotients, claimed)[0])
    prover, verifier = parties([weight[0], ZERO], sums, quotients, claimed)
    for run in (lambda: prove_alone(loss.pads(2), prover), lambda: verify_alone(loss.pads(2), proof, verifier)):
        with pytest.raises(Rejected) as error:
            run()
        assert error.value.code == "SUMCHECK_WEIGHT"
