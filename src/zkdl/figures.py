"""What a run directory remembers about how it went: losses, headroom, times. Secret: a proof hides most of it.

figures/training-<i>.json   segment i: loss of every step, bits of headroom and clamped values of every tensor, seconds
figures/proving-<name>.json    proof section: seconds per phase, and what it was proven with
Nothing here is part of a proof, and nothing depends on these files: a run that lacks them has a shorter report.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from zkdl import __version__
from zkdl.progress import Progress
from zkdl.rundir import RunDirectory
from zkdl.statement.segment import SegmentStatement
from zkdl.train.segment import SegmentResult

BEFORE = "prepare"  # a section's time before its prover reports its first phase: commitments made again


@dataclass(frozen=True)
class TrainingFigures:
    """One trained segment.

    Attributes:
        first_step: of the segment. loss: mean loss of each step's batch, real units.
        forward_headroom, backward_headroom: bits left before a product leaves its top limb, per layer, (L) and (L - 1).
        activation_clamps, gradient_clamps: values that were clamped, (L) and (L - 1).
        seconds: training alone, without commitments and files.
    """

    first_step: int
    loss: list[float]
    forward_headroom: list[float]
    backward_headroom: list[float]
    activation_clamps: list[int]
    gradient_clamps: list[int]
    seconds: float


@dataclass(frozen=True)
class ProvingFigures:
    """One proven section.

    Attributes:
        seconds: per phase. backend: name. version: of zkdl. processors: of the machine. peak_bytes: of the process so far.
    """

    seconds: dict[str, float]
    backend: str
    version: str
    processors: int
    peak_bytes: int


class PhaseClock:
    """Seconds between the phases that a prover reports.

    Args:
        report: gets every call too.
        first: what to call the time before the first call.
    """

    def __init__(self, report: Progress, first: str = BEFORE) -> None:
        self._report = report
        self._phase = first
        self._since = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def __call__(self, phase: str, done: float) -> None:
        self.stop()
        self._phase = phase
        self._report(phase, done)

    def stop(self) -> None:
        """Count what has passed to the phase that is running."""
        now = time.perf_counter()
        self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._since
        self._since = now


def peak_bytes() -> int:
    """The most memory that this process has had, resident."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def write_training(directory: RunDirectory, segment: SegmentStatement, result: SegmentResult, seconds: float) -> None:
    """Remember a trained segment. Raises as `write_atomic`."""
    forward, backward = result.ranges.tensor_headroom(result.plan)
    found = TrainingFigures(
        first_step=segment.first_step,
        loss=[float(value) for value in result.loss[: segment.steps]],
        forward_headroom=forward,
        backward_headroom=backward,
        activation_clamps=[int(n) for n in result.ranges.activation_clamps],
        gradient_clamps=[int(n) for n in result.ranges.gradient_clamps],
        seconds=seconds,
    )
    directory.write_figures(f"training-{segment.index}", asdict(found))


def write_proving(directory: RunDirectory, section: str, clock: PhaseClock, backend: str) -> None:
    """Remember a proven section, by the name of its file. Raises as `write_atomic`."""
    found = ProvingFigures(clock.seconds, backend, __version__, os.cpu_count() or 1, peak_bytes())
    directory.write_figures(f"proving-{section}", asdict(found))


def _numbers(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def read_training(directory: RunDirectory, index: int) -> TrainingFigures | None:
    """What is remembered of segment `index`, None when nothing is. Raises UsageError(RUN_DAMAGED)."""
    name = f"training-{index}"
    raw = directory.read_figures(name)
    if raw is None:
        return None
    lists: dict[str, type] = {"loss": float, "forward_headroom": float, "backward_headroom": float}
    lists |= {"activation_clamps": int, "gradient_clamps": int}
    good = set(raw) == set(TrainingFigures.__dataclass_fields__)
    good = good and all(_numbers(raw[field], kind) for field, kind in lists.items())
    if not good or type(raw["first_step"]) is not int or type(raw["seconds"]) is not float:
        raise directory.damaged_figures(name)
    return TrainingFigures(**raw)


def read_proving(directory: RunDirectory, section: str) -> ProvingFigures | None:
    """What is remembered of a proof section, None when nothing is. Raises UsageError(RUN_DAMAGED)."""
    name = f"proving-{section}"
    raw = directory.read_figures(name)
    if raw is None:
        return None
    kinds = {"seconds": dict, "backend": str, "version": str, "processors": int, "peak_bytes": int}
    good = set(raw) == set(kinds) and all(type(raw[field]) is kind for field, kind in kinds.items())
    if not good or not all(type(value) is float for value in raw["seconds"].values()):
        raise directory.damaged_figures(name)
    return ProvingFigures(**raw)
