"""Trainers that cheat in one place and let everything downstream follow; and single wrong witness entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.support.attack import answer
from tests.support.tiny import Tiny, tiny_run
from tests.support.trainer import Cheat, Hook
from zkdl.backend.select import get_backend
from zkdl.proof.layout import views
from zkdl.proof.prover_tables import SegmentWitness, fill_multiplicities
from zkdl.statement.requantise import Requant
from zkdl.statement.state import Limbs
from zkdl.statement.weights import Weights


@pytest.fixture(scope="module", params=["ce", "mse"])
def tiny(request: pytest.FixtureRequest) -> Tiny:
    return tiny_run(loss=request.param)


@pytest.fixture(scope="module")
def softmax() -> Tiny:
    return tiny_run(loss="ce")


def rejected(tiny: Tiny, witness: SegmentWitness, out: Weights, claimed: Weights | None = None) -> bool:
    """Refused, because relations between hidden values do not hold."""
    found = answer(tiny, witness, out, claimed)
    assert found.code in ("", "RELATIONS") and (found.code == "") == (not found.broken)
    return found.code == "RELATIONS"


def same(left: SegmentWitness, right: SegmentWitness) -> bool:
    return np.array_equal(left.matrix, right.matrix) and np.array_equal(left.features, right.features)


def at(place: tuple[int, ...], change: Callable[[np.ndarray], np.ndarray], **where: int) -> Hook:
    """Change one entry (example, unit) where the keywords match."""

    def hook(value: np.ndarray, **here: object) -> np.ndarray:
        if any(here.get(key) != wanted for key, wanted in where.items()):
            return value
        changed = value.copy()
        changed[place] = change(changed[place])
        return changed

    return hook


def swap_rows(value: np.ndarray, t: int) -> np.ndarray:
    return value[[1, 0, *range(2, len(value))]] if t == 1 else value


def other_label(value: np.ndarray, t: int) -> np.ndarray:
    changed = value.copy()
    if t == 1:
        changed[0] = (changed[0] + 1) % 3
    return changed


def swap_steps(t: int) -> int:
    return {0: 1, 1: 0}.get(t, t)


def swap_labels(value: np.ndarray, t: int) -> np.ndarray:
    return value[[1, 0, *range(2, len(value))]] if t == 0 else value


def round_limbs_up(value: tuple[np.ndarray, ...], layer: int, t: int, requant: Requant) -> tuple[np.ndarray, ...]:
    """One more in the top limb, with nothing taken from the limbs below."""
    if layer != 2 or t != 1:
        return value
    top, *rest = (v.copy() for v in value)
    top[0, 0] += 1
    return top, *rest


def shift_limbs(value: tuple[np.ndarray, ...], layer: int, t: int, requant: Requant) -> tuple[np.ndarray, ...]:
    """Take one from the top limb and give it to the limb below: the same sum, another rounding."""
    if layer != 2 or t != 1:
        return value
    top, middle, low = (v.copy() for v in value)
    top[0, 0] -= 1
    below, bits = (middle, requant.mid_bits) if requant.mid_bits else (low, requant.low_bits)
    below[0, 0] += 1 << bits
    return top, middle, low


CHEATS: dict[str, dict[str, Hook]] = {
    "wrong label": {"labels": other_label},
    "swapped examples": {"rows": swap_rows},
    "swapped steps": {"step": swap_steps},
    "labels of two examples swapped": {"labels": swap_labels},
    "repeated example": {"rows": lambda v, t: np.where(np.arange(len(v)) == 1, v[0], v) if t == 0 else v},
    "wrong rate, first layer, first step": {"rate": lambda v, layer, t: v + 1 if (layer, t) == (1, 0) else v},
    "wrong rate, last layer, last step": {"rate": lambda v, layer, t: v + 1 if (layer, t) == (3, 2) else v},
    "wrong rate, middle layer, all steps": {"rate": lambda v, layer, t: 2 * v if layer == 2 else v},
    "wrong rate of the first bias": {"bias-rate": lambda v, layer, t: v + 1 if layer == 1 else v},
    "wrong rate of the last bias, last step": {"bias-rate": lambda v, layer, t: v - 1 if (layer, t) == (3, 2) else v},
    "biases frozen": {"bias-rate": lambda v, layer, t: 0},
    "first step skipped": {"rate": lambda v, layer, t: 0 if t == 0 else v},
    "last step skipped": {"rate": lambda v, layer, t: 0 if t == 2 else v},
    "layer frozen": {"rate": lambda v, layer, t: 0 if layer == 2 else v},
    "first step of one layer skipped": {"rate": lambda v, layer, t: 0 if (layer, t) == (3, 0) else v},
    "gradient of the last hidden layer doubled": {
        "gradient": lambda v, layer, t, passed: 2 * v if (layer, t) == (2, 0) else v
    },
    "gradient doubled": {"gradient": lambda v, layer, t, passed: 2 * v if layer == 1 else v},
    "output gradient doubled": {"output-gradient": lambda v, t: 2 * v if t == 1 else v},
    "output gradient plus one": {"output-gradient": at((0, 0), lambda v: v + 1, t=1)},
    "dead unit passes gradient": {"gradient": lambda v, layer, t, passed: passed if layer == 1 else v},
    "rounding up in A": {"activation": at((1, 2), lambda v: v + 1, layer=1, t=1)},
    "rounding up in Y": {"activation": at((1, 2), lambda v: v + 1, layer=3, t=1)},
    "rounding up in G": {"gradient": at((1, 2), lambda v: v + 1, layer=2, t=1)},
    "sign flipped": {"sign": at((1, 2), lambda v: 1 - v, layer=1, t=1)},
    "forward limbs rounded up": {"z-limbs": round_limbs_up},
    "backward limbs rounded up": {"p-limbs": round_limbs_up},
    "forward limbs shifted": {"z-limbs": shift_limbs},
    "backward limbs shifted": {"p-limbs": shift_limbs},
    "feature changed": {"features": at((0, 0), lambda v: v + 1, t=1)},
    "data in an absent example": {"features": at((3, 0), lambda v: v + 5, t=1)},
    "data in an absent step": {"features": at((0, 0), lambda v: v + 5, t=3)},
    "quotient plus one": {"quotient": at((0, 0), lambda v: v + 1, t=0)},
    "quotient plus one, everywhere": {"quotient": lambda v, t: v + 1},
    "maximum too large": {"mx": lambda v, t: v + 1},
    "maximum of one example too large": {"mx": at((0,), lambda v: v + 1, t=1)},
    "maximum too small": {"mx": at((0,), lambda v: v - 1, t=1)},
}


@pytest.mark.parametrize("claim", ["own", "honest"])
@pytest.mark.parametrize("name", CHEATS)
def test_cheat_is_rejected(tiny: Tiny, name: str, claim: str) -> None:
    honest, honest_out = tiny.witness()
    witness, out = tiny.witness(Cheat(CHEATS[name]))
    if same(witness, honest) and (claim == "honest" or out.equal(honest_out)):
        # The values are those of an honest trainer, so what is proven is true.
        pytest.skip("this cheat changes nothing here")
    assert rejected(tiny, witness, out, honest_out if claim == "honest" else None)


def test_honest_witness_is_accepted(tiny: Tiny) -> None:
    witness, out = tiny.witness()
    public, proof = tiny.prove(witness, out)
    tiny.verify(public, proof)


# Two limbs need fewer bits below the top limb than three, so a smaller scale of the weights.
LIMB_COUNTS: dict[str, dict[str, object]] = {
    "two limbs": {"weight_frac": 10, "limbs": Limbs(0, 0, 12)},
    "three limbs": {},
}


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("limbs", LIMB_COUNTS)
def test_every_committed_column_is_checked(loss: str, limbs: str) -> None:
    """One entry of every column changed, in a real slot with old and new counts, and in one that pads steps and examples."""
    tiny = tiny_run(loss=loss, **LIMB_COUNTS[limbs])  # type: ignore[arg-type]  # fields of the run
    columns = tiny.public.layout.columns
    assert any(name == "z_mid" for name, _ in columns) == (limbs == "three limbs")
    honest, out = tiny.witness()
    for key, column in columns.items():
        for step, example, recount in ((1, 1, False), (1, 1, True), (3, 3, True)):
            matrix = honest.matrix.copy()
            names = {**honest.columns, **views(tiny.public.layout, matrix)}
            witness = replace(honest, matrix=matrix, columns=names)
            place = (step, example) if key[0] == "mx" else (column.units - 1, step, example)
            names[key][place] += 1
            if recount:
                fill_multiplicities(get_backend(), witness)
            assert rejected(tiny, witness, out), (key, step, example)


def test_values_on_units_that_do_not_exist_are_rejected(softmax: Tiny) -> None:
    layout = softmax.public.layout
    for key, column in layout.columns.items():
        if key[0] == "mx" or column.units == column.rows << layout.log_units:
            continue
        witness, out = softmax.witness()
        witness.columns[key][column.units, 1, 1] = 1
        assert rejected(softmax, witness, out), key


def test_every_multiplicity_is_checked(softmax: Tiny) -> None:
    for rows in softmax.public.layout.leaves.tables:
        witness, out = softmax.witness()
        counts = witness.multiplicities(rows)
        counts[int(np.argmax(counts))] += 1
        assert rejected(softmax, witness, out), rows.table.name


@pytest.mark.parametrize("what", ["W", "b"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_flipped_final_weight_is_rejected(tiny: Tiny, what: str, layer: int) -> None:
    witness, out = tiny.witness()
    wrong = Weights([w.copy() for w in out.W], [None if b is None else b.copy() for b in out.b])
    values = getattr(wrong, what)[layer]
    values[(0,) * values.ndim] += 1
    assert rejected(tiny, witness, out, wrong)


@pytest.mark.parametrize("where", ["final", "initial, recomputed", "initial, honest end"])
def test_swapped_layers_are_rejected(where: str) -> None:
    tiny = tiny_run((4, 4, 4, 4), "ce", bias=(False, False, False))
    honest, honest_out = tiny.witness()

    def swapped(weights: Weights) -> Weights:
        return Weights([weights.W[1], weights.W[0], weights.W[2]], weights.b)

    if where == "final":
        assert rejected(tiny, honest, honest_out, swapped(honest_out))
        return
    other = replace(tiny, weights_in=swapped(tiny.weights_in))
    witness, out = other.witness()
    claimed = honest_out if where == "initial, honest end" else None
    # The verifier expands the initial weights itself.
    assert answer(other, witness, out, claimed, judge=tiny).code == "RELATIONS"


def test_transposed_layer_of_the_final_weights_is_rejected() -> None:
    tiny = tiny_run((6, 4, 4, 3), "ce", bias=(False, False, False))
    witness, out = tiny.witness()
    assert rejected(tiny, witness, out, Weights([out.W[0], out.W[1].T.copy(), out.W[2]], out.b))


@pytest.mark.parametrize("claim", ["own", "honest"])
@pytest.mark.parametrize("what", ["data point", "label"])
def test_replaced_example_is_rejected(tiny: Tiny, what: str, claim: str) -> None:
    """The committed dataset differs from the one that was trained on."""
    other = replace(tiny, x=tiny.x.copy(), y=tiny.y.copy())
    used = int(tiny.public.indices[0, 0])
    if what == "label":
        other.y[used] = (other.y[used] + 1) % tiny.run.classes
    else:
        other.x[used, 0] = (other.x[used, 0] + 1) % 16
    witness, out = other.witness()
    assert rejected(tiny, witness, out, tiny.witness()[1] if claim == "honest" else None)


def test_other_initial_weights_are_rejected(tiny: Tiny) -> None:
    wrong = Weights([w.copy() for w in tiny.weights_in.W], tiny.weights_in.b)
    wrong.W[1][0, 0] += 1 << 8
    other = replace(tiny, weights_in=wrong)
    witness, out = other.witness()
    assert answer(other, witness, out, judge=tiny).code == "RELATIONS"
