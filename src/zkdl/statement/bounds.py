"""Static bounds: every product of a segment is the integer it stands for. [review.md, (a) Static]

    |W_l| <= w_bound + sum_s c_{l,s} B Amax_{l-1} Gmax_l          at the end of the segment
    |Z_l| <= d_{l-1} Amax_{l-1} Wmax_l + 2^fa_{l-1} bmax_l        |P_l| <= d_{l+1} Gmax_{l+1} Wmax_{l+1}
Both must stay below 2^62, so that int64 holds Z + O, and below p - 2^(h+w), so that the field element has one
meaning. All of it follows from public numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdl.errors import NotProvable
from zkdl.statement import requantise
from zkdl.statement.run import RunStatement
from zkdl.statement.schedule import rate_spans, update_integer
from zkdl.statement.state import ChainState, Scales

if TYPE_CHECKING:
    from zkdl.statement.segment import SegmentStatement

MODULUS = (1 << 64) - (1 << 32) + 1
PRODUCT_BITS = 62
DOUBLE_BITS = 53
# Bounds of weights and of biases, per layer.
Grown = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class LayerBounds:
    """Largest |.| that a layer can reach in a segment; backward is None for the last layer (no P)."""

    weight: int
    bias: int
    forward: int
    backward: int | None


def grow(run: RunStatement, scales: Scales, first_step: int, steps: int, state: ChainState) -> Grown:
    """Weight and bias bounds per layer, `steps` steps after `state`. Raises NotProvable(UPDATE_ZERO)."""
    spans = rate_spans(run, first_step, steps)
    weights, biases = [], []
    for layer in range(1, run.L + 1):
        factors = sum(count * update_integer(run, scales, layer, rate) for rate, count in spans)
        gradients = factors * run.batch * run.gradient_max(layer)
        weights.append(state.weight_bound[layer - 1] + gradients * run.activation_max(layer - 1))
        has_bias = run.bias[layer - 1]
        biases.append(state.bias_bound[layer - 1] + (gradients << scales.fa[layer - 1] if has_bias else 0))
    return tuple(weights), tuple(biases)


def layer_bounds(run: RunStatement, segment: SegmentStatement, grown: Grown | None = None) -> tuple[LayerBounds, ...]:
    """Worst cases of every layer l = 1..L at the end of the segment; grown: what `grow` returned for it, if known."""
    if grown is None:
        grown = grow(run, segment.scales, segment.first_step, segment.steps, segment.w_in)
    weights, biases = grown
    out = []
    for layer in range(1, run.L + 1):
        unit = 1 << segment.scales.fa[layer - 1]
        products = run.widths[layer - 1] * run.activation_max(layer - 1) * weights[layer - 1]
        backward = None
        if layer < run.L:
            backward = run.widths[layer + 1] * run.gradient_max(layer + 1) * weights[layer]
        out.append(LayerBounds(weights[layer - 1], biases[layer - 1], products + unit * biases[layer - 1], backward))
    return tuple(out)


def _check_product(bound: int, requant: requantise.Requant, layer: int, direction: str) -> None:
    # The second limit follows from the first while limbs have 62 bits at most; it stands here so as not to rest on that.
    limit = min(1 << PRODUCT_BITS, MODULUS - (1 << (requant.h + requant.top_bits)))
    if bound >= limit:
        raise NotProvable(
            f"products can reach {bound.bit_length()} bits, more than {PRODUCT_BITS}",
            code="BOUND_FORWARD" if direction == "forward" else "BOUND_BACKWARD",
            hint="lower the learning rate, the number of steps, weight_frac or the bits of the formats",
            layer=layer,
            bits=bound.bit_length(),
        )


def check(run: RunStatement, segment: SegmentStatement, grown: Grown | None = None) -> None:
    """Raises NotProvable(BOUND_FORWARD, BOUND_BACKWARD, LIMBS, UPDATE_ZERO) naming the layer."""
    for layer, bounds in enumerate(layer_bounds(run, segment, grown), start=1):
        _check_product(bounds.forward, requantise.forward(run, segment, layer), layer, "forward")
        if bounds.backward is not None:
            _check_product(bounds.backward, requantise.backward(run, segment, layer), layer, "backward")


def product_limb_bits(inner: int, left_max: int) -> int:
    """Bits r of a right factor such that sums of `inner` products stay within 2^53, so exact in float64.

    Raises NotProvable when not even one bit fits.
    """
    bits = DOUBLE_BITS - (inner * max(left_max, 1) - 1).bit_length()
    if bits < 1:
        raise NotProvable("a product is too wide for float64", code="BOUND_FORWARD", inner=inner, left_max=left_max)
    return bits
