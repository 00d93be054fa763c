"""Ten million parameters: 3072-1024x8-10 on CIFAR-10, batch 64, one segment of T steps, two CPU cores.

    python tools/fetch_datasets.py cifar10
    python -m benchmarks.headline [--steps 16 64 256] [--width 1024] [--depth 8] [--rate R] [--examples N]
        [--max-memory BYTES] [--device cuda] [--json FILE]

Every T runs in a process of its own. Two segments are trained and proven; the figures are those of the second one, a middle
segment of a chain. Everything that every segment costs is in the prover's figure: re-execution, commitments of the witness
and of the weights at the end, all reductions, all openings. What comes once per dataset is reported apart. PyTorch must be
installed. On a GPU the same run also tells what the GPU can do and what the prover got of it, see `gpu.py`.
"""

from __future__ import annotations

from benchmarks import machine

machine.limit_threads()

import argparse  # noqa: E402 - threads are limited before numpy is loaded
import io  # noqa: E402 - as above
import json  # noqa: E402 - as above
import subprocess  # noqa: E402 - as above
import sys  # noqa: E402 - as above
import tempfile  # noqa: E402 - as above
import time  # noqa: E402 - as above
from dataclasses import replace  # noqa: E402 - as above
from pathlib import Path  # noqa: E402 - as above
from typing import Any  # noqa: E402 - as above

import numpy as np  # noqa: E402 - as above

from benchmarks import gpu  # noqa: E402 - as above
from zkdl.backend.device_backend import DeviceBackend  # noqa: E402 - as above
from zkdl.backend.scratch import IN_MEMORY  # noqa: E402 - as above
from zkdl.backend.select import describe, get_backend, get_prover_backend  # noqa: E402 - as above
from zkdl.commitment.parameters import PARAMETER_SETS, ParameterSet  # noqa: E402 - as above
from zkdl.commitment.stored import DatasetCommitment, WeightsCommitment, commit_dataset, commit_weights  # noqa: E402 - as above
from zkdl.configuration import from_values  # noqa: E402 - as above
from zkdl.datasets import Dataset, FeatureRule, quantise  # noqa: E402 - as above
from zkdl.memory import keep_freed_memory  # noqa: E402 - as above
from zkdl.proof.data_proof import ProverLink  # noqa: E402 - as above
from zkdl.proof.estimate import planned_memory  # noqa: E402 - as above
from zkdl.proof.plan import machine_bytes  # noqa: E402 - as above
from zkdl.proof.prove import prove_data, prove_data_certificate, prove_segment  # noqa: E402 - as above
from zkdl.proof.public import SegmentPublic, segment_public  # noqa: E402 - as above
from zkdl.proof.security import segment_report  # noqa: E402 - as above
from zkdl.proof.segment_verifier import verify_segment  # noqa: E402 - as above
from zkdl.statement.initialisation import initial_weights  # noqa: E402 - as above
from zkdl.statement.run import RunStatement  # noqa: E402 - as above
from zkdl.statement.segment import SegmentStatement, initial_state  # noqa: E402 - as above
from zkdl.statement.weights import Weights  # noqa: E402 - as above
from zkdl.train.trainer import Trainer  # noqa: E402 - as above

BATCH = 64
CLASSES = 10
# Multiplications in K for a lookup, counted in `protocols/fractions.py` with two layers computed again: 2 for the tree, then
# the rounds and binds of the layers: 3 of the leaves, 4 of their parents, 3 of all others.
K_PRODUCTS_PER_LEAF = 12


class Clock:
    """Wall seconds since the last call."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self) -> float:
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        return passed


class Phases:
    """Seconds by phase, from the progress callback."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._clock, self._phase = Clock(), ""

    def __call__(self, phase: str, done: float) -> None:
        passed = self._clock()
        if self._phase:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + passed
        self._phase = phase


