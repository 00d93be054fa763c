"""Optimiser and loss: what they do in terms of the one update that is proven, W -= lr * (mean gradient)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from zkdl.pytorch import source
from zkdl.pytorch.problems import Category, Problem

Schedule = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Loss:
    """name: "ce" or "mse". factor: what the learning rate is multiplied by so that the proven update is the same."""

    name: str
    reduction: str
    factor: float


def check_loss(loss: Any, classes: int, batch: int) -> tuple[Loss | None, list[Problem]]:
    """The loss in terms of the proven ones.

    Proven are the mean over the batch of the cross-entropy, and of half the squared distance to the row with one 1.
    """
    plain = {functional.cross_entropy: torch.nn.CrossEntropyLoss(), functional.mse_loss: torch.nn.MSELoss()}
    shown = getattr(loss, "__name__", type(loss).__name__)
    place = source.variable(loss)
    loss = plain.get(loss, loss) if callable(loss) and not isinstance(loss, torch.nn.Module) else loss
    out: list[Problem] = []

    def problem(category: Category, path: str, what: str, fix: str) -> None:
        out.append(Problem(category, path, shown, what, fix, place))

    if type(loss) not in (torch.nn.CrossEntropyLoss, torch.nn.MSELoss):
        near = "NLL" in shown or "nll" in shown or "BCE" in shown
        fix = "Use nn.CrossEntropyLoss() on the logits" if near else "Use nn.CrossEntropyLoss() or nn.MSELoss()"
        problem(Category.REPLACE if near else Category.NOT_YET, "loss", "this loss cannot be proven", fix)
        return None, out
    if loss.reduction not in ("mean", "sum"):
        problem(
            Category.MODE, "loss.reduction", f"reduction={loss.reduction!r} gives no number to descend", 'Use "mean"'
        )
    if type(loss) is torch.nn.MSELoss:
        factor = 2.0 / classes if loss.reduction == "mean" else 2.0 * batch
        return Loss("mse", loss.reduction, factor), out
    if loss.label_smoothing:
        what = f"label_smoothing={loss.label_smoothing}: each example counts for one class"
        problem(Category.NOT_YET, "loss.label_smoothing", what, "Use nn.CrossEntropyLoss() without label_smoothing")
    if loss.weight is not None:
        what = "weights per class: every example counts the same"
        fix = "Use nn.CrossEntropyLoss() without weight; repeat the examples of rare classes in the dataset"
        problem(Category.NOT_YET, "loss.weight", what, fix)
    if 0 <= loss.ignore_index < classes:
        what = f"ignore_index={loss.ignore_index}: no class can be left out"
        problem(Category.NOT_YET, "loss.ignore_index", what, "Remove these examples from the dataset")
    return Loss("ce", loss.reduction, 1.0 if loss.reduction == "mean" else float(batch)), out


_STATE = {
    "momentum": "momentum keeps a state beside the weights, which the statement does not hold",
    "weight_decay": "weight decay shrinks the weights at every step, which is not part of the proven update",
    "nesterov": "Nesterov's momentum keeps a state beside the weights, which the statement does not hold",
    "maximize": "the gradient is followed upwards",
}


def check_optimizer(optimizer: Any, model: Any, schedule: Schedule) -> tuple[float | None, list[Problem]]:
    """The one learning rate, and what of the optimiser cannot be proven."""
    kind, place = type(optimizer).__name__, source.variable(optimizer)
    out: list[Problem] = []

    def problem(category: Category, path: str, what: str, fix: str) -> None:
        out.append(Problem(category, path, kind, what, fix, place))

    if not isinstance(optimizer, torch.optim.Optimizer):
        fix = "Give torch.optim.SGD(model.parameters(), lr=...)"
        problem(Category.MODE, "optimizer", "this is no torch.optim.Optimizer", fix)
        return None, out
    if type(optimizer) is not torch.optim.SGD:
        what = "only plain stochastic gradient descent can be proven"
        fix = "Use torch.optim.SGD(model.parameters(), lr=...); expect another learning rate than with this optimiser"
        problem(Category.REPLACE, "optimizer", what, fix)
    else:
        _check_groups(optimizer, problem)
    _check_hooks(optimizer, schedule, problem)
    _check_parameters(optimizer, model, problem)
    rates = {float(group["lr"]) for group in optimizer.param_groups if "lr" in group}
    if len(rates) > 1:
        what = f"the groups have different learning rates: {', '.join(f'{rate:g}' for rate in sorted(rates))}"
        problem(Category.NOT_YET, "optimizer.param_groups", what, "Give all parameters one learning rate")
    rate = min(rates) if rates else None
    if rate is not None and not 2.0**-32 <= rate <= 2.0**16:
        what, fix = f"the learning rate {rate:g} is outside 2^-32 to 2^16", "Choose another one"
        problem(Category.MODE, "optimizer.param_groups[0]", what, fix)
    return rate, out


def _check_groups(optimizer: Any, problem: Any) -> None:
    for index, group in enumerate(optimizer.param_groups):
        path = f"optimizer.param_groups[{index}]"
        for name, what in _STATE.items():
            if group.get(name):
                fix = f"Remove {name} from torch.optim.SGD"
                problem(Category.NOT_YET, path, f"{name}={group[name]}: {what}", fix)
        if group.get("momentum") and group.get("dampening"):
            what = f"dampening={group['dampening']}: it scales what enters the momentum"
            problem(Category.NOT_YET, path, what, "Remove dampening from torch.optim.SGD")


def _check_hooks(optimizer: Any, schedule: Schedule, problem: Any) -> None:
    scheduled = any("initial_lr" in group for group in optimizer.param_groups)
    if scheduled and not schedule:
        what = "a learning-rate scheduler is attached, and it does not run in the proven training"
        fix = "Give its changes: make_provable(..., schedule=[(step, lr), ...]), steps counted from 0"
        problem(Category.REPLACE, "optimizer", what, fix)
    hooks = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    if any(getattr(optimizer, name, None) for name in hooks):
        what = "a hook on step() is registered, and no hook runs in the proven training"
        problem(
            Category.MODE, "optimizer", what, "Remove it: call remove() of the handle that its registration returned"
        )


def _check_parameters(optimizer: Any, model: Any, problem: Any) -> None:
    if not isinstance(model, torch.nn.Module):
        return
    own = {id(parameter): name for name, parameter in model.named_parameters()}
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    foreign = len(held - own.keys())
    fix = "Make it from this model: torch.optim.SGD(model.parameters(), lr=...)"
    if foreign:
        what = f"{foreign} of its parameters do not belong to the model"
        problem(Category.MODE, "optimizer", what, fix)
    missing = [name for key, name in own.items() if key not in held]
    if missing and len(missing) < len(own):
        what = (
            f"it does not train {', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''}; every layer is trained"
        )
        problem(Category.NOT_YET, "optimizer", what, fix)
