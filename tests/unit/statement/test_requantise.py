from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.statement.builders import FORMAT, make_run, make_scales, make_segment
from zkdl.errors import NotProvable
from zkdl.statement import requantise
from zkdl.statement.segment import Limbs


def _all(run, segment):
    yield from (requantise.forward(run, segment, layer) for layer in range(1, run.L + 1))
    yield from (requantise.backward(run, segment, layer) for layer in range(1, run.L))


@given(st.integers(0, 4), st.integers(15, 18), st.data())
def test_limbs_round_half_up(extra, low_bits, data):
    run = make_run()
    segment = make_segment(run, limbs=Limbs(extra, extra, low_bits))
    for x in _all(run, segment):
        assert x.h == x.k - extra == x.low_bits + x.mid_bits
        assert x.middle == 1 << (x.top_bits - extra - 1)
        assert x.offset == (1 << (x.k - 1)) + x.middle * (1 << x.k)
        # Rounded values -M and M - 1 are the ends of what the top limb can hold.
        low, high = -x.offset, (1 << (x.h + x.top_bits)) - x.offset - 1
        product = data.draw(st.integers(low, high))
        top = (product + x.offset) >> x.h
        assert 0 <= top < 1 << x.top_bits
        # floor(Z / 2^k + 1/2) in integers
        assert (top >> extra) - x.middle == (2 * product + (1 << x.k)) // (1 << (x.k + 1))
        for outside in (low - 1, high + 1):
            assert not 0 <= (outside + x.offset) >> x.h < 1 << x.top_bits


def test_shifts_and_top_limbs():
    run = make_run()
    segment = make_segment(run, limbs=Limbs(2, 1, 16))
    fa, fg = segment.scales.fa, segment.scales.fg
    assert [requantise.forward(run, segment, layer).k for layer in (1, 2, 3)] == [
        fa[i] + 26 - fa[i + 1] for i in range(3)
    ]
    assert [requantise.backward(run, segment, layer).k for layer in (1, 2)] == [
        fg[i + 1] + 26 - fg[i] for i in range(2)
    ]
    assert requantise.forward(run, segment, 1).top_bits == 2 + 1 + 8 + 3
    assert requantise.backward(run, segment, 1).top_bits == 1 + 1 + 7 + 3


def test_conditions():
    run = make_run()
    wide = replace(run, format=replace(FORMAT, weight_frac=40, activation_bits=16, headroom_bits=8))
    with pytest.raises(NotProvable) as caught:
        requantise.forward(wide, make_segment(run, limbs=Limbs(0, 0, 22)), 1)
    assert caught.value.code == "LIMBS" and caught.value.where["layer"] == 1
    with pytest.raises(NotProvable) as caught:
        requantise.choose_limbs(wide, replace(make_scales(run), fa=(30, 0, 0, 4)), 1)
    assert caught.value.code == "LIMBS"
    narrow = replace(run, format=replace(FORMAT, weight_frac=4))
    with pytest.raises(NotProvable):
        requantise.choose_limbs(narrow, make_scales(narrow, 12, 3), 1)


def test_chosen_limbs_fit_and_depend_on_the_size():
    """Small segments get three limbs and small tables, large ones two limbs."""
    small = make_run()
    scales = make_scales(small)
    limbs = requantise.choose_limbs(small, scales, 1)
    assert any(x.mid_bits for x in _all(small, make_segment(small, limbs=limbs)))
    large = make_run(
        widths=(512, 1024, 1024, 10),
        batch=64,
        examples=100,
        steps=4096,
        schedule=((0, 1 << 32),),
        format=replace(FORMAT, weight_frac=25),
    )
    scales = make_scales(large, gradient=8)
    limbs = requantise.choose_limbs(large, scales, 512)
    segment = make_segment(large, scales=scales, limbs=limbs)
    assert not any(x.mid_bits for x in _all(large, segment))
    assert max(x.top_bits for x in _all(large, segment)) <= 22


def test_chosen_limbs_are_the_cheapest():
    """Brute force over all limbs with an independent cost: leaves 3, committed values 1, tables 4 per entry."""
    run = make_run(widths=(5, 3, 4), batch=2, format=replace(FORMAT, exp_bits=4))
    scales, steps = make_scales(run), 2
    directions = {"f": requantise.forward, "b": requantise.backward}
    units = {("f", 1): 3, ("f", 2): 4, ("b", 1): 3}
    costs = {}
    base = make_segment(run, scales=scales)
    for e in range(12):
        for e_back in range(12):
            for r in range(1, 23):
                segment = replace(base, limbs=Limbs(e, e_back, r))
                try:
                    found = {key: directions[key[0]](run, segment, key[1]) for key in units}
                except NotProvable:
                    continue
                widths = {x.low_bits for x in found.values()} | {x.mid_bits for x in found.values() if x.mid_bits}
                widths.add(requantise.remainder_bits(run))
                assert sorted(widths) == requantise.used_widths(run, segment)
                entries = 2 * 2 ** (e + 12) + 2 * 2 ** (e_back + 11) + sum(2**w for w in widths)
                middle = sum(units[key] * 4 for key, x in found.items() if x.mid_bits)
                costs[e, e_back, r] = 4 * entries + 4 * middle
    best = requantise.choose_limbs(run, scales, steps)
    assert costs[best.e_forward, best.e_backward, best.low_bits] == min(costs.values())


@pytest.mark.parametrize(("classes", "exp_bits"), [(2, 4), (3, 8), (10, 12), (16, 12), (17, 5)])
def test_remainder_bits(classes, exp_bits):
    run = make_run(widths=(4, classes), format=replace(FORMAT, exp_bits=exp_bits))
    bits = requantise.remainder_bits(run)
    assert 1 << bits >= 2 * classes << exp_bits > 1 << (bits - 1)


def test_offsets_are_python_integers():
    requant = requantise.forward(make_run(), make_segment(make_run()), 1)
    assert type(requant.offset) is int and not isinstance(requant.k, np.integer)
