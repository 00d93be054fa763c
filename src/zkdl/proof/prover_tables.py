"""The witness of a segment and the tables that its prover folds from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.extension import Array, Ext, scalar, to_array, total
from zkdl.backend.base import Backend
from zkdl.backend.counting import TableIndex
from zkdl.backend.scratch import IN_MEMORY, Storage
from zkdl.proof.layout import SegmentLayout, views
from zkdl.proof.public import SegmentPublic
from zkdl.protocols.lookup import LeafEquation, Lookup, TableRows
from zkdl.protocols.matmul import MatmulClaims, MatmulTables
from zkdl.statement.weights import Weights

Ints = NDArray[np.int32]


def empty_columns(layout: SegmentLayout, storage: Storage = IN_MEMORY) -> tuple[Ints, dict[tuple[str, int], Any]]:
    """A zero witness matrix, and every column as a view of it; virtual limbs and remainders get arrays of their own."""
    matrix = storage.column((layout.code.rows, layout.code.row))
    columns: dict[tuple[str, int], Any] = dict(views(layout, matrix))
    for (name, layer), column in list(columns.items()):
        virtual = {"z_hi": "z_low", "p_hi": "p_low", "q": "R"}.get(name)
        if virtual is not None:
            columns[virtual, layer] = storage.column(column.shape)
    return matrix, columns


@dataclass(frozen=True)
class SegmentWitness:
    """Everything secret about a segment except the weights.

    Attributes:
        matrix: committed rows (m, ell), multiplicities included. columns: (name, layer) -> (units, T', B') int32 or
            (T', B') for "mx"; "z_low", "p_low" and "R" are not committed.
        features: A_0 as (d_0, T', B') int32, zero where a batch has no example. slot_labels: (T', B'), -1 there.
        labels: (N,) of the whole dataset.
    """

    public: SegmentPublic
    matrix: Ints
    columns: Mapping[tuple[str, int], Any]
    features: Ints
    slot_labels: NDArray[np.int64]
    labels: Ints

    def output_gradient(self) -> Ints:
        """G_L as (C padded, T', B'): a column, or Y - 2^fa onehot for the squared error."""
        run = self.public.run
        if self.public.cross_entropy:
            return np.asarray(self.columns["G", run.L])
        gradient = np.array(self.columns["Y", run.L])
        t, b = np.nonzero(self.slot_labels >= 0)
        gradient[self.slot_labels[t, b], t, b] -= 1 << self.public.segment.scales.fa[-1]
        return gradient

    def gradient(self, layer: int) -> Ints:
        return self.output_gradient() if layer == self.public.run.L else np.asarray(self.columns["G", layer])

    def activation(self, layer: int) -> Ints:
        return self.features if layer == 0 else np.asarray(self.columns["A", layer])

    def fields(self, lookup: Lookup) -> list[Ints]:
        """Values of each field, flat over the lookup's rows; zero on units that do not exist."""
        layer = self._layer(lookup)
        c, name = self.columns, lookup.name.rstrip("0123456789")
        if name == "activation":
            found = [c["z_hi", layer], c["A", layer], c["S", layer]]
        elif name == "gradient":
            found = [c["p_hi", layer], c["S", layer], c["G", layer]]
        elif name == "logit":
            found = [c["z_hi", layer], c["Y", layer]]
        elif name in ("z_low", "z_mid", "p_low", "p_mid"):
            found = [c[name, layer], self._width(lookup)]
        else:
            found = self._loss_fields(lookup)
        return [
            values if values.ndim == 1 else np.ascontiguousarray(values, dtype=np.int32).reshape(-1) for values in found
        ]

    def _layer(self, lookup: Lookup) -> int:
        digits = lookup.name[len(lookup.name.rstrip("0123456789")) :]
        return int(digits) if digits else self.public.run.L

    def _width(self, lookup: Lookup) -> Ints:
        width = np.int32(lookup.fields[1][0].coefficient)
        return np.broadcast_to(width, (lookup.rows << self.public.layout.log_row,))

    def _only_units(self, values: NDArray[Any], units: int) -> Ints:
        """Zero behind the units that exist."""
        out = np.array(values, dtype=np.int32)
        out[units:] = 0
        return out

    def _loss_fields(self, lookup: Lookup) -> list[Ints]:
        last, units, c = self.public.run.L, lookup.units, self.columns
        if lookup.name == "exp":
            return [self._only_units(c["mx", last] - c["Y", last], units), c["E", last], c["I0", last]]
        if lookup.name == "probability":
            one_hot = np.zeros_like(c["q", last])
            t, b = np.nonzero(self.slot_labels >= 0)
            one_hot[self.slot_labels[t, b], t, b] = 1
            return [c["q", last], one_hot, c["G", last]]
        if lookup.name == "remainder":
            return [c["R", last], self._width(lookup)]
        if lookup.name == "remainder_rest":
            sums = c["E", last].sum(axis=0, dtype=np.int32)
            return [self._only_units(2 * sums - 1 - c["R", last], units), self._width(lookup)]
        count = np.zeros((1 << self.public.layout.log_units, *c["mx", last].shape), dtype=np.int32)
        count[0] = c["I0", last].sum(axis=0)
        return [count]

    def multiplicities(self, table: TableRows) -> Ints:
        return self.matrix[table.first_row : table.first_row + table.rows].reshape(-1)


