"""R1 and R2: every pre-activation and every back-propagated product of all layers and steps. [review.md, (a) R1, R2]

With public weights zeta_l on the units of Z_l and pi_l on the units of P_l (they come from the lookup's point),
    sum_l sum_j zeta_l[j] Z~_l(j, tau, beta) + sum_l sum_i pi_l[i] P~_l(i, tau, beta)
      = sum_{t, x} eq(tau, t) sum_l ( A~_{l-1}(t, beta, x) Wz_l(t, x) + [x = 0] 2^fa_{l-1} bz_l(t)
                                      + G~_{l+1}(t, beta, x) Wp_l(t, x) )
where Wz_l(t, x) = sum_j zeta_l[j] W_l[t](x, j), bz_l(t) = sum_j zeta_l[j] b_l[t](j), Wp_l(t, x) = sum_i pi_l[i] W_{l+1}[t](i, x).
One sumcheck over (t, x) for all layers; narrow layers use the lowest variables of x and vanish elsewhere.

Transcript: sumcheck (x above t, eq weight on t);  P -> V: (A, Wz) and (G, Wp) of each layer as products, bz hidden.
Soundness error: 2 (lt + vx) / |K|; the check of the last weights at the same points adds 1 per round (`unroll.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zkdl.algebra.eq import zero_factor
from zkdl.algebra.extension import Array, Ext
from zkdl.backend.base import Backend
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger
from zkdl.protocols.sumcheck import prove_dot, quadratic_pads, verify_dot


@dataclass(frozen=True)
class MatmulShape:
    """Sizes and constants.

    Attributes:
        log_widths: ceil(log2 d_l) for l = 0..L. log_steps: lt. bias: per layer 1..L.
        bias_units: 2^fa_{l-1} per layer 1..L, the integer that the constant one has at layer l's input.
    """

    log_widths: tuple[int, ...]
    log_steps: int
    bias: tuple[bool, ...]
    bias_units: tuple[int, ...]

    @property
    def layers(self) -> int:
        return len(self.log_widths) - 1

    @property
    def log_unit(self) -> int:
        """vx: variables of x, enough for every input of R1 and every gradient of R2."""
        return max([*self.log_widths[:-1], *self.log_widths[2:]])

    @property
    def n_vars(self) -> int:
        return self.log_unit + self.log_steps


@dataclass(frozen=True)
class MatmulTables:
    """Prover's tables, each (2^v * T', 2) with the step lowest; lists are indexed by layer - 1.

    activations[l-1]: A_{l-1} at beta; weights[l-1]: Wz_l; biases[l-1]: bz_l of length T' or None;
    gradients[l-1]: G_{l+1} at beta; transposed[l-1]: Wp_l, for l < L.
    """

    activations: list[Array]
    weights: list[Array]
    biases: list[Array | None]
    gradients: list[Array]
    transposed: list[Array]


@dataclass(frozen=True)
class MatmulClaims:
    """Hidden values at (x', t'): lists are indexed by layer - 1."""

    unit_point: list[Ext]
    step_point: list[Ext]
    activations: list[Affine]
    weights: list[Affine]
    biases: list[Affine | None]
    gradients: list[Affine]
    transposed: list[Affine]

    def low(self, variables: int) -> list[Ext]:
        """The lowest `variables` coordinates of x'."""
        return self.unit_point[len(self.unit_point) - variables :]


def pads(shape: MatmulShape) -> PadCount:
    return quadratic_pads(shape.n_vars) + PadCount(sum(shape.bias), 2 * shape.layers - 1)


def _close(
    ledger: ProverLedger | VerifierLedger,
    shape: MatmulShape,
    point: list[Ext],
    claim: Affine,
    products: Sequence[tuple[Affine, Affine, Affine]],
    biases: list[Affine],
) -> MatmulClaims:
    units, steps = point[: shape.log_unit], point[shape.log_unit :]
    layers = shape.layers

    def extension(variables: int) -> Ext:
        return zero_factor(units[: shape.log_unit - variables])

    for l in range(layers):
        claim = claim - products[l][2] * extension(shape.log_widths[l])
    for l in range(layers - 1):
        claim = claim - products[layers + l][2] * extension(shape.log_widths[l + 2])
    remaining = iter(biases)
    hidden_biases: list[Affine | None] = [next(remaining) if has else None for has in shape.bias]
    for bias, unit in zip(hidden_biases, shape.bias_units, strict=True):
        if bias is not None:
            claim = claim - bias * (extension(0) * unit)
    ledger.require_zero(claim)
    first, second = products[:layers], products[layers:]
    return MatmulClaims(
        units,
        steps,
        [p[0] for p in first],
        [p[1] for p in first],
        hidden_biases,
        [p[0] for p in second],
        [p[1] for p in second],
    )


def prove(
    ledger: ProverLedger, backend: Backend, shape: MatmulShape, claim: Affine, tau: list[Ext], tables: MatmulTables
) -> MatmulClaims:
    """Reduce the weighted sum of all Z and P to hidden values at one random (x', t')."""
    blocks = list(zip(tables.activations, tables.weights, strict=True))
    blocks += list(zip(tables.gradients, tables.transposed, strict=True))
    for bias, unit in zip(tables.biases, shape.bias_units, strict=True):
        if bias is not None:
            one = np.zeros((1 << shape.log_steps, 2), dtype=np.uint64)
            one[:, 0] = unit
            blocks.append((one, bias))
    point, finals, claim = prove_dot(ledger, backend, claim, blocks, shape.n_vars, tau, "matmul")
    n_products = 2 * shape.layers - 1
    products = ledger.send_products("matmul-products", finals[:n_products])
    biases = ledger.send("matmul-biases", [b for _, b in finals[n_products:]])
    return _close(ledger, shape, point, claim, products, biases)


def verify(ledger: VerifierLedger, shape: MatmulShape, claim: Affine, tau: list[Ext]) -> MatmulClaims:
    """The verifier's side."""
    point, claim = verify_dot(ledger, claim, shape.n_vars, tau, "matmul")
    products = ledger.receive_products("matmul-products", 2 * shape.layers - 1)
    biases = ledger.receive("matmul-biases", sum(shape.bias))
    return _close(ledger, shape, point, claim, products, biases)
