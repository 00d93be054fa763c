"""The verifier of one segment: reads the messages of `proof/flow.py` and checks every equation.

Imports numpy and the standard library only; compiled kernels are used when they are there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from zkdl.algebra.extension import Array, Ext, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.commitment import pads as pad_commitment
from zkdl.errors import InternalError
from zkdl.hiding.ledger import Affine, VerifierLedger, constant
from zkdl.proof import security
from zkdl.proof.data_claims import DataPoints, SegmentLink
from zkdl.proof.flow import open_all, reduce
from zkdl.proof.public import PROTOCOL, SegmentPublic
from zkdl.protocols import fractions, loss, matmul, opening, unroll
from zkdl.protocols.claims import Claims
from zkdl.protocols.fractions import LeafClaim
from zkdl.protocols.lookup import LeafEquation
from zkdl.protocols.loss import DivisionClaims
from zkdl.protocols.matmul import MatmulClaims
from zkdl.protocols.unroll import UnrollClaims, WeightValues
from zkdl.statement.weights import Weights
from zkdl.transcript.channel import Source, VerifierChannel
from zkdl.transcript.transcript import Transcript

Initial = Weights | Callable[[], Weights]


def public_weight_values(
    backend: Backend, weights: Weights, public: SegmentPublic, leaf: LeafEquation, claims: MatmulClaims
) -> WeightValues:
    """Values of public initial weights at the claimed functionals, as constants."""

    def dot(left: Array, right: Array) -> Affine:
        return constant(scalar(backend.k_sum(backend.k_mul(left, right))))

    def at(point: list[Ext], width: int) -> Array:
        return backend.eq_table(to_array(point).reshape(-1, 2))[:width]

    plain: list[Affine] = []
    biases: list[Affine | None] = []
    transposed: list[Affine] = []
    for l, matrix in enumerate(weights.W):
        zeta = leaf.virtual[f"Z{l + 1}"]
        folded = backend.matvec(matrix, zeta.reshape(1, -1, 2))
        plain.append(dot(folded, at(claims.low(public.shape.log_widths[l]), matrix.shape[0])))
        bias = weights.b[l]
        biases.append(
            None if bias is None else constant(scalar(backend.matvec(bias.reshape(1, -1), zeta.reshape(1, -1, 2))[0]))
        )
        if l > 0:
            row = backend.vecmat(leaf.virtual[f"P{l}"], matrix)
            transposed.append(dot(row, at(claims.low(public.shape.log_widths[l + 1]), matrix.shape[1])))
    return WeightValues(plain, biases, transposed)


class SegmentVerifier:
    """Verifier's side of `proof/flow.py`.

    Args:
        roots: name -> root of every stored commitment that the segment opens.
        initial: public initial weights, for a segment that starts from the seed, or what expands them. They are not asked for
            before all columns are known to belong to their roots and messages.
    """

    def __init__(
        self,
        backend: Backend,
        public: SegmentPublic,
        channel: VerifierChannel,
        roots: dict[str, bytes],
        initial: Initial | None,
    ) -> None:
        self.backend = backend
        self.public = public
        self.roots = dict(roots)
        self.initial = initial
        self.ledger = VerifierLedger(public.pad_count(), channel)
        self.pad_shape = public.pad_shape()
        self.pending: dict[str, opening.Pending] = {}
        self.mask_roots: dict[str, bytes] = {}
        self.pad_root = b""
        self.points: DataPoints | None = None

    def receive_roots(self) -> None:
        self.roots["witness"] = self.ledger.channel.receive_bytes("root/witness", 32)
        for name in self.public.openings:
            self.mask_roots[name] = self.ledger.channel.receive_bytes(f"root/mask/{name}", 32)
        self.pad_root = self.ledger.channel.receive_bytes("root/pads", 32)
        self.ledger.channel.public("statement", self.public.statement_bytes())

    def grind(self, bits: int) -> None:
        self.ledger.channel.check_grind("grind", bits)

    def fractions(self, alpha: Ext, betas: list[Ext]) -> LeafClaim:
        return fractions.verify(self.ledger, self.public.layout.leaves.n_vars)

    def virtual_values(self, leaf: LeafEquation, names: list[str]) -> list[Affine]:
        return self.ledger.receive("virtual-values", len(names))

    def division(self, claim: Affine, leaf: LeafEquation, slot: list[Ext]) -> DivisionClaims:
        return loss.verify(self.ledger, claim, slot)

    def matmul(self, claim: Affine, tau: list[Ext]) -> MatmulClaims:
        return matmul.verify(self.ledger, self.public.shape, claim, tau)

    def _receive_weights(self, label: str, transposed: int) -> WeightValues:
        layers, bias = self.public.run.L, self.public.run.bias
        values = iter(self.ledger.receive(label, layers + sum(bias) + transposed))
        plain = [next(values) for _ in range(layers)]
        biases = [next(values) if has else None for has in bias]
        return WeightValues(plain, biases, list(values))

    def _public_weights(self, leaf: LeafEquation, claims: MatmulClaims) -> WeightValues:
        """Of the initial weights, which are expanded once, when the first value is needed."""
        initial, backend, public, later = self.initial, self.backend, self.public, self.ledger.later

        @cache
        def values() -> WeightValues:
            expanded = initial() if callable(initial) else initial
            if expanded is None:
                raise InternalError("a segment from the seed needs the initial weights")
            return public_weight_values(backend, expanded, public, leaf, claims)

        def known(found: Affine | None) -> Ext:
            if found is None:
                raise InternalError("the initial weights lack a bias")
            return found.known

        layers, has_bias = range(public.run.L), public.run.bias

        def plain(l: int) -> Ext:
            return known(values().weights[l])

        def bias(l: int) -> Ext:
            return known(values().biases[l])

        def turned(l: int) -> Ext:
            return known(values().transposed[l])

        return WeightValues(
            [later(partial(plain, l)) for l in layers],
            [later(partial(bias, l)) if has_bias[l] else None for l in layers],
            [later(partial(turned, l)) for l in layers[:-1]],
        )

    def weights(self, leaf: LeafEquation, claims: MatmulClaims) -> tuple[WeightValues, WeightValues]:
        if self.initial is not None:
            start = self._public_weights(leaf, claims)
        else:
            start = self._receive_weights("w_in-values", self.public.run.L - 1)
        return start, self._receive_weights("w_out-values", 0)

    def unroll(self, claims: MatmulClaims, start: WeightValues, end: WeightValues) -> UnrollClaims:
        return unroll.verify(self.ledger, self.backend, self.public.shape, self.public.schedule, claims, start, end)

    def label_values(self, leaf: LeafEquation, matmul: MatmulClaims, unroll: UnrollClaims) -> list[Affine]:
        return self.ledger.receive("label-values", self.public.hidden_labels)

    def link(self, values: list[Affine], points: DataPoints) -> None:
        self.points = points
        self.roots["link"] = self.ledger.channel.receive_bytes("root/link", 32)

    def segment_link(self) -> SegmentLink:
        """What the data proof needs of a finished proof."""
        if self.points is None:
            raise InternalError("a segment's link is read with its proof")
        digest = self.ledger.channel.transcript.fork_digest()
        return SegmentLink(self.public.segment, self.roots["link"], digest, self.points)

    def open(self, name: str, claims: Claims) -> None:
        self.pending[name] = opening.verify(
            self.ledger, self.backend, self.public.code(name), self.roots[name], self.mask_roots[name], claims, name
        )

    def finish(self) -> None:
        """The pad proof, all columns, and at last the relations: only they need the public weights."""
        self.ledger.check_used_up()
        pads = pad_commitment.verify(
            self.backend, self.ledger.channel, self.pad_shape, self.pad_root, self.ledger.constraints
        )
        positions = {
            name: opening.draw_positions(self.ledger, pending.shape, name) for name, pending in self.pending.items()
        }
        code = self.pad_shape.code
        pad_positions = opening.draw_positions(self.ledger, code, "pads")
        for name, pending in self.pending.items():
            opening.verify_columns(self.ledger, self.backend, pending, positions[name], name)
        columns = opening.receive_columns(self.ledger, self.pad_root, code.rows, code.log_domain, pad_positions, "pads")
        pad_commitment.verify_columns(self.backend, pads, columns, pad_positions)
        pad_commitment.verify_sum(self.backend, pads, self.ledger.public_values())


def verify_segment(
    public: SegmentPublic, source: Source, backend: Backend, initial: Initial | None, *, finish_stream: bool = True
) -> SegmentLink:
    """Check one segment's proof. Raises Rejected or MalformedProof. That the values of the data which it uses are those of the
    committed dataset is proven by the data proof alone, about the link that is returned.

    Args:
        initial: the initial weights when the segment starts from the public seed, or what expands them; else None.
    """
    channel = VerifierChannel(Transcript(PROTOCOL, public.statement_bytes()), source)
    roots = {"w_out": bytes.fromhex(public.segment.w_out.root)}
    if not public.seeded:
        roots["w_in"] = bytes.fromhex(public.segment.w_in.root)
    verifier = SegmentVerifier(backend, public, channel, roots, initial)
    verifier.receive_roots()
    bits = security.segment_grinding_bits(public)
    open_all(verifier, public, reduce(verifier, public, bits))
    if finish_stream:
        channel.finish()
    return verifier.segment_link()
