"""Initial weights from a public seed, by integer arithmetic, so that anybody can recompute them.

A weight is a sum of four 16-bit uniforms (Irwin-Hall, close to normal, deviation 2^16 / sqrt(3)), centred, scaled
to sqrt(2 / fan_in) in hidden layers and sqrt(1 / fan_in) in the last one. Biases start at 0. The stream is cut into
blocks, each from a hash of its own, so that the memory for expanding a large layer does not grow with it.
"""

from __future__ import annotations

import hashlib
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from zkdl.errors import NotProvable
from zkdl.statement.weights import Weights

if TYPE_CHECKING:
    from zkdl.statement.run import RunStatement

_LABEL = b"zkdl/initial-weights/2"
_BLOCK = 1 << 18
_TERMS = 4
_CENTRE = _TERMS * ((1 << 16) - 1) // 2
_UNIT_BITS = 16


def _deviation(run: RunStatement, layer: int) -> int:
    """floor(2^fw times sqrt(3) standard deviations: the sum of four uniforms has deviation 2^16 / sqrt(3))."""
    gain = 6 if layer < run.L else 3
    return isqrt((gain << (2 * run.format.weight_frac)) // run.widths[layer - 1])


def _scaled_bound(run: RunStatement, layer: int) -> int:
    return (_CENTRE * _deviation(run, layer) + (1 << (_UNIT_BITS - 1))) >> _UNIT_BITS


def bound(run: RunStatement) -> tuple[int, ...]:
    """Largest |W_l| that `initial_weights` can return for any seed, per layer."""
    return tuple(_scaled_bound(run, layer) for layer in range(1, run.L + 1))


def initial_weights(run: RunStatement) -> Weights:
    """Expand run.init_seed. Raises NotProvable when the run starts from a commitment instead."""
    if run.init_seed is None:
        raise NotProvable("the run has no initial seed", code="STATEMENT_FIELD", field="init_seed")
    prefix = _LABEL + bytes.fromhex(run.init_seed)
    matrices = []
    for layer in range(1, run.L + 1):
        inputs, outputs = run.widths[layer - 1], run.widths[layer]
        matrix = np.empty(inputs * outputs, dtype=np.int64)
        for block, first in enumerate(range(0, len(matrix), _BLOCK)):
            part = matrix[first : first + _BLOCK]
            place = layer.to_bytes(4, "little") + block.to_bytes(4, "little")
            stream = hashlib.shake_256(prefix + place).digest(2 * _TERMS * len(part))
            uniforms = np.frombuffer(stream, dtype="<u2").reshape(len(part), _TERMS)
            centred = uniforms.sum(axis=1, dtype=np.int64) - _CENTRE
            part[:] = (centred * _deviation(run, layer) + (1 << (_UNIT_BITS - 1))) >> _UNIT_BITS
        matrices.append(matrix.reshape(inputs, outputs))
    biases = [np.zeros(d, dtype=np.int64) if has else None for d, has in zip(run.widths[1:], run.bias, strict=True)]
    return Weights(matrices, biases)