def torch_step_s(widths: list[int], steps: int, rate: float, device: str = "cpu") -> float:
    """One float32 SGD step in PyTorch on two threads or on the GPU, median."""
    import torch

    torch.set_num_threads(int(machine.THREADS))
    layers: list[torch.nn.Module] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1]).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    x = torch.rand(BATCH, widths[0], device=device)
    y = torch.randint(0, CLASSES, (BATCH,), device=device)
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    seconds, clock = [], Clock()
    for _ in range(steps):
        wait()
        clock()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        wait()
        seconds.append(clock())
    return float(np.median(seconds))


def load(folder: Path, examples: int | None) -> Dataset:
    with np.load(folder / "train.npz") as file:
        features, labels = file["features"][:examples], file["labels"][:examples]
    return quantise(features, labels, CLASSES, FeatureRule(8, 8, False))


class Bench:
    """One network, one T."""

    def __init__(self, arguments: argparse.Namespace, steps: int) -> None:
        keep_freed_memory()
        self.device = arguments.device
        self.backend = get_prover_backend(arguments.device, None, int(machine.THREADS))
        self.data = load(arguments.data, arguments.examples)
        self.widths = [self.data.features.shape[1], *[arguments.width] * arguments.depth, CLASSES]
        self.steps, self.rate = steps, arguments.rate
        configuration = from_values(
            {
                "widths": self.widths, "lr": arguments.rate, "batch": BATCH, "steps": 2 * steps, "segment_steps": steps,
                "activation_bits": arguments.bits, "gradient_bits": arguments.bits,
            }
        )  # fmt: skip
        draft = configuration.draft(self.data)
        self.parameters: ParameterSet = PARAMETER_SETS[draft.parameter_set]
        clock = Clock()
        # As `zkdl prove` does it: segments do not need the values.
        self.dataset = self._commit_data(draft).tree_only()
        self.found: dict[str, Any] = {"commit_data_s": clock()}
        self.max_memory: int = arguments.max_memory or machine_bytes()
        self.scratch: Path = arguments.scratch
        self.storage = IN_MEMORY
        self.run = replace(draft, data_root=self.dataset.root.hex())

    def _commit_data(self, run: RunStatement) -> DatasetCommitment:
        budget = run.data_budget
        return commit_dataset(
            self.data.features, self.data.labels, CLASSES, bytes(32), budget, self.parameters, self.backend
        )

    def _commit(self, weights: Weights, index: int) -> WeightsCommitment:
        key, kept = bytes([index]) * 32, self.storage.kept_code_bytes
        return commit_weights(weights, key, self.run.weights_budget, self.parameters, self.backend, kept)

    def measure(self) -> dict[str, Any]:
        trainer = Trainer(self.run, self.data.features, self.data.labels, self.steps)
        scales = trainer.plan(0, initial_state(self.run), initial_weights(self.run)).scales
        plan = planned_memory(self.run, self.steps, self.max_memory, scales=scales, parameters=self.parameters)
        self.found |= {"planned_memory_bytes": plan.memory_bytes, "planned_disk_bytes": plan.disk_bytes}
        with plan.storage(self.scratch) as self.storage:
            return self._measure()

    def _measure(self) -> dict[str, Any]:
        found, clock = self.found, Clock()
        found["torch_step_s"] = torch_step_s(self.widths, 40, self.rate, self.device)
        trainer = Trainer(self.run, self.data.features, self.data.labels, self.steps)
        segments = trainer.segments()
        first, weights_in = next(segments)
        w_in = self._commit(weights_in, 1)
        first = replace(first, w_out=replace(first.w_out, root=w_in.root.hex()))
        clock()
        second, weights_out = next(segments)
        found["integer_step_s"] = clock() / self.steps
        del trainer, segments
        self._genesis(first, w_in)
        clock()
        w_out = self._commit(weights_out, 2)
        found["commit_weights_s"] = clock()
        segment = replace(second, w_in=first.w_out, w_out=replace(second.w_out, root=w_out.root.hex()))
        public = segment_public(self.run, segment, self.parameters)
        self._sizes(public, segment)
        phases = Phases()
        clock()
        proof, link = self._prove(segment, w_in, w_out, weights_in, phases)
        proved = clock()
        phases("", 1.0)
        found["phases"] = {"weights at the end": found["commit_weights_s"], **phases.seconds}
        found["prover_s"] = proved + found["commit_weights_s"]
        found["prover_s_per_step"] = found["prover_s"] / self.steps
        per_unit = 1e9 / found["units"]
        found["ns_per_unit"] = {name: seconds * per_unit for name, seconds in found["phases"].items()}
        found["ns_per_unit"]["everything"] = found["prover_s"] * per_unit
        found["peak_rss_bytes"] = machine.peak_rss_bytes()
        found["proof_bytes"] = len(proof)
        found["soundness_bits"] = segment_report(public).bits
        if isinstance(self.backend, DeviceBackend):
            found["device"] = describe(self.backend)
            found["device_bytes"] = getattr(self.backend.device, "held_bytes", 0)
            found["ceilings"], found["achieved"] = gpu.ceilings(self.backend), gpu.achieved(found)
        for name, backend in (("verify_s", self.backend.local), ("verify_numpy_s", get_backend("numpy"))):
            clock()
            verify_segment(public, io.BytesIO(proof), backend, None)
            found[name] = clock()
        found["multiple_of_torch_step"] = found["prover_s_per_step"] / found["torch_step_s"]
        clock()
        dataset = self.dataset.with_values(self.data.features, self.data.labels, bytes(32))
        found["data_proof_bytes"] = len(prove_data(self.run, [link], dataset, bytes(32), backend=self.backend))
        found["data_proof_s"] = clock()
        found["certificate_bytes"] = len(
            prove_data_certificate(self.run, dataset, bytes(32), backend=self.backend, storage=self.storage)
        )
        found["certificate_s"] = clock()
        found["peak_rss_with_certificate_bytes"] = machine.peak_rss_bytes()
        return found

    def _prove(
        self,
        segment: SegmentStatement,
        w_in: WeightsCommitment | None,
        w_out: WeightsCommitment,
        weights: Weights,
        phases: Phases,
    ) -> tuple[bytes, ProverLink]:
        features, labels = self.data.features, self.data.labels
        return prove_segment(
            self.run, segment, w_in, w_out, weights, features, labels, bytes(32), bytes(32),
            backend=self.backend, progress=phases, storage=self.storage,
        )  # fmt: skip

    def _genesis(self, segment: SegmentStatement, w_out: WeightsCommitment) -> None:
        """The first segment, from the public seed: proven first, so that the middle one meets a process that is at work."""
        clock = Clock()
        initial = initial_weights(self.run)
        proof, _ = self._prove(segment, None, w_out, initial, Phases())
        self.found["genesis_prover_s_per_step"] = clock() / self.steps
        public = segment_public(self.run, segment, self.parameters)
        clock()
        verify_segment(public, io.BytesIO(proof), self.backend.local, initial_weights(self.run))
        self.found["genesis_verify_s"] = clock()

    def _sizes(self, public: SegmentPublic, segment: SegmentStatement) -> None:
        layout, leaves = public.layout, public.layout.leaves
        units = sum(self.widths[1:]) << (layout.log_steps + layout.log_batch)
        self.found |= {
            "steps": self.steps,
            "widths": self.widths,
            "parameters": self.run.weight_count,
            "weight_frac": self.run.format.weight_frac,
            "limbs": segment.limbs.to_json(),
            "units": units,
            "committed_values": layout.code.rows * layout.code.row,
            "lookups": leaves.leaves,
            "values_per_unit": layout.code.rows * layout.code.row / units,
            "lookups_per_unit": leaves.leaves / units,
            "hashed_bytes": 8 * layout.code.rows * layout.code.domain,
            "hashed_bytes_per_unit": 8 * layout.code.rows * layout.code.domain / units,
            "k_products_per_unit": K_PRODUCTS_PER_LEAF * leaves.leaves / units,
        }


