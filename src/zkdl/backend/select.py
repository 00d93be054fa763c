"""Which backend runs: the native extension when it was built, else numpy; the reference only on request."""

from __future__ import annotations

import importlib.util
import os

from zkdl.backend.base import Backend
from zkdl.errors import DeviceError

NAMES = ("native", "numpy", "reference")


def is_native_available() -> bool:
    """Whether this installation has the compiled extension."""
    return importlib.util.find_spec("zkdl._native") is not None


def get_backend(name: str | None = None, threads: int | None = None) -> Backend:
    """The backend of that name, or the fastest one available when name is None.

    Args:
        name: None, "native", "numpy" or "reference".
        threads: worker threads of the native backend, at least 1; None means all processors. Results do not
            depend on it.
    Raises:
        DeviceError: unknown name, a backend that this installation lacks, or threads < 1.
    """
    if threads is not None and threads < 1:
        raise DeviceError("the number of threads must be at least 1", code="DEVICE_THREADS", threads=threads)
    count = threads if threads is not None else os.cpu_count() or 1
    chosen = name if name is not None else ("native" if is_native_available() else "numpy")
    if chosen == "native":
        return _native(count)
    if chosen == "numpy":
        from zkdl.backend.numpy_backend import NumpyBackend

        return NumpyBackend(count)
    if chosen == "reference":
        from zkdl.backend.reference import ReferenceBackend

        return ReferenceBackend(threads=count)
    raise DeviceError(
        f"there is no backend named {chosen!r}",
        code="DEVICE_UNKNOWN",
        hint=f"Choose one of {', '.join(NAMES)}.",
    )


def _native(threads: int) -> Backend:
    try:
        from zkdl.backend.native import NativeBackend
    except ImportError as error:
        raise DeviceError(
            "this installation has no compiled kernels",
            code="DEVICE_NATIVE",
            hint="Install zkdl where a C++ compiler works, or use the numpy backend.",
        ) from error
    return NativeBackend(threads)
