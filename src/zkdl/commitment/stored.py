"""Commitments that outlive a proof: the dataset and the weights. [review.md, section (d)]

Dataset: block n_hi has one row per feature, then one per class with the one-hot labels, for the ell examples from
n_hi * ell on. Weights: layer l is cut into rows of 2^i_lo inputs, in-row (i_lo, j) with j padded to 2^ceil(log2 d_l);
rows of inputs that do not exist are absent; each bias is one row with i_lo = 0. Both layouts, and with them the size of
every message, follow from public numbers.

Salts and random coefficients derive from a 32-byte key and from what is committed, so who holds key and data can
recompute the root, and one key never repeats its coefficients for other data or for another budget.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.backend.scratch import KEPT_CODE_BYTES
from zkdl.commitment.ligero import Committed, commit, random_coefficients
from zkdl.commitment.parameters import CodeShape, ParameterSet, code_shape, opening_bytes
from zkdl.errors import NotProvable, UsageError
from zkdl.hiding.entropy import Entropy
from zkdl.statement.weights import Weights

_NO_MATRIX, _NO_RANDOM = np.empty((0, 0), dtype=np.int32), np.empty((0, 0), dtype=np.uint64)


def log2_ceil(n: int) -> int:
    """Smallest v with n <= 2^v."""
    return max(0, (n - 1).bit_length())


def _best(shapes: list[CodeShape]) -> CodeShape:
    return min(shapes, key=opening_bytes)


@dataclass(frozen=True)
class DatasetLayout:
    """Sizes of a dataset commitment. blocks: groups of ell examples; each has features + classes rows."""

    examples: int
    features: int
    classes: int
    code: CodeShape

    @property
    def blocks(self) -> int:
        return -(-self.examples >> self.code.log_row)

    @property
    def padded_examples(self) -> int:
        return self.blocks << self.code.log_row

    @property
    def block_rows(self) -> int:
        return self.features + self.classes


def dataset_layout(
    examples: int, features: int, classes: int, openings: int, parameters: ParameterSet
) -> DatasetLayout:
    top = max(1, log2_ceil(examples))
    shapes = [
        code_shape(
            (features + classes) * -(-examples >> log_row), log_row, openings, parameters.rate, parameters.query_bits
        )
        for log_row in range(min(top, 6), top + 1)
    ]
    return DatasetLayout(examples, features, classes, _best(shapes))


@dataclass(frozen=True)
class LayerRows:
    """Where a layer's weights are: `rows` rows from first_row, 2^log_inputs inputs per row, 2^log_outputs in-row."""

    first_row: int
    rows: int
    log_inputs: int
    log_outputs: int
    bias_row: int | None


@dataclass(frozen=True)
class WeightsLayout:
    """Sizes of a weight commitment; layers[l - 1] for layer l."""

    widths: tuple[int, ...]
    layers: tuple[LayerRows, ...]
    code: CodeShape


def _layer_rows(widths: Sequence[int], bias: Sequence[bool], log_row: int) -> tuple[tuple[LayerRows, ...], int]:
    layers, row = [], 0
    for inputs, outputs, has_bias in zip(widths[:-1], widths[1:], bias, strict=True):
        log_outputs = log2_ceil(outputs)
        log_inputs = log_row - log_outputs
        rows = -(-inputs >> log_inputs)
        layers.append(LayerRows(row, rows, log_inputs, log_outputs, row + rows if has_bias else None))
        row += rows + has_bias
    return tuple(layers), row


def weights_layout(
    widths: Sequence[int], bias: Sequence[bool], openings: int, parameters: ParameterSet
) -> WeightsLayout:
    least = max(log2_ceil(d) for d in widths[1:])
    shapes = [
        code_shape(_layer_rows(widths, bias, log_row)[1], log_row, openings, parameters.rate, parameters.query_bits)
        for log_row in range(max(1, least), max(1, least) + 8)
    ]
    code = _best(shapes)
    return WeightsLayout(tuple(widths), _layer_rows(widths, bias, code.log_row)[0], code)


@dataclass(frozen=True)
class DatasetCommitment:
    layout: DatasetLayout
    committed: Committed

    @property
    def root(self) -> bytes:
        return self.committed.root

    def tree_only(self) -> DatasetCommitment:
        """Without what follows from data and key: it cannot be opened before `with_values` puts that back."""
        whole = self.committed
        tree = Committed(whole.shape, _NO_MATRIX, _NO_RANDOM, whole.salts, whole.levels)
        return DatasetCommitment(self.layout, tree)

    def with_values(self, features: NDArray[np.int32], labels: NDArray[np.int32], key: bytes) -> DatasetCommitment:
        """With matrix and random coefficients made again; the arguments must be those of `commit_dataset`."""
        shape = self.layout.code
        matrix = dataset_matrix(self.layout, features, labels)
        random = random_coefficients(shape, _entropy(key, "dataset", shape, matrix), "dataset")
        return DatasetCommitment(self.layout, replace(self.committed, matrix=matrix, random=random))


