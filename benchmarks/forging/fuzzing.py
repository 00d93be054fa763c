"""Coverage-guided fuzzing of every target of `byte_strings` that has seeds, by atheris, which is optional: `pip install .[fuzz]`.

Each target runs in a process of its own (`fuzz_target`), and the inputs that reached new code are kept for the next run.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.forging.byte_strings import TARGETS

KIND = "fuzz"
# Attempts among a thousand. Whole proofs are slow; the decoders share the rest.
SLOW = {
    "whole, first verifier": 1,
    "whole, second verifier": 1,
    "header, first verifier": 4,
    "header, second verifier": 4,
}
SECTIONS = 1
FEW = ("header, first verifier", "header, second verifier", "weights file", "configuration")
CRASHED = {"attempts": 0, "accepted": 0, "crashes": 1, "controls": 0, "controls_accepted": 0, "codes": {}}


def available() -> bool:
    return importlib.util.find_spec("atheris") is not None


def shares() -> dict[str, float]:
    """Part of the attempts of each target."""
    names = [name for name, target in TARGETS.items() if target.seeds()]
    slow = {name: SLOW.get(name, SECTIONS) for name in names if name in SLOW or name.startswith("section ")}
    rest = (1000 - sum(slow.values())) / (len(names) - len(slow))
    return {name: slow.get(name, rest) / 1000 for name in names}


def few() -> dict[str, float]:
    """The same for a quick run, in which most of the time would go into starting processes."""
    return dict.fromkeys(FEW, 1 / len(FEW))


def fuzz(name: str, runs: int, seconds: float, seed: int, corpus: Path | None) -> dict[str, Any]:
    """Counts of one target, with the keys of `fuzz_target`. corpus: where inputs are kept, or nowhere.

    A process that ends without counts, killed by the memory limit or by a fault of native code, is a crash.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        out = Path(folder) / "counts.json"
        kept = corpus / name.replace(", ", "-").replace(" ", "-") if corpus else Path(folder) / "corpus"
        options = {"--runs": runs, "--seed": seed, "--corpus": kept, "--json": out}
        if seconds != float("inf"):
            options["--seconds"] = max(1.0, seconds)  # type: ignore[assignment]  # values of options are printed
        command = [sys.executable, "-m", "benchmarks.forging.fuzz_target", name]
        command += [str(part) for option in options.items() for part in option]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode or not out.exists():
            return {**CRASHED, "findings": [f"{name}: exit status {done.returncode}: {done.stderr[-800:]}"]}
        counts: dict[str, Any] = json.loads(out.read_text())
        counts["findings"] = [f"{name}: {finding}" for finding in counts["findings"]]
        return counts
