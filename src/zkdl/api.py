"""The Python API: a model, a run, a proof.

run = zkdl.Run(zkdl.MLP([64, 128, 128, 10]), lr=0.1, batch=64, activation_bits=10, gradient_bits=10)
print(run.check(x, y)); print(run.estimate(x, y, epochs=2))
run.fit(x, y, epochs=2); run.prove("run.zkproof"); print(zkdl.verify("run.zkproof").describe())
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zkdl.allowance import Allowance, parse_bytes, parse_seconds
from zkdl.backend.select import AUTO, describe, get_prover_backend
from zkdl.checking import CheckReport, check_allowance, check_run, plan_run
from zkdl.configuration import Configuration
from zkdl.datasets import Dataset, FeatureRule, quantise
from zkdl.errors import UsageError
from zkdl.proof.estimate import Estimate, estimate
from zkdl.proof.verify import Verified, verify
from zkdl.rundir import RunDirectory
from zkdl.session import Progress, Session, quiet
from zkdl.statement.run import RunStatement
from zkdl.statement.weights import Weights
from zkdl.train.segment import SegmentResult

Initial = Weights | Path | str | None

__all__ = ["MLP", "FeatureRule", "Run", "Verified", "verify"]


@dataclass(frozen=True)
class MLP:
    """Linear layers with ReLU between them.

    Args:
        widths: d_0 .. d_L. bias: for all layers, or one truth value per layer.
    """

    widths: Sequence[int]
    bias: bool | Sequence[bool] = True

    def biases(self) -> tuple[bool, ...]:
        layers = len(self.widths) - 1
        return (self.bias,) * layers if isinstance(self.bias, bool) else tuple(self.bias)


class Run:
    """A training run that can be proven.

    Args:
        model: the network. lr: learning rate. batch: examples per step. loss: "ce" or "mse".
        activation_bits, gradient_bits, weight_frac: number formats; weight_frac None chooses it.
        features: how features become integers; None takes the rule of the array's type, see `FeatureRule.of`.
        schedule: later (step, lr) changes. segment_steps: steps per proof segment.
        seed: any text, initial weights are expanded from it.
        initial_bound: public bound of given initial weights in real units; None takes a fixed policy.
        directory: where the run lives and resumes from; None keeps it in a temporary folder.
        backend, threads: "native", "numpy" or "reference"; None takes the fastest there is.
        device: what proves: "cpu", "cuda" or "cuda:1", or "auto" for the first GPU if there is one; the logger "zkdl" tells.
        max_memory, max_time: what training and proving may take, such as "8GiB" and "2h", or in bytes and seconds. By the
            forecast, `check`, `estimate`, `fit` and `prove` raise ResourceError(MEMORY, TIME) before they start.
    """

    def __init__(
        self,
        model: MLP,
        *,
        lr: float = 0.1,
        batch: int = 64,
        loss: str = "ce",
        activation_bits: int = 10,
        gradient_bits: int = 10,
        weight_frac: int | None = None,
        features: FeatureRule | None = None,
        schedule: Sequence[tuple[int, float]] = (),
        last_batch: str = "keep",
        segment_steps: int = 64,
        seed: str = "zkdl",
        initial_bound: float | None = None,
        beacon: str | None = None,
        directory: Path | str | None = None,
        backend: str | None = None,
        threads: int | None = None,
        device: str = AUTO,
        max_memory: int | str | None = None,
        max_time: float | str | None = None,
    ) -> None:
        self.configuration = Configuration(
            widths=tuple(model.widths), bias=model.biases(), loss=loss, features=features, lr=lr, batch=batch,
            last_batch=last_batch, changes=tuple(schedule), activation_bits=activation_bits, gradient_bits=gradient_bits,
            weight_frac=weight_frac, segment_steps=segment_steps, seed=seed,
            initial_bound=initial_bound, beacon=beacon,
            max_memory=None if max_memory is None else parse_bytes(max_memory, "max_memory"),
            max_time=None if max_time is None else parse_seconds(max_time, "max_time"),
        )  # fmt: skip
        self.backend = get_prover_backend(device, backend, threads)
        logging.getLogger("zkdl").info("device: %s", describe(self.backend))
        if directory is None:
            directory = tempfile.mkdtemp(prefix="zkdl-")
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.directory = Path(directory)
        self.session: Session | None = None

    def _plan(
        self, x: NDArray[Any], y: NDArray[Any], steps: int | None, epochs: int | None, initial: Initial
    ) -> tuple[Dataset, RunStatement, Weights | None]:
        """Data in integers, the drafted run, and the weights to start from when they are given."""
        configuration = replace(self.configuration, steps=steps, epochs=epochs)
        if isinstance(initial, Weights):
            if configuration.weight_frac is None:
                raise UsageError(
                    "initial weights need the fraction bits that they are in",
                    code="CONFIG_VALUE",
                    hint="Give Run(weight_frac=...) the fraction bits, or give the name of a file that zkdl wrote",
                    field="weight_frac",
                )
        elif initial is not None:
            configuration = replace(configuration, initial=str(initial))
            read = configuration.initial_weights()
            initial = None if read is None else read[0]
            configuration = replace(configuration, initial=None, weight_frac=None if read is None else read[1])
        data = quantise(x, y, configuration.widths[-1], configuration.features)
        return data, configuration.draft(data, initial), initial

    def check(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        *,
        steps: int | None = None,
        epochs: int | None = None,
        initial: Initial = None,
    ) -> CheckReport:
        """Formats, scales and static bounds of this run on these data, before step 1. Raises NotProvable.

        Arguments as of `fit`; without steps and epochs, one epoch.
        """
        if steps is None and epochs is None:
            epochs = 1
        data, draft, start = self._plan(x, y, steps, epochs, initial)
        self._check_allowance(draft, data, start)
        return check_run(draft, data, self.configuration.segment_steps, start)

    def _check_allowance(self, draft: RunStatement, data: Dataset, start: Weights | None) -> None:
        """Raises ResourceError(MEMORY, TIME)."""
        allowed = self.configuration.allowance
        if allowed:
            done = RunDirectory(self.directory).segments()[-1:]
            trained = sum(segment.first_step + segment.steps for segment in done) / draft.steps
            check_allowance(draft, data, self.configuration.segment_steps, start, allowed, self.backend, trained)

    def estimate(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        *,
        steps: int | None = None,
        epochs: int | None = None,
        initial: Initial = None,
        max_memory: int | None = None,
    ) -> Estimate:
        """Time, memory, proof size and soundness. Arguments as of `check`; max_memory as of `prove`."""
        if steps is None and epochs is None:
            epochs = 1
        data, draft, start = self._plan(x, y, steps, epochs, initial)
        allowed = Allowance(max_memory).over(self.configuration.allowance)
        longest = self.configuration.segment_steps
        scales = plan_run(draft, data, longest, start).scales
        found = estimate(draft, longest, scales=scales, backend=self.backend, max_memory=allowed.max_memory)
        allowed.check(draft, scales, found)
        return found

    def fit(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        *,
        steps: int | None = None,
        epochs: int | None = None,
        initial: Initial = None,
        on_segment: Callable[[SegmentResult], None] | None = None,
    ) -> Weights:
        """Train in exact integer arithmetic; returns the final weights. Calling it again resumes.

        Args:
            x: (N, d_0), integers or reals. y: (N,) classes. steps or epochs: one of the two.
            initial: weights to start from and commit to, instead of the seed: integers with `weight_frac` fraction bits,
                or the name of a file that zkdl wrote, which holds the fraction bits.
            on_segment: called after each segment.
        """
        data, draft, start = self._plan(x, y, steps, epochs, initial)
        self._check_allowance(draft, data, start)
        session = Session(RunDirectory.create(self.directory), self.backend)
        session.begin(draft, data.features, data.labels, self.configuration.segment_steps, start)
        for _, result in session.train():
            if on_segment is not None:
                on_segment(result)
        self.session = session
        segments = session.directory.segments()
        last = segments[-1]
        return session.directory.read_weights(last.first_step + last.steps)

    def _ready(self) -> Session:
        return self.session or Session(RunDirectory.open(self.directory), self.backend)

    def prove(
        self,
        path: Path | str,
        *,
        max_memory: int | None = None,
        scratch: Path | str | None = None,
        progress: Progress = quiet,
    ) -> Path:
        """Prove every step and write the proof container.

        Args:
            max_memory: bytes; what needs more goes to disk. None for the run's limit, else most of what this machine has.
            scratch: folder for that, on a disk; None for the run's directory.
        """
        folder = None if scratch is None else Path(scratch)
        allowed = Allowance(max_memory).over(self.configuration.allowance)
        self._ready().prove(
            Path(path),
            max_memory=allowed.max_memory,
            max_time=allowed.max_time,
            scratch=folder,
            progress=progress,
        )
        return Path(path)

    def reveal_weights(self, path: Path | str) -> Path:
        """Write the exact final weights and the key that ties them to the proof."""
        self._ready().reveal_weights(Path(path))
        return Path(path)
