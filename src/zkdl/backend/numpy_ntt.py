"""Number-theoretic transforms over the rows of a matrix, in numpy. [proof-system.md, section 1]"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import GENERATOR, FieldArray, P
from zkdl.backend.numpy_field import add, multiply, subtract


def root_of_unity(order: int) -> int:
    """g_n = 7^((p-1)/n)."""
    return pow(GENERATOR, (P - 1) // order, P)


def powers(base: int, count: int) -> FieldArray:
    """[1, base, ..., base^(count-1)] by doubling."""
    out = np.ones(count, dtype=np.uint64)
    filled = 1
    while filled < count:
        step = np.full(1, pow(base, filled, P), dtype=np.uint64)
        width = min(filled, count - filled)
        out[filled : filled + width] = multiply(out[:width], step)
        filled += width
    return out


@functools.lru_cache(maxsize=8)
def _bit_reversal(size: int) -> NDArray[np.int64]:
    order = np.zeros(1, dtype=np.int64)
    while len(order) < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


@functools.lru_cache(maxsize=8)
def _twiddles(size: int, is_inverse: bool) -> FieldArray:
    root = root_of_unity(size)
    return powers(pow(root, P - 2, P) if is_inverse else root, max(1, size // 2))


def _transform(rows: FieldArray, is_inverse: bool) -> FieldArray:
    """Decimation in time: (m, n) coefficients -> values at the powers of g_n or of its inverse, in order."""
    count, size = rows.shape
    data = np.take(rows, _bit_reversal(size), axis=1)
    twiddles = _twiddles(size, is_inverse)
    half = 1
    while half < size:
        view = data.reshape(count, size // (2 * half), 2, half)
        even = view[:, :, 0, :].copy()
        odd = multiply(view[:, :, 1, :], twiddles[:: size // (2 * half)][:half])
        view[:, :, 0, :] = add(even, odd)
        view[:, :, 1, :] = subtract(even, odd)
        half *= 2
    return data


def interpolate(values: FieldArray) -> FieldArray:
    """(m, ell) values at g_ell^i -> coefficients."""
    size = values.shape[1]
    scale = np.full(1, pow(size, P - 2, P), dtype=np.uint64)
    return multiply(_transform(values, is_inverse=True), scale)


def evaluate_coset(coefficients: FieldArray, n: int) -> FieldArray:
    """(m, k) coefficients, k <= n -> values at 7*g_n^i, coset by coset of the smallest fitting group."""
    count, k = coefficients.shape
    size = 1 << max(0, k - 1).bit_length()
    padded = np.zeros((count, size), dtype=np.uint64)
    padded[:, :k] = coefficients
    cosets = n // size
    out = np.empty((count, n), dtype=np.uint64)
    for s in range(cosets):
        shift = GENERATOR * pow(root_of_unity(n), s, P) % P
        out[:, s::cosets] = _transform(multiply(padded, powers(shift, size)), is_inverse=False)
    return out


def encode(rows: FieldArray, random: FieldArray, n: int) -> FieldArray:
    """W + (x^ell - 1)*R on the code domain; x^ell is constant on a coset of H, so R folds to length ell."""
    count, size = rows.shape
    message = interpolate(rows)
    blocks = -(-random.shape[1] // size)
    tail = np.zeros((count, blocks * size), dtype=np.uint64)
    tail[:, : random.shape[1]] = random
    cosets = n // size
    out = np.empty((count, n), dtype=np.uint64)
    for s in range(cosets):
        shift = GENERATOR * pow(root_of_unity(n), s, P) % P
        constant = pow(shift, size, P)
        combined = message
        for block in range(blocks):
            factor = np.full(1, (constant - 1) * pow(constant, block, P) % P, dtype=np.uint64)
            combined = add(combined, multiply(tail[:, block * size : (block + 1) * size], factor))
        out[:, s::cosets] = _transform(multiply(combined, powers(shift, size)), is_inverse=False)
    return out
