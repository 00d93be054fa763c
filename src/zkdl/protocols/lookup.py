"""All lookups of a proof as one sum of fractions. [Haboeck22], [review.md, sections (a) and (d)], [proof-system.md, 3]

The leaves are rows of ell values, one row for each row of a lookup and of a table. A leaf of a lookup has numerator 1 (0 on
the units that pad the last row) and a table leaf minus its multiplicity; the denominator is a fingerprint
    alpha + tag * beta_0 + sum_c beta_c * field_c
with one independent challenge per field: fields never share a slot. A table is padded to whole rows by repeating its last
entry. A field is a linear form in committed columns and in values that other protocols prove ("virtual" ones).

At the random point of the tree, the leaf claim turns into one linear equation per side:
    numerator:    sum of the lookups' weights - <multiplicities, weights>
    denominator:  public part + committed columns + virtual values
Transcript: V -> P: alpha, beta;  then `fractions.py`.
Soundness error: 2 * leaves / |K| (a fingerprint collision or a zero denominator), grinding counted before alpha.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from zkdl.algebra.extension import ONE, ZERO, Array, Ext, from_array, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.leaves import LeafProgram, LeafSpan
from zkdl.hiding.ledger import PadCount
from zkdl.protocols import fractions
from zkdl.protocols.claims import Part
from zkdl.statement.tables import Table

FIELDS = 3


class Source(Enum):
    """Where a term of a field comes from."""

    COLUMN = "column"  # committed rows of this very unit
    SLOT = "slot"  # a committed value per (step, example), the same for all units
    UNIT_SUM = "unit-sum"  # the sum over all units of a committed column, the same for all units
    ACTIVE = "active"  # the constant 1 on units that exist
    EVERYWHERE = "everywhere"  # the constant 1 on every position of the row
    VIRTUAL = "virtual"  # proven elsewhere, per unit


@dataclass(frozen=True)
class Term:
    """coefficient * source; `name` is the committed column or the virtual value, `rows` where its rows are."""

    coefficient: int
    source: Source
    name: str = ""
    first_row: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Lookup:
    """Rows first_leaf_row .. first_leaf_row + rows of the leaves look up `fields` in `table`.

    Attributes:
        units: units that exist; they fill `rows` rows of 2^log_units units each, the last one perhaps in part.
    """

    name: str
    table: str
    first_leaf_row: int
    rows: int
    units: int
    fields: tuple[tuple[Term, ...], ...]


@dataclass(frozen=True)
class TableRows:
    """A table's place among the leaves, and the committed rows of its multiplicities."""

    table: Table
    first_leaf_row: int
    rows: int
    first_row: int


@dataclass(frozen=True)
class LeafLayout:
    """All leaves. log_row = log2(ell); log_units: units per row (the top in-row variables)."""

    log_row: int
    log_units: int
    lookups: tuple[Lookup, ...]
    tables: tuple[TableRows, ...]
    leaf_rows: int

    @property
    def n_vars(self) -> int:
        return self.log_row + max(0, (self.leaf_rows - 1).bit_length())

    @property
    def leaves(self) -> int:
        return self.leaf_rows << self.log_row


def pads(layout: LeafLayout) -> PadCount:
    return fractions.pads(layout.n_vars)


@dataclass
class LeafEquation:
    """The leaf claim in terms of committed rows and virtual values.

    Attributes:
        point: in-row part of the tree's point (log_row coordinates). row_point: the other coordinates.
        known: public part of the denominator.
        parts: committed part of the denominator, by in-row name: "row" (eq at the point), "first" (unit 0 of the row
            only) and "ones" (every unit).
        virtual: name -> (units, 2) weights of the virtual values. virtual_rows: the same per row, before the units.
        numerator_known, numerator_parts: the same for the numerator.
    """

    row_point: list[Ext]
    point: list[Ext]
    known: Ext
    parts: list[Part] = field(default_factory=list)
    virtual: dict[str, Array] = field(default_factory=dict)
    virtual_rows: dict[str, Array] = field(default_factory=dict)
    numerator_known: Ext = ZERO
    numerator_parts: list[Part] = field(default_factory=list)


def draw_fingerprint(transcript_challenges: Callable[[str, int], Array]) -> tuple[Ext, list[Ext]]:
    """alpha and beta_0 (tag), beta_1 .. beta_FIELDS."""
    drawn = from_array(transcript_challenges("lookup/fingerprint", FIELDS + 2))
    return drawn[0], drawn[1:]


