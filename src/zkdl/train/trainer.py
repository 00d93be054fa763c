"""Plans a run as a chain of segments and trains them one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zkdl.errors import NotProvable, OutOfRange, UsageError
from zkdl.statement import bounds, requantise, sampler, schedule
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.limits import check_provable
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import ChainState, SegmentStatement, initial_state
from zkdl.statement.weights import Weights
from zkdl.train.calibrate import calibrate
from zkdl.train.segment import SegmentResult, run_segment


def check_data(run: RunStatement, features: NDArray[np.int32], labels: NDArray[np.int32]) -> None:
    """Raises NotProvable(DATA_SHAPE, DATA_RANGE, DATA_LABEL_RANGE) unless the data fit the run."""
    shape = (run.examples, run.widths[0])
    if features.shape != shape or labels.shape != (run.examples,):
        raise NotProvable(
            f"expected features {shape} and as many labels, got {features.shape} and {labels.shape}",
            code="DATA_SHAPE",
            hint="Give the examples that the run was drafted for",
        )
    if features.dtype.kind not in "iu" or labels.dtype.kind not in "iu":
        raise NotProvable(
            "features and labels must be integers", code="DATA_SHAPE", hint="Make them integers: zkdl.datasets.quantise"
        )
    low, high = run.format.feature_min, run.format.feature_min + (1 << run.format.feature_bits) - 1
    if int(features.min()) < low or int(features.max()) > high:
        raise NotProvable(
            f"a feature is outside {low}..{high}",
            code="DATA_RANGE",
            hint="Choose more feature_bits, a smaller feature_frac or signed features",
            field="features",
        )
    if int(labels.min()) < 0 or int(labels.max()) >= run.classes:
        raise NotProvable(
            f"a label is outside 0..{run.classes - 1}",
            code="DATA_LABEL_RANGE",
            hint="Number the classes from 0, or widen the last layer",
            field="labels",
        )


class Trainer:
    """Trains a run by segments: calibrate, plan, run; after a range stop, cut the segment and go on.

    All follows from the run, the data and the initial weights, so a resumed run ends in the same weights.

    Args:
        run: a valid statement. features: (N, d_0) int32. labels: (N,) int32.
        segment_steps: steps per segment, at most; a power of two wastes no padding.
    Raises NotProvable for data that do not fit the run and for a run that no verifier accepts (TOO_LARGE), UsageError for
    segment_steps < 1.

    Attributes:
        results: what `run_segment` returned, one for every segment trained by this object.
    """

    def __init__(
        self,
        run: RunStatement,
        features: NDArray[np.int32],
        labels: NDArray[np.int32],
        segment_steps: int,
    ) -> None:
        if segment_steps < 1:
            raise UsageError("a segment has at least one step", code="SEGMENT_STEPS", got=segment_steps)
        check_provable(run, segment_steps)
        check_data(run, features, labels)
        self.run = run
        self.features = features
        self.labels = labels
        self.segment_steps = segment_steps
        self.results: list[SegmentResult] = []
        self._seed = sampler.seed(run)

    def plan(self, index: int, state: ChainState, weights: Weights, steps: int | None = None) -> SegmentStatement:
        """The segment that starts at `state`; its w_out has no root yet.

        Args:
            steps: fewer steps than segment_steps, after a range stop; the calibration is the same.
        Raises NotProvable when the static bounds no longer hold.
        """
        run, first = self.run, state.step
        planned = min(self.segment_steps, run.steps - first)
        indices, _ = sampler.batch_indices(run, self._seed, first, planned)
        rates = {rate for rate, _ in schedule.rate_spans(run, first, planned)}
        scales = calibrate(run, weights, self.features, self.labels, indices, rates)
        count = planned if steps is None else steps
        weight_bound, bias_bound = bounds.grow(run, scales, first, count, state)
        segment = SegmentStatement(
            index=index,
            first_step=first,
            steps=count,
            scales=scales,
            limbs=requantise.choose_limbs(run, scales, count),
            w_in=state,
            w_out=ChainState("", weight_bound, bias_bound, first + count),
        )
        try:
            segment.validate(run, with_roots=False)
        except NotProvable as error:
            if not error.code.startswith("BOUND_"):
                raise
            message = f"from step {first} on the weights may outgrow their proven bound: {error.message}"
            raise NotProvable(message, code=error.code, hint=error.hint, step=first, **error.where) from error
        return segment

    def train_segment(self, index: int, state: ChainState, weights: Weights) -> tuple[SegmentStatement, SegmentResult]:
        """Plan and run one segment, cut short at the last good step when a value leaves its range.

        Raises OutOfRange when not even one step is possible.
        """
        segment = self.plan(index, state, weights)
        indices, sizes = sampler.batch_indices(self.run, self._seed, segment.first_step, segment.steps)
        result = run_segment(self.run, segment, weights, self.features, self.labels, indices, sizes, stop_on_range=True)
        if result.good_steps == 0:
            raise result.stopped or OutOfRange("no step could be done", step=segment.first_step)
        if result.good_steps < segment.steps:
            segment = self.plan(index, state, weights, result.good_steps)
        return segment, result

    def segments(
        self, weights: Weights | None = None, after: SegmentStatement | None = None
    ) -> Iterator[tuple[SegmentStatement, Weights]]:
        """Train all remaining steps.

        Args:
            weights: where to start; None expands the run's initial seed.
            after: the last finished segment when resuming (`weights` are those it ended in), None at step 0.
        Yields:
            Each segment with the weights it ends in. Unknown roots are ""; `dataclasses.replace` them.
        Raises NotProvable and OutOfRange.
        """
        state = initial_state(self.run) if after is None else after.w_out
        index = 0 if after is None else after.index + 1
        if weights is None:
            if after is not None:
                raise UsageError("resuming needs the weights of the last segment", code="RESUME_WEIGHTS")
            weights = initial_weights(self.run)
        while state.step < self.run.steps:
            segment, result = self.train_segment(index, state, weights)
            self.results.append(result)
            yield segment, result.weights_out
            weights, state, index = result.weights_out, segment.w_out, index + 1

    def __iter__(self) -> Iterator[tuple[SegmentStatement, Weights]]:
        return self.segments()
