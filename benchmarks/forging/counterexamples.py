"""Proofs that are wrong for one relation or one check alone.

Witnesses: one entry of one kind of committed value, or of a feature, a final weight or a lookup count, is changed; the rest,
counts included, is made to fit as well as it can be. Messages: everything is honest but one message, one root, one salt or one
rule of the statement, so that a verifier without the one check that looks there would accept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from tests.support.tiny import Tiny

from benchmarks.forging.base import Forgery, Random, Tried, both
from benchmarks.forging.containers import forget_certificates, honest, prove, random_tiny, tried, with_data_proof
from benchmarks.forging.semantic import size
from zkdl.algebra.extension import Array, Ext, P, from_array, to_array
from zkdl.backend.select import get_backend
from zkdl.commitment import pads as pad_commitment
from zkdl.proof import data_proof
from zkdl.proof.layout import views
from zkdl.proof.prover_tables import SegmentWitness, fill_multiplicities
from zkdl.statement.weights import Weights
from zkdl.transcript.channel import ProverChannel

KIND = "counterexamples"
COLUMNS = ("z_hi", "z_mid", "A", "S", "Y", "p_hi", "p_mid", "G", "E", "I0", "q", "mx")
OPENINGS = ("witness", "link", "w_in", "w_out", "target", "own", "links", "dataset")
ROOTS = ("witness", "link", "own", "pads", *(f"mask/{name}" for name in OPENINGS))
Change = Callable[[Tiny, SegmentWitness, Weights, Random], tuple[SegmentWitness, Weights] | None]


def _place(values: np.ndarray, rng: Random) -> tuple[int, ...]:
    return tuple(int(rng.integers(n)) for n in values.shape)


def _column(name: str, recount: bool) -> Change:
    """One entry; the lookups are counted again, or the multiplicities stay as they were."""

    def change(tiny: Tiny, honest: SegmentWitness, out: Weights, rng: Random) -> tuple[SegmentWitness, Weights] | None:
        matrix = honest.matrix.copy()
        named = views(tiny.public.layout, matrix)
        keys = [key for key in named if key[0] == name]
        if not keys:
            return None
        values = named[keys[int(rng.integers(len(keys)))]]
        values[_place(values, rng)] += size(rng)
        witness = replace(honest, matrix=matrix, columns={**honest.columns, **named})
        if recount:
            fill_multiplicities(get_backend(), witness)
        return witness, out

    return change


def _feature(tiny: Tiny, honest: SegmentWitness, out: Weights, rng: Random) -> tuple[SegmentWitness, Weights]:
    features = honest.features.copy()
    features[_place(features, rng)] += size(rng)
    return replace(honest, features=features), out


def _final_weight(tiny: Tiny, honest: SegmentWitness, out: Weights, rng: Random) -> tuple[SegmentWitness, Weights]:
    wrong = out.copy()
    choices = [*wrong.W, *(b for b in wrong.b if b is not None)]
    values = choices[int(rng.integers(len(choices)))]
    values[_place(values, rng)] += size(rng)
    return honest, wrong


def _count(tiny: Tiny, honest: SegmentWitness, out: Weights, rng: Random) -> tuple[SegmentWitness, Weights]:
    witness, _ = tiny.witness()
    tables = tiny.public.layout.leaves.tables
    counts = witness.multiplicities(tables[int(rng.integers(len(tables)))])
    counts[_place(counts, rng)] += size(rng)
    return witness, out


def _witness(change: Change) -> Callable[[Random], Tried | None]:
    def attempt(rng: Random) -> Tried | None:
        tiny = random_tiny(rng)
        witness, out = tiny.witness()
        forged = change(tiny, witness, out, rng)
        return None if forged is None else tried(tiny, prove(tiny, *forged))

    return attempt


@contextmanager
def sending(label: str, change: Callable[[object], object], skip: int = 0) -> Iterator[list[str]]:
    """Provers that send something else under one label, after having sent it `skip` times as it should be, and go on from the
    transcript that this gives. Yields the labels that were changed."""
    changed: list[str] = []
    left = [skip]

    def spied(original: Callable[..., None]) -> Callable[..., None]:
        def send(self: ProverChannel, here: str, values: object) -> None:
            if here == label and not changed:
                if left[0]:
                    left[0] -= 1
                else:
                    values = change(values.copy() if isinstance(values, np.ndarray) else values)
                    changed.append(here)
            original(self, here, values)

        return send

    elements, raw = spied(ProverChannel.send_elements), spied(ProverChannel.send_bytes)
    with patch.object(ProverChannel, "send_elements", elements), patch.object(ProverChannel, "send_bytes", raw):
        forget_certificates()
        yield changed
    forget_certificates()


def _message(
    label: str, change: Callable[[Array, Random], Array], sections: int = 1
) -> Callable[[Random], Tried | None]:
    """sections: how many sections have such a message; one of them is chosen."""

    def attempt(rng: Random) -> Tried | None:
        tiny = random_tiny(rng)
        honest(tiny)
        with sending(label, lambda values: change(values, rng), int(rng.integers(sections))) as changed:  # type: ignore[arg-type,return-value]  # any message
            data = prove(tiny, *tiny.witness())
        return tried(tiny, data) if changed else None

    return attempt


def _moved(index: int) -> Callable[[Array, Random], Array]:
    """One element more at an index that no relation looks at, only the opened columns do."""

    def change(values: Array, rng: Random) -> Array:
        moved = values.copy()
        moved[index, 0] = (int(moved[index, 0]) + int(rng.integers(1, P - 1, dtype=np.uint64))) % P
        return moved

    return change


def _other_root(values: object, rng: Random) -> object:
    return rng.bytes(32)


def _opened_bytes(first: bool) -> Callable[[Random], Tried | None]:
    """A salt of the witness, or the last digest of the pads' paths, of one section."""

    def attempt(rng: Random) -> Tried | None:
        tiny, original, seen = random_tiny(rng), ProverChannel.send_last, [0]
        honest(tiny)
        chosen = int(rng.integers(4))

        def send(self: ProverChannel, data: bytes) -> None:
            seen[0] += 1
            if seen[0] == chosen + 1:
                at = int(rng.integers(32)) + (0 if first else len(data) - 32)
                data = data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :]
            original(self, data)

        with patch.object(ProverChannel, "send_last", send):
            forget_certificates()
            data = prove(tiny, *tiny.witness())
        forget_certificates()
        return tried(tiny, data)

    return attempt


