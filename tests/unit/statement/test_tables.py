from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import numpy as np
import pytest

from tests.unit.statement.builders import FORMAT, make_run, make_segment
from zkdl.statement import requantise
from zkdl.statement.exponential import exponential_table
from zkdl.statement.segment import Limbs
from zkdl.statement.tables import build_tables

SMALL = replace(FORMAT, activation_bits=3, gradient_bits=4, logit_bits=4, logit_frac=1, exp_bits=5, headroom_bits=2)


def _rows(table):
    return list(zip(*(column.tolist() for column in table.columns), strict=True))


def _clamp(value, low, high):
    return min(max(value, low), high)


@pytest.mark.parametrize(("e", "e_back", "r"), [(0, 0, 15), (2, 1, 14)])
def test_against_brute_force(e, e_back, r):
    run = make_run(format=SMALL)
    segment = make_segment(run, limbs=Limbs(e, e_back, r))
    tables = build_tables(run, segment)
    assert list(tables) == ["activation", "logit", "gradient", "range", "exp", "probability", "max_count"]
    assert [table.tag for table in tables.values()] == [1, 2, 3, 4, 5, 6, 7]
    w, w_back = e + 1 + 3 + 2, e_back + 1 + 3 + 2
    rounded = [(x >> e) - 2 ** (w - e - 1) for x in range(2**w)]
    activations = [_clamp(v, 0, 7) for v in rounded]
    assert _rows(tables["activation"]) == [(x, a, int(a > 0)) for x, a in enumerate(activations)]
    assert _rows(tables["logit"]) == [(x, _clamp(v, -7, 7)) for x, v in enumerate(rounded)]
    backward = [(x >> e_back) - 2 ** (w_back - e_back - 1) for x in range(2**w_back)]
    expected = [(x, s, s * _clamp(v, -7, 7)) for s in (0, 1) for x, v in enumerate(backward)]
    assert _rows(tables["gradient"]) == expected
    widths = requantise.used_widths(run, segment)
    assert _rows(tables["range"]) == [(x, width) for width in widths for x in range(2**width)]
    one = 2 ** segment.scales.fg[-1]
    expected = [(q, y, _clamp(q - one * y, -7, 7)) for y in (0, 1) for q in range(one + 1)]
    assert _rows(tables["probability"]) == expected
    assert _rows(tables["max_count"]) == [(1,), (2,), (3,)]
    assert [row[0] for row in _rows(tables["exp"])] == list(range(2 * 7 + 1))
    assert [row[2] for row in _rows(tables["exp"])] == [1] + [0] * 14
    assert all(column.dtype == np.int64 for table in tables.values() for column in table.columns)


def test_which_tables_exist():
    run = make_run(widths=(6, 3))
    assert list(build_tables(run, make_segment(run))) == ["logit", "range", "exp", "probability", "max_count"]
    run = make_run(loss="mse")
    tables = build_tables(run, make_segment(run))
    assert list(tables) == ["activation", "logit", "gradient", "range"]


@pytest.mark.parametrize(
    ("count", "frac", "bits"), [(31, 1, 5), (1023, 4, 8), (4095, 5, 12), (300, 0, 20), (8191, 9, 20)]
)
def test_exponential_is_correctly_rounded(count, frac, bits):
    table = exponential_table(count, frac, bits)
    with localcontext() as context:
        context.prec = 60
        for d in range(count):
            exact = (-Decimal(d) / 2**frac).exp() * 2**bits
            assert int(table[d]) == int(exact.to_integral_value(ROUND_HALF_EVEN)), d


def test_exponential_is_read_only_and_largest_at_zero():
    table = exponential_table(65535, 15, 20)
    assert table[0] == 1 << 20 and (np.diff(table) <= 0).all()
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1


def test_digest_sees_name_tag_and_every_entry():
    run = make_run(format=SMALL)
    table = build_tables(run, make_segment(run))["logit"]
    changed = table.columns[1].copy()
    changed[5] += 1
    others = [
        replace(table, name="range"),
        replace(table, tag=9),
        replace(table, columns=(table.columns[0], changed)),
        replace(table, columns=table.columns[::-1]),
        replace(table, columns=tuple(c[:-1] for c in table.columns)),
    ]
    assert len({t.digest() for t in [table, *others]}) == 6


def test_tables_are_pinned():
    """Another machine must build the same tables: digests of a CE run, fixed when the format was."""
    run = make_run()
    digests = {
        name: t.digest().hex()[:16] for name, t in build_tables(run, make_segment(run, limbs=Limbs(1, 0, 14))).items()
    }
    assert digests == PINNED


PINNED = {
    "activation": "ced1033c44eeea3d",
    "logit": "104929c453fea521",
    "gradient": "57e571fa5799fda0",
    "range": "ee856025ead868fd",
    "exp": "77184f055e999844",
    "probability": "8324a0cad9f41782",
    "max_count": "1108b9510a3f92ec",
}
