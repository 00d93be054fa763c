"""Containers whose statement breaks a rule, proven as if the rule were not there. Imported in child processes only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from tests.support.tiny import Tiny

from benchmarks.mutation.runs import SHAPES, Parts, build, edited, grown, start

Json = dict[str, Any]
Change = Callable[[Json, Json], None]


def _put(where: tuple[Any, ...], value: Any) -> Change:
    """Set a field; the path starts with "run" or "segment". A callable value maps the old one."""

    def change(run: Json, segment: Json) -> None:
        inside: Any = run if where[0] == "run" else segment
        for step in where[1:-1]:
            inside = inside[step]
        inside[where[-1]] = value(inside[where[-1]]) if callable(value) else value

    return change


RUN: dict[tuple[Any, ...], list[Any]] = {
    ("parameter_set",): ["", "corpus\n", "x" * 65],
    ("run_id",): [str.upper, "ab" * 33, lambda x: x[:-2], lambda x: "g" + x[1:]],
    ("data_root",): [str.upper],
    ("init_seed",): [str.upper],
    ("init_root",): [str.upper],
    ("beacon",): ["", "AB", "g", "ab" * 65],
    ("loss",): ["mae"],
    ("last_batch",): ["other"],
    ("bias",): [lambda x: [*x, 0]],
    ("schedule",): [lambda x: [[1, x[0][1]]], lambda x: [*x, [0, 1 << 31]], lambda x: [*x, [9, 1 << 31]], lambda x: []],
    ("schedule", 0, 1): [(1 << 48) + (1 << 40), 0, -(1 << 31)],
    ("activation_frac_interval",): [[-1, 8], [0, 41], [2, 1], [2, 3], [-2, -1]],
    ("gradient_frac_interval",): [[-1, 8], [0, 41], [3, 2], [3, 4], [-2, -1]],
    ("init_weight_bound",): [
        lambda x: [b + 1 for b in x],
        lambda x: [*x, 1],
        lambda x: [-1] * len(x),
        lambda x: [1 << 62] * len(x),
    ],
    ("init_bias_bound",): [
        lambda x: [b + 1 for b in x],
        lambda x: [*x, 0],
        lambda x: [-1] * len(x),
        lambda x: [1 << 62] * len(x),
    ],
    ("data_budget",): [0, -1, 1 << 13],
    ("weights_budget",): [0, -1, 1 << 13],
    ("batch",): [0, 5, 1 << 17],
    ("examples",): [0],
    ("steps",): [0, 1],
    ("format", "activation_bits"): [1, 0, 17],
    ("format", "gradient_bits"): [1, 17],
    ("format", "weight_frac"): [3, 41],
    ("format", "feature_bits"): [0, 17],
    ("format", "feature_min"): [-1, 1],
    ("format", "feature_frac"): [-1, 33],
    ("format", "logit_bits"): [1, 17],
    ("format", "logit_frac"): [3, -1],
    ("format", "exp_bits"): [0, 21],
    ("format", "headroom_bits"): [0, 9],
}
SEGMENT: dict[tuple[Any, ...], list[Any]] = {
    ("index",): [1, -1, 3],
    ("first_step",): [1, 2, -1],
    ("steps",): [lambda x: x + 1, 0],
    ("scales", "fa", 0): [lambda x: x + 1],
    ("scales", "fa", -1): [lambda x: x + 1],
    ("scales", "fa", 1): [lambda x: x + 1, 9],
    ("scales", "fg", -1): [lambda x: x + 1, lambda x: x - 1],
    ("scales", "fg", 0): [lambda x: x + 1, 9],
    ("scales", "fa"): [lambda x: [*x, x[-1]]],
    ("scales", "fg"): [lambda x: [*x, x[-1]]],
    ("limbs", "e_forward"): [-1, lambda x: x + 1, 40],
    ("limbs", "e_backward"): [-1, lambda x: x + 1, 1, 40],
    ("limbs", "low_bits"): [0, 1, 2, 21, 22],
    ("w_in", "step"): [1],
    ("w_out", "step"): [lambda x: x + 1],
    ("w_in", "root"): [str.upper, "11" * 32, "zz"],
    ("w_in", "weight_bound"): [lambda x: [b + 1 for b in x], lambda x: [b // 2 for b in x], lambda x: [*x, 1]],
    ("w_in", "bias_bound"): [lambda x: [b + 1 for b in x], lambda x: [*x, 0]],
    ("w_out", "weight_bound"): [
        lambda x: [b + 1 for b in x],
        lambda x: [*x, 1],
        lambda x: [-1] * len(x),
        lambda x: [1 << 62] * len(x),
    ],
    ("w_out", "bias_bound"): [
        lambda x: [b + 1 for b in x],
        lambda x: [*x, 0],
        lambda x: [-1] * len(x),
        lambda x: [1 << 62] * len(x),
    ],
}


def _changed(tiny: Tiny, change: Change, follow: bool) -> bytes:
    new = edited(tiny, lambda run, segments: change(run, segments[0]))
    if follow:
        new = grown(new)
    new.run.validate()
    root = new.segment.w_out.root
    replace(new.segment, w_out=replace(new.segment.w_out, root="00" * 32 if root == "" else root)).validate(new.run)
    return build(new, 1)


def _both(run: Json, segment: Json) -> None:
    run["init_seed"], run["init_root"] = "cd" * 32, run["init_root"] or "11" * 32


def _neither(run: Json, segment: Json) -> None:
    run["init_seed"] = run["init_root"] = None


def _later(run: Json, segment: Json) -> None:
    """A second segment from the seed."""
    run["steps"] += segment["steps"]
    segment["index"], segment["first_step"] = 1, segment["steps"]
    segment["w_in"]["step"], segment["w_out"]["step"] = segment["steps"], 2 * segment["steps"]


def _roots(tiny: Tiny, change: Callable[[str], str]) -> bytes:
    """The root of the final weights written in another way."""

    def order(made: list[Any]) -> list[Any]:
        return [(replace(s, w_out=replace(s.w_out, root=change(s.w_out.root))), proof, link) for s, proof, link in made]

    return build(tiny, 1, Parts(order=order))


def broken_rules() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name in ("one", "mse", "hidden", "ce"):
        tiny = start(replace(SHAPES[name], segments=1))
        for kind, table in (("run", RUN), ("segment", SEGMENT)):
            for where, values in table.items():
                for number, value in enumerate(values):
                    for follow in (False, True):
                        label = f"{name}: {kind}.{'.'.join(map(str, where))}, value {number}{', bounds follow' if follow else ''}"
                        yield label, partial(_changed, tiny, _put((kind, *where), value), follow)
        for label, change in (
            ("both starts", _both),
            ("no start", _neither),
            ("a later segment from the seed", _later),
        ):
            yield f"{name}: {label}", partial(_changed, tiny, change, True)


def broken_chains() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Segments that each hold, and do not follow each other."""
    tiny = start(SHAPES["hidden"])
    other = replace(tiny, weights_in=tiny.weights_in)
    orders: dict[str, Callable[[list[Any]], list[Any]]] = {
        "exchanged": lambda made: made[::-1],
        "first twice": lambda made: [made[0], made[0]],
        "second twice": lambda made: [made[1], made[1]],
        "first, second, second": lambda made: [made[0], made[1], made[1]],
        "first, first, second": lambda made: [made[0], made[0], made[1]],
        "none": lambda made: [],
    }
    for label, order in orders.items():
        yield f"segments: {label}", partial(build, other, 2, Parts(order=order))