ROWS = (
    ("parameters", "parameters", "{:,}"),
    ("PyTorch float32 step", "torch_step_s", "{:.3f} s"),
    ("exact integer step", "integer_step_s", "{:.3f} s"),
    ("prover per step, everything", "prover_s_per_step", "{:.3f} s"),
    ("multiple of the PyTorch step", "multiple_of_torch_step", "{:.1f}"),
    ("peak memory", "peak_rss_bytes", "{:.2e} B"),
    ("memory announced, certificate included", "planned_memory_bytes", "{:.2e} B"),
    ("scratch files announced", "planned_disk_bytes", "{:.2e} B"),
    ("proof", "proof_bytes", "{:,} B"),
    ("verify, native", "verify_s", "{:.2f} s"),
    ("verify, numpy", "verify_numpy_s", "{:.2f} s"),
    ("verify, the segment from the seed", "genesis_verify_s", "{:.2f} s"),
    ("soundness", "soundness_bits", "2^-{:.1f}"),
    ("committed values per unit", "values_per_unit", "{:.2f}"),
    ("lookups per unit", "lookups_per_unit", "{:.2f}"),
    ("products in K per unit", "k_products_per_unit", "{:.1f}"),
    ("bytes hashed per unit", "hashed_bytes_per_unit", "{:.1f}"),
    ("once per dataset: commitment", "commit_data_s", "{:.1f} s"),
    ("once per dataset: certificate", "certificate_s", "{:.1f} s"),
    ("once per run: data proof", "data_proof_s", "{:.1f} s"),
    ("data proof", "data_proof_bytes", "{:,} B"),
    ("peak memory, certificate included", "peak_rss_with_certificate_bytes", "{:.2e} B"),
)


