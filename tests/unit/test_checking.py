"""What is said about a run before it starts: headroom, and losses of its first steps next to float32."""

from __future__ import annotations

import numpy as np
import pytest

from zkdl import checking
from zkdl.checking import check_run, plan_run, run_trial
from zkdl.configuration import Configuration
from zkdl.statement.initialisation import initial_weights
from zkdl.train.trainer import Trainer

CONFIGURATION = Configuration(widths=(64, 12, 10), bias=(True, True), epochs=2, batch=32, segment_steps=16)


def test_a_trial_of_a_few_hundred_steps() -> None:
    """The losses are those of the training itself, and float32 goes the same way."""
    data = CONFIGURATION.load_train()
    run = CONFIGURATION.draft(data)
    report = check_run(run, data, CONFIGURATION.segment_steps)
    trial = report.trial
    assert trial.steps == min(run.steps, checking.TRIAL_STEPS) == 90
    assert [point.first_step for point in trial.curve] == [k * 90 // 8 for k in range(8)]
    assert sum(point.steps for point in trial.curve) == 90
    trainer = Trainer(run, data.features, data.labels, CONFIGURATION.segment_steps)
    assert len(list(trainer)) == 6
    losses = np.concatenate([result.loss for result in trainer.results])
    first, last = trial.curve[0], trial.curve[-1]
    assert first.integer == pytest.approx(losses[: first.steps].mean())
    assert last.integer == pytest.approx(losses[-last.steps :].mean())
    assert last.integer < 0.7 * first.integer
    for point in trial.curve:
        assert point.integer == pytest.approx(point.float32, rel=0.05)
    assert abs(trial.accuracy - trial.float_accuracy) < 0.05
    text = str(report)
    assert "headroom" in text and f"trial of {trial.steps} steps" in text and "float32" in text


def test_headroom_per_layer() -> None:
    """The static one to the last step of the run, the measured one as the trainer reports it."""
    data = CONFIGURATION.load_train()
    run = CONFIGURATION.draft(data)
    report = check_run(run, data, CONFIGURATION.segment_steps, trial_steps=20)
    assert report.trial.steps == 20
    assert min(layer.headroom_bits for layer in report.layers) == 62 - report.final_bits
    for layer in report.layers:
        assert 0 <= layer.headroom_bits <= 62 - max(layer.forward_bits, layer.backward_bits)
        assert 0 < layer.trial_headroom_bits < 20
    longer = check_run(CONFIGURATION.draft(data), data, CONFIGURATION.segment_steps, trial_steps=90)
    pairs = zip(report.layers, longer.layers, strict=True)
    assert all(more.trial_headroom_bits <= few.trial_headroom_bits for few, more in pairs)


def test_a_trial_that_would_take_long_is_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    data = CONFIGURATION.load_train()
    run = CONFIGURATION.draft(data)
    weights = initial_weights(run)
    taken = {1: 2.0, 4: 5.0}
    monkeypatch.setattr(checking, "_trial_seconds", lambda run, data, weights, steps: taken[steps])
    assert run_trial(run, data, 16, weights).steps == 18
    taken[1] = 100.0
    assert run_trial(run, data, 16, weights).steps == 1


def test_a_plan_is_not_made_twice() -> None:
    data = CONFIGURATION.load_train()
    run = CONFIGURATION.draft(data)
    planned = plan_run(run, data, 16)
    assert check_run(run, data, 16, planned=planned, trial_steps=1).segment is planned
    assert check_run(run, data, 16, trial_steps=1).segment == planned
