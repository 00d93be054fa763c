"""T14: lookups that are right are accepted, and every way to look up something else is rejected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.alone import extension_at, random_elements
from tests.unit.protocols.lookups import (
    ELL,
    LOG_ROW,
    LOG_UNITS,
    PLAIN,
    SLOTS,
    TABLE_B,
    UNITS,
    Case,
    first_leaf,
    honest,
    is_accepted,
    part_value,
    plain_leaves,
    table,
    virtual_value,
)
from zkdl.algebra.extension import from_array
from zkdl.backend.leaves import leaves as leaf_values
from zkdl.backend.select import get_backend
from zkdl.protocols import lookup
from zkdl.protocols.lookup import FIELDS, LeafLayout, Lookup, TableRows

BACKEND = get_backend()


def test_leaves_are_those_of_the_definition() -> None:
    """Every source, units that do not exist, a free row and padded tables, one leaf at a time."""
    case, elements = honest(), random_elements(np.random.default_rng(0), FIELDS + 2)
    alpha, betas = elements[0], elements[1:]
    program = lookup.leaf_program(case.layout, case.tags, case.fields, case.multiplicities, alpha, betas)
    p, q = leaf_values(BACKEND, program, program.count)
    assert (from_array(p), from_array(q)) == plain_leaves(case, alpha, betas)


def test_the_equation_is_the_extension_of_the_leaves() -> None:
    """T13: known part, committed parts and virtual values together, at a random point."""
    case, rng = honest(), np.random.default_rng(1)
    alpha, *betas = random_elements(rng, FIELDS + 2)
    point = random_elements(rng, case.layout.n_vars)
    p, q = plain_leaves(case, alpha, betas)
    equation = lookup.equation(BACKEND, case.layout, case.tags, point, alpha, betas)
    numerator = part_value(BACKEND, case, equation.numerator_parts, equation.point)
    assert equation.numerator_known + numerator == extension_at(p, point)
    denominator = part_value(BACKEND, case, equation.parts, equation.point) + virtual_value(BACKEND, case, equation)
    assert equation.known + denominator == extension_at(q, point)
    assert [*equation.row_point, *equation.point] == point


def test_true_lookups_are_accepted() -> None:
    """With every source of a term, and multiplicities that add up to the number of lookups."""
    case = honest()
    counts = sum(int(case.multiplicities(rows).sum()) for rows in case.layout.tables)
    assert counts == (3 + 1) * SLOTS
    assert is_accepted(case)


@pytest.mark.parametrize("row", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("recount", [False, True])
def test_a_value_that_is_not_in_the_table(row: int, recount: bool) -> None:
    """In each column, near or far away; with the old multiplicities and with the best new ones."""
    for place, off in ((0, 9), (SLOTS - 1, 1000), (1, -1000)):
        case = honest()
        case.matrix[row, place] += off
        assert not is_accepted(case.count() if recount else case)


def test_a_wrong_virtual_value() -> None:
    """Proven elsewhere, but looked up here."""
    case = honest()
    case.virtual[0, 2] += 4
    assert not is_accepted(case.count())


def swapped_tables() -> Case:
    """x and y hold a tuple of a table C, which has the same two columns as A but other entries."""
    case = honest()
    layout = replace(case.layout, tables=(*case.layout.tables, TableRows(table("C", 3, [0, 1], [1, 2]), 8, 1, 10)))
    layout = replace(layout, leaf_rows=9)
    matrix = np.concatenate([case.matrix, np.zeros((1, ELL), dtype=np.int64)])
    case = replace(case, layout=layout, matrix=matrix, tags={"A": 1, "B": 2, "C": 3})
    assert is_accepted(case.copy())
    case.matrix[[0, 2], 0] = 1, 2
    case.count()
    case.matrix[10, 1] = 1
    return case


def test_a_tuple_of_another_table() -> None:
    """Rejected through the tag; with equal tags the tables would be one."""
    case = swapped_tables()
    assert not is_accepted(case)
    *others, c = case.layout.tables
    same = replace(case.layout, tables=(*others, replace(c, table=replace(c.table, tag=1))))
    assert is_accepted(replace(case, layout=same))


@pytest.mark.parametrize("off", [1, -1, 2**31])
def test_a_wrong_multiplicity(off: int) -> None:
    """Of an entry that is used, of one that is not, of the padding, and moved from one entry to another."""
    for row, place in ((6, 0), (6, 7), (7, 0), (9, 7)):
        case = honest()
        case.matrix[row, place] += off
        assert not is_accepted(case)
    moved = honest()
    moved.matrix[6, 1] += off
    moved.matrix[6, 2] -= off
    assert not is_accepted(moved)


def test_a_negative_multiplicity_does_not_pay_for_a_foreign_value() -> None:
    """The total is right, but the fractions differ."""
    case = honest()
    old = int(case.matrix[0, 0])
    case.matrix[[0, 2], 0] = 77
    for entry in range(6):
        if entry != old:
            changed = case.copy()
            changed.matrix[6, old] -= 2
            changed.matrix[6, entry] += 1
            assert not is_accepted(changed)


@pytest.mark.parametrize("selector", [2, -1, 0])
def test_a_selector_that_is_not_one(selector: int) -> None:
    """A numerator of 2, -1 or 0 at a unit that exists; with the multiplicity that would make the sum zero."""
    case = honest()
    entry = int(case.matrix[0, 0])
    case.matrix[6, entry] += selector - 1

    def change(p: np.ndarray, q: np.ndarray) -> None:
        p[0] = BACKEND.f_from_int(np.array([selector, 0], dtype=np.int64))

    assert not is_accepted(case, leaves=change)


def test_two_foreign_values_that_cancel() -> None:
    """Selectors 1 and -1 on one foreign tuple add up to nothing."""
    case = honest()
    case.matrix[[0, 2], :2] = 77
    case.count()

    def change(p: np.ndarray, q: np.ndarray) -> None:
        p[1] = BACKEND.f_from_int(np.array([-1, 0], dtype=np.int64))

    assert not is_accepted(case, leaves=change)


def test_ghost_units() -> None:
    """A prover that switches on the unit that pads a row, or off one that exists, is rejected."""
    for units in (4, 2):
        case = honest()
        plain, mixed = case.layout.lookups
        ghost = replace(case, layout=replace(case.layout, lookups=(replace(plain, units=units), mixed)))
        ghost.count()
        assert is_accepted(ghost)
        assert not is_accepted(replace(case, matrix=ghost.matrix), seen=ghost)


def test_a_free_row_is_no_lookup_and_no_table() -> None:
    """Leaves (1, x) or (0, 0) in a row that belongs to nothing are rejected."""
    for column, value in ((0, 1), (1, 0)):

        def change(p: np.ndarray, q: np.ndarray, column: int = column, value: int = value) -> None:
            (p, q)[column][2 * ELL] = (value, 0)

        assert not is_accepted(honest(), leaves=change)


def test_a_vanishing_denominator() -> None:
    """With alpha chosen so that a leaf is zero, even true lookups are rejected, whatever stands above that leaf."""
    case = honest()
    assert not is_accepted(case, alpha_hook=first_leaf(BACKEND, case))
    # The same hook with another alpha: it is the zero that is refused.
    assert is_accepted(case, alpha_hook=lambda betas: first_leaf(BACKEND, case)(betas) + 1)


def test_a_foreign_value_hidden_by_two_zeros() -> None:
    """Two vanishing leaves make the root (0, 0): a check of the numerator alone would pass a foreign value."""
    case = honest()
    case.matrix[[0, 2], :2] = 77
    assert not is_accepted(case, alpha_hook=first_leaf(BACKEND, case))


def one_lookup(entries: list[list[int]], values: list[int], units: int = 1) -> Case:
    """One lookup of (x, y = 10 x) in a table of these columns."""
    found = Lookup("plain", "A", 0, 1, units, ((replace(PLAIN[0][0], rows=1),), (replace(PLAIN[1][0], first_row=1),)))
    layout = LeafLayout(LOG_ROW, LOG_UNITS, (found,), (TableRows(table("A", 1, *entries), 1, 1, 2),), 2)
    matrix = np.zeros((3, ELL), dtype=np.int64)
    matrix[0, : units * SLOTS] = values
    matrix[1] = 10 * matrix[0]
    return Case(layout, matrix, np.zeros((1, SLOTS), dtype=np.int64)).count()


def test_a_table_of_one_entry() -> None:
    """T15: padded by repetition to a whole row; its only entry is accepted, anything else rejected."""
    assert is_accepted(one_lookup([[4], [40]], [4] * 4))
    assert is_accepted(one_lookup([[0], [0]], [0] * 8, units=UNITS))
    assert not is_accepted(one_lookup([[4], [40]], [4, 4, 4, 5]))
    assert not is_accepted(one_lookup([[4], [41]], [4] * 4))


def test_padding_of_a_table_repeats_its_last_entry() -> None:
    """The multiplicity may be split over the repetitions, but belongs to no other entry."""
    case = one_lookup([[3, 4], [30, 40]], [4, 4, 4, 3])
    assert case.matrix[2].tolist() == [1, 3, 0, 0, 0, 0, 0, 0] and is_accepted(case)
    case.matrix[2] = [1, 1, 0, 1, 0, 0, 0, 1]
    assert is_accepted(case)
    case.matrix[2] = [0, 1, 0, 1, 0, 0, 0, 2]
    assert not is_accepted(case)


def test_every_field_has_its_own_challenge() -> None:
    """Two fields exchanged, or their sum kept, is another tuple."""
    assert is_accepted(one_lookup([[2, 3], [20, 30]], [2, 2, 3, 3]))
    assert not is_accepted(one_lookup([[20, 30], [2, 3]], [2, 2, 3, 3]))
    assert not is_accepted(one_lookup([[1, 4], [21, 29]], [2, 2, 3, 3]))
    assert len(TABLE_B.columns) == FIELDS
    drawn = random_elements(np.random.default_rng(0), FIELDS + 2)
    alpha, betas = lookup.draw_fingerprint(lambda label, n: np.stack([e.array() for e in drawn[:n]]))
    assert len({alpha, *betas}) == FIELDS + 2
