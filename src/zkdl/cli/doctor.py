"""`zkdl doctor`: versions, backends and a known-answer test."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import click
import numpy as np

from zkdl import __version__
from zkdl.backend.base import Backend
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.select import AUTO, CPU, CUDA, describe, get_backend, get_prover_backend, is_native_available
from zkdl.backend.self_test import check_device
from zkdl.cli.output import Output, verb
from zkdl.errors import DeviceError, Rejected
from zkdl.proof.verify import verify

# SHA-256 tree over the encoding of a fixed matrix: every backend must give these bytes.
KNOWN_ROWS, KNOWN_ROW, KNOWN_DOMAIN = 3, 8, 32


def _fingerprint(backend: Backend) -> str:
    """Encode and hash a fixed matrix."""
    rows = (np.arange(KNOWN_ROWS * KNOWN_ROW, dtype=np.int64) * 7919 - 50000).reshape(KNOWN_ROWS, KNOWN_ROW)
    random = (np.arange(KNOWN_ROWS * 4, dtype=np.uint64) * np.uint64(1 << 40)).reshape(KNOWN_ROWS, 4)
    salts = np.zeros((KNOWN_DOMAIN, 32), dtype=np.uint8)
    nodes = backend.hash_columns(backend.encode(rows, random, KNOWN_DOMAIN), salts)
    level = 1
    while len(nodes) > 1:
        nodes = backend.merkle_parents(nodes, level)
        level += 1
    return nodes.tobytes().hex()


def _round_trip(device: str) -> None:
    """Train, prove on the device and verify four steps on the bundled digits."""
    from zkdl.api import MLP, FeatureRule, Run
    from zkdl.datasets import digits

    x, y, _, _ = digits()
    with tempfile.TemporaryDirectory(prefix="zkdl-doctor-") as folder:
        run = Run(MLP([64, 16, 10]), batch=8, features=FeatureRule(5, 4), segment_steps=4, device=device)
        run.fit(x[:200], y[:200], steps=4)
        verify(run.prove(Path(folder) / "doctor.zkproof"))


def _gpu(device: str) -> tuple[str, DeviceBackend | None]:
    """What is said about the GPU, and its backend. Raises DeviceError when a GPU was asked for."""
    if device == CPU:
        return "not asked for", None
    try:
        backend = get_prover_backend(CUDA if device == AUTO else device)
    except DeviceError as error:
        if device != AUTO:
            raise
        return f"none ({error.code})", None
    return describe(backend), backend if isinstance(backend, DeviceBackend) else None


@click.command("doctor")
@click.option("--device", default=AUTO, help="auto, cpu, cuda or cuda:N: the GPU to test.")
@verb("doctor")
def command(output: Output, device: str) -> None:
    """Check this installation."""
    gpu, on_gpu = _gpu(device)
    names = ["reference", "numpy", *(["native"] if is_native_available() else [])]
    found = {name: _fingerprint(get_backend(name)) for name in names}
    if len(set(found.values())) != 1:
        raise DeviceError("the backends disagree on a known answer", code="KNOWN_ANSWER", **found)
    if on_gpu is not None:
        names.append(on_gpu.name)
        output.say("every kernel of the GPU against the processor")
        check_device(on_gpu)
    output.say("training, proving and verifying four steps")
    try:
        _round_trip(CPU if on_gpu is None else device)
    except Rejected as error:
        raise DeviceError("this machine's own proof was rejected", code="KNOWN_ANSWER", reason=str(error)) from error
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    rows = {
        "zkdl": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {memory / 2**30:.1f} GiB",
        "backends": ", ".join(names),
        "default backend": get_backend().name,
        "gpu": gpu,
        "known answer": "equal on all backends",
        "round trip": "proven and verified",
    }
    if "native" not in names:
        rows["note"] = "no compiled kernels: install a C++ compiler and reinstall to prove 10 to 50 times faster"
    output.result("\n".join(f"{name:<16} {value}" for name, value in rows.items()), rows)
