from dataclasses import replace

import numpy as np
import pytest

from tests.unit.statement.builders import FORMAT, make_run, make_scales, make_segment
from zkdl.errors import NotProvable
from zkdl.statement import bounds
from zkdl.statement.schedule import update_integers
from zkdl.statement.segment import initial_state


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_growth_by_hand(loss):
    run = make_run(loss=loss, bias=(True, False, True), steps=9)
    scales = make_scales(run)
    state = initial_state(run)
    weights, biases = bounds.grow(run, scales, 2, 5, state)
    factors = update_integers(run, scales, 2, 5).sum(axis=1).tolist()
    activations = [255, 255, 255]
    gradients = [127, 127, 127 if loss == "ce" else 511 + 16]
    for l in range(3):  # noqa: E741 - layer
        assert weights[l] == state.weight_bound[l] + factors[l] * 3 * activations[l] * gradients[l]
        growth = factors[l] * 3 * gradients[l] << scales.fa[l]
        assert biases[l] == (growth if run.bias[l] else 0)
    first = bounds.grow(run, scales, 2, 3, state)
    middle = replace(state, weight_bound=first[0], bias_bound=first[1], step=5)
    assert bounds.grow(run, scales, 5, 2, middle) == (weights, biases)


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_layer_bounds_by_hand(loss):
    run = make_run(loss=loss, bias=(True, False, True))
    segment = make_segment(run)
    end = segment.w_out
    found = bounds.layer_bounds(run, segment)
    last = 127 if loss == "ce" else 527
    assert found[0].forward == 6 * 255 * end.weight_bound[0] + 256 * end.bias_bound[0]
    assert found[1].forward == 5 * 255 * end.weight_bound[1]
    assert found[2].forward == 4 * 255 * end.weight_bound[2] + 32 * end.bias_bound[2]
    assert found[0].backward == 4 * 127 * end.weight_bound[1]
    assert found[1].backward == 3 * last * end.weight_bound[2]
    assert found[2].backward is None


def _with_bound(run, layer, bound):
    weights = [1] * run.L
    weights[layer - 1] = bound
    return replace(run, init_seed=None, init_root="0" * 64, init_weight_bound=tuple(weights))


def test_products_beyond_62_bits_are_refused():
    run = make_run(bias=(False,) * 3)
    growth = bounds.grow(run, make_scales(run), 0, 3, replace(initial_state(run), weight_bound=(0, 0, 0)))[0]
    limit = ((1 << 62) - 1) // (4 * 255) - growth[2]
    fits = _with_bound(run, 3, limit)
    make_segment(fits).validate(fits)
    too_large = _with_bound(run, 3, limit + 1)
    with pytest.raises(NotProvable) as caught:
        make_segment(too_large).validate(too_large)
    assert caught.value.code == "BOUND_FORWARD"
    assert caught.value.where["layer"] == 3 and caught.value.where["bits"] == 63


def test_backward_products_beyond_62_bits_are_refused():
    run = make_run(widths=(6, 5, 4, 900), bias=(False,) * 3, format=replace(FORMAT, exp_bits=4))
    too_large = _with_bound(run, 3, 1 << 47)
    with pytest.raises(NotProvable) as caught:
        make_segment(too_large).validate(too_large)
    assert caught.value.code == "BOUND_BACKWARD" and caught.value.where["layer"] == 2


@pytest.mark.parametrize(("inner", "left_max"), [(1, 1), (784, 255), (1024, 1023), (3, 1 << 30), (1 << 20, 65535)])
def test_limb_bits_keep_sums_exact(inner, left_max):
    bits = bounds.product_limb_bits(inner, left_max)
    assert inner * left_max << bits <= 1 << 53 < inner * left_max << (bits + 1)
    exact = float(inner * left_max << bits)
    assert int(exact) == inner * left_max << bits
    assert np.float64(exact) - 1 == (inner * left_max << bits) - 1


def test_too_wide_a_product():
    with pytest.raises(NotProvable):
        bounds.product_limb_bits(1 << 30, 1 << 30)
