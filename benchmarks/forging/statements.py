"""Proofs about something else than their statement says: other data, another start or end, another run, spliced segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from tests.support.container import Container
from tests.support.container import container as two_segments
from tests.support.tiny import KEYS, TINY, Tiny

from benchmarks.forging.base import Forgery, Random, Tried, both
from benchmarks.forging.containers import container, honest, prove, random_tiny, tried
from zkdl.commitment.stored import commit_dataset
from zkdl.proof.format import canonical_json, section_names
from zkdl.statement.weights import Weights

KIND = "semantic"
Lie = Callable[[Tiny, Random], dict[str, Any]]


def _other_weights(weights: Weights, rng: Random) -> Weights:
    wrong = weights.copy()
    matrix = wrong.W[int(rng.integers(len(wrong.W)))]
    matrix[tuple(int(rng.integers(n)) for n in matrix.shape)] += int(rng.integers(1, 64))
    return wrong


def _hidden_start(rng: Random) -> Tried | None:
    """Trained from other weights than the seed or the root gives."""
    tiny = random_tiny(rng)
    other = replace(tiny, weights_in=_other_weights(tiny.weights_in, rng))
    witness, out = other.witness()
    return tried(tiny, prove(other, witness, out))


def _trained_on_other_data(poisoned: str) -> Callable[[Random], Tried | None]:
    def attempt(rng: Random) -> Tried | None:
        tiny = random_tiny(rng)
        other = replace(tiny, x=tiny.x.copy(), y=tiny.y.copy())
        used = int(rng.choice(tiny.public.indices[tiny.public.indices >= 0]))
        if poisoned == "label":
            other.y[used] = (other.y[used] + int(rng.integers(1, tiny.run.classes))) % tiny.run.classes
        else:
            other.x[used, int(rng.integers(tiny.run.widths[0]))] ^= 1
        witness, out = other.witness()
        claimed = tiny.witness()[1] if rng.integers(2) else out
        return tried(tiny, prove(other, witness, out, claimed))

    return attempt


def _end_of_another_run(rng: Random) -> Tried | None:
    """The weights of a training on other data, or of fewer steps."""
    tiny = random_tiny(rng)
    witness, out = tiny.witness()
    if rng.integers(2):
        other = tiny.weights_in.copy()
    else:
        other = replace(tiny, y=(tiny.y + 1) % tiny.run.classes).witness()[1]
    return None if other.equal(out) else tried(tiny, prove(tiny, witness, out, other))


def _layers_replaced(rng: Random) -> Tried | None:
    tiny = random_tiny(rng)
    witness, out = tiny.witness()
    wrong, layer = out.copy(), int(rng.integers(tiny.run.L))
    wrong.W[layer] = rng.permutation(wrong.W[layer].reshape(-1)).reshape(wrong.W[layer].shape)
    return None if wrong.equal(out) else tried(tiny, prove(tiny, witness, out, wrong))


def _data_out_of_range(rng: Random) -> Tried | None:
    """The committed data hold a feature that the statement's format has no room for: the segment is true, the certificate not."""
    tiny = random_tiny(rng)
    x = tiny.x.copy()
    at = int(rng.integers(len(x))), int(rng.integers(tiny.run.widths[0]))
    x[at] = (1 << tiny.run.format.feature_bits) + int(rng.integers(64))
    dataset = commit_dataset(x, tiny.y, tiny.run.classes, KEYS["dataset"], 2, TINY, tiny.backend)
    run = replace(tiny.run, data_root=dataset.root.hex())
    forged = replace(tiny, run=run, x=x, dataset=dataset)
    return tried(tiny, prove(forged, *forged.witness()))


