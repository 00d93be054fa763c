"""How much of a run is proven: both verifiers agree, and what they promise is what the sampler does."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tests.reference.proofs import Maker
from tests.support.tiny import tiny_run
from zkdl.proof.chain import complete, every_example
from zkdl.reference import verifier as second
from zkdl.reference.canonical import build, parse_canonical
from zkdl.reference.statement import Run, Segment
from zkdl.statement.run import RunStatement
from zkdl.statement.sampler import batch_indices, seed, steps_per_epoch
from zkdl.statement.segment import SegmentStatement

TINY = tiny_run()
STEPS = 6


def run_of(examples: int, batch: int, last_batch: str) -> RunStatement:
    return replace(TINY.run, examples=examples, batch=batch, last_batch=last_batch, steps=STEPS)


def chain_of(first: int, end: int) -> list[SegmentStatement]:
    """Steps first .. end - 1, cut in two where there are two."""
    cut = (first + end) // 2
    ends = [(first, cut), (cut, end)] if cut > first else [(first, end)]
    return [replace(TINY.segment, first_step=a, steps=b - a) for a, b in ends]


def answers_of_the_second(run: RunStatement, segments: list[SegmentStatement]) -> dict[str, bool]:
    other: Run = build(Run, parse_canonical(run.canonical()), "run")
    texts = [json.dumps(segment.to_json(), sort_keys=True, separators=(",", ":")).encode() for segment in segments]
    chain: list[Segment] = [build(Segment, parse_canonical(text), "segment") for text in texts]
    return second.coverage(other, chain)


@pytest.mark.parametrize(("examples", "batch"), [(5, 2), (4, 2), (3, 3), (2, 1), (7, 3)])
@pytest.mark.parametrize("last_batch", ["keep", "drop"])
def test_every_chain(examples: int, batch: int, last_batch: str) -> None:
    run = run_of(examples, batch, last_batch)
    per_epoch = steps_per_epoch(run)
    nothing_dropped = last_batch == "keep" or examples % batch == 0
    seen = set()
    for first, end in product(range(STEPS), range(1, STEPS + 1)):
        if first >= end:
            continue
        segments = chain_of(first, end)
        found = {"complete": complete(run, segments), "every_example": every_example(run, segments)}
        assert found == answers_of_the_second(run, segments), (first, end)
        assert found["complete"] == ((first, end) == (0, STEPS))
        epochs = [range(start, start + per_epoch) for start in range(0, STEPS, per_epoch)]
        inside = any(first <= epoch.start and epoch.stop <= end for epoch in epochs)
        assert found["every_example"] == (inside and nothing_dropped), (first, end)
        if found["every_example"]:
            used = batch_indices(run, seed(run), first, end - first)[0]
            assert set(used[used >= 0].tolist()) == set(range(examples))
        seen.add(found["every_example"])
    assert (True in seen) == nothing_dropped


@pytest.mark.parametrize(
    ("name", "used"), [("ce", True), ("ce-one-layer", False), ("mse-drop", False)], ids=["used", "few", "dropped"]
)
def test_of_a_proof(proof: Maker, tmp_path: Path, name: str, used: bool, capsys: pytest.CaptureFixture[str]) -> None:
    path, wanted = tmp_path / "a.zkproof", tmp_path / "wanted.json"
    path.write_bytes(proof(name))
    for fields, status in (
        ({"complete": True, "every_example": used}, 0),
        ({"complete": False}, 1),
        ({"every_example": not used}, 1),
        ({"complete": 1}, 1),
    ):
        wanted.write_text(json.dumps(fields))
        assert second.main([str(path), "--expect", str(wanted)]) == status, fields
        shown = capsys.readouterr().out
        assert status or ("Some of the committed examples" in shown) != used
