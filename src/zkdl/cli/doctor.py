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
from zkdl.backend.select import get_backend, is_native_available
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


def _round_trip() -> None:
    """Train, prove and verify four steps on the bundled digits."""
    from zkdl.api import MLP, FeatureRule, Run
    from zkdl.datasets import digits

    x, y, _, _ = digits()
    with tempfile.TemporaryDirectory(prefix="zkdl-doctor-") as folder:
        run = Run(MLP([64, 16, 10]), batch=8, features=FeatureRule(5, 4), segment_steps=4)
        run.fit(x[:200], y[:200], steps=4)
        verify(run.prove(Path(folder) / "doctor.zkproof"))


@click.command("doctor")
@verb("doctor")
def command(output: Output) -> None:
    """Check this installation."""
    names = ["reference", "numpy", *(["native"] if is_native_available() else [])]
    found = {name: _fingerprint(get_backend(name)) for name in names}
    if len(set(found.values())) != 1:
        raise DeviceError("the backends disagree on a known answer", code="KNOWN_ANSWER", **found)
    output.say("training, proving and verifying four steps")
    try:
        _round_trip()
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
        "known answer": "equal on all backends",
        "round trip": "proven and verified",
    }
    if "native" not in names:
        rows["note"] = "no compiled kernels: install a C++ compiler and reinstall to prove 10 to 50 times faster"
    output.result("\n".join(f"{name:<16} {value}" for name, value in rows.items()), rows)
