"""Writes a step's values into the columns of the witness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.statement.requantise import Requant
from zkdl.train.plan import StepPlan
from zkdl.train.step import Rounded, StepTrace

Int = NDArray[np.int64]
Columns = Mapping[tuple[str, int], NDArray[Any]]


def _limbs(kind: str, rounded: Rounded, requant: Requant) -> Iterator[tuple[str, Int]]:
    yield f"{kind}_hi", rounded.high
    if requant.mid_bits:
        yield f"{kind}_mid", rounded.low >> requant.low_bits
        yield f"{kind}_low", rounded.low & ((1 << requant.low_bits) - 1)
    else:
        yield f"{kind}_low", rounded.low


def column_values(plan: StepPlan, trace: StepTrace) -> Iterator[tuple[str, int, Int]]:
    """(name, layer, values (rows, d_l)) of every column of a step; "mx" has values (rows,).

    Hidden layers: z_hi, [z_mid], z_low, A, S, p_hi, [p_mid], p_low, G. Output: z_hi, [z_mid], z_low, Y and,
    for cross-entropy, E, I0, q, R, G, mx.
    """
    last = plan.run.L
    for layer in range(1, last + 1):
        for name, values in _limbs("z", trace.forward[layer - 1], plan.forward[layer - 1]):
            yield name, layer, values
    for layer in range(1, last):
        yield "A", layer, trace.activations[layer]
        yield "S", layer, trace.signs[layer - 1]
        for name, values in _limbs("p", trace.backward[layer - 1], plan.backward[layer - 1]):
            yield name, layer, values
        yield "G", layer, trace.gradients[layer - 1]
    yield "Y", last, trace.logits
    if trace.softmax is not None:
        yield "E", last, trace.softmax.exponentials
        yield "I0", last, trace.softmax.is_largest
        yield "q", last, trace.softmax.quotients
        yield "R", last, trace.softmax.remainders
        yield "G", last, trace.gradients[-1]
        yield "mx", last, trace.softmax.largest


def write_step(backend: Backend, columns: Columns, plan: StepPlan, trace: StepTrace, steps: slice) -> None:
    """Write into columns[name, layer][:d_l, steps, :] (int32, (units padded, T', B'); "mx" (T', B')).

    A trace of one row stands for all rows. Columns that the caller does not hold are left out.
    """
    for name, layer, values in column_values(plan, trace):
        column = columns.get((name, layer))
        if column is None:
            continue
        if name == "mx":
            column[steps] = values
        elif steps.stop - steps.start == 1 and len(values) == column.shape[2]:
            backend.write_transposed(column[: values.shape[1], steps.start], np.ascontiguousarray(values))
        else:
            column[: values.shape[1], steps] = values.T[:, None, :]
