"""The public weights that pick the examples of every step out of the dataset."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.alone import extension_at, random_elements, random_table
from zkdl.algebra.extension import ONE, ZERO, Ext, P, from_array
from zkdl.backend.select import get_backend
from zkdl.protocols.gather import example_weights, scatter_add

BACKEND = get_backend()


def eq(point: list[Ext], index: int) -> Ext:
    return extension_at([ONE if i == index else ZERO for i in range(1 << len(point))], point)


@pytest.mark.parametrize(
    ("log_steps", "log_batch", "steps", "width"), [(0, 0, 1, 1), (2, 1, 3, 2), (1, 2, 2, 3), (2, 2, 4, 4)]
)
def test_weights_pick_the_sampled_rows(log_steps: int, log_batch: int, steps: int, width: int) -> None:
    """T13: <weights, data> is the extension of the gathered table, in which absent examples are zero."""
    rng = np.random.default_rng(steps)
    indices = rng.integers(-1, 5, (steps, width))
    step_point, example_point = random_elements(rng, log_steps), random_elements(rng, log_batch)
    weights = from_array(example_weights(BACKEND, indices, step_point, example_point, 8))
    data = random_elements(rng, 8)
    expected, picked = ZERO, ZERO
    for t in range(steps):
        for b in range(width):
            if indices[t, b] >= 0:
                expected = expected + eq(step_point, t) * eq(example_point, b) * data[indices[t, b]]
    for weight, value in zip(weights, data, strict=True):
        picked = picked + weight * value
    assert picked == expected
    # Rows that no step names have no weight at all.
    for n in set(range(8)) - set(indices.reshape(-1).tolist()):
        assert weights[n].is_zero()


def test_absent_examples_name_no_row() -> None:
    """-1 is not the last row."""
    weights = example_weights(BACKEND, np.full((2, 2), -1), *[random_elements(np.random.default_rng(0), 1)] * 2, 4)
    assert not weights.any() and weights.shape == (4, 2)


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_scatter_add_is_exact(where: list[int], seed: int) -> None:
    """Against Python integers, with repetitions and with elements close to p."""
    values = random_table(np.random.default_rng(seed), len(where)) if where else np.zeros((0, 2), dtype=np.uint64)
    values[::2] = P - 1
    out = scatter_add(BACKEND, np.array(where, dtype=np.int64), values, 4)
    for c in range(2):
        for n in range(4):
            expected = sum(int(v) for w, v in zip(where, values[:, c], strict=True) if w == n) % P
            assert int(out[n, c]) == expected
