"""The device of CuPy against a module that stands for CuPy: what is asked of it, and what its failures become.

The stand-in runs the emulator, so the arguments that a GPU would get are those that compute the right bits here.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.emulation.emulated_device import EmulatedDevice, EmulatedMemory
from zkdl.backend import cupy_device, kernel_source
from zkdl.backend.cupy_device import CupyDevice
from zkdl.backend.device import DeviceArray
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.select import describe, get_backend, get_prover_backend
from zkdl.errors import DeviceError, ResourceError, ZkError


class CUDARuntimeError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class NullStream:
    ptr = 0

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class StandIn(ModuleType):
    """What `cupy_device` uses of CuPy 14."""

    def __init__(self, library: ctypes.CDLL, devices: int = 1) -> None:
        super().__init__("cupy")
        self.emulated = EmulatedDevice(library)
        self.devices, self.used, self.compiled, self.fail = devices, [], 0, ""
        self.memories: dict[int, EmulatedMemory] = {}
        runtime = SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            getDeviceCount=self._count,
            getDevice=lambda: self.current,
            setDevice=self._set_device,
            getDeviceProperties=lambda index: {"name": b"Stand-in", "multiProcessorCount": 2},
            memGetInfo=lambda: (1 << 20, 1 << 21),
            memcpy=self._memcpy,
            memcpyAsync=lambda to, place, size, kind, stream: self._memcpy(to, place, size, kind),
        )
        self.cuda = SimpleNamespace(
            runtime=runtime,
            driver=SimpleNamespace(CUDADriverError=type("CUDADriverError", (RuntimeError,), {})),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            MemoryPool=lambda: self,
            Stream=SimpleNamespace(null=NullStream()),
        )
        self.limit, self.current = 0, -1

    def _count(self) -> int:
        if self.fail == "driver":
            raise CUDARuntimeError("cudaErrorInsufficientDriver")
        return self.devices

    def _set_device(self, index: int) -> None:
        self.current = index
        self.used.append(index)

    def _memcpy(self, to: int, place: int, size: int, kind: int) -> None:
        if self.fail == "copy":
            raise CUDARuntimeError("cudaErrorIllegalAddress")
        assert kind in (1, 2, 3)
        ctypes.memmove(to, place, size)

    # The memory pool.

    def set_limit(self, size: int) -> None:
        self.limit = size

    def malloc(self, size: int) -> Any:
        if self.emulated.used + size > self.limit:
            raise OutOfMemoryError(f"Out of memory allocating {size} bytes")
        memory = self.emulated.allocate(size)
        return SimpleNamespace(ptr=memory.address, keeps=memory)

    def used_bytes(self) -> int:
        return self.emulated.used

    total_bytes = used_bytes

    # The kernels.

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:  # noqa: N802 - the name in CuPy
        assert code.count("__global__") > 30
        assert '#include "' not in code
        assert options == cupy_device.OPTIONS

        def compile_() -> None:
            if self.fail == "nvrtc":
                raise RuntimeError("CuPy failed to load libnvrtc.so.12")
            self.compiled += 1

        def get_function(name: str) -> Callable[..., None]:
            def launch(grid: tuple[int, int, int], block: tuple[int, int, int], words: tuple[np.uint64, ...]) -> None:
                if self.fail == "launch":
                    raise CUDARuntimeError("cudaErrorLaunchFailure")
                assert all(type(word) is np.uint64 for word in words)
                assert grid[2] == block[1] == block[2] == 1
                self.emulated.launch(name, grid[:2], block[0], [int(word) for word in words])

            return launch

        return SimpleNamespace(compile=compile_, get_function=get_function)


@pytest.fixture
def cupy(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn(library)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(ZkError) as caught:
        work()
    assert caught.value.exit_status == (5 if isinstance(caught.value, ResourceError) else 6)
    assert caught.value.hint
    return caught.value.code


def test_kernels_through_cupy(cupy: StandIn) -> None:
    backend = get_prover_backend("cuda:0")
    assert isinstance(backend, DeviceBackend)
    assert describe(backend).startswith("cuda:0, Stand-in, and ")
    rng = np.random.default_rng(1)
    rows, random = rng.integers(-9, 9, (16, 4096)), rng.integers(0, 2**60, (16, 40), dtype=np.uint64)
    salts = np.zeros((8192, 32), dtype=np.uint8)
    cupy.limit = 1 << 30
    backend.device.limit = cupy.limit  # type: ignore[attr-defined]  # of the CuPy device
    found = backend.encode_and_hash(rows, random, salts)
    assert isinstance(found, DeviceArray)
    np.testing.assert_array_equal(found.to_host(), get_backend().encode_and_hash(rows, random, salts))
    assert cupy.compiled == 1
    assert cupy.emulated.launched["zkdl_hash_columns"] >= 1
    assert backend.device.used_bytes > 0  # type: ignore[attr-defined]  # of the CuPy device
    assert set(cupy.used) == {0}


def test_arrays_move(cupy: StandIn) -> None:
    device = CupyDevice(0, limit=1 << 16)
    there = DeviceArray.of(device, np.arange(12, dtype=np.uint64).reshape(6, 2))
    there[0:2] = there[4:6]
    assert there.to_host().tolist() == [[8, 9], [10, 11], [4, 5], [6, 7], [8, 9], [10, 11]]


def test_memory_has_a_hard_limit(cupy: StandIn) -> None:
    device = CupyDevice(0, limit=1 << 10)
    assert cupy.limit == 1 << 10
    kept = DeviceArray.empty(device, (64, 1))
    assert code_of(lambda: DeviceArray.empty(device, (65, 1))) == "DEVICE_MEMORY"
    del kept
    DeviceArray.empty(device, (65, 1))
    assert CupyDevice(0).limit == int(0.9 * (1 << 20))


@pytest.mark.parametrize(
    ("fail", "code"),
    [("driver", "DEVICE_ABSENT"), ("nvrtc", "DEVICE_KERNELS"), ("copy", "DEVICE_FAILED"), ("launch", "DEVICE_FAILED")],
)
def test_failures_have_codes(fail: str, code: str, cupy: StandIn) -> None:
    def work() -> None:
        device = CupyDevice(0)
        there = DeviceArray.of(device, np.arange(4, dtype=np.uint64))
        there[np.array([1, 0])].to_host()

    work()
    cupy.fail = fail
    assert code_of(work) == code


def test_wrong_devices(cupy: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_of(lambda: CupyDevice(1)) == "DEVICE_INDEX"
    assert code_of(lambda: get_prover_backend("cuda:7")) == "DEVICE_INDEX"
    for name in ("gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:12345", ""):
        assert code_of(lambda name=name: get_prover_backend(name)) == "DEVICE_UNKNOWN"  # type: ignore[misc]  # bound now
    cupy.devices = 0
    assert code_of(lambda: CupyDevice(0)) == "DEVICE_ABSENT"
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert code_of(lambda: get_prover_backend("cuda")) == "DEVICE_CUPY"


def test_auto_takes_a_gpu_if_there_is_one(cupy: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert get_prover_backend("auto").name == "cuda"
    assert get_prover_backend("cpu").name != "cuda"
    for fail in ("driver", "nvrtc"):
        cupy.fail = fail
        assert get_prover_backend("auto").name != "cuda"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert get_prover_backend("auto").name == "numpy"


def test_an_installation_without_sources(cupy: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "_kernels" / "zkdl").mkdir(parents=True)
    monkeypatch.setattr(kernel_source, "files", lambda package: tmp_path)
    assert code_of(lambda: CupyDevice(0)) == "DEVICE_SOURCE"
    monkeypatch.setattr(kernel_source, "files", lambda package: tmp_path / "absent")
    assert code_of(lambda: CupyDevice(0)) == "DEVICE_SOURCE"


def test_a_real_cupy_without_a_gpu_says_so() -> None:
    """Where CuPy is installed and finds no driver; elsewhere the stand-in speaks for it."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        count = 0
    if count:
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceError) as caught:
        CupyDevice(0)
    assert caught.value.code == "DEVICE_ABSENT"


def test_the_names_that_are_used_exist_in_cupy() -> None:
    """The stand-in has no name that CuPy lacks."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    cuda = cupy.cuda
    for place, names in (
        (
            cuda.runtime,
            (
                "memcpy",
                "memcpyAsync",
                "memGetInfo",
                "getDeviceProperties",
                "getDeviceCount",
                "getDevice",
                "setDevice",
                "CUDARuntimeError",
            ),
        ),
        (cuda, ("MemoryPool", "Stream")),
        (cuda.Stream, ("null",)),
        (cuda.driver, ("CUDADriverError",)),
        (cuda.memory, ("OutOfMemoryError",)),
        (cuda.MemoryPool, ("malloc", "set_limit", "used_bytes", "total_bytes")),
        (cupy.RawModule, ("compile", "get_function")),
    ):
        for name in names:
            assert hasattr(place, name), f"{place} {name}"
