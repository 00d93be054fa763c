"""Where the large arrays of a proof are: in memory, or on disk when a memory plan says so.

Arrays on disk are shared mappings of files without a name: nobody can open them, and the kernel frees them when the last
array goes away, also when the process is killed. Their blocks are reserved before use, so a full disk is an error here
and not a fault in the middle of a kernel. Kernels take them like any other array. A mapped page counts as the
process's memory until it is given back, so a thread gives all of them back whenever they exceed a window; their content
stays in the page cache or on disk.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zkdl.errors import ResourceError, UsageError

# Codes up to this size are kept in memory until they are opened. On a virtual machine fresh memory costs more than encoding a
# large code once again.
KEPT_CODE_BYTES = 1 << 29
SMALL_TABLE_BYTES = 8 << 20
WATCH_SECONDS = 0.005
STATM = Path("/proc/self/statm")

Tables = Callable[[int], NDArray[np.uint64]]


def empty_table(entries: int) -> NDArray[np.uint64]:
    """(entries, 2) uint64 in memory, not filled."""
    return np.empty((entries, 2), dtype=np.uint64)


class Shelf:
    """Many small arrays beside each other in one table; where tables are in memory the arrays stay where they are.

    Args:
        entries: of all arrays together.
    """

    def __init__(self, tables: Tables, entries: int) -> None:
        self._table = None if tables is empty_table else tables(entries)
        self._used = 0

    def put(self, array: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The same (n, 2) values, on the shelf."""
        if self._table is None or not isinstance(array, np.ndarray):
            return array
        place = self._table[self._used : self._used + len(array)]
        place[:] = array
        self._used += len(array)
        return place


def _mapped_bytes() -> int:
    """Resident bytes of this process that belong to mapped files; 0 where the system does not tell."""
    try:
        return int(STATM.read_bytes().split()[2]) * mmap.PAGESIZE
    except OSError:
        return 0


def _reserve(file: int, size: int) -> None:
    """Give a file `size` bytes of zeros that are really there: a hole would be a fatal signal when the disk is full."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    zeros = memoryview(bytes(min(size, 1 << 20)))
    while size > 0:
        size -= os.write(file, zeros[:size])


def _no_space(folder: Path, needed: int) -> ResourceError:
    return ResourceError(
        f"{needed / 2**30:.2f} GiB of disk are needed for what does not fit into memory",
        code="DISK_FULL",
        hint="Free space, choose another place with --scratch, or raise --max-memory",
        file=str(folder),
    )


class Scratch:
    """Arrays in nameless files of one folder.

    Args:
        folder: on a disk; files in it belong to this process alone (mode 0600) and have no name there, or for a moment only
            where the system has no nameless files.
        window: bytes of mapped pages that may stay resident. small: tables up to so many bytes stay in memory.
    """

    def __init__(self, folder: Path, window: int, small: int = SMALL_TABLE_BYTES) -> None:
        self.folder = folder
        self.window = window
        self.small = small
        self._maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
        self._lock = threading.Lock()

    def check(self, needed: int) -> None:
        """Raises ResourceError(DISK_FULL) unless `needed` bytes are free, UsageError(FILE_WRITE) without the folder."""
        with self._errors(needed):
            if shutil.disk_usage(self.folder).free < needed:
                raise _no_space(self.folder, needed)
            tempfile.TemporaryFile(dir=self.folder).close()

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros. Raises: ResourceError(DISK_FULL), UsageError(FILE_WRITE)."""
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        if size == 0:
            return np.zeros(shape, dtype=kind)
        with self._errors(size), tempfile.TemporaryFile(dir=self.folder) as file:
            _reserve(file.fileno(), size)
            mapping = mmap.mmap(file.fileno(), size)
        with self._lock:
            self._maps.add(mapping)
        return np.frombuffer(mapping, dtype=kind).reshape(shape)

    def table(self, entries: int) -> NDArray[np.uint64]:
        """As `empty_table`; on disk unless it is small."""
        return empty_table(entries) if 16 * entries <= self.small else self.zeros((entries, 2), np.uint64)

    @contextmanager
    def _errors(self, needed: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise _no_space(self.folder, needed) from error
            raise UsageError("the file cannot be written", code="FILE_WRITE", file=str(self.folder)) from error

    def _alive(self) -> list[mmap.mmap]:
        with self._lock:
            return list(self._maps)

    @property
    def used_bytes(self) -> int:
        """Of all arrays that are alive."""
        return sum(len(mapping) for mapping in self._alive())

    def give_back(self) -> None:
        """Drop all pages from the process; what they hold stays in their files."""
        for mapping in self._alive():
            mapping.madvise(mmap.MADV_DONTNEED)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Keep the resident pages within the window, more or less: kernels may touch some before the thread's next look."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(WATCH_SECONDS):
                if _mapped_bytes() > self.window:
                    self.give_back()

        thread = threading.Thread(target=watch, name="zkdl-scratch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@dataclass(frozen=True)
class Storage:
    """Where a proof's arrays go.

    Attributes:
        scratch: None keeps everything in memory. columns, tables: whether the columns of a witness and the large tables of
            a fraction tree are in it.
        kept_code_bytes: codes up to this size are kept until they are opened, larger ones encoded again.
    """

    scratch: Scratch | None = None
    columns: bool = False
    tables: bool = False
    kept_code_bytes: int = KEPT_CODE_BYTES

    def column(self, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Zeros."""
        if self.scratch is not None and self.columns:
            return self.scratch.zeros(shape, np.int32)
        # Filled here, in one pass over fresh pages: steps write a few bytes in each of thousands of pages.
        return np.full(shape, 0, dtype=np.int32)

    @property
    def table(self) -> Tables:
        return self.scratch.table if self.scratch is not None and self.tables else empty_table


IN_MEMORY = Storage()
