"""Weights in training are the same integers whether they are kept in float64 or in int64."""

from __future__ import annotations

import numpy as np
import pytest

from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.statement.weights import Weights
from zkdl.train.live import LiveMatrix, LiveWeights

BITS = 30


@pytest.fixture(params=["numpy", "native"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param)


@pytest.mark.parametrize(
    ("start", "factor"),
    [(1 << 20, 1), (1 << 20, 1 << 24), (1 << 20, 1 << 45), (1 << 40, 1 << 20), (1 << BITS, 3)],
    ids=["narrow", "becomes wide", "update beyond 2^53", "wide from the start", "at the limit"],
)
def test_updates_agree_with_integers(start: int, factor: int, backend: Backend) -> None:
    rng = np.random.default_rng(3)
    expected = rng.integers(-start, start, (5, 7), endpoint=True)
    expected[0, 0] = start
    live = LiveMatrix(expected, BITS)
    changes = [tuple(rng.integers(-4, 4, (3, n)).astype(np.int32) for n in (5, 7)) for _ in range(2)]
    # There and back again: wide matrices become narrow.
    for sign, (left, right) in zip((1, 1, -1, -1), [*changes, *changes[::-1]], strict=True):
        live.subtract(backend, left, right, sign * factor, 3 * 4 * 4)
        expected = expected - sign * factor * (left.astype(np.int64).T @ right.astype(np.int64))
        np.testing.assert_array_equal(live.integers(), expected)
        probe = rng.integers(-3, 3, (2, 5))
        np.testing.assert_array_equal(live.parts.product(backend, probe), probe @ expected)
        ones = np.ones((2, 7), dtype=np.int64)
        np.testing.assert_array_equal(live.parts.product(backend, ones, transposed=True), ones @ expected.T)


def test_what_is_given_is_not_changed(backend: Backend) -> None:
    given = Weights([np.arange(6).reshape(2, 3)], [np.arange(3)])
    live = LiveWeights(given, (BITS,))
    live.W[0].subtract(backend, np.ones((1, 2), np.int32), np.ones((1, 3), np.int32), 1, 1)
    assert live.b[0] is not None
    live.b[0] += 1
    np.testing.assert_array_equal(given.W[0], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(given.b[0], np.arange(3))
    found = live.integers()
    np.testing.assert_array_equal(found.W[0], np.arange(6).reshape(2, 3) - 1)
