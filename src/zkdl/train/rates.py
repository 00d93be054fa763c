"""Learning rates as the integers of the statement."""

from __future__ import annotations

import math

from zkdl.errors import NotProvable
from zkdl.statement.schedule import RATE_FRACTION_BITS


def from_learning_rate(rate: float) -> int:
    """lr_q = rate * 2^32, rounded. Raises NotProvable unless 1 <= lr_q <= 2^48."""
    scaled = math.ldexp(rate, RATE_FRACTION_BITS) if math.isfinite(rate) else 0.0
    integer = round(scaled)
    if not 1 <= integer <= 1 << 48:
        raise NotProvable(
            f"the learning rate {rate} has no integer form",
            code="LEARNING_RATE",
            hint="choose a rate from 2^-32 to 2^16",
        )
    return integer


def to_learning_rate(rate_q: int) -> float:
    """The real learning rate of lr_q."""
    return math.ldexp(rate_q, -RATE_FRACTION_BITS)
