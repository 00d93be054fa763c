"""Scales of a segment from the first batches: the public policy. [numerics.md]

From the largest |value| of a layer, frac = bits - ceil(log2(2 max)) (gradients: bits - 1), clipped to the
run's intervals. A gradient is made coarser until every update factor c of its layer is within 1/16 of the
exact one. The pass is itself fixed-point, with the exponential of an integer table and with products of limbs whose
widths follow from static bounds, so the scales do not depend on the machine, its libm or its BLAS threads. What no
scale of the intervals can represent is clamped, as it would be in the training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from zkdl.statement import schedule
from zkdl.statement.bounds import product_limb_bits
from zkdl.statement.exponential import exponential_table
from zkdl.statement.run import RunStatement
from zkdl.statement.state import Scales
from zkdl.statement.weights import Weights
from zkdl.train.products import split

Int = NDArray[np.int64]
Float = NDArray[np.float64]

Number = TypeVar("Number", Int, int)

BATCHES = 8
MARGIN_BITS = 1
UPDATE_ERROR_BITS = 4
_WEIGHT_FRAC = 16
_ACTIVATION_FRAC = 12
_GRADIENT_FRAC = 28
_LEFT_BITS = 24
# exp(-d) in steps of 2^-8 with _GRADIENT_FRAC bits; it is 0 from 20 on.
_EXP_FRAC = 8
_EXP_END = 20 << _EXP_FRAC


@dataclass(frozen=True)
class Extent:
    """Largest values seen: pre-activations (12 fraction bits), gradients (28). Lists by layer - 1."""

    activations: list[int]
    gradients: list[int]


def _round_shift(values: Number, bits: int) -> Number:
    """values / 2^bits, rounded half up; bits may be negative."""
    return values << -bits if bits <= 0 else (values + (1 << (bits - 1))) >> bits


def _product(left: Int, left_max: int, right: Int) -> Float:
    """left (m, inner), |left| <= left_max, times right (inner, n), float64.

    Both are cut into limbs, as many of `left` as left_max asks for. The product of two limbs is exact; they are added
    element by element in a fixed order, so a result beyond 2^53 is rounded in the same way everywhere.
    """
    matrix = split(right, product_limb_bits(left.shape[1], 1 << _LEFT_BITS))
    out, rest, half = np.zeros((len(left), right.shape[1])), left, 1 << (_LEFT_BITS - 1)
    for first in range(0, left_max.bit_length(), _LEFT_BITS):
        limb = rest
        if first + _LEFT_BITS < left_max.bit_length():
            # Signed, so that what fits one limb leaves nothing for the others.
            limb = ((rest + half) & (2 * half - 1)) - half
            rest = (rest - limb) >> _LEFT_BITS
        factor = limb.astype(np.float64)
        for part, shift in zip(matrix.limbs, matrix.shifts, strict=True):
            out += np.ldexp(factor @ part, shift + first)
    return out


def _rounded(product: Float) -> Float:
    """A product without the fraction bits of the weights."""
    out: Float = np.rint(np.ldexp(product, -_WEIGHT_FRAC))
    return out


def _output_gradient(run: RunStatement, logits: Int, labels: Int) -> tuple[Int, int]:
    """G_L with _GRADIENT_FRAC bits of logits (n, C), and the static bound of |G_L|."""
    target = (labels[:, None] == np.arange(run.classes)).astype(np.int64)
    if run.loss == "mse":
        unit = _GRADIENT_FRAC - _ACTIVATION_FRAC
        gradient = (logits - (target << _ACTIVATION_FRAC)) << unit
        return gradient, _round_shift(run.gradient_max(run.L), run.format.logit_frac - _GRADIENT_FRAC)
    table = exponential_table(_EXP_END + 1, _EXP_FRAC, _GRADIENT_FRAC)
    difference = _round_shift(logits.max(axis=1, keepdims=True) - logits, _ACTIVATION_FRAC - _EXP_FRAC)
    values = table[np.minimum(difference, _EXP_END)]
    total = values.sum(axis=1, keepdims=True)
    return ((values << _GRADIENT_FRAC) + (total >> 1)) // total - (target << _GRADIENT_FRAC), 1 << _GRADIENT_FRAC


def _limits(run: RunStatement) -> tuple[int, int, int]:
    """Largest |activation|, |gradient| and |logit| of the pass: what no allowed scale can represent is beyond them."""
    formats = run.format
    activation = formats.activation_bits + _ACTIVATION_FRAC - run.activation_frac_interval[0]
    gradient = formats.gradient_bits - 1 + _GRADIENT_FRAC - run.gradient_frac_interval[0]
    logit = _round_shift(formats.logit_max, formats.logit_frac - _ACTIVATION_FRAC)
    return 1 << max(activation, 0), 1 << max(gradient, 0), logit


def measure(run: RunStatement, weights: Weights, features: NDArray[np.int32], labels: NDArray[np.int32]) -> Extent:
    """One pass without training over features (n, d_0) and labels (n,)."""
    drop = run.format.weight_frac - _WEIGHT_FRAC
    matrices = [_round_shift(matrix, drop) for matrix in weights.W]
    activation_limit, gradient_limit, logit_limit = _limits(run)
    drop_features = run.format.feature_frac - _ACTIVATION_FRAC
    activation = _round_shift(features.astype(np.int64), drop_features)
    limit = _round_shift(run.format.feature_max_abs, drop_features)
    extents, live = [], []
    for layer, matrix in enumerate(matrices):
        value = _rounded(_product(activation, limit, matrix))
        bias = weights.b[layer]
        if bias is not None:
            value += _round_shift(bias, run.format.weight_frac - _ACTIVATION_FRAC)
        extents.append(int(np.abs(value).max()))
        live.append(value > 0)
        activation, limit = np.clip(value, 0, activation_limit).astype(np.int64), activation_limit
    logits = np.clip(value, -logit_limit, logit_limit).astype(np.int64)
    gradient, limit = _output_gradient(run, logits, labels.astype(np.int64))
    gradients = [int(np.abs(gradient).max())]
    for layer in range(run.L - 1, 0, -1):
        value = _rounded(_product(gradient, limit, np.ascontiguousarray(matrices[layer].T))) * live[layer - 1]
        gradients.append(int(np.abs(value).max()))
        gradient, limit = np.clip(value, -gradient_limit, gradient_limit).astype(np.int64), gradient_limit
    return Extent(extents, gradients[::-1])


def _fraction(bits: int, largest: int, frac: int, interval: tuple[int, int]) -> int:
    """bits - ceil(log2(2 largest)), clipped; `largest` has `frac` fraction bits."""
    exponent = ((max(largest, 1) << MARGIN_BITS) - 1).bit_length() - frac
    return min(max(bits - exponent, interval[0]), interval[1])


def _update_is_precise(run: RunStatement, scales: Scales, layer: int, rates: set[int]) -> bool:
    """|round(c) - c| <= c / 2^UPDATE_ERROR_BITS for every rate."""
    for rate in rates:
        numerator, denominator = schedule.update_ratio(run, scales, layer, rate)
        rounded = (2 * numerator + denominator) // (2 * denominator)
        if abs(rounded * denominator - numerator) << UPDATE_ERROR_BITS > numerator:
            return False
    return True


def _freezes(run: RunStatement, scales: Scales, rates: set[int]) -> bool:
    """Whether an update factor of the last layer rounds to zero."""
    for rate in rates:
        numerator, denominator = schedule.update_ratio(run, scales, run.L, rate)
        if 2 * numerator < denominator:
            return True
    return False


def choose_scales(run: RunStatement, extent: Extent, rates: set[int]) -> Scales:
    """The policy, given the largest values.

    Args:
        rates: every lr_q of the segment.
    """
    formats, last = run.format, run.L
    hidden = range(1, last)
    activations = [
        _fraction(
            formats.activation_bits,
            extent.activations[layer - 1],
            _ACTIVATION_FRAC,
            run.activation_frac_interval,
        )
        for layer in hidden
    ]
    gradients = [
        _fraction(formats.gradient_bits - 1, extent.gradients[layer - 1], _GRADIENT_FRAC, run.gradient_frac_interval)
        for layer in hidden
    ]
    final = formats.gradient_bits - 1 if run.loss == "ce" else formats.logit_frac
    fa = (formats.feature_frac, *activations, formats.logit_frac)
    for i in range(last - 1):
        lowest = run.gradient_frac_interval[0]
        while gradients[i] > lowest and not _update_is_precise(run, Scales(fa, (*gradients, final)), i + 1, rates):
            gradients[i] -= 1
    # G_L has a fixed scale. A last hidden layer that is (almost) silent would get one so fine that the last layer freezes.
    while (
        last > 1
        and activations[-1] > run.activation_frac_interval[0]
        and _freezes(run, Scales(fa, (*gradients, final)), rates)
    ):
        activations[-1] -= 1
        fa = (formats.feature_frac, *activations, formats.logit_frac)
    return Scales(fa, (*gradients, final))


def calibrate(
    run: RunStatement,
    weights: Weights,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    indices: Int,
    rates: set[int],
) -> Scales:
    """Scales for the segment whose first batches are indices (steps, batch), -1 where there is no example."""
    chosen = indices[:BATCHES]
    chosen = chosen[chosen >= 0]
    return choose_scales(run, measure(run, weights, features[chosen], labels[chosen]), rates)
