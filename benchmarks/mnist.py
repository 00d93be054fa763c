"""MNIST 784-256-256-10, batch 64, one epoch: train, prove every step, verify.

    python tools/fetch_datasets.py mnist
    python -m benchmarks.mnist [--data data/mnist] [--steps N] [--segment-steps 64] [--json FILE] [--verify-numpy]

Runs on two threads; on a larger machine start it with `taskset -c 0,1`.
"""

from __future__ import annotations

from benchmarks import machine

machine.limit_threads()

import argparse  # noqa: E402 - threads are limited before numpy is loaded
import json  # noqa: E402 - as above
import subprocess  # noqa: E402 - as above
import sys  # noqa: E402 - as above
import tempfile  # noqa: E402 - as above
import time  # noqa: E402 - as above
from pathlib import Path  # noqa: E402 - as above
from typing import Any  # noqa: E402 - as above

from zkdl.backend.select import get_backend  # noqa: E402 - as above
from zkdl.configuration import from_values  # noqa: E402 - as above
from zkdl.rundir import RunDirectory  # noqa: E402 - as above
from zkdl.session import Session  # noqa: E402 - as above
from zkdl.statement.initialisation import initial_weights  # noqa: E402 - as above
from zkdl.train.baseline import float_accuracy, train_float  # noqa: E402 - as above
from zkdl.train.evaluate import evaluate  # noqa: E402 - as above

FILES = {
    "train": "train-images-idx3-ubyte", "labels": "train-labels-idx1-ubyte",
    "test": "t10k-images-idx3-ubyte", "test_labels": "t10k-labels-idx1-ubyte",
}  # fmt: skip
VERIFY = "import sys, json, time; from zkdl.backend.select import get_backend; from zkdl.proof.verify import verify; \
s = time.perf_counter(); v = verify(sys.argv[1], backend=get_backend(sys.argv[2], 2)); \
print(json.dumps({'seconds': time.perf_counter() - s, 'sections': v.timings_s, 'bits': v.soundness_bits, \
'run_bits': v.run_bits}))"


class Phases:
    """Seconds by phase, from the progress callback."""

    def __init__(self) -> None:
        self.started = self._last = time.perf_counter()
        self.seconds: dict[str, float] = {}
        self._phase = "start"

    def __call__(self, phase: str, done: float) -> None:
        now = time.perf_counter()
        self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._last
        self._phase, self._last = phase.split(": ")[-1] if phase.startswith("segment-") else f"once: {phase}", now
        print(f"{now - self.started:8.1f} s  {100 * done:5.1f} %  {phase}", file=sys.stderr)


def _verify(proof: Path, backend: str) -> dict[str, Any]:
    """Verify in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", VERIFY, str(proof), backend], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    files: dict[str, Any] = {name: str(arguments.data / file) for name, file in FILES.items()}
    length = {"steps": arguments.steps} if arguments.steps else {"epochs": 1}
    configuration = from_values(
        {
            "widths": [784, 256, 256, 10],
            "lr": 0.1,
            "batch": 64,
            "segment_steps": arguments.segment_steps,
            **files,
            **length,
        }
    )
    data, test = configuration.load_train(), configuration.load_test()
    if test is None:
        raise SystemExit("the test files are missing")
    session = Session(RunDirectory.create(folder), get_backend(None, 2))
    clock = time.perf_counter()
    run = session.begin(configuration.draft(data), data.features, data.labels, configuration.segment_steps)
    begin_s = time.perf_counter() - clock
    clock = time.perf_counter()
    results = [result for _, result in session.train()]
    train_s = time.perf_counter() - clock
    clock = time.perf_counter()
    floats = train_float(run, initial_weights(run), data.features, data.labels)
    float_s = time.perf_counter() - clock
    last = session.directory.segments()[-1]
    weights = session.directory.read_weights(last.end_step)
    integer = evaluate(run, last.scales, weights, test.features, test.labels).accuracy
    forecast = session.forecast()
    phases, proof = Phases(), folder / "run.zkproof"
    clock = time.perf_counter()
    session.prove(proof, progress=phases)
    prove_s = time.perf_counter() - clock
    once_s = sum(seconds for name, seconds in phases.seconds.items() if name.startswith(("once", "start")))
    native = _verify(proof, get_backend().name)
    found: dict[str, Any] = {
        "machine": machine.describe(), "network": "784-256-256-10", "batch": 64, "steps": run.steps,
        "segments": len(results), "segment_steps": configuration.segment_steps,
        "commit_data_s": begin_s, "one_time_s": once_s,
        "integer_step_s": train_s / run.steps, "float_step_s": float_s / run.steps, "train_s": train_s,
        "prove_s": prove_s - once_s, "prover_s_per_step": (prove_s - once_s) / run.steps,
        "multiple_of_float_step": (prove_s - once_s) / float_s,
        "verify_s": native["seconds"], "verify_sections_s": native["sections"],
        "soundness_bits": native["bits"], "run_bits": native["run_bits"],
        "proof_bytes": proof.stat().st_size, "peak_rss_bytes": machine.peak_rss_bytes(),
        "integer_accuracy": integer, "float_accuracy": float_accuracy(run, floats, test.features, test.labels),
        "clamped": int(sum(int(result.clamp_counts.sum()) for result in results)),
        "phases": phases.seconds, "forecast": forecast.to_json(),
    }  # fmt: skip
    if arguments.verify_numpy:
        found["verify_numpy_s"] = _verify(proof, "numpy")["seconds"]
    return found


def table(found: dict[str, Any]) -> str:
    rows = [
        ("train, exact integers", f"{found['train_s']:.0f} s ({1e3 * found['integer_step_s']:.1f} ms per step)"),
        ("train, float32 numpy", f"{1e3 * found['float_step_s']:.1f} ms per step"),
        ("prove, all steps", f"{found['prove_s']:.0f} s ({1e3 * found['prover_s_per_step']:.0f} ms per step,"
         f" {found['multiple_of_float_step']:.0f} times the float32 step)"),
        ("once per dataset", f"{found['commit_data_s'] + found['one_time_s']:.0f} s"),
        ("verify", f"{found['verify_s']:.1f} s"),
        ("proof", f"{found['proof_bytes'] / 2**20:.1f} MiB"),
        ("peak memory", f"{found['peak_rss_bytes'] / 2**30:.1f} GiB"),
        ("test accuracy", f"{100 * found['integer_accuracy']:.2f} % integer, {100 * found['float_accuracy']:.2f} % float32"),
        ("soundness", f"2^-{found['soundness_bits']:.1f} per query"),
    ]  # fmt: skip
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/mnist"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--segment-steps", type=int, default=64)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--verify-numpy", action="store_true")
    arguments = parser.parse_args()
    machine.need(arguments.data, "mnist")
    with tempfile.TemporaryDirectory(prefix="zkdl-mnist-") as folder:
        found = measure(Path(folder) / "run", arguments)
    print(table(found))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
