"""One NVIDIA GPU through CuPy: memory with a hard limit, and the kernels, compiled by NVRTC at first use.

CuPy keeps compiled kernels in a folder of the user's (`CUPY_CACHE_DIR`), named after the source, the options and the GPU's
architecture, so a second process does not compile. Everything happens in the order of the device's default stream; only
`read` waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.device import Memory
from zkdl.backend.kernel_source import kernel_source
from zkdl.errors import DeviceError, ResourceError

# CuPy itself makes functions without a mark functions of the device.
OPTIONS = ("-std=c++17",)
BLOCK, BLOCKS_PER_PROCESSOR = 256, 8
FREE_SHARE = 0.9
TO_DEVICE, TO_HOST, ON_DEVICE = 1, 2, 3  # cudaMemcpyKind


def _cupy() -> Any:
    """The module. Raises: DeviceError(DEVICE_CUPY)."""
    try:
        return import_module("cupy")
    except Exception as error:  # of CuPy that is not there, or that does not load
        raise DeviceError(
            "proving on a GPU needs CuPy, which cannot be loaded",
            code="DEVICE_CUPY",
            hint="Install zkdl[cuda12] or zkdl[cuda13], as the driver says, or use --device cpu",
            reason=str(error),
        ) from error


def count_devices() -> int:
    """GPUs that CuPy can use. Raises: DeviceError(DEVICE_CUPY, DEVICE_ABSENT)."""
    cupy = _cupy()
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:  # of the driver, from several modules of CuPy
        raise _absent(str(error)) from error
    if count == 0:
        raise _absent("the driver shows no GPU")
    return count


def _absent(reason: str) -> DeviceError:
    return DeviceError(
        "there is no GPU that CUDA can use",
        code="DEVICE_ABSENT",
        hint="Look at nvidia-smi, install a newer driver, or use --device cpu",
        reason=reason,
    )


class CupyMemory:
    """Bytes of the pool; they go back to it when nothing refers to this."""

    def __init__(self, pointer: Any) -> None:
        self._pointer = pointer
        self.address = int(pointer.ptr)


class CupyDevice:
    """See `device.Device`.

    Args:
        index: of the GPU. limit: bytes that may be allocated; None for most of what is free now.
    Raises: DeviceError(DEVICE_CUPY, DEVICE_ABSENT, DEVICE_INDEX, DEVICE_KERNELS).
    """

    block = BLOCK

    def __init__(self, index: int = 0, limit: int | None = None) -> None:
        self._cupy, count = _cupy(), count_devices()
        if not 0 <= index < count:
            raise DeviceError(
                f"there is no GPU number {index}",
                code="DEVICE_INDEX",
                hint=f"Choose one of {', '.join(str(i) for i in range(count))}",
            )
        self.index = index
        runtime = self._runtime = self._cupy.cuda.runtime
        with self._used("start"):
            properties = runtime.getDeviceProperties(index)
            free, _ = runtime.memGetInfo()
            self.name = f"cuda:{index}, {properties['name'].decode()}"
            self.blocks = BLOCKS_PER_PROCESSOR * int(properties["multiProcessorCount"])
            # CuPy takes 0 for no limit.
            self.limit = max(1, int(FREE_SHARE * free) if limit is None else limit)
            self._pool = self._cupy.cuda.MemoryPool()
            self._pool.set_limit(size=self.limit)
        self._module = self._compiled()
        self._kernels: dict[str, Any] = {}

    def _compiled(self) -> Any:
        """Raises: DeviceError(DEVICE_KERNELS)."""
        source = kernel_source()
        try:
            with self._used("compile"):
                module = self._cupy.RawModule(code=source, options=OPTIONS)
                module.compile()
        except Exception as error:  # of NVRTC, of its library that is missing, of the loader
            raise DeviceError(
                "the kernels cannot be compiled for this GPU",
                code="DEVICE_KERNELS",
                hint="CuPy needs NVRTC of its own CUDA version: install cupy-cuda12x[ctk] or cupy-cuda13x[ctk]",
                device=self.name,
                reason=str(error),
            ) from error
        return module

    @contextmanager
    def _used(self, work: str) -> Iterator[None]:
        """This GPU and its default stream are the thread's inside. Raises: DeviceError(DEVICE_FAILED).

        The GPU stays current: going back to number 0 would begin a context there.
        """
        cuda = self._cupy.cuda
        try:
            if cuda.runtime.getDevice() != self.index:
                cuda.runtime.setDevice(self.index)
            with cuda.Stream.null:
                yield
        except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError) as error:
            raise DeviceError(
                "the GPU reported an error",
                code="DEVICE_FAILED",
                hint="Finished segments are kept: run the command again, with --device cpu if it fails again",
                device=self.index,
                work=work,
                reason=str(error),
            ) from error

    def allocate(self, size: int) -> CupyMemory:
        with self._used("allocate"):
            try:
                return CupyMemory(self._pool.malloc(size))
            except self._cupy.cuda.memory.OutOfMemoryError as error:
                raise ResourceError(
                    f"{size / 2**20:.0f} MiB more do not fit into the GPU's memory",
                    code="DEVICE_MEMORY",
                    hint="Use --device cpu, or a GPU with more memory",
                    device=self.name,
                    used_bytes=int(self._pool.used_bytes()),
                    limit_bytes=self.limit,
                ) from error

    @property
    def used_bytes(self) -> int:
        """In arrays now."""
        with self._used("count"):
            return int(self._pool.used_bytes())

    @property
    def held_bytes(self) -> int:
        """In the pool: the most that was ever in use, and what lies between."""
        with self._used("count"):
            return int(self._pool.total_bytes())

    def write(self, memory: Memory, offset: int, values: NDArray[Any]) -> None:
        with self._used("write"):
            self._runtime.memcpy(memory.address + offset, values.ctypes.data, values.nbytes, TO_DEVICE)

    def read(self, memory: Memory, offset: int, out: NDArray[Any]) -> None:
        with self._used("read"):
            self._runtime.memcpy(out.ctypes.data, memory.address + offset, out.nbytes, TO_HOST)

    def copy(self, target: Memory, target_offset: int, source: Memory, offset: int, size: int) -> None:
        to, place = target.address + target_offset, source.address + offset
        with self._used("copy"):
            self._runtime.memcpyAsync(to, place, size, ON_DEVICE, self._cupy.cuda.Stream.null.ptr)

    def launch(self, kernel: str, grid: tuple[int, int], block: int, arguments: Sequence[int]) -> None:
        with self._used(kernel):
            if kernel not in self._kernels:
                self._kernels[kernel] = self._module.get_function(kernel)
            words = tuple(np.uint64(argument) for argument in arguments)
            self._kernels[kernel]((*grid, 1), (block, 1, 1), words)
