"""Trainers that cheat: the real prover proves what they did, and says that it was the training of the statement.

Everything that follows from the cheat is honest, so the proof is wrong in one place. Half of the attempts commit to the weights
that the cheat gives, half to those of the honest training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from tests.support.tiny import Tiny
from tests.support.trainer import Cheat, Hook

from benchmarks.forging.base import Forgery, Random, Tried
from benchmarks.forging.containers import prove, random_tiny, tried
from zkdl.proof.prover_tables import SegmentWitness
from zkdl.statement import requantise
from zkdl.statement.weights import Weights

Draw = Callable[[Tiny, Random], dict[str, Hook]]
CODES = frozenset({"RELATIONS"})


def size(rng: Random, largest: int = 1 << 10) -> int:
    """A small or a large error, of either sign."""
    magnitude = int(rng.integers(1, (2, 8, largest)[int(rng.integers(3))], endpoint=True))
    return magnitude if rng.integers(2) else -magnitude


def step(tiny: Tiny, rng: Random) -> int:
    return int(rng.integers(tiny.segment.steps))


def layer(tiny: Tiny, rng: Random) -> int:
    return int(rng.integers(1, tiny.run.L + 1))


def _slot(value: np.ndarray, rng: Random) -> tuple[int, ...]:
    return tuple(int(rng.integers(n)) for n in value.shape)


def _somewhere(place: str, change: Callable[[np.ndarray, Random], np.ndarray]) -> Draw:
    """One entry of one layer and step."""

    def draw(tiny: Tiny, rng: Random) -> dict[str, Hook]:
        l, t, seed = layer(tiny, rng), step(tiny, rng), int(rng.integers(1 << 30))

        def hook(value: np.ndarray, **here: object) -> np.ndarray:
            if here["t"] != t or here.get("layer", l) != l:
                return value
            changed, own = value.copy(), np.random.default_rng(seed)
            at = _slot(changed, own)
            changed[at] = change(changed[at], own)
            return changed

        return {place: hook}

    return draw


def _added(place: str) -> Draw:
    return _somewhere(place, lambda value, rng: value + size(rng))


def _wrong_label(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    t, b, by = step(tiny, rng), int(rng.integers(tiny.run.batch)), int(rng.integers(1, tiny.run.classes))

    def hook(value: np.ndarray, t: int) -> np.ndarray:
        changed = value.copy()
        if t == chosen and changed[b] >= 0:
            changed[b] = (changed[b] + by) % tiny.run.classes
        return changed

    chosen = t
    return {"labels": hook}


def _rows(change: Callable[[np.ndarray, Random], np.ndarray], everywhere: bool = False) -> Draw:
    """Other examples in one batch, or in all."""

    def draw(tiny: Tiny, rng: Random) -> dict[str, Hook]:
        chosen, seed = step(tiny, rng), int(rng.integers(1 << 30))

        def hook(value: np.ndarray, t: int) -> np.ndarray:
            return change(value, np.random.default_rng([seed, t])) if everywhere or t == chosen else value

        return {"rows": hook}

    return draw


def _dropped(rows: np.ndarray, rng: Random) -> np.ndarray:
    changed = rows.copy()
    changed[rng.integers(len(rows))] = -1
    return changed


def _repeated(rows: np.ndarray, rng: Random) -> np.ndarray:
    changed = rows.copy()
    changed[rng.integers(len(rows))] = rows[rng.integers(len(rows))]
    return changed


def _other_seed(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    order, sizes = rng.permutation(tiny.run.examples), [int((row >= 0).sum()) for row in tiny.public.indices]

    def hook(value: np.ndarray, t: int) -> np.ndarray:
        changed = np.roll(order, -sum(sizes[:t]))[: len(value)].copy()
        changed[sizes[t] :] = -1
        return np.resize(changed, len(value)) if len(changed) < len(value) else changed

    return {"rows": hook}


def _swapped_steps(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    one, other = (int(i) for i in rng.integers(0, tiny.segment.steps, 2))
    return {"step": lambda t: {one: other, other: one}.get(t, t)}


def _repeated_batch(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    chosen, source = (int(i) for i in rng.integers(0, tiny.segment.steps, 2))
    return {"step": lambda t: source if t == chosen else t}


def _rate(place: str, change: Callable[[int, Random], int], all_steps: bool = False) -> Draw:
    def draw(tiny: Tiny, rng: Random) -> dict[str, Hook]:
        where, when, seed = layer(tiny, rng), step(tiny, rng), int(rng.integers(1 << 30))

        def hook(value: int, layer: int, t: int) -> int:
            here = layer == where and (all_steps or t == when)
            return change(value, np.random.default_rng(seed)) if here else value

        return {place: hook}

    return draw


def _skipped_step(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    when = step(tiny, rng)
    return {"rate": lambda value, layer, t: 0 if t == when else value}


def _scaled_gradient(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    where, factor = layer(tiny, rng), int(rng.integers(2, 5)) * (1 if rng.integers(2) else -1)
    if where == tiny.run.L:
        return {"output-gradient": lambda value, t: factor * value}
    return {"gradient": lambda value, layer, t, passed: factor * value if layer == where else value}


def _dead_units_learn(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    where = layer(tiny, rng)
    return {"gradient": lambda value, layer, t, passed: passed if layer == where else value}


def _momentum(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    kept: dict[tuple[int, int], np.ndarray] = {}
    shift = int(rng.integers(1, 3))

    def hook(value: np.ndarray, layer: int, t: int, passed: np.ndarray) -> np.ndarray:
        kept[layer, t] = value
        return value + (kept[layer, t - 1] >> shift if t else 0)

    return {"gradient": hook}


def _rounding(limit: bool, floor: bool) -> Draw:
    """Activations by another rule: floor instead of nearest, no saturation, or no ReLU."""

    def draw(tiny: Tiny, rng: Random) -> dict[str, Hook]:
        totals: dict[tuple[int, int], tuple[np.ndarray, requantise.Requant]] = {}

        def remember(value: tuple[np.ndarray, ...], layer: int, t: int, requant: requantise.Requant) -> object:
            top, middle, low = value
            totals[layer, t] = (top << requant.h) + (middle << requant.low_bits) + low - requant.offset, requant
            return value

        def hook(value: np.ndarray, layer: int, t: int) -> np.ndarray:
            total, requant = totals[layer, t]
            half = 0 if floor or not requant.k else 1 << (requant.k - 1)
            largest = tiny.run.format.activation_max if layer < tiny.run.L else tiny.run.format.logit_max
            rounded = (total + half) >> requant.k
            if limit:
                rounded = np.clip(rounded, -largest, largest)
            return np.maximum(rounded, 0) if layer < tiny.run.L else rounded

        return {"z-limbs": remember, "activation": hook}

    return draw


def _leak(tiny: Tiny, rng: Random) -> dict[str, Hook]:
    """Negative units leak a little: another activation function."""
    where = layer(tiny, rng)

    def hook(value: np.ndarray, layer: int, t: int) -> np.ndarray:
        return np.where(value == 0, int(rng.integers(1, 3)), value) if layer == where else value

    return {"activation": hook}


def _everywhere(place: str, change: Callable[[np.ndarray], np.ndarray]) -> Draw:
    return lambda tiny, rng: {place: lambda value, **where: change(value)}


CHEATS: dict[str, Draw] = {
    "wrong label": _wrong_label,
    "wrong feature": _somewhere("features", lambda value, rng: value + size(rng, 15)),
    "example dropped": _rows(_dropped),
    "example repeated": _rows(_repeated),
    "examples swapped": _rows(lambda rows, rng: rng.permutation(rows)),
    "examples of one's choice": _rows(lambda rows, rng: np.where(rows >= 0, rng.integers(rows.max() + 1), rows), True),
    "other sampler seed": _other_seed,
    "batches swapped": _swapped_steps,
    "batch repeated": _repeated_batch,
    "labels shuffled": lambda tiny, rng: {"labels": lambda value, t: np.where(value >= 0, np.roll(value, 1), value)},
    "wrong rate in one step": _rate("rate", lambda rate, rng: rate + size(rng)),
    "wrong rate in all steps": _rate("rate", lambda rate, rng: rate * int(rng.integers(2, 9)), True),
    "negative rate": _rate("rate", lambda rate, rng: -rate),
    "wrong rate of a bias": _rate("bias-rate", lambda rate, rng: rate + size(rng)),
    "layer frozen": _rate("rate", lambda rate, rng: 0, True),
    "bias frozen": _rate("bias-rate", lambda rate, rng: 0, True),
    "step skipped": _skipped_step,
    "gradient scaled": _scaled_gradient,
    "gradient stopped": _everywhere("gradient", np.zeros_like),
    "gradient changed": _added("gradient"),
    "output gradient changed": _added("output-gradient"),
    "dead units learn": _dead_units_learn,
    "momentum": _momentum,
    "saturation off": _rounding(limit=False, floor=False),
    "rounded down": _rounding(limit=True, floor=True),
    "leaking units": _leak,
    "activation changed": _added("activation"),
    "sign changed": _somewhere("sign", lambda value, rng: 1 - value),
    "quotient changed": _added("quotient"),
    "maximum changed": _added("mx"),
    "bias counts less": lambda tiny, rng: {"bias-unit": lambda value, layer: max(1, value >> 1)},
}


def _same(left: SegmentWitness, right: SegmentWitness) -> bool:
    return np.array_equal(left.matrix, right.matrix) and np.array_equal(left.features, right.features)


# Cheats that only show where units saturate.
CLAMPED = {"saturation off"}


def _cheating(draw: Draw, clamped: bool) -> Callable[[Random], Tried | None]:
    def attempt(rng: Random) -> Tried | None:
        tiny = random_tiny(rng, clamped=clamped)
        witness, out = tiny.witness(Cheat(draw(tiny, rng)))
        honest, honest_out = tiny.witness()
        claimed = honest_out if rng.integers(2) else out
        if _same(witness, honest) and claimed.equal(honest_out):
            return None
        return tried(tiny, prove(tiny, witness, out, claimed))

    return attempt


def library() -> list[Forgery]:
    """One forgery for each cheat inside of the training."""
    return [Forgery(name, "semantic", _cheating(draw, name in CLAMPED), CODES) for name, draw in CHEATS.items()]


def replaced(weights: Weights, layer: int, matrix: np.ndarray) -> Weights:
    """Weights with another matrix in one layer, counted from 1."""
    return Weights([matrix if l == layer - 1 else w for l, w in enumerate(weights.W)], weights.b)


def changed(tiny: Tiny, **fields: object) -> Tiny:
    """A run with other fields of its statement."""
    return replace(tiny, run=replace(tiny.run, **fields))  # type: ignore[arg-type]  # fields of the run
