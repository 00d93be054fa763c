"""All products of all layers and steps in one sumcheck, against three nested loops."""

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
from zkdl.protocols import matmul
from zkdl.protocols.matmul import MatmulClaims, MatmulShape, MatmulTables

# Wide and narrow layers, with and without bias; one layer; one step; widths of one unit.
SHAPES = {
    "three layers": MatmulShape((2, 1, 0, 2), 2, (True, False, True), (16, 8, 4)),
    "narrow first": MatmulShape((0, 1, 2), 1, (False, True), (16, 8)),
    "one layer": MatmulShape((2, 1), 2, (True,), (16,)),
    "one step": MatmulShape((1, 2, 1), 0, (True, True), (1, 2)),
    "one of everything": MatmulShape((0, 0), 0, (True,), (4,)),
    "no bias": MatmulShape((1, 1, 1), 1, (False, False), (16, 8)),
}


def tables(shape: MatmulShape, seed: int = 0) -> MatmulTables:
    rng = np.random.default_rng(seed)

    def one(log_units: int) -> Array:
        return random_table(rng, 1 << (log_units + shape.log_steps))

    widths, layers = shape.log_widths, shape.layers
    return MatmulTables(
        [one(widths[l]) for l in range(layers)],
        [one(widths[l]) for l in range(layers)],
        [one(0) if has else None for has in shape.bias],
        [one(widths[l + 2]) for l in range(layers - 1)],
        [one(widths[l + 2]) for l in range(layers - 1)],
    )


def plain_claim(shape: MatmulShape, data: MatmulTables, tau: list[Ext]) -> Ext:
    """sum_t eq(tau, t) (sum_l sum_x A W + 2^fa b + sum_l sum_x G W'), the definition."""
    steps = 1 << shape.log_steps
    per_step = [ZERO] * steps
    pairs = [*zip(data.activations, data.weights, strict=True), *zip(data.gradients, data.transposed, strict=True)]
    for left, right in pairs:
        for i, (a, w) in enumerate(zip(from_array(left), from_array(right), strict=True)):
            per_step[i % steps] = per_step[i % steps] + a * w
    for bias, unit in zip(data.biases, shape.bias_units, strict=True):
        for t, value in enumerate(from_array(bias) if bias is not None else []):
            per_step[t] = per_step[t] + value * unit
    return extension_at(per_step, tau)


def expected(shape: MatmulShape, data: MatmulTables, claims: MatmulClaims) -> dict[str, list[Ext | None]]:
    """What the claims must hide: the tables' extensions at x' (lowest variables) and t'."""

    def at(table: Array) -> Ext:
        units = (len(table) >> shape.log_steps).bit_length() - 1
        return extension_at(table, claims.low(units) + claims.step_point)

    names = ("activations", "weights", "biases", "gradients", "transposed")
    return {name: [None if t is None else at(t) for t in getattr(data, name)] for name in names}


def parties(shape: MatmulShape, data: MatmulTables, tau: list[Ext], claimed: Ext) -> tuple[Callable, Callable]:
    def close(ledger: ProverLedger | VerifierLedger, claims: MatmulClaims) -> MatmulClaims:
        for name, values in expected(shape, data, claims).items():
            for hidden, value in zip(getattr(claims, name), values, strict=True):
                assert (hidden is None) == (value is None)
                if value is not None:
                    ledger.require_zero(hidden - value)
        return claims

    def prover(ledger: ProverLedger, backend: Backend) -> MatmulClaims:
        return close(ledger, matmul.prove(ledger, backend, shape, constant(claimed), tau, data))

    def verifier(ledger: VerifierLedger, backend: Backend) -> MatmulClaims:
        return close(ledger, matmul.verify(ledger, shape, constant(claimed), tau))

    return prover, verifier


def example(name: str) -> tuple[MatmulShape, MatmulTables, list[Ext], Ext]:
    shape = SHAPES[name]
    data, tau = tables(shape), random_elements(np.random.default_rng(9), shape.log_steps)
    return shape, data, tau, plain_claim(shape, data, tau)


@pytest.mark.parametrize("name", SHAPES)
def test_a_true_claim_is_proven(name: str) -> None:
    """T13, T15: every claim that is left hides the table's value at the common point."""
    shape, data, tau, claimed = example(name)
    prover, verifier = parties(shape, data, tau, claimed)
    proof, sent = prove_alone(matmul.pads(shape), prover)
    claims = verify_alone(matmul.pads(shape), proof, verifier)
    assert (claims.unit_point, claims.step_point) == (sent.unit_point, sent.step_point)
    assert len(claims.unit_point) == shape.log_unit and len(claims.step_point) == shape.log_steps
    for field, values in expected(shape, data, claims).items():
        found = [None if c is None else reveal(matmul.pads(shape), c) for c in getattr(claims, field)]
        assert found == values, field


@pytest.mark.parametrize("name", SHAPES)
def test_a_false_claim_is_rejected(name: str) -> None:
    """Off by one in either coordinate."""
    shape, data, tau, claimed = example(name)
    for off in (ONE, Ext(0, 1)):
        assert not accepted(matmul.pads(shape), *parties(shape, data, tau, claimed + off))


@pytest.mark.parametrize("name", SHAPES)
def test_each_message_is_bound(name: str) -> None:
    """Rounds, factors of every layer, biases."""
    shape, data, tau, claimed = example(name)
    prover, verifier = parties(shape, data, tau, claimed)
    check_every_shift_is_rejected(matmul.pads(shape), prover, verifier)
    if name == "three layers":
        check_every_change_is_rejected(matmul.pads(shape), prove_alone(matmul.pads(shape), prover)[0], verifier)


def test_other_sizes_of_the_same_tables_are_rejected() -> None:
    """A bias unit, a bias that is left out of the claim, one step more in weight."""
    shape, data, tau, claimed = example("three layers")
    units = MatmulShape(shape.log_widths, shape.log_steps, shape.bias, (8, 8, 4))
    assert not accepted(matmul.pads(shape), *parties(units, data, tau, claimed))
    without = MatmulTables(data.activations, data.weights, [None] * 3, data.gradients, data.transposed)
    wrong = plain_claim(MatmulShape(shape.log_widths, 2, (False,) * 3, (16, 8, 4)), without, tau)
    assert not accepted(matmul.pads(shape), *parties(shape, data, tau, wrong))
    assert not accepted(matmul.pads(shape), *parties(shape, data, tau[::-1], claimed))


def test_a_vanishing_weight_is_rejected() -> None:
    """T16: a coordinate of tau that is zero."""
    shape, data, tau, claimed = example("one layer")
    proof, _ = prove_alone(matmul.pads(shape), parties(shape, data, tau, claimed)[0])
    with pytest.raises(Rejected) as error:
        verify_alone(matmul.pads(shape), proof, parties(shape, data, [tau[0], ZERO], claimed)[1])
    assert error.value.code == "SUMCHECK_WEIGHT"
