"""The second verifier's readers of revealed weights and data: every rule refuses what breaks it, and says so."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zkdl.reference import revealed
from zkdl.reference.revealed import InputError, check_data, check_weights, read_data, read_key, read_npy, read_weights
from zkdl.reference.transcript import Invalid

GOOD = {"dtype": "I64", "shape": [1, 2], "data_offsets": [0, 16]}
META = {"weight_frac": "12", "commitment_key": "00" * 32}


def weights_file(path: Path, header: dict[str, Any], body: bytes = bytes(16)) -> str:
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + body)
    return str(path)


def with_tensor(path: Path, **entry: Any) -> str:
    return weights_file(path, {"__metadata__": META, "layer.1.weight": {**GOOD, **entry}})


def test_good_files_are_read(tmp_path: Path) -> None:
    found = read_weights(with_tensor(tmp_path / "w"))
    assert [row.tolist() for row in found.weights[0]] == [[0, 0]] and found.biases == [None] and found.frac == 12


NO_MATRIX, OTHER_SIZE = "no matrix or vector of I64", "another size than its shape"


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"dtype": "F64"}, NO_MATRIX),
        ({"shape": [2]}, NO_MATRIX),
        ({"shape": [1, 1, 2]}, NO_MATRIX),
        ({"shape": [True, 2]}, NO_MATRIX),
        ({"shape": [-1, -2]}, NO_MATRIX),
        ({"data_offsets": [-16, 0]}, NO_MATRIX),
        ({"data_offsets": [0.0, 16.0]}, NO_MATRIX),
        ({"data_offsets": [0, 24], "shape": [1, 3]}, OTHER_SIZE),
        ({"shape": [1, 1]}, OTHER_SIZE),
        ({"data_offsets": [16, 0]}, OTHER_SIZE),
    ],
)
def test_tensors_that_are_none(tmp_path: Path, entry: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_weights(with_tensor(tmp_path / "w", **entry))


@pytest.mark.parametrize(
    "header",
    [
        {"layer.1.weight": GOOD},
        {"__metadata__": META},
        {"__metadata__": META, "layer.2.weight": GOOD},
        {"__metadata__": {**META, "commitment_key": "00" * 31}, "layer.1.weight": GOOD},
        {"__metadata__": {"weight_frac": "12"}, "layer.1.weight": GOOD},
        {"__metadata__": META, "layer.1.weight": [1]},
    ],
)
def test_headers_that_are_none(tmp_path: Path, header: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="does not hold the weights of a run"):
        read_weights(weights_file(tmp_path / "w", header))


@pytest.mark.parametrize("raw", [b"", bytes(7), b"\xff" * 64, (3).to_bytes(8, "little") + b"{}"])
def test_a_length_beyond_the_file(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "w").write_bytes(raw)
    with pytest.raises(InputError, match="no safetensors file"):
        read_weights(str(tmp_path / "w"))


@pytest.mark.parametrize("raw", [b"00" * 31, b"00" * 33])
def test_keys_of_another_length(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "k").write_bytes(raw)
    with pytest.raises(InputError, match="a key of 32 bytes"):
        read_key(str(tmp_path / "k"))


def saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_arrays_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no array"):
        read_npy(b"\x93NUMPX" + saved(np.arange(3))[6:])
    with pytest.raises(InputError, match="more than two dimensions"):
        read_npy(saved(np.asfortranarray(np.zeros((2, 2, 2)))))
    np.savez(tmp_path / "names.npz", these=np.arange(3), those=np.arange(3))
    with pytest.raises(InputError, match="no arrays features and labels"):
        read_data(str(tmp_path / "names.npz"))
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as archive:
        archive.writestr("x.npy", saved(np.arange(3))[:-8])
        archive.writestr("y.npy", saved(np.arange(3)))
    for path in (tmp_path / "cut.npz", tmp_path / "none.npz"):
        if not path.exists():
            path.write_bytes(b"none")
        with pytest.raises(InputError, match="no archive of plain arrays"):
            read_data(str(path))


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("d.txt", "1,2\n", "neither .npz nor .csv"),
        ("d.csv", "", "is empty"),
        ("d.csv", "1,2\n3\n", "rows of different lengths"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, name: str, text: str, what: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=what):
        read_data(str(tmp_path / name))


def run(**changes: Any) -> Any:
    """What the checks ask of a run: two examples with one feature of four bits, two classes, two weights."""
    form = SimpleNamespace(feature_min=0, feature_bits=4, feature_frac=2, weight_frac=12)
    values = {"widths": (1, 2), "bias": (0,), "examples": 2, "classes": 2, "format": form, "data_root": "ab" * 32}
    return SimpleNamespace(**{**values, "data_budget": 2, "weights_budget": 2, **changes})


@pytest.mark.parametrize(
    ("features", "labels", "what"),
    [
        ([[1]], [0], "data of another shape"),
        ([[1], [2]], [0], "data of another shape"),
        ([[1], [2, 3]], [0, 1], "data of another shape"),
        ([[1], [2]], [0, 2], "a label is no class"),
        ([[1], [2]], [0, 0.5], "a label is no class"),
        ([[1.0], [float("nan")]], [0, 1], "no finite number"),
        ([[1.0], [float("inf")]], [0, 1], "no finite number"),
        ([[1], [16]], [0, 1], "outside the range"),
        ([[1.0], [-0.5]], [0, 1], "outside the range"),
        ([[1], [2]], [0, 1], "not the committed data"),
    ],
)
def test_data_that_are_not_the_committed_ones(
    features: list[list[float]], labels: list[float], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revealed, "root_of", lambda *given: "cd" * 32)
    with pytest.raises(Invalid, match=what) as caught:
        check_data(run(), features, labels, bytes(32))
    assert caught.value.code == "DATA_ROOT"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "WEIGHTS"),
        ({"widths": (2, 1)}, "WEIGHTS_MODEL"),
        ({"bias": (1,)}, "WEIGHTS_MODEL"),
        ({"format": SimpleNamespace(weight_frac=11)}, "WEIGHTS_MODEL"),
    ],
)
def test_weights_that_are_not_the_proven_ones(
    tmp_path: Path, changes: dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revealed, "root_of", lambda *given: "cd" * 32)
    monkeypatch.setattr(revealed, "weights_matrix", lambda *given: [])
    last: Any = SimpleNamespace(w_out=SimpleNamespace(root="ab" * 32))
    with pytest.raises(Invalid) as caught:
        check_weights(run(**changes), last, read_weights(with_tensor(tmp_path / "w")))
    assert caught.value.code == code
