"""Holes 13 and 14 of the design review: challenges of the fields, and limbs.

Each test runs one attack against a deliberately unmended system, where it is accepted, and against the real one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support import trainer as trainer_module
from tests.support.attack import accepted, answer, recount
from tests.support.tiny import KEYS, TINY, Tiny, tiny_run
from tests.support.trainer import Cheat
from zkdl.algebra.extension import Ext, P
from zkdl.commitment.stored import commit_weights
from zkdl.errors import NotProvable
from zkdl.proof import flow, layout
from zkdl.proof.security import grinding_bits, over_field
from zkdl.protocols import lookup
from zkdl.statement import bounds, requantise, tables
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.state import Scales
from zkdl.statement.tables import Table
from zkdl.statement.weights import Weights


def test_hole_13_every_field_has_its_own_challenge(monkeypatch: pytest.MonkeyPatch) -> None:
    """(x, A + 1, S = 0) has the sum of (x, A, S = 1): a unit is rounded up and its gradient is stopped."""
    tiny = tiny_run(loss="mse")
    honest, honest_out = tiny.witness()
    place = [0, 0, 0]

    def here(layer: int, t: int) -> bool:
        return (layer, t) == (1, place[1])

    def rounded_up(value: np.ndarray, layer: int, t: int) -> np.ndarray:
        value[place[2], place[0]] += here(layer, t)
        return value

    def stopped(value: np.ndarray, layer: int, t: int) -> np.ndarray:
        value[place[2], place[0]] *= not here(layer, t)
        return value

    active = honest.columns["A", 1][: tiny.run.widths[1], : tiny.segment.steps] > 0
    for found in np.argwhere(active).tolist():
        place[:] = found
        witness, out = tiny.witness(Cheat({"activation": rounded_up, "sign": stopped}))
        if not out.equal(honest_out):
            break
    assert not out.equal(honest_out)
    assert recount(witness) == 1 and recount(witness, sum) == 0
    refusal = answer(tiny, witness, out)
    assert refusal.code == "RELATIONS" and refusal.broken == {"fractions"}
    draw = lookup.draw_fingerprint

    def shared(challenges: object) -> tuple[Ext, list[Ext]]:
        alpha, betas = draw(challenges)  # type: ignore[arg-type]  # passed through
        return alpha, [betas[0], *[betas[1]] * lookup.FIELDS]

    monkeypatch.setattr(flow, "draw_fingerprint", shared)
    assert accepted(tiny) and accepted(tiny, witness, out)


def test_hole_13_size_of_the_error() -> None:
    """Powers of one challenge cost 2^27 leaves their 100 bits; independent ones keep them, and work fills up the rest."""
    leaves = 1 << 27
    assert over_field(6 * leaves) < 99 and over_field(2 * leaves) > 99.9
    assert grinding_bits(1 << 20, 100) == 0 and grinding_bits(1 << 28, 100) >= 2
    for count in (leaves, 1 << 30):
        assert over_field(2 * count) + grinding_bits(count, 100) >= 100


def _ambiguous(tiny: Tiny) -> tuple[Tiny, Cheat, Cheat]:
    """h = k + 1: every top limb stands for two roundings. The trainer takes the right one, or the other one once."""
    limbs = replace(tiny.segment.limbs, e_forward=-1)
    tiny = replace(tiny, segment=replace(tiny.segment, limbs=limbs))
    rounded: dict[int, np.ndarray] = {}

    def remember(value: tuple[np.ndarray, ...], layer: int, t: int, requant: requantise.Requant) -> object:
        top, middle, low = value
        total = (top << requant.h) + (middle << requant.low_bits) + low
        rounded[layer] = (total >> requant.k) - requant.middle
        return value

    def clamp(layer: int, values: np.ndarray) -> np.ndarray:
        limit = tiny.run.format.activation_max if layer < tiny.run.L else tiny.run.format.logit_max
        return np.clip(values, 0 if layer < tiny.run.L else -limit, limit)

    def right(value: np.ndarray, layer: int, t: int) -> np.ndarray:
        return clamp(layer, rounded[layer])

    def other(value: np.ndarray, layer: int, t: int) -> np.ndarray:
        changed = rounded[layer].copy()
        if (layer, t) == (tiny.run.L, 1):
            changed[1:] ^= 1
        return clamp(layer, changed)

    return tiny, *(Cheat({"z-limbs": remember, "activation": choose}) for choose in (right, other))


def test_hole_14_low_limb_is_no_wider_than_the_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """A top limb cut above the rounding bit leaves the rounding open: a second logit is as good as the first."""
    for layer in range(1, 4):
        found = requantise.forward(tiny_run().run, tiny_run().segment, layer)
        assert found.h <= found.k
    tiny, right, other = _ambiguous(tiny_run())
    with pytest.raises(NotProvable) as caught:
        tiny.segment.validate(tiny.run)
    assert caught.value.where["field"] == "segment.limbs.e_forward"
    with pytest.raises(NotProvable) as too_many:
        limbs = replace(tiny.segment.limbs, e_forward=40)
        requantise.forward(tiny.run, replace(tiny.segment, limbs=limbs), 1)
    assert too_many.value.code == "LIMBS"
    rounded = tables._rounded

    def doubled(extra_bits: int, top_bits: int) -> tuple[np.ndarray, np.ndarray]:
        if extra_bits >= 0:
            return rounded(extra_bits, top_bits)
        both = np.arange(2 << top_bits, dtype=np.int64)
        return both >> 1, both - (1 << top_bits)

    monkeypatch.setattr(tables, "_rounded", doubled)
    honest, honest_out = tiny.witness(right)
    witness, out = tiny.witness(other)
    assert np.array_equal(honest.columns["z_hi", 3][:, 1], witness.columns["z_hi", 3][:, 1])
    assert not out.equal(honest_out)
    assert accepted(tiny, honest, honest_out) and accepted(tiny, witness, out)


LIMB = 30  # bits of the two low limbs of the unmended variant
BIAS = (1 << 43) - (1 << 39) - (1 << 11)


def _at_the_modulus() -> Tiny:
    """One layer whose Z + O is p + v with a small v, in limbs of 4 + 30 + 30 bits."""
    tiny = tiny_run((2, 2), "mse", batch=1, steps=1, seeded=False)
    formats = replace(
        tiny.run.format, activation_bits=2, headroom_bits=1, weight_frac=40, feature_frac=20, logit_frac=0, logit_bits=3
    )
    weights = Weights([np.zeros((2, 2), dtype=np.int64)], [np.array([BIAS, 0])])
    w_in = commit_weights(weights, KEYS["w_in"], tiny.run.weights_budget, TINY, tiny.backend)
    run = replace(tiny.run, format=formats, init_root=w_in.root.hex())
    segment = replace(
        tiny.segment,
        scales=Scales((20, 0), (0,)),
        limbs=replace(tiny.segment.limbs, low_bits=LIMB),
        w_in=replace(tiny.segment.w_in, root=w_in.root.hex()),
    )
    return replace(tiny, run=run, segment=segment, weights_in=weights, w_in=w_in)


def _cut(total: np.ndarray, requant: requantise.Requant, less: int) -> tuple[np.ndarray, ...]:
    """Limbs of Z + O, which does not fit in 64 bits with a sign; less: p shows v instead of p + v."""
    shifted = np.array([[int(z) + requant.offset for z in row] for row in total], dtype=object)
    shifted = np.where(shifted >= P, shifted - less, shifted)
    mask = (1 << LIMB) - 1
    return tuple(part.astype(np.int64) for part in (shifted >> 2 * LIMB, shifted >> LIMB & mask, shifted & mask))


def _sparse(requant: requantise.Requant, values: np.ndarray) -> object:
    """The full range table has 2^30 rows; those that nobody looks up add nothing, so only the others are kept."""

    def build(run: RunStatement, segment: SegmentStatement) -> dict[str, Table]:
        x, rounded = tables._rounded(0, requant.top_bits)
        logit = np.clip(rounded, -run.format.logit_max, run.format.logit_max)
        return {
            "logit": Table("logit", 2, (x, logit)),
            "range": Table("range", 4, (values, np.full_like(values, LIMB))),
        }

    return build


def test_hole_14_limbs_of_64_bits_have_two_meanings(monkeypatch: pytest.MonkeyPatch) -> None:
    """v and p + v both fit in 64 bits when v < 2^32 - 1: the largest logit can be shown as the smallest."""
    for value in (0, 5, 2**32 - 2):
        assert sum(value + q * P < 2**64 for q in range(2)) == 2
        assert sum(value + q * P < 2**62 for q in range(2)) == 1
    tiny, total = _at_the_modulus(), np.array([[BIAS << 20, 0]])
    with pytest.raises(NotProvable) as caught:
        requantise.forward(tiny.run, tiny.segment, 1)
    assert caught.value.code == "LIMBS" and "64 bits" in caught.value.message
    monkeypatch.setattr(requantise, "MAX_TOTAL_BITS", 64)
    monkeypatch.setattr(requantise, "MAX_TABLE_BITS", LIMB)
    requant = requantise.forward(tiny.run, tiny.segment, 1)
    assert requant.h + requant.top_bits == 64 and P <= int(total[0, 0]) + requant.offset < 1 << 64
    with pytest.raises(NotProvable) as bound:
        bounds._check_product(int(total[0, 0]), requant, 1, "forward")
    assert bound.value.code == "BOUND_FORWARD"
    values = np.unique(np.concatenate([part for less in (0, P) for part in _cut(total, requant, less)[1:]]))
    monkeypatch.setattr(layout, "build_tables", _sparse(requant, values))
    monkeypatch.setattr(trainer_module, "build_tables", _sparse(requant, values))
    monkeypatch.setattr(trainer_module, "fill_multiplicities", lambda backend, witness: recount(witness))
    logits = []
    for less in (0, P):
        monkeypatch.setattr(trainer_module, "cut", lambda total, requant, less=less: _cut(total, requant, less))
        witness, out = tiny.witness()
        logits.append(int(witness.columns["Y", 1][0, 0, 0]))
        assert accepted(tiny, witness, out)
    assert logits == [3, -3]
