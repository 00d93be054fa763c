"""A copy of a module in which what cannot be proven is replaced by what can, tried out before it is handed over."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch

from zkdl.api import MLP, Run
from zkdl.errors import InternalError
from zkdl.pytorch import operations
from zkdl.pytorch import weights as conversion
from zkdl.pytorch.building import read_model, stand_in
from zkdl.pytorch.network import EXAMPLES, Network, Step, check_kind, label
from zkdl.pytorch.problems import refuse

_TRIAL_FRAC = 28


class Fixed(NamedTuple):
    """model: the copy. changes: one sentence for each replacement, in the order of computation."""

    model: Any
    changes: tuple[str, ...]


def repaired(model: Any, example: Any = None) -> Fixed:
    """See `zkdl.fix`."""
    refuse(check_kind(model))
    shape = None if example is None else example.detach().cpu().numpy()
    mended = copy.deepcopy(model)
    found = read_model(mended, shape)
    changes: list[str] = []
    for step in found.steps:
        change = _replace(mended, found, step)
        if change is not None:
            changes.append(change)
    again = read_model(mended, shape)
    refuse(again.problems)
    _one_step(mended, again, shape)
    return Fixed(mended, tuple(dict.fromkeys(changes)))


def _replace(model: Any, network: Network, step: Step) -> str | None:
    """Replace one operation in the copy; None when it stays."""
    if not step.is_module:
        return None
    if operations.is_activation(step.name):
        model.set_submodule(step.path, torch.nn.ReLU())
        return f"{label(step.path)}: {step.kind} is now ReLU; the function is another one, so train on"
    if step.name == "dropout":
        model.set_submodule(step.path, torch.nn.Identity())
        return f"{label(step.path)}: {step.kind} is gone"
    if step.name in ("softmax", "log_softmax"):
        model.set_submodule(step.path, torch.nn.Identity())
        return f"{label(step.path)}: {step.kind} is gone; the model gives logits, for nn.CrossEntropyLoss()"
    return _fold(model, network, step) if step.name == "batch_norm" else None


def _fold(model: Any, network: Network, step: Step) -> str | None:
    """Fold the affine map of a batch normalisation into the linear layer before it, else into the one after it."""
    norm = model.get_submodule(step.path)
    if [other.path for other in network.steps].count(step.path) > 1:
        return None  # no single layer to fold it into
    if norm.running_mean is None or norm.running_var is None:
        model.set_submodule(step.path, torch.nn.Identity())
        return f"{label(step.path)}: {step.kind} is gone; it keeps no running statistics that could be folded"
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight.detach()
    shift = -norm.running_mean * scale
    shift = shift if norm.bias is None else shift + norm.bias.detach()
    steps = [other for other in network.steps if other.name != "dropout"]
    place = steps.index(step)
    for neighbour in (place - 1, place + 1):
        if not 0 <= neighbour < len(steps) or steps[neighbour].name != "linear":
            continue
        other = steps[neighbour]
        linear = model.get_submodule(other.path)
        if not isinstance(linear, torch.nn.Linear):
            continue
        with torch.no_grad():
            bias = torch.zeros_like(linear.weight[:, 0]) if linear.bias is None else linear.bias.detach()
            if neighbour < place:
                bias = bias * scale + shift
                linear.weight.mul_(scale[:, None])
            else:
                bias = bias + linear.weight @ shift
                linear.weight.mul_(scale[None, :])
            linear.bias = torch.nn.Parameter(bias.clone())
        model.set_submodule(step.path, torch.nn.Identity())
        return f"{label(step.path)}: {step.kind} is folded, with its running statistics, into {label(other.path)}"
    return None


def _one_step(model: Any, network: Network, shape: Any) -> None:
    """One step of the copy's copy in PyTorch and one in integers. Raises InternalError, NotProvable."""
    trial = copy.deepcopy(model).train()
    inputs = torch.rand(stand_in(trial, shape).shape, generator=torch.Generator().manual_seed(0))
    first = next(iter(trial.parameters()))
    optimizer = torch.optim.SGD(trial.parameters(), lr=2.0**-6)
    logits = trial(inputs.to(dtype=first.dtype, device=first.device))
    labels = torch.arange(EXAMPLES, device=first.device) % network.widths[-1]
    torch.nn.functional.cross_entropy(logits, labels).backward()
    optimizer.step()
    names = {name for layer in network.layers for name in (layer.weight, layer.bias)}
    for name, parameter in trial.named_parameters():
        finite = bool(torch.isfinite(parameter).all())
        if name in names and (parameter.grad is None or not finite):
            raise InternalError(
                f"the fixed model does not train: {name} has no gradient, or is no finite number after a step"
            )
    state = model.state_dict()
    bound = conversion.enclosing(max(conversion.largest(state, network.layers)))
    run = Run(
        MLP(network.widths, bias=[layer.bias is not None for layer in network.layers]),
        lr=2.0**-6, batch=EXAMPLES, loss="ce" if network.widths[-1] > 1 else "mse", weight_frac=_TRIAL_FRAC,
        initial_bound=min(max(bound, 2.0**-40), 2.0**40),
    )  # fmt: skip
    start = conversion.to_integers(state, network.layers, _TRIAL_FRAC)
    examples = inputs.reshape(EXAMPLES, -1).numpy().astype(np.float64)
    run.check(examples, labels.cpu().numpy(), steps=1, initial=start)
