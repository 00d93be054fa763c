"""`zkdl estimate` against what the run then needs: time, memory of training and of proving, scratch files, size of the proof.

    python tools/fetch_datasets.py mnist cifar10
    python -m benchmarks.estimate [--data data] [--only NAME] [--one-thread] [--json FILE]

Every verb runs in a process of its own, as a user calls it. Time is wall time, for an otherwise idle machine: whatever else
runs slows the forecast's kernels and the run, but not alike. With --one-thread it is processor time, of kernels in one thread,
for a machine that others use too.
"""

from __future__ import annotations

from benchmarks import machine

machine.limit_threads()

import argparse  # noqa: E402 - threads are limited before numpy is loaded
import json  # noqa: E402 - as above
import os  # noqa: E402 - as above
import subprocess  # noqa: E402 - as above
import sys  # noqa: E402 - as above
import tempfile  # noqa: E402 - as above
import threading  # noqa: E402 - as above
import time  # noqa: E402 - as above
from dataclasses import dataclass, field  # noqa: E402 - as above
from pathlib import Path  # noqa: E402 - as above
from typing import Any  # noqa: E402 - as above

ALLOWED = 1.3


@dataclass(frozen=True)
class Case:
    """A configuration: its text, and options of `prove`."""

    model: str
    data: str
    schedule: str
    run: str
    formats: str = ""
    options: tuple[str, ...] = field(default=())

    def text(self, data: Path, folder: Path) -> str:
        given = self.data.format(data=data)
        run = f'directory = "{folder / "run"}"\n{self.run}'
        return f"[model]\n{self.model}\n[data]\n{given}\n[schedule]\n{self.schedule}\n[formats]\n{self.formats}\n[run]\n{run}\n"


MNIST = 'train = "{data}/mnist/train-images-idx3-ubyte"\nlabels = "{data}/mnist/train-labels-idx1-ubyte"'
CIFAR10 = 'train = "{data}/cifar10/train.npz"'
WIDE = "widths = [3072, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 10]"
CASES = {
    "digits": Case("widths = [64, 128, 128, 10]", 'train = "digits"', "lr = 0.1\nepochs = 10\nbatch = 64", "segment_steps = 64"),
    "mnist": Case("widths = [784, 256, 256, 10]", MNIST, "lr = 0.1\nepochs = 1\nbatch = 64", "segment_steps = 64"),
    "mnist, 800 MiB": Case(
        "widths = [784, 256, 256, 10]", MNIST, "lr = 0.1\nsteps = 128\nbatch = 64", "segment_steps = 64", "",
        ("--max-memory", "800MiB"),
    ),
    "cifar10": Case(
        WIDE, CIFAR10, "lr = 0.0625\nsteps = 32\nbatch = 64", "segment_steps = 16",
        "activation_bits = 8\ngradient_bits = 8",
    ),
}  # fmt: skip


ONE_THREAD = "import time; from zkdl.proof import estimate; estimate.CLOCK = time.process_time; \
from zkdl.cli.main import main; main()"


def called(*arguments: object, one_thread: bool = False) -> dict[str, Any]:
    """One verb in a new process: what it prints, its seconds and its peak of memory in bytes."""
    started = time.perf_counter()
    how = ["-c", ONE_THREAD] if one_thread else ["-m", "zkdl.cli.main"]
    command = [sys.executable, *how, *map(str, arguments), "--json", "--quiet"]
    environment = os.environ.copy()
    if one_thread:
        environment.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
        command += ["--threads", "1"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    answer = child.stdout.read() if child.stdout else ""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}: {answer}")
    passed = used.ru_utime + used.ru_stime if one_thread else time.perf_counter() - started
    return {**json.loads(answer), "seconds": passed, "peak": 1024 * used.ru_maxrss}


class Watched:
    """The most bytes that nameless files of a folder took on its disk, by the free space; others must not write there."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._done = folder, threading.Event()
        self.most, self._before = 0, self._free()
        self._thread = threading.Thread(target=self._look)

    def _free(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bfree * found.f_frsize

    def _look(self) -> None:
        while not self._done.wait(0.05):
            self.most = max(self.most, self._before - self._free())

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *what: object) -> None:
        self._done.set()
        self._thread.join()


def measure(case: Case, data: Path, one_thread: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="zkdl-estimate-") as name:
        folder = Path(name)
        (folder / "c.toml").write_text(case.text(data.absolute(), folder), encoding="utf-8")
        forecast = called("estimate", folder / "c.toml", *case.options, one_thread=one_thread)
        trained = called("train", folder / "c.toml", one_thread=one_thread)
        with Watched(folder) as watched:
            proven = called("prove", folder / "run", *case.options, one_thread=one_thread)
        shares = {
            "time": (forecast["train_s"] + forecast["one_time_s"] + forecast["prove_s"], trained["seconds"] + proven["seconds"]),
            "memory of training": (forecast["train_peak_bytes"], trained["peak"]),
            "memory of proving": (forecast["peak_bytes"], proven["peak"]),
            "proof": (forecast["proof_bytes"], proven["bytes"]),
        }  # fmt: skip
        if forecast["disk_bytes"]:
            shares["scratch files"] = (forecast["disk_bytes"], watched.most - proven["bytes"] * 2)
        found = {key: {"forecast": a, "measured": b, "ratio": a / b} for key, (a, b) in shares.items()}
        seconds = {"train": trained["seconds"], "prove": proven["seconds"], "estimate": forecast["seconds"]}
        return {"compared": found, "forecast": forecast, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--only", choices=CASES, action="append")
    parser.add_argument("--one-thread", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": machine.describe(), "one_thread": arguments.one_thread}
    missed = []
    for name in arguments.only or CASES:
        found[name] = measure(CASES[name], arguments.data, arguments.one_thread)
        print(name, {key: round(value, 2) for key, value in found[name]["seconds"].items()})
        for key, value in found[name]["compared"].items():
            print(
                f"  {key:20} forecast {value['forecast']:14.1f}  measured {value['measured']:14.1f}  {value['ratio']:.2f}"
            )
            if not 1 / ALLOWED <= value["ratio"] <= ALLOWED:
                missed.append(f"{name}: {key}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    print("more than 30 % off:", ", ".join(missed) or "nothing")


if __name__ == "__main__":
    main()
