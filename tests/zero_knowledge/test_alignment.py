"""The weights of P_l are split over the rows of W_{l+1}, pads of W included: those pads may only meet
leaves that count for nothing (docs/security/lemmas.md, lemma 4)."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny import TINY, tiny_run
from zkdl.commitment.stored import weights_layout
from zkdl.errors import NotProvable
from zkdl.proof.layout import SegmentLayout, _with_units, weight_alignment
from zkdl.proof.public import SegmentPublic
from zkdl.proof.run_certificates import initial_certificate_layout
from zkdl.statement.tables import build_tables

WIDTHS = [
    (6, 5, 4, 3),
    (6, 9, 7, 3),
    (3, 17, 5, 33, 4),
    (2, 2, 2),
    (1, 1, 1),
    (4, 16, 31, 8, 2),
    (20, 100, 60, 10),
    (5, 64, 3, 65, 7),
    (3, 33, 17, 9, 5),
]


def _occupied(layout: SegmentLayout) -> list[tuple[str, int, int]]:
    """Every lookup and table with the half-open interval of unit positions that its rows fill."""
    spans = [(x.name, x.first_leaf_row, x.rows) for x in layout.leaves.lookups]
    spans += [(x.table.name, x.first_leaf_row, x.rows) for x in layout.leaves.tables]
    return [(name, first << layout.log_units, (first + rows) << layout.log_units) for name, first, rows in spans]


def _check(public: SegmentPublic, layout: SegmentLayout) -> None:
    widths = public.run.widths
    occupied = _occupied(layout)
    for (_, _, end), (_, begin, _) in itertools.pairwise(sorted(occupied, key=lambda x: x[1])):
        assert end <= begin
    for l in range(1, len(widths) - 1):  # noqa: E741 - paper symbol
        place = layout.weights.layers[l]
        lookup = next(x for x in layout.leaves.lookups if x.name == f"p_low{l}")
        inside = min(place.log_inputs, public.shape.log_widths[l])
        first = lookup.first_leaf_row << layout.log_units
        assert first % (1 << inside) == 0
        assert lookup.first_leaf_row % weight_alignment(layout.weights, l + 1, layout.log_units) == 0
        last = first + (place.rows << inside)
        assert last >= first + widths[l]
        assert last <= 1 << (layout.leaves.n_vars - layout.log_row + layout.log_units)
        for name, begin, end in occupied:
            assert name == lookup.name or last <= begin or end <= first


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_rows_of_weights_meet_no_other_lookup(widths: tuple[int, ...], loss: str) -> None:
    if loss == "ce" and widths[-1] < 2:
        pytest.skip("cross-entropy needs two classes")
    for batch, steps in ((3, 3), (1, 1), (4, 2), (2, 8)):
        public = tiny_run(widths=widths, loss=loss, batch=batch, steps=steps, seeded=False, weight_frac=16).public
        _check(public, public.layout)


@pytest.mark.parametrize("log_units", [0, 1, 2, 3])
def test_every_number_of_units_per_row(log_units: int) -> None:
    """The layout takes the cheapest number of units; alignment has to hold for all of them."""
    for widths, budget in itertools.product(WIDTHS, (1, 2, 7)):
        if min(int(d - 1).bit_length() for d in widths[1:]) < log_units:
            continue
        public = tiny_run(widths=widths, loss="mse", seeded=False, weight_frac=16).public
        weights = weights_layout(widths, public.run.bias, budget, TINY)
        tables = build_tables(public.run, public.segment)
        _check(public, _with_units(public.run, public.segment, tables, weights, TINY, log_units))


def test_units_of_a_lookup_have_distinct_weights() -> None:
    """Every zeta_l[j] belongs to its own corner of the leaf cube: no error hides behind another unit's."""
    public = tiny_run(widths=(6, 9, 7, 5), loss="mse").public
    layout = public.layout
    corners = [(x.first_leaf_row << layout.log_units) + j for x in layout.leaves.lookups for j in range(x.units)]
    assert len(set(corners)) == len(corners)
    assert np.max(corners) < layout.leaves.leaf_rows << layout.log_units


def test_a_bias_bound_of_zero_is_not_claimed_for_committed_biases() -> None:
    """The range proof of bound 2^v shows -2^v <= b < 2^v; there is none that shows |b| <= 0."""
    tiny = tiny_run(seeded=False)
    with pytest.raises(NotProvable):
        replace(tiny.run, init_bias_bound=(0,) * tiny.run.L).validate()
    initial_certificate_layout(tiny.run, TINY)
