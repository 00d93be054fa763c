"""Every error term of a proof, computed from its actual sizes. [proof-system.md, sections 1.3, 3 and 8]

Round-by-round soundness: after Fiat-Shamir the error per random-oracle query is the largest error of one verifier message;
positions of all commitments are drawn together, so their errors are added. Over a run, everything is added up.
Nothing here rests on a conjecture; arguments that are ours alone are listed in SECURITY.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdl.algebra.extension import P
from zkdl.commitment.parameters import CodeShape

if TYPE_CHECKING:
    from zkdl.proof.public import SegmentPublic

FIELD_BITS = math.log2(P * P)


@dataclass(frozen=True)
class ErrorTerm:
    """One verifier message. bits = -log2(error); `counted_once` terms belong to the same message."""

    name: str
    formula: str
    bits: float
    group: str = ""


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

    @property
    def total_error(self) -> float:
        """Sum of all terms, grinding not counted twice."""
        return sum(2.0**-term.bits for term in self.terms)

    def _messages(self) -> list[tuple[str, float]]:
        messages = [(term.name, term.bits) for term in self.terms if not term.group]
        for group in sorted({term.group for term in self.terms if term.group}):
            error = sum(2.0**-term.bits for term in self.terms if term.group == group)
            messages.append((group, -math.log2(float(error))))
        return messages


def over_field(count: float) -> float:
    """Bits of count / |K|."""
    return FIELD_BITS - math.log2(count)


def _opening_terms(name: str, code: CodeShape, claims: int) -> list[ErrorTerm]:
    distance = (1 - code.rate) / 2 * code.domain + 1
    return [
        ErrorTerm(f"{name}: batching of claims", f"{claims} / |K|", over_field(claims)),
        ErrorTerm(f"{name}: in-row sumcheck round", "2 / |K|", over_field(2)),
        ErrorTerm(f"{name}: fold", "((1-rho)/2 n + 1) / |K|", over_field(distance)),
        ErrorTerm(f"{name}: low-degree test", "((1-rho)/2 n + 1) / |K|", over_field(distance)),
        ErrorTerm(f"{name}: positions", f"((1+rho)/2)^{code.queries}, rho = {code.rate:.4f}", code.query_error_bits, "positions"),
    ]


def _pad_terms(code: CodeShape) -> list[ErrorTerm]:
    distance = (1 - code.rate) / 2 * code.domain + 1
    return [
        ErrorTerm("pads: sacrifice", "1 / |K|", over_field(1)),
        ErrorTerm("pads: constraints", "1 / |K|", over_field(1)),
        ErrorTerm("pads: low-degree test", "((1-rho)/2 n + 1) / |K|", over_field(distance)),
        ErrorTerm("pads: positions", f"((1+rho)/2)^{code.queries}, rho = {code.rate:.4f}", code.query_error_bits, "positions"),
    ]


def _tree_terms(leaves: int, n_vars: int, grinding: int) -> list[ErrorTerm]:
    return [
        ErrorTerm("lookup: fingerprint", f"2 * {leaves} / |K|, {grinding} bits of work", over_field(2 * leaves) + grinding),
        ErrorTerm("lookup: layer combination", "1 / |K|", over_field(1)),
        ErrorTerm("lookup: sumcheck round", "2 / |K|", over_field(2)),
        ErrorTerm("lookup: child", f"1 / |K|, {n_vars} layers", over_field(1)),
    ]


def grinding_bits(leaves: int, target: int) -> int:
    """Work before alpha and beta so that 2 * leaves / |K| reaches the target with half a bit to spare."""
    return max(0, math.ceil(target + 0.5 - over_field(2 * leaves)))


def segment_grinding_bits(public: SegmentPublic) -> int:
    return grinding_bits(public.layout.leaves.leaves, public.parameters.soundness_bits)


def segment_report(public: SegmentPublic) -> SecurityReport:
    """All terms of one segment's proof."""
    layout, layers = public.layout, public.run.L
    work = segment_grinding_bits(public)
    terms = _tree_terms(layout.leaves.leaves, layout.leaves.n_vars, work)
    if public.cross_entropy:
        terms.append(ErrorTerm("loss: sumcheck round", "2 / |K|", over_field(2)))
    equations = 2 * layers + 2 * sum(public.run.bias) + layers - 1
    terms += [
        ErrorTerm("matrix products: sumcheck round", "2 / |K|", over_field(2)),
        ErrorTerm("unrolling: combination", f"{equations} / |K|", over_field(equations)),
        ErrorTerm("unrolling: sumcheck round", "3 / |K|", over_field(3)),
        ErrorTerm(
            "padding is zero",
            f"({layout.log_row} + {len(layout.columns)}) / |K|",
            over_field(layout.log_row + len(layout.columns)),
        ),
        ErrorTerm("dataset: merged claims", "1 / |K|", over_field(1)),
    ]
    codes = {"witness": layout.code, "dataset": public.dataset.code}
    claims = {"witness": 6 * layers + 4, "dataset": 4}
    for name in public.openings:
        terms += _opening_terms(name, codes.get(name, layout.weights.code), claims.get(name, 3 * layers))
    terms += _pad_terms(public.pad_shape().code)
    return SecurityReport(f"segment {public.segment.index}", tuple(terms), work)


def run_error_bits(reports: Iterable[SecurityReport]) -> float:
    """-log2 of the sum of all errors of a run's proofs."""
    return -math.log2(sum(report.total_error for report in reports))
