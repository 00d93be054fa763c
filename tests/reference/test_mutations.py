"""On damaged proofs both verifiers give the same verdict."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reference.proofs import Maker, first, second
from zkdl.reference.transcript import Section, Transcript

Span = tuple[int, int]


def messages(data: bytes, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], list[Span]]:
    """Where the messages are: for every section and label, the spans (offset, length) that the verifier reads."""
    found: dict[tuple[str, str], list[Span]] = {}
    last: list[tuple[str, Span]] = []
    take, absorb = Section.take, Transcript.absorb

    def logged_take(section: Section, count: int) -> bytes:
        flush("opened columns")
        last.append((section.name, (section.source.tell(), count)))
        return take(section, count)

    def logged_absorb(transcript: Transcript, label: str, kind: int, message: bytes) -> None:
        if kind:
            flush(label)
        absorb(transcript, label, kind, message)

    def flush(label: str) -> None:
        while last:
            section, span = last.pop()
            if span[1]:
                found.setdefault((section, label), []).append(span)

    with monkeypatch.context() as patch:
        patch.setattr(Section, "take", logged_take)
        patch.setattr(Transcript, "absorb", logged_absorb)
        assert second(data) == "OK"
        flush("opened columns")
    return found


def mutations(data: bytes, spans: dict[tuple[str, str], list[Span]], each: int) -> Iterator[tuple[str, bytes]]:
    """For every section and message, `each` times: one bit of one of its bytes."""
    rng = random.Random(1)
    for (section, label), places in spans.items():
        for _ in range(each):
            offset, length = rng.choice(places)
            at = offset + rng.choice([0, length - 1, rng.randrange(length)])
            damaged = bytearray(data)
            damaged[at] ^= 1 << rng.randrange(8)
            yield f"{section} {label} {at}", bytes(damaged)


def test_messages_of_a_small_proof(proof: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = proof("mse-one-layer")
    spans = messages(data, monkeypatch)
    assert {section for section, _ in spans} == {"data", "segment-0", "dataset"} and len(spans) > 40
    chosen = random.Random(2).sample(list(mutations(data, spans, 1)), 12)
    for what, damaged in chosen:
        assert second(damaged) != "OK", what
        assert first(damaged, tmp_path) != "OK", what


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["mse-one-layer", "ce", "ce-hidden", "mse-drop"])
def test_every_message(name: str, proof: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = proof(name)
    for what, damaged in mutations(data, messages(data, monkeypatch), 2):
        assert second(damaged) != "OK", what
        assert first(damaged, tmp_path) != "OK", what


def test_sections_of_other_proofs(proof: Maker, tmp_path: Path) -> None:
    """Half of one proof, half of another one."""
    one, other = proof("ce-hidden"), proof("ce")
    mixed = one[: len(one) // 2] + other[len(other) // 2 :]
    assert second(mixed) != "OK" and first(mixed, tmp_path) != "OK"


def test_ends(proof: Maker, tmp_path: Path) -> None:
    data = proof("mse-one-layer")
    for damaged in (b"", data[:3], data[:15], data[:40], data[: len(data) // 2], data[:-1], data + b"\0"):
        assert second(damaged) == first(damaged, tmp_path) != "OK"
