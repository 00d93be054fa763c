"""Nobody trains for hours what no verifier accepts: the verifier's sizes are the planner's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zkdl
from tests.unit.statement.builders import make_run, make_segment
from zkdl.commitment.parameters import PARAMETER_SETS
from zkdl.errors import MalformedProof, NotProvable, ZkError
from zkdl.proof.certificate import _limbs
from zkdl.proof.estimate import estimate
from zkdl.proof.format import Header, canonical_json
from zkdl.proof.limits import check_sizes
from zkdl.proof.multiplicities import check_multiplicities, data_lookups
from zkdl.proof.run_certificates import data_certificate_layout
from zkdl.statement import bounds, limits
from zkdl.statement.run import RunStatement
from zkdl.train.trainer import Trainer

LARGE: list[tuple[dict[str, object], int, str]] = [
    ({"widths": (1 << 17, 4, 3)}, 1, "width"),
    ({"widths": (1 << 15, 1 << 14, 3)}, 1, "weights"),
    ({"examples": (1 << 26) + 1}, 1, "examples"),
    ({"examples": 1 << 26, "widths": (1 << 13, 4, 3)}, 1, "dataset entries"),
    ({"steps": 1 << 30, "schedule": tuple((i, 1) for i in range((1 << 16) + 1))}, 1, "schedule"),
    ({"steps": 1 << 30, "batch": 32}, 1 << 16, "segment steps times batch"),
    ({"steps": 1 << 30, "batch": 1, "widths": (2,) * 9}, 1 << 19, "segment steps times layers"),
]


@pytest.mark.parametrize(("changes", "steps", "what"), LARGE)
def test_planner_and_verifier_agree(changes: dict[str, object], steps: int, what: str) -> None:
    layers = len(changes.get("widths", (6, 5, 4, 3))) - 1  # type: ignore[arg-type]  # a tuple
    run = replace(make_run(), bias=(True,) * layers, **changes)  # type: ignore[arg-type]  # fields by name
    with pytest.raises(NotProvable) as planned:
        limits.check_provable(run, steps)
    segment = replace(make_segment(make_run()), steps=steps)
    with pytest.raises(MalformedProof) as verified:
        check_sizes(Header(run, [segment], []))
    assert planned.value.code == verified.value.code == "TOO_LARGE"
    assert planned.value.where["field"] == verified.value.where["field"] == what


def test_segments_that_no_header_holds() -> None:
    run = make_run(steps=1 << 20)
    with pytest.raises(NotProvable) as caught:
        limits.check_provable(run, 1)
    assert caught.value.where["field"] == "segments" and "segment_steps" in caught.value.hint
    limits.check_provable(run, 1 << 10)


def test_marks_of_a_header_are_bounded_by_what_the_planner_counts() -> None:
    run, segment = make_run(), make_segment(make_run())
    for count in (1, 5):
        header = {
            "protocol": "zkdl/run/1",
            "run": run.to_json(),
            "segments": [segment.to_json()] * count,
            "sections": [["data", 1], *([f"segment-{i}", 1] for i in range(count)), ["dataset", 1]],
        }
        raw = canonical_json(header)
        marks = sum(map(raw.count, (b",", b"[", b"{")))
        assert marks <= limits.header_marks(run, count) <= marks + 64


def test_longest_segment_is_the_longest() -> None:
    run = make_run(steps=1 << 22, batch=5)
    longest = limits.longest_segment(run)
    assert limits.segment_excess(run, longest) is None and limits.segment_excess(run, longest + 1) is not None


def refused(run: RunStatement, steps: int) -> list[str]:
    """What the planners say."""
    features, labels = np.zeros((run.examples, run.widths[0]), np.int32), np.zeros(run.examples, np.int32)
    codes = []
    for plan in (lambda: Trainer(run, features, labels, steps), lambda: estimate(run, steps)):
        with pytest.raises(ZkError) as caught:
            plan()
        codes.append(caught.value.code)
    return codes


def test_trainer_and_estimate_refuse() -> None:
    assert refused(make_run(steps=1 << 20, batch=7), 1 << 19) == ["TOO_LARGE"] * 2


def test_the_interface_refuses_before_anything_is_written(tmp_path: Path) -> None:
    run = zkdl.Run(zkdl.MLP([3, 2]), batch=32, segment_steps=1 << 16, directory=tmp_path / "run")
    x, y = np.zeros((64, 3), np.uint8), np.zeros(64, np.int64)
    for act in (run.check, run.estimate, run.fit):
        with pytest.raises(NotProvable) as caught:
            act(x, y, steps=1 << 16)
        assert caught.value.code == "TOO_LARGE" and caught.value.exit_status == 4
    assert not (tmp_path / "run").exists()


def test_growth_is_computed_once_per_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    segment, calls = make_segment(run), []
    original = bounds.grow
    monkeypatch.setattr(bounds, "grow", lambda *arguments: calls.append(1) or original(*arguments))
    segment.validate(run)
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["init_weight_bound", "init_bias_bound"])
@pytest.mark.parametrize("bound", [0, 3])
def test_committed_bounds_are_powers_of_two(name: str, bound: int) -> None:
    run = make_run(init_seed=None, init_root="e5" * 32, init_weight_bound=(8,) * 3, init_bias_bound=(4,) * 3)
    run.validate()
    with pytest.raises(NotProvable) as caught:
        replace(run, **{name: (8, bound, 8)}).validate()
    assert caught.value.code == "INITIAL_BOUND" and caught.value.where == {"layer": 2, "field": name}


@pytest.mark.parametrize(
    ("changes", "steps", "what"),
    [
        ({"examples": 1 << 21, "widths": (1 << 10, 5, 4, 3)}, 1, "lookups of the data"),
        ({"examples": 1 << 25, "widths": (40, 5, 4, 24), "format": {"feature_bits": 1}}, 1, "lookups of the data"),
        ({"steps": 1 << 20, "batch": 16, "widths": (6, 1 << 9, 1 << 9, 3)}, 1 << 16, "lookups of a segment"),
    ],
)
def test_counts_that_32_bits_do_not_hold(changes: dict[str, Any], steps: int, what: str) -> None:
    """Refused at planning, although a verifier would accept the proof; one example or step less passes."""
    run, parameters = make_run(), PARAMETER_SETS["zkdl-100"]
    run = replace(run, **{**changes, "format": replace(run.format, **changes.get("format", {}))})
    limits.check_provable(run, steps)
    with pytest.raises(NotProvable) as caught:
        check_multiplicities(run, steps, parameters)
    assert caught.value.code == "TOO_LARGE" and caught.value.where["field"] == what and caught.value.hint
    with pytest.raises(NotProvable):
        estimate(run, steps, parameters=parameters)
    check_multiplicities(replace(run, examples=run.examples // 4), steps // 4 or 1, parameters)


def test_what_one_entry_can_count_is_what_it_counts() -> None:
    """A dataset of zeros: every lookup of the certificate's features hits one entry."""
    run, parameters = make_run(), PARAMETER_SETS["zkdl-100"]
    layout = data_certificate_layout(run, parameters)
    own, _ = _limbs(layout, np.zeros((layout.target.rows, layout.target.row), dtype=np.int32))
    assert own.max() == data_lookups(run, parameters)
