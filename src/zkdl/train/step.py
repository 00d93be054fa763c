"""One step of exact integer SGD: forward, loss, backward. [protocol.md, 2], [review.md, (a)]

Every row of a batch is computed, those without an example (zero features, no label) too: the proof's lookups
range over all slots. Only the update leaves those rows out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.errors import OutOfRange
from zkdl.statement.requantise import Requant
from zkdl.train.live import LiveWeights
from zkdl.train.plan import StepPlan
from zkdl.train.products import SplitMatrix

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Rounded:
    """A product in limbs, (rows, units) int64. high: top limb; low: h bits below; value: rounded."""

    high: Int
    low: Int
    value: Int


@dataclass(frozen=True)
class Softmax:
    """Softmax by integer division; (rows, C) int64, largest: (rows,). [review.md, (a) R5]

    Attributes:
        exponentials: E. is_largest: I0. quotients: q. remainders: R = 2^(fg+1) E + Sum - 2 Sum q.
    """

    largest: Int
    exponentials: Int
    is_largest: Int
    quotients: Int
    remainders: Int


@dataclass(frozen=True)
class StepTrace:
    """All values of one step; lists by layer - 1.

    Attributes:
        activations: A_0 .. A_{L-1}. signs: S_1 .. S_{L-1}. logits: Y. forward: Z_1 .. Z_L.
        backward: P_1 .. P_{L-1}. gradients: G_1 .. G_L. softmax: None for the squared error.
    """

    activations: list[Int]
    signs: list[Int]
    logits: Int
    forward: list[Rounded]
    softmax: Softmax | None
    backward: list[Rounded]
    gradients: list[Int]


def requantise(product: Int, requant: Requant, step: int, layer: int, direction: str) -> Rounded:
    """Cut `product` (overwritten) into limbs. Raises OutOfRange when a top limb leaves [0, 2^w).

    The static bounds make product + offset fit int64.
    """
    product += requant.offset
    high = product >> requant.h
    if int(high.min()) < 0 or int(high.max()) >> requant.top_bits:
        raise OutOfRange(
            "a value left the range of its top limb",
            hint="lower the learning rate, scale the features down, or raise headroom_bits",
            step=step,
            layer=layer,
            direction=direction,
        )
    product &= (1 << requant.h) - 1
    return Rounded(high, product, (high >> requant.extra_bits) - requant.middle)


def softmax(plan: StepPlan, logits: Int) -> Softmax:
    """Probabilities q with fg_L fraction bits, rounded half up, of logits (rows, C) in their range."""
    scale = 1 << (plan.scales.fg[-1] + 1)
    largest = logits.max(axis=1)
    difference = largest[:, None] - logits
    exponentials: Int = plan.exponential[difference]
    total = exponentials.sum(axis=1, keepdims=True)
    numerators = scale * exponentials + total
    quotients = numerators // (2 * total)
    remainders = numerators - 2 * total * quotients
    is_largest = (difference == 0).astype(np.int64)
    return Softmax(largest, exponentials, is_largest, quotients, remainders)


def _one_hot(labels: Int, classes: int) -> Int:
    """(rows, classes); a label of -1 gives a row of zeros."""
    out: Int = (labels[:, None] == np.arange(classes)).astype(np.int64)
    return out


def _output_gradient(plan: StepPlan, logits: Int, labels: Int) -> tuple[Softmax | None, Int]:
    run = plan.run
    target = _one_hot(labels, run.classes)
    if run.loss == "mse":
        return None, logits - (target << plan.scales.fa[-1])
    probabilities = softmax(plan, logits)
    limit = run.format.gradient_max
    return probabilities, np.clip(probabilities.quotients - (target << plan.scales.fg[-1]), -limit, limit)


def affine(backend: Backend, plan: StepPlan, split: SplitMatrix, bias: Int | None, activation: Int, layer: int) -> Int:
    """Z_l = A_{l-1} W_l + 2^fa_{l-1} b_l, (rows, d_l) int64."""
    product = split.product(backend, activation)
    if bias is not None:
        product += bias << plan.scales.fa[layer - 1]
    return product


def run_step(
    backend: Backend, plan: StepPlan, weights: LiveWeights, features: Int, labels: Int, step: int
) -> StepTrace:
    """Forward and backward pass of one batch; the weights are not changed.

    Args:
        features: (rows, d_0) int64. labels: (rows,) int64, -1 in rows without an example.
        step: global step, for errors.
    Raises OutOfRange.
    """
    run, formats = plan.run, plan.run.format
    matrices = weights.parts()
    activations, signs, forward = [features], [], []
    for layer in range(1, run.L + 1):
        product = affine(backend, plan, matrices[layer - 1], weights.b[layer - 1], activations[-1], layer)
        forward.append(requantise(product, plan.forward[layer - 1], step, layer, "forward"))
        if layer < run.L:
            activations.append(np.clip(forward[-1].value, 0, formats.activation_max))
            signs.append((activations[-1] > 0).astype(np.int64))
    logits = np.clip(forward[-1].value, -formats.logit_max, formats.logit_max)
    probabilities, gradient = _output_gradient(plan, logits, labels)
    gradients, backward = [gradient], []
    for layer in range(run.L - 1, 0, -1):
        product = matrices[layer].product(backend, gradients[-1], transposed=True)
        rounded = requantise(product, plan.backward[layer - 1], step, layer, "backward")
        backward.append(rounded)
        clipped = np.clip(rounded.value, -formats.gradient_max, formats.gradient_max)
        gradients.append(signs[layer - 1] * clipped)
    return StepTrace(activations, signs, logits, forward, probabilities, backward[::-1], gradients[::-1])


def update(
    backend: Backend, plan: StepPlan, weights: LiveWeights, trace: StepTrace, factors: Int, examples: int
) -> None:
    """W_l -= c_l A_{l-1}^T G_l and b_l -= c_l 2^fa_{l-1} sum G_l over the first `examples` rows, in place.

    Args:
        factors: c_l, (L,) int64.
    """
    run = plan.run
    for layer, (activation, gradient) in enumerate(zip(trace.activations, trace.gradients, strict=True)):
        factor, used = int(factors[layer]), gradient[:examples]
        left = np.ascontiguousarray(activation[:examples], dtype=np.int32)
        right = np.ascontiguousarray(used, dtype=np.int32)
        # At most 2^16 rows of products below 2^33: exact in every backend.
        limit = examples * run.activation_max(layer) * run.gradient_max(layer + 1)
        weights.W[layer].subtract(backend, left, right, factor, limit)
        bias = weights.b[layer]
        if bias is not None:
            bias -= used.sum(axis=0) * (factor << plan.scales.fa[layer])
