"""Reading a TOML configuration, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zkdl.configuration import Configuration, from_values, read_configuration
from zkdl.datasets import Dataset, FeatureRule
from zkdl.errors import NotProvable, UsageError

WHOLE = """
[model]
widths = [4, 3, 2]
bias = [true, false]
loss = "mse"
[data]
train = "train.csv"
label_column = "class"
test = "test.csv"
feature_bits = 7
feature_frac = 3
signed = true
[schedule]
lr = 1
steps = 20
batch = 5
last_batch = "drop"
changes = [[10, 0.5]]
[formats]
activation_bits = 8
gradient_bits = 9
weight_frac = 24
[run]
directory = "out"
segment_steps = 8
seed = "x"
beacon = "ab"
"""


def read(tmp_path: Path, text: str) -> Configuration:
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    return read_configuration(tmp_path / "c.toml")


def refusal(tmp_path: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    return caught.value


def small(**values: Any) -> Configuration:
    return from_values({"widths": [4, 3, 2], "steps": 8, "batch": 4, **values})


def data(examples: int = 16, features: int = 4) -> Dataset:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (examples, features)).astype(np.int32)
    return Dataset(x, rng.integers(0, 2, examples).astype(np.int32), FeatureRule())


def test_every_key(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found == Configuration(
        widths=(4, 3, 2), bias=(True, False), loss="mse", train=str(tmp_path / "train.csv"), label_column="class",
        test=str(tmp_path / "test.csv"), features=FeatureRule(7, 3, True), lr=1.0, steps=20, batch=5,
        last_batch="drop", changes=((10, 0.5),), activation_bits=8, gradient_bits=9, weight_frac=24,
        directory=str(tmp_path / "out"), segment_steps=8, seed="x", beacon="ab",
    )  # fmt: skip


def test_defaults_and_paths(tmp_path: Path) -> None:
    found = read(tmp_path, '[model]\nwidths = [64, 10]\n[schedule]\nepochs = 1\n[run]\ndirectory = "digits"\n')
    assert found.train == "digits" and found.bias == (True,)
    assert found.directory == str(tmp_path / "digits")
    absolute = read(tmp_path, f'[model]\nwidths = [64, 10]\n[data]\ntrain = "{tmp_path}/x.npz"\n')
    assert absolute.train == f"{tmp_path}/x.npz"


@pytest.mark.parametrize(
    ("text", "field", "hint"),
    [
        ("[modell]\n", "modell", "Did you mean model?"),
        ("[model]\nwidth = [1, 2]\n", "width", "Did you mean widths?"),
        ("[schedule]\nlearning_rate = 0.1\n", "learning_rate", "Known: lr, steps"),
        ("[run]\nwidths = [1, 2]\n", "widths", "Known: directory"),
        ("widths = [1, 2]\n", "widths", "Known: model"),
    ],
)
def test_unknown_names_are_refused_with_a_suggestion(tmp_path: Path, text: str, field: str, hint: str) -> None:
    error = refusal(tmp_path, text)
    assert (error.code, error.where["field"]) == ("CONFIG_KEY", field)
    assert error.hint.startswith(hint)
    assert error.where["file"] == str(tmp_path / "c.toml")


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("model = 3", "model"),
        ("[model]\nwidths = 3", "model.widths"),
        ("[model]\nwidths = [64]", "model.widths"),
        ("[model]\nwidths = [64, 0]", "model.widths"),
        ("[model]\nwidths = [64, true]", "model.widths"),
        ("[model]\nwidths = [64, 1.5]", "model.widths"),
        ("[model]\nloss = 'ce'", "model.widths"),
        ("[model]\nwidths = [4, 2]\nbias = 1", "model.bias"),
        ("[model]\nwidths = [4, 2]\nbias = [true, true]", "model.bias"),
        ("[model]\nwidths = [4, 2]\nbias = [1]", "model.bias"),
        ("[model]\nwidths = [4, 2]\nloss = 'hinge'", "model.loss"),
        ("[schedule]\nlr = '0.1'", "schedule.lr"),
        ("[schedule]\nlr = true", "schedule.lr"),
        ("[schedule]\nsteps = 1.5", "schedule.steps"),
        ("[schedule]\nbatch = true", "schedule.batch"),
        ("[model]\nwidths = [4, 2]\n[schedule]\nbatch = 0", "schedule.batch"),
        ("[model]\nwidths = [4, 2]\n[schedule]\nsteps = 0", "schedule.steps"),
        ("[model]\nwidths = [4, 2]\n[schedule]\nepochs = -1", "schedule.epochs"),
        ("[model]\nwidths = [4, 2]\n[schedule]\nlast_batch = 'pad'", "schedule.last_batch"),
        ("[model]\nwidths = [4, 2]\n[schedule]\ndecay = 'linear'", "schedule.decay"),
        ("[model]\nwidths = [4, 2]\n[schedule]\nchanges = [[1]]", "schedule.changes"),
        ("[model]\nwidths = [4, 2]\n[schedule]\nchanges = [['a', 1.0]]", "schedule.changes"),
        ("[model]\nwidths = [4, 2]\n[schedule]\nchanges = [[1, 0.1]]\ndecay = 'cosine'", "schedule.changes"),
        ("[model]\nwidths = [4, 2]\n[run]\nsegment_steps = 0", "run.segment_steps"),
        ("[model]\nwidths = [4, 2]\n[data]\nfeature_bits = -1", "data.feature_bits"),
        ("[model]\nwidths = [4, 2]\n[data]\nfeature_bits = 1000000000", "data.feature_bits"),
        ("[model]\nwidths = [4, 2]\n[data]\nfeature_frac = -1", "data.feature_frac"),
        ("[data]\nsigned = 1", "data.signed"),
        ("[run]\nseed = 5", "run.seed"),
        ("[run]\ninitial_bound = 'x'", "run.initial_bound"),
        ("[model]\nwidths = [4, 2]\n[run]\ninitial_bound = 0", "run.initial_bound"),
    ],
)
def test_wrong_values_name_their_field(tmp_path: Path, line: str, field: str) -> None:
    error = refusal(tmp_path, line + "\n")
    assert (error.code, error.where["field"], error.exit_status) == ("CONFIG_VALUE", field, 2)
    assert error.where["file"] == str(tmp_path / "c.toml") and error.hint


def test_unreadable_files(tmp_path: Path) -> None:
    # An open bracket; nesting that the parser cannot follow; more digits than Python converts.
    for text in ("[model\n", "[model]\nwidths = " + "[" * 5000, "[schedule]\nsteps = " + "9" * 5000):
        assert refusal(tmp_path, text).code == "CONFIG_SYNTAX"
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for path, code in ((tmp_path / "none.toml", "CONFIG_MISSING"), (tmp_path, "CONFIG_SYNTAX")):
        with pytest.raises(UsageError) as caught:
            read_configuration(path)
        assert caught.value.code == code
    assert "directory" in caught.value.message and "Errno" not in caught.value.message
    with pytest.raises(UsageError, match="cannot be read"):
        read_configuration(tmp_path / "binary.toml")


def test_steps_and_epochs() -> None:
    assert small().total_steps(10) == 8
    assert small(steps=None, epochs=3).total_steps(10) == 9
    assert small(steps=None, epochs=3, last_batch="drop").total_steps(10) == 6
    for wrong in ({"steps": None}, {"epochs": 2}, {"steps": None, "epochs": 1, "last_batch": "drop"}):
        with pytest.raises(UsageError) as caught:
            small(**wrong).total_steps(3)
        assert (caught.value.code, caught.value.where["field"]) == ("CONFIG_VALUE", "schedule.steps")


def test_piecewise_and_cosine_schedules() -> None:
    assert small(lr=0.5, changes=[[4, 0.25]]).schedule(8) == ((0, 1 << 31), (4, 1 << 30))
    cosine = small(lr=0.5, decay="cosine").schedule(8)
    assert [start for start, _ in cosine] == list(range(8))
    rates = [rate for _, rate in cosine]
    assert rates[0] == 1 << 31 and rates == sorted(rates, reverse=True) and rates[-1] > 0
    assert rates[4] == pytest.approx(1 << 30, rel=1e-9)
    assert len(small(decay="cosine").schedule(1000)) == 64
    assert small(decay="cosine").schedule(1) == ((0, round(0.1 * 2**32)),)


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), 1e9, 10**400, 2.0**-40])
def test_learning_rates_without_integer_form(rate: float) -> None:
    with pytest.raises(NotProvable) as caught:
        small(lr=rate).draft(data())
    assert caught.value.code == "LEARNING_RATE"


def test_draft() -> None:
    run = small(changes=[[4, 0.05]], last_batch="drop", loss="mse", bias=False).draft(data())
    assert (run.widths, run.bias, run.loss, run.batch, run.steps) == ((4, 3, 2), (False, False), "mse", 4, 8)
    assert run.examples == 16 and run.last_batch == "drop" and len(run.schedule) == 2
    assert small().draft(data()) == small().draft(data())
    assert small(seed="a").draft(data()).init_seed != small(seed="b").draft(data()).init_seed
    assert small(weight_frac=22).draft(data()).format.weight_frac == 22


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"changes": [[9, 0.1]]}, "STATEMENT_FIELD", "schedule"),
        ({"changes": [[4, 0.1], [2, 0.1]]}, "STATEMENT_FIELD", "schedule"),
        ({"activation_bits": 40}, "STATEMENT_FIELD", "format.activation_bits"),
        ({"gradient_bits": 1}, "STATEMENT_FIELD", "format.gradient_bits"),
        ({"weight_frac": 0}, "STATEMENT_FIELD", "format.weight_frac"),
        ({"weight_frac": -5}, "STATEMENT_FIELD", "format.weight_frac"),
        ({"beacon": "xyz"}, "STATEMENT_FIELD", "beacon"),
        ({"batch": 17, "last_batch": "drop"}, "STATEMENT_FIELD", "batch"),
        ({"widths": [5, 2]}, "DATA_WIDTH", "model.widths"),
        ({"widths": [4, 1]}, "STATEMENT_FIELD", "widths[-1]"),
    ],
)
def test_drafts_that_cannot_be_proven(values: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(NotProvable) as caught:
        small(**values).draft(data())
    assert (caught.value.code, caught.value.where["field"]) == (code, field)


def test_errors_of_the_data_name_the_file(tmp_path: Path) -> None:
    def written(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    good, far, label = (
        written("a.csv", "1,2,3,4,1\n"),
        written("b.csv", "1,2,3,999,1\n"),
        written("c.csv", "1,2,3,4,5\n"),
    )
    for name, code in ((far, "DATA_RANGE"), (label, "DATA_LABEL_RANGE")):
        with pytest.raises(NotProvable) as caught:
            small(train=name).load_train()
        assert (caught.value.code, caught.value.where["file"]) == (code, name) and caught.value.hint
        with pytest.raises(NotProvable) as caught:
            small(train=good, test=name).load_test()
        assert (caught.value.code, caught.value.where["file"]) == (code, name)


def test_labels_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\0\0\x08\x02\0\0\0\x01\0\0\0\x04" + bytes(4))
    (tmp_path / "y").write_bytes(b"\0\0\x08\x01\0\0\0\x01\x09")
    with pytest.raises(NotProvable) as caught:
        small(train=str(tmp_path / "x"), labels=str(tmp_path / "y")).load_train()
    assert (caught.value.code, caught.value.where["file"]) == ("DATA_LABEL_RANGE", str(tmp_path / "y"))


def test_train_and_test_get_one_scale(tmp_path: Path) -> None:
    """A test file that happens to hold whole numbers only is read as the training file is."""
    (tmp_path / "real.csv").write_text("0.5,1,0,1,1\n")
    (tmp_path / "whole.csv").write_text("0,1,1,0,1\n")
    real, whole = str(tmp_path / "real.csv"), str(tmp_path / "whole.csv")
    found = small(train=real, test=whole).load_test()
    assert found is not None and found.features.tolist() == [[0, 256, 256, 0]]
    assert small(train=real).load_train().features.tolist() == [[128, 256, 0, 256]]
    assert small(train=whole).load_train().features.tolist() == [[0, 1, 1, 0]]
    with pytest.raises(UsageError) as caught:
        small(train=whole, test=real).load_test()
    assert (caught.value.code, caught.value.where["file"]) == ("DATA_FORMAT", real)


def test_unknown_values_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        small(learning_rate=0.1)
    assert caught.value.code == "CONFIG_KEY"


def test_load_test_data(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2,3,4,1\n5,6,7,8,0\n")
    assert small(train="none.npz").load_test() is None
    found = small(train="none.npz", test=str(tmp_path / "t.csv")).load_test()
    assert found is not None and found.labels.tolist() == [1, 0]
    bundled = from_values({"widths": [64, 10]})
    assert len(bundled.load_train().labels) == 1437
    test = bundled.load_test()
    assert test is not None and len(test.labels) == 360
