"""Small runs of many shapes: every single value of a witness changed by one is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.attack import Answer, accepted, answer
from tests.support.tiny import Tiny, tiny_run
from zkdl.backend.select import get_backend
from zkdl.proof.layout import views
from zkdl.proof.prover_tables import SegmentWitness, fill_multiplicities
from zkdl.statement.weights import Weights

# One layer, a layer of one unit, one step, one example, widths off powers of two, weights from a seed and committed.
SHAPES: list[dict[str, Any]] = [
    {"widths": (3, 2), "loss": "ce", "batch": 2, "steps": 2},
    {"widths": (3, 2), "loss": "mse", "batch": 3, "steps": 1},
    {"widths": (2, 3), "loss": "ce", "batch": 1, "steps": 3},
    {"widths": (2, 5, 2), "loss": "ce", "batch": 1, "steps": 1},
    {"widths": (5, 1, 3), "loss": "mse", "batch": 2, "steps": 2},
    {"widths": (2, 9, 2, 2), "loss": "mse", "batch": 1, "steps": 2, "seeded": False, "bias": (True, False, True)},
    {"widths": (3, 3, 3), "loss": "ce", "batch": 2, "steps": 2, "seeded": False, "bias": (False, True)},
]
NAMES = ["-".join(map(str, shape["widths"])) + " " + shape["loss"] for shape in SHAPES]

Change = tuple[object, SegmentWitness, Weights]


def _columns(tiny: Tiny, honest: SegmentWitness, out: Weights) -> Iterator[Change]:
    """One entry of a committed column, up with new counts or down with old ones."""
    for key, view in views(tiny.public.layout, honest.matrix).items():
        for place in np.ndindex(*view.shape):
            for change in (1, -1):
                matrix = honest.matrix.copy()
                named = views(tiny.public.layout, matrix)
                named[key][place] += change
                witness = replace(honest, matrix=matrix, columns={**honest.columns, **named})
                if change == 1:
                    fill_multiplicities(get_backend(), witness)
                yield (key, place, change), witness, out


def _inputs(tiny: Tiny, honest: SegmentWitness, out: Weights) -> Iterator[Change]:
    """One feature of a slot that is not the one in the dataset."""
    for place in np.ndindex(*honest.features.shape):
        features = honest.features.copy()
        features[place] += 1
        yield ("feature", place), replace(honest, features=features), out


def _weights(tiny: Tiny, honest: SegmentWitness, out: Weights) -> Iterator[Change]:
    """One final weight or bias."""
    for layer in range(tiny.run.L):
        for name in ("W", "b"):
            values = getattr(out, name)[layer]
            for place in np.ndindex(*values.shape) if values is not None else ():
                changed = out.copy()
                getattr(changed, name)[layer][place] += 1
                yield (name, layer, place), honest, changed


def _answers(shape: dict[str, Any], every: int) -> Iterator[tuple[object, Answer]]:
    tiny = tiny_run(**shape)
    honest, out = tiny.witness()
    assert accepted(tiny, honest, out)
    changes = (change for kind in (_columns, _inputs, _weights) for change in kind(tiny, honest, out))
    for number, (what, witness, final) in enumerate(changes):
        if number % every == 0:
            yield what, answer(tiny, witness, out, final)


@pytest.mark.parametrize("shape", SHAPES, ids=NAMES)
def test_sampled_entries(shape: dict[str, Any]) -> None:
    for what, found in _answers(shape, every=29):
        assert found.code == "RELATIONS" and found.broken, what


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=NAMES)
def test_every_entry(shape: dict[str, Any]) -> None:
    for what, found in _answers(shape, every=1):
        assert found.code == "RELATIONS" and found.broken, what