def fill_multiplicities(backend: Backend, witness: SegmentWitness) -> None:
    """Count how often every table entry is looked up and write the counts into the committed rows.

    A tuple that is in no row is not counted, or counted for the row that its first fields name: the proof of such a witness
    is rejected either way.
    """
    layout = witness.public.layout
    span = 1 << (layout.log_row - layout.log_units)
    places = {rows.table.name: witness.multiplicities(rows) for rows in layout.leaves.tables}
    index = {rows.table.name: TableIndex.of(rows.table.columns) for rows in layout.leaves.tables}
    for counts in places.values():
        counts[:] = 0
    for lookup in layout.leaves.lookups:
        present = [values[: lookup.units * span] for values in witness.fields(lookup)]
        backend.count_lookups(index[lookup.table], present, places[lookup.table])


@dataclass(frozen=True)
class MatmulWitness:
    """Tables of R1 + R2, and the folds that unrolling uses again: Gz_l and Ap_l as (T' * B', 2)."""

    tables: MatmulTables
    folded_gradients: list[Array]
    folded_activations: list[Array]
    bias_units: tuple[int, ...]

    def total(self, backend: Backend, tau: list[Ext]) -> Ext:
        """The weighted sum of all Z and P at the lookup's point."""
        eq = backend.eq_table(to_array(tau).reshape(-1, 2))
        t = self.tables
        pairs = list(zip(t.activations, t.weights, strict=True)) + list(zip(t.gradients, t.transposed, strict=True))
        sums = [_weighted(backend, backend.k_mul(a, b), eq) for a, b in pairs]
        for unit, bias in zip(self.bias_units, t.biases, strict=True):
            if bias is not None:
                sums.append(_weighted(backend, bias, eq) * unit)
        return total(sums)

    def unroll_tables(
        self, backend: Backend, public: SegmentPublic, witness: SegmentWitness, claims: MatmulClaims
    ) -> tuple[list[tuple[Array, Array]], list[tuple[Array, Array]]]:
        """(A_{l-1} at x', Gz_l) for every layer and (Ap_l, G_{l+1} at x') for l < L."""
        run, log_widths = public.run, public.shape.log_widths

        def at_units(layer: int, values: Ints) -> Array:
            units = run.widths[layer]
            eq = backend.eq_table(to_array(claims.low(log_widths[layer])).reshape(-1, 2))
            return backend.vecmat(eq[:units], values[:units].reshape(units, -1))

        direct = [
            (at_units(l - 1, witness.activation(l - 1)), self.folded_gradients[l - 1]) for l in range(1, run.L + 1)
        ]
        transposed = [
            (self.folded_activations[l - 1], at_units(l + 1, witness.gradient(l + 1))) for l in range(1, run.L)
        ]
        return direct, transposed


