"""Bounds of committed initial weights are a public policy: they tell nothing about the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zkdl.configuration import from_values
from zkdl.datasets import Dataset, FeatureRule
from zkdl.errors import NotProvable, UsageError
from zkdl.given_weights import given, start_from
from zkdl.rundir import weights_bytes
from zkdl.statement.initialisation import bound, initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.weights import Weights

DATA = Dataset(
    np.random.default_rng(0).integers(0, 256, (16, 4)).astype(np.int32), np.zeros(16, dtype=np.int32), FeatureRule()
)


def seeded(**values: object) -> RunStatement:
    configuration = from_values({"widths": [4, 3, 2], "steps": 8, "batch": 4, "weight_frac": 26, **values})
    return configuration.draft(DATA)


def weights(scale: int, bias: int = 0) -> Weights:
    rng = np.random.default_rng(scale)
    shapes = ((4, 3), (3, 2))
    return Weights(
        [rng.integers(-scale, scale + 1, shape) for shape in shapes],
        [np.full(outputs, bias, dtype=np.int64) for _, outputs in shapes],
    )


def test_two_files_give_the_same_bounds() -> None:
    run = seeded()
    found = [start_from(run, start, b"\1" * 32) for start in (weights(3), weights(1 << 24, 1 << 20))]
    assert found[0] == found[1]
    for start in found:
        start.validate()
        assert (start.init_seed, start.init_root) == (None, "01" * 32)


def test_the_policy() -> None:
    run = seeded()
    limits = given(run).init_weight_bound
    for limit, generated in zip(limits, bound(run), strict=True):
        # The smallest power of two above what the generator returns.
        assert limit & (limit - 1) == 0 and generated < limit <= 2 * generated
    assert given(run).init_bias_bound == limits
    assert given(seeded(bias=[False, True])).init_bias_bound == (0, limits[1])
    # Whatever a seed gives may be committed to instead.
    start_from(run, initial_weights(run), b"\1" * 32)


@pytest.mark.parametrize("part", ["weight", "bias"])
@pytest.mark.parametrize("sign", [1, -1])
def test_weights_beyond_the_bound_are_refused(part: str, sign: int) -> None:
    run = seeded()
    limit = given(run).init_weight_bound[1]
    start = weights(3)
    values = start.W[1] if part == "weight" else start.b[1]
    assert values is not None
    # -bound <= value < bound.
    values.flat[0] = limit - 1 if sign > 0 else -limit
    start_from(run, start, b"\1" * 32)
    values.flat[0] += sign
    with pytest.raises(NotProvable, match=f"initial {part}") as caught:
        start_from(run, start, b"\1" * 32)
    assert (caught.value.code, caught.value.where["layer"]) == ("INITIAL_BOUND", 2)
    assert "initial_bound" in caught.value.hint


@pytest.mark.parametrize(("stated", "expected"), [(4.0, 1 << 28), (3.0, 1 << 28), (4.1, 1 << 29), (0.25, 1 << 24)])
def test_a_stated_bound_is_rounded_up_to_a_power_of_two(stated: float, expected: int) -> None:
    run = given(seeded(), stated)
    assert run.init_weight_bound == run.init_bias_bound == (expected, expected)


def test_configuration_refuses_and_accepts(tmp_path: Path) -> None:
    big = weights(5)
    big.W[0][0, 0] = 1 << 30
    (tmp_path / "w.safetensors").write_bytes(weights_bytes(big, 26))
    values = {"initial": "w.safetensors", "weight_frac": None}
    plain = {"widths": [4, 3, 2], "steps": 8, "batch": 4, **values}
    with pytest.raises(NotProvable) as caught:
        from_values(plain, tmp_path).draft(DATA)
    assert caught.value.code == "INITIAL_BOUND"
    run = from_values({**plain, "initial_bound": 20}, tmp_path).draft(DATA)
    assert run.init_weight_bound == (1 << 31,) * 2 and run.format.weight_frac == 26


@pytest.mark.parametrize("stated", [0, -1.0, float("nan"), float("inf"), 10**400])
def test_bounds_without_a_meaning(stated: float) -> None:
    with pytest.raises(UsageError) as caught:
        seeded(initial_bound=stated)
    assert (caught.value.code, caught.value.where["field"]) == ("CONFIG_VALUE", "run.initial_bound")


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights_bytes(weights(5), 26))
    with pytest.raises(UsageError) as caught:
        seeded(initial=str(path), weight_frac=22)
    assert (caught.value.code, caught.value.where["field"]) == ("CONFIG_VALUE", "formats.weight_frac")
    with pytest.raises(UsageError) as caught:
        seeded(initial=str(path), widths=[4, 5, 2])
    assert caught.value.code == "WEIGHTS_SHAPE" and caught.value.hint
    path.write_bytes(b"nothing")
    with pytest.raises(UsageError) as caught:
        seeded(initial=str(path))
    assert caught.value.code == "WEIGHTS_FILE" and caught.value.hint
    assert caught.value.where == {"file": str(path), "field": "run.initial"}


def test_other_biases_are_another_network() -> None:
    start = weights(5)
    with pytest.raises(UsageError) as caught:
        start_from(seeded(), replace(start, b=[None, start.b[1]]), b"\1" * 32)
    assert caught.value.code == "WEIGHTS_SHAPE"
