"""The run directory: everything a run needs to go on after an interruption. It holds secrets; only the proof is for publication.

run.json                    run statement (public)
data.npz                    quantised examples (secret)
secrets/                    data.key, weights-<step>.key, section-<name>.key (mode 0600, directory 0700)
weights/step-<n>.safetensors   exact integer weights after n steps (secret)
segments/<i>.json           finished segment, written last: its commit point
sections/<name>.bin         finished proof sections
journal.jsonl               openings spent
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from zkdl.errors import UsageError, ZkError
from zkdl.journal import Journal
from zkdl.proof.revealed import read_tensors
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.weights import Weights
from zkdl.storage import disk_errors, secret_key, write_atomic

FOLDERS = ("secrets", "weights", "segments", "sections")


def weights_bytes(weights: Weights, weight_frac: int, key: bytes | None = None) -> bytes:
    """A safetensors file with int64 tensors layer.<l>.weight and layer.<l>.bias; `key` is added when it is revealed."""
    tensors: dict[str, NDArray[np.int64]] = {}
    for layer, (matrix, bias) in enumerate(zip(weights.W, weights.b, strict=True), start=1):
        tensors[f"layer.{layer}.weight"] = np.ascontiguousarray(matrix)
        if bias is not None:
            tensors[f"layer.{layer}.bias"] = np.ascontiguousarray(bias)
    metadata = {"weight_frac": str(weight_frac)}
    if key is not None:
        metadata["commitment_key"] = key.hex()
    return bytes(save(tensors, metadata))


class RunDirectory:
    """Files of one run. Every write is atomic; secrets reach the disk before they are used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def create(path: Path) -> RunDirectory:
        """Make the folders. An existing run stays as it is."""
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            for name in FOLDERS:
                folder = path / name
                folder.mkdir(exist_ok=True)
                os.chmod(folder, 0o700)
        return RunDirectory(path)

    @staticmethod
    def open(path: Path) -> RunDirectory:
        """Raises UsageError(RUN_MISSING) unless a run is there."""
        if not (path / "run.json").exists():
            raise UsageError(
                "there is no run in this directory", code="RUN_MISSING", hint="Run zkdl train first", file=str(path)
            )
        return RunDirectory(path)

    @property
    def has_statement(self) -> bool:
        return (self.path / "run.json").exists()

    def journal(self) -> Journal:
        return Journal(self.path / "journal.jsonl")

    def key(self, name: str) -> bytes:
        """A 32-byte secret by name, made on first use."""
        return secret_key(self.path / "secrets" / f"{name}.key")

    def write_statement(self, run: RunStatement, segment_steps: int) -> None:
        data = {"run": run.to_json(), "segment_steps": segment_steps}
        write_atomic(self.path / "run.json", json.dumps(data, sort_keys=True, indent=1).encode())

    def read_statement(self) -> tuple[RunStatement, int]:
        """The run statement and the steps per segment. Raises UsageError(RUN_DAMAGED)."""
        path = self.path / "run.json"
        try:
            data = json.loads(path.read_bytes())
            return RunStatement.from_json(data["run"]), int(data["segment_steps"])
        except (OSError, ValueError, KeyError, TypeError, ZkError) as error:
            raise UsageError("the run statement cannot be read", code="RUN_DAMAGED", file=str(path)) from error

    def write_data(self, features: NDArray[np.int32], labels: NDArray[np.int32]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, features=features, labels=labels)
        write_atomic(self.path / "data.npz", buffer.getvalue(), secret=True)

    def read_data(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        path = self.path / "data.npz"
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                return archive["features"], archive["labels"]
        except (OSError, ValueError, KeyError, EOFError, IndexError, AttributeError, TypeError, BadZipFile) as error:
            raise UsageError("the run's data cannot be read", code="RUN_DAMAGED", file=str(path)) from error

    def write_weights(self, step: int, weights: Weights, weight_frac: int) -> None:
        path = self.path / "weights" / f"step-{step}.safetensors"
        write_atomic(path, weights_bytes(weights, weight_frac), secret=True)

    def read_weights(self, step: int) -> Weights:
        weights, _ = read_tensors(self.path / "weights" / f"step-{step}.safetensors")
        return weights

    def write_segment(self, segment: SegmentStatement) -> None:
        path = self.path / "segments" / f"{segment.index}.json"
        write_atomic(path, json.dumps(segment.to_json(), sort_keys=True).encode())

    def segments(self) -> list[SegmentStatement]:
        """Finished segments in order. Raises UsageError(RUN_DAMAGED)."""
        found: list[SegmentStatement] = []
        while (path := self.path / "segments" / f"{len(found)}.json").exists():
            try:
                found.append(SegmentStatement.from_json(json.loads(path.read_bytes())))
            except (OSError, ValueError, ZkError) as error:
                raise UsageError("a segment's statement cannot be read", code="RUN_DAMAGED", file=str(path)) from error
        return found

    def section(self, name: str) -> Path:
        """Where a proof section is or will be."""
        return self.path / "sections" / f"{name}.bin"

    def write_section(self, name: str, proof: bytes) -> None:
        write_atomic(self.section(name), proof)
