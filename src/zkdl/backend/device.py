"""Arrays in the memory of a device, and what a backend asks of that device.

A `DeviceArray` is C-contiguous and knows its shape and dtype. It offers what protocols do with large tables: length, leading
slices, reshaping, rows by index, concatenation. Numpy never sees its values: `to_host` copies them, and only that does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

Shape = tuple[int, ...]


class Memory(Protocol):
    """Bytes on a device; freed when nothing refers to it.

    Attributes: address is where they start, in the device's address space.
    """

    @property
    def address(self) -> int: ...


class Device(Protocol):
    """Attributes:
    name: in messages.
    block: threads of a block, a power of two up to 256. blocks: most blocks of a launch whose threads loop over a table.
    """

    name: str
    block: int
    blocks: int

    def allocate(self, size: int) -> Memory:
        """`size` > 0 bytes of any content. Raises ResourceError(DEVICE_MEMORY)."""
        ...

    def write(self, memory: Memory, offset: int, values: NDArray[Any]) -> None:
        """Copy a C-contiguous array to the device."""
        ...

    def read(self, memory: Memory, offset: int, out: NDArray[Any]) -> None:
        """Copy from the device into a C-contiguous array; waits for all that was launched."""
        ...

    def copy(self, target: Memory, target_offset: int, source: Memory, offset: int, size: int) -> None:
        """Copy on the device; the places do not overlap."""
        ...

    def launch(self, kernel: str, grid: tuple[int, int], block: int, arguments: Sequence[int]) -> None:
        """Start a kernel of `native/include/zkdl`; every argument is an address or an integer below 2^64."""
        ...


class DeviceArray:
    """See the module. Iterating gives leading entries; `array[i]` and `array[i:j]` are views."""

    def __init__(self, device: Device, memory: Memory, offset: int, shape: Shape, dtype: DTypeLike) -> None:
        self.device, self.memory, self.offset = device, memory, offset
        self.shape, self.dtype = shape, np.dtype(dtype)

    @classmethod
    def empty(cls, device: Device, shape: Shape, dtype: DTypeLike = np.uint64) -> DeviceArray:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        return cls(device, device.allocate(max(size, 8)), 0, shape, dtype)

    @classmethod
    def of(cls, device: Device, values: NDArray[Any]) -> DeviceArray:
        """A copy of a host array."""
        out = cls.empty(device, values.shape, values.dtype)
        if values.size:
            device.write(out.memory, 0, np.ascontiguousarray(values))
        return out

    @property
    def address(self) -> int:
        return self.memory.address + self.offset

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
        raise TypeError("an array of a device is copied to the host by to_host, never silently")

    def __array_function__(self, function: Callable[..., Any], _: Any, arguments: Any, keywords: Any) -> Any:
        if function is not np.concatenate or keywords:
            return NotImplemented
        return concatenate(self.device, arguments[0])

    def reshape(self, *shape: int) -> DeviceArray:
        """A view; one length may be -1."""
        wanted = list(shape)
        if -1 in wanted:
            others = -int(np.prod(wanted, dtype=np.int64))
            wanted[wanted.index(-1)] = self.size // others if others else 0
        if int(np.prod(wanted, dtype=np.int64)) != self.size:
            raise ValueError(f"an array of shape {self.shape} has no shape {shape}")
        return DeviceArray(self.device, self.memory, self.offset, tuple(wanted), self.dtype)

    def _from(self, first: int, shape: Shape) -> DeviceArray:
        stride = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        return DeviceArray(self.device, self.memory, self.offset + first * stride, shape, self.dtype)

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> DeviceArray:
        if isinstance(index, slice):
            first, last, step = index.indices(len(self))
            if step != 1:
                raise TypeError("a slice of a device's array has step 1")
            return self._from(first, (max(last - first, 0), *self.shape[1:]))
        if isinstance(index, np.ndarray):
            return self._rows(index)
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(f"there is no entry {index} of {len(self)}")
        return self._from(place, self.shape[1:])

    def __iter__(self) -> Iterator[DeviceArray]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: slice, values: NDArray[Any] | DeviceArray) -> None:
        target = self[index]
        if target.shape != values.shape or target.dtype != values.dtype:
            raise ValueError(f"{values.dtype}{values.shape} does not fit {target.dtype}{target.shape}")
        _put(target, values)

    def _rows(self, indices: NDArray[np.int64]) -> DeviceArray:
        words, odd = divmod(int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize, 8)
        if odd or (indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < len(self)):
            raise IndexError("rows are of whole words, and indices of rows that exist")
        out = DeviceArray.empty(self.device, (len(indices), *self.shape[1:]), self.dtype)
        if out.size:
            where = DeviceArray.of(self.device, np.ascontiguousarray(indices, dtype=np.int64))
            count = len(indices) * words
            launch(self.device, "zkdl_gather_rows", count, self, words, where, out, count)
        return out

    def to_host(self) -> NDArray[Any]:
        """A copy of the values."""
        out = np.empty(self.shape, dtype=self.dtype)
        if out.size:
            self.device.read(self.memory, self.offset, out)
        return out


def launch(device: Device, kernel: str, threads: int, *arguments: DeviceArray | int) -> None:
    """One thread per element; nothing for no elements."""
    if threads:
        run(device, kernel, (-(-threads // device.block), 1), device.block, *arguments)


def run(device: Device, kernel: str, grid: tuple[int, int], block: int, *arguments: DeviceArray | int) -> None:
    """A launch with a grid of its own."""
    device.launch(kernel, grid, block, [a.address if isinstance(a, DeviceArray) else a for a in arguments])


def _put(target: DeviceArray, values: NDArray[Any] | DeviceArray) -> None:
    if not target.size:
        return
    if isinstance(values, DeviceArray):
        target.device.copy(target.memory, target.offset, values.memory, values.offset, target.nbytes)
    else:
        target.device.write(target.memory, target.offset, np.ascontiguousarray(values))


def concatenate(device: Device, parts: Sequence[NDArray[Any] | DeviceArray]) -> DeviceArray:
    """Along the leading axis, of arrays here and there, of one dtype."""
    first = parts[0]
    if any(part.dtype != first.dtype or part.shape[1:] != first.shape[1:] for part in parts):
        raise ValueError("only arrays of one dtype and one row shape can be joined")
    out = DeviceArray.empty(device, (sum(len(part) for part in parts), *first.shape[1:]), first.dtype)
    place = 0
    for part in parts:
        _put(out[place : place + len(part)], part)
        place += len(part)
    return out


def to_host(values: NDArray[Any]) -> NDArray[Any]:
    """The values as a numpy array, which they are already unless a device holds them."""
    return cast(DeviceArray, values).to_host() if isinstance(values, DeviceArray) else values
