"""Revealed weights and data: the second verifier gives the answers of `zkdl verify`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import zkdl
from zkdl.cli.main import cli
from zkdl.reference.verifier import main


@dataclass(frozen=True)
class Files:
    """A proof and what an auditor is given."""

    proof: Path
    weights: Path
    key: Path
    features: np.ndarray
    labels: np.ndarray
    folder: Path

    def both(self, *options: Any) -> tuple[int, int]:
        """Exit statuses of `zkdl verify` and of `zkdl-refverify`."""
        arguments = [str(x) for x in (self.proof, *options)]
        return CliRunner().invoke(cli, ["verify", *arguments]).exit_code, main(arguments)

    def data(self, features: np.ndarray, labels: np.ndarray, name: str = "d.npz") -> tuple[Any, ...]:
        path = self.folder / name
        if name.endswith(".npz"):
            np.savez(path, features=features, labels=labels)
        else:
            pairs = zip(features.tolist(), labels, strict=True)
            lines = [",".join(map(repr, [*row, int(label)])) for row, label in pairs]
            path.write_text("\n".join(lines))
        return "--data", path, "--data-key", self.key


@pytest.fixture(scope="module", params=["integers", "reals"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder, rng = tmp_path_factory.mktemp(request.param), np.random.default_rng(3)
    x: np.ndarray = rng.integers(0, 256, (21, 5)).astype(np.uint8)
    if request.param == "reals":
        x = rng.normal(size=x.shape)
    y = rng.integers(0, 3, 21)
    run = zkdl.Run(zkdl.MLP([5, 4, 3], [True, False]), batch=4, threads=1, directory=folder / "run")
    run.fit(x, y, steps=2)
    run.prove(folder / "p.zkproof")
    run.reveal_weights(folder / "w.safetensors")
    return Files(folder / "p.zkproof", folder / "w.safetensors", folder / "run/secrets/data.key", x, y, folder)


def test_what_was_proven(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    data = files.data(np.asfortranarray(files.features), files.labels)
    assert files.both("--weights", files.weights, *data) == (0, 0)
    assert "checked besides, and held: weights, data" in capsys.readouterr().out
    assert files.both(*files.data(files.features, files.labels, "d.csv")) == (0, 0)


def test_other_data(files: Files) -> None:
    x, y = files.features, files.labels
    other = x.copy()
    other[3, 1] = other[4, 1]
    assert other[3, 1] != x[3, 1]
    for features, labels in ((other, y), (x, (y + 1) % 3), (x[:-1], y[:-1]), (x, y + 3), (x[::-1], y[::-1])):
        assert files.both(*files.data(features, labels)) == (1, 1)
    if x.dtype.kind == "f":
        for value in (np.nan, np.inf, 9.0):
            other[3, 1] = value
            assert files.both(*files.data(other, y)) == (1, 1)
    key = files.folder / "other.key"
    for text, status in ((b"\0" * 32, 1), (b"00" * 32 + b"\n", 1), (b"\0" * 31, 2), (b"zz" * 32, 2)):
        key.write_bytes(text)
        options = (*files.data(x, y)[:2], "--data-key", key)
        assert files.both(*options) == (status, status)


def changed(weights: Path, target: Path, at: int, **metadata: str) -> Path:
    """The file with one bit of its data flipped, `at` counted from the end (0: none), and with other metadata."""
    raw = bytearray(weights.read_bytes())
    length = int.from_bytes(raw[:8], "little")
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    header["__metadata__"].update(metadata)
    if at:
        body[-at] ^= 1
    text = json.dumps(header).encode()
    target.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return target


def test_other_weights(files: Files) -> None:
    target = files.folder / "other.safetensors"
    for at, metadata, status in (
        (0, {}, 0),
        (1, {}, 1),
        (8, {}, 1),
        (40, {}, 1),
        (0, {"weight_frac": "3"}, 1),
        (0, {"commitment_key": "00" * 32}, 1),
        (0, {"commitment_key": "00" * 31}, 2),
        (0, {"commitment_key": "zz" * 32}, 2),
        (0, {"weight_frac": "many"}, 2),
    ):
        assert files.both("--weights", changed(files.weights, target, at, **metadata)) == (status, status), metadata


def test_files_that_are_none(files: Files) -> None:
    target = files.folder / "none"
    whole = files.weights.read_bytes()
    for raw in (b"", b"\0" * 8, whole[:-1], whole[:100], b"\xff" * 64, (2).to_bytes(8, "little") + b"[]"):
        target.write_bytes(raw)
        assert files.both("--weights", target) == (2, 2), raw[:20]
        (files.folder / "none.npz").write_bytes(raw)
        assert files.both("--data", files.folder / "none.npz", "--data-key", files.key) == (2, 2), raw[:20]
    for text in ("", "1,2\n3\n", "a,b\nc,d\n"):
        (files.folder / "none.csv").write_text(text)
        assert files.both("--data", files.folder / "none.csv", "--data-key", files.key) == (2, 2), text
    np.savez(files.folder / "names.npz", these=files.features, those=files.labels)
    assert files.both("--data", files.folder / "names.npz", "--data-key", files.key) == (2, 2)
    assert files.both("--weights", files.folder / "absent") == (2, 2)
    assert files.both("--data-key", files.key) == (2, 2)
    assert files.both("--data", files.folder / "names.npz") == (2, 2)
    assert files.both("--no-such-option") == (2, 2)


def test_labelled_column(files: Files) -> None:
    """A header line names the column of the labels."""
    lines = ["a,label,b,c,d,e"]
    for row, label in zip(files.features.tolist(), files.labels.tolist(), strict=True):
        cells = list(map(repr, row))
        lines.append(",".join([cells[0], str(label), *cells[1:]]))
    (files.folder / "l.csv").write_text("\n".join(lines) + "\n")
    assert files.both("--data", files.folder / "l.csv", "--data-key", files.key) == (0, 0)
