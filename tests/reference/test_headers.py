"""Statements: the same rules as the main verifier, and nothing else than `Invalid` for hostile headers."""

from __future__ import annotations

import copy
import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.reference.proofs import Maker, first, second
from tests.support.header import header_of, with_header

STATEMENT = {"STATEMENT", "CHAIN", "SOUNDNESS", "TOO_LARGE", "STATEMENT_FORMAT", "HEADER", "VERSION", "PARAMETER_SET"}
NUMBERS = [
    0,
    -1,
    1,
    2,
    3,
    8,
    9,
    16,
    17,
    21,
    22,
    40,
    41,
    257,
    2**12 + 1,
    2**16 + 1,
    2**20 + 1,
    2**31 + 1,
    2**48 + 1,
    2**62,
]
OTHERS: list[Any] = [None, "", "0" * 64, "G" * 64, "a" * 129, "x" * 257, "\u00e9", [], {}, 1.5, True, 2**63, 10**30]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inside for found in places(item, (*path, key)))]


def mutated(header: Any, rng: random.Random) -> bytes:
    header = copy.deepcopy(header)
    *way, key = rng.choice([path for path in places(header) if path and path[0] != "sections"])
    where = header
    for step in way:
        where = where[step]
    near = [where[key] + 1, where[key] - 1] if type(where[key]) is int else []
    where[key] = rng.choice([*near, *near, *NUMBERS, *OTHERS])
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", ["mse-drop", "ce-hidden"])
def test_same_rules(name: str, proof: Maker, tmp_path: Path) -> None:
    """A statement that breaks a rule is refused as such by both, not only because the proof is for another one."""
    data, rng = proof(name), random.Random(3)
    header = json.loads(header_of(data))
    for _ in range(60):
        text = mutated(header, rng)
        damaged = with_header(data, text)
        one, two = first(damaged, tmp_path), second(damaged)
        assert (one == "OK") == (two == "OK"), text
        assert (one in STATEMENT) == (two in STATEMENT), (one, two, text)


def test_hostile_headers(proof: Maker) -> None:
    data = proof("mse-one-layer")
    for text in (
        b"",
        b"[" * 10**6,
        b'{"a":' * 10**5,
        b"1" * 10**4,
        b"NaN",
        b"\xff",
        b"[" + b"[]," * 10**6 + b"[]]",
        json.dumps(json.loads(header_of(data)), sort_keys=True).encode(),
        json.dumps(json.loads(header_of(data)), separators=(",", ":"))[:-1].encode(),
    ):
        assert second(with_header(data, text)) in ("HEADER", "STATEMENT_FORMAT", "TOO_LARGE")
    assert second(data[:12] + struct.pack("<I", 2**24 + 1) + data[16:]) == "HEADER"
    assert second(data[:8] + struct.pack("<I", 2) + data[12:]) == "VERSION"


def test_large_claims_are_refused_early(proof: Maker) -> None:
    """A short file that claims a large run: no table, batch or code is derived for it."""
    data = proof("mse-one-layer")
    header = json.loads(header_of(data))
    header["run"]["widths"] = [2**16, 2**10, 3]
    assert second(with_header(data, json.dumps(header, sort_keys=True, separators=(",", ":")).encode())) != "OK"
    header["run"]["widths"] = [2**16, 2**16, 3]
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    assert second(with_header(data, text)) == "TOO_LARGE"


def test_random_bytes() -> None:
    rng = random.Random(4)
    for size in (0, 1, 16, 17, 100, 10**4):
        assert second(rng.randbytes(size)) == "PROOF_MAGIC"
        assert second(b"ZKDLPROF" + struct.pack("<II", 1, size) + rng.randbytes(size)) in ("HEADER", "PROOF_TRUNCATED")


def test_codes_of_the_three_rules(proof: Maker, tmp_path: Path) -> None:
    """Limits come before rules, and a type before both."""
    data = proof("mse-drop")
    for change, code in (
        (lambda run: run.update(steps=2**31 + 1), "TOO_LARGE"),
        (lambda run: run.update(batch=2**21, loss="none"), "TOO_LARGE"),
        (lambda run: run["bias"].__setitem__(0, 2), "STATEMENT_FORMAT"),
        (lambda run: run.update(batch=0), "STATEMENT"),
    ):
        header = json.loads(header_of(data))
        change(header["run"])
        damaged = with_header(data, json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
        assert second(damaged) == first(damaged, tmp_path) == code
    header = json.loads(header_of(data))
    header["segments"], header["sections"] = [], [header["sections"][0], header["sections"][-1]]
    damaged = with_header(data, json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    assert second(damaged) == first(damaged, tmp_path) == "CHAIN"
