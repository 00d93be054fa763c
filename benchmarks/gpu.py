"""What a GPU can do at most, measured with the kernels of the prover, and what a proof got of it.

    python -m benchmarks.headline --device cuda --steps 256 --json benchmarks/results/headline-cuda.json

Ceilings: bytes copied on the device, products in K, bytes hashed; each from one large launch, the best of several.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from zkdl.backend import device_launches as launches
from zkdl.backend.device import DeviceArray
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.device_codes import Transforms

REPEATS = 5
ELEMENTS = 1 << 24
HASHED_ROWS, HASHED_COLUMNS = 256, 1 << 17


def _best(device_array: DeviceArray, work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs; reading a few bytes waits for the device."""
    seconds = []
    for _ in range(REPEATS):
        device_array[:1].to_host()
        start = time.perf_counter()
        work()
        device_array[:1].to_host()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ceilings(
    backend: DeviceBackend, elements: int = ELEMENTS, rows: int = HASHED_ROWS, columns: int = HASHED_COLUMNS
) -> dict[str, float]:
    """Bytes copied (read and written), products in K and bytes hashed, all per second."""
    device = backend.device
    values = DeviceArray.of(device, np.arange(2 * elements, dtype=np.uint64).reshape(elements, 2))
    target = DeviceArray.empty(device, values.shape)
    copied = _best(target, lambda: device.copy(target.memory, 0, values.memory, 0, values.nbytes))
    multiplied = _best(values, lambda: launches.elementwise("zkdl_k_mul", values, values, 2))
    transforms = Transforms(device)
    code = DeviceArray.of(device, np.arange(rows * columns, dtype=np.uint64).reshape(rows, columns))
    salts = DeviceArray.of(device, np.zeros((columns, 32), dtype=np.uint8))
    hashed = _best(code, lambda: transforms.hashed(iter([(0, code)]), rows, salts, 0))
    return {
        "copied_bytes_per_s": 2 * values.nbytes / copied,
        "k_products_per_s": elements / multiplied,
        "hashed_bytes_per_s": code.nbytes / hashed,
    }


def achieved(run: dict[str, Any]) -> dict[str, float]:
    """The same of a proof: where the phase that does most of it spent its time."""
    phases = run["phases"]
    return {
        # The opening reads every committed value twice: for the claims and for the test.
        "copied_bytes_per_s": 2 * 4 * run["committed_values"] / phases["open"],
        "k_products_per_s": run["k_products_per_unit"] * run["units"] / phases["lookups"],
        "hashed_bytes_per_s": run["hashed_bytes"] / phases["commit"],
    }


NAMES = {
    "copied_bytes_per_s": "open, bytes read per second",
    "k_products_per_s": "lookups, products in K per second",
    "hashed_bytes_per_s": "commit, bytes hashed per second",
}


def table(runs: list[dict[str, Any]]) -> str:
    """One line per ceiling."""
    lines = []
    for key, name in NAMES.items():
        pairs = ((run["achieved"][key], run["ceilings"][key]) for run in runs)
        lines.append(
            f"| {name} | "
            + " | ".join(f"{got:.2e} of {most:.2e}, {100 * got / most:.0f} %" for got, most in pairs)
            + " |"
        )
    return "\n".join(lines)
