"""The simulators of a segment's proof and of a data proof: they know the statement and the challenges, no witness.

Masked scalars, row messages and opened columns are uniform. y is uniform with the sum that the constraints
require. Columns of the masks are what the verifier's equations make of the rest, other leaves are random.
"""

from __future__ import annotations

import numpy as np

from tests.zero_knowledge.fixed import InventingChannel
from zkdl.algebra.extension import ONE, Array, Ext, scalar
from zkdl.backend.base import Backend
from zkdl.commitment import merkle
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import MASK_ROWS, encode_message
from zkdl.commitment.parameters import CodeShape
from zkdl.hiding.ledger import VerifierLedger
from zkdl.proof import security
from zkdl.proof.data_claims import SegmentLink, dataset_claims, link_claims
from zkdl.proof.data_proof import OPENINGS, DataProofLayout
from zkdl.proof.flow import open_all, reduce
from zkdl.proof.public import SegmentPublic
from zkdl.proof.segment_verifier import SegmentVerifier
from zkdl.protocols import opening
from zkdl.statement.weights import Weights
from zkdl.transcript.channel import _work

Indices = np.ndarray[tuple[int], np.dtype[np.int64]]


class Inventor:
    """Solves for what depends on the columns. names: openings, in order; roots: of what is opened, found here."""

    backend: Backend
    channel: InventingChannel
    ledger: VerifierLedger
    pad_shape: pad_commitment.PadShape
    pad_root: bytes
    pending: dict[str, opening.Pending]
    roots: dict[str, bytes]

    def invent_columns(self) -> None:
        self.ledger.check_used_up()
        pending = self._pads()
        names = list(self.pending)
        positions = {name: opening.draw_positions(self.ledger, self.pending[name].shape, name) for name in names}
        pad_positions = opening.draw_positions(self.ledger, self.pad_shape.code, "pads")
        for name in names:
            self._open_columns(name, positions[name])
        self._pad_columns(pending, pad_positions)

    def _pads(self) -> pad_commitment.PendingPads:
        """As `pads.verify`, with y solved for."""
        shape, transcript = self.pad_shape, self.channel.transcript
        test_weights = transcript.challenges("pads/low-degree", shape.pad_rows)
        weights = transcript.challenges("pads/constraints", len(self.ledger.constraints))
        test = self.channel.receive_elements("pads/test", (shape.code.dimension, 2))
        forms, required = pad_commitment._linear_form(self.backend, shape, self.ledger.constraints, weights)
        y = self.channel.elements((shape.message, 2))
        others = scalar(self.backend.k_sum(np.ascontiguousarray(y[shape.code.row :: shape.code.row])))
        y[0] = (required * Ext(shape.code.row).inverse() - others).array()
        self.channel.keep("pads/linear", y.astype("<u8").tobytes())
        return pad_commitment.PendingPads(shape, self.pad_root, test_weights, forms, test, y)

    def _tree(self, code: CodeShape, indices: Indices, columns: Array) -> bytes:
        """Append opened columns and their paths; returns the root of a tree with random leaves elsewhere."""
        salts = np.frombuffer(self.channel.bytes(32 * len(indices)), dtype=np.uint8).reshape(-1, 32)
        leaves = np.frombuffer(self.channel.bytes(32 * code.domain), dtype=np.uint8).reshape(-1, 32).copy()
        leaves[indices] = merkle.leaf_digests(indices, salts, columns)
        levels = merkle.build(self.backend, leaves)
        proof = merkle.multiproof(levels, indices)
        self.channel.keep("columns", salts.tobytes() + columns.astype("<u8").tobytes() + proof)
        return levels[-1].tobytes()

    def _open_columns(self, name: str, indices: Indices) -> None:
        pending, backend = self.pending[name], self.backend
        shape = pending.shape
        columns = self.channel.elements((len(indices), shape.rows))
        masks = np.empty((len(indices), MASK_ROWS), dtype=np.uint64)
        for first, message, weights, scale in (
            (0, pending.fold, pending.fold_rows, pending.gamma),
            (2, pending.test, pending.test_rows, ONE),
        ):
            combined = backend.k_mul(backend.matvec(columns, weights.reshape(1, shape.rows, 2)), scale.array())
            masks[:, first : first + 2] = backend.k_sub(
                encode_message(backend, *message, shape.domain, indices), combined
            )
        trees = len(pending.root) // 32
        parts = np.split(columns, trees, axis=1)
        self.roots[name] = b"".join(self._tree(shape, indices, np.ascontiguousarray(part)) for part in parts)
        if name in ("witness", "link"):
            self.channel.replace(f"root/{name}", self.roots[name])
        self.channel.replace(f"root/mask/{name}", self._tree(shape, indices, masks))

    def _pad_columns(self, pending: pad_commitment.PendingPads, indices: Indices) -> None:
        shape, backend = self.pad_shape, self.backend
        code, pad_rows = shape.code, shape.pad_rows
        columns = self.channel.elements((len(indices), code.rows))
        rows = np.ascontiguousarray(columns[:, : 2 * pad_rows].reshape(len(indices), pad_rows, 2).transpose(1, 0, 2))
        test = encode_message(backend, pending.test[: code.row], pending.test[code.row :], code.domain, indices)
        everywhere = backend.evaluate_coset(np.ascontiguousarray(pending.y.T), code.domain)
        linear = np.ascontiguousarray(everywhere[:, indices].T)
        for r, row in enumerate(rows):
            test = backend.k_sub(test, backend.k_mul(row, pending.test_weights[r]))
            form = np.ascontiguousarray(pending.forms[r][indices])
            linear = backend.k_sub(linear, backend.k_mul(form, row))
        columns[:, 2 * pad_rows : 2 * pad_rows + 2] = test
        columns[:, 2 * pad_rows + 2 :] = linear
        self.channel.replace("root/pads", self._tree(code, indices, columns))


