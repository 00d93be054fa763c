"""The weights at every step and the final weights, unrolled over the steps, against a plain loop of updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
from zkdl.hiding.ledger import Affine, ProverLedger, VerifierLedger, constant
from zkdl.protocols import unroll
from zkdl.protocols.matmul import MatmulClaims, MatmulShape
from zkdl.protocols.unroll import UnrollClaims, UpdateSchedule, WeightValues


@dataclass
class Case:
    """Random factors of every product, and the weight values that follow from them by stepping."""

    shape: MatmulShape
    schedule: UpdateSchedule
    claims: MatmulClaims
    start: WeightValues
    end: WeightValues
    direct: list[tuple[Array, Array]]
    transposed: list[tuple[Array, Array]]


def stepped(schedule: UpdateSchedule, layer: int, start: Ext, per_slot: list[Ext]) -> tuple[list[Ext], Ext]:
    """Value before every padded step, and after the last one: each step subtracts c times its present slots."""
    width, value, history = 1 << schedule.log_batch, start, []
    for t in range(1 << schedule.log_steps):
        history.append(value)
        if t < len(schedule.sizes):
            for b in range(int(schedule.sizes[t])):
                value = value - per_slot[t * width + b] * int(schedule.updates[layer, t])
    return history, value


def example(
    layers: int = 2, log_steps: int = 2, log_batch: int = 1, sizes: tuple[int, ...] = (2, 1, 2), bias: int = 1
) -> Case:
    """bias: 0 for none, 1 for every second layer, 2 for all."""
    rng = np.random.default_rng(layers + 10 * log_steps + bias)
    has_bias = tuple(bias == 2 or (bias == 1 and l % 2 == 0) for l in range(layers))
    shape = MatmulShape((0,) * (layers + 1), log_steps, has_bias, tuple(8 << l for l in range(layers)))
    schedule = UpdateSchedule(rng.integers(1, 100, (layers, len(sizes))), np.array(sizes), log_steps, log_batch)
    slots = 1 << (log_steps + log_batch)
    direct = [(random_table(rng, slots), random_table(rng, slots)) for _ in range(layers)]
    transposed = [(random_table(rng, slots), random_table(rng, slots)) for _ in range(layers - 1)]
    step_point = random_elements(rng, log_steps)

    def unrolled(layer: int, per_slot: list[Ext]) -> tuple[Affine, Affine, Affine]:
        """Values at the start, at t' and at the end."""
        first = random_elements(rng, 1)[0]
        history, last = stepped(schedule, layer, first, per_slot)
        return constant(first), constant(extension_at(history, step_point)), constant(last)

    def products(a: Array, g: Array) -> list[Ext]:
        return [x * y for x, y in zip(from_array(a), from_array(g), strict=True)]

    plain = [unrolled(l, products(a, g)) for l, (a, g) in enumerate(direct)]
    biases = [
        unrolled(l, [x * shape.bias_units[l] for x in from_array(direct[l][1])]) if has else (None,) * 3
        for l, has in enumerate(has_bias)
    ]
    others = [unrolled(l + 1, products(a, g)) for l, (a, g) in enumerate(transposed)]

    def values(which: int, with_transposed: bool) -> WeightValues:
        chosen = [o[which] for o in others] if with_transposed else []
        return WeightValues([w[which] for w in plain], [b[which] for b in biases], chosen)

    middle = values(1, True)
    claims = MatmulClaims([], step_point, [], middle.weights, middle.biases, [], middle.transposed)
    return Case(shape, schedule, claims, values(0, True), values(2, False), direct, transposed)


def expected(case: Case, found: UnrollClaims) -> list[list[Ext]]:
    point = found.step_point + found.example_point
    pairs = (case.direct, case.transposed)
    return [[extension_at(pair[i], point) for pair in side] for side in pairs for i in range(2)]


def hidden(found: UnrollClaims) -> list[list[Affine]]:
    return [found.activations, found.folded_gradients, found.folded_activations, found.gradients]


def parties(case: Case) -> tuple[Callable, Callable]:
    common = case.shape, case.schedule, case.claims, case.start, case.end

    def close(ledger: ProverLedger | VerifierLedger, found: UnrollClaims) -> UnrollClaims:
        for claims, values in zip(hidden(found), expected(case, found), strict=True):
            for claim, value in zip(claims, values, strict=True):
                ledger.require_zero(claim - value)
        return found

    def prover(ledger: ProverLedger, backend: Backend) -> UnrollClaims:
        return close(ledger, unroll.prove(ledger, backend, *common, case.direct, case.transposed))

    def verifier(ledger: VerifierLedger, backend: Backend) -> UnrollClaims:
        return close(ledger, unroll.verify(ledger, backend, *common))

    return prover, verifier


