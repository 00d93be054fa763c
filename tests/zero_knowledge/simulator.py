"""The simulators of a segment's proof, of a certificate and of a data proof.

They know the statement and the challenges, no witness.

Masked scalars, row messages and opened columns are uniform. y is uniform with the sum that the constraints
require. Columns of the masks are what the verifier's equations make of the rest, other leaves are random.
"""

from __future__ import annotations

import numpy as np

from tests.zero_knowledge.fixed import FixedTranscript, InventingChannel
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, scalar
from zkdl.backend.base import Backend
from zkdl.commitment import merkle
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import MASK_ROWS, encode_message
from zkdl.commitment.parameters import CodeShape
from zkdl.hiding.ledger import VerifierLedger
from zkdl.proof import certificate, security
from zkdl.proof.certificate import CertificateLayout
from zkdl.proof.data_claims import SegmentLink, dataset_claims, link_claims
from zkdl.proof.data_proof import OPENINGS, DataProofLayout
from zkdl.proof.flow import open_all, reduce
from zkdl.proof.public import SegmentPublic
from zkdl.proof.segment_verifier import SegmentVerifier
from zkdl.protocols import fractions, lookup, opening
from zkdl.statement.weights import Weights

Indices = np.ndarray[tuple[int], np.dtype[np.int64]]
CERTIFIED = ("target", "own")


class Tree:
    """A commitment of which some columns are opened: random digests are at all other leaves."""

    def __init__(
        self, backend: Backend, channel: InventingChannel, code: CodeShape, at: Indices, columns: Array
    ) -> None:
        self.at, self._columns = at, columns
        self.salts = np.frombuffer(channel.bytes(32 * len(at)), dtype=np.uint8).reshape(-1, 32)
        leaves = np.frombuffer(channel.bytes(32 * code.domain), dtype=np.uint8).reshape(-1, 32).copy()
        leaves[at] = merkle.leaf_digests(at, self.salts, columns)
        self.levels = merkle.build(backend, leaves)

    @property
    def root(self) -> bytes:
        return self.levels[-1].tobytes()

    def columns(self, indices: Indices) -> Array:
        """Those at `indices`, all of which were known when the tree was made."""
        places = np.searchsorted(self.at, indices)
        assert np.array_equal(self.at[places], indices)
        return np.ascontiguousarray(self._columns[places])

    def opening(self, indices: Indices) -> bytes:
        """Salts, columns and paths."""
        salts = self.salts[np.searchsorted(self.at, indices)]
        columns = self.columns(indices).astype("<u8").tobytes()
        return salts.tobytes() + columns + merkle.multiproof(self.levels, indices)


def invented_tree(backend: Backend, channel: InventingChannel, code: CodeShape, rows: int, at: Indices) -> Tree:
    """Uniform columns at these positions."""
    return Tree(backend, channel, code, at, channel.elements((len(at), rows)))


