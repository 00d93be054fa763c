"""The order of a segment's proof, once for prover and verifier. [review.md, section (e)], [proof-system.md, section 9]

Transcript:
    0  protocol, parameter set, statement (run, segment, tables, sampler seed, sizes); the roots of D, W_in, W_out are in it
    1  P: root of the witness, of the masks of every opening, of the pads;  statement again
    2  V: (grinding) alpha, beta;  LogUp tree -> one point;  P: virtual values (all Z and P in one, label, division)
    3  cross-entropy: division
    4  R1 + R2 of all layers -> (x', t')
    5  P: W_in, W_out values there;  unrolling + R7 -> (s', b');  squared error: P: label values
    6  P: root of the link, which holds the values of the data;  one opening per commitment: witness, link, W_in, W_out
    7  V: chi;  P: sacrifice;  pad proof
    8  V: positions of every commitment;  P: columns
What the link holds is compared with the dataset by the data proof of the whole container (`proof/data_proof.py`).
Soundness error: the terms of the modules called here, collected in `proof/security.py`.
"""

from __future__ import annotations

from typing import Protocol

from zkdl.algebra.extension import Ext
from zkdl.backend.base import Backend
from zkdl.errors import InternalError
from zkdl.hiding.ledger import Affine, ProverLedger, VerifierLedger
from zkdl.proof.assembly import Assembly, Reduced
from zkdl.proof.data_claims import DataPoints, link_claims
from zkdl.proof.public import SegmentPublic
from zkdl.protocols.claims import Claims
from zkdl.protocols.fractions import LeafClaim
from zkdl.protocols.lookup import LeafEquation, draw_fingerprint, equation
from zkdl.protocols.loss import DivisionClaims
from zkdl.protocols.matmul import MatmulClaims
from zkdl.protocols.unroll import UnrollClaims, WeightValues


class Party(Protocol):
    """What prover and verifier each do in a step; every method sends or reads the same messages on both sides."""

    backend: Backend

    @property
    def ledger(self) -> ProverLedger | VerifierLedger: ...

    def grind(self, bits: int) -> None: ...

    def fractions(self, alpha: Ext, betas: list[Ext]) -> LeafClaim: ...

    def virtual_values(self, leaf: LeafEquation, names: list[str]) -> list[Affine]: ...

    def division(self, claim: Affine, leaf: LeafEquation, slot: list[Ext]) -> DivisionClaims: ...

    def matmul(self, claim: Affine, tau: list[Ext]) -> MatmulClaims: ...

    def weights(self, leaf: LeafEquation, claims: MatmulClaims) -> tuple[WeightValues, WeightValues]: ...

    def unroll(self, claims: MatmulClaims, start: WeightValues, end: WeightValues) -> UnrollClaims: ...

    def label_values(self, leaf: LeafEquation, matmul: MatmulClaims, unroll: UnrollClaims) -> list[Affine]: ...

    def link(self, values: list[Affine], points: DataPoints) -> None: ...

    def open(self, name: str, claims: Claims) -> None: ...

    def finish(self) -> None: ...


def reduce(party: Party, public: SegmentPublic, grinding_bits: int) -> Reduced:
    """Steps 2 to 5: from all relations to linear claims on the commitments."""
    transcript = party.ledger.channel.transcript
    party.grind(grinding_bits)
    alpha, betas = draw_fingerprint(transcript.challenges)
    claim = party.fractions(alpha, betas)
    leaf = equation(party.backend, public.layout.leaves, public.layout.tags, claim.point, alpha, betas)
    names = ["products"] + (["label", "share"] if public.cross_entropy else [])
    virtual = party.virtual_values(leaf, names)
    columns = claim.denominator - leaf.known
    for value in virtual:
        columns = columns - value
    slot = leaf.point[public.layout.log_units :]
    division = party.division(virtual[2], leaf, slot) if public.cross_entropy else None
    matmul = party.matmul(virtual[0], slot[: public.layout.log_steps])
    start, end = party.weights(leaf, matmul)
    unroll = party.unroll(matmul, start, end)
    labels = party.label_values(leaf, matmul, unroll)
    return Reduced(
        equation=leaf,
        columns_claim=columns,
        multiplicities_claim=claim.numerator - leaf.numerator_known,
        beta=betas[1],
        division=division,
        matmul=matmul,
        unroll=unroll,
        start=start,
        end=end,
        label=virtual[1] if public.cross_entropy else None,
        labels=labels,
    )


def open_all(party: Party, public: SegmentPublic, reduced: Reduced) -> None:
    """Steps 6 to 8."""
    transcript = party.ledger.channel.transcript
    assembly = Assembly(party.backend, public, reduced)
    values, points = assembly.data()
    party.link(values, points)
    zero_challenge = transcript.challenge("zero-pads")
    for name in public.openings:
        if name == "witness":
            claims = assembly.witness(zero_challenge)
        elif name == "link":
            claims = link_claims(party.backend, [values])
        elif name == "w_in" and reduced.start is not None:
            claims = assembly.weights(reduced.start, with_transposed=True)
        elif name == "w_out":
            claims = assembly.weights(reduced.end, with_transposed=False)
        else:
            raise InternalError("an opening without values", opening=name)
        party.open(name, claims)
    party.ledger.sacrifice()
    party.finish()
