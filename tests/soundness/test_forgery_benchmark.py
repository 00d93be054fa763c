"""A quick run of `python -m benchmarks.forgery`: nothing forged is accepted, nothing crashes, every control is accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import forgery
from benchmarks.forgery import CLASSES, GUIDED, KEYS, QUICK, Tally, main, summary, work
from benchmarks.forging.base import Forgery, Tried
from benchmarks.forging.byte_strings import TARGETS

ROOT = Path(__file__).resolve().parents[2]
NEEDS_ATHERIS = pytest.mark.skipif(not GUIDED, reason="atheris is not installed: pip install '.[fuzz]'")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=NEEDS_ATHERIS if name == "fuzz" else ()) for name in CLASSES]
)
def test_nothing_forged_is_accepted(name: str) -> None:
    tallies, wanted = {name: Tally()}, QUICK[name]
    work({name: wanted}, tallies)
    found = tallies[name]
    assert not found.failed, found.findings
    assert found.attempts == wanted and not found.unexpected, found.codes
    assert (found.controls > 0) == (name != "bytes")
    assert summary(tallies)["attempts"] == found.attempts


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_takes_its_seeds(name: str) -> None:
    for seed in TARGETS[name].seeds():
        assert TARGETS[name].judge(seed) in ("OK", "DECODED")


def counts(path: Path) -> dict[str, Any]:
    """Of a state, without the times."""
    found = json.loads(path.read_text())
    for tally in found["classes"].values():
        del tally["seconds"]
    return found  # type: ignore[no-any-return]  # an object


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same counts as without the interruptions, one of them in the middle of an attempt."""
    monkeypatch.setattr(forgery, "QUICK", {"bytes": 300, "protocol": 4})
    options = ["--quick", "--class", "bytes", "--class", "protocol"]
    assert main([*options, "--state", str(tmp_path / "whole")]) == 0
    run, made = Forgery.run, [0]

    def interrupted(self: Forgery, seed: int) -> Tried | None:
        made[0] += 1
        if made[0] in (120, 302):
            raise KeyboardInterrupt
        return run(self, seed)

    monkeypatch.setattr(Forgery, "run", interrupted)
    state = [*options, "--state", str(tmp_path / "cut"), "--json", str(tmp_path / "counts")]
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            main(state)
    assert counts(tmp_path / "cut") != counts(tmp_path / "whole")
    assert main(state) == 0
    assert counts(tmp_path / "cut") == counts(tmp_path / "counts") == counts(tmp_path / "whole")
    assert set(KEYS) < set(counts(tmp_path / "counts")["classes"]["bytes"])


def test_the_document_shows_the_stored_run() -> None:
    """docs/security/forgery.md and benchmarks/results/forgery.json."""
    found = json.loads((ROOT / "benchmarks/results/forgery.json").read_text())
    document = (ROOT / "docs/security/forgery.md").read_text()
    for name, tally in [*found["classes"].items(), ("all", found)]:
        row = " | ".join([name, *(f"{tally[key]:,}" for key in KEYS)])
        assert f"| {row} |" in document, row
    assert found["date"] in document and found["machine"]["processor"] in document
    assert found["accepted"] == found["crashes"] == 0 and found["controls"] == found["controls_accepted"]


def test_a_run_ends_when_its_time_is_over(tmp_path: Path) -> None:
    assert main(["--class", "bytes", "--seconds", "0.5", "--state", str(tmp_path / "s")]) == 0
    assert 0 < counts(tmp_path / "s")["attempts"] < 10_000


def test_what_is_accepted_crashes_or_fails_its_control_fails_the_run() -> None:
    for verdict, control in (("OK", "OK"), ("CRASH ValueError", "OK"), ("RELATIONS", "RELATIONS")):
        tally = Tally()
        tally.add(Forgery("f", "bytes", lambda rng, v=verdict, c=control: Tried((v,), (c,))), 1)
        assert tally.failed and tally.findings and tally.attempts == 1
    tally = Tally()
    tally.add(Forgery("f", "bytes", lambda rng: Tried(("RELATIONS",), ("OK",))), 1)
    assert not tally.failed and not tally.findings


def test_a_prover_that_always_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Forgery, seed: int) -> Tried | None:
        raise ValueError("a mistake of the benchmark")

    monkeypatch.setattr(Forgery, "run", broken)
    tally = Tally()
    work({"protocol": 5}, {"protocol": tally})
    assert tally.crashes == 5 and tally.attempts == 0 and tally.failed
