"""The record of spent openings survives a crash and never forgets one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zkdl.errors import ResourceError, UsageError
from zkdl.journal import Journal


def test_reserve_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).reserve("r", "p", 2)
    assert json.loads(path.read_text()) == {"root": "r", "proof": "p", "budget": 2}
    assert Journal(path).used("r") == 1 and Journal(path).used("other") == 0


def test_create_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal.create(path)
    assert path.read_bytes() == b""
    journal = Journal(path)
    assert not journal.holds("r", "p")
    journal.reserve("r", "p", 2)
    assert journal.holds("r", "p") and not journal.holds("s", "p") and not journal.holds("r", "q")
    Journal.create(path)
    assert Journal(path).holds("r", "p")


def test_the_same_proof_is_free(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for _ in range(3):
        journal.reserve("r", "p", 1)
        Journal(path).reserve("r", "p", 1)
    assert journal.used("r") == 1 and len(path.read_text().splitlines()) == 1


def test_budget(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.reserve("r", "a", 2)
    journal.reserve("r", "b", 2)
    for again in (journal, Journal(path)):
        with pytest.raises(ResourceError) as caught:
            again.reserve("r", "c", 2)
        assert (caught.value.code, caught.value.exit_status, caught.value.where["root"]) == ("BUDGET", 5, "r")
        assert again.used("r") == 2
    journal.reserve("s", "c", 2)
    journal.reserve("r", "a", 2)
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize("cut", range(1, 41, 6))
def test_last_line_cut_off_by_a_crash(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.reserve("r", "a", 3)
    whole = path.read_bytes()
    journal.reserve("r", "b", 3)
    path.write_bytes(path.read_bytes()[:-cut])
    assert Journal(path).used("r") == 1
    assert path.read_bytes() == whole
    Journal(path).reserve("r", "b", 3)
    assert Journal(path).used("r") == 2


def test_only_line_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"root": "r", "pro')
    assert Journal(path).used("r") == 0
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"{}",
        b'{"root": "r"}',
        b"[1, 2]",
        b"3",
        b'{"root": "\xff", "proof": }',
        b"[" * 5000,
        b"9" * 5000,
    ],
)
def test_damage_before_the_end_is_reported(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    good = b'{"budget": 2, "proof": "p", "root": "r"}\n'
    path.write_bytes(good + line + b"\n" + good)
    with pytest.raises(UsageError) as caught:
        Journal(path)
    assert (caught.value.code, caught.value.where["line"]) == ("JOURNAL", 2)
    assert path.read_bytes() == good + line + b"\n" + good
