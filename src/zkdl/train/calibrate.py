"""Scales of a segment from the first batches: the public policy. [numerics.md]

From the largest |value| of a layer, frac = bits - ceil(log2(2 max)) (gradients: bits - 1), clipped to the
run's intervals. A gradient is made coarser until every update factor c of its layer is within 1/16 of the
exact one. The pass is itself fixed-point with exact products, so the scales do not depend on BLAS threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.statement import schedule
from zkdl.statement.bounds import product_limb_bits
from zkdl.statement.run import RunStatement
from zkdl.statement.state import Scales
from zkdl.statement.weights import Weights
from zkdl.train.products import split

Int = NDArray[np.int64]

BATCHES = 8
MARGIN_BITS = 1
UPDATE_ERROR_BITS = 4
_WEIGHT_FRAC = 16
_ACTIVATION_FRAC = 12
_GRADIENT_FRAC = 28


@dataclass(frozen=True)
class Extent:
    """Largest values seen: pre-activations (12 fraction bits), gradients (28). Lists by layer - 1."""

    activations: list[int]
    gradients: list[int]


def _round_shift(values: Int, bits: int) -> Int:
    """values / 2^bits, rounded half up; bits may be negative."""
    return values << -bits if bits <= 0 else (values + (1 << (bits - 1))) >> bits


def _product(left: Int, right: Int) -> Int:
    """left times right, exact, with limbs for the values that `left` really holds."""
    return split(right, product_limb_bits(left.shape[1], int(np.abs(left).max()))).product(left)


def _output_gradient(run: RunStatement, logits: Int, labels: Int) -> Int:
    real = np.ldexp(logits.astype(np.float64), -_ACTIVATION_FRAC)
    if run.loss == "ce":
        real = np.exp(real - real.max(axis=1, keepdims=True))
        real /= real.sum(axis=1, keepdims=True)
    real[np.arange(len(labels)), labels] -= 1
    return np.rint(np.ldexp(real, _GRADIENT_FRAC)).astype(np.int64)


def measure(run: RunStatement, weights: Weights, features: NDArray[np.int32], labels: NDArray[np.int32]) -> Extent:
    """One pass without training over features (n, d_0) and labels (n,)."""
    drop = run.format.weight_frac - _WEIGHT_FRAC
    matrices = [_round_shift(matrix, drop) for matrix in weights.W]
    activation = _round_shift(features.astype(np.int64), run.format.feature_frac - _ACTIVATION_FRAC)
    extents, live = [], []
    for layer, matrix in enumerate(matrices):
        value = _round_shift(_product(activation, matrix), _WEIGHT_FRAC)
        bias = weights.b[layer]
        if bias is not None:
            value += _round_shift(bias, run.format.weight_frac - _ACTIVATION_FRAC)
        extents.append(int(np.abs(value).max()))
        live.append(value > 0)
        activation = np.maximum(value, 0)
    gradient = _output_gradient(run, value, labels.astype(np.int64))
    gradients = [int(np.abs(gradient).max())]
    for layer in range(run.L - 1, 0, -1):
        gradient = _round_shift(_product(gradient, np.ascontiguousarray(matrices[layer].T)), _WEIGHT_FRAC)
        gradient *= live[layer - 1]
        gradients.append(int(np.abs(gradient).max()))
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
