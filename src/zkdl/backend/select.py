"""Which backend runs: the native extension when it was built, else numpy; the reference only on request.

A prover may use a GPU as well: `get_prover_backend`. Verifiers never do.
"""

from __future__ import annotations

import importlib.util
import logging
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


AUTO, CPU, CUDA = "auto", "cpu", "cuda"


def get_prover_backend(
    device: str = AUTO, name: str | None = None, threads: int | None = None, device_memory: int | None = None
) -> Backend:
    """The backend of a prover.

    Args:
        device: "cpu"; "cuda" or "cuda:1", that GPU; "auto", the first GPU if it can be used.
        name, threads: of the backend on the host, as of `get_backend`.
        device_memory: bytes of a GPU that may be used; None for most of what is free.
    Raises:
        DeviceError: as `get_backend`; a device of another name, or a GPU that cannot be used.
    """
    host = get_backend(name, threads)
    kind, _, number = device.partition(":")
    if device not in (AUTO, CPU, CUDA) and not (kind == CUDA and number.isdecimal() and len(number) < 4):
        raise DeviceError(
            f"there is no device named {device!r}",
            code="DEVICE_UNKNOWN",
            hint="Choose auto, cpu, cuda, or cuda:N for the GPU with number N",
        )
    if device == CPU or (device == AUTO and importlib.util.find_spec("cupy") is None):
        return host
    from zkdl.backend.cupy_device import CupyDevice
    from zkdl.backend.device_backend import DeviceBackend

    try:
        return DeviceBackend(CupyDevice(int(number or 0), device_memory), host)
    except DeviceError as error:
        if device != AUTO:
            raise
        logging.getLogger("zkdl").warning("no GPU is used: %s", error)
        return host


def describe(backend: Backend) -> str:
    """One line about what was chosen."""
    threads = f"{backend.threads} thread{'s' if backend.threads != 1 else ''}"
    device = getattr(backend, "device", None)
    return f"cpu, {backend.name} backend, {threads}" if device is None else f"{device.name}, and {threads} of the cpu"


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
