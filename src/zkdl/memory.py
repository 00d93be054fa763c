"""Keep freed memory in the process.

A proof frees and allocates tables of hundreds of megabytes many times. The C library gives such blocks back to the system at
once, and the next table pays for fresh pages again: on virtual machines several nanoseconds per byte, more than the
arithmetic on it (benchmarks/NOTES.md has the figures).
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# Parameters of mallopt in the GNU C library.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_MOST = 2**31 - 1


@cache
def keep_freed_memory() -> bool:
    """From now on, freed blocks stay with the process and are used again. True when the C library could be told.

    It concerns the whole process, takes no memory by itself, and lasts until the process ends.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _MOST))