class Simulator(Inventor, SegmentVerifier):
    """Runs the verifier's side with invented messages."""

    channel: InventingChannel

    def __init__(self, backend: Backend, public: SegmentPublic, initial: Weights | None, seed: int) -> None:
        self.channel = InventingChannel(seed)
        stored = {name: bytes(32) for name in ("w_out", *(() if public.seeded else ("w_in",)))}
        super().__init__(backend, public, self.channel, stored, initial)

    def grind(self, bits: int) -> None:
        if bits:
            nonce = next(
                n
                for n in range(1 << 40)
                if not _work(self.channel.transcript.fork_digest(), n.to_bytes(8, "little")) >> (64 - bits)
            )
            self.channel.keep("grind", nonce.to_bytes(8, "little"))

    def finish(self) -> None:
        self.invent_columns()


class DataSimulator(Inventor):
    """The verifier's side of a data proof with invented messages; roots of the links and of the dataset are found here."""

    def __init__(self, backend: Backend, layout: DataProofLayout, links: list[SegmentLink], seed: int) -> None:
        self.backend, self.channel = backend, InventingChannel(seed)
        self.ledger, self.pad_shape = VerifierLedger(layout.pad_count(), self.channel), layout.pad_shape()
        self.roots, self.pending = {}, {}
        masks = {name: self.channel.receive_bytes(f"root/mask/{name}", 32) for name in OPENINGS}
        self.pad_root = self.channel.receive_bytes("root/pads", 32)
        hidden = self.ledger.receive("data-values", len(links) * layout.values)
        values = [hidden[i : i + layout.values] for i in range(0, len(hidden), layout.values)]
        merge = self.channel.transcript.challenge("merge-features")
        claims = {
            "links": link_claims(backend, values),
            "dataset": dataset_claims(backend, layout.run, layout.dataset, links, values, merge),
        }
        trees = {"links": bytes(32 * len(links)), "dataset": bytes(32)}
        for name in OPENINGS:
            self.pending[name] = opening.verify(
                self.ledger, backend, layout.code(name), trees[name], masks[name], claims[name], name
            )
        self.invent_columns()


def simulate(
    backend: Backend, public: SegmentPublic, initial: Weights | None, seed: int
) -> tuple[bytes, dict[str, bytes], VerifierLedger]:
    """Proof bytes, the roots of the stored commitments, and the ledger of what was invented."""
    simulator = Simulator(backend, public, initial, seed)
    simulator.receive_roots()
    open_all(simulator, public, reduce(simulator, public, security.segment_grinding_bits(public)))
    roots = {name: root for name, root in simulator.roots.items() if name not in ("witness", "link")}
    return simulator.channel.proof(), roots, simulator.ledger
