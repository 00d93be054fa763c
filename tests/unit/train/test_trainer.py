from dataclasses import replace

import numpy as np
import pytest

from tests.unit.train.builders import FORMAT, committed, make_training
from zkdl.errors import NotProvable, OutOfRange, UsageError
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.segment import validate_chain
from zkdl.train.trainer import Trainer


def test_a_run_is_a_valid_chain():
    run, features, labels = make_training(steps=23, examples=29, batch=4, schedule=((0, 1 << 31), (9, 1 << 30)))
    trainer = Trainer(run, features, labels, 8)
    segments = [segment for segment, _ in trainer]
    assert [segment.steps for segment in segments] == [8, 8, 7]
    validate_chain(run, segments, with_roots=False)
    assert segments[-1].w_out.step == 23
    assert len(trainer.results) == 3


def test_two_runs_agree_and_resuming_changes_nothing():
    run, features, labels = make_training(steps=23, examples=29, batch=4)
    whole = list(Trainer(run, features, labels, 5))
    again = list(Trainer(run, features, labels, 5))
    for after in range(len(whole)):
        segment, weights = whole[after]
        resumed = list(Trainer(run, features, labels, 5).segments(weights, segment))
        for other in (again[after + 1 :], resumed):
            for (left, left_weights), (right, right_weights) in zip(whole[after + 1 :], other, strict=True):
                assert left == right and left_weights.equal(right_weights)


def test_roots_travel_along_the_chain():
    run, features, labels = make_training(steps=8)
    segment, weights = next(iter(Trainer(run, features, labels, 4)))
    filled = replace(segment, w_out=replace(segment.w_out, root="12" * 32))
    following, _ = next(Trainer(run, features, labels, 4).segments(weights, filled))
    assert following.w_in.root == "12" * 32 and following.index == 1


def test_committed_initial_weights():
    run, features, labels = make_training(steps=4)
    start = initial_weights(run)
    segments = list(Trainer(committed(run, 1 << 30, 0), features, labels, 4).segments(start))
    assert segments[0][0].w_in.root == "0" * 64


def test_training_goes_on_after_a_range_stop():
    """Rates jump inside a segment: it is cut, and the next one calibrates to the larger values."""
    run, features, labels = make_training(
        steps=30, batch=4, examples=8, loss="mse", schedule=((0, 1 << 30), (12, 13 << 30), (15, 1 << 28))
    )
    trainer = Trainer(run, features, labels, 30)
    segments = [segment for segment, _ in trainer]
    assert len(segments) > 1 and trainer.results[0].stopped is not None
    validate_chain(run, segments, with_roots=False)
    assert segments[-1].w_out.step == 30
    assert [r.good_steps for r in trainer.results] == [s.steps for s in segments]


def test_not_even_one_step():
    run, features, labels = make_training(activation_frac_interval=(12, 12))
    with pytest.raises(OutOfRange):
        next(iter(Trainer(run, features, labels, 4)))


def test_weights_that_grow_beyond_their_bound():
    """The error comes before the segment is trained, and says from which step on."""
    run, features, labels = make_training(
        steps=20, schedule=((0, 1 << 28), (10, 1 << 48)), format=replace(FORMAT, weight_frac=32)
    )
    segments = iter(Trainer(run, features, labels, 10))
    next(segments)
    with pytest.raises(NotProvable) as caught:
        next(segments)
    assert caught.value.code.startswith("BOUND_") and caught.value.where["step"] == 10


@pytest.mark.parametrize(
    ("code", "break_data"),
    [
        ("DATA_SHAPE", lambda x, y: (x[:-1], y)),
        ("DATA_SHAPE", lambda x, y: (x, y[:, None])),
        ("DATA_SHAPE", lambda x, y: (x.astype(np.float32), y)),
        ("DATA_RANGE", lambda x, y: (x + 1, y)),
        ("DATA_RANGE", lambda x, y: (x - 1, y)),
        ("DATA_LABEL_RANGE", lambda x, y: (x, y + 3)),
        ("DATA_LABEL_RANGE", lambda x, y: (x, y - 3)),
    ],
)
def test_data_that_do_not_fit(code, break_data):
    run, features, labels = make_training(examples=100)
    with pytest.raises(NotProvable) as caught:
        Trainer(run, *break_data(features, labels), 4)
    assert caught.value.code == code


def test_wrong_use():
    run, features, labels = make_training()
    with pytest.raises(UsageError):
        Trainer(run, features, labels, 0)
    segment, _ = next(iter(Trainer(run, features, labels, 4)))
    with pytest.raises(UsageError):
        next(Trainer(run, features, labels, 4).segments(None, segment))
