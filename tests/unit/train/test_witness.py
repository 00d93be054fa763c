"""Every relation of review.md (a), asserted with Python integers on the columns of small segments."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.unit.statement.builders import make_scales, make_segment
from tests.unit.train.builders import FORMAT, committed, make_training
from zkdl.statement import requantise, sampler, schedule
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.segment import Limbs
from zkdl.statement.tables import build_tables
from zkdl.statement.weights import Weights
from zkdl.train.segment import run_segment

COLUMNS = ("z_hi", "z_mid", "z_low", "A", "S", "p_hi", "p_mid", "p_low", "G", "Y", "E", "I0", "q", "R")


@dataclass
class Case:
    """One executed segment with everything it wrote, as Python integers, axes (slots t, slots b, units)."""

    run: object
    segment: object
    start: Weights
    end: Weights
    columns: dict
    features: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray
    factors: np.ndarray

    def column(self, name, layer):
        width = self.run.widths[layer]
        return self.columns[name, layer][:width].transpose(1, 2, 0).astype(object)

    def activation(self, layer):
        return self.features if layer == 0 else self.column("A", layer)

    def gradient(self, layer):
        if layer == self.run.L and self.run.loss == "mse":
            return self.column("Y", layer) - (1 << self.segment.scales.fa[-1]) * self.labels
        return self.column("G", layer)

    def mask(self, s):
        return (np.arange(self.features.shape[1]) < self.sizes[s]).astype(object)[:, None]

    def weights(self, layer, t):
        """Virtual weights: W_l[t] = W_l[0] - sum_{s<t} c A^T G over real examples, and the bias likewise."""
        matrix, bias = self.start.W[layer - 1].astype(object), self.start.b[layer - 1]
        bias = None if bias is None else bias.astype(object)
        for s in range(min(t, self.segment.steps)):
            c = int(self.factors[layer - 1, s])
            gradient = self.gradient(layer)[s] * self.mask(s)
            matrix = matrix - c * (self.activation(layer - 1)[s].T @ gradient)
            if bias is not None:
                bias = bias - c * (1 << self.segment.scales.fa[layer - 1]) * gradient.sum(axis=0)
        return matrix, bias


CASES = {
    "ce-padded": {},
    "ce-powers-of-two": {"batch": 2, "steps": 4, "examples": 8},
    "mse-padded": {"loss": "mse"},
    "mse-no-bias": {"loss": "mse", "bias": (False, False, False)},
    "ce-mixed-bias": {"bias": (True, False, True)},
    "ce-one-layer": {"widths": (6, 3)},
    "mse-one-layer-no-bias": {"widths": (5, 1), "bias": (False,), "loss": "mse"},
    "ce-two-layers-drop": {"widths": (7, 9, 5), "last_batch": "drop", "batch": 5, "examples": 13},
    "ce-one-example": {"batch": 1, "steps": 1},
    "ce-signed-features": {"format": replace(FORMAT, feature_min=-8)},
    "ce-rates": {"schedule": ((0, 1 << 31), (1, 1 << 30), (2, 3 << 29)), "steps": 5},
    "ce-large-rate": {"schedule": ((0, 1 << 34),), "steps": 5},
}


def _execute(changes, limbs=None):
    run, features, labels = make_training(**({"steps": 3} | changes))
    scales = make_scales(run, 4, 7)
    segment = make_segment(run, run.steps, scales=scales)
    if limbs is not None:
        segment = replace(segment, limbs=limbs)
    segment.validate(run)
    start = initial_weights(run)
    indices, sizes = sampler.batch_indices(run, sampler.seed(run), 0, run.steps)
    steps, batch = 1 << (run.steps - 1).bit_length(), 1 << (run.batch - 1).bit_length()
    columns = {}
    for layer, width in enumerate(run.widths):
        for name in COLUMNS:
            # A unit more than there is, which must stay untouched.
            columns[name, layer] = np.full((width + 1, steps, batch), -7, dtype=np.int32)
    columns["mx", run.L] = np.full((steps, batch), -7, dtype=np.int32)
    before = start.copy()
    result = run_segment(run, segment, start, features, labels, indices, sizes, views=columns)
    assert start.equal(before)
    slots = np.zeros((steps, batch, run.widths[0]), dtype=object)
    targets = np.zeros((steps, batch, run.classes), dtype=object)
    for t in range(run.steps):
        for b in range(int(sizes[t])):
            slots[t, b] = features[indices[t, b]]
            targets[t, b, labels[indices[t, b]]] = 1
    factors = schedule.update_integers(run, scales, 0, run.steps)
    return Case(run, segment, start, result.weights_out, columns, slots, targets, sizes, factors)


def _limbs_hold(case, kind, layer, requant, product):
    high, low = case.column(f"{kind}_hi", layer), case.column(f"{kind}_low", layer)
    total = high * (1 << requant.h) + low
    if requant.mid_bits:
        middle = case.column(f"{kind}_mid", layer)
        assert (0 <= middle).all() and (middle < 1 << requant.mid_bits).all()
        total = total + middle * (1 << requant.low_bits)
    else:
        assert (case.columns[f"{kind}_mid", layer] == -7).all()
    assert (total == product + requant.offset).all()
    assert (0 <= high).all() and (high < 1 << requant.top_bits).all()
    assert (0 <= low).all() and (low < 1 << requant.low_bits).all()


def _in_table(table, *columns):
    """Every tuple of entries is a row of the table."""
    rows = set(zip(*(column.tolist() for column in table.columns), strict=True))
    used = set(zip(*(column.ravel().tolist() for column in columns), strict=True))
    assert used <= rows


def _check_products(case):
    run, segment, scales = case.run, case.segment, case.segment.scales
    for layer in range(1, run.L + 1):
        product = []
        for t in range(case.features.shape[0]):
            matrix, bias = case.weights(layer, t)
            z = case.activation(layer - 1)[t] @ matrix
            product.append(z if bias is None else z + (1 << scales.fa[layer - 1]) * bias)
        _limbs_hold(case, "z", layer, requantise.forward(run, segment, layer), np.stack(product))
    for layer in range(1, run.L):
        product = [case.gradient(layer + 1)[t] @ case.weights(layer + 1, t)[0].T for t in range(case.features.shape[0])]
        _limbs_hold(case, "p", layer, requantise.backward(run, segment, layer), np.stack(product))


def _check_tables(case, tables):
    run = case.run
    for layer in range(1, run.L):
        _in_table(tables["activation"], *(case.column(name, layer) for name in ("z_hi", "A", "S")))
        _in_table(tables["gradient"], *(case.column(name, layer) for name in ("p_hi", "S", "G")))
    _in_table(tables["logit"], case.column("z_hi", run.L), case.column("Y", run.L))


def _check_softmax(case, tables):
    run, last = case.run, case.run.L
    fg = case.segment.scales.fg[-1]
    largest = case.columns["mx", last].astype(object)[:, :, None]
    logits, values, equal = (case.column(name, last) for name in ("Y", "E", "I0"))
    quotients, remainders = case.column("q", last), case.column("R", last)
    assert (largest[:, :, 0] == logits.max(axis=2)).all()
    _in_table(tables["exp"], largest - logits, values, equal)
    counts = equal.sum(axis=2)
    assert (1 <= counts).all() and (counts <= run.classes).all()
    total = values.sum(axis=2, keepdims=True)
    assert (2 ** (fg + 1) * values + total == 2 * total * quotients + remainders).all()
    limit = 1 << requantise.remainder_bits(run)
    rest = 2 * total - 1 - remainders
    assert (0 <= remainders).all() and (remainders < limit).all()
    assert (0 <= rest).all() and (rest < limit).all()
    assert (quotients == ((values << fg) + total // 2) // total).all()
    _in_table(tables["probability"], quotients, case.labels, case.column("G", last))


def _check_result(case):
    for layer in range(1, case.run.L + 1):
        matrix, bias = case.weights(layer, case.segment.steps)
        assert (case.end.W[layer - 1] == matrix).all()
        assert (case.end.b[layer - 1] is None) == (bias is None)
        if bias is not None:
            assert (case.end.b[layer - 1] == bias).all()


def _check(case):
    tables = build_tables(case.run, case.segment)
    _check_products(case)
    _check_tables(case, tables)
    if case.run.loss == "ce":
        _check_softmax(case, tables)
    else:
        assert (case.columns["G", case.run.L] == -7).all()
    _check_result(case)
    for (name, layer), column in case.columns.items():
        if name != "mx":
            assert (column[case.run.widths[layer] :] == -7).all(), (name, layer)


@pytest.mark.parametrize("name", CASES)
def test_relations(name):
    case = _execute(CASES[name])
    _check(case)
    assert not case.start.equal(case.end), "nothing was learned"


@pytest.mark.parametrize("limbs", [Limbs(6, 6, 21), Limbs(0, 0, 13), Limbs(3, 1, 15), Limbs(2, 5, 18)])
def test_relations_with_two_and_three_limbs(limbs):
    case = _execute({}, limbs)
    _check(case)
    reference = _execute({})
    assert case.end.equal(reference.end), "limbs must not change the training"


def test_padded_slots_are_the_pass_of_a_zero_input():
    """Seven examples in batches of three: a partial batch, an absent slot in every batch, an absent step."""
    case = _execute({})
    assert case.sizes.tolist() == [3, 3, 1]
    for t, b in [(0, 3), (2, 1), (2, 3), (3, 0), (3, 3)]:
        _, bias = case.weights(1, t)
        requant = requantise.forward(case.run, case.segment, 1)
        total = bias * (1 << case.segment.scales.fa[0]) + requant.offset
        assert (case.column("z_hi", 1)[t, b] == total >> requant.h).all()
    assert (case.column("z_hi", 3)[3] == case.column("z_hi", 3)[3, 0]).all()


def test_columns_that_are_not_held_are_left_out():
    case = _execute({})
    run, features, labels = make_training(steps=3)
    indices, sizes = sampler.batch_indices(run, sampler.seed(run), 0, 3)
    column = np.zeros((5, 4, 4), dtype=np.int32)
    run_segment(run, case.segment, case.start, features, labels, indices, sizes, views={("A", 1): column})
    assert (column == case.columns["A", 1][:5]).all()


def test_committed_start_with_wide_weights():
    """Weights near their bound need limbs in the float64 products."""
    run, features, labels = make_training(steps=1, batch=2)
    run = committed(run, 1 << 46, 1 << 30)
    run.validate()
    segment = make_segment(run, 1, scales=make_scales(run, 4, 7))
    rng = np.random.default_rng(3)
    start = initial_weights(make_training(steps=1, batch=2)[0])
    start.W[0] += rng.integers(-1, 2, start.W[0].shape) << 45
    start.W[0][0] = -start.W[0][1:].sum(axis=0)
    features[:] = 9
    indices, sizes = sampler.batch_indices(run, sampler.seed(run), 0, 1)
    result = run_segment(run, segment, start, features, labels, indices, sizes)
    assert result.good_steps == 1
