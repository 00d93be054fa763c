"""Containers whose statement breaks a rule, proven as if the rule were not there. Imported in child processes only."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from tests.support.tiny import Tiny, second_segment

from benchmarks.mutation import runs
from benchmarks.mutation.runs import SHAPES, Parts, build, edited, grown, other_weights, start

Json = dict[str, Any]
Change = Callable[[Json, Json], None]
GROWTH = "segment.w_out: bounds is not the growth of w_in"
NONSENSE = "no statement at all"


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
    ("format", "feature_bits"): [0],
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


def _new(tiny: Tiny, change: Change, follow: bool) -> Tiny:
    new = edited(tiny, lambda run, segments: change(run, segments[0]))
    return grown(new) if follow else new


def _validate(tiny: Tiny) -> None:
    """All rules of the run and of its first segment."""
    tiny.run.validate()
    root = tiny.segment.w_out.root
    replace(tiny.segment, w_out=replace(tiny.segment.w_out, root="00" * 32 if root == "" else root)).validate(tiny.run)


def _both(run: Json, segment: Json) -> None:
    run["init_seed"], run["init_root"] = "cd" * 32, run["init_root"] or "11" * 32


def _neither(run: Json, segment: Json) -> None:
    run["init_seed"] = run["init_root"] = None


def _later(run: Json, segment: Json) -> None:
    """A second segment from the seed."""
    run["steps"] += segment["steps"]
    segment["index"], segment["first_step"] = 1, segment["steps"]
    segment["w_in"]["step"], segment["w_out"]["step"] = segment["steps"], 2 * segment["steps"]


def _together(*changes: Change) -> Change:
    def change(run: Json, segment: Json) -> None:
        for one in changes:
            one(run, segment)

    return change


def _twice(run_field: str, segment_field: str, value: Any) -> Change:
    """The same change in the run and in the state at the start."""
    return _together(_put(("run", run_field), value), _put(("segment", "w_in", segment_field), value))


def _all(value: int) -> Callable[[list[int]], list[int]]:
    return lambda old: [value] * len(old)


def _plus_one(old: list[int]) -> list[int]:
    return [bound + 1 for bound in old]


W_IN = ("segment", "w_in")
COMPOUND: dict[str, tuple[str, Change]] = {
    "another bound of the generator": ("one", _twice("init_weight_bound", "weight_bound", _plus_one)),
    "a bound of seeded biases": ("one", _twice("init_bias_bound", "bias_bound", _plus_one)),
    "a bound of biases that are not there": (
        "deep",
        _twice("init_bias_bound", "bias_bound", lambda old: [1, *old[1:]]),
    ),
    "a bound that is no power of two": ("committed", _twice("init_weight_bound", "weight_bound", _all(127))),
    "a bound of biases that is no power of two": ("committed", _twice("init_bias_bound", "bias_bound", _all(3))),
    "a bound of biases of 0": ("committed", _twice("init_bias_bound", "bias_bound", _all(0))),
    "a root in capitals": ("committed", _twice("init_root", "root", str.upper)),
    "features of -1 fraction bits": (
        "one",
        _together(_put(("run", "format", "feature_frac"), -1), _put(("segment", "scales", "fa", 0), -1)),
    ),
    "features of 33 fraction bits": (
        "one",
        _together(_put(("run", "format", "feature_frac"), 33), _put(("segment", "scales", "fa", 0), 33)),
    ),
    "another first scale": ("one", _put(("segment", "scales", "fa", 0), 1)),
    "logits of as many fraction bits as bits": (
        "ce",
        _together(_put(("run", "format", "logit_frac"), 3), _put(("segment", "scales", "fa", -1), 3)),
    ),
    "logits of -1 fraction bits": (
        "ce",
        _together(_put(("run", "format", "logit_frac"), -1), _put(("segment", "scales", "fa", -1), -1)),
    ),
    "the least learning rate": ("one", _put(("run", "schedule", 0, 1), 1)),
    "no whole batch": ("one", _together(_put(("run", "batch"), 5), _put(("run", "last_batch"), "drop"))),
    "index -1 behind the start": ("committed", _together(_later, _put(("segment", "index"), -1))),
    "an index above the first step": ("committed", _together(_later, _put(("segment", "index"), 3))),
    "a later start of another step": ("committed", _together(_later, _put((*W_IN, "step"), 3))),
    "a later start with one bound more": (
        "committed",
        _together(_later, _put((*W_IN, "weight_bound"), lambda old: [*old, 1])),
    ),
    "a later start with one bias bound more": (
        "committed",
        _together(_later, _put((*W_IN, "bias_bound"), lambda old: [*old, 1])),
    ),
    "a later start of negative bounds": ("committed", _together(_later, _put((*W_IN, "weight_bound"), _all(-1)))),
    "a later start of negative bias bounds": ("committed", _together(_later, _put((*W_IN, "bias_bound"), _all(-1)))),
    "a later start of bounds of 60 bits": (
        "committed",
        _together(_later, _put((*W_IN, "weight_bound"), _all(1 << 60))),
    ),
    "a later start with a root in capitals": ("committed", _together(_later, _put((*W_IN, "root"), str.upper))),
}
"""Rules that say the same of two fields: both are changed."""


def _edits() -> Iterator[tuple[str, Tiny, Change, bool]]:
    """Changes of a statement: name, run, change, and whether the bounds of the weights follow it."""
    for label, (name, change) in COMPOUND.items():
        yield f"{name}: {label}", start(replace(SHAPES[name], segments=1)), change, True
    for name in ("one", "mse", "committed", "ce"):
        tiny = start(replace(SHAPES[name], segments=1))
        for kind, table in (("run", RUN), ("segment", SEGMENT)):
            for where, values in table.items():
                for number, value in enumerate(values):
                    for follow in (False, True):
                        label = f"{name}: {kind}.{'.'.join(map(str, where))}, value {number}{', bounds follow' if follow else ''}"
                        yield label, tiny, _put((kind, *where), value), follow
        for label, change in (
            ("both starts", _both),
            ("no start", _neither),
            ("a later segment from the seed", _later),
        ):
            yield f"{name}: {label}", tiny, change, True


def _broken(tiny: Tiny, change: Change, follow: bool) -> set[str]:
    """The rules that a changed statement breaks, by their messages; a rule that raises by itself ends the list."""
    from zkdl.errors import ZkError

    found: set[str] = set()

    def note(condition: bool, message: str, field: str, *, hint: str = "") -> None:
        if not condition:
            found.add(re.sub(r"-?[0-9]+", "", f"{field} {message}"))

    def tried(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except ZkError as error:
            found.add(re.sub(r"-?[0-9]+", "", f"{error.code} {error.message}"))
        except (ValueError, IndexError, TypeError, ZeroDivisionError, AttributeError, OverflowError):
            found.add(NONSENSE)

    with ExitStack() as patched:
        for module in [module for name, module in sys.modules.items() if name.startswith("zkdl.statement.")]:
            if hasattr(module, "require"):
                patched.enter_context(patch.object(module, "require", note))
        new = tried(lambda: _new(tiny, change, follow))
        if new is None:
            tried(lambda: _validate(_new(tiny, change, False)))
            return found - {GROWTH}
        tried(lambda: _validate(new))
    return found


def single_rules(each: int = 3) -> list[str]:
    """Names of edits that break one rule and no other; at most `each` of a rule, the smallest containers first."""
    kept: dict[str, list[str]] = {}
    for label, tiny, change, follow in _edits():
        broken = _broken(tiny, change, follow)
        if len(broken) == 1:
            kept.setdefault(broken.pop(), []).append(label)
    return [label for labels in kept.values() for label in labels[:each]]


def headers_alone(labels: list[str]) -> Iterator[tuple[str, str, Json, Json]]:
    """Names, honest containers and statements of edits that cannot be proven: these, and those on which rules fail."""
    for label, tiny, change, follow in _edits():
        try:
            new = _new(tiny, change, False)
        except (TypeError, IndexError):
            continue  # the run has no such field
        if label in labels or not follow and NONSENSE in _broken(tiny, change, False):
            yield label, label.split(":")[0], new.run.to_json(), new.segment.to_json()


def without_rules(labels: list[str]) -> Iterator[tuple[str, bytes]]:
    """Containers of these edits; the process must have been started without the rules. Not everything can be proven."""
    for label, tiny, change, follow in _edits():
        if label in labels:
            try:
                yield label, build(_new(tiny, change, follow), 1)
            except Exception as error:  # noqa: BLE001 - without rules the prover may fail in any way
                print(f"{label}: not proven: {error!r}"[:160], flush=True)


def broken_chains() -> Iterator[tuple[str, bytes]]:
    """Segments that each keep all rules, and do not follow each other; and roots that are not written as a root is."""
    tiny = start(replace(SHAPES["one"], segments=2))
    no_segment = start(SHAPES["one"])

    with _second(lambda weights: weights, lambda segment: replace(segment, index=2)):
        yield "one: the second segment has number 2", build(tiny, 2)
    with _second(lambda weights: other_weights(weights, 0), lambda segment: segment):
        yield "one: the second segment starts from other weights", build(tiny, 2)
    yield "one: segments twice", build(tiny, 2, Parts(order=lambda made: [made[0], made[0]]))
    state = Tiny.state
    for label, change in (("in capitals", str.upper), ("with a blank", lambda root: root[:2] + " " + root[2:])):

        def written(self: Tiny, w_out: Any, change: Callable[[str], str] = change) -> Any:
            segment = state(self, w_out)
            return replace(segment, w_out=replace(segment.w_out, root=change(segment.w_out.root)))

        with patch.object(Tiny, "state", written):
            yield f"one: root of the final weights {label}", build(no_segment, 1)


@contextmanager
def _second(start_from: Callable[[Any], Any], change: Callable[[Any], Any]) -> Iterator[None]:
    """Second segments have other weights at their start, or another statement."""

    def changed(tiny: Tiny, weights: Any, key: bytes, **named: Any) -> Tiny:
        made = second_segment(tiny, start_from(weights), key, **named)
        return replace(made, segment=change(made.segment))

    with patch.object(runs, "second_segment", changed):
        yield
