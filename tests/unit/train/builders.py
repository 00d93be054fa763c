"""Small trainable runs on random data."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.unit.statement.builders import make_run
from zkdl.statement.run import RunFormat, RunStatement

FORMAT = RunFormat(
    activation_bits=8,
    gradient_bits=8,
    weight_frac=24,
    feature_bits=4,
    feature_min=0,
    feature_frac=4,
    logit_bits=10,
    logit_frac=4,
    exp_bits=8,
)


def make_training(seed: int = 5, **changes: Any) -> tuple[RunStatement, np.ndarray, np.ndarray]:
    """(run, features (N, d_0) int32, labels (N,) int32)."""
    changes.setdefault("format", FORMAT)
    changes.setdefault("schedule", ((0, 1 << 30),))
    run = make_run(**changes)
    run.validate()
    rng = np.random.default_rng(seed)
    low, size = run.format.feature_min, 1 << run.format.feature_bits
    features = rng.integers(low, low + size, (run.examples, run.widths[0])).astype(np.int32)
    return run, features, rng.integers(0, run.classes, run.examples).astype(np.int32)


def committed(run: RunStatement, weight_bound: int, bias_bound: int) -> RunStatement:
    """The run started from committed weights."""
    biases = tuple(bias_bound if has else 0 for has in run.bias)
    return replace(
        run, init_seed=None, init_root="0" * 64, init_weight_bound=(weight_bound,) * run.L, init_bias_bound=biases
    )
