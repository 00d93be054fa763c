"""The network of a module: its exported graph, read as a chain of linear layers with ReLU between them.

`torch.export` runs the module's own `forward` on stand-ins without data, so what is read is what would be computed, with
the line of user code of every operation. The module itself is not touched.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from zkdl.pytorch import operations, source
from zkdl.pytorch.problems import Category, Problem, Source

# A number of examples that no reshape by a feature size is likely to give.
EXAMPLES = 3


@dataclass(frozen=True)
class Layer:
    """Names of a linear layer's parameters in the state_dict. bias: None without one. shape: (d_{l-1}, d_l)."""

    weight: str
    bias: str | None
    shape: tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One operation of the chain. name: "linear", "relu", "dropout", or the ATen name; path: of its module, "" for the root."""

    name: str
    path: str
    kind: str
    source: Source | None
    layer: Layer | None = None

    @property
    def is_module(self) -> bool:
        """Whether it is a module of torch.nn, which can be swapped, and no call within the user's own `forward`."""
        return self.path != "" and hasattr(torch.nn, self.kind)


@dataclass
class Network:
    """What was understood. steps: in the order of computation, those that are problems included."""

    layers: list[Layer] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def widths(self) -> list[int]:
        """d_0 .. d_L. Only for a network without problems."""
        return [self.layers[0].shape[0], *(layer.shape[1] for layer in self.layers)]


def label(path: str) -> str:
    """`model.<path>`, as the user would write it."""
    return f"model.{path}" if path else "model"


def check_kind(model: Any) -> list[Problem]:
    """Problems of an object that is no plain module."""
    kind = type(model).__name__
    if not isinstance(model, torch.nn.Module):
        fix = "Give the nn.Module itself"
        return [Problem(Category.MODE, "model", kind, "this is no nn.Module", fix, source.variable(model))]
    if kind in ("DataParallel", "DistributedDataParallel", "OptimizedModule", "ScriptModule", "RecursiveScriptModule"):
        inside = {"OptimizedModule": "model._orig_mod"}.get(kind, "model.module")
        fix = f"Give the module inside, {inside}" if "Script" not in kind else "Give the module before torch.jit.script"
        return [Problem(Category.MODE, "model", kind, "a wrapped or compiled module", fix, source.variable(model))]
    return []


def check_state(model: Any) -> list[Problem]:
    """Hooks, frozen or odd parameters."""
    out = []
    for path, module in model.named_modules():
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
            if getattr(module, name, None):
                what = f"a hook is registered ({name.strip('_').replace('_', ' ')}), and no hook runs in the proven training"
                fix = "Remove it: call remove() of the handle that its registration returned"
                out.append(Problem(Category.MODE, label(path), type(module).__name__, what, fix))
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        place = source.submodule(model, owner)
        if parameter.is_meta or parameter.is_complex() or not parameter.is_floating_point():
            what = f"the parameter has no real values here ({parameter.dtype} on {parameter.device})"
            out.append(
                Problem(Category.MODE, label(name), "", what, "Load or initialise it in floating point first", place)
            )
            continue
        if not bool(torch.isfinite(parameter.detach()).all()):
            what = "the parameter holds a value that is no finite number"
            out.append(
                Problem(Category.MODE, label(name), "", what, "Load a sound checkpoint or initialise it again", place)
            )
        if not parameter.requires_grad:
            what = "the parameter is frozen (requires_grad=False), and every layer of a proven training is trained"
            fix = "Unfreeze it, or compute the output of the frozen part once and put it into the dataset"
            out.append(Problem(Category.NOT_YET, label(name), "", what, fix, place))
        if getattr(parameter, "_backward_hooks", None) or getattr(parameter, "_post_accumulate_grad_hooks", None):
            what = "a hook on the gradient is registered, and no hook runs in the proven training"
            fix = "Remove it: call remove() of the handle that its registration returned"
            out.append(Problem(Category.MODE, label(name), "", what, fix))
    return out


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the tracer's own log: what it has to say becomes a problem."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def read_network(model: Any, example: Any) -> Network:
    """Trace the module on stand-ins of `example` (EXAMPLES, ...) and read the chain of its layers; never raises for a model."""
    network = Network()
    try:
        with _silent(), torch.random.fork_rng(devices=[]):
            exported = torch.export.export(model, (example,), strict=False)
    except Exception as error:  # forward is the user's code and may raise anything; it becomes a problem
        network.problems = [_untraceable(model, error, example), *_by_name(model)]
        return network
    _Reader(model, exported, network).read()
    return network


