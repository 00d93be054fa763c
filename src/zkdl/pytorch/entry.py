"""`zkdl.make_provable` and `zkdl.fix`. PyTorch is imported when one of them is called, not before."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zkdl.datasets import FeatureRule
from zkdl.errors import UsageError

if TYPE_CHECKING:
    from zkdl.pytorch.data import Columns
    from zkdl.pytorch.handle import TorchRun
    from zkdl.pytorch.repair import Fixed


def _require_torch() -> None:
    """Raises UsageError(TORCH_MISSING)."""
    if importlib.util.find_spec("torch") is None:
        raise UsageError(
            "PyTorch is not installed here", code="TORCH_MISSING", hint='Install it: pip install "zkdl[torch]"'
        )


def make_provable(
    model: Any,
    optimizer: Any,
    loader: Any,
    loss: Any,
    *,
    start: str = "model",
    initial_bound: float | None = None,
    seed: str = "zkdl",
    schedule: Sequence[tuple[int, float]] = (),
    features: FeatureRule | None = None,
    columns: Columns | None = None,
    activation_bits: int = 10,
    gradient_bits: int = 10,
    weight_frac: int | None = None,
    segment_steps: int = 64,
    beacon: str | None = None,
    directory: Path | str | None = None,
    backend: str | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> TorchRun:
    """A provable run of the training that these four objects describe. None of them is changed or kept.

    Args:
        model: nn.Module, a chain of linear layers with ReLU between them.
        optimizer: torch.optim.SGD over its parameters, without momentum and weight decay.
        loader: DataLoader over a map-style dataset; rows are (features, label) or mappings.
        loss: nn.CrossEntropyLoss or nn.MSELoss, or the function of the same name.
        start: "model" begins with the weights in the model and commits to them; "seed" with those of a public seed.
        initial_bound: public bound of the model's weights in real units; None takes a policy, see README.md.
        seed: any text, for start="seed".
        schedule: later (step, learning rate) changes, in the optimiser's terms; steps are counted from 0.
        features: how features become integers; None takes 0..255 as they are for integers, and `FeatureRule.of` otherwise.
        columns: names of the feature column, or columns, and of the label column, for rows that are mappings.
        quiet: do not print the differences from the user's own loop on stderr.
        The others are as in `zkdl.Run`.
    Returns: a handle with check, estimate, fit, prove, state_dict, load_into and evaluate.
    Raises: Unsupported(UNSUPPORTED) with every problem; UsageError(TORCH_MISSING, CONFIG_VALUE).
    """
    _require_torch()
    if start not in ("model", "seed"):
        raise UsageError(
            f"start must be model or seed, got {start}", code="CONFIG_VALUE", hint='Say start="model"', field="start"
        )
    from zkdl.pytorch.building import Settings, build

    settings = Settings(
        start=start, initial_bound=initial_bound, seed=seed, schedule=tuple(schedule), features=features, columns=columns,
        activation_bits=activation_bits, gradient_bits=gradient_bits, weight_frac=weight_frac, segment_steps=segment_steps,
        beacon=beacon, directory=directory, backend=backend, threads=threads,
    )  # fmt: skip
    run = build(model, optimizer, loader, loss, settings)
    if not quiet:
        print(run.differences, file=sys.stderr)
    return run


def fix(model: Any, example: Any = None, *, quiet: bool = False) -> Fixed:
    """A copy of the model with what cannot be proven replaced, and the list of changes. The model itself is not changed.

    Other activations become ReLU, dropout and a final softmax go, batch normalisation is folded into a linear layer with its
    running statistics. The copy is read again, and takes one step in PyTorch and one in integers, before it is returned.

    Args:
        example: a batch of inputs, (n, ...); None makes one up from the first linear layer.
        quiet: do not print the changes on stderr.
    Returns: (model, changes).
    Raises: Unsupported(UNSUPPORTED) with what only the user can change, such as calls within `forward`.
    """
    _require_torch()
    from zkdl.pytorch.repair import repaired

    fixed = repaired(model, example)
    if not quiet:
        print("\n".join(["Changes in the copy:", *(f"- {change}" for change in fixed.changes)]), file=sys.stderr)
    return fixed
