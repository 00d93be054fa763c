from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest

from tests.unit.statement.builders import make_scales
from tests.unit.train.builders import committed, make_training
from zkdl.statement import sampler, schedule
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.segment import Scales
from zkdl.train import calibrate as module
from zkdl.train.calibrate import Extent, calibrate, choose_scales, measure


def _float_extent(run, weights, features, labels):
    """The same pass in float64."""
    values = np.ldexp(features.astype(float), -run.format.feature_frac)
    matrices = [np.ldexp(w.astype(float), -run.format.weight_frac) for w in weights.W]
    biases = [0 if b is None else np.ldexp(b.astype(float), -run.format.weight_frac) for b in weights.b]
    products, activations = [], [values]
    for matrix, bias in zip(matrices, biases, strict=True):
        products.append(activations[-1] @ matrix + bias)
        activations.append(np.maximum(products[-1], 0))
    gradient = products[-1].copy()
    if run.loss == "ce":
        gradient = np.exp(gradient - gradient.max(axis=1, keepdims=True))
        gradient /= gradient.sum(axis=1, keepdims=True)
    gradient[np.arange(len(labels)), labels] -= 1
    gradients = [gradient]
    for layer in range(run.L - 1, 0, -1):
        gradients.append((gradients[-1] @ matrices[layer].T) * (products[layer - 1] > 0))
    return [np.abs(p).max() for p in products], [np.abs(g).max() for g in gradients[::-1]]


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_measured_extents(loss):
    run, features, labels = make_training(widths=(20, 30, 15, 4), examples=50, loss=loss, bias=(True, False, True))
    weights = initial_weights(run)
    weights.b[0] += 1 << 22
    extent = measure(run, weights, features, labels)
    activations, gradients = _float_extent(run, weights, features, labels)
    assert np.ldexp(extent.activations, -12) == pytest.approx(activations, rel=0.01, abs=2**-11)
    assert np.ldexp(extent.gradients, -28) == pytest.approx(gradients, rel=0.02)


@pytest.mark.parametrize("largest", [0.3, 0.5, 0.51, 1.0, 3.99, 4.0])
def test_policy(largest):
    run, _, _ = make_training(schedule=((0, 1 << 40),))
    extent = Extent([round(largest * 2**12)] * 3, [round(largest * 2**28)] * 3)
    scales = choose_scales(run, extent, set())
    real = round(largest * 2**12) / 2**12
    assert scales.fa == (4, *[8 - ceil(log2(2 * real))] * 2, 4)
    assert scales.fg == (*[7 - ceil(log2(2 * largest))] * 2, 7)
    # Twice the largest value still fits the format.
    assert 2 * largest * 2 ** scales.fa[1] <= 2**8 and 2 * largest * 2 ** scales.fg[0] <= 2**7


def test_intervals_and_silence():
    run, _, _ = make_training(activation_frac_interval=(3, 5), gradient_frac_interval=(2, 6))
    assert choose_scales(run, Extent([0] * 3, [0] * 3), set()) == Scales((4, 5, 5, 4), (6, 6, 7))
    assert choose_scales(run, Extent([1 << 30] * 3, [1 << 60] * 3), set()) == Scales((4, 3, 3, 4), (2, 2, 7))


def test_gradients_get_coarser_until_the_updates_are_precise():
    run, _, _ = make_training(batch=3)
    extent = Extent([1 << 10] * 3, [1 << 20] * 3)
    free = choose_scales(run, extent, set())
    for rate in (1 << 28, 1 << 30, 3 << 27):
        scales = choose_scales(run, extent, {rate})
        for layer in (1, 2):
            exact = rate / 2**32 / 3 * 2.0 ** (24 - scales.fa[layer - 1] - scales.fg[layer - 1])
            assert abs(round(exact) - exact) <= exact / 16
            assert scales.fg[layer - 1] <= free.fg[layer - 1]


