"""Vectorised arithmetic of F and K in numpy: 32-bit limbs, no branch, wrap-around of uint64.

Arrays have at least one axis here: numpy warns about the wrap-around of scalars, which this code relies on.
"""

from __future__ import annotations

import numpy as np

from zkdl.backend.base import NON_RESIDUE, ExtensionArray, FieldArray, Integers, P

MODULUS = np.uint64(P)
EPSILON = np.uint64(2**32 - 1)
"""2^64 mod p."""
LOW = np.uint64(2**32 - 1)
HALF = np.uint64(32)
# Temporaries of this many elements stay in the second-level cache.
BLOCK = 1 << 14


def add(a: FieldArray, b: FieldArray) -> FieldArray:
    """a + b for canonical a, b (broadcast)."""
    total = a + b
    total += (total < a) * EPSILON
    total -= (total >= MODULUS) * MODULUS
    return total


def subtract(a: FieldArray, b: FieldArray) -> FieldArray:
    """a - b for canonical a, b (broadcast)."""
    difference: FieldArray = a - b
    difference -= (a < b) * EPSILON
    return difference


def multiply(a: FieldArray, b: FieldArray) -> FieldArray:
    """a * b for canonical a, b (broadcast)."""
    if a.shape == b.shape and a.size > BLOCK and a.flags.c_contiguous and b.flags.c_contiguous:
        out = np.empty_like(a)
        flat_a, flat_b, flat = a.reshape(-1), b.reshape(-1), out.reshape(-1)
        for start in range(0, flat.size, BLOCK):
            part = slice(start, start + BLOCK)
            flat[part] = _multiply(flat_a[part], flat_b[part])
        return out
    return _multiply(a, b)


def _multiply(a: FieldArray, b: FieldArray) -> FieldArray:
    a_low, a_high, b_low, b_high = a & LOW, a >> HALF, b & LOW, b >> HALF
    low = a_low * b_low
    middle = a_low * b_high
    middle += low >> HALF
    cross = a_high * b_low
    cross += middle & LOW
    high = a_high * b_high
    high += middle >> HALF
    high += cross >> HALF
    low &= LOW
    low |= cross << HALF
    return reduce_wide(high, low)


def reduce_wide(high: FieldArray, low: FieldArray) -> FieldArray:
    """(high * 2^64 + low) mod p, canonical, for any uint64 halves: 2^64 = 2^32 - 1 and 2^96 = -1 mod p."""
    top = high >> HALF
    out: FieldArray = low - top
    out -= (low < top) * EPSILON
    middle = (high & LOW) * EPSILON
    out += middle
    out += (out < middle) * EPSILON
    out -= (out >= MODULUS) * MODULUS
    return out


def from_int(x: Integers) -> FieldArray:
    """Signed integers (any dtype of at most 64 bits but uint64) as canonical field elements."""
    wide = x.astype(np.int64)
    return wide.view(np.uint64) + (wide < 0) * MODULUS


def total(a: FieldArray, axis: int = 0) -> FieldArray:
    """Sum along one axis of fewer than 2^32 canonical elements."""
    low = (a & LOW).sum(axis=axis, dtype=np.uint64)
    high = (a >> HALF).sum(axis=axis, dtype=np.uint64)
    low, high = np.atleast_1d(low), np.atleast_1d(high)
    # high * 2^32 + low as a 128-bit number
    shifted = high << HALF
    bottom = shifted + low
    return reduce_wide((high >> HALF) + (bottom < shifted), bottom)


def k_multiply(a: ExtensionArray, b: ExtensionArray) -> ExtensionArray:
    """a * b in K for arrays (..., 2) with at least two axes (broadcast)."""
    a0, a1, b0, b1 = a[..., 0], a[..., 1], b[..., 0], b[..., 1]
    constant, square = multiply(a0, b0), multiply(a1, b1)
    cross = multiply(add(a0, a1), add(b0, b1))
    out = np.empty((*constant.shape, 2), dtype=np.uint64)
    out[..., 0] = add(constant, multiply(square, np.full(1, NON_RESIDUE, dtype=np.uint64)))
    out[..., 1] = subtract(cross, add(constant, square))
    return out


def k_total(a: ExtensionArray) -> ExtensionArray:
    """Sum of (n, 2) as (2,)."""
    return total(a, axis=0)
