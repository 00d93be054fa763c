"""Small proofs of many shapes, made through the public interface, and both verifiers as functions of bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import zkdl
from zkdl.reference.transcript import Invalid
from zkdl.reference.verifier import verify


@dataclass(frozen=True)
class Case:
    """A run: network, number of examples, how long, options. `hidden` starts from committed weights."""

    widths: list[int]
    examples: int
    fit: dict[str, Any]
    run: dict[str, Any]
    bias: Any = True
    hidden: bool = False
    real: bool = False


CASES = {
    "ce-one-layer": Case([3, 2], 5, {"steps": 2}, {"batch": 2}),
    "ce": Case([5, 4, 3], 9, {"steps": 4}, {"batch": 4}),
    "mse-no-bias": Case([5, 4, 3], 9, {"steps": 3}, {"batch": 4, "loss": "mse"}, bias=False),
    "mse-one-layer": Case([6, 3], 7, {"epochs": 2}, {"batch": 3, "loss": "mse"}),
    "ce-segments": Case(
        [6, 5, 7, 4],
        11,
        {"epochs": 3},
        {"batch": 4, "segment_steps": 4, "schedule": [(5, 0.05)]},
        bias=[True, False, True],
    ),
    "mse-drop": Case(
        [4, 3, 3],
        11,
        {"epochs": 4},
        {"batch": 4, "segment_steps": 3, "last_batch": "drop", "loss": "mse", "beacon": "ab12"},
    ),
    "ce-hidden": Case([5, 6, 3], 9, {"epochs": 2}, {"batch": 4, "segment_steps": 3}, hidden=True),
    "mse-hidden": Case(
        [4, 9, 1, 2],
        20,
        {"steps": 3},
        {"batch": 8, "loss": "mse", "initial_bound": 2.0},
        bias=[False, True, False],
        hidden=True,
    ),
    "mse-hidden-one-layer": Case(
        [7, 4], 30, {"steps": 7}, {"batch": 5, "segment_steps": 4, "loss": "mse"}, hidden=True, real=True
    ),
    "wide": Case([20, 17, 33, 10], 40, {"steps": 5}, {"batch": 8, "activation_bits": 6, "gradient_bits": 7}),
}


@dataclass
class Maker:
    """Makes each proof once."""

    folder: Path
    made: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, name: str) -> bytes:
        if name not in self.made:
            self.made[name] = self._make(name, CASES[name])
        return self.made[name]

    def _make(self, name: str, case: Case) -> bytes:
        rng = np.random.default_rng(5)
        x = rng.integers(0, 256, (case.examples, case.widths[0])).astype(np.uint8)
        y = rng.integers(0, case.widths[-1], case.examples)
        features = rng.normal(size=x.shape) if case.real else x
        initial = None
        if case.hidden:
            base = self._run(f"{name}-base", case)
            base.fit(features, y, steps=1)
            base.prove(self.folder / f"{name}-base.zkproof")
            initial = str(self.folder / f"{name}.safetensors")
            base.reveal_weights(initial)
        run = self._run(name, case)
        run.fit(features, y, initial=initial, **case.fit)
        path = self.folder / f"{name}.zkproof"
        run.prove(path)
        return path.read_bytes()

    def _run(self, name: str, case: Case) -> zkdl.Run:
        model = zkdl.MLP(case.widths, case.bias)
        return zkdl.Run(model, directory=self.folder / name, threads=1, **case.run)


def second(data: bytes) -> str:
    """The verdict of the second verifier: OK or a code. No other exception may come out of it."""
    try:
        verify(io.BytesIO(data))
    except Invalid as verdict:
        return verdict.code
    return "OK"


def first(data: bytes, folder: Path) -> str:
    """The verdict of `zkdl.verify`."""
    from zkdl.errors import ZkError

    path = folder / "candidate.zkproof"
    path.write_bytes(data)
    try:
        zkdl.verify(path)
    except ZkError as error:
        return str(error.code)
    return "OK"