def test_only_the_first_batches_count():
    run, features, labels = make_training(examples=100, batch=4, steps=25)
    indices, _ = sampler.batch_indices(run, sampler.seed(run), 0, 25)
    weights = initial_weights(run)
    expected = calibrate(run, weights, features, labels, indices, {1 << 30})
    others = np.setdiff1d(np.arange(100), indices[:8].ravel())
    features[others] = 0
    assert calibrate(run, weights, features, labels, indices, {1 << 30}) == expected
    assert make_scales(run).fa[0] == expected.fa[0]


def test_few_weight_fraction_bits():
    run, features, labels = make_training()
    coarse = replace(committed(run, 100, 0), format=replace(run.format, weight_frac=8))
    weights = initial_weights(run)
    rounded = replace(weights, W=[w >> 16 for w in weights.W], b=[None if b is None else b >> 16 for b in weights.b])
    fine, rough = measure(run, weights, features, labels), measure(coarse, rounded, features, labels)
    assert np.array(rough.activations) == pytest.approx(np.array(fine.activations), rel=0.1)


@pytest.mark.parametrize(("left_bits", "right_bits"), [(10, 10), (24, 20), (30, 30), (45, 60)])
def test_products_in_limbs(left_bits, right_bits):
    rng = np.random.default_rng(left_bits)
    left = rng.integers(-(1 << left_bits), (1 << left_bits) + 1, (5, 40))
    right = rng.integers(-(1 << right_bits), (1 << right_bits) + 1, (40, 6))
    exact = left.astype(object) @ right.astype(object)
    found = module._product(left, 1 << left_bits, right)
    largest = np.abs(exact).max()
    assert np.all(np.abs(found.astype(object) - exact) <= max(1, largest >> 48))
    if largest < 1 << 53:
        assert np.array_equal(found, exact.astype(float))
        # More limbs than needed change nothing.
        assert np.array_equal(module._product(left, 1 << 60, right), found)


def test_limb_widths_do_not_depend_on_the_values(monkeypatch):
    """What is asked of the products follows from the run alone."""
    run, features, labels = make_training()
    original, seen = module._product, []

    def spy(left, left_max, right):
        assert np.abs(left).max() <= left_max
        seen.append(left_max)
        return original(left, left_max, right)

    monkeypatch.setattr(module, "_product", spy)
    weights = initial_weights(run)
    measure(run, weights, features, labels)
    large = replace(weights, W=[w << 6 for w in weights.W])
    measure(run, large, features[:3] // 2, labels[:3])
    half = len(seen) // 2
    assert half == 2 * run.L - 1 and seen[:half] == seen[half:]


def test_no_scale_depends_on_libm(monkeypatch):
    run, features, labels = make_training()
    expected = measure(run, initial_weights(run), features, labels)

    def refused(*_):
        raise AssertionError("libm")

    for name in ("exp", "log", "log2", "power"):
        monkeypatch.setattr(np, name, refused)
    assert measure(run, initial_weights(run), features, labels) == expected


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_values_that_no_scale_can_represent(loss):
    """Weights at the end of their range: nothing overflows, and the coarsest scales are chosen."""
    run, features, labels = make_training(loss=loss, bias=(False,) * 3)
    run = committed(run, 1 << 50, 0)
    rng = np.random.default_rng(0)
    weights = initial_weights(make_training(loss=loss, bias=(False,) * 3)[0])
    weights.W[:] = [rng.integers(1 << 49, 1 << 50, w.shape) for w in weights.W]
    extent = measure(run, weights, features, labels)
    scales = choose_scales(run, extent, set())
    assert min(extent.activations) > 1 << 30
    assert set(scales.fa[1:-1]) == {run.activation_frac_interval[0]}


def test_a_silent_layer_does_not_freeze_the_next_one():
    """All weights zero: the activations of the last hidden layer would get the finest scale there is."""
    run, _, _ = make_training(batch=4, activation_frac_interval=(0, 40))
    assert schedule.update_ratio(run, Scales((4, 19, 19, 4), (7, 7, 7)), run.L, 1 << 28) == (1 << 28, 4 << 34)
    rates = {1 << 28}
    scales = choose_scales(run, Extent([0] * 3, [0] * 3), rates)
    assert schedule.update_integer(run, scales, run.L, 1 << 28) >= 1
    assert choose_scales(run, Extent([0] * 3, [0] * 3), set()).fa[-2] == 19
