"""Unrolling and R7: weights at every step, and the final weights, are W_in minus public sums of A^T G. [review.md, (a)]

With x', t' from R1 + R2 and the unit weights zeta_l, pi_l of the lookup's point:
    Wz_l(t', x')  = W_in_l(x', zeta_l)      - sum_{s,b} lam_l(s)     v(s,b) A~_{l-1}(s,b,x')  Gz_l(s,b)
    W_out_l(x', zeta_l) = W_in_l(x', zeta_l) - sum_{s,b} c_l(s)      v(s,b) A~_{l-1}(s,b,x')  Gz_l(s,b)          (R7)
    Wp_l(t', x')  = W_in_{l+1}(pi_l, x')    - sum_{s,b} lam_{l+1}(s) v(s,b) Ap_l(s,b)         G~_{l+1}(s,b,x')
and for biases the same with A replaced by 2^fa_{l-1}. Gz_l = sum_j zeta_l[j] G_l(j), Ap_l = sum_i pi_l[i] A_l(i);
lam_l(s) = c_l(s) sum_{t > s} eq(t', t) over the padded steps; v(s,b) = [b < B_s] masks absent examples and steps.

Transcript: (W_in, W_out values hidden before);  V -> P: rho;  sumcheck of degree 3 over (s, b);
    P -> V: (A~, Gz) and (Ap, G~) of each layer as products.
Soundness error: (#equations - 1)/|K| (powers of rho) + 3 (lt + lb)/|K|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.eq import eq_prefix
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, from_array, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.device import to_host
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger, constant
from zkdl.protocols.matmul import MatmulClaims, MatmulShape
from zkdl.protocols.sumcheck import cubic_pads, prove_triple, verify_triple


@dataclass(frozen=True)
class UpdateSchedule:
    """Public integers. updates: c_l(s) as (L, T) int64; sizes: B_s as (T,); log_steps, log_batch: lt, lb."""

    updates: NDArray[np.int64]
    sizes: NDArray[np.int64]
    log_steps: int
    log_batch: int


@dataclass(frozen=True)
class WeightValues:
    """W_in or W_out at the three functionals: lists by layer - 1. transposed is W_{l+1} at (pi_l, x'), for l < L."""

    weights: list[Affine]
    biases: list[Affine | None]
    transposed: list[Affine]


@dataclass(frozen=True)
class UnrollClaims:
    """Hidden values at (s', b'): lists by layer - 1."""

    step_point: list[Ext]
    example_point: list[Ext]
    activations: list[Affine]
    folded_gradients: list[Affine]
    folded_activations: list[Affine]
    gradients: list[Affine]


def pads(shape: MatmulShape, schedule: UpdateSchedule) -> PadCount:
    return cubic_pads(schedule.log_steps + schedule.log_batch) + PadCount(products=2 * shape.layers - 1)


def _later(backend: Backend, step_point: list[Ext], steps: int) -> Array:
    """sum_{t > s} eq(t', t) for s < steps, t over the padded steps: (steps, 2)."""
    values = from_array(backend.eq_table(to_array(step_point).reshape(-1, 2)))
    later, running = [ZERO] * len(values), ZERO
    for s in range(len(values) - 1, -1, -1):
        later[s] = running
        running = running + values[s]
    return to_array(later[:steps])


@dataclass(frozen=True)
class _Equations:
    """Per step s < T: coefficient of each product, (T, 2). direct, bias: by layer; transposed: by l < L.

    claim: hidden total.
    """

    direct: list[Array]
    bias: list[Array | None]
    transposed: list[Array]
    claim: Affine


def _equations(
    backend: Backend,
    shape: MatmulShape,
    schedule: UpdateSchedule,
    claims: MatmulClaims,
    start: WeightValues,
    end: WeightValues,
    rho: Ext,
) -> _Equations:
    """Combine all equations with powers of rho, in layer order."""
    later = _later(backend, claims.step_point, schedule.updates.shape[1])
    powers = [ONE]

    def next_power() -> Ext:
        powers.append(powers[-1] * rho)
        return powers[-2]

    def coefficients(l: int, now: Ext, final: Ext, unit: int = 1) -> Array:
        """unit * c_l(s) * (later(s) * now + final)."""
        combined = backend.k_add(backend.k_mul(later, now.array()), final.array())
        updates = backend.f_from_int(np.ascontiguousarray(schedule.updates[l]))
        scaled = backend.f_mul(updates, np.full(1, unit, dtype=np.uint64))
        return backend.f_mul(combined, np.ascontiguousarray(np.repeat(scaled[:, np.newaxis], 2, axis=1)))

    direct: list[Array] = []
    bias: list[Array | None] = []
    transposed: list[Array] = []
    total = constant(0)
    for l in range(shape.layers):
        now, final = next_power(), next_power()
        total = total + (start.weights[l] - claims.weights[l]) * now + (start.weights[l] - end.weights[l]) * final
        direct.append(coefficients(l, now, final))
        bias.append(None)
        if shape.bias[l]:
            now, final = next_power(), next_power()
            begin, middle, last = start.biases[l], claims.biases[l], end.biases[l]
            if begin is None or middle is None or last is None:
                raise ValueError("a bias value is missing")
            total = total + (begin - middle) * now + (begin - last) * final
            bias[l] = coefficients(l, now, final, shape.bias_units[l])
    for l in range(shape.layers - 1):
        now = next_power()
        total = total + (start.transposed[l] - claims.transposed[l]) * now
        transposed.append(coefficients(l + 1, now, ZERO))
    return _Equations(direct, bias, transposed, total)


def _masked_table(schedule: UpdateSchedule, coefficients: Array) -> Array:
    """coefficient(s) * v(s, b) over the padded (s, b): (T' * B', 2)."""
    table = np.zeros((1 << schedule.log_steps, 1 << schedule.log_batch, 2), dtype=np.uint64)
    examples = np.arange(1 << schedule.log_batch)
    mask = examples[np.newaxis, :] < schedule.sizes[:, np.newaxis]
    table[: len(coefficients)] = np.where(mask[:, :, np.newaxis], to_host(coefficients)[:, np.newaxis, :], np.uint64(0))
    return table.reshape(-1, 2)


def _close(
    ledger: ProverLedger | VerifierLedger,
    backend: Backend,
    shape: MatmulShape,
    schedule: UpdateSchedule,
    equations: _Equations,
    point: list[Ext],
    claim: Affine,
    products: Sequence[tuple[Affine, Affine, Affine]],
) -> UnrollClaims:
    steps, examples = point[: schedule.log_steps], point[schedule.log_steps :]
    step_eq = backend.eq_table(to_array(steps).reshape(-1, 2))[: len(schedule.sizes)]
    found, which = np.unique(schedule.sizes, return_inverse=True)
    valid = to_array([eq_prefix(examples, int(size)) for size in found])
    weights = backend.k_mul(step_eq, np.ascontiguousarray(valid[which]))

    def at_point(coefficients: Array) -> Ext:
        return scalar(backend.k_sum(backend.k_mul(weights, coefficients)))

    layers = shape.layers
    for l in range(layers):
        claim = claim - products[l][2] * at_point(equations.direct[l])
        bias = equations.bias[l]
        if bias is not None:
            claim = claim - products[l][1] * at_point(bias)
    for l in range(layers - 1):
        claim = claim - products[layers + l][2] * at_point(equations.transposed[l])
    ledger.require_zero(claim)
    first, second = products[:layers], products[layers:]
    return UnrollClaims(
        steps, examples, [p[0] for p in first], [p[1] for p in first], [p[0] for p in second], [p[1] for p in second]
    )


def prove(
    ledger: ProverLedger,
    backend: Backend,
    shape: MatmulShape,
    schedule: UpdateSchedule,
    claims: MatmulClaims,
    start: WeightValues,
    end: WeightValues,
    direct: Sequence[tuple[Array, Array]],
    transposed: Sequence[tuple[Array, Array]],
) -> UnrollClaims:
    """Args: direct[l-1] = (A_{l-1} at x', Gz_l), transposed[l-1] = (Ap_l, G_{l+1} at x'), each (T' * B', 2)."""
    rho = ledger.channel.transcript.challenge("unroll-rho")
    equations = _equations(backend, shape, schedule, claims, start, end, rho)
    terms = [
        (_masked_table(schedule, coefficients), a, g)
        for coefficients, (a, g) in zip(equations.direct, direct, strict=True)
    ]
    terms += [
        (_masked_table(schedule, coefficients), a, g)
        for coefficients, (a, g) in zip(equations.transposed, transposed, strict=True)
    ]
    ones = np.zeros(direct[0][0].shape, dtype=np.uint64)
    ones[:, 0] = 1
    terms += [
        (_masked_table(schedule, coefficients), ones, g)
        for coefficients, (_, g) in zip(equations.bias, direct, strict=True)
        if coefficients is not None
    ]
    n_vars = schedule.log_steps + schedule.log_batch
    point, finals, claim = prove_triple(ledger, backend, equations.claim, terms, n_vars, "unroll")
    n_products = 2 * shape.layers - 1
    products = ledger.send_products("unroll-products", [(a, g) for _, a, g in finals[:n_products]])
    return _close(ledger, backend, shape, schedule, equations, point, claim, products)


def verify(
    ledger: VerifierLedger,
    backend: Backend,
    shape: MatmulShape,
    schedule: UpdateSchedule,
    claims: MatmulClaims,
    start: WeightValues,
    end: WeightValues,
) -> UnrollClaims:
    """The verifier's side."""
    rho = ledger.channel.transcript.challenge("unroll-rho")
    equations = _equations(backend, shape, schedule, claims, start, end, rho)
    point, claim = verify_triple(ledger, equations.claim, schedule.log_steps + schedule.log_batch, "unroll")
    products = ledger.receive_products("unroll-products", 2 * shape.layers - 1)
    return _close(ledger, backend, shape, schedule, equations, point, claim, products)
