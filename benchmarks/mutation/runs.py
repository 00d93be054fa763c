"""Tiny runs whose containers are honest, or false in one place. Imported in child processes only.

A maker returns the bytes of a container. Cheats go through the prover's own code, so whatever a mutant leaves out on both
sides is left out by the forger as well.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from tests.support import tiny as tiny_module
from tests.support.container import SMALL
from tests.support.tiny import KEYS, SETS, Tiny, second_segment, tiny_run
from tests.support.trainer import Cheat

from benchmarks.mutation.verifiers import SET, SIZES
from zkdl.commitment.parameters import ParameterSet
from zkdl.commitment.stored import commit_weights
from zkdl.proof.format import write_container
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights
from zkdl.proof.prover_tables import SegmentWitness
from zkdl.statement import bounds
from zkdl.statement.segment import Scales
from zkdl.statement.weights import Weights


def use(name: str) -> None:
    """The parameter set of what is made from now on."""
    bits, query_bits, row = SIZES[name]
    tiny_module.TINY = ParameterSet(name, soundness_bits=bits, query_bits=query_bits, log_pad_row=row, test_only=True)
    SETS[name] = tiny_module.TINY


SETS.clear()
use(SET)


@dataclass(frozen=True)
class Shape:
    """A run's network, loss and start."""

    widths: tuple[int, ...]
    loss: str
    bias: tuple[bool, ...]
    seeded: bool = True
    segments: int = 1
    examples: int = 3
    weight_frac: int = 9
    rate: int = 1 << 31


SHAPES = {
    "ce": Shape((2, 3, 2), "ce", (True, True)),
    "mse": Shape((2, 3, 2), "mse", (True, False)),
    "one": Shape((3, 2), "mse", (True,)),
    "hidden": Shape((2, 2, 2), "ce", (True, True), seeded=False, segments=2),
    # Few weight bits: the certificate of the initial weights is the largest section.
    "committed": Shape((2, 2), "mse", (True,), seeded=False, weight_frac=5, rate=1 << 34),
    "deep": Shape((2, 3, 3, 2), "mse", (False, True, True), seeded=False),
}


def start(shape: Shape, **changes: Any) -> Tiny:
    """The first segment of a run of two steps in a segment."""
    layers, formats = len(shape.widths) - 1, SMALL
    last = formats.gradient_bits - 1 if shape.loss == "ce" else formats.logit_frac
    scales = Scales((formats.feature_frac, *(1,) * (layers - 1), formats.logit_frac), (*(2,) * (layers - 1), last))
    wanted: dict[str, Any] = {"batch": 2, "steps": 2, "formats": formats, "scales": scales, **changes}
    wanted |= {"weight_frac": shape.weight_frac, "rate": shape.rate}
    tiny = tiny_run(
        shape.widths, loss=shape.loss, examples=shape.examples, bias=shape.bias, seeded=shape.seeded, **wanted
    )
    return replace(tiny, run=replace(tiny.run, steps=2 * shape.segments))


def edited(tiny: Tiny, change: Callable[[dict[str, Any], list[dict[str, Any]]], None]) -> Tiny:
    """Fields of the run's and the segment's statement changed as JSON; the roots stay."""
    run, segment = tiny.run.to_json(), tiny.segment.to_json()
    change(run, [segment])  # type: ignore[arg-type]  # JSON objects
    return replace(tiny, run=type(tiny.run).from_json(run), segment=type(tiny.segment).from_json(segment))


def grown(tiny: Tiny) -> Tiny:
    """With the bounds of the weights at the end that follow from those at the start."""
    segment = tiny.segment
    weight, bias = bounds.grow(tiny.run, segment.scales, segment.first_step, segment.steps, segment.w_in)
    return replace(tiny, segment=replace(segment, w_out=replace(segment.w_out, weight_bound=weight, bias_bound=bias)))


@dataclass
class Parts:
    """What a container is made of, open to changes before it is written."""

    cheat: Cheat = field(default_factory=Cheat)
    witness: Callable[[SegmentWitness, Weights], tuple[SegmentWitness, Weights]] = lambda witness, out: (witness, out)
    claimed: Callable[[Weights], Weights | None] = lambda out: None
    order: Callable[[list[Any]], list[Any]] = lambda segments: segments


def build(tiny: Tiny, segments: int = 1, parts: Parts | None = None) -> bytes:
    """The container of a run; later segments are honest continuations."""
    parts = parts or Parts()
    witness, out = tiny.witness(parts.cheat)
    witness, out = parts.witness(witness, out)
    claimed = parts.claimed(out)
    public, proof, link = tiny.prove_segment(witness, out, claimed)
    made = [(public.segment, proof, link)]
    if segments > 1:
        second = second_segment(tiny, claimed or out, KEYS["w_out"], steps=tiny.run.steps)
        public, proof, link = second.prove_segment(*second.witness())
        made.append((public.segment, proof, link))
    made = parts.order(made)
    secret, backend = KEYS["secret"], tiny.backend
    sections = [("data", prove_data_certificate(tiny.run, tiny.dataset, secret, backend=backend, parameter_sets=SETS))]
    if tiny.w_in is not None:
        initial = prove_initial_weights(tiny.run, tiny.w_in, secret, backend=backend, parameter_sets=SETS)
        sections.append(("initial", initial))
    sections += [(f"segment-{i}", proof) for i, (_, proof, _) in enumerate(made)]
    sections.append(("dataset", tiny.prove_data([link for _, _, link in made])))
    return written(tiny.run, [segment for segment, _, _ in made], sections)


def written(run: Any, segments: list[Any], sections: list[tuple[str, bytes]]) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "proof"
        write_container(path, run, segments, sections)
        return path.read_bytes()


def copied(weights: Weights) -> Weights:
    return Weights([w.copy() for w in weights.W], [None if b is None else b.copy() for b in weights.b])


def other_weights(weights: Weights, layer: int, bias: bool = False) -> Weights:
    """One weight or bias plus one."""
    new = copied(weights)
    values = new.b[layer] if bias else new.W[layer]
    if values is not None:
        values[(0,) * values.ndim] += 1
    return new


def committed(tiny: Tiny, weights: Weights) -> Tiny:
    """Starting from the same committed weights as `tiny`, of which the prover says that they are `weights`."""
    w_in = commit_weights(weights, KEYS["w_in"], tiny.run.weights_budget, tiny_module.TINY, tiny.backend)
    run = replace(tiny.run, init_root=w_in.root.hex())
    return replace(
        tiny, run=run, w_in=w_in, segment=replace(tiny.segment, w_in=replace(tiny.segment.w_in, root=w_in.root.hex()))
    )


@contextmanager
def sent_otherwise(ending: str, change: Callable[[np.ndarray], None], only: int | None = None) -> Iterator[None]:
    """Messages whose label has this ending are changed before they are sent; the prover goes on from there.

    only: which of them, counted from 0 in the order in which sections are proven; all by default.
    """
    from zkdl.transcript.channel import ProverChannel

    send, seen = ProverChannel.send_elements, count()

    def sending(self: Any, label: str, values: np.ndarray) -> None:
        if label.endswith(ending) and only in (None, next(seen)):
            values = values.copy()
            change(values)
        send(self, label, values)

    with patch.object(ProverChannel, "send_elements", sending):
        yield
