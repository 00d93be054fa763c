"""The integer c_{l,s} that multiplies A^T G in the update of layer l at step s. [protocol.md, 2]

    c_{l,s} = round-half-up( lr_q 2^(fw - fa_{l-1} - fg_l) / (batch 2^32) ),  learning rate lr_q 2^-32.
A partial batch is divided by the nominal batch size as well.
"""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zkdl.errors import NotProvable

if TYPE_CHECKING:
    from zkdl.statement.run import RunStatement
    from zkdl.statement.state import Scales

RATE_FRACTION_BITS = 32
_LIMIT = 1 << 62


def rate_spans(run: RunStatement, first_step: int, steps: int) -> list[tuple[int, int]]:
    """(lr_q, number of steps) of the pieces of the schedule that meet the steps, in order."""
    end = first_step + steps
    # A statement may have many segments and a long schedule: only the pieces that meet are looked at.
    low = bisect_right(run.schedule, (first_step, _LIMIT)) - 1
    high = bisect_right(run.schedule, (end - 1, _LIMIT))
    pieces = run.schedule[max(low, 0) : high]
    ends = [start for start, _ in pieces[1:]] + [end]
    return [(rate, stop - max(start, first_step)) for (start, rate), stop in zip(pieces, ends, strict=True)]


def update_ratio(run: RunStatement, scales: Scales, layer: int, rate: int) -> tuple[int, int]:
    """The exact c before rounding, as numerator and denominator."""
    shift = run.format.weight_frac - scales.fa[layer - 1] - scales.fg[layer - 1] - RATE_FRACTION_BITS
    return rate << max(shift, 0), run.batch << max(-shift, 0)


def update_integer(run: RunStatement, scales: Scales, layer: int, rate: int) -> int:
    """c for one layer and rate. Raises NotProvable when it rounds to 0, which would freeze the layer."""
    numerator, denominator = update_ratio(run, scales, layer, rate)
    c = (2 * numerator + denominator) // (2 * denominator)
    if c < 1:
        raise NotProvable(
            "the learning rate rounds to zero in this layer",
            code="UPDATE_ZERO",
            hint="raise weight_frac or the learning rate, or lower gradient_frac_interval or feature_frac",
            layer=layer,
            weight_frac=run.format.weight_frac,
        )
    if c >= _LIMIT:
        raise NotProvable(
            "the update factor exceeds 62 bits", code="UPDATE_RANGE", hint="lower weight_frac", layer=layer
        )
    return c


def rate_error(run: RunStatement, scales: Scales, layer: int, rate: int) -> Fraction:
    """|c - exact| / exact: how far the step that is taken is from the stated learning rate. Below 1 as c >= 1."""
    numerator, denominator = update_ratio(run, scales, layer, rate)
    return Fraction(abs(update_integer(run, scales, layer, rate) * denominator - numerator), numerator)


def update_integers(run: RunStatement, scales: Scales, first_step: int, steps: int) -> NDArray[np.int64]:
    """c_{l,s} as (L, steps) int64. Raises NotProvable naming the layer."""
    spans = rate_spans(run, first_step, steps)
    counts = [count for _, count in spans]
    rows = [[update_integer(run, scales, layer, rate) for rate, _ in spans] for layer in range(1, run.L + 1)]
    return np.repeat(np.array(rows, dtype=np.int64), counts, axis=1)
