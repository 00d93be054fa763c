"""Every error term of a proof, computed from its actual sizes. [proof-system.md, sections 1.3, 3 and 8]

Round-by-round soundness: after Fiat-Shamir the error per random-oracle query is the largest error of one verifier
message; positions of all commitments are drawn together, so their errors are added. Over a run, everything is added up,
every message as often as it is sent. Collisions of the 256-bit hashes (4.5 Q^2 / 2^256 after Q queries) are left out.
Nothing rests on a conjecture; arguments that are ours alone are in docs/security/lemmas.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdl.algebra.extension import P
from zkdl.commitment.pads import PadShape, pad_shape
from zkdl.commitment.parameters import CodeShape
from zkdl.proof.data_claims import values_per_segment

if TYPE_CHECKING:
    from zkdl.proof.certificate import CertificateLayout
    from zkdl.proof.data_proof import DataProofLayout
    from zkdl.proof.public import SegmentPublic

FIELD_BITS = math.log2(P * P)


@dataclass(frozen=True)
class ErrorTerm:
    """A verifier message that is sent `times` times.

    bits = -log2(error) of one of them; terms of one `group` belong to the same message.
    """

    name: str
    formula: str
    bits: float
    group: str = ""
    times: int = 1


@dataclass(frozen=True)
class SecurityReport:
    """Terms of one proof."""

    name: str
    terms: tuple[ErrorTerm, ...]
    grinding_bits: int

    @property
    def bits(self) -> float:
        """Round-by-round soundness: the weakest verifier message."""
        return min(bits for _, bits in self._messages())

    @property
    def binding(self) -> str:
        """Name of the weakest message."""
        return min(self._messages(), key=lambda message: message[1])[0]

    def binds(self, term: ErrorTerm) -> bool:
        """The term is (part of) the weakest message."""
        return self.binding == (term.group or term.name)

    @property
    def total_error(self) -> float:
        """Sum over all messages."""
        return float(sum(term.times * 2.0**-term.bits for term in self.terms))

    def _messages(self) -> list[tuple[str, float]]:
        messages = [(term.name, term.bits) for term in self.terms if not term.group]
        for group in sorted({term.group for term in self.terms if term.group}):
            error = sum(2.0**-term.bits for term in self.terms if term.group == group)
            messages.append((group, -math.log2(float(error))))
        return messages


def over_field(count: float) -> float:
    """Bits of count / |K|."""
    return FIELD_BITS - math.log2(count)


def _positions(name: str, code: CodeShape) -> ErrorTerm:
    formula = f"((1+rho)/2)^{code.queries}, rho = {code.rate:.4f}"
    return ErrorTerm(f"{name}: positions", formula, code.query_error_bits, "positions")


def _opening_terms(name: str, code: CodeShape, claims: int) -> list[ErrorTerm]:
    distance = (1 - code.rate) / 2 * code.domain + 1
    return [
        ErrorTerm(f"{name}: batching of claims", f"{claims} / |K|", over_field(claims)),
        ErrorTerm(f"{name}: in-row sumcheck round", "2 / |K|", over_field(2), times=code.log_row),
        ErrorTerm(f"{name}: mask challenge", "1 / |K|", over_field(1), f"{name}: row messages"),
        ErrorTerm(f"{name}: fold", "((1-rho)/2 n + 1) / |K|", over_field(distance), f"{name}: row messages"),
        ErrorTerm(f"{name}: low-degree test", "((1-rho)/2 n + 1) / |K|", over_field(distance), f"{name}: row messages"),
        _positions(name, code),
    ]


def mask_candidates(shape: PadShape) -> float:
    """How many polynomials of the degree of y agree with an arbitrary word at (1 + rho)/2 of all positions, at most.

    The mask of y is not low-degree tested, so a prover may aim at any of them: docs/security/lemmas.md, lemma 6.
    Raises ValueError when the rate is too high for a bound.
    """
    agreement, rate = (1 + shape.code.rate) / 2, (shape.message - 1) / shape.code.domain
    if agreement * agreement <= rate:
        raise ValueError("the pad commitment's rate is too high for an untested mask")
    return (agreement - rate) / (agreement * agreement - rate)


def _sacrifice() -> ErrorTerm:
    return ErrorTerm("pads: sacrifice", "1 / |K|", over_field(1))


def _pad_terms(shape: PadShape) -> list[ErrorTerm]:
    code, candidates = shape.code, mask_candidates(shape)
    distance = (1 - code.rate) / 2 * code.domain + 1
    return [
        ErrorTerm("pads: constraints", f"{candidates:.0f} / |K|", over_field(candidates), "pads: row messages"),
        ErrorTerm("pads: low-degree test", "((1-rho)/2 n + 1) / |K|", over_field(distance), "pads: row messages"),
        _positions("pads", code),
    ]


def _tree_terms(leaves: int, n_vars: int, grinding: int, shared: int = 0) -> list[ErrorTerm]:
    """shared: further polynomials of degree 1 per coordinate that rest on the tree's point (R7, zero padding)."""
    formula = f"2 * {leaves} / |K|, {grinding} bits of work"
    return [
        ErrorTerm("lookup: fingerprint", formula, over_field(2 * leaves) + grinding),
        ErrorTerm("lookup: layer combination", "1 / |K|", over_field(1), times=n_vars),
        ErrorTerm(
            "lookup: sumcheck round", f"{2 + shared} / |K|", over_field(2 + shared), times=n_vars * (n_vars - 1) // 2
        ),
        ErrorTerm("lookup: child", f"{1 + shared} / |K|", over_field(1 + shared), times=n_vars),
    ]


