"""Runs the steps of a segment, and writes its witness when asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.errors import OutOfRange
from zkdl.statement import schedule
from zkdl.statement.requantise import Requant
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.weights import Weights
from zkdl.train.live import LiveWeights
from zkdl.train.plan import StepPlan, step_plan
from zkdl.train.step import StepTrace, run_step, update
from zkdl.train.witness import Columns, write_step

Int = NDArray[np.int64]


@dataclass
class RangeStatistics:
    """How close the values of the real examples came to their ranges; arrays by layer - 1.

    Attributes:
        activation_clamps: activations (logits in the last layer) that were clamped, (L,) int64.
        gradient_clamps: gradients of live units that were clamped, (L - 1,) int64.
        forward_max, backward_max: largest |rounded value| before clamping, (L,) and (L - 1,) int64.
    """

    activation_clamps: Int
    gradient_clamps: Int
    forward_max: Int
    backward_max: Int

    @staticmethod
    def zeros(layers: int) -> RangeStatistics:
        return RangeStatistics(*(np.zeros(n, dtype=np.int64) for n in (layers, layers - 1, layers, layers - 1)))

    def add(self, plan: StepPlan, trace: StepTrace, examples: int) -> None:
        formats, last = plan.run.format, plan.run.L - 1
        for layer, rounded in enumerate(trace.forward):
            value = rounded.value[:examples]
            high = formats.logit_max if layer == last else formats.activation_max
            low = -high if layer == last else int(value.min())
            self.activation_clamps[layer] += np.count_nonzero((value > high) | (value < low))
            self.forward_max[layer] = max(self.forward_max[layer], np.abs(value).max())
        for layer, rounded in enumerate(trace.backward):
            value = np.abs(rounded.value[:examples])
            live = trace.signs[layer][:examples] > 0
            self.gradient_clamps[layer] += np.count_nonzero((value > formats.gradient_max) & live)
            self.backward_max[layer] = max(self.backward_max[layer], value.max())

    def tensor_headroom(self, plan: StepPlan) -> tuple[list[float], list[float]]:
        """Bits left before a rounded product leaves its top limb: forward, (L,), and backward, (L - 1,)."""

        def left(largest: Int, requants: Sequence[Requant]) -> list[float]:
            pairs = zip(largest, requants, strict=True)
            return [float(np.log2(requant.middle / max(int(value), 1))) for value, requant in pairs]

        return left(self.forward_max, plan.forward), left(self.backward_max, plan.backward)

    def headroom_bits(self, plan: StepPlan) -> list[float]:
        """As `tensor_headroom`, per layer: the smaller of both directions."""
        forward, backward = self.tensor_headroom(plan)
        return [*map(min, forward[:-1], backward), forward[-1]]


@dataclass(frozen=True)
class SegmentResult:
    """Outcome of a segment.

    Attributes:
        weights_out: after good_steps steps. good_steps: steps done, all unless a range stop came.
        ranges: clamps and headroom. loss: mean training loss of each step, (good_steps,) float64.
        stopped: what stopped the segment, or None.
    """

    weights_out: Weights
    good_steps: int
    ranges: RangeStatistics
    loss: NDArray[np.float64]
    plan: StepPlan = field(repr=False)
    stopped: OutOfRange | None = None

    @property
    def clamp_counts(self) -> Int:
        """Clamped activations, logits and gradients per layer, (L,) int64."""
        out = self.ranges.activation_clamps.copy()
        out[:-1] += self.ranges.gradient_clamps
        return out


def real_loss(run: RunStatement, logits: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]) -> float:
    """Mean loss of logits (rows, C) in real units and labels (rows,): for reports, not proven."""
    chosen = logits[np.arange(len(labels)), labels]
    if run.loss == "mse":
        return float(np.mean(0.5 * ((logits**2).sum(axis=1) - 2 * chosen + 1)))
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) + logits.max(axis=1) - chosen))


def mean_loss(run: RunStatement, logits: Int, labels: Int) -> float:
    """Mean loss, real units, of integer logits (rows, C) and labels (rows,)."""
    return real_loss(run, np.ldexp(logits.astype(np.float64), -run.format.logit_frac), labels)


def _pad_step(backend: Backend, plan: StepPlan, weights: LiveWeights, step: int) -> StepTrace:
    """The single row that fills every slot of the steps beyond the segment: zero features, no label."""
    features = np.zeros((1, plan.run.widths[0]), dtype=np.int64)
    return run_step(backend, plan, weights, features, np.full(1, -1, dtype=np.int64), step)


class _SegmentRunner:
    """State of a segment while it runs."""

    def __init__(
        self,
        run: RunStatement,
        segment: SegmentStatement,
        weights: Weights,
        views: Columns | None,
        backend: Backend | None,
    ) -> None:
        self.backend = backend or get_backend()
        self.run = run
        self.segment = segment
        self.plan = step_plan(run, segment)
        self.weights = LiveWeights(weights, self.plan.limb_bits)
        self.views = views
        self.factors = schedule.update_integers(run, segment.scales, segment.first_step, segment.steps)
        self.rows = 1 << (run.batch - 1).bit_length()
        self.ranges = RangeStatistics.zeros(run.L)
        self.loss: list[float] = []

    def step(self, t: int, features: NDArray[np.int32], labels: NDArray[np.int32], index: Int, size: int) -> None:
        """Local step t on dataset rows index[:size]. Raises OutOfRange before the weights change."""
        batch = np.zeros((self.rows, self.run.widths[0]), dtype=np.int64)
        targets = np.full(self.rows, -1, dtype=np.int64)
        batch[:size] = features[index[:size]]
        targets[:size] = labels[index[:size]]
        trace = run_step(self.backend, self.plan, self.weights, batch, targets, self.segment.first_step + t)
        if self.views is not None:
            write_step(self.backend, self.views, self.plan, trace, slice(t, t + 1))
        self.ranges.add(self.plan, trace, size)
        self.loss.append(mean_loss(self.run, trace.logits[:size], targets[:size]))
        update(self.backend, self.plan, self.weights, trace, self.factors[:, t], size)

    def pad(self, steps: int) -> None:
        """Fill the steps from `steps` to the next power of two. Raises OutOfRange."""
        padded = 1 << (steps - 1).bit_length()
        if padded == steps:
            return
        trace = _pad_step(self.backend, self.plan, self.weights, self.segment.first_step + steps)
        if self.views is not None:
            write_step(self.backend, self.views, self.plan, trace, slice(steps, padded))

    def result(self, steps: int, stopped: OutOfRange | None) -> SegmentResult:
        loss = np.array(self.loss, dtype=np.float64)
        return SegmentResult(self.weights.integers(), steps, self.ranges, loss, self.plan, stopped)


def run_segment(
    run: RunStatement,
    segment: SegmentStatement,
    weights_in: Weights,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    indices: Int,
    sizes: Int,
    views: Columns | None = None,
    stop_on_range: bool = False,
    backend: Backend | None = None,
) -> SegmentResult:
    """Train the segment's steps from weights_in, which are not changed.

    Args:
        run, segment: valid statements; roots and w_out are not looked at.
        features: (N, d_0) int32. labels: (N,) int32.
        indices, sizes: from `sampler.batch_indices` for the segment's steps.
        views: witness columns to fill, (name, layer) -> int32 array, see `witness.write_step`; slots without
            an example and steps beyond the segment hold the pass of a zero input.
        stop_on_range: when a value leaves its limbs, return the steps before it (perhaps none), do not raise.
        backend: for the updates; the weights are the same with every one. None takes the fastest.
    Raises OutOfRange with the global step and the layer.
    """
    runner = _SegmentRunner(run, segment, weights_in, views, backend)
    done = 0
    try:
        for t in range(segment.steps):
            runner.step(t, features, labels, indices[t], int(sizes[t]))
            done = t + 1
        runner.pad(done)
        return runner.result(done, None)
    except OutOfRange as error:
        if not stop_on_range:
            raise
        stopped = error
    try:
        if done:
            runner.pad(done)
        return runner.result(done, stopped)
    except OutOfRange:
        # Even a zero input leaves the range here. A power of two needs no pad steps.
        shorter = replace(segment, steps=1 << (done.bit_length() - 1))
        again = run_segment(run, shorter, weights_in, features, labels, indices, sizes, views, backend=backend)
        return replace(again, stopped=stopped)
