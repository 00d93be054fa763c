"""A weights file comes from the prover: whatever it holds, reading it ends in weights or in one clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zkdl.errors import UsageError
from zkdl.proof.revealed import read_weights


def write(path: Path, body: bytes = bytes(16), **entry: Any) -> Path:
    tensor = {"dtype": "I64", "shape": [1, 2], "data_offsets": [0, 16], **entry}
    header = {"__metadata__": {"weight_frac": "12", "commitment_key": "00" * 32}, "layer.1.weight": tensor}
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + body)
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    weights, key, frac = read_weights(write(tmp_path / "w"))
    assert weights.W[0].shape == (1, 2) and weights.b == [None] and key == bytes(32) and frac == 12


PLACE, TYPE, SIZE = "without shape, type or place", "something else than int64", "does not fit its shape"


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"data_offsets": ["0", "16"]}, PLACE),
        ({"data_offsets": None}, PLACE),
        ({"data_offsets": [0.0, 16.0]}, PLACE),
        ({"data_offsets": [False, 16]}, PLACE),
        ({"data_offsets": [0, 16, 32]}, PLACE),
        ({"data_offsets": [16, 0]}, TYPE),
        ({"data_offsets": [-16, 0]}, TYPE),
        ({"data_offsets": [0, 1 << 70]}, TYPE),
        ({"data_offsets": [0, 24], "shape": [1, 3]}, TYPE),
        ({"shape": [1 << 62, 4]}, SIZE),
        ({"shape": [1 << 70]}, SIZE),
        ({"shape": [float("inf")]}, TYPE),
        ({"shape": [-1, -2]}, TYPE),
        ({"shape": [0, 1 << 70], "data_offsets": [0, 0]}, SIZE),
        ({"shape": [1] * 100}, TYPE),
        ({"shape": "12"}, TYPE),
        ({"shape": [True, 2]}, TYPE),
        ({"shape": [1, 1]}, SIZE),
        ({"shape": [2]}, "no matrix"),
        ({"dtype": "F64"}, TYPE),
    ],
)
def test_other_files_are_refused(tmp_path: Path, entry: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        read_weights(write(tmp_path / "w", **entry))
    assert caught.value.code == "WEIGHTS_FILE"


GOOD = {"dtype": "I64", "shape": [1, 2], "data_offsets": [0, 16]}
META = {"weight_frac": "12", "commitment_key": "00" * 32}
NOT_OURS = "was not written by zkdl"


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ({"layer.1.weight": GOOD}, NOT_OURS),
        ({"__metadata__": META}, NOT_OURS),
        ({"__metadata__": META, "layer.2.weight": GOOD}, NOT_OURS),
        ({"__metadata__": META, "layer.1.weight": [1]}, PLACE),
        ({"__metadata__": META, "layer.1.weight": GOOD, "layer.1.bias": GOOD}, "no matrix"),
        ({"__metadata__": {**META, "weight_frac": "x"}, "layer.1.weight": GOOD}, NOT_OURS),
        ({"__metadata__": {**META, "commitment_key": "zz" * 32}, "layer.1.weight": GOOD}, "not hexadecimal"),
        ({"__metadata__": {**META, "commitment_key": "00" * 31}, "layer.1.weight": GOOD}, "reveal-weights"),
    ],
)
def test_other_headers_are_refused(tmp_path: Path, header: dict[str, Any], what: str) -> None:
    raw = json.dumps(header).encode()
    (tmp_path / "w").write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(16))
    with pytest.raises(UsageError, match=what) as caught:
        read_weights(tmp_path / "w")
    assert caught.value.code == "WEIGHTS_FILE"


@pytest.mark.parametrize("raw", [b"", bytes(7), b"\xff" * 64, (3).to_bytes(8, "little") + b"{}"])
def test_a_length_beyond_the_file_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "w").write_bytes(raw)
    with pytest.raises(UsageError, match="no safetensors file"):
        read_weights(tmp_path / "w")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        read_weights(tmp_path / "absent")
    assert caught.value.code == "FILE_MISSING"
