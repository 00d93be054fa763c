"""Errors that no other test meets: each is triggered here as a user would meet it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.running import configure, refusal, zkdl
from zkdl.backend.select import get_backend
from zkdl.cli import doctor
from zkdl.commitment.parameters import code_shape
from zkdl.configuration import read_configuration
from zkdl.errors import DeviceError, NotProvable, Rejected, UsageError
from zkdl.rundir import RunDirectory
from zkdl.session import Session
from zkdl.train.trainer import Trainer


def test_nothing_has_been_trained(tmp_path: Path) -> None:
    configuration = read_configuration(configure(tmp_path))
    data = configuration.load_train()
    session = Session(RunDirectory.create(tmp_path / "run"), get_backend())
    session.begin(configuration.draft(data), data.features, data.labels, configuration.segment_steps)
    assert refusal("prove", tmp_path / "run") == (2, "RUN_EMPTY")


def test_no_milestone_has_been_reached(tmp_path: Path) -> None:
    """One step of 24: the first container is made after three."""
    path = configure(tmp_path, schedule="steps = 24", run="segment_steps = 1")
    configuration = read_configuration(path)
    data = configuration.load_train()
    session = Session(RunDirectory.create(tmp_path / "run"), get_backend())
    session.begin(configuration.draft(data), data.features, data.labels, configuration.segment_steps)
    next(session.train())
    done = zkdl("prove", tmp_path / "run", "--json")
    assert (done.status, done.code) == (2, "RUN_UNFINISHED") and "step 3" in done.answer["hint"]


def test_fewer_than_one_thread(tmp_path: Path) -> None:
    with pytest.raises(DeviceError) as caught:
        get_backend("numpy", 0)
    assert caught.value.code == "DEVICE_THREADS"
    assert refusal("train", configure(tmp_path), "--threads", "0") == (2, "USAGE")


def test_a_machine_that_computes_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_fingerprint", lambda backend: backend.name)
    assert refusal("doctor") == (6, "KNOWN_ANSWER")

    def rejected(device: str) -> None:
        raise Rejected("no", code="RELATIONS")

    monkeypatch.setattr(doctor, "_fingerprint", lambda backend: "the same")
    monkeypatch.setattr(doctor, "_round_trip", rejected)
    assert refusal("doctor") == (6, "KNOWN_ANSWER")


def test_a_matrix_beyond_every_code() -> None:
    with pytest.raises(NotProvable) as caught:
        code_shape(1, 32, 1, 0.25, 100.0)
    assert caught.value.code == "DOMAIN"


def test_a_trainer_in_wrong_hands(tmp_path: Path) -> None:
    """Only a caller of the internal function can be wrong about these: the configuration is checked before."""
    configuration = read_configuration(configure(tmp_path))
    data = configuration.load_train()
    run = configuration.draft(data)
    with pytest.raises(UsageError) as caught:
        Trainer(run, data.features, data.labels, 0)
    assert caught.value.code == "SEGMENT_STEPS"
    trainer = Trainer(run, data.features, data.labels, 4)
    segment, _ = next(trainer.segments())
    with pytest.raises(UsageError) as caught:
        next(trainer.segments(None, segment))
    assert caught.value.code == "RESUME_WEIGHTS"
