"""The forger's repertoire: every entry makes a container that proves something false. Imported in child processes only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from tests.support.tiny import Tiny
from tests.support.trainer import Cheat

from benchmarks.mutation.runs import (
    SHAPES,
    Parts,
    build,
    committed,
    other_weights,
    sent_otherwise,
    start,
)
from zkdl.backend.select import get_backend
from zkdl.proof.layout import views
from zkdl.proof.prover_tables import SegmentWitness, fill_multiplicities
from zkdl.statement.weights import Weights

Maker = Callable[[], bytes]


def honest(name: str) -> bytes:
    shape = SHAPES[name]
    return build(start(shape), shape.segments)


def _entry(tiny: Tiny, key: Any, place: tuple[int, ...], recount: bool) -> Parts:
    """One entry of a committed column plus one."""

    def change(witness: SegmentWitness, out: Weights) -> tuple[SegmentWitness, Weights]:
        matrix = witness.matrix.copy()
        names = {**witness.columns, **views(tiny.public.layout, matrix)}
        changed = replace(witness, matrix=matrix, columns=names)
        names[key][place] += 1
        if recount:
            fill_multiplicities(get_backend(), changed)
        return changed, out

    return Parts(witness=change)


def _columns(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    segments = SHAPES[name].segments
    for key, column in tiny.public.layout.columns.items():
        for recount in (True, False):
            place = (0, 0) if key[0] == "mx" else (column.units - 1, 0, 0)
            label = f"{name}: {key[0]} of layer {key[1]}, {'counts follow' if recount else 'old counts'}"
            yield label, partial(build, tiny, segments, _entry(tiny, key, place, recount))
        if key[0] != "mx" and column.units < column.rows << tiny.public.layout.log_units:
            label = f"{name}: {key[0]} of layer {key[1]} on a unit that does not exist"
            yield label, partial(build, tiny, segments, _entry(tiny, key, (column.units, 0, 0), False))


def _counts(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    for number, rows in enumerate(tiny.public.layout.leaves.tables):

        def more(witness: SegmentWitness, out: Weights, number: int = number) -> tuple[SegmentWitness, Weights]:
            counts = witness.multiplicities(witness.public.layout.leaves.tables[number])
            counts[int(np.argmax(counts))] += 1
            return witness, out

        yield (
            f"{name}: count of table {rows.table.name}",
            partial(build, tiny, SHAPES[name].segments, Parts(witness=more)),
        )


def _weights(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    segments = SHAPES[name].segments
    for layer, has_bias in enumerate(tiny.run.bias):
        for bias in (False, True)[: 1 + has_bias]:
            what = f"{'bias' if bias else 'weight'} of layer {layer + 1}"
            claimed = Parts(claimed=lambda out, layer=layer, bias=bias: other_weights(out, layer, bias))
            yield f"{name}: final {what}", partial(build, tiny, segments, claimed)
            wrong = other_weights(tiny.weights_in, layer, bias)
            if tiny.w_in is not None:
                yield f"{name}: committed initial {what}", partial(build, committed(tiny, wrong), segments)
            elif not bias:
                yield f"{name}: other initial {what}", partial(build, replace(tiny, weights_in=wrong), segments)


def _training(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    hooks: dict[str, dict[str, Any]] = {
        "other rate": {"rate": lambda v, layer, t: v + 1},
        "other rate of biases": {"bias-rate": lambda v, layer, t: v + 1},
        "layer 1 frozen": {"rate": lambda v, layer, t: 0 if layer == 1 else v},
        "gradient doubled": {"gradient": lambda v, layer, t, passed: 2 * v},
        "output gradient plus one": {"output-gradient": lambda v, t: v + 1},
        "rounded up": {"activation": lambda v, layer, t: v + 1},
        "other label": {"labels": lambda v, t: np.where(v < 0, v, 1 - v)},
        "other feature": {"features": lambda v, t: v + (t == 0)},
        "quotient plus one": {"quotient": lambda v, t: v + 1},
        "maximum plus one": {"mx": lambda v, t: v + 1},
        "other bias unit": {"bias-unit": lambda v, layer: 1},
    }
    for what, hook in hooks.items():
        yield f"{name}: {what}", partial(build, tiny, SHAPES[name].segments, Parts(cheat=Cheat(hook)))


def _stored_data(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    """Commitments that no data certificate is true of, and data that are not what was trained on."""
    from zkdl.commitment.ligero import commit
    from zkdl.hiding.entropy import Entropy

    features = tiny.run.widths[0]
    label = int(tiny.y[0])
    places = {
        "feature out of range": ((0, 0), 1 << tiny.run.format.feature_bits),
        "two labels": ((features + 1 - label, 0), 1),
        "no label": ((features + label, 0), 0),
        "label of two": ((features + label, 0), 2),
        "example behind the last": ((0, tiny.run.examples), 1),
        "another example": ((0, 0), int(tiny.x[0, 0]) ^ 1),
        "another label": ((features + label, 0), 0),
    }
    for what, (place, value) in places.items():
        matrix = tiny.dataset.committed.matrix.copy()
        if place[1] >= matrix.shape[1]:
            continue
        matrix[place] = value
        if what == "another label":
            matrix[features + 1 - label, 0] = 1
        trained = replace(tiny, x=tiny.x.copy())
        if what == "feature out of range":
            trained.x[0, 0] = value
        new = commit(tiny.backend, matrix, tiny.dataset.layout.code, Entropy(bytes(32)), "dataset")
        run = replace(tiny.run, data_root=new.root.hex())
        trained = replace(trained, run=run, dataset=replace(tiny.dataset, committed=new))
        yield f"{name}: {what}", partial(build, trained, SHAPES[name].segments)


def _large_start(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    if tiny.w_in is None:
        return
    for layer in range(tiny.run.L):
        wrong = other_weights(tiny.weights_in, layer)
        wrong.W[layer][0, 0] = tiny.run.init_weight_bound[layer]
        changed = committed(replace(tiny, weights_in=wrong), wrong)
        yield (
            f"{name}: initial weight of layer {layer + 1} out of range",
            partial(build, changed, SHAPES[name].segments),
        )


def _spoilt(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    """Pads that are no products; a factor sent with it so that the false product is used."""
    from zkdl.commitment import pads as pad_commitment
    from zkdl.hiding.ledger import PadCount, ProverLedger

    sample = pad_commitment.sample_pads

    def spoil(which: int, number: int) -> bytes:
        def sampled(backend: Any, count: PadCount, entropy: Any) -> Any:
            found = sample(backend, count, entropy)
            if count.products:
                found[count.singles + 6 * number + which, 0] ^= 1
            return found

        with patch.object(pad_commitment, "sample_pads", sampled):
            return build(tiny, SHAPES[name].segments)

    def opened(column: int, number: int = 0) -> bytes:
        """A sacrificed difference is sent wrongly, and everything that is computed from it stays as it is."""
        sacrifice = ProverLedger._sacrifice_constraints

        def lying(self: Any, chi: Any, values: Any) -> None:
            sacrifice(self, chi, values)

        with (
            patch.object(ProverLedger, "_sacrifice_constraints", lying),
            sent_otherwise(
                "sacrifice", lambda values: values.__setitem__((number, column, 0), int(values[number, column, 0]) ^ 1)
            ),
        ):
            return build(tiny, SHAPES[name].segments)

    for which in (0, 2, 5):
        yield f"{name}: pad {which} of a product", partial(spoil, which, 1)
    for column in (0, 1):
        yield f"{name}: sacrifice {column}", partial(opened, column)


def _messages(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    """Messages that opened columns contradict and that no relation between hidden values mentions."""

    def changed(ending: str, row: int, only: int | None = None) -> bytes:
        def change(values: np.ndarray) -> None:
            values[row, 0] ^= 1

        with sent_otherwise(ending, change, only):
            return build(tiny, SHAPES[name].segments)

    for ending in ("target/fold", "own/test", "witness/fold", "witness/test", "links/fold"):
        yield f"{name}: last of {ending}", partial(changed, ending, -1)
    for ending in ("link/fold", "link/test", "w_out/fold", "w_out/test", "target/test", "own/fold", "links/test"):
        for only in (0, 1):
            yield f"{name}: last of {ending}, number {only}", partial(changed, ending, -1, only)
    # Pads are committed in every section: the segment, the certificate of the data, the data proof.
    for ending, row in (("pads/test", -1), ("pads/linear", 1), ("pads/linear", 0)):
        yield f"{name}: word {row} of {ending}", partial(changed, ending, row)
        for only in range(3):
            yield f"{name}: word {row} of {ending}, section {only}", partial(changed, ending, row, only)


def _shifted(name: str, tiny: Tiny) -> Iterator[tuple[str, Maker]]:
    """All hidden values of one label plus one."""
    labels = (
        "fraction-root",
        "fraction-children",
        "fraction-round",
        "division-product",
        "division",
        "matmul",
        "unroll",
    )
    labels += ("matmul-products", "unroll-products", "virtual-values", "data-values", "label-values", "limb-value")
    labels += ("matmul-biases", "w_in-values", "w_out-values")

    def more(label: str, place: int) -> bytes:
        def change(values: np.ndarray) -> None:
            values[place, 0] ^= 1

        def exact(ending: str) -> Any:
            return sent_otherwise(ending, change)

        with exact(label):
            return build(tiny, SHAPES[name].segments)

    for label in labels:
        for place in (0, -1):
            yield f"{name}: {label}, value {place}", partial(more, label, place)


FAMILIES = (_weights, _training, _stored_data, _large_start, _spoilt, _messages, _counts, _shifted, _columns)


def repertoire(names: tuple[str, ...] = tuple(SHAPES)) -> Iterator[tuple[str, Maker]]:
    for family in FAMILIES:
        for name in names:
            yield from family(name, start(SHAPES[name]))