@dataclass(frozen=True)
class WeightsCommitment:
    layout: WeightsLayout
    committed: Committed

    @property
    def root(self) -> bytes:
        return self.committed.root


def dataset_matrix(layout: DatasetLayout, features: NDArray[np.int32], labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """(rows, ell) int32."""
    if features.shape != (layout.examples, layout.features) or labels.shape != (layout.examples,):
        raise UsageError("the data have another shape than the statement says", code="DATA_SHAPE", got=features.shape)
    if layout.examples and (int(labels.min()) < 0 or int(labels.max()) >= layout.classes):
        raise NotProvable("a label is not a class", code="DATA_LABEL_RANGE", classes=layout.classes)
    matrix = np.zeros((layout.code.rows, layout.code.row), dtype=np.int32)
    blocks = matrix.reshape(layout.blocks, layout.block_rows, layout.code.row)
    for block, first in zip(blocks, range(0, layout.examples, layout.code.row), strict=True):
        last = min(layout.examples, first + layout.code.row)
        block[: layout.features, : last - first] = features[first:last].T
        block[layout.features + labels[first:last], np.arange(last - first)] = 1
    return matrix


def weights_matrix(layout: WeightsLayout, weights: Weights) -> NDArray[np.int64]:
    """(rows, ell) int64; inputs and outputs that do not exist are zero."""
    matrix = np.zeros((layout.code.rows, layout.code.row), dtype=np.int64)
    for l, place in enumerate(layout.layers):
        inputs, outputs = layout.widths[l], layout.widths[l + 1]
        if weights.W[l].shape != (inputs, outputs):
            raise UsageError("weights of another shape", code="WEIGHTS_SHAPE", layer=l + 1, got=weights.W[l].shape)
        block = matrix[place.first_row : place.first_row + place.rows]
        block.reshape(place.rows << place.log_inputs, 1 << place.log_outputs)[:inputs, :outputs] = weights.W[l]
        bias = weights.b[l]
        if (bias is None) != (place.bias_row is None):
            raise UsageError("weights with another choice of biases", code="WEIGHTS_SHAPE", layer=l + 1)
        if bias is not None and place.bias_row is not None:
            # numpy would spread a single value over the whole row.
            if bias.shape != (outputs,):
                raise UsageError("biases of another shape", code="WEIGHTS_SHAPE", layer=l + 1, got=bias.shape)
            matrix[place.bias_row, :outputs] = bias
    return matrix


def _entropy(key: bytes, kind: str, shape: CodeShape, matrix: NDArray[Any]) -> Entropy:
    """Randomness bound to content and shape: equal coefficients under two contents would show, in the difference of two
    opened columns, the difference of what they hide; under two budgets they would be evaluated at too many points."""
    content = hashlib.sha256(repr((kind, astuple(shape), matrix.dtype.str)).encode())
    content.update(np.ascontiguousarray(matrix).data)
    return Entropy(key, kind.encode() + content.digest())


def _commit(backend: Backend, matrix: NDArray[Any], shape: CodeShape, key: bytes, kind: str, kept: int) -> Committed:
    return commit(backend, matrix, shape, _entropy(key, kind, shape, matrix), kind, kept)


def commit_dataset(
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    classes: int,
    key: bytes,
    budget: int,
    parameters: ParameterSet,
    backend: Backend,
    kept: int = KEPT_CODE_BYTES,
) -> DatasetCommitment:
    """Commit features (N, d_0) and labels (N,) for at most `budget` openings; kept as of `ligero.commit`."""
    layout = dataset_layout(len(features), features.shape[1], classes, budget, parameters)
    matrix = dataset_matrix(layout, features, labels)
    return DatasetCommitment(layout, _commit(backend, matrix, layout.code, key, "dataset", kept))


def commit_weights(
    weights: Weights, key: bytes, budget: int, parameters: ParameterSet, backend: Backend, kept: int = KEPT_CODE_BYTES
) -> WeightsCommitment:
    """Commit all layers for at most `budget` openings; kept as of `ligero.commit`."""
    widths = [weights.W[0].shape[0], *(w.shape[1] for w in weights.W)]
    layout = weights_layout(widths, [b is not None for b in weights.b], budget, parameters)
    matrix = weights_matrix(layout, weights)
    return WeightsCommitment(layout, _commit(backend, matrix, layout.code, key, "weights", kept))


def dataset_root(*args: Any) -> bytes:
    """Recompute the root from the data and the key; arguments as for `commit_dataset`."""
    return commit_dataset(*args).root


def weights_root(*args: Any) -> bytes:
    """Recompute the root from the weights and the key; arguments as for `commit_weights`."""
    return commit_weights(*args).root
