"""Default number formats, and how many fraction bits the weights need. [numerics.md]"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zkdl.errors import NotProvable
from zkdl.statement import bounds, initialisation, schedule
from zkdl.statement.run import RunFormat, RunStatement
from zkdl.statement.segment import initial_state
from zkdl.statement.state import Scales
from zkdl.statement.weights import Weights
from zkdl.train.calibrate import choose_scales, measure

ACTIVATION_FRAC_INTERVAL = (0, 16)
GRADIENT_FRAC_INTERVAL = (0, 24)
WEIGHT_FRAC = 28
LEAST_WEIGHT_FRAC = 20
MOST_WEIGHT_FRAC = 36
LEAST_UPDATE = 8
# A rate that is a power of two per example (2^-4 with batches of 64) rounds nothing: fewer bits of the weights will do.
LEAST_EXACT_UPDATE = 2
_EXAMPLES = 512
# Activations and gradients grow while a network learns, and every scale that follows them doubles a bound.
_SLACK_BITS = 3


def default_format(
    activation_bits: int = 10,
    gradient_bits: int = 10,
    weight_frac: int = WEIGHT_FRAC,
    feature_bits: int = 8,
    feature_min: int = 0,
    feature_frac: int = 8,
) -> RunFormat:
    """Formats that reach float32 accuracy: logits in +-64 with 5 fraction bits, a 12-bit exponential."""
    return RunFormat(
        activation_bits=activation_bits,
        gradient_bits=gradient_bits,
        weight_frac=weight_frac,
        feature_bits=feature_bits,
        feature_min=feature_min,
        feature_frac=feature_frac,
        logit_bits=12,
        logit_frac=5,
        exp_bits=12,
    )


def with_weight_frac(run: RunStatement, weight_frac: int) -> RunStatement:
    """The run with other weight fraction bits; a seeded run's initial bounds follow."""
    changed = replace(run, format=replace(run.format, weight_frac=weight_frac))
    if run.init_seed is None:
        return changed
    return replace(changed, init_weight_bound=initialisation.bound(changed))


def _bounds_hold(run: RunStatement, scales: Scales) -> bool:
    """The static bounds, with some slack, of a run that keeps these scales to its last step."""
    weights, biases = bounds.grow(run, scales, 0, run.steps, initial_state(run))
    worst = 0
    for layer in range(1, run.L + 1):
        forward = run.widths[layer - 1] * run.activation_max(layer - 1) * weights[layer - 1]
        worst = max(worst, forward + (biases[layer - 1] << scales.fa[layer - 1]))
        if layer < run.L:
            worst = max(worst, run.widths[layer + 1] * run.gradient_max(layer + 1) * weights[layer])
    return worst < 1 << (bounds.PRODUCT_BITS - _SLACK_BITS)


def _updates_are_fine(run: RunStatement, scales: Scales) -> bool:
    """Every update factor of the run is 8 or more, or exact with one bit to spare.

    Raises NotProvable when one rounds to zero.
    """
    for rate in {rate for _, rate in run.schedule}:
        for layer in range(1, run.L + 1):
            factor = schedule.update_integer(run, scales, layer, rate)
            exact = schedule.rate_error(run, scales, layer, rate) == 0
            if factor < (LEAST_EXACT_UPDATE if exact else LEAST_UPDATE):
                return False
    return True


def choose_weight_frac(
    run: RunStatement, features: NDArray[np.int32], labels: NDArray[np.int32], initial: Weights | None = None
) -> int:
    """Fraction bits for a drafted run: the fewest that keep every c >= 8 (2 where it is exact), fewer if the bounds demand it.

    Args:
        run: draft; roots may be placeholders, the weight fraction bits of the draft only scale `initial`.
        features: (N, d_0) int32; labels: (N,) int32; the first 512 examples are looked at.
        initial: initial weights, None for a seeded run.
    Raises NotProvable(WEIGHT_FRAC) when no choice keeps the static bounds to the end of the run.
    """
    sample = features[:_EXAMPLES], labels[:_EXAMPLES]
    extent = measure(run, initialisation.initial_weights(run) if initial is None else initial, *sample)
    rates = {rate for _, rate in run.schedule}
    allowed = []
    for weight_frac in range(LEAST_WEIGHT_FRAC, MOST_WEIGHT_FRAC + 1):
        draft = with_weight_frac(run, weight_frac)
        scales = choose_scales(draft, extent, rates)
        try:
            fine, fits = _updates_are_fine(draft, scales), _bounds_hold(draft, scales)
        except NotProvable:
            # Too few bits for the learning rate: more may do.
            continue
        if not fits:
            break
        allowed.append(weight_frac)
        if fine and choose_scales(draft, extent, set()) == scales:
            break
    if not allowed:
        raise NotProvable(
            "no number of weight fraction bits keeps the whole run in range",
            code="WEIGHT_FRAC",
            hint="lower the number of steps, the learning rate or the bits of the formats",
        )
    return allowed[-1]
