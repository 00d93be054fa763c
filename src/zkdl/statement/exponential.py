"""round(2^b exp(-d / 2^f)) for d = 0, 1, 2, ..., correctly rounded by integer arithmetic alone.

libm differs between machines in the last bit, and a table that is part of the statement must not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_FIRST_GUARD_BITS = 96
# Far above what squarings, products and truncations can add up to (see `_powers`), far below the guard bits.
_ERROR_BITS = 48


def _unit_power(frac_bits: int, precision: int) -> int:
    """exp(-2^-frac_bits) * 2^precision, off by a few units: the alternating Taylor series."""
    term, total, n = 1 << precision, 0, 0
    while term:
        total += term if n % 2 == 0 else -term
        n += 1
        term = (term >> frac_bits) // n
    return total


def _powers(count: int, frac_bits: int, precision: int) -> NDArray[np.object_]:
    """exp(-d / 2^frac_bits) * 2^precision for d < count, as Python integers.

    Table by doubling, one product per entry. A squaring at most doubles the error and adds a unit, a product
    adds the errors of its factors and a unit: with 2^v entries the error stays below 2^(2v + 4) units.
    """
    table = np.array([1 << precision], dtype=object)
    factor = _unit_power(frac_bits, precision)
    while len(table) < count:
        table = np.concatenate([table, (table * factor) >> precision])
        factor = (factor * factor) >> precision
    return table[:count]


@lru_cache(maxsize=8)
def exponential_table(count: int, frac_bits: int, value_bits: int) -> NDArray[np.int64]:
    """round(2^value_bits exp(-d / 2^frac_bits)) for d < count <= 2^20: (count,) int64, read-only."""
    guard = _FIRST_GUARD_BITS
    while True:
        powers = _powers(count, frac_bits, value_bits + guard)
        half = 1 << (guard - 1)
        # exp of a non-zero rational is irrational, so more guard bits always decide; d = 0 is exact.
        distance = abs((powers & ((1 << guard) - 1)) - half)
        if int(distance.min()) >= 1 << _ERROR_BITS:
            out: NDArray[np.int64] = ((powers + half) >> guard).astype(np.int64)
            out.setflags(write=False)
            return out
        guard *= 2
