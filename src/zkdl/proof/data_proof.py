"""One data proof for all segments of a container: what their links hold are values of the committed dataset.
[review.md, hole 11 and (c) 8]

Each segment's proof opens the hidden values of its claims on the data in a small commitment, its link. This proof opens
all links as one matrix and the dataset once, for the same hidden values.

Transcript: statement: the run, and for every segment its statement, the root of its link and the last state of its
    transcript;  P: roots of the masks of both openings, of the pads;  statement again;  P: the values of all segments, hidden;
    V: merge;  openings of the links and of the dataset;  pad proof;  V: positions;  P: columns.
Soundness error: 1/|K| for merging the two claims on A_0 of every segment, two openings, pads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zkdl.algebra.extension import Ext
from zkdl.backend.base import Backend
from zkdl.backend.scratch import IN_MEMORY, Storage
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import Committed, make_masks
from zkdl.commitment.link import Stacked, link_shape, stack, stacked_shape
from zkdl.commitment.pads import PadShape, pad_shape
from zkdl.commitment.parameters import CodeShape, ParameterSet
from zkdl.commitment.stored import DatasetLayout, dataset_layout
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger
from zkdl.proof.data_claims import SegmentLink, dataset_claims, link_claims, values_per_segment
from zkdl.protocols import opening
from zkdl.statement.run import RunStatement
from zkdl.transcript.channel import ProverChannel, Source, VerifierChannel
from zkdl.transcript.transcript import Transcript

DATASET_PROTOCOL = "zkdl/dataset/1"
OPENINGS = ("links", "dataset")


@dataclass(frozen=True)
class DataProofLayout:
    """Sizes of the data proof of `segments` segments, from public numbers."""

    run: RunStatement
    parameters: ParameterSet
    segments: int
    dataset: DatasetLayout
    links: CodeShape

    @property
    def values(self) -> int:
        """Hidden values of one segment."""
        return values_per_segment(self.run)

    def code(self, name: str) -> CodeShape:
        return self.links if name == "links" else self.dataset.code

    def pad_count(self) -> PadCount:
        count = PadCount(singles=self.segments * self.values)
        for name in OPENINGS:
            count += opening.pads(self.code(name))
        return count

    def pad_shape(self) -> PadShape:
        return pad_shape(self.pad_count(), self.parameters)


def data_proof_layout(run: RunStatement, segments: int, parameters: ParameterSet) -> DataProofLayout:
    links = stacked_shape(link_shape(run.data_budget, parameters), segments)
    dataset = dataset_layout(run.examples, run.widths[0], run.classes, run.data_budget, parameters)
    return DataProofLayout(run, parameters, segments, dataset, links)


@dataclass(frozen=True)
class ProverLink:
    """A segment's link on the prover's side. values: what it holds, in the order of the points."""

    public: SegmentLink
    values: list[Ext]
    committed: Committed


def statement_bytes(layout: DataProofLayout, links: Sequence[SegmentLink]) -> bytes:
    """What the transcript starts from; every part has its length in front."""
    sizes = (layout.parameters.name, layout.links, layout.dataset.code, layout.pad_shape().code)
    parts = [layout.run.canonical(), repr(sizes).encode()]
    for link in links:
        parts += [link.segment.canonical(), link.root, link.digest]
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def _rows(layout: DataProofLayout, hidden: list[Affine]) -> list[list[Affine]]:
    """The values of each segment."""
    return [hidden[i : i + layout.values] for i in range(0, len(hidden), layout.values)]


def prove(
    backend: Backend,
    layout: DataProofLayout,
    links: Sequence[ProverLink],
    dataset: Committed,
    entropy: Entropy,
    progress: Callable[[str, float], None],
    storage: Storage = IN_MEMORY,
) -> bytes:
    """Prove that the links of all segments hold values of this dataset."""
    progress("links", 0.0)
    public = [link.public for link in links]
    committed: dict[str, Committed | Stacked] = {"links": stack([link.committed for link in links]), "dataset": dataset}
    masks = {name: make_masks(backend, layout.code(name), entropy, f"mask/{name}") for name in OPENINGS}
    count = layout.pad_count()
    pads = pad_commitment.sample_pads(backend.local, count, entropy)
    committed_pads = pad_commitment.commit(backend.local, pads, layout.pad_shape(), entropy)
    statement = statement_bytes(layout, public)
    channel = ProverChannel(Transcript(DATASET_PROTOCOL, statement))
    ledger = ProverLedger(count, channel, pads)
    for name in OPENINGS:
        channel.send_bytes(f"root/mask/{name}", masks[name].tree.root)
    channel.send_bytes("root/pads", committed_pads.tree.root)
    channel.public("statement", statement)
    values = _rows(layout, ledger.send("data-values", [value for link in links for value in link.values]))
    merge = channel.transcript.challenge("merge-features")
    claims = {
        "links": link_claims(backend, values),
        "dataset": dataset_claims(backend, layout.run, layout.dataset, public, values, merge),
    }
    for i, name in enumerate(OPENINGS):
        progress("links", (i + 1) / 3)
        opening.prove(ledger, backend, committed[name], masks[name], claims[name], name, storage.table)
    ledger.check_used_up()
    pad_commitment.prove(backend.local, channel, committed_pads, ledger.constraints)
    opened = [opening.prove_columns(ledger, backend, committed[name], masks[name], name) for name in OPENINGS]
    code = committed_pads.tree.shape
    indices = channel.transcript.indices("pads/positions", code.domain, code.queries)
    for data in [*opened, committed_pads.tree.columns(backend, indices)]:
        channel.send_last(data)
    progress("links", 1.0)
    return channel.proof()


def verify(
    backend: Backend,
    layout: DataProofLayout,
    links: Sequence[SegmentLink],
    source: Source,
    *,
    finish_stream: bool = True,
) -> None:
    """Check the data proof of these very segments. Raises Rejected or MalformedProof."""
    statement = statement_bytes(layout, links)
    channel = VerifierChannel(Transcript(DATASET_PROTOCOL, statement), source)
    ledger = VerifierLedger(layout.pad_count(), channel)
    mask_roots = {name: channel.receive_bytes(f"root/mask/{name}", 32) for name in OPENINGS}
    pad_root = channel.receive_bytes("root/pads", 32)
    channel.public("statement", statement)
    values = _rows(layout, ledger.receive("data-values", layout.segments * layout.values))
    merge = channel.transcript.challenge("merge-features")
    claims = {
        "links": link_claims(backend, values),
        "dataset": dataset_claims(backend, layout.run, layout.dataset, links, values, merge),
    }
    roots = {"links": b"".join(link.root for link in links), "dataset": bytes.fromhex(layout.run.data_root)}
    pending = {
        name: opening.verify(ledger, backend, layout.code(name), roots[name], mask_roots[name], claims[name], name)
        for name in OPENINGS
    }
    ledger.check_used_up()
    shape = layout.pad_shape()
    pads = pad_commitment.verify(backend, channel, shape, pad_root, ledger.constraints)
    pad_commitment.verify_sum(backend, pads)
    positions = {name: opening.draw_positions(ledger, layout.code(name), name) for name in OPENINGS}
    code = shape.code
    pad_positions = opening.draw_positions(ledger, code, "pads")
    for name in OPENINGS:
        opening.verify_columns(ledger, backend, pending[name], positions[name], name)
    columns = opening.receive_columns(ledger, pad_root, code.rows, code.log_domain, pad_positions, "pads")
    pad_commitment.verify_columns(backend, pads, columns, pad_positions)
    if finish_stream:
        channel.finish()
