"""What can be said about a run before it starts: layers, scales, limbs, static bounds, and a short trial of the training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zkdl.datasets import Dataset
from zkdl.statement import bounds, requantise
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement, initial_state
from zkdl.statement.state import Scales
from zkdl.statement.weights import Weights
from zkdl.train.baseline import float_accuracy, train_float
from zkdl.train.evaluate import evaluate
from zkdl.train.trainer import Trainer

TRIAL_STEPS = 32


@dataclass(frozen=True)
class LayerReport:
    """One linear layer. Bits are log2 of the worst case, rounded up; the limit is 62."""

    layer: int
    shape: tuple[int, int]
    bias: bool
    activation_frac: int
    gradient_frac: int
    shift: int
    limbs: int
    forward_bits: int
    backward_bits: int


@dataclass(frozen=True)
class CheckReport:
    """What `check` found. trial: accuracy after a few steps on the training data, integer and float32."""

    run: RunStatement
    segment: SegmentStatement
    layers: tuple[LayerReport, ...]
    final_bits: int
    trial_steps: int
    trial_accuracy: float
    trial_float_accuracy: float

    @property
    def scales(self) -> Scales:
        return self.segment.scales

    def to_json(self) -> dict[str, Any]:
        return {
            "weight_frac": self.run.format.weight_frac,
            "limbs": vars(self.segment.limbs),
            "layers": [vars(layer) for layer in self.layers],
            "final_bits": self.final_bits,
            "trial_steps": self.trial_steps,
            "trial_accuracy": round(self.trial_accuracy, 4),
            "trial_float_accuracy": round(self.trial_float_accuracy, 4),
        }

    def __str__(self) -> str:
        head = "layer  shape          bias  activation  gradient  shift  limbs  forward  backward"
        rows = [
            f"{x.layer:>5}  {x.shape[0]:>5} x {x.shape[1]:<5}  {'yes' if x.bias else 'no':<4}"
            f"  2^-{x.activation_frac:<8}  2^-{x.gradient_frac:<6}  {x.shift:>5}  {x.limbs:>5}"
            f"  2^{x.forward_bits:<5}  {'2^' + str(x.backward_bits) if x.backward_bits else '-'}"
            for x in self.layers
        ]
        tail = [
            f"weights: {self.run.format.weight_frac} fraction bits; products stay below 2^{self.final_bits} to the last of"
            f" {self.run.steps} steps (limit 2^62)",
            f"after {self.trial_steps} steps: accuracy {100 * self.trial_accuracy:.1f} % integer,"
            f" {100 * self.trial_float_accuracy:.1f} % float32 (training data)",
        ]
        return "\n".join([head, *rows, *tail])


def _layers(run: RunStatement, segment: SegmentStatement) -> tuple[LayerReport, ...]:
    out = []
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
            )
        )
    return tuple(out)


def _final_bits(run: RunStatement, scales: Scales) -> int:
    """Worst-case bits of any product at the last step of the run, with these scales throughout."""
    weights, biases = bounds.grow(run, scales, 0, run.steps, initial_state(run))
    worst = 0
    for layer in range(1, run.L + 1):
        forward = run.widths[layer - 1] * run.activation_max(layer - 1) * weights[layer - 1]
        worst = max(worst, forward + (biases[layer - 1] << scales.fa[layer - 1]))
        if layer < run.L:
            worst = max(worst, run.widths[layer + 1] * run.gradient_max(layer + 1) * weights[layer])
    return worst.bit_length()


def check_run(run: RunStatement, data: Dataset, segment_steps: int, initial: Weights | None = None) -> CheckReport:
    """Plan the first segment and train a few steps of it. Raises NotProvable naming the layer.

    Args:
        initial: the weights of a run that starts from given ones; None expands the run's seed.
    """
    trainer = Trainer(run, data.features, data.labels, segment_steps)
    weights = initial_weights(run) if initial is None else initial
    segment = trainer.plan(0, initial_state(run), weights)
    steps = min(TRIAL_STEPS, run.steps)
    schedule = tuple(piece for piece in run.schedule if piece[0] < steps)
    trial = replace(run, steps=steps, schedule=schedule)
    results = list(Trainer(trial, data.features, data.labels, steps).segments(weights))
    last, trained = results[-1]
    found = evaluate(trial, last.scales, trained, data.features, data.labels)
    floats = train_float(trial, weights, data.features, data.labels)
    return CheckReport(
        run=run,
        segment=segment,
        layers=_layers(run, segment),
        final_bits=_final_bits(run, segment.scales),
        trial_steps=steps,
        trial_accuracy=found.accuracy,
        trial_float_accuracy=float(np.float64(float_accuracy(trial, floats, data.features, data.labels))),
    )
