"""A prover with junk where W has no inputs or outputs, and who is consistent about it, proves nothing false.

Executable form of lemma 4 in docs/security/lemmas.md. Junk reaches the claim on W^T, the virtual weights and
the denominators of leaves that count for nothing; the weights at the end are those of the honest run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.tiny import KEYS, TINY, Tiny, tiny_run
from zkdl.algebra.extension import Array, Ext, scalar, to_array
from zkdl.backend.leaves import leaves
from zkdl.commitment import stored
from zkdl.errors import Rejected
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine
from zkdl.proof.prover_tables import MatmulWitness, matmul_witness
from zkdl.proof.public import segment_public
from zkdl.proof.segment_prover import SegmentProver, StoredCommitments, prove_witness
from zkdl.protocols import fractions, lookup
from zkdl.protocols.fractions import LeafClaim
from zkdl.protocols.lookup import LeafEquation
from zkdl.protocols.matmul import MatmulClaims
from zkdl.protocols.unroll import WeightValues
from zkdl.statement.weights import Weights

JUNK = 1_000_003
honest_matrix = stored.weights_matrix


def _with_junk(layout: stored.WeightsLayout, weights: Weights) -> np.ndarray:
    """Every committed position that is no weight holds a large number of its own."""
    present = honest_matrix(
        layout,
        Weights([np.ones_like(w) for w in weights.W], [None if b is None else np.ones_like(b) for b in weights.b]),
    )
    junk = JUNK * np.arange(1, present.size + 1).reshape(present.shape)
    return honest_matrix(layout, weights) + np.where(present == 0, junk, 0)


class JunkProver(SegmentProver):
    """Follows the protocol with the committed matrices, junk included."""

    def padded(self, weights: Weights, l: int) -> np.ndarray:  # noqa: E741 - paper symbol
        """W_{l+1} with all inputs and outputs that its rows hold."""
        layout = self.public.layout.weights
        place = layout.layers[l]
        block = _with_junk(layout, weights)[place.first_row : place.first_row + place.rows]
        return block.reshape(place.rows << place.log_inputs, 1 << place.log_outputs)

    def reach(self, leaf: LeafEquation, l: int) -> Array:  # noqa: E741 - paper symbol
        """The weights that `_transposed_claim` gives to all inputs of W_{l+1}, without beta."""
        layout = self.public.layout
        found = next(x for x in layout.leaves.lookups if x.name == f"p_low{l}")
        point = [*leaf.row_point, *leaf.point[: layout.log_units]]
        first = found.first_leaf_row << layout.log_units
        return self.backend.eq_table(to_array(point).reshape(-1, 2))[first : first + self.reach_size(l)].copy()

    def fractions(self, alpha: Ext, betas: list[Ext]) -> LeafClaim:
        public, layout, backend = self.public, self.public.layout, self.backend
        program = lookup.leaf_program(
            layout.leaves,
            layout.tags,
            self.witness.fields,
            self.witness.multiplicities,
            alpha,
            betas,
        )
        p, q = leaves(backend, program, program.count)
        slots = 1 << (layout.log_steps + layout.log_batch)
        self.touched = 0
        for l in range(1, public.run.L):  # noqa: E741 - paper symbol
            found = next(x for x in layout.leaves.lookups if x.name == f"p_low{l}")
            matrix, outputs = self.padded(self.weights_in, l), public.run.widths[l + 1]
            gradient = self.witness.gradient(l + 1)[:outputs].reshape(outputs, -1).astype(object)
            first = found.first_leaf_row << layout.log_units
            for i in range(public.run.widths[l], self.reach_size(l)):
                products = [int(v) for v in matrix[i, :outputs].astype(object) @ gradient]
                span = slice((first + i) * slots, (first + i + 1) * slots)
                assert not p[span].any(), "the leaf counts"
                q[span] = backend.k_add(q[span].copy(), to_array([betas[1] * v for v in products]))
                self.touched += 1
        return fractions.prove(self.ledger, backend, (p, q), layout.leaves.n_vars)

    def reach_size(self, l: int) -> int:  # noqa: E741 - paper symbol
        """How many inputs the claim on W_{l+1}^T reaches."""
        place = self.public.layout.weights.layers[l]
        return place.rows << min(place.log_inputs, self.public.shape.log_widths[l])

    def add_junk(self, tables: MatmulWitness, leaf: LeafEquation, beta_1: Ext) -> None:
        """Virtual weights on pads: constant over all steps, as activations and gradients are zero there."""
        public, backend = self.public, self.backend
        steps = 1 << public.schedule.log_steps
        for l, width in enumerate(public.run.widths[:-1]):  # noqa: E741 - paper symbol
            matrix, outputs = self.padded(self.weights_in, l), public.run.widths[l + 1]
            zeta = leaf.virtual[f"Z{l + 1}"].reshape(1, -1, 2)
            whole = backend.matvec(np.ascontiguousarray(matrix[:, :outputs]), zeta)
            last = min(len(whole), 1 << public.shape.log_widths[l])
            table = tables.tables.weights[l]
            table[width * steps : last * steps] = np.repeat(whole[width:last], steps, axis=0)
            if l == 0:
                continue
            reach = backend.k_mul(self.reach(leaf, l), beta_1.array())
            table = tables.tables.transposed[l - 1]
            units = public.run.widths[l]
            beyond = backend.vecmat(reach[units:].copy(), np.ascontiguousarray(matrix[units : len(reach)]))
            table[:] = backend.k_add(table, np.repeat(beyond, steps, axis=0))
            inside = backend.vecmat(reach[:units].copy(), np.ascontiguousarray(matrix[:units, outputs:]))
            rest = slice(outputs * steps, None)
            table[rest] = backend.k_add(table[rest].copy(), np.repeat(inside, steps, axis=0))

    def virtual_values(self, leaf: LeafEquation, names: list[str]) -> list[Affine]:
        layout = self.public.layout
        beta = leaf.point[layout.log_units + layout.log_steps :]
        self.tables = matmul_witness(self.backend, self.public, self.witness, self.weights_in, leaf, beta)
        # beta_1 is the factor of P in the leaf equation.
        self.beta_1 = scalar(leaf.virtual["P1"][0]) * scalar(self.reach(leaf, 1)[0]).inverse()
        self.add_junk(self.tables, leaf, self.beta_1)
        tau = leaf.point[layout.log_units : layout.log_units + layout.log_steps]
        return self.ledger.send("virtual-values", [self.tables.total(self.backend, tau)])

    def _send_weights(
        self, label: str, weights: Weights, leaf: LeafEquation, claims: MatmulClaims, with_transposed: bool
    ) -> WeightValues:
        """What the committed matrix has at the claimed functionals."""
        hidden = iter(self.ledger.send(label, _junk_values(self, weights, leaf, claims, with_transposed)))
        plain = [next(hidden) for _ in weights.W]
        return WeightValues(plain, [None if b is None else next(hidden) for b in weights.b], list(hidden))


def _junk_values(
    prover: JunkProver, weights: Weights, leaf: LeafEquation, claims: MatmulClaims, with_transposed: bool
) -> list[Ext]:
    public, backend = prover.public, prover.backend
    log_widths, plain, biases, transposed = public.shape.log_widths, [], [], []

    def eq(point: list[Ext]) -> Array:
        return backend.eq_table(to_array(point).reshape(-1, 2))

    def dot(a: Array, b: Array) -> Ext:
        return scalar(backend.k_sum(backend.k_mul(a.copy(), b.copy())))

    for l in range(public.run.L):  # noqa: E741 - paper symbol
        matrix, outputs = prover.padded(weights, l), public.run.widths[l + 1]
        zeta = leaf.virtual[f"Z{l + 1}"]
        whole = backend.matvec(np.ascontiguousarray(matrix[:, :outputs]), zeta.reshape(1, -1, 2))
        units = eq(claims.low(log_widths[l]))
        count = min(len(whole), len(units))
        plain.append(dot(whole[:count], units[:count]))
        bias = weights.b[l]
        if bias is not None:
            biases.append(scalar(backend.matvec(bias.reshape(1, -1), zeta.reshape(1, -1, 2))[0]))
        if l > 0 and with_transposed:
            reach = backend.k_mul(prover.reach(leaf, l), prover.beta_1.array())
            row = backend.vecmat(reach, np.ascontiguousarray(matrix[: len(reach)]))
            transposed.append(dot(row, eq(claims.low(log_widths[l + 1]))))
    return [*plain, *biases, *transposed]


def _proof(tiny: Tiny, kind: type[SegmentProver]) -> tuple[Any, bytes, SegmentProver]:
    witness, weights = tiny.witness()
    w_out = tiny.commit_out(weights)
    public = segment_public(tiny.run, tiny.state(w_out), TINY)
    assert tiny.w_in is not None
    commitments = StoredCommitments(tiny.w_in.committed, w_out.committed)
    both, entropy = (tiny.weights_in, weights), Entropy(b"j" * 32)
    prover = kind(tiny.backend, public, replace(witness, public=public), both, commitments, entropy, KEYS["link"])
    proof = prove_witness(prover)
    return public, proof + tiny.prove_data([prover.prover_link()]), prover


@pytest.mark.parametrize("widths", [(6, 5, 4, 3), (3, 5, 7, 6, 5), (5, 9, 3, 2)])
def test_consistent_junk_is_accepted_and_changes_nothing(
    widths: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "weights_matrix", _with_junk)
    tiny = tiny_run(widths=widths, loss="mse", seeded=False, weight_frac=16)
    public, proof, prover = _proof(tiny, JunkProver)
    assert isinstance(prover, JunkProver) and prover.touched > 0
    tiny.verify(public, proof)
    # A file of weights holds no pads: such a commitment cannot be revealed.
    _, weights = tiny.witness()
    monkeypatch.setattr(stored, "weights_matrix", honest_matrix)
    assert tiny.commit_out(weights).root.hex() != public.segment.w_out.root


def test_inconsistent_junk_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The honest prover's messages do not match a matrix with junk in it: the pads are really claimed."""
    monkeypatch.setattr(stored, "weights_matrix", _with_junk)
    tiny = tiny_run(loss="mse", seeded=False)
    public, proof, _ = _proof(tiny, SegmentProver)
    with pytest.raises(Rejected):
        tiny.verify(public, proof)