def equation(
    backend: Backend, layout: LeafLayout, tags: dict[str, int], point: Sequence[Ext], alpha: Ext, betas: Sequence[Ext]
) -> LeafEquation:
    """Write the leaf claim at `point` as a linear equation."""
    cut = len(point) - layout.log_row
    row_point, in_row = list(point[:cut]), list(point[cut:])
    rows_eq = backend.eq_table(to_array(row_point).reshape(-1, 2))
    units_eq = backend.eq_table(to_array(in_row[: layout.log_units]).reshape(-1, 2))
    out = LeafEquation(row_point, in_row, ZERO)
    covered = ZERO
    for lookup in layout.lookups:
        rows = rows_eq[lookup.first_leaf_row : lookup.first_leaf_row + lookup.rows]
        full = scalar(backend.k_sum(rows))
        weights = backend.outer(rows, units_eq)[: lookup.units]
        active = scalar(backend.k_sum(weights))
        covered = covered + full
        out.numerator_known = out.numerator_known + active
        out.known = out.known + full * (alpha + betas[0] * tags[lookup.table])
        for slot, terms in enumerate(lookup.fields):
            for term in terms:
                _add_term(backend, out, term, betas[1 + slot] * term.coefficient, rows, weights, full, active)
    for table in layout.tables:
        rows = rows_eq[table.first_leaf_row : table.first_leaf_row + table.rows]
        full = scalar(backend.k_sum(rows))
        covered = covered + full
        values = _table_values(backend, table.table, rows, backend.eq_table(to_array(in_row).reshape(-1, 2)))
        fingerprint = sum((beta * value for beta, value in zip(betas[1:], values, strict=False)), ZERO)
        out.known = out.known + full * (alpha + betas[0] * table.table.tag) + fingerprint
        out.numerator_parts.append(Part("row", table.first_row, backend.k_mul(rows, (-ONE).array())))
    out.known = out.known + (ONE - covered)
    return out


def _add_term(
    backend: Backend, out: LeafEquation, term: Term, scale: Ext, rows: Array, weights: Array, full: Ext, active: Ext
) -> None:
    if term.source is Source.COLUMN:
        out.parts.append(Part("row", term.first_row, backend.k_mul(rows, scale.array())))
    elif term.source is Source.ACTIVE:
        out.known = out.known + scale * active
    elif term.source is Source.EVERYWHERE:
        out.known = out.known + scale * full
    elif term.source is Source.SLOT:
        out.parts.append(Part("first", term.first_row, (scale * active).array().reshape(1, 2)))
    elif term.source is Source.UNIT_SUM:
        out.parts.append(Part("ones", term.first_row, np.tile((scale * active).array(), (term.rows, 1))))
    else:
        for store, values in ((out.virtual, weights), (out.virtual_rows, rows)):
            scaled = backend.k_mul(values, scale.array())
            store[term.name] = backend.k_add(store[term.name], scaled) if term.name in store else scaled


def _table_values(backend: Backend, table: Table, rows: Array, in_row: Array) -> list[Ext]:
    """Each column's multilinear extension, padded by its last entry, times the row weights."""
    weights = backend.outer(rows, in_row)
    size = len(table.columns[0])
    columns = np.ascontiguousarray(np.stack(table.columns))
    head = backend.matvec(columns, weights[:size].reshape(1, size, 2))
    tail = scalar(backend.k_sum(weights[size:])) if len(weights) > size else ZERO
    return [scalar(head[c]) + tail * int(columns[c, -1]) for c in range(len(columns))]


def leaf_program(
    layout: LeafLayout,
    tags: dict[str, int],
    fields: Callable[[Lookup], list[np.ndarray[tuple[int], np.dtype[np.int32]]]],
    multiplicities: Callable[[TableRows], np.ndarray[tuple[int], np.dtype[np.int32]]],
    alpha: Ext,
    betas: Sequence[Ext],
) -> LeafProgram:
    """Numerators and denominators of all leaf rows, as a recipe.

    Args:
        fields: the values of each field of a lookup, flat over its rows (rows * ell), zero on units that do not exist;
            a field that is the same everywhere is not read.
        multiplicities: flat over a table's rows.
    """
    ell = 1 << layout.log_row
    spans = []
    for lookup in layout.lookups:
        constant, used = alpha + betas[0] * tags[lookup.table], []
        for beta, terms, values in zip(betas[1:], lookup.fields, fields(lookup), strict=False):
            if _is_constant(terms):
                constant = constant + beta * sum(term.coefficient for term in terms)
            else:
                used.append((beta.array(), values))
        active = lookup.units * (ell >> layout.log_units)
        span = (lookup.first_leaf_row * ell, lookup.rows * ell)
        spans.append(LeafSpan(*span, active, constant.array(), [b for b, _ in used], [v for _, v in used]))
    for table in layout.tables:
        constant, size = alpha + betas[0] * table.table.tag, len(table.table.columns[0])
        padded = []
        for column in table.table.columns:
            values = np.full(table.rows * ell, column[-1], dtype=np.int32)
            values[:size] = column
            padded.append(values)
        weights = [beta.array() for beta in betas[1 : 1 + len(padded)]]
        span = (table.first_leaf_row * ell, table.rows * ell)
        spans.append(LeafSpan(*span, 0, constant.array(), weights, padded, multiplicities(table)))
    spans.sort(key=lambda each: each.start)
    return LeafProgram(spans, layout.leaves)


def _is_constant(terms: Sequence[Term]) -> bool:
    return all(term.source is Source.EVERYWHERE for term in terms)