def _repaired_sum(rng: Random) -> Tried | None:
    """A false witness whose linear message has the sum that the relations need: only the opened pads show that it is another
    polynomial."""
    tiny = random_tiny(rng)
    forged = _feature(tiny, *tiny.witness(), rng)
    required: list[Ext] = []
    honest_form = pad_commitment._linear_form

    def form(*arguments: object) -> tuple[Array, Ext]:
        forms, wanted = honest_form(*arguments)  # type: ignore[arg-type]  # passed through
        required[:] = [wanted, Ext(arguments[1].code.row)]  # type: ignore[attr-defined]  # a shape
        return forms, wanted

    def repair(values: object) -> object:
        wanted, row = required
        total = sum(from_array(values[:: row.a]), Ext(0))  # type: ignore[index]  # an array
        values[0] = to_array([from_array(values[:1])[0] + wanted * row.inverse() - total])[0]  # type: ignore[index]  # an array here
        return values

    with patch.object(pad_commitment, "_linear_form", form), sending("pads/linear", repair):
        data = prove(tiny, *forged)
    return tried(tiny, data)


def _not_reduced(rng: Random) -> Tried | None:
    """A masked value x + p instead of x: the pad is chosen so that x is small."""
    tiny, small = random_tiny(rng), int(rng.integers(0, 2**32 - 1))
    public, section, link = tiny.prove_segment(*tiny.witness())
    sample = pad_commitment.sample_pads

    def chosen(*arguments: object) -> Array:
        pads = sample(*arguments)  # type: ignore[arg-type]  # passed through
        pads[0, 0] = (link.values[0].a - small) % P
        return pads

    def unreduced(values: object) -> object:
        values.reshape(-1)[0] += np.uint64(P)  # type: ignore[attr-defined]  # an array
        return values

    with patch.object(data_proof.pad_commitment, "sample_pads", chosen), sending("data-values", unreduced):
        last = tiny.prove_data([link])
    honest_data, controls = honest(tiny)
    data = with_data_proof(tiny, public, section, last)
    return Tried(both(data), controls, data, honest_data)


def _stated_root(field: str) -> Callable[[Random], Tried | None]:
    """The statement names a root, and another commitment is opened."""

    def attempt(rng: Random) -> Tried | None:
        tiny, root = random_tiny(rng, seeded=False if field == "init_root" else None), rng.bytes(32).hex()
        if field == "w_out":
            state = Tiny.state
            with patch.object(
                Tiny, "state", lambda self, w: replace(s := state(self, w), w_out=replace(s.w_out, root=root))
            ):
                data = prove(tiny, *tiny.witness())
            # The control is proven without the patch.
            return tried(tiny, data)
        wrong = replace(tiny, run=replace(tiny.run, **{field: root}))
        if field == "init_root":
            wrong = replace(wrong, segment=replace(tiny.segment, w_in=replace(tiny.segment.w_in, root=root)))
        return tried(tiny, prove(wrong, *wrong.witness()))

    return attempt


def library() -> list[Forgery]:
    relations, opening = frozenset({"RELATIONS"}), frozenset({"OPENING"})
    pads, merkle = frozenset({"PADS"}), frozenset({"MERKLE"})
    out = [
        Forgery(f"column {name}, {how}", KIND, _witness(_column(name, recount)), relations)
        for name in COLUMNS
        for how, recount in (("counted again", True), ("old counts", False))
    ]
    for name, change in (("feature", _feature), ("final weight", _final_weight), ("count", _count)):
        out.append(Forgery(name, KIND, _witness(change), relations))
    for name in OPENINGS:
        for message in ("fold", "test"):
            label = f"{name}/{message}"
            out.append(Forgery(f"message {label}", KIND, _message(label, _moved(-1)), opening))
    out += [
        Forgery("message pads/test", KIND, _message("pads/test", _moved(-1), 3), pads),
        Forgery("message pads/linear", KIND, _message("pads/linear", _moved(1), 3), pads),
        Forgery("message pads/linear with the sum of a false witness", KIND, _repaired_sum, pads),
        Forgery("salt", KIND, _opened_bytes(True), merkle),
        Forgery("digest of a path", KIND, _opened_bytes(False), merkle),
        Forgery("element that is not reduced", KIND, _not_reduced, frozenset({"PROOF_NON_CANONICAL"})),
    ]
    out += [Forgery(f"root {name}", KIND, _message(f"root/{name}", _other_root), merkle) for name in ROOTS]  # type: ignore[arg-type]  # bytes
    for field in ("w_out", "data_root", "init_root"):
        out.append(Forgery(f"stated root {field}", KIND, _stated_root(field), merkle))
    return out
