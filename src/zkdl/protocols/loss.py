"""R5, softmax cross-entropy: the one product in the division with remainder. [review.md, (a) R5]

The remainders that are range-checked contain Sum(t,b) * q_j(t,b). With the public unit weights kappa of the lookup's
point, what remains to be proven is
    sum_j kappa[j] (Sum * q_j)~(tau, beta) = sum_{t,b} eq((tau, beta), (t, b)) Sum(t,b) Qk(t,b),   Qk = sum_j kappa[j] q_j.
Everything else of the loss (exponential, maximum, clamp, label) is lookups; the squared error needs nothing at all.

Transcript: sumcheck over (t, b) with the eq weight;  P -> V: (Sum, Qk) at the end point, as a product.
Soundness error: 2 (lt + lb) / |K|.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkdl.algebra.extension import Array, Ext
from zkdl.backend.base import Backend
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger
from zkdl.protocols.sumcheck import prove_dot, quadratic_pads, verify_dot


@dataclass(frozen=True)
class DivisionClaims:
    """Hidden Sum~ and Qk~ at `point` = (t*, b*)."""

    point: list[Ext]
    sums: Affine
    quotients: Affine


def pads(n_vars: int) -> PadCount:
    return quadratic_pads(n_vars) + PadCount(products=1)


def prove(
    ledger: ProverLedger, backend: Backend, claim: Affine, weight: list[Ext], sums: Array, quotients: Array
) -> DivisionClaims:
    """Args: weight = (tau, beta); sums, quotients: (T' * B', 2)."""
    point, finals, claim = prove_dot(ledger, backend, claim, [(sums, quotients)], len(weight), weight, "division")
    ((s, q, product),) = ledger.send_products("division-product", finals)
    ledger.require_zero(claim - product)
    return DivisionClaims(point, s, q)


def verify(ledger: VerifierLedger, claim: Affine, weight: list[Ext]) -> DivisionClaims:
    """The verifier's side."""
    point, claim = verify_dot(ledger, claim, len(weight), weight, "division")
    ((s, q, product),) = ledger.receive_products("division-product", 1)
    ledger.require_zero(claim - product)
    return DivisionClaims(point, s, q)
