"""Initial weights that a run starts from and commits to, instead of a public seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zkdl.errors import UsageError
from zkdl.statement.run import RunStatement
from zkdl.statement.weights import Weights


def check_shapes(run: RunStatement, initial: Weights) -> None:
    """Raises UsageError(WEIGHTS_SHAPE) unless the weights belong to the run's network."""
    shapes = list(zip(run.widths[:-1], run.widths[1:], strict=True))
    biases = [(width,) if has else None for width, has in zip(run.widths[1:], run.bias, strict=True)]
    if [w.shape for w in initial.W] != shapes or [None if b is None else b.shape for b in initial.b] != biases:
        raise UsageError(
            "the initial weights belong to another network",
            code="WEIGHTS_SHAPE",
            hint="Correct run.initial, or widths and bias of the model",
            got=" ".join("x".join(map(str, w.shape)) for w in initial.W),
        )


def start_from(run: RunStatement, initial: Weights, root: bytes) -> RunStatement:
    """The run that starts from the weights committed as `root`, with the bounds that their range proof shows."""
    return replace(
        run,
        init_seed=None,
        init_root=root.hex(),
        init_weight_bound=tuple(_power_bound(w) for w in initial.W),
        init_bias_bound=tuple(0 if b is None else _power_bound(b) for b in initial.b),
    )


def _power_bound(values: NDArray[np.int64]) -> int:
    """A power of two above every |value|: what the range proof of committed initial weights can show."""
    return 1 << int(np.abs(values).max()).bit_length()
