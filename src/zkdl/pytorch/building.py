"""From the four objects to a run: read each, gather every problem of all of them, and only then refuse or go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zkdl.api import MLP, Run
from zkdl.datasets import Dataset, FeatureRule
from zkdl.errors import NotProvable, UsageError
from zkdl.given_weights import given
from zkdl.pytorch import weights as conversion
from zkdl.pytorch.data import Columns, Examples, check_loader, integers, read_examples, rule_for
from zkdl.pytorch.differences import Understood, differences
from zkdl.pytorch.handle import TorchRun
from zkdl.pytorch.network import EXAMPLES, Network, check_kind, check_state, label, read_network
from zkdl.pytorch.problems import Category, Problem, refuse
from zkdl.pytorch.source import submodule
from zkdl.pytorch.training import Schedule, check_loss, check_optimizer


@dataclass(frozen=True)
class Settings:
    """Keyword arguments of `make_provable`."""

    start: str
    initial_bound: float | None
    seed: str
    schedule: Schedule
    features: FeatureRule | None
    columns: Columns | None
    activation_bits: int
    gradient_bits: int
    weight_frac: int | None
    segment_steps: int
    beacon: str | None
    directory: Path | str | None
    backend: str | None
    threads: int | None


def stand_in(model: Any, features: Any = None) -> Any:
    """Inputs for tracing, (EXAMPLES, ...), in the type and on the device of the model's parameters.

    Args:
        features: (N, ...) examples whose shape to take; None takes the inputs of the first linear layer.
    """
    first = next(iter(model.parameters()), None)
    shape = None if features is None else features.shape[1:]
    if shape is None:
        layer = next((module for module in model.modules() if isinstance(module, torch.nn.Linear)), None)
        shape = (1,) if layer is None else (layer.in_features,)
    kind = torch.float32 if first is None or not first.is_floating_point() else first.dtype
    return torch.zeros((EXAMPLES, *shape), dtype=kind, device=None if first is None else first.device)


def read_model(model: Any, features: Any = None) -> Network:
    """The network with every problem of the module. features: as of `stand_in`."""
    found = check_kind(model)
    if found:
        return Network(problems=found)
    network = read_network(model, stand_in(model, features))
    network.problems = [*network.problems, *check_state(model)]
    return network


def _width(network: Network, examples: Examples) -> list[Problem]:
    """The loader's examples must have as many features as the first layer takes."""
    if not network.layers or examples.features is None or network.problems:
        return []
    count = int(examples.features[0].size)
    if count == network.widths[0]:
        return []
    what = f"the model takes {network.widths[0]} features, the examples have {count}"
    return [Problem(Category.MODE, "loader.dataset", "", what, "Give the loader that feeds this model")]


def _bound(run: Run, data: Dataset, model: Any, network: Network) -> list[Problem]:
    """Weights beyond the public bound of a start from the model."""
    configuration = replace(run.configuration, steps=1, epochs=None, changes=())
    try:
        draft = given(
            replace(configuration, weight_frac=configuration.weight_frac or 28).draft(data), configuration.initial_bound
        )
    except NotProvable as error:
        return [
            Problem(Category.MODE, "model", type(model).__name__, str(error.message), error.hint or "See the message")
        ]
    limits = [2.0**-draft.format.weight_frac * bound for bound in draft.init_weight_bound]
    found = conversion.largest(model.state_dict(), network.layers)
    needed = conversion.enclosing(max(found))
    out = []
    for layer, limit, largest in zip(network.layers, limits, found, strict=True):
        if largest >= limit:
            path = layer.weight.rpartition(".")[0]
            what = f"a weight or bias of size {largest:.4g} is outside the public bound {limit:g} of initial weights"
            fix = f'Give initial_bound={needed:g}, which everybody will see, or start="seed"'
            out.append(Problem(Category.MODE, label(path), "Linear", what, fix, submodule(model, path)))
    return out


def build(model: Any, optimizer: Any, loader: Any, loss: Any, settings: Settings) -> TorchRun:
    """The run. Raises Unsupported with the problems of all four objects."""
    batches, problems = check_loader(loader)
    examples = Examples(None, None, [])
    if hasattr(loader, "dataset") and not any(problem.path == "loader.dataset" for problem in problems):
        examples = read_examples(loader.dataset, settings.columns)
    network = read_model(model, examples.features)
    classes = network.layers[-1].shape[1] if network.layers else 0
    rate, of_optimizer = check_optimizer(optimizer, model, settings.schedule)
    proven_loss, of_loss = check_loss(loss, classes, batches.batch)
    data = None
    of_data = [*examples.problems, *_width(network, examples)]
    if classes:
        data, wrong = integers(examples, classes, settings.features)
        of_data += wrong
    problems = [*network.problems, *of_optimizer, *problems, *of_data, *of_loss]
    refuse(problems)
    if data is None or proven_loss is None or rate is None or examples.features is None or examples.labels is None:
        raise UsageError(
            "the training could not be read", code="USAGE", hint="Give a model, SGD, a DataLoader and a loss"
        )
    run = Run(
        MLP(network.widths, bias=[layer.bias is not None for layer in network.layers]),
        lr=rate * proven_loss.factor,
        batch=batches.batch,
        loss=proven_loss.name,
        activation_bits=settings.activation_bits,
        gradient_bits=settings.gradient_bits,
        weight_frac=settings.weight_frac,
        features=settings.features or rule_for(examples.features.dtype),
        schedule=[(step, value * proven_loss.factor) for step, value in settings.schedule],
        last_batch=batches.last,
        segment_steps=settings.segment_steps,
        seed=settings.seed,
        initial_bound=settings.initial_bound if settings.start == "model" else None,
        beacon=settings.beacon,
        directory=settings.directory,
        backend=settings.backend,
        threads=settings.threads,
    )
    if settings.start == "model":
        refuse(_bound(run, data, model, network))
    template = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    used = {name for layer in network.layers for name in (layer.weight, layer.bias)}
    said = differences(
        Understood(
            network=network,
            data=data,
            raw=examples.features,
            batches=batches,
            loss=proven_loss,
            rate=rate,
            dtype=str(template[network.layers[0].weight].dtype).removeprefix("torch."),
            start=settings.start,
            unused=tuple(name for name in template if name not in used),
            activation_bits=settings.activation_bits,
            gradient_bits=settings.gradient_bits,
        )
    )
    return TorchRun(
        run,
        examples.features,
        examples.labels,
        network.layers,
        template,
        said,
        from_model=settings.start == "model",
        columns=settings.columns,
    )
