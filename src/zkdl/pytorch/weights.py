"""Weights both ways: a module's parameters as integers, and integers as a state_dict with the module's own names."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zkdl.errors import UsageError
from zkdl.pytorch.network import Layer
from zkdl.statement.weights import Weights


def _real(tensor: Any) -> NDArray[np.float64]:
    out: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return out


def _integers(values: NDArray[np.float64], weight_frac: int) -> NDArray[np.int64]:
    rounded: NDArray[np.int64] = np.floor(np.ldexp(values, weight_frac) + 0.5).astype(np.int64)
    return rounded


def to_integers(state: Mapping[str, Any], layers: list[Layer], weight_frac: int) -> Weights:
    """floor(w * 2^weight_frac + 1/2) of every weight and bias. A linear layer holds its weight as (d_l, d_{l-1})."""
    matrices = [np.ascontiguousarray(_integers(_real(state[layer.weight]).T, weight_frac)) for layer in layers]
    biases = [None if layer.bias is None else _integers(_real(state[layer.bias]), weight_frac) for layer in layers]
    return Weights(matrices, biases)


def largest(state: Mapping[str, Any], layers: list[Layer]) -> list[float]:
    """Largest |weight| or |bias| of each layer, in real units."""
    names = [[name for name in (layer.weight, layer.bias) if name is not None] for layer in layers]
    return [max(float(state[name].detach().abs().max()) for name in group) for group in names]


def enclosing(value: float) -> float:
    """The smallest power of two that is larger, for hints about bounds."""
    return 2.0 ** math.floor(math.log2(value) + 1) if value > 0 else 1.0


def to_state(
    template: Mapping[str, Any], layers: list[Layer], weights: Weights, weight_frac: int, dtype: Any = None
) -> OrderedDict[str, Any]:
    """A state_dict: `template` with the layers' entries replaced, each in its own type unless `dtype` is given."""
    out = OrderedDict((name, tensor.clone()) for name, tensor in template.items())
    for layer, matrix, bias in zip(layers, weights.W, weights.b, strict=True):
        for name, values in ((layer.weight, matrix.T), (layer.bias, bias)):
            if name is not None and values is not None:
                real = torch.from_numpy(np.ldexp(values.astype(np.float64), -weight_frac))
                out[name] = real.to(dtype=dtype or template[name].dtype, device=template[name].device)
    return out


def load(model: Any, state: Mapping[str, Any]) -> None:
    """Put the state into the module, in place. Raises UsageError(WEIGHTS_SHAPE) and leaves it alone when it does not fit."""
    own = model.state_dict()
    wrong = [name for name in state if name not in own or own[name].shape != state[name].shape]
    wrong += [name for name in own if name not in state]
    if wrong:
        raise UsageError(
            f"the module has other parameters than the trained one: {', '.join(wrong[:4])}",
            code="WEIGHTS_SHAPE",
            hint="Give a module of the class and sizes that make_provable was called with",
        )
    model.load_state_dict(state)