def table(runs: list[dict[str, Any]]) -> str:
    lines = ["| | " + " | ".join(f"T = {run['steps']}" for run in runs) + " |", "|---" * (len(runs) + 1) + "|"]
    for name, key, form in ROWS:
        lines.append(f"| {name} | " + " | ".join(form.format(run[key]) for run in runs) + " |")
    for phase in runs[0]["phases"]:
        cells = (f"{1e3 * run['phases'].get(phase, 0.0) / run['steps']:.1f} ms" for run in runs)
        lines.append(f"| per step: {phase} | " + " | ".join(cells) + " |")
    for phase in runs[0]["ns_per_unit"]:
        cells = (f"{run['ns_per_unit'][phase]:.0f} ns" for run in runs)
        lines.append(f"| per unit: {phase} | " + " | ".join(cells) + " |")
    if "ceilings" in runs[0]:
        lines.append("| GPU memory held | " + " | ".join(f"{run['device_bytes']:.2e} B" for run in runs) + " |")
        lines.append(gpu.table(runs))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/cifar10"))
    parser.add_argument("--steps", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--bits", type=int, default=8, help="of activations and gradients")
    # A power of two: the update integers are exact however few fraction bits the weights have.
    parser.add_argument("--rate", type=float, default=2.0**-4, help="learning rate; deep networks need a smaller one")
    parser.add_argument("--examples", type=int, help="use only so many images")
    parser.add_argument("--max-memory", type=int, help="bytes; what needs more goes to disk")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="folder for that")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N; PyTorch's step runs there too")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        print(json.dumps(Bench(arguments, arguments.steps[0]).measure()))
        return
    runs = []
    given = ["--data", str(arguments.data), "--width", str(arguments.width), "--depth", str(arguments.depth)]
    given += ["--bits", str(arguments.bits), "--rate", str(arguments.rate)]
    given += ["--examples", str(arguments.examples)] if arguments.examples else []
    given += ["--max-memory", str(arguments.max_memory)] if arguments.max_memory else []
    given += ["--scratch", str(arguments.scratch), "--device", arguments.device]
    for steps in arguments.steps:
        command = [sys.executable, "-m", "benchmarks.headline", "--inside", "--steps", str(steps), *given]
        with tempfile.TemporaryFile("w+") as out:
            subprocess.run(command, stdout=out, check=True)
            out.seek(0)
            runs.append(json.loads(out.read().splitlines()[-1]))
    print(table(runs))
    if arguments.json is not None:
        main_run = next((run for run in runs if run["steps"] == 64), runs[-1])
        body = {**main_run, "runs": runs, "machine": machine.describe()}
        arguments.json.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
