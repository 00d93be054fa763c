"""Every kernel, launched as on a GPU with blocks of eight threads, gives the bits of the reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from tests.emulation.emulated_device import ROOT, EmulatedDevice
from tests.kernels.samples import CASES, INTEGERS, BogusRng, small
from tests.kernels.test_streamed import PROGRAMS, program
from zkdl.backend.base import Backend
from zkdl.backend.device import DeviceArray, to_host
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.device_codes import Transforms
from zkdl.backend.select import get_backend, is_native_available

KERNELS = {
    name
    for path in (ROOT / "native" / "include" / "zkdl").glob("*.kernel.h")
    for name in re.findall(r"(?:__global__ void |ZK_BINARY\()(zkdl_\w+)", path.read_text())
    if not name.endswith("_")
} | {f"zkdl_{name}_{kind}" for name in ("f_from_int", "axpy", "matvec", "vecmat") for kind in ("i32", "i64", "u64")}


def on(device: EmulatedDevice, code_bytes: int = 1 << 20) -> DeviceBackend:
    """A backend that keeps even the smallest results on the device."""
    return DeviceBackend(device, get_backend("numpy"), small=0, transforms=Transforms(device, code_bytes))


def placed(device: EmulatedDevice, arguments: tuple[object, ...]) -> list[object]:
    return [DeviceArray.of(device, x) if isinstance(x, np.ndarray) and x.ndim else x for x in arguments]


def assert_same(expected: object, actual: object) -> None:
    parts = [x if isinstance(x, tuple) else (x,) for x in (expected, actual)]
    for left, right in zip(*parts, strict=True):
        found = to_host(right)
        assert found.dtype == left.dtype
        assert found.shape == left.shape
        np.testing.assert_array_equal(found, left)


@pytest.mark.parametrize("kernel", CASES)
def test_agrees_with_the_reference(kernel: str, device: EmulatedDevice) -> None:
    reference = get_backend("numpy" if kernel in ("encode", "evaluate_coset", "interpolate") else "reference")
    for arguments in small(kernel):
        expected = getattr(reference, kernel)(*arguments)
        assert_same(expected, getattr(on(device), kernel)(*placed(device, arguments)))


@pytest.mark.parametrize("bits", [10, 11, 12, 13, 14])
def test_long_transforms(bits: int, device: EmulatedDevice) -> None:
    """Tiles, and one or several steps above them; lengths with an odd and an even number of levels left."""
    rng, numpy, n = BogusRng(bits), get_backend("numpy"), 1 << bits
    rows = rng.field(2, n)
    assert_same(numpy.interpolate(rows), on(device).interpolate(DeviceArray.of(device, rows)))
    assert_same(numpy.evaluate_coset(rows, 2 * n), on(device).evaluate_coset(DeviceArray.of(device, rows), 2 * n))
    values, random = rng.integers(np.int32, 2, n), rng.field(2, 37)
    assert_same(numpy.encode(values, random, 4 * n), on(device).encode(*placed(device, (values, random)), 4 * n))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("rows", [1, 7, 8, 17, 40])
def test_streamed_codes(rows: int, dtype: type, device: EmulatedDevice) -> None:
    """Codes in blocks of eight rows, hashed and read without being kept."""
    rng, numpy, n = BogusRng(rows), get_backend("numpy"), 64
    values, random, salts = rng.integers(dtype, rows, 16), rng.field(rows, 5), rng.octets(n, 32)
    indices = np.array([0, 5, 63, 12], dtype=np.int64)
    backend = on(device, code_bytes=8 * n * 8)
    for arguments in ((values, random), tuple(placed(device, (values, random)))):
        assert_same(numpy.encode_and_hash(values, random, salts), backend.encode_and_hash(*arguments, salts))
        assert_same(numpy.encode_columns(values, random, n, indices), backend.encode_columns(*arguments, n, indices))
    code = numpy.encode(values, random, n)
    assert_same(numpy.read_columns(code, indices), backend.read_columns(DeviceArray.of(device, code), indices))


@pytest.mark.parametrize("shape", PROGRAMS)
def test_leaves(shape: tuple[tuple[int, ...], int, int], device: EmulatedDevice) -> None:
    for level, variables in product(range(4), range(3)):
        rng, reference = BogusRng(level), get_backend("reference")
        made = program(rng, *shape)
        lam, bound, more = rng.field(2), rng.field(variables, 2), rng.field(variables + 1, 2)
        quarter = made.entries(level + variables, 4) // 4
        high, low = rng.field(-(-quarter // 2), 2), rng.field(2, 2)
        backend = on(device)
        assert_same(reference.leaf_table(made, level), backend.leaf_table(made, level))
        assert_same(
            reference.leaf_round(made, level, bound, lam, high, low),
            backend.leaf_round(made, level, bound, lam, high, low),
        )
        assert_same(reference.leaf_bind(made, level, more), backend.leaf_bind(made, level, more))


@pytest.mark.parametrize("size", [0, 1, 9, 100])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_axpy(size: int, dtype: type, device: EmulatedDevice) -> None:
    rng = BogusRng(size)
    out, coefficient, x = rng.field(size, 2), rng.field(2), rng.integers(dtype, size)
    there = DeviceArray.of(device, out)
    on(device).axpy(there, coefficient, x)
    get_backend("reference").axpy(out, coefficient, x)
    assert_same(out, there)


def _hosts() -> list[str]:
    return ["numpy", *(["native"] if is_native_available() else [])]


@pytest.mark.parametrize("shape", [(0, 3, 2), (1, 1, 0), (5, 4, 4), (3, 8, 5), (20, 1, 1)])
def test_running_difference(shape: tuple[int, int, int], device: EmulatedDevice) -> None:
    rows, steps, factors = shape
    rng = BogusRng(rows)
    arguments = rng.field(rows, 2), rng.field(rows, steps, 2), rng.field(factors)
    expected = get_backend("reference").running_difference(*arguments)
    backends: list[Backend] = [get_backend(name) for name in _hosts()]
    for backend in backends:
        assert_same(expected, backend.running_difference(*arguments))
    assert_same(expected, on(device).running_difference(*placed(device, arguments)))


WRONG: dict[str, Callable[[Backend], object]] = {
    "rows": lambda b: b.running_difference(BogusRng(0).field(2, 2), BogusRng(0).field(3, 4, 2), BogusRng(0).field(4)),
    "factors": lambda b: b.running_difference(
        BogusRng(0).field(3, 2), BogusRng(0).field(3, 4, 2), BogusRng(0).field(5)
    ),
    "axes": lambda b: b.running_difference(BogusRng(0).field(3, 2), BogusRng(0).field(3, 2), BogusRng(0).field(1)),
    "column": lambda b: b.read_columns(BogusRng(0).field(3, 4), np.array([4], dtype=np.int64)),
    "code": lambda b: b.read_columns(BogusRng(0).field(3), np.array([0], dtype=np.int64)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_alike(name: str, device: EmulatedDevice) -> None:
    for backend in (get_backend("reference"), *(get_backend(host) for host in _hosts()), on(device)):
        with pytest.raises((TypeError, ValueError)):
            WRONG[name](backend)


def test_every_kernel_was_launched(device: EmulatedDevice) -> None:
    """The tests of this module cover every `__global__` function of the headers."""
    for kernel in CASES:
        test_agrees_with_the_reference(kernel, device)
    for bits in (12, 13):
        test_long_transforms(bits, device)
    for dtype in INTEGERS:
        test_axpy(9, dtype, device)
    test_streamed_codes(17, np.int32, device)
    test_leaves(PROGRAMS[1], device)
    test_running_difference((5, 4, 4), device)
    rows = DeviceArray.of(device, BogusRng(0).field(5, 3))
    assert_same(rows.to_host()[[4, 0]], rows[np.array([4, 0])])
    test_eq_table_on_the_device(device)
    assert KERNELS - set(device.launched) == set()


def test_eq_table_on_the_device(device: EmulatedDevice) -> None:
    for variables in range(2, 8):
        point = BogusRng(variables).field(variables, 2)
        backend = DeviceBackend(device, get_backend("numpy"), small=2)
        found = backend.eq_table(point)
        assert isinstance(found, DeviceArray)
        assert_same(get_backend("reference").eq_table(point), found)
