from dataclasses import replace

import numpy as np
import pytest

from tests.unit.statement.builders import make_scales, make_segment
from tests.unit.train.builders import FORMAT, committed, make_training
from zkdl.errors import OutOfRange
from zkdl.statement import sampler
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.segment import Scales
from zkdl.statement.weights import Weights
from zkdl.train.segment import mean_loss, run_segment


def _run(run, segment, weights, features, labels, **options):
    indices, sizes = sampler.batch_indices(run, sampler.seed(run), segment.first_step, segment.steps)
    return run_segment(run, segment, weights, features, labels, indices, sizes, **options)


def test_two_executions_agree():
    run, features, labels = make_training(steps=9)
    segment = make_segment(run, 9, scales=make_scales(run, 4, 7))
    first, second = (_run(run, segment, initial_weights(run), features, labels) for _ in range(2))
    assert first.weights_out.equal(second.weights_out)
    assert (first.loss == second.loss).all() and first.good_steps == 9 and first.stopped is None


def test_cutting_a_segment_in_two_changes_nothing():
    run, features, labels = make_training(steps=9)
    scales = make_scales(run, 4, 7)
    whole = _run(run, make_segment(run, 9, scales=scales), initial_weights(run), features, labels)
    head = _run(run, make_segment(run, 4, scales=scales), initial_weights(run), features, labels)
    tail_statement = replace(make_segment(run, 5, scales=scales), first_step=4)
    tail = _run(run, tail_statement, head.weights_out, features, labels)
    assert tail.weights_out.equal(whole.weights_out)


def test_the_loss_falls():
    run, features, labels = make_training(steps=200, batch=7, schedule=((0, 1 << 31),))
    segment = make_segment(run, 200, scales=make_scales(run, 4, 7))
    result = _run(run, segment, initial_weights(run), features, labels)
    assert result.loss[-1] < 0.5 * result.loss[0]


def _divergent(steps=30, **changes):
    """Squared error with a rate so large that values grow without bound."""
    fields = {"steps": steps, "loss": "mse", "batch": 4, "examples": 8, "schedule": ((0, 3 << 32),)} | changes
    run, features, labels = make_training(**fields)
    return run, make_segment(run, steps, scales=make_scales(run, 6, 5)), features, labels


def test_a_value_out_of_range_carries_step_and_layer():
    run, segment, features, labels = _divergent()
    with pytest.raises(OutOfRange) as caught:
        _run(run, segment, initial_weights(run), features, labels)
    assert 0 < caught.value.where["step"] < 30 and 1 <= caught.value.where["layer"] <= 3
    assert caught.value.exit_status == 4 and caught.value.code == "OUT_OF_RANGE"


@pytest.mark.parametrize(("rate", "expected", "failed"), [(5 << 31, 2, 2), (15 << 29, 2, 3)])
def test_stop_at_the_last_good_step(rate, expected, failed):
    """Where even a zero input fails at the last good step, the segment is cut to a power of two: no pad steps."""
    run, segment, features, labels = _divergent(schedule=((0, rate),))
    weights = initial_weights(run)
    stopped = _run(run, segment, weights, features, labels, stop_on_range=True)
    good = stopped.good_steps
    assert good == len(stopped.loss) == expected and stopped.stopped.where["step"] == failed
    again = _run(run, make_segment(run, good, scales=segment.scales), weights, features, labels)
    assert again.weights_out.equal(stopped.weights_out)
    with pytest.raises(OutOfRange):
        _run(run, make_segment(run, good + 1, scales=segment.scales), weights, features, labels)


def _unfit_for_zero_inputs(steps):
    """One layer whose bias alone leaves the limb while every example brings it back."""
    run, features, labels = make_training(widths=(4, 2), loss="mse", batch=2, examples=2, steps=steps)
    run = committed(run, 1 << 36, 1 << 40)
    run.validate()
    features[:] = 15
    limit = 1 << (run.format.activation_bits + run.format.headroom_bits - run.format.logit_frac)
    bias = np.full(2, (limit + 1) << run.format.weight_frac, dtype=np.int64)
    weights = Weights([np.repeat(-bias[None, :] * 4 // 15, 4, axis=0)], [bias])
    return run, weights, features, labels


def test_absent_steps_must_be_in_range_too():
    run, weights, features, labels = _unfit_for_zero_inputs(4)
    scales = Scales((4, 4), (4,))
    assert _run(run, make_segment(run, 4, scales=scales), weights, features, labels).good_steps == 4
    three = make_segment(run, 3, scales=scales)
    with pytest.raises(OutOfRange) as caught:
        _run(run, three, weights, features, labels)
    assert caught.value.where["step"] == 3
    cut = _run(run, three, weights, features, labels, stop_on_range=True)
    assert cut.good_steps == 2 and cut.stopped is not None
    two = _run(run, make_segment(run, 2, scales=scales), weights, features, labels)
    assert cut.weights_out.equal(two.weights_out)


def test_absent_examples_must_be_in_range_too():
    run, weights, features, labels = _unfit_for_zero_inputs(4)
    run = replace(run, batch=4)
    with pytest.raises(OutOfRange) as caught:
        _run(run, make_segment(run, 1, scales=Scales((4, 4), (4,))), weights, features, labels)
    assert caught.value.where["step"] == 0
    stopped = _run(
        run, make_segment(run, 1, scales=Scales((4, 4), (4,))), weights, features, labels, stop_on_range=True
    )
    assert stopped.good_steps == 0 and stopped.weights_out.equal(weights)


def test_clamps_are_counted():
    run, features, labels = make_training(steps=3)
    fine = _run(run, make_segment(run, 3, scales=make_scales(run, 4, 5)), initial_weights(run), features, labels)
    assert fine.clamp_counts.tolist() == [0, 0, 0]
    tight = _run(run, make_segment(run, 3, scales=make_scales(run, 9, 9)), initial_weights(run), features, labels)
    assert tight.ranges.activation_clamps[:2].sum() > 0 and tight.ranges.gradient_clamps.sum() > 0
    assert tight.clamp_counts.tolist()[2] == tight.ranges.activation_clamps[2]
    loose, close = (r.ranges.headroom_bits(r.plan) for r in (fine, tight))
    assert len(loose) == 3 and all(a > b > 0 for a, b in zip(loose[:2], close[:2], strict=True))


def test_mean_loss_by_hand():
    run, _, _ = make_training()
    logits, labels = np.array([[16, 0, -16], [32, 32, 0]]), np.array([0, 2])
    real = logits / 16
    expected = np.mean([np.log(np.exp(row).sum()) - row[y] for row, y in zip(real, labels, strict=True)])
    assert mean_loss(run, logits, labels) == pytest.approx(expected)
    expected = np.mean(0.5 * ((real - np.eye(3)[labels]) ** 2).sum(axis=1))
    assert mean_loss(replace(run, loss="mse"), logits, labels) == pytest.approx(expected)


def test_saturated_units_pass_the_gradient():
    """Clamping is straight-through: review.md lists it as a property of the gradient table."""
    run, features, labels = make_training(
        steps=1, format=replace(FORMAT, activation_bits=2, headroom_bits=8), widths=(6, 5, 3)
    )
    columns = {(name, 1): np.zeros((5, 1, 4), dtype=np.int32) for name in ("A", "S", "G")}
    segment = make_segment(run, 1, scales=make_scales(run, 6, 7))
    _run(run, segment, initial_weights(run), features, labels, views=columns)
    saturated = columns["A", 1] == 3
    assert saturated.any() and (columns["G", 1][saturated] != 0).any()
    assert (columns["G", 1][columns["S", 1] == 0] == 0).all()
