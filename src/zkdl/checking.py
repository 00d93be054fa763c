"""What can be said about a run before it starts: layers, scales, limbs, static bounds, and a short trial of the training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.allowance import Allowance
from zkdl.backend.base import Backend
from zkdl.datasets import Dataset
from zkdl.proof.estimate import estimate
from zkdl.statement import bounds, requantise
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement, initial_state
from zkdl.statement.state import Scales
from zkdl.statement.weights import Weights
from zkdl.train.baseline import float_accuracy, train_float
from zkdl.train.evaluate import evaluate
from zkdl.train.segment import SegmentResult
from zkdl.train.trainer import Trainer

# A trial has at most so many steps, and fewer where they would take longer than so many seconds.
TRIAL_STEPS, TRIAL_SECONDS, TIMED_STEPS = 256, 20.0, 3
CURVE_POINTS = 8
EVALUATED = 4096


@dataclass(frozen=True)
class LayerReport:
    """One linear layer.

    forward_bits, backward_bits: log2 of the worst case at the end of the first segment, rounded up; backward_bits is 0 in the
    last layer. headroom_bits: how far the worst case at the last step of the run is below the limit of 62 bits.
    trial_headroom_bits: log2 of how often the largest product of the trial fits into the range at which a segment stops.
    """

    layer: int
    shape: tuple[int, int]
    bias: bool
    activation_frac: int
    gradient_frac: int
    shift: int
    limbs: int
    forward_bits: int
    backward_bits: int
    headroom_bits: int
    trial_headroom_bits: float


@dataclass(frozen=True)
class LossPoint:
    """Mean training loss over steps first_step .. first_step + steps - 1, in real units."""

    first_step: int
    steps: int
    integer: float
    float32: float

    @property
    def span(self) -> str:
        """The steps in words."""
        return f"{self.first_step} to {self.first_step + self.steps - 1}" if self.steps > 1 else str(self.first_step)


@dataclass(frozen=True)
class Trial:
    """The first steps of the run, trained in integers and in float32 from the same weights on the same batches.

    Attributes:
        accuracy, float_accuracy: after them, on (at most 4096 of) the training data. clamped: values that were clamped.
        headroom_bits: per layer, see `LayerReport`.
    """

    steps: int
    curve: tuple[LossPoint, ...]
    accuracy: float
    float_accuracy: float
    clamped: int
    headroom_bits: tuple[float, ...]


@dataclass(frozen=True)
class CheckReport:
    """What `check` found."""

    run: RunStatement
    segment: SegmentStatement
    layers: tuple[LayerReport, ...]
    final_bits: int
    trial: Trial

    @property
    def scales(self) -> Scales:
        return self.segment.scales

    def to_json(self) -> dict[str, Any]:
        return {
            "weight_frac": self.run.format.weight_frac,
            "limbs": vars(self.segment.limbs),
            "layers": [{**vars(x), "trial_headroom_bits": round(x.trial_headroom_bits, 2)} for x in self.layers],
            "final_bits": self.final_bits,
            "trial_steps": self.trial.steps,
            "trial_clamped": self.trial.clamped,
            "trial_accuracy": round(self.trial.accuracy, 4),
            "trial_float_accuracy": round(self.trial.float_accuracy, 4),
            "loss_curve": [
                {**vars(x), "integer": round(x.integer, 6), "float32": round(x.float32, 6)} for x in self.trial.curve
            ],
        }

    def __str__(self) -> str:
        head = "layer  shape          bias  activation  gradient  shift  limbs  forward  backward  headroom  in trial"
        rows = [
            f"{x.layer:>5}  {x.shape[0]:>5} x {x.shape[1]:<5}  {'yes' if x.bias else 'no':<4}"
            f"  2^-{x.activation_frac:<8}  2^-{x.gradient_frac:<6}  {x.shift:>5}  {x.limbs:>5}"
            f"  2^{x.forward_bits:<5}  {'2^' + str(x.backward_bits) if x.backward_bits else '-':<8}"
            f"  {x.headroom_bits:>3} bits  {x.trial_headroom_bits:>4.1f} bits"
            for x in self.layers
        ]
        trial = self.trial
        tail = [
            f"weights: {self.run.format.weight_frac} fraction bits; products stay below 2^{self.final_bits} to the last of"
            f" {self.run.steps} steps (limit 2^62)",
            "headroom: bits from the worst case of the whole run to that limit; in trial: from the largest product seen to the"
            " range at which a segment would end early",
            f"trial of {trial.steps} steps, {trial.clamped} values clamped; mean training loss:",
            "  steps          integer   float32",
            *(f"  {x.span:<13}  {x.integer:<8.4f}  {x.float32:.4f}" for x in trial.curve),
            f"  accuracy       {100 * trial.accuracy:.1f} %    {100 * trial.float_accuracy:.1f} % (training data)",
        ]
        return "\n".join([head, *rows, *tail])


def _layers(run: RunStatement, segment: SegmentStatement, trial: Trial) -> tuple[LayerReport, ...]:
    out = []
    final = _final_bits(run, segment.scales)
    for layer, worst in enumerate(bounds.layer_bounds(run, segment), start=1):
        forward = requantise.forward(run, segment, layer)
        out.append(
            LayerReport(
                layer=layer,
                shape=(run.widths[layer - 1], run.widths[layer]),
                bias=run.bias[layer - 1],
                activation_frac=segment.scales.fa[layer],
                gradient_frac=segment.scales.fg[layer - 1],
                shift=forward.k,
                limbs=3 if forward.mid_bits else 2,
                forward_bits=worst.forward.bit_length(),
                backward_bits=0 if worst.backward is None else worst.backward.bit_length(),
                headroom_bits=bounds.PRODUCT_BITS - final[layer - 1],
                trial_headroom_bits=trial.headroom_bits[layer - 1],
            )
        )
    return tuple(out)


def _final_bits(run: RunStatement, scales: Scales) -> list[int]:
    """Worst-case bits of any product of each layer at the last step of the run, with these scales throughout."""
    weights, biases = bounds.grow(run, scales, 0, run.steps, initial_state(run))
    out = []
    for layer in range(1, run.L + 1):
        forward = run.widths[layer - 1] * run.activation_max(layer - 1) * weights[layer - 1]
        worst = forward + (biases[layer - 1] << scales.fa[layer - 1])
        if layer < run.L:
            worst = max(worst, run.widths[layer + 1] * run.gradient_max(layer + 1) * weights[layer])
        out.append(worst.bit_length())
    return out


def plan_run(run: RunStatement, data: Dataset, segment_steps: int, initial: Weights | None = None) -> SegmentStatement:
    """The first segment, which has the scales. Raises NotProvable naming the layer.

    Args:
        initial: the weights that the run starts from; None expands its seed.
    """
    weights = initial_weights(run) if initial is None else initial
    return Trainer(run, data.features, data.labels, segment_steps).plan(0, initial_state(run), weights)


def check_allowance(
    run: RunStatement,
    data: Dataset,
    segment_steps: int,
    initial: Weights | None,
    allowed: Allowance,
    backend: Backend | None = None,
    trained: float = 0.0,
) -> None:
    """Raises ResourceError(MEMORY, TIME) when training and proving need more than is allowed; arguments as of `plan_run`.

    Args:
        trained: the part of the training that is done, in [0, 1].
    """
    scales = plan_run(run, data, segment_steps, initial).scales
    found = estimate(run, segment_steps, scales=scales, backend=backend, max_memory=allowed.max_memory)
    allowed.check(run, scales, found, trained)


def _first_steps(run: RunStatement, steps: int) -> RunStatement:
    schedule = tuple(piece for piece in run.schedule if piece[0] < steps)
    return replace(run, steps=steps, schedule=schedule)


def _trial_seconds(run: RunStatement, data: Dataset, weights: Weights, steps: int) -> float:
    """Of training the first steps both ways."""
    first = _first_steps(run, steps)
    started = time.perf_counter()
    list(Trainer(first, data.features, data.labels, steps).segments(weights))
    train_float(first, weights, data.features, data.labels)
    return time.perf_counter() - started


def _trial_steps(run: RunStatement, data: Dataset, weights: Weights) -> int:
    """As many as take a fraction of a minute, by the time of one step and of a few."""
    few = min(1 + TIMED_STEPS, run.steps)
    once = _trial_seconds(run, data, weights, 1)
    if few == 1 or once > TRIAL_SECONDS:
        return 1
    step = max(_trial_seconds(run, data, weights, few) - once, 1e-6) / (few - 1)
    return min(run.steps, TRIAL_STEPS, max(int((TRIAL_SECONDS - once) / step), 1))


def _curve(integer: NDArray[np.float64], floats: Sequence[float]) -> tuple[LossPoint, ...]:
    """Means over a few stretches of steps."""
    starts = sorted({k * len(floats) // CURVE_POINTS for k in range(CURVE_POINTS)})
    return tuple(
        LossPoint(a, b - a, float(np.mean(integer[a:b])), float(np.mean(floats[a:b])))
        for a, b in zip(starts, [*starts[1:], len(floats)], strict=True)
    )


def run_trial(
    run: RunStatement, data: Dataset, segment_steps: int, weights: Weights, steps: int | None = None
) -> Trial:
    """Train the first steps twice.

    Args:
        steps: how many; None takes a few hundred, or fewer where they take long.
    Raises NotProvable and OutOfRange as the training would.
    """
    steps = _trial_steps(run, data, weights) if steps is None else min(steps, run.steps)
    trial = _first_steps(run, steps)
    trainer = Trainer(trial, data.features, data.labels, segment_steps)
    segment, trained = list(trainer.segments(weights))[-1]
    losses: list[float] = []
    floats = train_float(trial, weights, data.features, data.labels, losses)
    some = slice(None, None, -(-len(data.labels) // EVALUATED))
    x, y = data.features[some], data.labels[some]
    results: list[SegmentResult] = trainer.results
    headroom = np.min([result.ranges.headroom_bits(result.plan) for result in results], axis=0)
    return Trial(
        steps=steps,
        curve=_curve(np.concatenate([result.loss for result in results]), losses),
        accuracy=evaluate(trial, segment.scales, trained, x, y).accuracy,
        float_accuracy=float_accuracy(trial, floats, x, y),
        clamped=sum(int(result.clamp_counts.sum()) for result in results),
        headroom_bits=tuple(float(bits) for bits in headroom),
    )


def check_run(
    run: RunStatement,
    data: Dataset,
    segment_steps: int,
    initial: Weights | None = None,
    *,
    planned: SegmentStatement | None = None,
    trial_steps: int | None = None,
) -> CheckReport:
    """Plan the first segment and train the first steps. Raises NotProvable naming the layer.

    Args:
        initial: the weights that the run starts from; None expands its seed.
        planned: what `plan_run` returned, if it was called. trial_steps: as of `run_trial`.
    """
    segment = plan_run(run, data, segment_steps, initial) if planned is None else planned
    weights = initial_weights(run) if initial is None else initial
    trial = run_trial(run, data, segment_steps, weights, trial_steps)
    return CheckReport(
        run=run,
        segment=segment,
        layers=_layers(run, segment, trial),
        final_bits=max(_final_bits(run, segment.scales)),
        trial=trial,
    )