def grinding_bits(leaves: int, target: int) -> int:
    """Work before alpha and beta so that 2 * leaves / |K| reaches the target with half a bit to spare."""
    return max(0, math.ceil(target + 0.5 - over_field(2 * leaves)))


def segment_grinding_bits(public: SegmentPublic) -> int:
    return grinding_bits(public.layout.leaves.leaves, public.parameters.soundness_bits)


def segment_report(public: SegmentPublic) -> SecurityReport:
    """All terms of one segment's proof."""
    layout, layers = public.layout, public.run.L
    work, slots = segment_grinding_bits(public), layout.log_steps + layout.log_batch
    # R7 and the zero padding are checked at the tree's point: a false one may vanish when a coordinate is drawn.
    terms = _tree_terms(layout.leaves.leaves, layout.leaves.n_vars, work, shared=2)
    if public.cross_entropy:
        terms.append(ErrorTerm("loss: sumcheck round", "2 / |K|", over_field(2), times=slots))
    equations = 2 * layers + 2 * sum(public.run.bias) + layers - 1
    terms += [
        # 2 for the round, 1 for R7, which is checked at the same unit point.
        ErrorTerm("matrix products: sumcheck round", "3 / |K|", over_field(3), times=public.shape.n_vars),
        ErrorTerm("unrolling: combination", f"{equations} / |K|", over_field(equations)),
        ErrorTerm("unrolling: sumcheck round", "3 / |K|", over_field(3), times=slots),
        ErrorTerm("padding is zero", f"{len(layout.columns)} / |K|", over_field(len(layout.columns))),
    ]
    claims = {"witness": 6 * layers + 4, "link": values_per_segment(public.run)}
    for name in public.openings:
        terms += _opening_terms(name, public.code(name), claims.get(name, 3 * layers))
    terms += [_sacrifice(), *_pad_terms(public.pad_shape())]
    return SecurityReport(f"segment {public.segment.index}", tuple(terms), work)


def certificate_report(name: str, layout: CertificateLayout) -> SecurityReport:
    """All terms of a range proof of a stored commitment."""
    tree, facts = layout.leaves, layout.facts
    work = grinding_bits(tree.leaves, layout.parameters.soundness_bits)
    terms = _tree_terms(tree.leaves, tree.n_vars, work)
    checked = len(facts.labels) + sum(rows for _, rows, _ in facts.padded)
    if checked:
        degree = layout.target.log_row + checked
        terms.append(ErrorTerm("labels and padding", f"{degree} / |K|", over_field(degree)))
    terms += _opening_terms("target", layout.target, 3) + _opening_terms("limbs", layout.code, 2)
    terms += [_sacrifice(), *_pad_terms(pad_shape(layout.pad_count(), layout.parameters))]
    return SecurityReport(name, tuple(terms), work)


def data_proof_report(layout: DataProofLayout) -> SecurityReport:
    """All terms of the proof that the links of all segments hold values of the dataset."""
    values = layout.segments * layout.values
    terms = [
        ErrorTerm("features: merged claims", "1 / |K|", over_field(1)),
        *_opening_terms("links", layout.links, values),
        *_opening_terms("dataset", layout.dataset.code, values - layout.segments),
        *_pad_terms(layout.pad_shape()),
    ]
    return SecurityReport("data proof", tuple(terms), 0)


HASH_BITS = 256


def collision_bits(queries_log2: float) -> float:
    """Bits of 4.5 Q^2 / 2^256 after Q = 2^queries_log2 evaluations of the hash: what the terms of a report leave out."""
    return HASH_BITS - math.log2(4.5) - 2 * queries_log2


def run_error_bits(reports: Iterable[SecurityReport]) -> float:
    """-log2 of the sum of all errors of a run's proofs."""
    return -math.log2(sum(report.total_error for report in reports))
