"""Where every witness column and every lookup of a segment is: a function of the statement alone. [review.md, (a), (d)]

In-row index of the witness matrix: (j_lo, t, b), so a row holds 2^log_units units of one column for all steps and examples.
Rows exist only for units that exist; what pads the last row of a column is proven to be zero. The leaves of the lookup are
rows of the same shape.

The products P_l are folded with weights that come from the leaves' point, and the same weights must split over the rows of
W_{l+1}; so the rows of those lookups start at a multiple of what one row of W_{l+1} holds, and they come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.commitment.parameters import CodeShape, ParameterSet, code_shape, opening_bytes
from zkdl.commitment.stored import WeightsLayout, log2_ceil, weights_layout
from zkdl.protocols.lookup import LeafLayout, Lookup, Source, TableRows, Term
from zkdl.statement import requantise
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.tables import Table, build_tables

MAX_LOG_UNITS = 4


@dataclass(frozen=True)
class Column:
    """Committed rows first_row .. first_row + rows; `units` of them exist (1 for a value per step and example)."""

    name: str
    layer: int
    units: int
    first_row: int
    rows: int


@dataclass(frozen=True)
class SegmentLayout:
    """Everything public about the sizes of a segment's witness."""

    log_steps: int
    log_batch: int
    log_units: int
    columns: dict[tuple[str, int], Column]
    leaves: LeafLayout
    tables: dict[str, Table]
    code: CodeShape
    weights: WeightsLayout

    @property
    def log_row(self) -> int:
        return self.log_units + self.log_steps + self.log_batch

    @property
    def tags(self) -> dict[str, int]:
        return {name: table.tag for name, table in self.tables.items()}

    def view(self, matrix: NDArray[np.int32], name: str, layer: int) -> NDArray[np.int32]:
        """A column as (units padded, T', B'), or (T', B') for a value per step and example: a view, not a copy."""
        column = self.columns[name, layer]
        block = matrix[column.first_row : column.first_row + column.rows]
        shaped = block.reshape(-1, 1 << self.log_steps, 1 << self.log_batch)
        return shaped[0] if name == "mx" else shaped


def weight_alignment(layout: WeightsLayout, layer: int, log_units: int) -> int:
    """Leaf rows that one row of W_layer's inputs spans, 1 when it spans less than one."""
    place = layout.layers[layer - 1]
    return 1 << max(0, min(place.log_inputs, log2_ceil(layout.widths[layer - 1])) - log_units)


def _column_units(run: RunStatement, segment: SegmentStatement) -> list[tuple[str, int, int]]:
    """(name, layer, units) in row order."""
    out: list[tuple[str, int, int]] = []
    for l in range(1, run.L):
        units = run.widths[l]
        names = ["z_hi", "A", "S", "p_hi", "G"]
        if requantise.forward(run, segment, l).mid_bits:
            names.append("z_mid")
        if requantise.backward(run, segment, l).mid_bits:
            names.append("p_mid")
        out += [(name, l, units) for name in names]
    names = ["z_hi", "Y"] + (["z_mid"] if requantise.forward(run, segment, run.L).mid_bits else [])
    if run.loss == "ce":
        names += ["E", "I0", "q", "G"]
    out += [(name, run.L, run.classes) for name in names]
    if run.loss == "ce":
        out.append(("mx", run.L, 1))
    return out


class _LeafBuilder:
    """Places lookups one after the other."""

    def __init__(self, columns: dict[tuple[str, int], Column], log_units: int) -> None:
        self.columns = columns
        self.log_units = log_units
        self.lookups: list[Lookup] = []
        self.cursor = 0

    def column(self, name: str, layer: int, coefficient: int = 1, source: Source = Source.COLUMN) -> Term:
        place = self.columns[name, layer]
        return Term(coefficient, source, name, place.first_row, place.rows)

    def align(self, rows: int) -> None:
        self.cursor += -self.cursor % rows

    def add(self, name: str, table: str, units: int, *fields: list[Term]) -> None:
        rows = -(-units >> self.log_units)
        self.lookups.append(Lookup(name, table, self.cursor, rows, units, tuple(tuple(f) for f in fields)))
        self.cursor += rows


def _width(bits: int) -> list[Term]:
    return [Term(bits, Source.EVERYWHERE)]


def _low_limb(builder: _LeafBuilder, requant: requantise.Requant, kind: str, layer: int) -> list[Term]:
    """z_lo = Z + O - 2^h z_hi - 2^r z_mid, virtual; kind is "z" or "p"."""
    terms = [
        Term(1, Source.VIRTUAL, f"{kind.upper()}{layer}"),
        Term(requant.offset, Source.ACTIVE),
        builder.column(f"{kind}_hi", layer, -(1 << requant.h)),
    ]
    if requant.mid_bits:
        terms.append(builder.column(f"{kind}_mid", layer, -(1 << requant.low_bits)))
    return terms


