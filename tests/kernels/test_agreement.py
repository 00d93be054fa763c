"""Every backend computes the same bits: reference == numpy == native, for every number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.samples import CASES, EDGES, INTEGERS, BogusRng, large, small
from zkdl.backend.base import Backend, P
from zkdl.backend.select import get_backend, is_native_available

needs_native = pytest.mark.skipif(not is_native_available(), reason="no compiled kernels in this installation")
FAST = [
    pytest.param(("numpy", 1), id="numpy"),
    pytest.param(("native", 1), id="native-1", marks=needs_native),
    pytest.param(("native", 3), id="native-3", marks=needs_native),
]


def _parts(result: object) -> list[np.ndarray]:
    return list(result) if isinstance(result, tuple) else [result]  # type: ignore[list-item]  # an array


def _assert_same(expected: object, actual: object) -> None:
    for left, right in zip(_parts(expected), _parts(actual), strict=True):
        assert left.dtype == right.dtype
        assert left.shape == right.shape
        assert right.flags.c_contiguous
        assert right.flags.writeable
        np.testing.assert_array_equal(left, right)


@pytest.fixture(params=FAST)
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(*request.param)


@pytest.mark.parametrize("kernel", CASES)
def test_agrees_with_the_reference(kernel: str, backend: Backend) -> None:
    reference = get_backend("reference")
    for arguments in small(kernel):
        _assert_same(getattr(reference, kernel)(*arguments), getattr(backend, kernel)(*arguments))


@needs_native
@pytest.mark.parametrize("kernel", CASES)
def test_native_agrees_with_numpy_on_large_arrays(kernel: str) -> None:
    for arguments in large(kernel):
        expected = getattr(get_backend("numpy"), kernel)(*arguments)
        for threads in (1, 2, 5):
            _assert_same(expected, getattr(get_backend("native", threads), kernel)(*arguments))


@pytest.mark.parametrize("size", [0, 1, 9, 50_000])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_axpy(size: int, dtype: type, backend: Backend) -> None:
    rng = BogusRng(size)
    out, coefficient, x = rng.field(size, 2), rng.field(2), rng.integers(dtype, size)
    expected = [
        [(int(old) + int(c) * int(v)) % P for old, c in zip(row, coefficient, strict=True)]
        for row, v in zip(out, x, strict=True)
    ]
    backend.axpy(out, coefficient, x)
    np.testing.assert_array_equal(out, np.array(expected, dtype=np.uint64).reshape(-1, 2))


def test_axpy_of_the_reference() -> None:
    out, x = np.array([[1, 2]], dtype=np.uint64), np.array([-1], dtype=np.int64)
    get_backend("reference").axpy(out, np.array([1, 3], dtype=np.uint64), x)
    assert out.tolist() == [[0, P - 1]]


def test_products_of_all_edge_values(backend: Backend) -> None:
    left, right = np.meshgrid(EDGES, EDGES)
    expected = [int(a) * int(b) % P for a, b in zip(left.ravel(), right.ravel(), strict=True)]
    assert backend.f_mul(left, right).ravel().tolist() == expected


def test_longest_sums_do_not_overflow(backend: Backend) -> None:
    """Only extreme values, more of them than a block of any kernel holds."""
    columns = 70_000
    top = np.full((1, columns, 2), P - 1, dtype=np.uint64)
    for value, dtype in (
        (-(2**31), np.int32),
        (2**31 - 1, np.int32),
        (-(2**63), np.int64),
        (P - 1, np.uint64),
    ):
        matrix = np.full((1, columns), value, dtype=dtype)
        expected = [[-columns * value % P] * 2]
        assert backend.matvec(matrix, top).tolist() == expected
        assert backend.vecmat(top[0], matrix.reshape(columns, 1)).tolist() == expected
    assert backend.k_sum(top[0]).tolist() == [-columns % P] * 2


def test_read_only_inputs(backend: Backend) -> None:
    table = BogusRng(3).field(8, 2)
    table.flags.writeable = False
    _assert_same(get_backend("reference").bind(table, table[0]), backend.bind(table, table[0]))


@needs_native
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (2, 33), (70, 40), (200, 65)])
def test_sha256_without_processor_support(shape: tuple[int, int]) -> None:
    from zkdl import _native

    rng = BogusRng(4)
    code, salts = rng.field(*shape), rng.octets(shape[1], 32)
    digests = np.empty_like(salts)
    _native.hash_columns(code, salts, 5, digests, 2, is_portable=True)
    _assert_same(get_backend("reference").hash_columns(code, salts, 5), digests)
    nodes = rng.octets(2 * shape[1], 32)
    _native.merkle_parents(nodes, 9, digests, 2, is_portable=True)
    _assert_same(get_backend("reference").merkle_parents(nodes, 9), digests)
