"""True proofs are accepted by both verifiers, and the second one says what they prove."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import zkdl
from tests.reference.proofs import CASES, Maker, first, second
from zkdl.reference.verifier import main


@pytest.mark.parametrize("name", CASES)
def test_accepted_by_both(name: str, proof: Maker, tmp_path: Path) -> None:
    data = proof(name)
    assert second(data) == "OK"
    assert first(data, tmp_path) == "OK"


def test_command_line(proof: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.zkproof"
    path.write_bytes(proof("mse-one-layer"))
    assert main([str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("VALID\nnetwork 6-3") and "soundness 10" in said
    path.write_bytes(proof("mse-one-layer")[:-1])
    assert main([str(path)]) == 3
    path.write_bytes(proof("mse-one-layer") + b"\0")
    assert main([str(path)]) == 3
    damaged = bytearray(proof("mse-one-layer"))
    damaged[-100] ^= 1
    path.write_bytes(damaged)
    assert main([str(path)]) == 1
    assert main([]) == 2 and main([str(tmp_path / "absent")]) == 2 and main(["--help"]) == 0


def test_expected_statement(proof: Maker, tmp_path: Path) -> None:
    path, wanted = tmp_path / "a.zkproof", tmp_path / "wanted.json"
    path.write_bytes(proof("mse-one-layer"))
    for statement, status in (
        ({"widths": [6, 3], "format": {"feature_bits": 8}}, 0),
        ({"widths": [6, 4]}, 1),
        ({"bias": [True]}, 1),
        ({"no_such_field": 1}, 2),
        ([], 2),
    ):
        wanted.write_text(json.dumps(statement))
        assert main([str(path), "--expect", str(wanted)]) == status, statement


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_digits(tmp_path: Path) -> None:
    x, y, _, _ = zkdl.datasets.digits()
    run = zkdl.Run(zkdl.MLP([64, 128, 128, 10]), lr=0.1, batch=64, activation_bits=10, gradient_bits=10)
    run.fit(x, y, epochs=5)
    path = tmp_path / "digits.zkproof"
    run.prove(path)
    assert second(path.read_bytes()) == "OK"
