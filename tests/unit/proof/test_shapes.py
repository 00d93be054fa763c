"""Completeness over shapes: depth, widths, batches, padding, biases, limbs, losses; and the trainer's own witness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.tiny import tiny_run
from zkdl.proof.prove import make_witness
from zkdl.statement import requantise

SHAPES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "three layers": ((6, 5, 4, 3), {}),
    "one layer": ((6, 3), {}),
    "one layer without bias": ((6, 3), {"bias": (False,)}),
    "some biases": ((6, 5, 3), {"bias": (True, False)}),
    "committed start": ((6, 5, 4, 3), {"seeded": False}),
    "powers of two": ((8, 8, 4), {"batch": 4, "steps": 4, "examples": 16}),
    "two limbs": ((6, 5, 4, 3), {"limbs": requantise.Limbs(0, 0, 13)}),
    "wide top limb": ((6, 5, 4, 3), {"limbs": requantise.Limbs(2, 1, 8)}),
    "deep": ((20, 17, 9, 6, 3), {"batch": 2, "steps": 5, "examples": 40}),
    "one step, one example": ((3, 2, 2), {"batch": 1, "steps": 1}),
    "narrow middle": ((5, 1, 2), {"batch": 2, "steps": 2}),
    "partial last batch": ((4, 3, 2), {"batch": 4, "steps": 5, "examples": 6}),
    "dropped last batch": ((4, 3, 2), {"batch": 4, "steps": 5, "examples": 6, "last_batch": "drop"}),
    "narrow and wide": ((2, 9, 2), {"batch": 2, "steps": 2}),
}


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("name", SHAPES)
def test_honest_proof_is_accepted(name: str, loss: str) -> None:
    widths, options = SHAPES[name]
    tiny = tiny_run(widths, loss, **options)
    witness, out = tiny.witness()
    trained, trained_out = make_witness(tiny.public, tiny.weights_in, tiny.x, tiny.y)
    assert np.array_equal(witness.matrix, trained.matrix)
    assert all(np.array_equal(a, b) for a, b in zip(out.W, trained_out.W, strict=True))
    public, proof = tiny.prove(trained, trained_out)
    tiny.verify(public, proof)


def test_two_and_three_limbs_are_both_in_use() -> None:
    two, three = tiny_run(limbs=requantise.Limbs(0, 0, 13)), tiny_run(limbs=requantise.Limbs(0, 0, 7))
    assert ("z_mid", 1) not in two.public.layout.columns
    assert ("z_mid", 1) in three.public.layout.columns
