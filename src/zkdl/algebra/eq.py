"""The multilinear extension of equality, for scalars. Coordinate 0 of a point is the most significant index bit."""

from __future__ import annotations

from collections.abc import Sequence

from zkdl.algebra.extension import ONE, ZERO, Ext


def eq_points(left: Sequence[Ext], right: Sequence[Ext]) -> Ext:
    """eq(left, right) = prod_i (1 - l_i - r_i + 2 l_i r_i) for two points of equal length."""
    out = ONE
    for a, b in zip(left, right, strict=True):
        product = a * b
        out = out * (ONE - a - b + product + product)
    return out


def eq_prefix(point: Sequence[Ext], count: int) -> Ext:
    """sum of eq(point, x) over the first `count` corners, 0 <= count <= 2^len(point)."""
    if count == 1 << len(point):
        return ONE
    inside, prefix = ZERO, ONE
    for i, coordinate in enumerate(point):
        if (count >> (len(point) - 1 - i)) & 1:
            inside = inside + prefix * (ONE - coordinate)
            prefix = prefix * coordinate
        else:
            prefix = prefix * (ONE - coordinate)
    return inside


def zero_factor(point: Sequence[Ext]) -> Ext:
    """eq(0, point): the factor a table picks up when it is extended by zeros in these variables."""
    out = ONE
    for coordinate in point:
        out = out * (ONE - coordinate)
    return out
