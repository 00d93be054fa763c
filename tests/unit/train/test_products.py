import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkdl.backend.select import get_backend
from zkdl.statement.bounds import product_limb_bits
from zkdl.train.products import split

dimensions = st.integers(1, 7)


def _matrix(data, rows, columns, limit):
    entries = st.one_of(st.sampled_from([limit, -limit, 0, 1, -1]), st.integers(-limit, limit))
    flat = data.draw(st.lists(entries, min_size=rows * columns, max_size=rows * columns))
    return np.array(flat, dtype=np.int64).reshape(rows, columns)


@given(dimensions, dimensions, dimensions, st.integers(0, 16), st.integers(0, 42), st.data())
def test_products_against_python_integers(rows, inner, columns, left_bits, right_bits, data):
    left = _matrix(data, rows, inner, 1 << left_bits)
    right = _matrix(data, inner, columns, 1 << right_bits)
    bits = product_limb_bits(max(inner, columns), 1 << left_bits)
    exact = left.astype(object) @ right.astype(object)
    turned = np.ascontiguousarray(right.T)
    for backend in map(get_backend, ("numpy", None)):
        found = split(right, bits).product(backend, left)
        assert found.dtype == np.int64 and (found == exact).all()
        assert (split(turned, bits).product(backend, left, transposed=True) == exact).all()


@given(st.integers(1, 52), st.integers(-(1 << 62), 1 << 62))
def test_limbs_add_up(limb_bits, value):
    parts = split(np.array([[value, -value]], dtype=np.int64), limb_bits)
    total = sum(
        limb.astype(object).astype(int) * (1 << shift) for limb, shift in zip(parts.limbs, parts.shifts, strict=True)
    )
    assert [int(v) for v in total[0]] == [value, -value]
    assert all(np.abs(limb).max() <= 2.0**limb_bits for limb in parts.limbs)


@pytest.mark.parametrize("right_bits", [20, 34, 35, 36, 44])
def test_worst_case_of_the_static_bound(right_bits):
    """Everything at its limit: 784 features of 255 against weights that fill the limbs."""
    left = np.full((3, 784), 255, dtype=np.int64)
    left[1] *= -1
    right = np.full((784, 2), 1 << right_bits, dtype=np.int64)
    right[:, 1] = -(1 << right_bits) + 1
    exact = left.astype(object) @ right.astype(object)
    for backend in map(get_backend, ("numpy", None)):
        assert (split(right, product_limb_bits(784, 255)).product(backend, left) == exact).all()


def test_wide_factors_get_limbs():
    right = np.array([[1 << 40]], dtype=np.int64)
    assert len(split(right, 40).limbs) == 1
    assert len(split(right, 35).limbs) == 2
    assert len(split(right, 12).limbs) == 4