class Inventor:
    """Solves for what depends on the columns.

    Attributes:
        given: trees that other sections open as well; the rest are made here, for this section's positions alone.
        roots: of what is opened, found here.
    """

    backend: Backend
    channel: InventingChannel
    ledger: VerifierLedger
    pad_shape: pad_commitment.PadShape
    pad_root: bytes
    pending: dict[str, opening.Pending]
    roots: dict[str, bytes]
    given: dict[str, list[Tree]]

    def invent_messages(self) -> None:
        """The pad proof, and the positions."""
        self.ledger.check_used_up()
        self._pending_pads = self._pads()
        self.positions = {
            name: opening.draw_positions(self.ledger, pending.shape, name) for name, pending in self.pending.items()
        }
        self._pad_positions = opening.draw_positions(self.ledger, self.pad_shape.code, "pads")

    def invent_columns(self) -> None:
        for name in self.pending:
            self._open_columns(name, self.positions[name])
        self._pad_columns(self._pending_pads, self._pad_positions)

    def _pads(self) -> pad_commitment.PendingPads:
        """As `pads.verify`, with y solved for."""
        shape, transcript = self.pad_shape, self.channel.transcript
        test_weights = transcript.challenges("pads/low-degree", shape.pad_rows)
        weights = transcript.challenges("pads/constraints", len(self.ledger.constraints))
        test = self.channel.receive_elements("pads/test", (shape.code.dimension, 2))
        forms, required = pad_commitment._linear_form(self.backend, shape, self.ledger.constraints, weights)
        public = pad_commitment.public_terms(self.ledger.constraints, weights)
        for pad, value in enumerate(self.ledger.public_values(), start=1):
            required = required + public.get(-pad, ZERO) * value
        y = self.channel.elements((shape.message, 2))
        others = scalar(self.backend.k_sum(np.ascontiguousarray(y[shape.code.row :: shape.code.row])))
        y[0] = (required * Ext(shape.code.row).inverse() - others).array()
        self.channel.keep("pads/linear", y.astype("<u8").tobytes())
        return pad_commitment.PendingPads(shape, self.pad_root, test_weights, forms, test, y, required, {})

    def _open(self, tree: Tree, indices: Indices) -> bytes:
        """Append opened columns and their paths; returns the root."""
        self.channel.keep("columns", tree.opening(indices))
        return tree.root

    def _trees(self, name: str, shape: CodeShape, count: int, indices: Indices) -> list[Tree]:
        if name in self.given:
            return self.given[name]
        rows = shape.rows // count
        return [invented_tree(self.backend, self.channel, shape, rows, indices) for _ in range(count)]

    def _open_columns(self, name: str, indices: Indices) -> None:
        pending, backend = self.pending[name], self.backend
        shape = pending.shape
        trees = self._trees(name, shape, len(pending.root) // 32, indices)
        columns = np.concatenate([tree.columns(indices) for tree in trees], axis=1)
        masks = np.empty((len(indices), MASK_ROWS), dtype=np.uint64)
        for first, message, weights, scale in (
            (0, pending.fold, pending.fold_rows, pending.gamma),
            (2, pending.test, pending.test_rows, ONE),
        ):
            combined = backend.k_mul(backend.matvec(columns, weights.reshape(1, shape.rows, 2)), scale.array())
            masks[:, first : first + 2] = backend.k_sub(
                encode_message(backend, *message, shape.domain, indices), combined
            )
        self.roots[name] = b"".join(self._open(tree, indices) for tree in trees)
        if self.channel.has(f"root/{name}"):
            self.channel.replace(f"root/{name}", self.roots[name])
        mask_tree = Tree(backend, self.channel, shape, indices, masks)
        self.channel.replace(f"root/mask/{name}", self._open(mask_tree, indices))

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
        self.channel.replace("root/pads", self._open(Tree(backend, self.channel, code, indices, columns), indices))


class Simulator(Inventor, SegmentVerifier):
    """Runs the verifier's side with invented messages."""

    channel: InventingChannel

    def __init__(
        self,
        backend: Backend,
        public: SegmentPublic,
        initial: Weights | None,
        seed: int,
        oracle: int = 0,
        given: dict[str, list[Tree]] | None = None,
    ) -> None:
        self.channel, self.given = InventingChannel(seed, FixedTranscript(oracle)), given or {}
        stored = {name: bytes(32) for name in ("w_out", *(() if public.seeded else ("w_in",)))}
        super().__init__(backend, public, self.channel, stored, initial)
        self.receive_roots()
        open_all(self, public, reduce(self, public, security.segment_grinding_bits(public)))

    def finish(self) -> None:
        self.invent_messages()


class DataSimulator(Inventor):
    """The verifier's side of a data proof with invented messages; roots of the links and of the dataset are found here."""

    def __init__(
        self,
        backend: Backend,
        layout: DataProofLayout,
        links: list[SegmentLink],
        seed: int,
        oracle: int = 0,
        given: dict[str, list[Tree]] | None = None,
    ) -> None:
        self.backend, self.channel = backend, InventingChannel(seed, FixedTranscript(oracle))
        self.given = given or {}
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
        self.invent_messages()


class CertificateSimulator(Inventor):
    """The verifier's side of a certificate with invented messages; the root of the target is found here."""

    def __init__(
        self,
        backend: Backend,
        layout: CertificateLayout,
        seed: int,
        oracle: int = 0,
        given: dict[str, list[Tree]] | None = None,
    ) -> None:
        self.backend, self.channel = backend, InventingChannel(seed, FixedTranscript(oracle))
        self.given, self.roots, self.pending = given or {}, {}, {}
        count, draw = layout.pad_count(), self.channel.transcript
        self.ledger = VerifierLedger(count, self.channel)
        self.pad_shape = pad_commitment.pad_shape(count, layout.parameters)
        self.channel.receive_bytes("root/own", 32)
        masks = {name: self.channel.receive_bytes(f"root/mask/{name}", 32) for name in CERTIFIED}
        self.pad_root = self.channel.receive_bytes("root/pads", 32)
        bits = security.grinding_bits(layout.leaves.leaves, layout.parameters.soundness_bits)
        self.channel.check_grind("grind", bits)
        alpha, betas = lookup.draw_fingerprint(draw.challenges)
        claim = fractions.verify(self.ledger, layout.leaves.n_vars)
        leaf = lookup.equation(backend, layout.leaves, {"range": 1}, claim.point, alpha, betas)
        (hidden,) = self.ledger.receive("limb-value", 1)
        z, eta = certificate._fact_challenges(self.ledger, layout)
        claims = certificate._all_claims(backend, layout, leaf, claim.numerator, claim.denominator, hidden, z, eta)
        codes = {"target": layout.target, "own": layout.code}
        for name, found in zip(CERTIFIED, claims, strict=True):
            root = bytes(32)
            self.pending[name] = opening.verify(self.ledger, backend, codes[name], root, masks[name], found, name)
        self.ledger.sacrifice()
        self.invent_messages()


def simulate(
    backend: Backend, public: SegmentPublic, initial: Weights | None, seed: int
) -> tuple[bytes, dict[str, bytes], VerifierLedger]:
    """Proof bytes, the roots of the stored commitments, and the ledger of what was invented."""
    simulator = Simulator(backend, public, initial, seed)
    simulator.invent_columns()
    roots = {name: root for name, root in simulator.roots.items() if name not in ("witness", "link")}
    return simulator.channel.proof(), roots, simulator.ledger
