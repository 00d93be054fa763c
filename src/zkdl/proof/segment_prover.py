"""The prover of one segment: holds the witness, makes the tables of every reduction, sends the messages of `proof/flow.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zkdl.algebra.extension import Array, Ext, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.device import to_host
from zkdl.backend.scratch import IN_MEMORY, Storage
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import Committed, Masks, commit, make_masks
from zkdl.commitment.link import commit_link
from zkdl.errors import InternalError
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine, ProverLedger
from zkdl.proof import security
from zkdl.proof.data_claims import DataPoints, SegmentLink
from zkdl.proof.data_proof import ProverLink
from zkdl.proof.flow import open_all, reduce
from zkdl.proof.prover_tables import MatmulWitness, SegmentWitness, matmul_witness, slot_sums
from zkdl.proof.public import PROTOCOL, SegmentPublic
from zkdl.proof.segment_verifier import public_weight_values
from zkdl.protocols import fractions, lookup, loss, matmul, opening, unroll
from zkdl.protocols.claims import Claims
from zkdl.protocols.fractions import LeafClaim
from zkdl.protocols.gather import example_weights
from zkdl.protocols.lookup import LeafEquation
from zkdl.protocols.loss import DivisionClaims
from zkdl.protocols.matmul import MatmulClaims
from zkdl.protocols.unroll import UnrollClaims, WeightValues
from zkdl.statement.weights import Weights
from zkdl.transcript.channel import ProverChannel
from zkdl.transcript.transcript import Transcript

Progress = Callable[[str, float], None]


def silent(phase: str, done: float) -> None:
    """A progress callback that shows nothing."""


@dataclass(frozen=True)
class StoredCommitments:
    """Openings of the stored commitments a segment uses; w_in is None when the weights come from the public seed."""

    w_in: Committed | None
    w_out: Committed


class SegmentProver:
    """Prover's side of `proof/flow.py`.

    Args:
        entropy: of this proof alone. link_key: from which the link can be made again.
    """

    def __init__(
        self,
        backend: Backend,
        public: SegmentPublic,
        witness: SegmentWitness,
        weights: tuple[Weights, Weights],
        stored: StoredCommitments,
        entropy: Entropy,
        link_key: bytes,
        progress: Progress = silent,
        storage: Storage = IN_MEMORY,
    ) -> None:
        # Nothing changes the witness any more: a device may keep it until the proof is made.
        self.backend = backend = backend.with_resident(witness.matrix, witness.features)
        self.storage = storage
        self.public = public
        self.witness = witness
        self.weights_in, self.weights_out = weights
        self.progress = progress
        self.link_key = link_key
        self.data: tuple[list[Ext], DataPoints] | None = None
        progress("commit", 0.0)
        columns = commit(backend, witness.matrix, public.layout.code, entropy, "witness", storage.kept_code_bytes)
        self.committed: dict[str, Committed] = {"witness": columns, "w_out": stored.w_out}
        if stored.w_in is not None:
            self.committed["w_in"] = stored.w_in
        self.masks: dict[str, Masks] = {
            name: make_masks(backend, public.code(name), entropy, f"mask/{name}") for name in public.openings
        }
        count = public.pad_count()
        pads = pad_commitment.sample_pads(backend.local, count, entropy)
        self.pads = pad_commitment.commit(backend.local, pads, public.pad_shape(), entropy)
        channel = ProverChannel(Transcript(PROTOCOL, public.statement_bytes()))
        self.ledger = ProverLedger(count, channel, pads)
        self.tables: MatmulWitness | None = None
        progress("commit", 1.0)

    def send_roots(self) -> None:
        channel = self.ledger.channel
        channel.send_bytes("root/witness", self.committed["witness"].root)
        for name in self.public.openings:
            channel.send_bytes(f"root/mask/{name}", self.masks[name].tree.root)
        channel.send_bytes("root/pads", self.pads.tree.root)
        channel.public("statement", self.public.statement_bytes())

    def grind(self, bits: int) -> None:
        self.ledger.channel.grind("grind", bits)

    def fractions(self, alpha: Ext, betas: list[Ext]) -> LeafClaim:
        self.progress("lookups", 0.0)
        layout, witness = self.public.layout, self.witness
        program = lookup.leaf_program(layout.leaves, layout.tags, witness.fields, witness.multiplicities, alpha, betas)
        backend = self.backend.with_tables(self.storage.table)
        claim = fractions.prove(self.ledger, backend, program, layout.leaves.n_vars)
        self.progress("lookups", 1.0)
        return claim

    def virtual_values(self, leaf: LeafEquation, names: list[str]) -> list[Affine]:
        self.progress("products", 0.0)
        public, backend, layout = self.public, self.backend, self.public.layout
        slot = leaf.point[layout.log_units :]
        tau, beta = slot[: layout.log_steps], slot[layout.log_steps :]
        self.tables = matmul_witness(backend, public, self.witness, self.weights_in, leaf, beta)
        values = [self.tables.total(backend, tau)]
        if public.cross_entropy:
            examples = example_weights(backend, public.indices, tau, beta, len(self.witness.labels))
            weights = np.ascontiguousarray(to_host(leaf.virtual["label"])[self.witness.labels])
            values.append(scalar(backend.k_sum(backend.k_mul(examples, weights))))
            sums, quotients = slot_sums(backend, public, self.witness, leaf)
            eq = backend.eq_table(to_array(slot).reshape(-1, 2))
            values.append(scalar(backend.k_sum(backend.k_mul(eq, backend.k_mul(sums, quotients)))))
        return self.ledger.send("virtual-values", values)

    def division(self, claim: Affine, leaf: LeafEquation, slot: list[Ext]) -> DivisionClaims:
        sums, quotients = slot_sums(self.backend, self.public, self.witness, leaf)
        return loss.prove(self.ledger, self.backend, claim, slot, sums, quotients)

    def _tables(self) -> MatmulWitness:
        if self.tables is None:
            raise RuntimeError("the tables are made with the virtual values")
        return self.tables

    def matmul(self, claim: Affine, tau: list[Ext]) -> MatmulClaims:
        return matmul.prove(self.ledger, self.backend, self.public.shape, claim, tau, self._tables().tables)

    def _send_weights(
        self, label: str, weights: Weights, leaf: LeafEquation, claims: MatmulClaims, with_transposed: bool
    ) -> WeightValues:
        values = public_weight_values(self.backend, weights, self.public, leaf, claims)
        present = [b for b in values.biases if b is not None]
        transposed = values.transposed if with_transposed else []
        hidden = iter(self.ledger.send(label, [v.known for v in [*values.weights, *present, *transposed]]))
        plain = [next(hidden) for _ in values.weights]
        return WeightValues(plain, [None if b is None else next(hidden) for b in values.biases], list(hidden))

    def weights(self, leaf: LeafEquation, claims: MatmulClaims) -> tuple[WeightValues, WeightValues]:
        if self.public.seeded:
            start = public_weight_values(self.backend, self.weights_in, self.public, leaf, claims)
        else:
            start = self._send_weights("w_in-values", self.weights_in, leaf, claims, True)
        return start, self._send_weights("w_out-values", self.weights_out, leaf, claims, False)

    def unroll(self, claims: MatmulClaims, start: WeightValues, end: WeightValues) -> UnrollClaims:
        direct, transposed = self._tables().unroll_tables(self.backend, self.public, self.witness, claims)
        return unroll.prove(
            self.ledger, self.backend, self.public.shape, self.public.schedule, claims, start, end, direct, transposed
        )

    def label_values(self, leaf: LeafEquation, matmul: MatmulClaims, unroll: UnrollClaims) -> list[Affine]:
        public, values = self.public, []
        if public.hidden_labels:
            beta = leaf.point[public.layout.log_units + public.layout.log_steps :]
            classes = self.backend.eq_table(to_array(matmul.low(public.shape.log_widths[-1])).reshape(-1, 2))
            folded = leaf.virtual[f"Z{public.run.L}"]
            here = (matmul.step_point, beta)
            there = (unroll.step_point, unroll.example_point)
            wanted = [(there, folded)]
            if public.run.L > 1:
                wanted = [(here, classes), (there, folded), (there, classes)]
            values = [self._label_value(steps, examples, weights) for (steps, examples), weights in wanted]
        return self.ledger.send("label-values", values)

    def _label_value(self, steps: list[Ext], examples: list[Ext], class_weights: Array) -> Ext:
        weights = example_weights(self.backend, self.public.indices, steps, examples, len(self.witness.labels))
        chosen = np.ascontiguousarray(to_host(class_weights)[self.witness.labels])
        return scalar(self.backend.k_sum(self.backend.k_mul(weights, chosen)))

    def link(self, values: list[Affine], points: DataPoints) -> None:
        public, plain = self.public, [self.ledger.reveal(value) for value in values]
        self.data = plain, points
        committed = commit_link(self.backend, plain, public.link, self.link_key, public.statement_bytes())
        self.committed["link"] = committed
        self.ledger.channel.send_bytes("root/link", committed.root)

    def prover_link(self) -> ProverLink:
        """What the data proof needs of a finished proof."""
        if self.data is None:
            raise InternalError("a segment's link is made by its proof")
        values, points = self.data
        committed, digest = self.committed["link"], self.ledger.channel.transcript.fork_digest()
        return ProverLink(SegmentLink(self.public.segment, committed.root, digest, points), values, committed)

    def open(self, name: str, claims: Claims) -> None:
        done = self.public.openings.index(name) / len(self.public.openings)
        self.progress("open", done)
        opening.prove(self.ledger, self.backend, self.committed[name], self.masks[name], claims, name)

    def finish(self) -> None:
        self.ledger.check_used_up()
        channel = self.ledger.channel
        pad_commitment.prove(self.backend.local, channel, self.pads, self.ledger.constraints)
        names = self.public.openings
        opened = [
            opening.prove_columns(self.ledger, self.backend, self.committed[name], self.masks[name], name)
            for name in names
        ]
        code = self.pads.tree.shape
        indices = channel.transcript.indices("pads/positions", code.domain, code.queries)
        for columns in [*opened, self.pads.tree.columns(self.backend, indices)]:
            channel.send_last(columns)
        self.progress("open", 1.0)


def prove_witness(prover: SegmentProver) -> bytes:
    """Run the whole protocol and return the proof bytes."""
    prover.send_roots()
    bits = security.segment_grinding_bits(prover.public)
    open_all(prover, prover.public, reduce(prover, prover.public, bits))
    return prover.ledger.channel.proof()
