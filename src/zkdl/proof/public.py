"""Everything about a segment that both parties derive from its statement."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zkdl.commitment.link import link_shape
from zkdl.commitment.pads import PadShape, pad_shape
from zkdl.commitment.parameters import CodeShape, ParameterSet
from zkdl.commitment.stored import DatasetLayout, dataset_layout, log2_ceil
from zkdl.hiding.ledger import PadCount
from zkdl.proof.layout import SegmentLayout, segment_layout
from zkdl.protocols import lookup, loss, matmul, opening, unroll
from zkdl.protocols.matmul import MatmulShape
from zkdl.protocols.unroll import UpdateSchedule
from zkdl.statement import sampler, schedule
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

PROTOCOL = "zkdl/segment/1"
_NOTHING: NDArray[np.int64] = np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True)
class SegmentPublic:
    """The statement of one segment with all derived sizes and public vectors.

    Attributes:
        link: code of the link commitment, which holds the segment's values of the data.
        indices: (T, B) dataset rows, -1 where a batch has no example.
    """

    run: RunStatement
    segment: SegmentStatement
    parameters: ParameterSet
    layout: SegmentLayout
    dataset: DatasetLayout
    link: CodeShape
    shape: MatmulShape
    schedule: UpdateSchedule
    indices: NDArray[np.int64]

    @property
    def seeded(self) -> bool:
        """The weights at the start come from the public seed."""
        return self.segment.w_in.root == ""

    @property
    def cross_entropy(self) -> bool:
        return self.run.loss == "ce"

    @property
    def hidden_labels(self) -> int:
        """Label values that the squared error needs: G_L = Y - 2^fa label wherever G_L is claimed."""
        if self.cross_entropy:
            return 0
        return 1 if self.run.L == 1 else 3

    @property
    def openings(self) -> list[str]:
        """Commitments in the order in which they are opened."""
        return ["witness", "link", *([] if self.seeded else ["w_in"]), "w_out"]

    def code(self, name: str) -> CodeShape:
        """Code of an opening."""
        return {"witness": self.layout.code, "link": self.link}.get(name, self.layout.weights.code)

    def statement_bytes(self) -> bytes:
        """What the transcript starts from: statement, table digests, sampler seed, sizes."""
        digests = b"".join(table.digest() for table in self.layout.tables.values())
        codes = (self.layout.code, self.link, self.layout.weights.code, self.pad_shape().code)
        sizes = repr((self.parameters.name, *codes)).encode()
        parts = [
            self.run.canonical(),
            self.segment.canonical(),
            digests,
            sampler.seed(self.run),
            hashlib.sha256(self.schedule.updates.astype("<i8").tobytes()).digest(),
            hashlib.sha256(self.indices.astype("<i8").tobytes()).digest(),
            sizes,
        ]
        return b"".join(len(part).to_bytes(8, "little") + part for part in parts)

    def pad_count(self) -> PadCount:
        """All hidden scalars and products of the segment's proof."""
        layout, layers = self.layout, self.run.L
        count = lookup.pads(layout.leaves)
        count += PadCount(singles=3 if self.cross_entropy else 1)
        if self.cross_entropy:
            count += loss.pads(layout.log_steps + layout.log_batch)
        count += matmul.pads(self.shape)
        biases = sum(self.run.bias)
        count += PadCount(singles=layers + biases)
        if not self.seeded:
            count += PadCount(singles=layers + biases + layers - 1)
        count += unroll.pads(self.shape, self.schedule)
        count += PadCount(singles=self.hidden_labels)
        for name in self.openings:
            count += opening.pads(self.code(name))
        return count

    def pad_shape(self) -> PadShape:
        return pad_shape(self.pad_count(), self.parameters)


def segment_public(run: RunStatement, segment: SegmentStatement, parameters: ParameterSet) -> SegmentPublic:
    """Derive everything. The statements must have been validated."""
    indices, sizes = sampler.batch_indices(run, sampler.seed(run), segment.first_step, segment.steps)
    updates = schedule.update_integers(run, segment.scales, segment.first_step, segment.steps)
    plain = segment_sizes(run, segment, parameters)
    return replace(plain, schedule=replace(plain.schedule, updates=updates, sizes=sizes), indices=indices)


def segment_sizes(run: RunStatement, segment: SegmentStatement, parameters: ParameterSet) -> SegmentPublic:
    """Everything but the vectors over steps and examples, which stay empty: enough for sizes and error terms."""
    layout = segment_layout(run, segment, parameters)
    shape = MatmulShape(
        log_widths=tuple(log2_ceil(d) for d in run.widths),
        log_steps=layout.log_steps,
        bias=tuple(run.bias),
        bias_units=tuple(1 << fa for fa in segment.scales.fa[:-1]),
    )
    return SegmentPublic(
        run=run,
        segment=segment,
        parameters=parameters,
        layout=layout,
        dataset=dataset_layout(run.examples, run.widths[0], run.classes, run.data_budget, parameters),
        link=link_shape(run.data_budget, parameters),
        shape=shape,
        schedule=UpdateSchedule(_NOTHING, _NOTHING, layout.log_steps, layout.log_batch),
        indices=_NOTHING,
    )
