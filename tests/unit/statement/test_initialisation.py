import hashlib
from dataclasses import replace
from math import isqrt

import numpy as np
import pytest

from tests.unit.statement.builders import make_run
from zkdl.errors import NotProvable
from zkdl.statement import initialisation


def test_shapes_biases_and_reproducibility():
    run = make_run(bias=(True, False, True))
    weights = initialisation.initial_weights(run)
    assert [w.shape for w in weights.W] == [(6, 5), (5, 4), (4, 3)]
    assert all(w.dtype == np.int64 for w in weights.W)
    assert [None if b is None else b.tolist() for b in weights.b] == [[0] * 5, None, [0] * 3]
    assert weights.equal(initialisation.initial_weights(replace(run, data_root="0" * 64)))
    other = initialisation.initial_weights(replace(run, init_seed="0" * 64))
    assert not weights.equal(other)


def test_standard_deviations():
    run = make_run(widths=(200, 300, 100))
    weights = initialisation.initial_weights(run)
    for matrix, gain, fan_in in zip(weights.W, (2, 1), (200, 300), strict=True):
        real = np.ldexp(matrix.astype(np.float64), -26)
        expected = (gain / fan_in) ** 0.5
        assert abs(real.std() / expected - 1) < 0.02
        assert abs(real.mean()) < 0.02 * expected


def test_against_python_integers():
    run = make_run()
    weights = initialisation.initial_weights(run)
    for layer, (inputs, outputs) in enumerate([(6, 5), (5, 4), (4, 3)], start=1):
        label = b"zkdl/initial-weights/2" + bytes.fromhex("b2" * 32) + layer.to_bytes(4, "little") + bytes(4)
        stream = hashlib.shake_256(label).digest(8 * inputs * outputs)
        deviation = isqrt(((6 if layer < 3 else 3) << 52) // inputs)
        for i in range(inputs * outputs):
            chunk = stream[8 * i : 8 * i + 8]
            total = sum(int.from_bytes(chunk[2 * j : 2 * j + 2], "little") for j in range(4))
            expected = ((total - 131070) * deviation + (1 << 15)) >> 16
            assert weights.W[layer - 1].ravel()[i] == expected


def test_blocks_are_hashes_of_their_own(monkeypatch):
    whole = initialisation.initial_weights(make_run())
    monkeypatch.setattr(initialisation, "_BLOCK", 7)
    cut = initialisation.initial_weights(make_run())
    for a, b in zip(whole.W, cut.W, strict=True):
        assert np.array_equal(a.ravel()[:7], b.ravel()[:7]) and not np.array_equal(a, b)


def test_bound_holds_and_is_tight(monkeypatch):
    run = make_run()
    bounds = initialisation.bound(run)
    weights = initialisation.initial_weights(run)
    assert all(np.abs(w).max() <= b for w, b in zip(weights.W, bounds, strict=True))

    class Ones:
        def __init__(self, data):
            pass

        def digest(self, size):
            return b"\xff" * size

    monkeypatch.setattr(initialisation.hashlib, "shake_256", Ones)
    extreme = initialisation.initial_weights(run)
    assert [int(w.max()) for w in extreme.W] == list(bounds)


def test_needs_a_seed():
    with pytest.raises(NotProvable):
        initialisation.initial_weights(make_run(init_seed=None, init_root="0" * 64))