def _requantise_lookups(
    builder: _LeafBuilder, run: RunStatement, segment: SegmentStatement, weights: WeightsLayout
) -> None:
    backward = {l: requantise.backward(run, segment, l) for l in range(1, run.L)}
    for l in sorted(backward, key=lambda l: -weight_alignment(weights, l + 1, builder.log_units)):
        alignment = weight_alignment(weights, l + 1, builder.log_units)
        builder.align(alignment)
        builder.add(
            f"p_low{l}", "range", run.widths[l], _low_limb(builder, backward[l], "p", l), _width(backward[l].low_bits)
        )
        builder.align(alignment)
    for l in range(1, run.L + 1):
        units, forward = run.widths[l], requantise.forward(run, segment, l)
        if l < run.L:
            activation = [[builder.column(name, l)] for name in ("z_hi", "A", "S")]
            builder.add(f"activation{l}", "activation", units, *activation)
        else:
            builder.add("logit", "logit", units, [builder.column("z_hi", l)], [builder.column("Y", l)])
        builder.add(f"z_low{l}", "range", units, _low_limb(builder, forward, "z", l), _width(forward.low_bits))
        if forward.mid_bits:
            builder.add(f"z_mid{l}", "range", units, [builder.column("z_mid", l)], _width(forward.mid_bits))
        if l < run.L:
            gradient = [[builder.column(name, l)] for name in ("p_hi", "S", "G")]
            builder.add(f"gradient{l}", "gradient", units, *gradient)
            if backward[l].mid_bits:
                builder.add(f"p_mid{l}", "range", units, [builder.column("p_mid", l)], _width(backward[l].mid_bits))


def _loss_lookups(builder: _LeafBuilder, run: RunStatement, fraction_bits: int, remainder_bits: int) -> None:
    """Softmax cross-entropy. R = 2^(fg+1) E + Sum - 2 Sum q and R' = 2 Sum - 1 - R, both in the range table."""
    last, classes = run.L, run.classes
    difference = [builder.column("mx", last, 1, Source.SLOT), builder.column("Y", last, -1)]
    builder.add("exp", "exp", classes, difference, [builder.column("E", last)], [builder.column("I0", last)])
    label = [Term(1, Source.VIRTUAL, "label")]
    builder.add("probability", "probability", classes, [builder.column("q", last)], label, [builder.column("G", last)])
    total = builder.column("E", last, 1, Source.UNIT_SUM)
    scale = 1 << (fraction_bits + 1)
    remainder = [builder.column("E", last, scale), total, Term(-2, Source.VIRTUAL, "share")]
    builder.add("remainder", "range", classes, remainder, _width(remainder_bits))
    rest = [total, builder.column("E", last, -scale), Term(2, Source.VIRTUAL, "share"), Term(-1, Source.ACTIVE)]
    builder.add("remainder_rest", "range", classes, rest, _width(remainder_bits))
    builder.add("max_count", "max_count", 1, [builder.column("I0", last, 1, Source.UNIT_SUM)])


def _with_units(
    run: RunStatement,
    segment: SegmentStatement,
    tables: dict[str, Table],
    weights: WeightsLayout,
    parameters: ParameterSet,
    log_units: int,
) -> SegmentLayout:
    log_steps, log_batch = log2_ceil(segment.steps), log2_ceil(run.batch)
    log_row = log_units + log_steps + log_batch
    columns: dict[tuple[str, int], Column] = {}
    row = 0
    for name, layer, units in _column_units(run, segment):
        rows = -(-units >> log_units)
        columns[name, layer] = Column(name, layer, units, row, rows)
        row += rows
    builder = _LeafBuilder(columns, log_units)
    _requantise_lookups(builder, run, segment, weights)
    if run.loss == "ce":
        _loss_lookups(builder, run, segment.scales.fg[-1], requantise.remainder_bits(run))
    table_rows = []
    for table in tables.values():
        rows = -(-len(table.columns[0]) >> log_row)
        table_rows.append(TableRows(table, builder.cursor, rows, row))
        builder.cursor += rows
        row += rows
    leaves = LeafLayout(log_row, log_units, tuple(builder.lookups), tuple(table_rows), builder.cursor)
    code = code_shape(row, log_row, 1, parameters.once_rate, parameters.query_bits)
    return SegmentLayout(log_steps, log_batch, log_units, columns, leaves, tables, code, weights)


def segment_layout(run: RunStatement, segment: SegmentStatement, parameters: ParameterSet) -> SegmentLayout:
    """The layout with the smallest opening; rows hold at most 2^MAX_LOG_UNITS units and no more than the narrowest layer."""
    tables = build_tables(run, segment)
    weights = weights_layout(run.widths, run.bias, run.weights_budget, parameters)
    limit = min(MAX_LOG_UNITS, *(log2_ceil(d) for d in run.widths[1:]))
    choices = [_with_units(run, segment, tables, weights, parameters, log_units) for log_units in range(limit + 1)]
    return min(choices, key=lambda layout: opening_bytes(layout.code))


def views(layout: SegmentLayout, matrix: NDArray[np.int32]) -> dict[tuple[str, int], NDArray[Any]]:
    """All committed columns as views of the matrix."""
    return {key: layout.view(matrix, *key) for key in layout.columns}
