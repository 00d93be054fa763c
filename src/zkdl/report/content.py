"""What a report says, gathered from a run directory and, when there is one, its proof."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.errors import MalformedProof, Rejected, ZkError
from zkdl.figures import ProvingFigures, TrainingFigures, read_proving, read_training
from zkdl.progress import Progress, quiet
from zkdl.proof.verify import Verified, verify
from zkdl.rundir import RunDirectory
from zkdl.sections import section_file, start_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.train.baseline import FloatWeights, float_accuracy, float_steps
from zkdl.train.evaluate import evaluate
from zkdl.train.segment import real_loss

MOST_EXAMPLES = 10_000  # accuracy on the training data is measured on so many of them at most
MOST_CHECKPOINTS = 16
Examples = tuple[NDArray[np.int32], NDArray[np.int32]]  # features (N, d_0), labels (N,)
UNPROVED, REJECTED, VERIFIED = "unproved", "rejected", "verified"


@dataclass(frozen=True)
class Checkpoint:
    """Accuracies in [0, 1] after `step` steps; of test data None without such data."""

    step: int
    integer: float
    floating: float
    test_integer: float | None = None
    test_floating: float | None = None


@dataclass(frozen=True)
class Private:
    """What the proof hides: with it, a report is for the owner of the run alone.

    Attributes:
        training: remembered figures of each segment, None where there are none.
        float_loss: mean loss of every step's batch in float32. checkpoints: ascending, the last one is the end of the training.
        examples: how many training examples the accuracies are of.
    """

    training: list[TrainingFigures | None]
    float_loss: list[float]
    checkpoints: list[Checkpoint]
    examples: int

    @property
    def integer_loss(self) -> list[tuple[float, float]]:
        """(step, loss) of every step that is remembered."""
        known = [figures for figures in self.training if figures is not None]
        return [(float(f.first_step + i), loss) for f in known for i, loss in enumerate(f.loss)]


@dataclass(frozen=True)
class Report:
    """Everything a report is made of.

    Attributes:
        segments: those that have been trained; in a public report on a proof, those proven.
        proof: the container's path, None when there is none.
        state: UNPROVED, REJECTED or VERIFIED. error: why the proof was rejected.
        proving: remembered figures by section, "commitment" first. section_bytes: by section, in file order.
        private: None in a report for publication.
    """

    run: RunStatement
    segments: list[SegmentStatement]
    proof: Path | None
    state: str
    verified: Verified | None = None
    error: ZkError | None = None
    proving: dict[str, ProvingFigures] = field(default_factory=dict)
    section_bytes: dict[str, int] = field(default_factory=dict)
    private: Private | None = None

    @property
    def steps(self) -> int:
        """Steps that have been trained."""
        return self.segments[-1].end_step if self.segments else 0


def gather(
    directory: RunDirectory,
    proof: Path,
    backend: Backend,
    *,
    public: bool = False,
    test: Examples | None = None,
    progress: Progress = quiet,
) -> Report:
    """Read the run, verify its proof, and unless the report is public train again in float32 to compare.

    Args:
        proof: where the container is, if there is one.
        public: leave out what the proof hides, and how long the prover took.
        test: test features and labels in the run's integers.
    Raises: UsageError(RUN_DAMAGED). A proof that is rejected is part of the report.
    """
    run, _ = directory.read_statement()
    segments = directory.segments()
    verified, error, state = None, None, UNPROVED
    if proof.is_file():
        try:
            verified = verify(proof, expect=run.to_json(), backend=backend, progress=progress)
            state = VERIFIED
        except (Rejected, MalformedProof) as found:
            error, state = found, REJECTED
    if public and verified is not None:
        # How the training went on behind the proof is no part of what it reveals.
        segments = verified.segments
    sizes = {}
    if verified is not None:
        names = verified.timings_s
        sizes = {name: directory.section(section_file(name, len(verified.segments))) for name in names}
    private = None if public else _private(directory, run, segments, test, progress)
    return Report(
        run=run,
        segments=segments,
        proof=proof if state != UNPROVED else None,
        state=state,
        verified=verified,
        error=error,
        proving={} if public or verified is None else _proving(directory, sizes, len(verified.segments)),
        section_bytes={name: path.stat().st_size for name, path in sizes.items() if path.exists()},
        private=private,
    )


def _proving(directory: RunDirectory, names: Iterable[str], segments: int) -> dict[str, ProvingFigures]:
    found = {name: read_proving(directory, section_file(name, segments)) for name in names}
    found = {"commitment": read_proving(directory, "commitment"), **found}
    return {name: figures for name, figures in found.items() if figures is not None}


def _private(
    directory: RunDirectory,
    run: RunStatement,
    segments: list[SegmentStatement],
    test: Examples | None,
    progress: Progress,
) -> Private:
    training = [read_training(directory, segment.index) for segment in segments]
    features, labels = directory.read_data()
    chosen = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST_EXAMPLES)).astype(np.int64))
    sample = (features[chosen], labels[chosen])
    if not segments:
        return Private(training, [], [], len(chosen))
    places = np.unique(np.linspace(0, len(segments) - 1, min(len(segments), MOST_CHECKPOINTS)).astype(int))
    stops = {segments[i].end_step: segments[i] for i in places}
    losses: list[float] = []
    checkpoints: list[Checkpoint] = []
    last = segments[-1].end_step
    initial = start_weights(directory, run, 0)
    for step, (weights, logits, batch) in enumerate(float_steps(run, initial, features, labels, last), start=1):
        losses.append(real_loss(run, logits, batch))
        progress(f"float32 step {step} of {last}", step / last)
        if step in stops:
            checkpoints.append(_checkpoint(directory, run, stops[step], weights, sample, test))
    return Private(training, losses, checkpoints, len(chosen))


def _checkpoint(
    directory: RunDirectory,
    run: RunStatement,
    segment: SegmentStatement,
    floats: FloatWeights,
    sample: Examples,
    test: Examples | None,
) -> Checkpoint:
    step = segment.end_step
    weights = directory.read_weights(step)

    def both(examples: Examples) -> tuple[float, float]:
        return evaluate(run, segment.scales, weights, *examples).accuracy, float_accuracy(run, floats, *examples)

    return Checkpoint(step, *both(sample), *(both(test) if test is not None else ()))