def _untraceable(model: Any, error: Exception, example: Any) -> Problem:
    place = source.raised(error)
    if "data-dependent" in str(error):
        return Problem(
            Category.NEVER,
            "model.forward",
            type(model).__name__,
            "the path through the network depends on the values of the data",
            "Compute the same for every example; decide what depends on the data in the dataset",
            place,
        )
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return Problem(
        Category.MODE,
        "model.forward",
        type(model).__name__,
        f"the model cannot be run on examples of shape {tuple(example.shape[1:])}: {first}",
        "Give the loader that feeds this model, and see that one batch passes through it",
        place,
    )


def _by_name(model: Any) -> list[Problem]:
    """Known modules of a model that could not be traced."""
    out = []
    for path, module in model.named_modules():
        kind = type(module).__name__
        if type(module).__module__.startswith("torch.nn") and kind in operations.MODULES:
            name = operations.MODULES[kind]
            category, what, fix = operations.message(name)
            fix += operations.mended(name)
            out.append(Problem(category, label(path), kind, what, fix, source.submodule(model, path)))
    return out


class _Reader:
    """Walks the graph once. `now` is the node that the next operation must take."""

    def __init__(self, model: Any, exported: Any, network: Network) -> None:
        self.model, self.network = model, network
        self.graph = exported.graph
        self.signature = exported.graph_signature
        self.same: dict[Any, Any] = {}
        self.now: Any = None

    def read(self) -> None:
        inputs = set(self.signature.user_inputs)
        for node in self.graph.nodes:
            if node.op == "placeholder" and node.name in inputs:
                self.now = self.same[node] = node
            elif node.op == "call_function":
                self._operation(node)
            elif node.op == "output":
                self._end(node)

    def _step(self, node: Any, name: str, layer: Layer | None = None) -> Step:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path, kind = stack[-1] if stack else ("", "")
        kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        place = source.called(node.meta.get("stack_trace"))
        if kind.startswith("torch.nn."):
            place, kind = source.submodule(self.model, path) or place, kind.rpartition(".")[2]
        else:
            kind = name
        return Step(name, path, kind, place, layer)

    def _problem(self, step: Step, category: Category, what: str, fix: str) -> None:
        if step.is_module:
            fix += operations.mended(step.name)
        self.network.problems.append(Problem(category, label(step.path), step.kind, what, fix, step.source))

    def _operation(self, node: Any) -> None:
        data = [argument for argument in node.all_input_nodes if argument in self.same]
        name = str(node.target).split(".")[1] if "." in str(node.target) else str(node.target)
        if not data:
            if name in ("rand", "randn", "randint", "randperm"):
                self._problem(self._step(node, name), *operations.message("rand"))
            return
        self.same[node] = self.same[data[0]]
        if self.same[data[0]] is not self.now and name in {*operations.RELU, *operations.SHAPE, "linear"}:
            what = "the network branches here: an earlier value is used again"
            self._problem(self._step(node, name), Category.NOT_YET, what, "Make the network one chain of layers")
        if name in operations.SHAPE:
            self._shape(node, name)
            return
        self.now = self.same[node] = node
        if name == "linear":
            self._linear(node)
        elif name in operations.RELU:
            self._relu(self._step(node, "relu"))
        elif name in operations.DROPOUT:
            self._dropout(node)
        else:
            step = self._step(node, name)
            self.network.steps.append(step)
            self._problem(step, *operations.message(name))

    def _shape(self, node: Any, name: str) -> None:
        value = node.meta.get("val")
        if hasattr(value, "shape") and (len(value.shape) == 0 or int(value.shape[0]) != EXAMPLES):
            what = "a reshape that mixes the examples of a batch"
            self._problem(self._step(node, name), Category.NEVER, what, "Keep the first dimension: x.flatten(1)")
        elif hasattr(value, "dtype") and not value.dtype.is_floating_point:
            what = f"the network computes in {value.dtype}"
            self._problem(self._step(node, name), Category.NOT_YET, what, "Keep activations in floating point")

    def _last(self) -> str:
        return self.network.steps[-1].name if self.network.steps else "input"

    def _relu(self, step: Step) -> None:
        if self._last() == "input":
            what = "ReLU on the features, before any layer"
            self._problem(step, Category.NOT_YET, what, "Apply it to the features in the dataset, before training")
        if self._last() != "relu":
            # A second ReLU changes nothing, not even a gradient.
            self.network.steps.append(step)

    def _dropout(self, node: Any) -> None:
        probability, training = node.args[1], node.args[2]
        if probability == 0:
            return
        step = self._step(node, "dropout")
        self.network.steps.append(step)
        self._problem(step, *(operations.DROPPED if training else operations.EVALUATION))

    def _linear(self, node: Any) -> None:
        names = self.signature.inputs_to_parameters
        given = [*node.args, *(node.kwargs.get(key) for key in ("weight", "bias") if key in node.kwargs)]
        weight, bias = given[1], given[2] if len(given) > 2 else None
        found = [None if tensor is None else names.get(tensor.name) for tensor in (weight, bias)]
        step = self._step(node, "linear")
        if found[0] is None or (bias is not None and found[1] is None):
            what = "the weights of this layer are no parameters: they are computed, or held as a buffer"
            self.network.steps.append(step)
            self._problem(
                step, Category.NOT_YET, what, "Use a plain nn.Linear (remove weight or spectral normalisation)"
            )
            return
        if len(node.args[0].meta["val"].shape) != 2:
            what = "the layer is applied along several positions of an example"
            self._problem(step, Category.NOT_YET, what, "Flatten the features first: nn.Flatten()")
        if found[0] in {layer.weight for layer in self.network.layers}:
            what = f"the weight {found[0]} is used by two layers"
            self._problem(step, Category.NOT_YET, what, "Give every layer weights of its own")
        if self._last() == "linear":
            what = "two linear layers without an activation between them"
            self._problem(step, Category.NOT_YET, what, "Put nn.ReLU() between them, or make them one layer")
        outputs, inputs = weight.meta["val"].shape
        layer = Layer(str(found[0]), found[1], (int(inputs), int(outputs)))
        self.network.layers.append(layer)
        self.network.steps.append(Step("linear", step.path, step.kind, step.source, layer))

    def _end(self, node: Any) -> None:
        results = [argument for argument in node.all_input_nodes if argument in self.same]
        last = self.network.steps[-1] if self.network.steps else Step("input", "", type(self.model).__name__, None)
        if len(results) != 1 or not isinstance(node.args[0], list | tuple) or len(node.args[0]) != 1:
            self._problem(
                last, Category.NOT_YET, "forward returns more than the logits", "Return one tensor, (batch, classes)"
            )
        elif self.same[results[0]] is not self.now:
            self._problem(
                last, Category.NOT_YET, "forward returns an earlier value", "Return the output of the last layer"
            )
        if not self.network.layers:
            self._problem(
                last, Category.NOT_YET, "there is no linear layer", "Build the network of nn.Linear and nn.ReLU"
            )
        elif last.name == "relu":
            what = "ReLU after the last layer, which must give the logits"
            self._problem(last, Category.NOT_YET, what, "Remove it")