CASES = {
    "two layers": {},
    "all biases": {"bias": 2, "layers": 3},
    "no bias": {"bias": 0},
    "one layer": {"layers": 1},
    "one step": {"log_steps": 0, "sizes": (2,)},
    "one slot": {"log_steps": 0, "log_batch": 0, "sizes": (1,), "layers": 1},
    "full": {"sizes": (2, 2, 2, 2)},
    "an empty step": {"sizes": (1, 0, 2)},
}


@pytest.mark.parametrize("name", CASES)
def test_a_true_run_is_proven(name: str) -> None:
    """T13, T15: what is left hides the factors' extensions at the common step and example."""
    case = example(**CASES[name])
    count = unroll.pads(case.shape, case.schedule)
    prover, verifier = parties(case)
    proof, sent = prove_alone(count, prover)
    found = verify_alone(count, proof, verifier)
    assert (found.step_point, found.example_point) == (sent.step_point, sent.example_point)
    assert len(found.step_point) == case.schedule.log_steps and len(found.example_point) == case.schedule.log_batch
    assert [[reveal(count, c) for c in claims] for claims in hidden(found)] == expected(case, found)


def wrong_cases(case: Case) -> list[Case]:
    """One value wrong: W_in, W at t', W_out, each also for biases and transposed weights."""
    out = []
    for part in ("start", "claims", "end"):
        values = getattr(case, part)
        for field in ("weights", "biases", "transposed"):
            for i, value in enumerate(getattr(values, field)):
                if value is not None:
                    changed = list(getattr(values, field))
                    changed[i] = value + ONE
                    out.append(replace(case, **{part: replace(values, **{field: changed})}))
    return out


@pytest.mark.parametrize("name", CASES)
def test_one_wrong_weight_is_rejected(name: str) -> None:
    """At the start, at the claimed step or at the end; a weight, a bias or a transposed weight."""
    case = example(**CASES[name])
    wrong = wrong_cases(case)
    layers, biases = case.shape.layers, sum(case.shape.bias)
    assert len(wrong) == 3 * layers + 3 * biases + 2 * (layers - 1)
    for changed in wrong:
        assert not accepted(unroll.pads(case.shape, case.schedule), *parties(changed))


def test_errors_that_cancel_in_a_plain_sum_are_rejected() -> None:
    """Equations have different powers of rho."""
    case = example()
    first, second = case.end.weights
    changed = replace(case, end=replace(case.end, weights=[first + ONE, second - ONE]))
    assert not accepted(unroll.pads(case.shape, case.schedule), *parties(changed))


@pytest.mark.parametrize("what", ["rate", "absent example", "batch size", "later step", "bias unit"])
def test_another_schedule_is_rejected(what: str) -> None:
    """A rate, an example that is not there, a step that is skipped, another scale of the bias."""
    case = example()
    updates, sizes = case.schedule.updates.copy(), case.schedule.sizes.copy()
    shape = case.shape
    if what == "rate":
        updates[1, 2] += 1
    elif what == "absent example":
        sizes[1] = 2
    elif what == "batch size":
        sizes[0] = 1
    elif what == "later step":
        updates, sizes = np.concatenate([updates, updates[:, :1]], axis=1), np.append(sizes, 1)
    else:
        shape = replace(shape, bias_units=(16, 16))
    schedule = replace(case.schedule, updates=updates, sizes=sizes)
    changed = replace(case, schedule=schedule, shape=shape)
    assert not accepted(unroll.pads(case.shape, case.schedule), *parties(changed))


@pytest.mark.parametrize("name", ["two layers", "all biases", "no bias", "one layer", "full"])
def test_each_message_is_bound(name: str) -> None:
    """All values of every round, all factors."""
    case = example(**CASES[name])
    count = unroll.pads(case.shape, case.schedule)
    prover, verifier = parties(case)
    check_every_shift_is_rejected(count, prover, verifier)
    if name == "two layers":
        check_every_change_is_rejected(count, prove_alone(count, prover)[0], verifier)


def test_the_first_step_has_no_past() -> None:
    """With one padded step nothing was updated before it: the weights at t' are the initial ones."""
    case = example(**CASES["one step"])
    assert [w.known for w in case.claims.weights] == [w.known for w in case.start.weights]
    assert case.end.weights[0].known != case.start.weights[0].known
    assert case.claims.step_point == [] and ZERO not in [w.known for w in case.end.weights]
