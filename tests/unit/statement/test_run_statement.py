import json
from dataclasses import replace

import pytest

from tests.unit.statement.builders import FORMAT, make_run
from zkdl.errors import MalformedProof, NotProvable
from zkdl.statement.run import RunStatement


def test_canonical_round_trip():
    run = make_run(bias=(True, False, True))
    run.validate()
    assert RunStatement.from_json(json.loads(run.canonical())) == run
    assert RunStatement.from_json(run.to_json()) == run


def test_canonical_form_is_sorted_ascii_without_space_floats_or_booleans():
    text = make_run(beacon="ff00").canonical().decode("ascii")
    assert " " not in text and "true" not in text and "false" not in text and "." not in text
    keys = list(json.loads(text))
    assert keys == sorted(keys)


def test_every_field_changes_the_digest():
    run = make_run()
    other = {
        "run_id": "0" * 64,
        "widths": (6, 5, 4, 2),
        "bias": (False, True, True),
        "loss": "mse",
        "batch": 2,
        "examples": 8,
        "steps": 10,
        "last_batch": "drop",
        "schedule": ((0, 1),),
        "format": replace(FORMAT, headroom_bits=2),
        "activation_frac_interval": (0, 11),
        "gradient_frac_interval": (1, 20),
        "init_seed": "0" * 64,
        "init_root": "0" * 64,
        "init_weight_bound": (1, 2, 3),
        "init_bias_bound": (1, 2, 3),
        "data_root": "0" * 64,
        "data_budget": 5,
        "weights_budget": 5,
        "parameter_set": "other",
        "beacon": "00",
    }
    assert other.keys() == vars(run).keys()
    digests = {replace(run, **{name: value}).digest() for name, value in other.items()}
    assert len(digests | {run.digest()}) == len(other) + 1


def test_reader_is_strict_about_keys():
    data = make_run().to_json()
    for name in data:
        with pytest.raises(MalformedProof, match=name):
            RunStatement.from_json({key: value for key, value in data.items() if key != name})
    with pytest.raises(MalformedProof, match="unknown"):
        RunStatement.from_json(data | {"extra": 1})
    with pytest.raises(MalformedProof, match="format.extra"):
        RunStatement.from_json(data | {"format": data["format"] | {"extra": 1}})
    with pytest.raises(MalformedProof, match="object"):
        RunStatement.from_json([])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", True),
        ("batch", 3.0),
        ("batch", "3"),
        ("batch", 1 << 63),
        ("bias", [1, 1, 2]),
        ("bias", [True, True, True]),
        ("widths", "654"),
        ("widths", [6, None]),
        ("loss", 1),
        ("loss", "\u0441e"),
        ("loss", "x" * 257),
        ("schedule", [[0]]),
        ("schedule", [0, 1]),
        ("beacon", 5),
        ("format", 1),
    ],
)
def test_reader_is_strict_about_types(name, value):
    with pytest.raises(MalformedProof) as caught:
        RunStatement.from_json(make_run().to_json() | {name: value})
    assert caught.value.code == "STATEMENT_FORMAT"
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"run_id": "A1" * 32}, "run_id"),
        ({"run_id": "a1"}, "run_id"),
        ({"widths": (6,), "bias": (), "init_weight_bound": (), "init_bias_bound": ()}, "widths"),
        ({"widths": (6, 0, 4, 3), "init_weight_bound": (0, 0, 0)}, "widths"),
        ({"widths": (6, 5, 4, 1)}, "widths"),
        ({"bias": (True,)}, "bias"),
        ({"loss": "hinge"}, "loss"),
        ({"batch": 0}, "batch"),
        ({"batch": 8, "last_batch": "drop"}, "batch"),
        ({"examples": 0}, "examples"),
        ({"steps": 0}, "steps"),
        ({"last_batch": "pad"}, "last_batch"),
        ({"schedule": ()}, "schedule"),
        ({"schedule": ((1, 5),)}, "schedule"),
        ({"schedule": ((0, 5), (4, 5), (4, 6))}, "schedule"),
        ({"schedule": ((0, 5), (9, 5))}, "schedule"),
        ({"schedule": ((0, 0),)}, "schedule"),
        ({"activation_frac_interval": (-1, 4)}, "activation_frac_interval"),
        ({"gradient_frac_interval": (5, 4)}, "gradient_frac_interval"),
        ({"init_seed": None}, "init_seed"),
        ({"init_root": "0" * 64}, "init_seed"),
        ({"init_weight_bound": (1, 2, 3)}, "init_weight_bound"),
        ({"init_bias_bound": (1, 0, 0)}, "init_bias_bound"),
        ({"init_seed": None, "init_root": "0" * 64, "init_weight_bound": (1 << 62, 1, 1)}, "init_weight_bound"),
        ({"init_seed": None, "init_root": "0" * 64, "init_weight_bound": (1, 1)}, "init_weight_bound"),
        (
            {
                "init_seed": None,
                "init_root": "0" * 64,
                "init_weight_bound": (1, 1, 1),
                "init_bias_bound": (1, 1, 1),
                "bias": (True, False, True),
            },
            "init_bias_bound",
        ),
        ({"data_root": "c3"}, "data_root"),
        ({"data_budget": 0}, "data_budget"),
        ({"weights_budget": 0}, "weights_budget"),
        ({"parameter_set": ""}, "parameter_set"),
        ({"beacon": ""}, "beacon"),
        ({"beacon": "xyz"}, "beacon"),
    ],
)
def test_validation_names_the_field(changes, field):
    with pytest.raises(NotProvable) as caught:
        make_run(**changes).validate()
    assert field in str(caught.value.where["field"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation_bits", 17),
        ("gradient_bits", 1),
        ("weight_frac", 41),
        ("feature_bits", 0),
        ("feature_min", -1),
        ("feature_frac", -1),
        ("logit_bits", 17),
        ("logit_frac", 10),
        ("exp_bits", 0),
        ("headroom_bits", 0),
    ],
)
def test_validation_of_formats(name, value):
    with pytest.raises(NotProvable, match=name):
        replace(make_run(), format=replace(FORMAT, **{name: value})).validate()


def test_too_many_classes_for_the_softmax_table():
    with pytest.raises(NotProvable, match="exp_bits"):
        make_run(widths=(6, 5, 4, 1 << 14)).validate()


def test_extremes_of_values():
    run = make_run(format=replace(FORMAT, feature_min=-128))
    run.validate()
    assert run.format.feature_max_abs == 128
    assert make_run().format.feature_max_abs == 255
    mean_squares = make_run(loss="mse")
    assert [mean_squares.gradient_max(l) for l in (1, 2, 3)] == [127, 127, 511 + 16]  # noqa: E741 - layer
    assert make_run().gradient_max(3) == 127
    assert [run.activation_max(i) for i in (0, 1)] == [128, 255]
