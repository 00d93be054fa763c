"""Values far outside their range: field elements that only look like small integers, and table rows that do not exist."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.support.attack import accepted, answer, centred, kernel_vector
from tests.support.tiny import KEYS, SETS, TINY, Tiny, tiny_run
from tests.support.trainer import Cheat
from zkdl.algebra.extension import P
from zkdl.backend.select import get_backend
from zkdl.commitment.ligero import commit
from zkdl.commitment.stored import commit_weights, dataset_matrix
from zkdl.errors import Rejected
from zkdl.hiding.entropy import Entropy
from zkdl.proof import certificate
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights
from zkdl.proof.prover_tables import fill_multiplicities
from zkdl.proof.run_certificates import (
    DATA_PROTOCOL,
    INITIAL_PROTOCOL,
    data_certificate_layout,
    initial_certificate_layout,
)
from zkdl.statement import requantise
from zkdl.statement.weights import Weights


def _plus(matrix: np.ndarray, change: list[list[int]]) -> np.ndarray:
    """matrix + change mod p, centred."""
    rows = [[centred(int(a) + b) for a, b in zip(x, y, strict=True)] for x, y in zip(matrix, change, strict=True)]
    return np.array(rows, dtype=np.int64)


def test_data_in_the_kernel_of_the_first_layer() -> None:
    """x + z v with v W_1 = 0 mod p, used in the last step: the same Z, but any values in W_out. [hole 5]

    A segment alone accepts it, the data certificate does not. One step, so that the kernel is known before the order is.
    """
    tiny = tiny_run(loss="mse", batch=8, steps=1)
    v, scale, example = kernel_vector(tiny.weights_in.W[0]), 12345, 2
    planted = [centred(int(x) + scale * a) for x, a in zip(tiny.x[example], v, strict=True)]
    matrix = dataset_matrix(tiny.dataset.layout, tiny.x, tiny.y).astype(np.int64)
    matrix[: tiny.run.widths[0], example] = planted
    committed = commit(tiny.backend, matrix, tiny.dataset.layout.code, Entropy(KEYS["dataset"]), "dataset")
    run = replace(tiny.run, data_root=committed.root.hex())
    tiny = replace(tiny, run=run, dataset=replace(tiny.dataset, committed=committed))
    witness, honest_out = tiny.witness()
    slot = tiny.public.indices[0].tolist().index(example)
    features = witness.features.astype(np.int64)
    features[:, 0, slot] = planted
    gradient, rate = witness.columns["G", 1][:5, 0, slot], int(tiny.public.schedule.updates[0, 0])
    change = [[-rate * scale * a * int(g) for g in gradient] for a in v]
    out = Weights([_plus(honest_out.W[0], change), *honest_out.W[1:]], honest_out.b)
    assert gradient.any() and int(abs(out.W[0]).max()) > 1 << 60
    assert accepted(tiny, replace(witness, features=features), out)
    proof = prove_data_certificate(run, tiny.dataset, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
    plan = data_certificate_layout(run, TINY)
    with pytest.raises(Rejected) as caught:
        certificate.verify(tiny.backend, DATA_PROTOCOL, run.canonical(), plan, tiny.dataset.root, io.BytesIO(proof))
    assert caught.value.code == "RELATIONS"


def test_initial_weights_in_the_kernel_of_the_data() -> None:
    """W_1 + u (z_1 .. z_d) with X u = 0 mod p: the same Z, but any values in W_in and W_out. [hole 5]

    A segment alone accepts it, the range proof of the initial weights does not.
    """
    tiny = tiny_run(loss="mse", seeded=False, examples=5, batch=5, steps=2)
    u = kernel_vector(tiny.x.T)
    assert all(sum(a * int(x) for a, x in zip(u, row, strict=True)) % P == 0 for row in tiny.x)
    change = [[a * z for z in (0, 7, 1 << 50, 0, 3)] for a in u]
    weights = Weights([_plus(tiny.weights_in.W[0], change), *tiny.weights_in.W[1:]], tiny.weights_in.b)
    w_in = commit_weights(weights, KEYS["w_in"], tiny.run.weights_budget, TINY, tiny.backend)
    run = replace(tiny.run, init_root=w_in.root.hex())
    start = replace(tiny.segment.w_in, root=w_in.root.hex())
    forged = replace(tiny, run=run, segment=replace(tiny.segment, w_in=start), weights_in=weights, w_in=w_in)
    witness, honest_out = replace(forged, weights_in=tiny.weights_in).witness()
    out = Weights([_plus(honest_out.W[0], change), *honest_out.W[1:]], honest_out.b)
    assert int(abs(out.W[0]).max()) > 1 << 60
    assert accepted(forged, witness, out)
    proof = prove_initial_weights(run, w_in, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
    plan = initial_certificate_layout(run, TINY)
    with pytest.raises(Rejected) as caught:
        certificate.verify(tiny.backend, INITIAL_PROTOCOL, run.canonical(), plan, w_in.root, io.BytesIO(proof))
    assert caught.value.code == "RELATIONS"


def _large(tiny: Tiny, factor: int, layer: int) -> Tiny:
    """Committed initial weights of one layer that the static bound does not allow for."""
    weights = tiny.weights_in.copy()
    weights.W[layer - 1] = weights.W[layer - 1] * factor
    w_in = commit_weights(weights, KEYS["w_in"], tiny.run.weights_budget, TINY, tiny.backend)
    run = replace(tiny.run, init_root=w_in.root.hex())
    start = replace(tiny.segment.w_in, root=w_in.root.hex())
    return replace(tiny, run=run, segment=replace(tiny.segment, w_in=start), weights_in=weights, w_in=w_in)


@pytest.mark.parametrize(("column", "layer"), [("z_hi", 1), ("z_hi", 2), ("z_hi", 3), ("p_hi", 1), ("p_hi", 2)])
def test_products_beyond_the_table(column: str, layer: int) -> None:
    """Weights so large that a top limb has no table row: limbs that add up, low limbs in range, a clamped output."""
    tiny = _large(tiny_run(loss="mse", seeded=False, steps=1), 1 << 8, layer + (column == "p_hi"))
    witness, out = tiny.witness()
    formats, limbs = tiny.run.format, tiny.segment.limbs
    forward, backward = requantise.top_bits_forward(formats, limbs), requantise.top_bits_backward(formats, limbs)
    rows = 1 << (forward if column == "z_hi" else backward)
    values = witness.columns[column, layer]
    assert values.min() < 0 or values.max() >= rows
    found = answer(tiny, witness, out)
    assert found.code == "RELATIONS" and found.broken == {"fractions"}


def _move(amount: Callable[[int, requantise.Requant], int]) -> Callable[..., tuple[np.ndarray, ...]]:
    """Add to one top limb what is taken from the limb below: the same Z."""

    def hook(value: tuple[np.ndarray, ...], layer: int, t: int, requant: requantise.Requant) -> tuple[np.ndarray, ...]:
        if (layer, t) != (2, 1):
            return value
        top, middle, low = (part.copy() for part in value)
        moved = amount(int(top[0, 0]), requant)
        top[0, 0] += moved
        # In units of the middle limb, or of the low one where there is none.
        below, bits = (middle, requant.mid_bits) if requant.mid_bits else (low, requant.low_bits)
        below[0, 0] -= moved << bits
        return top, middle, low

    return hook


def _middle_to_low(value: tuple[np.ndarray, ...], layer: int, t: int, requant: requantise.Requant) -> object:
    """The low limb takes one unit of the middle one: beyond 2^r."""
    top, middle, low = (part.copy() for part in value)
    if (layer, t) == (2, 1):
        middle[0, 0] -= 1
        low[0, 0] += 1 << requant.low_bits
    return top, middle, low


MOVES: dict[str, Callable[..., object]] = {
    "low limb beyond 2^h": _move(lambda top, requant: -1),
    "low limb below zero, as p - x": _move(lambda top, requant: 1),
    "first index beyond the table": _move(lambda top, requant: (1 << requant.top_bits) - top),
    "index far beyond the table": _move(lambda top, requant: (1 << requant.top_bits + 3) - top),
    "index below zero, as p - x": _move(lambda top, requant: -1 - top),
    "lowest limb beyond 2^r": _middle_to_low,
}


@pytest.mark.parametrize("place", ["z-limbs", "p-limbs"])
@pytest.mark.parametrize("name", MOVES)
def test_limbs_that_add_up_outside_their_ranges(name: str, place: str) -> None:
    tiny = tiny_run()
    honest, _ = tiny.witness()
    witness, out = tiny.witness(Cheat({place: MOVES[name]}))
    assert not np.array_equal(witness.matrix, honest.matrix)
    found = answer(tiny, witness, out)
    assert found.code == "RELATIONS" and "fractions" in found.broken


def _beyond(tiny: Tiny, name: str) -> dict[str, int]:
    """New values of one entry of the loss columns, consistent with the equation of the division."""
    fg, exp = tiny.segment.scales.fg[-1], 2 * tiny.run.format.logit_max + 1
    return {
        "quotient beyond one": {"q": (1 << fg) + 1},
        "quotient below zero, as p - x": {"q": -1},
        "exponential below zero": {"E": -1},
        "exponential beyond one": {"E": (1 << tiny.run.format.exp_bits) + 1},
        "difference beyond the table": {"mx": exp + 5},
        "difference below zero, as p - x": {"mx": -exp},
        "gradient beyond its range": {"G": tiny.run.format.gradient_max + 1},
        "indicator of two": {"I0": 2},
        "indicator below zero": {"I0": -1},
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "quotient beyond one",
        "quotient below zero, as p - x",
        "exponential below zero",
        "exponential beyond one",
        "difference beyond the table",
        "difference below zero, as p - x",
        "gradient beyond its range",
        "indicator of two",
        "indicator below zero",
    ],
)
def test_loss_values_outside_their_tables(name: str) -> None:
    tiny = tiny_run(loss="ce")
    witness, out = tiny.witness()
    ((column, value),) = _beyond(tiny, name).items()
    last, fg, c = tiny.run.L, tiny.segment.scales.fg[-1], witness.columns
    c[column, last][(1, 0) if column == "mx" else (0, 1, 0)] = value
    sums = c["E", last].sum(axis=0)
    c["R", last][:] = (c["E", last] << (fg + 1)) + sums - 2 * sums * c["q", last]
    c["R", last][tiny.run.classes :] = 0
    fill_multiplicities(get_backend(), witness)
    found = answer(tiny, witness, out)
    assert found.code == "RELATIONS" and "fractions" in found.broken
