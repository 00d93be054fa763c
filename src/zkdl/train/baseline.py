"""Float32 SGD of the same network, initial weights and batches, to compare the integer training with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.statement import sampler
from zkdl.statement.run import RunStatement
from zkdl.statement.weights import Weights
from zkdl.train.rates import to_learning_rate
from zkdl.train.segment import real_loss

Float = NDArray[np.float32]


@dataclass
class FloatWeights:
    """W[l-1]: (d_{l-1}, d_l) float32; b[l-1]: (d_l,) float32 or None."""

    W: list[Float]
    b: list[Float | None]


def float_weights(run: RunStatement, weights: Weights) -> FloatWeights:
    """The real values of integer weights, rounded to float32."""

    def real(values: NDArray[np.int64]) -> Float:
        return np.ldexp(values.astype(np.float64), -run.format.weight_frac).astype(np.float32)

    return FloatWeights([real(w) for w in weights.W], [None if b is None else real(b) for b in weights.b])


def _forward(weights: FloatWeights, inputs: Float) -> list[Float]:
    """A_0 .. A_{L-1} and the logits."""
    values = [inputs]
    for layer, matrix in enumerate(weights.W):
        bias = weights.b[layer]
        product = values[-1] @ matrix
        if bias is not None:
            product += bias
        values.append(product if layer == len(weights.W) - 1 else np.maximum(product, 0))
    return values


def _output_gradient(run: RunStatement, logits: Float, labels: NDArray[np.int32]) -> Float:
    gradient = logits.copy()
    if run.loss == "ce":
        gradient = np.exp(gradient - gradient.max(axis=1, keepdims=True))
        gradient /= gradient.sum(axis=1, keepdims=True)
    gradient[np.arange(len(labels)), labels] -= 1
    return gradient


def _step(
    run: RunStatement, weights: FloatWeights, inputs: Float, labels: NDArray[np.int32], rate: np.float32
) -> Float:
    """One update in place; returns the logits before it."""
    values = _forward(weights, inputs)
    logits = values.pop()
    gradient = _output_gradient(run, logits, labels)
    scale = rate / np.float32(run.batch)
    for layer in range(run.L - 1, -1, -1):
        matrix, activation, bias = weights.W[layer], values[layer], weights.b[layer]
        below = (gradient @ matrix.T) * (activation > 0) if layer > 0 else gradient
        matrix -= scale * (activation.T @ gradient)
        if bias is not None:
            bias -= scale * gradient.sum(axis=0)
        gradient = below
    return logits


def real_features(run: RunStatement, features: NDArray[np.int32]) -> Float:
    """Features (N, d_0) in real units, float32."""
    return np.ldexp(features.astype(np.float32), -run.format.feature_frac)


def _steps(
    run: RunStatement, trained: FloatWeights, features: NDArray[np.int32], labels: NDArray[np.int32], total: int
) -> Iterator[tuple[Float, NDArray[np.int32]]]:
    """The run's first `total` steps, which change `trained` in place; the logits and the labels of each batch."""
    inputs = real_features(run, features)
    seed = sampler.seed(run)
    starts = np.array([start for start, _ in run.schedule])
    rates = [np.float32(to_learning_rate(rate)) for _, rate in run.schedule]
    per_epoch = sampler.steps_per_epoch(run)
    for first in range(0, total, per_epoch):
        count = min(per_epoch, total - first)
        indices, sizes = sampler.batch_indices(run, seed, first, count)
        for t in range(count):
            chosen = indices[t, : sizes[t]]
            rate = rates[int(np.searchsorted(starts, first + t, side="right")) - 1]
            yield _step(run, trained, inputs[chosen], labels[chosen], rate), labels[chosen]


def float_steps(
    run: RunStatement,
    weights: Weights,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    steps: int | None = None,
) -> Iterator[tuple[FloatWeights, Float, NDArray[np.int32]]]:
    """The run's first steps in float32, from the integer initial weights, on the run's own batches.

    Args:
        steps: how many; None for all.
    Yields:
        After every step: the weights, which the next step changes in place; the logits of its batch before the update;
        the labels of its batch.
    """
    trained = float_weights(run, weights)
    for logits, batch in _steps(run, trained, features, labels, run.steps if steps is None else steps):
        yield trained, logits, batch


def train_float(
    run: RunStatement,
    weights: Weights,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    losses: list[float] | None = None,
) -> FloatWeights:
    """All steps of the run in float32, from the integer initial weights, on the run's own batches.

    Args:
        losses: gets the mean loss of every step's batch, real units.
    """
    trained = float_weights(run, weights)
    for logits, batch in _steps(run, trained, features, labels, run.steps):
        if losses is not None:
            losses.append(real_loss(run, logits, batch))
    return trained


def float_accuracy(
    run: RunStatement, weights: FloatWeights, features: NDArray[np.int32], labels: NDArray[np.int32]
) -> float:
    """Accuracy in [0, 1] on features (N, d_0) and labels (N,)."""
    values = _forward(weights, real_features(run, features))[-1]
    return float(np.mean(values.argmax(axis=1) == labels))
