"""Initial weights that a run starts from and commits to, instead of a public seed.

Their bounds are part of the public statement, so they must not come from the weights. They are a policy: per layer the
smallest power of two above whatever the seeded generator can return, for its biases too. Weights beyond it are refused,
unless the user states a larger bound, which is then public by choice.
"""

from __future__ import annotations

import math
from dataclasses import replace

from zkdl.errors import NotProvable, UsageError
from zkdl.statement.initialisation import bound as generator_bound
from zkdl.statement.run import RunStatement
from zkdl.statement.weights import Weights

PLACEHOLDER = "00" * 32


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
            biases=" ".join("no" if b is None else str(len(b)) for b in initial.b),
        )


def given(run: RunStatement, bound: float | None = None) -> RunStatement:
    """The run with committed instead of seeded initial weights; the root is a placeholder.

    Args:
        bound: public bound of every |weight| and |bias| in real units, rounded up to a power of two. None: the policy.
    Raises NotProvable(STATEMENT_FIELD) by way of `validate` for bounds beyond 62 bits.
    """
    if bound is None:
        weights = tuple(1 << limit.bit_length() for limit in generator_bound(run))
    else:
        weights = (1 << max(0, math.ceil(math.log2(bound)) + run.format.weight_frac),) * run.L
    biases = tuple(limit if has else 0 for limit, has in zip(weights, run.bias, strict=True))
    return replace(run, init_seed=None, init_root=PLACEHOLDER, init_weight_bound=weights, init_bias_bound=biases)


def check_given(run: RunStatement, initial: Weights) -> None:
    """Raises UsageError(WEIGHTS_SHAPE), or NotProvable(INITIAL_BOUND) for -bound <= value < bound broken in a layer."""
    check_shapes(run, initial)
    for layer, (matrix, bias) in enumerate(zip(initial.W, initial.b, strict=True), start=1):
        for name, values, limit in (
            ("weight", matrix, run.init_weight_bound[layer - 1]),
            ("bias", bias, run.init_bias_bound[layer - 1]),
        ):
            if values is not None and not (-limit <= int(values.min()) and int(values.max()) < limit):
                largest = math.ldexp(max(int(values.max()), -int(values.min())), -run.format.weight_frac)
                raise NotProvable(
                    f"an initial {name} is {largest:.4g}, outside the public bound {math.ldexp(limit, -run.format.weight_frac)}",
                    code="INITIAL_BOUND",
                    hint="Start from smaller weights, or state a larger bound, which everybody will see: initial_bound in [run]"
                    " of the configuration, or of zkdl.Run",
                    layer=layer,
                )


def start_from(run: RunStatement, initial: Weights, root: bytes) -> RunStatement:
    """The run that starts from the weights committed as `root`; a draft with a seed gets the bounds of the policy."""
    run = run if run.init_seed is None else given(run)
    check_given(run, initial)
    return replace(run, init_root=root.hex())