LIES: dict[str, Lie] = {
    "other rate": lambda tiny, rng: {"schedule": ((0, tiny.run.schedule[0][1] + int(rng.integers(1, 1 << 20))),)},
    "other run": lambda tiny, rng: {"run_id": rng.bytes(32).hex()},
    "other beacon": lambda tiny, rng: {"beacon": rng.bytes(8).hex()},
    "other seed": lambda tiny, rng: {"init_seed": rng.bytes(32).hex()},
    "other examples": lambda tiny, rng: {"examples": tiny.run.examples + int(rng.integers(1, 4))},
    "other number of steps": lambda tiny, rng: {"steps": tiny.run.steps + int(rng.integers(1, 9))},
    "other last batch": lambda tiny, rng: {"last_batch": {"keep": "drop", "drop": "keep"}[tiny.run.last_batch]},
    "other budget": lambda tiny, rng: {"data_budget": tiny.run.data_budget + int(rng.integers(1, 3))},
    "other intervals": lambda tiny, rng: {"activation_frac_interval": (0, 8 + int(rng.integers(1, 9)))},
    "bounds too wide": lambda tiny, rng: {"init_weight_bound": tuple(2 * b for b in tiny.run.init_weight_bound)},
}


def _stated_otherwise(lie: Lie) -> Callable[[Random], Tried | None]:
    """An honest proof under the statement of another run."""

    def attempt(rng: Random) -> Tried | None:
        tiny = random_tiny(rng)
        data, controls = honest(tiny)
        run = replace(tiny.run, **lie(tiny, rng))
        old, new = canonical_json(tiny.run.to_json()), canonical_json(run.to_json())
        if old == new or (run.init_seed is None) != (tiny.run.init_seed is None):
            return None
        head = data.index(old)
        forged = data[:head] + new + data[head + len(old) :]
        length = int.from_bytes(data[12:16], "little") + len(new) - len(old)
        forged = forged[:12] + length.to_bytes(4, "little") + forged[16:]
        return Tried(both(forged), controls, forged, data)

    return attempt


_pairs: dict[str, Container] = {}


def _spliced(rng: Random) -> Tried | None:
    """Segments of two runs that differ in their name alone, in any order, repeated or left out, with a data proof about them."""
    for name in ("ab", "ef"):
        _pairs.setdefault(name, two_segments(run_id=name * 32))
    parts = _pairs["ab"]
    picked = [(("ab", "ef")[int(rng.integers(2))], int(rng.integers(2))) for _ in range(int(rng.integers(1, 4)))]
    if picked in ([("ab", 0)], [("ab", 1)], [("ab", 0), ("ab", 1)]):
        return None
    segments = [_pairs[name].segments[i] for name, i in picked]
    proofs = [_pairs[name].sections[1 + i][1] for name, i in picked]
    last = parts.tiny.prove_data([_pairs[name].links[i] for name, i in picked])
    bodies = [parts.sections[0][1], *proofs, last]
    sections = list(zip(section_names(parts.run, len(proofs)), bodies, strict=True))
    forged = container(parts.run, segments, sections)
    whole = container(parts.run, parts.segments, parts.sections)
    return Tried(both(forged), both(whole), forged, whole)


def _bound(field: str) -> Callable[[Random], Tried | None]:
    """A proven bound on the weights that is not the one which follows from the steps."""

    def attempt(rng: Random) -> Tried | None:
        tiny = random_tiny(rng)
        bounds = getattr(tiny.segment.w_out, field)
        wrong = tuple(int(b) + int(rng.integers(-3, 4)) for b in np.array(bounds))
        if wrong == bounds or min(wrong) < 0:
            return None
        segment = replace(tiny.segment, w_out=replace(tiny.segment.w_out, **{field: wrong}))
        forged = replace(tiny, segment=segment)
        return tried(tiny, prove(forged, *forged.witness()))

    return attempt


def library() -> list[Forgery]:
    relations, statement = frozenset({"RELATIONS"}), frozenset({"STATEMENT"})
    made: dict[str, tuple[Callable[[Random], Tried | None], frozenset[str]]] = {
        "hidden start": (_hidden_start, relations),
        "poisoned label": (_trained_on_other_data("label"), relations),
        "poisoned feature": (_trained_on_other_data("feature"), relations),
        "end of another run": (_end_of_another_run, relations),
        "weights of a layer shuffled": (_layers_replaced, relations),
        "data out of range": (_data_out_of_range, relations),
        "segments spliced": (_spliced, frozenset()),
        "bound of the weights": (_bound("weight_bound"), statement),
        "bound of the biases": (_bound("bias_bound"), statement),
    }
    out = [Forgery(name, KIND, attempt, codes) for name, (attempt, codes) in made.items()]
    return out + [Forgery(f"stated: {name}", KIND, _stated_otherwise(lie)) for name, lie in LIES.items()]
