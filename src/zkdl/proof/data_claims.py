"""The values of the data that segments claim, and the linear claims they become on links and dataset.

A segment has at most five hidden values of the data: A_0 at (x', t', beta) and at (x', s', b'), then its labels. The segment's
proof opens them in its link; the data proof opens them in every link and in the dataset. [review.md, (a) R6, (c) 8]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.extension import Array, Ext, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.device import to_host
from zkdl.commitment import link
from zkdl.commitment.stored import DatasetLayout
from zkdl.hiding.ledger import Affine
from zkdl.protocols.claims import Claims, Part
from zkdl.protocols.gather import example_weights
from zkdl.statement import sampler
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

Place = tuple[Sequence[Ext], Sequence[Ext]]
MATMUL, UNROLL, LEAF = range(3)


@dataclass(frozen=True)
class DataPoints:
    """Where the values are taken; public.

    Attributes:
        places: points of step and example: (t', beta), (s', b'), and for cross-entropy the leaf's (tau, beta).
        units: (d_0, 2) weights of the inputs in both values of A_0.
        labels: for each label value its place and its weights on the classes, (C, 2).
    """

    places: tuple[Place, ...]
    units: Array
    labels: tuple[tuple[int, Array], ...]

    @property
    def values(self) -> int:
        return 2 + len(self.labels)


@dataclass(frozen=True)
class SegmentLink:
    """What a segment's proof leaves for the data proof; public.

    Attributes:
        root: of the link. digest: state of the segment's transcript at its end, so it stands for this very proof.
    """

    segment: SegmentStatement
    root: bytes
    digest: bytes
    points: DataPoints


def values_per_segment(run: RunStatement) -> int:
    """A_0 twice; labels: one for cross-entropy; for the squared error wherever G_L is claimed."""
    return 3 if run.loss == "ce" or run.L == 1 else 5


def data_values(
    backend: Backend,
    points: DataPoints,
    indices: NDArray[np.int64],
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
) -> list[Ext]:
    """What honest values are. Args: indices (T, B), -1 where there is no example; the dataset."""
    present = np.flatnonzero(indices.reshape(-1) >= 0)
    rows = indices.reshape(-1)[present]
    slots = []
    for steps, examples in points.places:
        eq = [backend.eq_table(to_array(point).reshape(-1, 2)) for point in (steps, examples)]
        weights = [table[:size] for table, size in zip(eq, indices.shape, strict=True)]
        slots.append(np.ascontiguousarray(to_host(backend.outer(*weights))[present]))
    inputs = np.ascontiguousarray(features[rows])
    values = []
    for place in (MATMUL, UNROLL):
        folded = backend.vecmat(slots[place], inputs)
        values.append(scalar(backend.k_sum(backend.k_mul(folded, points.units))))
    for place, classes in points.labels:
        chosen = np.ascontiguousarray(classes[labels[rows]])
        values.append(scalar(backend.k_sum(backend.k_mul(slots[place], chosen))))
    return values


def link_claims(backend: Backend, values: Sequence[Sequence[Affine]]) -> Claims:
    """values[s][i] is in column i of link number s."""
    claims, weights = Claims(), link.row_weights()
    for s, hidden in enumerate(values):
        for i, value in enumerate(hidden):
            name = f"value-{i}"
            if name not in claims.in_rows:
                unit = np.zeros((1 << link.LOG_ROW, 2), dtype=np.uint64)
                unit[i, 0] = 1
                claims.in_rows[name] = unit
            claims.add(value, [Part(name, link.ROWS * s, weights)])
    return claims


class Selections:
    """The public vectors c of all segments over all examples, one in memory at a time. [protocols/gather.py]"""

    def __init__(
        self, backend: Backend, run: RunStatement, dataset: DatasetLayout, links: Sequence[SegmentLink], merge: Ext
    ) -> None:
        self.backend, self.run, self.dataset, self.links, self.merge = backend, run, dataset, links, merge
        self._segment, self._place = -1, ""
        self._indices = np.empty((0, 0), dtype=np.int64)
        self._vector = np.empty((0, 2), dtype=np.uint64)

    def _at(self, place: Place) -> Array:
        return example_weights(self.backend, self._indices, *place, self.dataset.padded_examples)

    def block(self, segment: int, place: str, block: int) -> Array:
        """(ell, 2). place: number of a label's place, or "features" for the merged claims on A_0."""
        if segment != self._segment:
            statement = self.links[segment].segment
            seed = sampler.seed(self.run)
            self._indices, _ = sampler.batch_indices(self.run, seed, statement.first_step, statement.steps)
            self._segment, self._place = segment, ""
        if place != self._place:
            places = self.links[segment].points.places
            if place == "features":
                merged = self.backend.k_mul(self._at(places[UNROLL]), self.merge.array())
                self._vector = self.backend.k_add(self._at(places[MATMUL]), merged)
            else:
                self._vector = self._at(places[int(place)])
            self._place = place
        row = self.dataset.code.row
        return self._vector[block * row : (block + 1) * row]


def dataset_claims(
    backend: Backend,
    run: RunStatement,
    dataset: DatasetLayout,
    links: Sequence[SegmentLink],
    values: Sequence[Sequence[Affine]],
    merge: Ext,
) -> Claims:
    """Per segment: A_0 at both points, merged; then each label value."""
    claims, selections = Claims(), Selections(backend, run, dataset, links, merge)

    def add(segment: int, value: Affine, place: str, first: int, weights: Array) -> None:
        parts = []
        for block in range(dataset.blocks):
            name = f"{segment}/{place}/{block}"
            claims.in_rows[name] = partial(selections.block, segment, place, block)
            parts.append(Part(name, block * dataset.block_rows + first, weights))
        claims.add(value, parts)

    for s, (found, hidden) in enumerate(zip(links, values, strict=True)):
        add(s, hidden[MATMUL] + hidden[UNROLL] * merge, "features", 0, found.points.units)
        for value, (place, classes) in zip(hidden[2:], found.points.labels, strict=True):
            add(s, value, str(place), dataset.features, classes)
    return claims