def _weighted(backend: Backend, product: Array, eq: Array) -> Ext:
    """sum_{x, t} eq[t] * product[x, t]."""
    ones = np.zeros((len(product) // len(eq), 2), dtype=np.uint64)
    ones[:, 0] = 1
    per_row = backend.k_mul(product, backend.outer(ones, eq))
    return scalar(backend.k_sum(per_row))


def _padded_units(table: Array, log_units: int, steps: int) -> Array:
    missing = ((1 << log_units) * steps) - len(table)
    return np.concatenate([table, np.zeros((missing, 2), dtype=np.uint64)]) if missing else table


def matmul_witness(
    backend: Backend,
    public: SegmentPublic,
    witness: SegmentWitness,
    weights: Weights,
    leaf: LeafEquation,
    beta: list[Ext],
) -> MatmulWitness:
    """Fold all columns at the lookup's point."""
    run, log_widths, schedule = public.run, public.shape.log_widths, public.schedule
    steps, batch = 1 << schedule.log_steps, 1 << schedule.log_batch
    beta_eq = backend.eq_table(to_array(beta).reshape(-1, 2))
    present = np.zeros((steps, batch, 2), dtype=np.uint64)
    present[: len(schedule.sizes)] = (np.arange(batch) < schedule.sizes[:, np.newaxis])[:, :, np.newaxis]
    valid = present.reshape(-1, 2)

    def at_beta(layer: int, values: Ints) -> Array:
        units = run.widths[layer]
        folded = backend.matvec(values[:units].reshape(-1, batch), beta_eq.reshape(1, batch, 2))
        return _padded_units(folded, log_widths[layer], steps)

    def over_time(layer: int, values: Ints, folded: Array, start: Array, updates: NDArray[np.int64]) -> Array:
        units = run.widths[layer]
        masked = backend.f_mul(folded, valid).reshape(steps, batch, 2)
        change = backend.matvec(values[:units].reshape(-1, batch), masked).reshape(units, steps, 2)
        return _padded_units(
            backend.running_difference(start, change, backend.f_from_int(updates)).reshape(-1, 2),
            log_widths[layer],
            steps,
        )

    tables = MatmulTables([], [], [], [], [])
    folded_gradients, folded_activations = [], []
    for l in range(1, run.L + 1):
        zeta, gradient, inputs = leaf.virtual[f"Z{l}"], witness.gradient(l), witness.activation(l - 1)
        units, updates = run.widths[l], schedule.updates[l - 1]
        folded = backend.vecmat(zeta, gradient[:units].reshape(units, -1))
        folded_gradients.append(folded)
        tables.activations.append(at_beta(l - 1, inputs))
        start = backend.matvec(weights.W[l - 1], zeta.reshape(1, -1, 2))
        tables.weights.append(over_time(l - 1, inputs, folded, start, updates))
        bias = weights.b[l - 1]
        tables.biases.append(None)
        if bias is not None:
            first = backend.matvec(bias.reshape(1, -1), zeta.reshape(1, -1, 2))
            masked = backend.f_mul(folded, valid).reshape(steps, batch, 2)
            unit = np.full((1, batch), public.shape.bias_units[l - 1], dtype=np.int64)
            change = backend.matvec(np.repeat(unit, steps, axis=0), masked).reshape(1, steps, 2)
            tables.biases[-1] = backend.running_difference(first, change, backend.f_from_int(updates)).reshape(-1, 2)
    for l in range(1, run.L):
        pi, activation, gradient = leaf.virtual[f"P{l}"], witness.activation(l), witness.gradient(l + 1)
        units = run.widths[l]
        folded = backend.vecmat(pi, activation[:units].reshape(units, -1))
        folded_activations.append(folded)
        tables.gradients.append(at_beta(l + 1, gradient))
        start = backend.vecmat(pi, weights.W[l])
        tables.transposed.append(over_time(l + 1, gradient, folded, start, schedule.updates[l]))
    return MatmulWitness(tables, folded_gradients, folded_activations, public.shape.bias_units)


def slot_sums(
    backend: Backend, public: SegmentPublic, witness: SegmentWitness, leaf: LeafEquation
) -> tuple[Array, Array]:
    """Sum(t, b) of the exponentials and the folded quotients, each (T' * B', 2)."""
    last, classes = public.run.L, public.run.classes
    sums = witness.columns["E", last].sum(axis=0, dtype=np.int64).reshape(-1)
    table = np.zeros((len(sums), 2), dtype=np.uint64)
    table[:, 0] = backend.f_from_int(sums)
    quotients = np.ascontiguousarray(witness.columns["q", last][:classes]).reshape(classes, -1)
    return table, backend.vecmat(leaf.virtual["share"], quotients)
