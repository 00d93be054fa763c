"""Accuracy and loss of integer weights, by the same integer forward pass that is proven."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.select import get_backend
from zkdl.statement import requantise
from zkdl.statement.run import RunStatement
from zkdl.statement.state import Scales
from zkdl.statement.weights import Weights
from zkdl.train.plan import product_limb_bits
from zkdl.train.products import split
from zkdl.train.segment import mean_loss

_CHUNK = 1024


@dataclass(frozen=True)
class Evaluation:
    """accuracy in [0, 1]; loss: mean, in real units."""

    accuracy: float
    loss: float


def logits(run: RunStatement, scales: Scales, weights: Weights, features: NDArray[np.int32]) -> NDArray[np.int64]:
    """Integer logits (N, C), logit_frac fraction bits, of features (N, d_0). Values are clamped."""
    formats, backend = run.format, get_backend()
    matrices = [split(w, bits) for w, bits in zip(weights.W, product_limb_bits(run), strict=True)]
    out = np.empty((len(features), run.classes), dtype=np.int64)
    for first in range(0, len(features), _CHUNK):
        values = features[first : first + _CHUNK].astype(np.int64)
        for layer in range(1, run.L + 1):
            product = matrices[layer - 1].product(backend, values)
            bias = weights.b[layer - 1]
            if bias is not None:
                product += bias << scales.fa[layer - 1]
            shift = requantise.shift_forward(run, scales, layer)
            values = (product + (1 << (shift - 1))) >> shift
            if layer < run.L:
                values = np.clip(values, 0, formats.activation_max)
        out[first : first + _CHUNK] = np.clip(values, -formats.logit_max, formats.logit_max)
    return out


def evaluate(
    run: RunStatement,
    scales: Scales,
    weights: Weights,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
) -> Evaluation:
    """Evaluate on features (N, d_0) and labels (N,), N >= 1."""
    values = logits(run, scales, weights, features)
    return Evaluation(float(np.mean(values.argmax(axis=1) == labels)), mean_loss(run, values, labels.astype(np.int64)))
