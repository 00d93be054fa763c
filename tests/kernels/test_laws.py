"""Laws of F and K, and the identities that the protocols rely on, for every backend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.samples import BogusRng
from zkdl.backend.base import Backend, P
from zkdl.backend.reference import ReferenceBackend
from zkdl.backend.reference_field import GOLDILOCKS, Field
from zkdl.backend.select import get_backend, is_native_available

needs_native = pytest.mark.skipif(not is_native_available(), reason="no compiled kernels in this installation")
BACKENDS = ["reference", "numpy", pytest.param("native", marks=needs_native)]

elements = st.one_of(
    st.integers(0, P - 1),
    st.sampled_from([0, 1, P - 1, 2**32 - 1, 2**32, 2**32 + 1, P - 2**32, 2**63]),
    st.integers(-5, 5).map(lambda d: (2**32 + d) % P),
    st.integers(1, 40).map(lambda d: P - d),
)
pairs = st.lists(st.tuples(elements, elements), min_size=1, max_size=6).map(lambda x: np.array(x, dtype=np.uint64))
same_length = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        *(
            st.lists(st.tuples(elements, elements), min_size=n, max_size=n).map(lambda x: np.array(x, dtype=np.uint64))
            for _ in range(3)
        )
    )
)


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(request.param, 2)


@given(same_length)
def test_field_laws(backend: Backend, values: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    for operations in (
        (backend.f_add, backend.f_sub, backend.f_mul),
        (backend.k_add, backend.k_sub, backend.k_mul),
    ):
        add, subtract, multiply = operations
        a, b, c = values
        np.testing.assert_array_equal(add(a, b), add(b, a))
        np.testing.assert_array_equal(multiply(a, b), multiply(b, a))
        np.testing.assert_array_equal(multiply(multiply(a, b), c), multiply(a, multiply(b, c)))
        np.testing.assert_array_equal(multiply(a, add(b, c)), add(multiply(a, b), multiply(a, c)))
        np.testing.assert_array_equal(subtract(add(a, b), b), a)
        assert (multiply(a, b) < P).all()
        assert (add(a, b) < P).all()
        assert (subtract(a, b) < P).all()


@given(pairs)
def test_products_against_integers(backend: Backend, a: np.ndarray) -> None:
    b = a[::-1].copy()
    expected = [GOLDILOCKS.multiply(tuple(x), tuple(y)) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert [tuple(x) for x in backend.k_mul(a, b).tolist()] == expected


@given(pairs)
def test_eq_table_sums_to_one_and_binds(backend: Backend, point: np.ndarray) -> None:
    table = backend.eq_table(point)
    assert backend.k_sum(table).tolist() == [1, 0]
    # Binding the least significant variable of eq(point, .) at r leaves eq(point', .) * eq(last, r).
    r = point[0]
    last = backend.eq_table(point[-1:])
    factor = backend.bind(last, r)[0]
    np.testing.assert_array_equal(backend.bind(table, r), backend.k_mul(backend.eq_table(point[:-1]), factor))


@given(st.integers(0, 4), st.integers(0, 2**32))
def test_transforms_invert(backend: Backend, log_size: int, seed: int) -> None:
    rng, size = BogusRng(seed), 1 << log_size
    values = rng.field(2, size)
    coefficients = backend.interpolate(values)
    # On H, that is without the shift by 7: coefficient j times 7^-j.
    unshift = np.array([[pow(7, -j, P) for j in range(size)]], dtype=np.uint64)
    np.testing.assert_array_equal(backend.evaluate_coset(backend.f_mul(coefficients, unshift), size), values)


def test_code_is_linear_and_masked_off_the_domain(backend: Backend) -> None:
    rng = BogusRng(9)
    rows, random = rng.field(3, 8), rng.field(3, 5)
    code = backend.encode(rows, random, 32)
    total = backend.f_add(code[0], code[1])
    both = backend.encode(
        backend.f_add(rows[:1], rows[1:2]).reshape(1, 8),
        backend.f_add(random[:1], random[1:2]).reshape(1, 5),
        32,
    )
    np.testing.assert_array_equal(total, both[0])
    # The codeword has degree < ell + t: its coefficients beyond vanish, and it hits the row on H.
    unshift = np.array([[pow(7, -j, P) for j in range(32)]], dtype=np.uint64)
    coefficients = backend.f_mul(backend.interpolate(code), unshift)
    assert not coefficients[:, 13:].any()
    folded = np.zeros((3, 8), dtype=np.uint64)
    folded[:, :8] = coefficients[:, :8]
    folded[:, :5] = backend.f_add(folded[:, :5], coefficients[:, 8:13].copy())
    np.testing.assert_array_equal(folded, backend.interpolate(rows))


def test_fraction_rounds_follow_the_layer(backend: Backend) -> None:
    """sum of eq * value(parent i) equals the layer's own sum, and binding commutes with differences."""
    rng = BogusRng(10)
    p, q, lam, point = rng.field(16, 2), rng.field(16, 2), rng.field(2), rng.field(3, 2)
    p_up, q_up = backend.fraction_layer(p, q)
    weights = backend.eq_table(point)
    claim = backend.k_sum(backend.k_mul(weights, backend.k_add(p_up, backend.k_mul(q_up, lam))))
    high, low = backend.eq_table(point[:1]), backend.eq_table(point[1:2])
    constant, leading = backend.fraction_round(p, q, lam, high, low)
    # g(X) = c + (g1 - c - d) X + d X^2 with claim = (1 - z) g(0) + z g(1); g(1) from odd parents.
    swapped = [x.reshape(-1, 2, 2, 2)[:, ::-1].reshape(-1, 2).copy() for x in (p, q)]
    at_one, _ = backend.fraction_round(swapped[0], swapped[1], lam, high, low)
    z = point[2]
    one = np.array([1, 0], dtype=np.uint64)
    mixed = backend.k_add(backend.k_mul(backend.k_sub(one, z), constant), backend.k_mul(z, at_one))
    np.testing.assert_array_equal(mixed, claim)
    r = rng.field(2)
    p_next, q_next = backend.fraction_bind(p, q, r)
    p_bound, q_bound = backend.fraction_layer(p_next, q_next)
    inner = backend.k_add(p_bound, backend.k_mul(q_bound, lam))
    value = backend.k_sum(backend.k_mul(backend.eq_table(point[:2]), inner))
    slope = backend.k_sub(backend.k_sub(at_one, constant), leading)
    expected = backend.k_add(constant, backend.k_mul(r, backend.k_add(slope, backend.k_mul(r, leading))))
    np.testing.assert_array_equal(value, expected)


def test_reference_over_a_small_field() -> None:
    """GF(17) with 3 a generator and no square: codes and tables keep their meaning."""
    field = Field(17, 3, 3)
    backend = ReferenceBackend(field)
    rows = np.array([[1, 16, 5, 9]], dtype=np.uint64)
    code = backend.encode(rows, np.array([[2]], dtype=np.uint64), 16)
    assert code.shape == (1, 16)
    assert (code < 17).all()
    coefficients = backend.interpolate(rows)[0].tolist()
    root = field.root_of_unity(4)
    assert [field.evaluate(coefficients, pow(root, i, 17)) for i in range(4)] == rows[0].tolist()
    assert field.multiply((2, 5), (1, 0)) == (2, 5)
    assert field.inverse(3) * 3 % 17 == 1
    with pytest.raises(ValueError, match="order 3"):
        field.root_of_unity(3)
