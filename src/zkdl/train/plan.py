"""What a segment's steps need, derived once from its statement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.statement import bounds, requantise, tables
from zkdl.statement.requantise import Requant
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.state import Scales


@dataclass(frozen=True)
class StepPlan:
    """Constants of all steps of a segment; lists by layer - 1.

    Attributes:
        forward, backward: limbs of Z_1..Z_L and P_1..P_{L-1}.
        limb_bits: how wide a limb of W_l may be in the float64 products of this layer.
        exponential: E by difference from the largest logit; empty for the squared error.
    """

    run: RunStatement
    scales: Scales
    forward: tuple[Requant, ...]
    backward: tuple[Requant, ...]
    limb_bits: tuple[int, ...]
    exponential: NDArray[np.int64]


def product_limb_bits(run: RunStatement) -> tuple[int, ...]:
    """Limb widths that keep A_{l-1} W_l, and G_l W_l^T where it is formed, exact in float64."""
    out = []
    for layer in range(1, run.L + 1):
        bits = bounds.product_limb_bits(run.widths[layer - 1], run.activation_max(layer - 1))
        if layer > 1:
            bits = min(bits, bounds.product_limb_bits(run.widths[layer], run.gradient_max(layer)))
        out.append(bits)
    return tuple(out)


def step_plan(run: RunStatement, segment: SegmentStatement) -> StepPlan:
    """Raises NotProvable(LIMBS) for limbs that do not fit."""
    return StepPlan(
        run=run,
        scales=segment.scales,
        forward=tuple(requantise.forward(run, segment, layer) for layer in range(1, run.L + 1)),
        backward=tuple(requantise.backward(run, segment, layer) for layer in range(1, run.L)),
        limb_bits=product_limb_bits(run),
        exponential=tables.exponential(run) if run.loss == "ce" else np.zeros(0, dtype=np.int64),
    )
