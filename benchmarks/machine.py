"""What machine a figure was measured on, and how much memory a process took."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

THREADS = "2"


def limit_threads() -> None:
    """Two threads for BLAS; call before numpy is imported."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, THREADS)


def need(folder: Path, dataset: str, *packages: str) -> None:
    """End here, with what to do, when the folder of a dataset or a package is missing."""
    if not folder.is_dir():
        sys.exit(f"{folder} is not there; python tools/fetch_datasets.py {dataset} makes data/{dataset}")
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} cannot be imported; pip install '.[bench]'")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def describe() -> dict[str, str]:
    """Processor, cores used, Python, commit."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "usable_cores": str(usable),
        "threads": THREADS,
        "python": platform.python_version(),
        "commit": _commit(),
    }


def peak_rss_bytes() -> int:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024
