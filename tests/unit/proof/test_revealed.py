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


@pytest.mark.parametrize(
    "entry",
    [
        {"data_offsets": ["0", "16"]},
        {"data_offsets": None},
        {"data_offsets": [0.0, 16.0]},
        {"data_offsets": [False, 16]},
        {"data_offsets": [0, 16, 32]},
        {"data_offsets": [16, 0]},
        {"data_offsets": [0, 1 << 70]},
        {"shape": [1 << 62, 4]},
        {"shape": [1 << 70]},
        {"shape": [float("inf")]},
        {"shape": [-1, -2]},
        {"shape": [0, 1 << 70], "data_offsets": [0, 0]},
        {"shape": [1] * 100},
        {"shape": "12"},
        {"shape": [True, 2]},
        {"dtype": "F64"},
    ],
)
def test_other_files_are_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        read_weights(write(tmp_path / "w", **entry))
    assert caught.value.code == "WEIGHTS_FILE"
