"""Progress over the sections of a proof grows, follows the phases, and says "all" only at the end."""

from __future__ import annotations

import pytest

from zkdl.progress import ALMOST, PHASES, ProofProgress

# What a segment's prover reports, in its order; the products are a gap between two reports.
REPORTS = [
    ("witness", 0.0), ("witness", 1.0), ("commit", 0.0), ("commit", 1.0), ("lookups", 0.0), ("lookups", 1.0),
    ("open", 0.0), ("open", 0.25), ("open", 0.75), ("open", 1.0),
]  # fmt: skip


def test_the_phases_are_a_whole() -> None:
    assert sum(PHASES.values()) == pytest.approx(1)


def test_two_sections() -> None:
    seen: list[tuple[str, float]] = []
    progress = ProofProgress(lambda what, done: seen.append((what, done)), {"data": 1, "segment-0": 3})
    progress.say("dataset")
    data = progress.section("data")
    for done in (0.0, 0.5, 1.0):
        data("certificate", done)
    progress.finish("data")
    assert seen == [
        ("dataset", 0), ("data: certificate", 0), ("data: certificate", 0.125), ("data: certificate", 0.25)
    ]  # fmt: skip
    segment = progress.section("segment-0")
    for phase, done in REPORTS:
        segment(phase, done)
    found = [done for _, done in seen]
    assert found == sorted(found) and found[-1] == ALMOST
    # The end of one phase is the start of the next, and the end of a phase is not the end of the section.
    assert found[5] == pytest.approx(0.25 + 0.75 * PHASES["witness"]) == found[6]
    assert found[9] == pytest.approx(0.25 + 0.75 * (1 - PHASES["open"] - PHASES["products"]))
    assert all(done < 1 for done in found)


def test_a_resumed_proof_begins_where_it_stopped() -> None:
    seen: list[float] = []
    progress = ProofProgress(lambda _, done: seen.append(done), {"data": 1, "a": 1, "b": 2}, ["data", "a"])
    progress.say("dataset")
    progress.section("b")("witness", 1.0)
    assert seen == pytest.approx([0.5, 0.5 + 0.5 * PHASES["witness"]])


def test_never_backwards_and_never_done_by_itself() -> None:
    seen: list[float] = []
    progress = ProofProgress(lambda _, done: seen.append(done), {"a": 1})
    report = progress.section("a")
    for phase, done in (("open", 1.0), ("witness", 0.0), ("unheard of", 1.0)):
        report(phase, done)
    assert seen == [ALMOST] * 3
