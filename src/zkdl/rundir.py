"""The run directory: everything a run needs to go on after an interruption. It holds secrets; only the proof is for publication.

run.json                    run statement (public), written last when a run begins
data.npz                    quantised examples (secret)
secrets/master.key          32 bytes from which every other secret of the run is derived (mode 0600, directory 0700)
secrets/data.key            the derived key of the dataset commitment, for an auditor; never read here
weights/step-<n>.safetensors   exact integer weights after n steps (secret)
segments/<i>.json           finished segment, written last: its commit point
sections/<name>.bin         finished proof sections; dataset-<n>.bin is the data proof of the first n segments
figures/<name>.json         losses, headroom and times for the report (secret)
journal.jsonl               openings spent
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from zkdl.archives import NotAnArchive, read_arrays
from zkdl.errors import UsageError, ZkError
from zkdl.hiding.entropy import Entropy
from zkdl.journal import Journal
from zkdl.proof.revealed import read_tensors
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.weights import Weights
from zkdl.storage import disk_errors, new_secret, read_secret, remove, write_atomic

FOLDERS = ("secrets", "weights", "segments", "sections", "figures")
DERIVATION = b"zkdl/run-directory/1"


def weights_bytes(
    weights: Weights, weight_frac: int, key: bytes | None = None, more: Mapping[str, str] | None = None
) -> bytes:
    """A safetensors file with int64 tensors layer.<l>.weight and layer.<l>.bias.

    Args:
        key: of the commitment, when it is revealed. more: further metadata.
    """
    tensors: dict[str, NDArray[np.int64]] = {}
    for layer, (matrix, bias) in enumerate(zip(weights.W, weights.b, strict=True), start=1):
        tensors[f"layer.{layer}.weight"] = np.ascontiguousarray(matrix)
        if bias is not None:
            tensors[f"layer.{layer}.bias"] = np.ascontiguousarray(bias)
    metadata = {"weight_frac": str(weight_frac), **(more or {})}
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

    @property
    def has_results(self) -> bool:
        """Whether a segment or a proof section is there."""
        return any((self.path / "segments").glob("*.json")) or any((self.path / "sections").glob("*.bin"))

    def journal(self) -> Journal:
        """Raises UsageError(RUN_DAMAGED) when it is missing: a run has had one since it began."""
        path = self.path / "journal.jsonl"
        if not path.exists():
            raise UsageError(
                "the record of spent openings is missing",
                code="RUN_DAMAGED",
                hint="Restore it; without it nothing may be opened, so otherwise start again in a new directory",
                file=str(path),
            )
        return Journal(path)

    def new_secrets(self) -> None:
        """A master secret for a statement that is still to be written, and an empty journal.

        An old statement goes first: one master never serves two statements, not even when the process dies here or
        when a copy of this directory keeps the old one.
        """
        remove(self.path / "run.json")
        new_secret(self.path / "secrets" / "master.key")
        Journal.create(self.path / "journal.jsonl")
        write_atomic(self.path / "secrets" / "data.key", self.key("data"), secret=True)

    def key(self, name: str) -> bytes:
        """The 32-byte secret of that name. It follows from the master, so every copy of the run has the same.

        Raises: UsageError(RUN_DAMAGED, KEY_FILE) when the master cannot be read.
        """
        return Entropy(read_secret(self.path / "secrets" / "master.key"), DERIVATION).stream(name, 32)

    def write_statement(self, run: RunStatement, segment_steps: int) -> None:
        data = {"run": run.to_json(), "segment_steps": segment_steps}
        write_atomic(self.path / "run.json", json.dumps(data, sort_keys=True, indent=1).encode())

    def read_statement(self) -> tuple[RunStatement, int]:
        """The run statement and the steps per segment. Raises UsageError(RUN_DAMAGED)."""
        path = self.path / "run.json"
        try:
            data = json.loads(path.read_bytes())
            return RunStatement.from_json(data["run"]), int(data["segment_steps"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ZkError) as error:
            raise UsageError(
                "the run statement cannot be read",
                code="RUN_DAMAGED",
                hint="Restore it, or go on with the release that began this run, or start again in a new directory",
                file=str(path),
            ) from error

    def write_data(self, features: NDArray[np.int32], labels: NDArray[np.int32]) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, features=features, labels=labels)
        write_atomic(self.path / "data.npz", buffer.getvalue(), secret=True)

    def read_data(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        path = self.path / "data.npz"
        try:
            found = read_arrays(path)
            return found["features"], found["labels"]
        except (OSError, NotAnArchive, KeyError) as error:
            raise UsageError(
                "the run's data cannot be read",
                code="RUN_DAMAGED",
                hint="Restore the file, or start again in a new directory",
                file=str(path),
            ) from error

    def write_weights(self, step: int, weights: Weights, weight_frac: int) -> None:
        path = self.path / "weights" / f"step-{step}.safetensors"
        write_atomic(path, weights_bytes(weights, weight_frac), secret=True)

    def read_weights(self, step: int) -> Weights:
        """The weights after so many steps. Raises UsageError(RUN_DAMAGED)."""
        path = self.path / "weights" / f"step-{step}.safetensors"
        try:
            return read_tensors(path)[0]
        except UsageError as error:
            raise UsageError(
                "the run's weights cannot be read",
                code="RUN_DAMAGED",
                hint=self._train_again(step) if step else "Restore the file, or start again in a new directory",
                file=str(path),
            ) from error

    def _train_again(self, step: int) -> str:
        """How to get the weights after `step` back: training repeats what has no segment statement."""
        ends = [segment.end_step for segment in self.segments()]
        if step not in ends:
            return "Run zkdl train again"
        lost = self.path / "segments" / f"{ends.index(step)}.json"
        return f"Restore the file, or delete {lost} and run zkdl train again, which ends in the same weights"

    def write_segment(self, segment: SegmentStatement) -> None:
        path = self.path / "segments" / f"{segment.index}.json"
        write_atomic(path, json.dumps(segment.to_json(), sort_keys=True).encode())

    def segments(self) -> list[SegmentStatement]:
        """Finished segments in order. Raises UsageError(RUN_DAMAGED)."""
        found: list[SegmentStatement] = []
        while (path := self.path / "segments" / f"{len(found)}.json").exists():
            try:
                found.append(SegmentStatement.from_json(json.loads(path.read_bytes())))
            except (OSError, ValueError, RecursionError, ZkError) as error:
                raise UsageError(
                    "a segment's statement cannot be read",
                    code="RUN_DAMAGED",
                    hint="Restore it, or delete it and run zkdl train again, which ends in the same weights",
                    file=str(path),
                ) from error
        return found

    def trained(self, steps: int) -> float:
        """The part of a run of so many steps that has been trained. Raises UsageError(RUN_DAMAGED)."""
        done = self.segments()
        return done[-1].end_step / steps if done else 0.0

    def figures(self, name: str) -> Path:
        """Where remembered figures are or will be."""
        return self.path / "figures" / f"{name}.json"

    def write_figures(self, name: str, values: dict[str, Any]) -> None:
        path = self.figures(name)
        with disk_errors(path):
            # A run that an earlier release began has no such folder.
            path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, json.dumps(values, sort_keys=True).encode(), secret=True)

    def read_figures(self, name: str) -> dict[str, Any] | None:
        """Remembered figures, None when there are none. Raises UsageError(RUN_DAMAGED)."""
        path = self.figures(name)
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self.damaged_figures(name)
        return found

    def damaged_figures(self, name: str) -> UsageError:
        """The error for figures that are not as they were written."""
        return UsageError(
            "the remembered figures cannot be read",
            code="RUN_DAMAGED",
            hint="Delete the file; only the report needs it",
            file=str(self.figures(name)),
        )

    def section(self, name: str) -> Path:
        """Where a proof section is or will be."""
        return self.path / "sections" / f"{name}.bin"

    def forget_data_proofs(self, segment: int) -> None:
        """Remove every data proof that speaks of this segment."""
        for path in (self.path / "sections").glob("dataset-*.bin"):
            if int(path.stem.removeprefix("dataset-")) > segment:
                remove(path)

    def write_section(self, name: str, proof: bytes) -> None:
        path = self.section(name)
        with disk_errors(path):
            # Proofs may be thrown away as a whole: they are made again.
            path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(path, proof)
