"""A small set of lookups with every source of a term, and both parties of its proof without a commitment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from tests.support.alone import accepted
from zkdl.algebra.extension import ZERO, Array, Ext, from_array, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.leaves import leaves as leaf_values
from zkdl.hiding.ledger import ProverLedger, VerifierLedger
from zkdl.protocols import fractions, lookup
from zkdl.protocols.claims import Part
from zkdl.protocols.lookup import LeafEquation, LeafLayout, Lookup, Source, TableRows, Term
from zkdl.statement.tables import Table

LOG_ROW, LOG_UNITS = 3, 1
ELL, UNITS, SLOTS = 8, 2, 4

PLAIN = (
    (Term(1, Source.COLUMN, "x", 0, 2),),
    (Term(1, Source.COLUMN, "y", 2, 2),),
)
MIXED = (
    (Term(2, Source.COLUMN, "z", 4, 1), Term(1, Source.SLOT, "s", 5, 1), Term(3, Source.ACTIVE)),
    (Term(1, Source.UNIT_SUM, "s", 5, 1), Term(1, Source.VIRTUAL, "v")),
    (Term(7, Source.EVERYWHERE),),
)


def table(name: str, tag: int, *columns: list[int]) -> Table:
    return Table(name, tag, tuple(np.array(c, dtype=np.int64) for c in columns))


FIRST = [a for a in range(3, 8) for _ in range(4)]
SECOND = [b for _ in range(3, 8) for b in range(4)]
TABLE_A = table("A", 1, list(range(6)), [10 * i for i in range(6)])
TABLE_B = table("B", 2, FIRST, SECOND, [7] * 20)


@dataclass
class Case:
    """Committed rows, virtual values and the layout; `numerators` may be changed by a dishonest prover.

    matrix: rows of ell = units * slots values; rows 0-5 are columns, 6-9 the multiplicities of A and B.
    """

    layout: LeafLayout
    matrix: np.ndarray
    virtual: np.ndarray
    tags: dict[str, int] = field(default_factory=lambda: {"A": 1, "B": 2})

    def value(self, term: Term, unit: int, slot: int, units: int) -> int:
        """One term at one unit and slot, by the definition of its source."""
        row, place = divmod(unit, UNITS)
        exists = unit < units
        if term.source is Source.COLUMN:
            return term.coefficient * int(self.matrix[term.first_row + row, place * SLOTS + slot])
        if term.source is Source.EVERYWHERE:
            return term.coefficient
        if not exists:
            return 0
        if term.source is Source.ACTIVE:
            return term.coefficient
        if term.source is Source.SLOT:
            return term.coefficient * int(self.matrix[term.first_row, slot])
        if term.source is Source.UNIT_SUM:
            rows = self.matrix[term.first_row : term.first_row + term.rows].reshape(-1, SLOTS)
            return term.coefficient * int(rows[:, slot].sum())
        return term.coefficient * int(self.virtual[unit, slot])

    def fields(self, found: Lookup) -> list[np.ndarray]:
        return [
            np.array(
                [
                    sum(self.value(term, unit, slot, found.units) for term in terms)
                    for unit in range(found.rows * UNITS)
                    for slot in range(SLOTS)
                ],
                dtype=np.int32,
            )
            for terms in found.fields
        ]

    def multiplicities(self, rows: TableRows) -> np.ndarray:
        return self.matrix[rows.first_row : rows.first_row + rows.rows].reshape(-1)

    def count(self) -> Case:
        """Fill in the multiplicities of all tuples that are in their table."""
        for rows in self.layout.tables:
            block = self.matrix[rows.first_row : rows.first_row + rows.rows].reshape(-1)
            block[:] = 0
            entries = list(zip(*(c.tolist() for c in rows.table.columns), strict=True))
            for found in self.layout.lookups:
                if found.table == rows.table.name:
                    values = np.stack(self.fields(found))[:, : found.units * SLOTS].T
                    for entry in map(tuple, values.tolist()):
                        if entry in entries:
                            block[entries.index(entry)] += 1
        return self

    def copy(self) -> Case:
        return replace(self, matrix=self.matrix.copy(), virtual=self.virtual.copy())


def honest() -> Case:
    """Three units of (x, 10 x) in A; one unit of (2 z + s + 3, sum s + v, 7) in B; one leaf row is left free."""
    layout = LeafLayout(
        LOG_ROW,
        LOG_UNITS,
        (Lookup("plain", "A", 0, 2, 3, PLAIN), Lookup("mixed", "B", 3, 1, 1, MIXED)),
        (TableRows(TABLE_A, 4, 1, 6), TableRows(TABLE_B, 5, 3, 7)),
        8,
    )
    rng = np.random.default_rng(2)
    matrix = np.zeros((10, ELL), dtype=np.int64)
    matrix[0:2].reshape(-1)[: 3 * SLOTS] = rng.integers(0, 6, 3 * SLOTS)
    matrix[2:4] = 10 * matrix[0:2]
    matrix[4, :SLOTS], matrix[5] = rng.integers(0, 2, SLOTS), rng.integers(0, 2, ELL)
    return Case(layout, matrix, rng.integers(0, 2, (2, SLOTS))).count()


def part_value(backend: Backend, case: Case, parts: list[Part], point: list[Ext]) -> Ext:
    """Committed part of an equation, from the rows in the open."""
    slots = backend.eq_table(to_array(point[LOG_UNITS:]).reshape(-1, 2))
    first = np.concatenate([slots, np.zeros(((UNITS - 1) * SLOTS, 2), dtype=np.uint64)])
    vectors = {
        "row": backend.eq_table(to_array(point).reshape(-1, 2)),
        "first": first,
        "ones": np.concatenate([slots] * UNITS),
    }
    out = ZERO
    for part in parts:
        for i, weight in enumerate(from_array(part.weights)):
            for value, factor in zip(case.matrix[part.first_row + i], from_array(vectors[part.in_row]), strict=True):
                out = out + weight * factor * int(value)
    return out


def virtual_value(backend: Backend, case: Case, equation: LeafEquation) -> Ext:
    slots = from_array(backend.eq_table(to_array(equation.point[LOG_UNITS:]).reshape(-1, 2)))
    out = ZERO
    for weights in equation.virtual.values():
        for unit, weight in enumerate(from_array(weights)):
            for slot, factor in enumerate(slots):
                out = out + weight * factor * int(case.virtual[unit, slot])
    return out


def close(
    ledger: ProverLedger | VerifierLedger,
    backend: Backend,
    case: Case,
    claim: fractions.LeafClaim,
    alpha: Ext,
    betas: list[Ext],
) -> None:
    """What the openings would check: both leaf claims against the committed rows."""
    equation = lookup.equation(backend, case.layout, case.tags, claim.point, alpha, betas)
    numerator = equation.numerator_known + part_value(backend, case, equation.numerator_parts, equation.point)
    committed = part_value(backend, case, equation.parts, equation.point)
    denominator = equation.known + committed + virtual_value(backend, case, equation)
    ledger.require_zero(claim.numerator - numerator)
    ledger.require_zero(claim.denominator - denominator)


Hook = Callable[[Array, Array], None]
Alpha = Callable[[list[Ext]], Ext]


def is_accepted(
    case: Case, *, seen: Case | None = None, leaves: Hook | None = None, alpha_hook: Alpha | None = None
) -> bool:
    """Prove and verify.

    Args: seen: what the prover makes its leaves of, when not the committed case. leaves: changes them in place.
        alpha_hook: alpha as a function of the betas, for both parties.
    """
    seen = seen or case
    count = lookup.pads(case.layout)

    def fingerprint(ledger: ProverLedger | VerifierLedger) -> tuple[Ext, list[Ext]]:
        # In place of the root of a commitment.
        ledger.channel.public("matrix", case.matrix.tobytes() + case.virtual.tobytes())
        alpha, betas = lookup.draw_fingerprint(ledger.channel.transcript.challenges)
        return (alpha if alpha_hook is None else alpha_hook(betas)), betas

    def prover(ledger: ProverLedger, backend: Backend) -> None:
        alpha, betas = fingerprint(ledger)
        program = lookup.leaf_program(seen.layout, seen.tags, seen.fields, seen.multiplicities, alpha, betas)
        # Materialised: a dishonest multiplicity may be wider than what an honest prover's leaves hold.
        p, q = leaf_values(backend, program, program.count)
        if leaves is not None:
            leaves(p, q)
        claim = fractions.prove(ledger, backend, (p, q), case.layout.n_vars)
        close(ledger, backend, case, claim, alpha, betas)

    def verifier(ledger: VerifierLedger, backend: Backend) -> None:
        alpha, betas = fingerprint(ledger)
        claim = fractions.verify(ledger, case.layout.n_vars)
        close(ledger, backend, case, claim, alpha, betas)

    return accepted(count, prover, verifier)


def plain_leaves(case: Case, alpha: Ext, betas: list[Ext]) -> tuple[list[Ext], list[Ext]]:
    """Numerators and denominators by the definition, one leaf at a time."""
    size = case.layout.leaf_rows * ELL
    p, q = [ZERO] * size, [Ext(1)] * size
    for found in case.layout.lookups:
        for unit in range(found.rows * UNITS):
            for slot in range(SLOTS):
                at = found.first_leaf_row * ELL + unit * SLOTS + slot
                p[at] = Ext(int(unit < found.units))
                q[at] = alpha + betas[0] * case.tags[found.table]
                for beta, terms in zip(betas[1:], found.fields, strict=False):
                    q[at] = q[at] + beta * sum(case.value(t, unit, slot, found.units) for t in terms)
    for rows in case.layout.tables:
        for i, m in enumerate(case.multiplicities(rows)):
            at, entry = rows.first_leaf_row * ELL + i, min(i, len(rows.table) - 1)
            p[at] = Ext(-int(m))
            q[at] = alpha + betas[0] * rows.table.tag
            for beta, column in zip(betas[1:], rows.table.columns, strict=False):
                q[at] = q[at] + beta * int(column[entry])
    return p, q


def first_leaf(backend: Backend, case: Case) -> Alpha:
    """The alpha for which the first leaf's denominator vanishes."""

    def alpha(betas: list[Ext]) -> Ext:
        program = lookup.leaf_program(case.layout, case.tags, case.fields, case.multiplicities, ZERO, betas)
        return -scalar(leaf_values(backend, program, 1 << case.layout.n_vars)[1][0])

    return alpha
