from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from tests.unit.statement.builders import FORMAT, make_run, make_scales
from zkdl.errors import NotProvable
from zkdl.statement import schedule
from zkdl.statement.state import Scales


def _exact(run, scales, layer, rate):
    power = run.format.weight_frac - scales.fa[layer - 1] - scales.fg[layer - 1] - 32
    return Fraction(rate) * Fraction(2) ** power / run.batch


@pytest.mark.parametrize("weight_frac", [22, 26, 40])
def test_against_exact_rationals(weight_frac):
    run = make_run(
        schedule=((0, (1 << 31) - 7), (2, 1 << 31), (5, 987654321)), format=replace(FORMAT, weight_frac=weight_frac)
    )
    scales = Scales((8, 3, 5, 4), (7, 9, 7))
    updates = schedule.update_integers(run, scales, 1, 7)
    assert updates.shape == (3, 7) and updates.dtype == np.int64
    rates = [rate for s in range(1, 8) for rate in [[r for start, r in run.schedule if start <= s][-1]]]
    for layer in (1, 2, 3):
        expected = [floor(_exact(run, scales, layer, rate) + Fraction(1, 2)) for rate in rates]
        assert updates[layer - 1].tolist() == expected


def test_half_is_rounded_up():
    run = make_run(batch=2, schedule=((0, 1 << 32),), format=replace(FORMAT, weight_frac=17))
    assert schedule.update_integer(run, Scales((8, 0), (9,)), 1, 1 << 32) == 1
    assert schedule.update_integer(run, Scales((8, 0), (9,)), 1, 3 << 32) == 2


def test_zero_update_names_the_layer():
    run = make_run(schedule=((0, 1 << 20),))
    with pytest.raises(NotProvable) as caught:
        schedule.update_integers(run, make_scales(run), 0, 1)
    assert caught.value.code == "UPDATE_ZERO" and caught.value.where["layer"] == 1


def test_too_large_an_update():
    run = make_run(schedule=((0, 1 << 48),), format=replace(FORMAT, weight_frac=40, feature_frac=0), batch=1)
    with pytest.raises(NotProvable) as caught:
        schedule.update_integer(replace(run, batch=1), Scales((0, 0), (-8,)), 1, 1 << 48)
    assert caught.value.code == "UPDATE_RANGE"


def test_spans_cover_the_steps():
    run = make_run(schedule=((0, 5), (3, 6), (4, 7), (8, 9)))
    for first in range(9):
        for steps in range(1, 10 - first):
            spans = schedule.rate_spans(run, first, steps)
            flat = [rate for rate, count in spans for _ in range(count)]
            assert flat == [[r for start, r in run.schedule if start <= s][-1] for s in range(first, first + steps)]
