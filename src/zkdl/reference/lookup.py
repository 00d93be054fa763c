"""Sums of fractions and the equation of their leaves (docs/spec/lookup.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from zkdl.reference.field import ONE, ZERO, K, dot, eq, eq_table, inner, split, total
from zkdl.reference.hidden import Session
from zkdl.reference.opening import Inner, Part
from zkdl.reference.training import Table


class Column(NamedTuple):
    """A committed column: the name of its matrix, its first row, its number of units."""

    matrix: str
    first: int
    units: int


@dataclass
class Lookup:
    """Units that look up rows of a table. Terms are (field, coefficient, source), by kind of source."""

    name: str
    tag: int
    units: int
    columns: list[tuple[int, int, Column]] = field(default_factory=list)
    slots: list[tuple[int, int, Column]] = field(default_factory=list)
    unit_sums: list[tuple[int, int, Column]] = field(default_factory=list)
    active: list[tuple[int, int]] = field(default_factory=list)
    everywhere: list[tuple[int, int]] = field(default_factory=list)
    virtual: list[tuple[int, int, str]] = field(default_factory=list)
    first: int = 0
    """First leaf row."""


@dataclass
class Leaves:
    """Which leaves there are: lookups at their rows, then the tables, whose multiplicities start at `counts`."""

    log_row: int
    log_units: int
    lookups: list[Lookup]
    tables: list[Table]
    first_table: int
    counts: list[Column]

    @property
    def rows(self) -> int:
        return self.first_table + sum(-(-table.rows >> self.log_row) for table in self.tables)

    @property
    def count(self) -> int:
        return self.rows << self.log_row

    @property
    def variables(self) -> int:
        return self.log_row + (self.rows - 1).bit_length()


class LeafClaims:
    """What the last claims of the tree say about the leaves.

    `numerator` and `denominator` are the values of the committed parts, the latter still with the virtual values in it.
    For a virtual value, `every` has its weights on all unit positions (Omega by eq(r_j)), `virtual` on units that exist (omega).
    """

    def __init__(self, session: Session, leaves: Leaves) -> None:
        alpha, *betas = session.challenges("lookup/fingerprint", 5)
        p, q, point = session.fractions(leaves.variables)
        cut = len(point) - leaves.log_row
        self.in_row = point[cut:]
        self.unit_point, self.slot = self.in_row[: leaves.log_units], self.in_row[leaves.log_units :]
        self.rows_table = eq_table(point[:cut])
        self.leaves, self.beta_1 = leaves, betas[1]
        self.parts: dict[str, list[Part]] = {}
        self.every: dict[str, list[K]] = {}
        self.virtual: dict[str, list[K]] = {}
        self.count_parts: dict[str, list[Part]] = {}
        units = eq_table(self.unit_point)
        known, counted, covered = ONE, ZERO, ZERO
        for lookup in leaves.lookups:
            per_row = -(-lookup.units >> leaves.log_units)
            rows = self.rows_table[lookup.first : lookup.first + per_row]
            every = [row * unit for row in rows for unit in units]
            active, full = total(every[: lookup.units]), total(rows)
            counted, covered = counted + active, covered + full
            known += full * (alpha + betas[0] * lookup.tag)
            for c, coefficient in lookup.active:
                known += betas[1 + c] * coefficient * active
            for c, coefficient in lookup.everywhere:
                known += betas[1 + c] * coefficient * full
            for c, coefficient, column in lookup.columns:
                scale = betas[1 + c] * coefficient
                self._add(column, [weight * scale for weight in every], self.slot)
            for c, coefficient, column in lookup.slots:
                only_first = [betas[1 + c] * coefficient * active] + [ZERO] * (len(units) - 1)
                self._add(column, only_first, self.slot)
            for c, coefficient, column in lookup.unit_sums:
                size = -(-column.units >> leaves.log_units) << leaves.log_units
                self._add(column, [betas[1 + c] * coefficient * active] * size, self.slot)
            for c, coefficient, name in lookup.virtual:
                scale = betas[1 + c] * coefficient
                old = self.every.get(name, [ZERO] * len(every))
                self.every[name] = [a + weight * scale for a, weight in zip(old, every, strict=True)]
                self.virtual[name] = self.every[name][: lookup.units]
        first = leaves.first_table
        places: list[tuple[list[K], K, Sequence[int]]] = []
        for table, column in zip(leaves.tables, leaves.counts, strict=True):
            count = -(-table.rows >> leaves.log_row)
            rows = self.rows_table[first : first + count]
            covered += total(rows)
            known += total(rows) * (alpha + betas[0] * table.tag)
            places += [(rows, betas[1 + c], entries) for c, entries in enumerate(table.columns)]
            part = Part(column.first, [-row for row in rows], leaves.log_row, equality(self.in_row))
            self.count_parts.setdefault(column.matrix, []).append(part)
            first += count
        self.numerator = p - counted
        self.denominator = q - (known - covered) - session.later(lambda: table_values(places, self.in_row))

    def _add(self, column: Column, outer: list[K], low: list[K]) -> None:
        part = Part(column.first, outer, len(low), equality(low))
        self.parts.setdefault(column.matrix, []).append(part)


def equality(point: Sequence[K]) -> Inner:
    """eq(point, .) as an in-row vector."""
    return lambda other: eq(point, other)


def vector(values: list[K]) -> Inner:
    """A table, zero behind its end, as an in-row vector."""
    return lambda point: inner(values, eq_table(point)[: len(values)])


def table_values(places: list[tuple[list[K], K, Sequence[int]]], point: list[K]) -> K:
    """What all columns of tables add to the leaves: for each the eq weights of its rows, a factor, and its entries."""
    in_row = split(eq_table(point))
    return total(table_value(rows, in_row, entries) * factor for rows, factor, entries in places)


def table_value(rows: list[K], in_row: tuple[list[int], list[int]], entries: Sequence[int]) -> K:
    """The multilinear extension of a table's column on its leaf rows; the last entry is repeated behind the end."""
    value, ell = ZERO, len(in_row[0])
    for i, row in enumerate(rows):
        chunk = entries[i * ell : (i + 1) * ell]
        inside = dot(in_row, chunk)
        if len(chunk) < ell:
            inside += K(sum(in_row[0][len(chunk) :]), sum(in_row[1][len(chunk) :])) * entries[-1]
        value += row * inside
    return value
