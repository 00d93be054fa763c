from dataclasses import replace

import pytest

from tests.unit.train.builders import make_training
from zkdl.errors import NotProvable
from zkdl.statement import bounds, requantise, schedule
from zkdl.statement.initialisation import bound, initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import ChainState, Scales, SegmentStatement, initial_state
from zkdl.train import formats, rates
from zkdl.train.calibrate import choose_scales, measure


def _draft(**changes):
    changes.setdefault("widths", (20, 30, 10))
    return make_training(
        examples=200, batch=16, format=formats.default_format(feature_bits=4, feature_frac=4), **changes
    )


def test_updates_keep_three_bits():
    run, features, labels = _draft(steps=100, schedule=((0, rates.from_learning_rate(0.1)),))
    weight_frac = formats.choose_weight_frac(run, features, labels)
    chosen = formats.with_weight_frac(run, weight_frac)
    chosen.validate()
    scales = choose_scales(chosen, measure(chosen, initial_weights(chosen), features, labels), {run.schedule[0][1]})
    assert schedule.update_integers(chosen, scales, 0, 1).min() >= formats.LEAST_UPDATE
    assert formats.LEAST_WEIGHT_FRAC <= weight_frac <= formats.MOST_WEIGHT_FRAC


def test_exact_rates_need_fewer_bits():
    """A power of two rounds nothing, so two is as good as eight."""
    exact, inexact = 1 << 28, (1 << 28) + 1
    chosen = []
    for rate in (exact, inexact):
        run, features, labels = _draft(steps=100, schedule=((0, rate),))
        chosen.append(formats.choose_weight_frac(run, features, labels))
        final = formats.with_weight_frac(run, chosen[-1])
        scales = choose_scales(final, measure(final, initial_weights(final), features, labels), {rate})
        errors = [schedule.rate_error(final, scales, layer, rate) for layer in range(1, final.L + 1)]
        assert (max(errors) == 0) == (rate == exact)
    assert chosen[0] < chosen[1]


def test_long_runs_get_fewer_bits():
    choices = []
    for steps in (100, 1 << 13, 1 << 16):
        run, features, labels = _draft(steps=steps, widths=(20, 300, 10), schedule=((0, (1 << 29) + 1),))
        choices.append(formats.choose_weight_frac(run, features, labels))
    assert choices[0] >= choices[1] >= choices[2] and choices[0] > choices[2]


def test_no_choice_at_all():
    run, features, labels = _draft(steps=1 << 30, schedule=((0, 1 << 36),))
    with pytest.raises(NotProvable) as caught:
        formats.choose_weight_frac(run, features, labels)
    assert caught.value.code == "WEIGHT_FRAC"


def test_a_draft_keeps_everything_else():
    run, _, _ = _draft()
    other = formats.with_weight_frac(run, 25)
    assert other.init_weight_bound == bound(other)
    assert replace(other, format=run.format, init_weight_bound=run.init_weight_bound) == run


@pytest.mark.parametrize(("rate", "integer"), [(1.0, 1 << 32), (0.1, 429496730), (2.0**-32, 1), (65536.0, 1 << 48)])
def test_learning_rates(rate, integer):
    assert rates.from_learning_rate(rate) == integer
    assert rates.to_learning_rate(integer) == pytest.approx(rate, rel=2**-28)


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf"), 2.0**-34, 2.0**17])
def test_impossible_learning_rates(rate):
    with pytest.raises(NotProvable) as caught:
        rates.from_learning_rate(rate)
    assert caught.value.code == "LEARNING_RATE"


def test_static_bounds_of_a_usual_network():
    """784-256-256-10, batch 64, one epoch of 60000, rate 0.1, 10-bit formats, segments of 128 steps."""
    widths = (784, 256, 256, 10)
    run, _, _ = make_training(examples=1)
    run = RunStatement(
        **vars(run)
        | {
            "widths": widths,
            "bias": (True,) * 3,
            "batch": 64,
            "examples": 60000,
            "steps": 938,
            "schedule": ((0, rates.from_learning_rate(0.1)),),
            "format": formats.default_format(),
        }
    )
    run = formats.with_weight_frac(run, 28)
    run.validate()
    scales = Scales((8, 6, 6, 5), (7, 9, 9))
    state, worst = initial_state(run), 0
    for index, first in enumerate(range(0, 938, 128)):
        steps = min(128, 938 - first)
        end = ChainState("", *bounds.grow(run, scales, first, steps, state), first + steps)
        limbs = requantise.choose_limbs(run, scales, steps)
        segment = SegmentStatement(index, first, steps, scales, limbs, state, end)
        segment.validate(run, with_roots=False)
        worst = max(worst, *(max(b.forward, b.backward or 0) for b in bounds.layer_bounds(run, segment)))
        state = end
    assert 55 <= worst.bit_length() <= 58
