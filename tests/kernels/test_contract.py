"""Wrong dtypes, strided arrays and wrong shapes are refused, by the backends and by every binding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.kernels.samples import CASES, BogusRng, small
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend, is_native_available
from zkdl.errors import DeviceError

needs_native = pytest.mark.skipif(not is_native_available(), reason="no compiled kernels in this installation")
NAMES = ["reference", "numpy", pytest.param("native", marks=needs_native)]
# Integers may come in another type as well.
ALSO_TAKEN = {("subtract_products", 0, "<f8")}
ANY_LENGTH = {("product_round", 2), ("hash_columns", 0), ("leaf_round", 6), ("running_difference", 2)}
FREE_STRIDES = {"f_add", "f_sub", "f_mul"}
REFUSED = (TypeError, ValueError)

rng = BogusRng(0)


def _wrong_dtypes(array: np.ndarray) -> list[np.ndarray]:
    others = [np.float64, np.float32, np.int16, np.uint32, np.complex128]
    others += [np.uint64] if array.dtype == np.uint8 else [np.uint8]
    swapped = [array.astype(array.dtype.newbyteorder())] if array.itemsize > 1 else []
    return [array.astype(dtype) for dtype in others if dtype != array.dtype] + swapped


def _strided(array: np.ndarray) -> np.ndarray:
    """The same values, not contiguous."""
    return np.repeat(array, 2, axis=0)[::2] if array.ndim == 1 else np.asfortranarray(array)


def _interesting(kernel: str) -> tuple[object, ...]:
    """The case with the most elements: every array has at least two along each axis of length > 1."""
    return max(small(kernel), key=lambda arguments: sum(a.size for a in arguments if isinstance(a, np.ndarray)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kernel", CASES)
def test_wrong_arrays_are_refused(kernel: str, name: str) -> None:
    run: Callable[..., object] = getattr(get_backend(name, 1), kernel)
    arguments = list(_interesting(kernel))
    for i, argument in enumerate(arguments):
        if not isinstance(argument, np.ndarray):
            continue
        bad: list[object] = [*_wrong_dtypes(argument), argument.tolist(), None, argument[None]]
        if kernel not in FREE_STRIDES and not _strided(argument).flags.c_contiguous:
            bad.append(_strided(argument))
        if kernel in FREE_STRIDES or kernel == "f_from_int":
            bad = [x for x in bad if not (isinstance(x, np.ndarray) and x.ndim > argument.ndim)]
        for wrong in bad:
            with pytest.raises(REFUSED):
                run(*arguments[:i], wrong, *arguments[i + 1 :])


WRONG_SHAPES: dict[str, Callable[[Backend], object]] = {
    "f_mul lengths": lambda b: b.f_mul(rng.field(3), rng.field(4)),
    "k_add lengths": lambda b: b.k_add(rng.field(3, 2), rng.field(4, 2)),
    "k_mul one row": lambda b: b.k_mul(rng.field(3, 2), rng.field(1, 2)),
    "k_mul last axis": lambda b: b.k_mul(rng.field(3, 3), rng.field(3, 3)),
    "k_sum last axis": lambda b: b.k_sum(rng.field(4, 1)),
    "eq_table axes": lambda b: b.eq_table(rng.field(4)),
    "outer last axis": lambda b: b.outer(rng.field(4, 3), rng.field(4, 2)),
    "matvec columns": lambda b: b.matvec(rng.integers(np.int32, 3, 4), rng.field(1, 5, 2)),
    "matvec no vector": lambda b: b.matvec(rng.integers(np.int32, 3, 4), rng.field(0, 4, 2)),
    "vecmat rows": lambda b: b.vecmat(rng.field(4, 2), rng.integers(np.int32, 3, 4)),
    "axpy length": lambda b: b.axpy(rng.field(4, 2), rng.field(2), rng.field(3)),
    "bind odd": lambda b: b.bind(rng.field(3, 2), rng.field(2)),
    "bind scalar": lambda b: b.bind(rng.field(4, 2), rng.field(1, 2)),
    "product_round lengths": lambda b: b.product_round(rng.field(4, 2), rng.field(6, 2), rng.field(1, 2)),
    "product_round odd": lambda b: b.product_round(rng.field(5, 2), rng.field(5, 2), rng.field(1, 2)),
    "product_round weights": lambda b: b.product_round(rng.field(4, 2), rng.field(4, 2), rng.field(0, 2)),
    "product3_round": lambda b: b.product3_round(rng.field(4, 2), rng.field(4, 2), rng.field(2, 2)),
    "fraction_layer odd": lambda b: b.fraction_layer(rng.field(3, 2), rng.field(3, 2)),
    "fraction_layer": lambda b: b.fraction_layer(rng.field(4, 2), rng.field(2, 2)),
    "fraction_bind": lambda b: b.fraction_bind(rng.field(6, 2), rng.field(6, 2), rng.field(2)),
    "fraction_round length": lambda b: b.fraction_round(
        rng.field(6, 2), rng.field(6, 2), rng.field(2), rng.field(4, 2), rng.field(4, 2)
    ),
    "fraction_round weights": lambda b: b.fraction_round(
        rng.field(12, 2), rng.field(12, 2), rng.field(2), rng.field(1, 2), rng.field(2, 2)
    ),
    "fraction_round no weights": lambda b: b.fraction_round(
        rng.field(4, 2), rng.field(4, 2), rng.field(2), rng.field(1, 2), rng.field(0, 2)
    ),
    "interpolate length": lambda b: b.interpolate(rng.field(2, 6)),
    "interpolate empty": lambda b: b.interpolate(rng.field(2, 0)),
    "evaluate_coset n": lambda b: b.evaluate_coset(rng.field(2, 6), 12),
    "evaluate_coset small": lambda b: b.evaluate_coset(rng.field(2, 6), 4),
    "evaluate_coset zero": lambda b: b.evaluate_coset(rng.field(2, 0), 0),
    "encode length": lambda b: b.encode(rng.field(2, 6), rng.field(2, 1), 16),
    "encode n": lambda b: b.encode(rng.field(2, 4), rng.field(2, 1), 12),
    "encode small": lambda b: b.encode(rng.field(2, 4), rng.field(2, 5), 8),
    "encode rows": lambda b: b.encode(rng.field(2, 4), rng.field(3, 1), 8),
    "hash_columns salts": lambda b: b.hash_columns(rng.field(2, 4), rng.octets(3, 32)),
    "hash_columns salt": lambda b: b.hash_columns(rng.field(2, 4), rng.octets(4, 31)),
    "hash_columns index": lambda b: b.hash_columns(rng.field(2, 4), rng.octets(4, 32), -1),
    "merkle_parents odd": lambda b: b.merkle_parents(rng.octets(3, 32), 1),
    "merkle_parents width": lambda b: b.merkle_parents(rng.octets(4, 31), 1),
    "merkle_parents leaf level": lambda b: b.merkle_parents(rng.octets(4, 32), 0),
    "merkle_parents level": lambda b: b.merkle_parents(rng.octets(4, 32), 256),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", WRONG_SHAPES)
def test_wrong_shapes_are_refused(case: str, name: str) -> None:
    with pytest.raises(REFUSED):
        WRONG_SHAPES[case](get_backend(name, 1))


@pytest.mark.parametrize("name", NAMES)
def test_axpy_needs_the_array_itself(name: str) -> None:
    """A converted copy would take the result with it."""
    backend = get_backend(name, 1)
    x = rng.field(3)
    fixed = rng.field(3, 2)
    fixed.flags.writeable = False
    for out in (
        fixed,
        rng.field(2, 3).T,
        rng.field(3, 2).astype(np.int64),
        rng.field(3, 2).astype(np.float64),
    ):
        with pytest.raises(TypeError):
            backend.axpy(out, rng.field(2), x)


def _bindings() -> dict[str, tuple[list[object], list[int]]]:
    """Name of each binding -> (valid arguments, positions of its array arguments)."""
    f, i = rng.field, rng.integers
    spans = [np.array([[0, 4, 4], [4, 4, 4]], dtype=np.uint64), f(2, 2), f(2, 3, 2)]
    spans += [[i(np.int32, 4), None, None, i(np.int32, 4), None, None], [None, i(np.int32, 4)]]
    calls: dict[str, list[object]] = {
        "leaf_table": [*spans, 0, f(8, 2), f(8, 2), 1],
        "leaf_round": [*spans, 0, f(1, 2), 1, f(2), f(2, 2), f(2, 2), f(2, 2), 1],
        "leaf_bind": [*spans, 0, f(1, 2), f(4, 2), f(4, 2), 1],
        "encode_and_hash": [i(np.int32, 2, 4), f(2, 2), rng.octets(8, 32), rng.octets(8, 32), 1],
        "encode_columns": [i(np.int32, 2, 4), f(2, 2), 8, np.array([3, 0, 7], dtype=np.int64), f(3, 2), 1],
        **{f"f_{op}": [f(4), f(4), f(4), 1] for op in ("add", "sub", "mul")},
        **{f"k_{op}": [f(4, 2), f(4, 2), f(4, 2), 1] for op in ("add", "sub", "mul")},
        "f_from_int": [i(np.int32, 4), f(4), 1],
        "k_sum": [f(4, 2), f(1, 2), 1],
        "eq_step": [f(4, 2), f(2), f(8, 2), 1],
        "outer": [f(2, 2), f(3, 2), f(6, 2), 1],
        "axpy": [f(4, 2), f(2), i(np.int32, 4), 1],
        "bind": [f(4, 2), f(2), f(2, 2), 1],
        "running_difference": [f(3, 2), f(3, 4, 2), f(4), f(3, 4, 2), 1],
        "fraction_layer": [f(4, 2), f(4, 2), f(2, 2), f(2, 2), 1],
        "fraction_bind": [f(8, 2), f(2), f(4, 2), 1],
        "product_round": [f(4, 2), f(4, 2), f(2, 2), f(2, 2), 1],
        "product3_round": [f(4, 2), f(4, 2), f(4, 2), f(3, 2), 1],
        "fraction_round": [f(8, 2), f(8, 2), f(2), f(2, 2), f(2, 2), f(2, 2), 1],
        "matvec": [i(np.int64, 3, 4), f(2, 4, 2), f(3, 2), 1],
        "vecmat": [f(3, 2), i(np.int64, 3, 4), f(4, 2), 1],
        "interpolate": [f(2, 4), f(2, 4), 1],
        "evaluate_coset": [f(2, 3), f(2, 8), 1],
        "narrow_products": [
            *(np.ones((2, 4), np.int64), np.ones((4, 3)), False, np.ones((2, 3), np.int64)),
            1,
        ],
        "subtract_products": [
            np.ones((4, 3), np.int64),
            *(np.ones((2, n), np.int32) for n in (4, 3)),
            1,
            1,
        ],
        "count_lookups": [
            *([np.ones(4, np.int32), None], [0, 0], 4, np.zeros(2, np.int64), np.array([3, 2])),
            *(np.array([0, 1, 2, 0, 1, 2], dtype=np.int32), np.zeros(3, np.int32), 1),
        ],
        "write_transposed": [np.zeros((3, 2), np.int32), np.ones((2, 3), np.int64), 1],
        "encode": [i(np.int32, 2, 4), f(2, 2), f(2, 8), 1],
        "hash_columns": [f(3, 4), rng.octets(4, 32), 0, rng.octets(4, 32), 1],
        "merkle_parents": [rng.octets(4, 32), 1, rng.octets(2, 32), 1],
    }
    return {
        name: (call, [k for k, value in enumerate(call) if isinstance(value, np.ndarray)])
        for name, call in calls.items()
    }


@needs_native
@pytest.mark.parametrize("binding", _bindings())
def test_bindings_never_convert(binding: str) -> None:
    from zkdl import _native

    run = getattr(_native, binding)
    call, positions = _bindings()[binding]
    run(*call)
    for k in positions:
        array = call[k]
        assert isinstance(array, np.ndarray)
        wrong_types = [x for x in _wrong_dtypes(array) if (binding, k, x.dtype.str) not in ALSO_TAKEN]
        bad = [*wrong_types, array[..., None], array[..., :1], array[:0]]
        if not _strided(array).flags.c_contiguous:
            bad.append(_strided(array))
        # A single operand stands for all; weights, columns of a code and bound variables have any length.
        if binding[:2] in ("f_", "k_") or (binding, k) in ANY_LENGTH:
            bad = [x for x in bad if x.shape[:1] not in ((0,), (1,))]
        for wrong in bad:
            with pytest.raises(REFUSED):
                run(*call[:k], wrong, *call[k + 1 :])
    with pytest.raises(REFUSED):
        run(*call[: positions[-1] + 1], 0)


@needs_native
def test_every_binding_is_tested() -> None:
    from zkdl import _native

    public = {name for name in dir(_native) if not name.startswith("_")}
    assert public == set(_bindings())


def test_selection() -> None:
    assert get_backend("numpy").name == "numpy"
    assert get_backend("reference").name == "reference"
    assert get_backend().name == ("native" if is_native_available() else "numpy")
    assert get_backend("numpy", 3).threads == 3
    for name, threads in (("cuda", None), ("", None), ("numpy", 0), (None, -1)):
        with pytest.raises(DeviceError):
            get_backend(name, threads)
