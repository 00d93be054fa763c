"""The emulated device: `native/tests/emulator.cpp` runs the kernels, this module stands for the driver.

Its memory is apart from the host's, fresh memory is full of rubbish, and every allocation has guards on both sides that are
looked at after each launch: a kernel that reads what nobody wrote gives wrong results, one that writes where it must not is
caught.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import weakref
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from zkdl.errors import ResourceError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "native" / "tests" / "emulator.cpp"
GUARD_BYTES = 256
# The emulator has one block at a time, for all devices.
ONE_LAUNCH = Lock()
GUARD, RUBBISH = 0xC3, 0xA5
FAULTS = {
    1: "there is no such kernel",
    2: "the kernel has another number of parameters",
    3: "threads part at a barrier",
}


def compiler() -> str | None:
    """The C++ compiler that builds the emulator, if there is one."""
    return shutil.which("c++") or shutil.which("g++")


@cache
def emulator(folder: Path, source: Path = SOURCE) -> ctypes.CDLL:
    """Build it in a folder and load it."""
    library, command = folder / "emulator.so", compiler()
    assert command is not None
    options = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    include = f"-I{ROOT / 'native' / 'include'}"
    subprocess.run([command, *options, include, "-o", str(library), str(source)], check=True)
    return ctypes.CDLL(str(library))


class EmulatedMemory:
    def __init__(self, device: EmulatedDevice, size: int) -> None:
        self.device, self.size = device, size
        self.whole = np.full(size + 2 * GUARD_BYTES, RUBBISH, dtype=np.uint8)
        self.whole[:GUARD_BYTES] = self.whole[-GUARD_BYTES:] = GUARD
        self.values = self.whole[GUARD_BYTES:-GUARD_BYTES]
        self.address = self.values.ctypes.data

    def __del__(self) -> None:
        self.device.used -= self.size

    def is_intact(self) -> bool:
        return bool((self.whole[:GUARD_BYTES] == GUARD).all() and (self.whole[-GUARD_BYTES:] == GUARD).all())


class EmulatedDevice:
    """See `device.Device`.

    Args:
        order: 1 runs blocks and threads backwards. limit: bytes that can be allocated.

    Attributes:
        launched: how often each kernel ran. written, read: bytes from and to the host. peak: most bytes in use.
    """

    name = "emulated device"

    def __init__(
        self, library: ctypes.CDLL, order: int = 0, limit: int = 1 << 40, block: int = 8, blocks: int = 3
    ) -> None:
        self.library, self.order, self.limit, self.block, self.blocks = library, order, limit, block, blocks
        self.memories: weakref.WeakSet[EmulatedMemory] = weakref.WeakSet()
        self.launched: Counter[str] = Counter()
        self.used = self.peak = self.written = self.read_bytes = 0

    def allocate(self, size: int) -> EmulatedMemory:
        assert size > 0
        if self.used + size > self.limit:
            raise ResourceError("the device has no memory left", code="DEVICE_MEMORY", limit_bytes=self.limit)
        self.used += size
        self.peak = max(self.peak, self.used)
        memory = EmulatedMemory(self, size)
        self.memories.add(memory)
        return memory

    def write(self, memory: EmulatedMemory, offset: int, values: np.ndarray) -> None:
        assert values.flags.c_contiguous
        assert 0 <= offset <= memory.size - values.nbytes
        memory.values[offset : offset + values.nbytes] = values.reshape(-1).view(np.uint8)
        self.written += values.nbytes

    def read(self, memory: EmulatedMemory, offset: int, out: np.ndarray) -> None:
        assert out.flags.c_contiguous
        assert 0 <= offset <= memory.size - out.nbytes
        out.reshape(-1).view(np.uint8)[:] = memory.values[offset : offset + out.nbytes]
        self.read_bytes += out.nbytes

    def copy(self, target: EmulatedMemory, target_offset: int, source: EmulatedMemory, offset: int, size: int) -> None:
        assert 0 <= target_offset <= target.size - size
        assert 0 <= offset <= source.size - size
        target.values[target_offset : target_offset + size] = source.values[offset : offset + size]

    def launch(self, kernel: str, grid: tuple[int, int], block: int, arguments: Sequence[int]) -> None:
        assert 1 <= grid[0] < 2**31
        assert 1 <= grid[1] < 2**16
        assert block in (1, 2, 4, 8, 16, 32, 64, 128, 256)
        assert all(isinstance(a, int) and 0 <= a < 2**64 for a in arguments)
        words: Any = (ctypes.c_uint64 * len(arguments))(*arguments)
        sizes: Any = (ctypes.c_uint32 * 2)(*grid)
        count = ctypes.c_uint64(len(arguments))
        with ONE_LAUNCH:
            found = self.library.zkdl_emulate(kernel.encode(), sizes, ctypes.c_uint32(block), words, count, self.order)
        if found:
            raise AssertionError(f"{kernel}: {FAULTS[found]}")
        self.launched[kernel] += 1
        for memory in list(self.memories):
            if not memory.is_intact():
                raise AssertionError(f"{kernel} wrote outside its arrays")
