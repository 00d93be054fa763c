"""Each rule of a statement in the second verifier, on statements that break it: the broken rule is the one that is named.

No proof is read, so sizes may be as large as a rule allows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.mutation import store
from benchmarks.mutation.headers import encoded
from benchmarks.mutation.verifiers import SET, SIZES

from tests.support.header import HEAD, header_of, with_header
from zkdl.reference import dataset, parameters, soundness
from zkdl.reference import verifier as second
from zkdl.reference.soundness import Security
from zkdl.reference.statement import check_chain
from zkdl.reference.training import check_bounds
from zkdl.reference.transcript import Invalid, Section, Transcript, field_words
from zkdl.reference.verifier import read_header, verify

Edit = tuple[str, Any]
ROOT = "11" * 32


def answer(fields: dict[str, Any]) -> str:
    """Code and message of the first rule that a header breaks; "" if it breaks none."""
    try:
        header = read_header(io.BytesIO(with_header(store.honest()["one"], encoded(fields))))
        header.run.check_size()
        for segment in header.segments:
            segment.check_size(header.run)
        header.run.check()
        check_chain(header.run, header.segments)
        for segment in header.segments:
            segment.check(header.run)
            check_bounds(header.run, segment)
    except Invalid as verdict:
        return str(verdict)
    return ""


def edited(name: str, edits: tuple[Edit, ...]) -> dict[str, Any]:
    """The header of an honest container with other values; a path is written with dots."""
    fields: dict[str, Any] = json.loads(header_of(store.honest()[name]))
    for path, value in edits:
        *inner, last = [int(step) if step.lstrip("-").isdigit() else step for step in path.split(".")]
        inside: Any = fields
        for step in inner:
            inside = inside[step]
        inside[last] = value(inside[last]) if isinstance(value, Callable) else value  # type: ignore[arg-type]  # a type
    return fields


LATER: tuple[Edit, ...] = (
    ("run.steps", 4),
    ("segments.0.index", 1),
    ("segments.0.first_step", 2),
    ("segments.0.w_in.step", 2),
    ("segments.0.w_out.step", 4),
    ("segments.0.w_in.root", ROOT),
)
"""The only segment of "one" as a later one."""
CASES: list[tuple[str, str, tuple[Edit, ...]]] = [
    ("weight_frac = 3", "one", (("run.format.weight_frac", 3),)),
    ("weight_frac = 41", "one", (("run.format.weight_frac", 41),)),
    ("feature_bits = 17", "one", (("run.format.feature_bits", 17),)),
    ("STATEMENT: feature_min", "one", (("run.format.feature_min", -1),)),
    ("feature_frac = -1", "one", (("run.format.feature_frac", -1),)),
    ("feature_frac = 33", "one", (("run.format.feature_frac", 33),)),
    ("number of layers", "one", (("run.widths", [1] * 258),)),
    ("a width or the number of examples", "one", (("run.widths", [3, 0]),)),
    ("a width or the number of examples", "one", (("run.examples", 0),)),
    ("for a verifier: width", "one", (("run.widths", [1 << 17, 2]),)),
    ("for a verifier: examples", "one", (("run.examples", (1 << 26) + 1),)),
    ("for a verifier: weights", "one", (("run.widths", [1 << 15, 1 << 15, 2]),)),
    ("for a verifier: entries", "one", (("run.examples", 1 << 26), ("run.widths", [1 << 14, 2]))),
    ("for a verifier: pieces", "one", (("run.schedule", [[0, 1 << 31]] * ((1 << 16) + 1)),)),
    ("bias has the wrong type", "one", (("run.bias", [2]),)),
    ("STATEMENT: bias", "one", (("run.bias", []),)),
    ("STATEMENT: loss", "one", (("run.loss", "mae"),)),
    ("classes or exp_bits", "ce", (("run.widths", [2, 3, 1]),)),
    ("classes or exp_bits", "ce", (("run.format.exp_bits", 20),)),
    ("STATEMENT: batch", "one", (("run.batch", (1 << 16) + 1),)),
    ("for a verifier: steps", "one", (("run.steps", (1 << 31) + 1),)),
    ("STATEMENT: steps", "one", (("run.steps", 0),)),
    ("last_batch", "one", (("run.batch", 5), ("run.last_batch", "drop"))),
    ("learning rate", "one", (("run.schedule", [[0, (1 << 48) + 1]]),)),
    ("learning rate", "one", (("run.schedule", [[0, 0]]),)),
    ("interval of fraction bits", "one", (("run.activation_frac_interval", [3, 2]),)),
    ("exactly one", "hidden", (("run.init_seed", ROOT),)),
    ("exactly one", "one", (("run.init_seed", None),)),
    ("number of initial bounds", "one", (("run.init_weight_bound", [1024, 1024]),)),
    ("number of initial bounds", "one", (("run.init_bias_bound", []),)),
    ("number of initial bounds", "one", (("run.init_weight_bound", []), ("run.init_bias_bound", []))),
    ("an initial bound is out of range", "hidden", (("run.init_weight_bound.0", -2048),)),
    ("an initial bound is out of range", "hidden", (("run.init_weight_bound.0", 1 << 62),)),
    ("no power of two", "hidden", (("run.init_weight_bound.0", 3),)),
    ("no power of two", "hidden", (("run.init_bias_bound.1", 0),)),
    ("a bias bound without bias", "one", (("run.init_bias_bound", [1]),)),
    ("for a verifier: TB", "one", (("run.batch", 1 << 16), ("segments.0.steps", 32))),
    ("for a verifier: TL", "deep", (("run.batch", 1), ("segments.0.steps", 1 << 20))),
    ("steps of a segment", "one", (("segments.0.steps", 0),)),
    ("first step of a segment", "one", (*LATER, ("run.steps", 2))),
    ("first step of a segment", "one", (*LATER, ("segments.0.index", 3))),
    ("first step of a segment", "one", (*LATER, ("segments.0.index", -1))),
    ("index 0 exactly", "one", (*LATER, ("segments.0.index", 0))),
    ("number of scales", "one", (("segments.0.scales.fa", [2, 1, 1]),)),
    ("number of scales", "one", (("segments.0.scales.fg", [1, 1]),)),
    ("a scale is outside", "mse", (("run.activation_frac_interval", [2, 3]),)),
    ("a scale is outside", "mse", (("run.activation_frac_interval", [0, 0]),)),
    ("number of weight bounds", "one", (*LATER, ("segments.0.w_in.weight_bound", [1024, 1]))),
    (
        "number of weight bounds",
        "one",
        (*LATER, ("segments.0.w_in.weight_bound", [1024, 1]), ("segments.0.w_in.bias_bound", [0, 0])),
    ),
    ("a weight bound is too large", "one", (*LATER, ("segments.0.w_in.weight_bound", [1 << 62]))),
    ("a weight bound is too large", "one", (*LATER, ("segments.0.w_in.weight_bound", [-1]))),
    ("a later segment cannot start", "one", (*LATER, ("segments.0.w_in.root", ""))),
    ("CHAIN: the first segment", "one", (("segments.0.w_in.root", ROOT),)),
    ("an update integer", "hidden", (("run.schedule", [[0, 1]]),)),
    (
        "limbs: cut",
        "hidden",
        (("run.schedule", [[0, 1 << 40]]), ("run.format.weight_frac", 4), ("segments.0.limbs.e_forward", 5)),
    ),
    (
        "limbs: cut",
        "hidden",
        (
            ("run.format.feature_frac", 19),
            ("segments.0.scales.fa.0", 19),
            ("run.format.weight_frac", 40),
            ("segments.0.limbs.e_forward", 16),
            ("segments.0.limbs.low_bits", 21),
        ),
    ),
    (
        "limbs: width",
        "hidden",
        (
            ("run.format.weight_frac", 40),
            ("segments.0.limbs.e_forward", 17),
            ("segments.0.limbs.low_bits", 21),
        ),
    ),
    ("limbs: cut", "one", (*LATER, ("segments.0.limbs.e_forward", -1))),
    ("limbs: width", "one", (("segments.0.limbs.low_bits", 0),)),
    ("limbs: width", "one", (("segments.0.limbs.low_bits", 22),)),
    ("limbs: width", "one", (("segments.0.limbs.low_bits", 4),)),
    ("e_backward of one layer", "one", (("segments.0.limbs.e_backward", 1),)),
    ("initial bounds are not", "one", (("run.init_weight_bound", [1025]), ("segments.0.w_in.weight_bound", [1025]))),
    ("there is no segment", "one", (("segments", []), ("sections", [["data", 1], ["dataset", 1]]))),
    ("data_budget", "one", (("run.data_budget", 0),)),
    ("HEADER", "one", (("sections.0.1", -1),)),
    ("HEADER", "one", (("sections.1.1", 1 << 48),)),
    ("HEADER", "one", (("sections.0.0", "date"),)),
]


@pytest.mark.parametrize(("rule", "name", "edits"), CASES, ids=[case[0] for case in CASES])
def test_a_broken_rule_is_named(rule: str, name: str, edits: tuple[Edit, ...]) -> None:
    assert answer(edited(name, ())) == ""
    assert rule in answer(edited(name, edits))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_products_that_wrap_around(direction: str) -> None:
    """Weights so large that a product may pass the modulus; everything else follows from the bound."""
    fields = edited("mse", ())
    large = 1 << 60
    layer = 0 if direction == "forward" else 1
    segment, run = fields["segments"][0], fields["run"]
    grown = [
        after - before for before, after in zip(*(segment[w]["weight_bound"] for w in ("w_in", "w_out")), strict=True)
    ]
    run["steps"], segment["index"], segment["first_step"] = 4, 1, 2
    segment["w_in"].update(step=2, root=ROOT)
    segment["w_out"]["step"] = 4
    if direction == "backward":
        # One input of at most 1, a gradient of up to 2^15: only the way back is too large.
        large = 1 << 58
        run["format"].update(activation_bits=2, logit_bits=16)
    segment["w_in"]["weight_bound"][layer] = large
    segment["w_out"]["weight_bound"][layer] = large + grown[layer]
    if direction == "backward":
        segment["w_out"] = dict(segment["w_out"], **grown_bounds(fields))
    assert f"{direction} bound of layer" in answer(fields)


def grown_bounds(fields: dict[str, Any]) -> dict[str, list[int]]:
    from zkdl.statement import bounds
    from zkdl.statement.run import RunStatement
    from zkdl.statement.segment import SegmentStatement

    run, segment = RunStatement.from_json(fields["run"]), SegmentStatement.from_json(fields["segments"][0])
    weight, bias = bounds.grow(run, segment.scales, segment.first_step, segment.steps, segment.w_in)
    return {"weight_bound": list(weight), "bias_bound": list(bias)}


def test_sections_hold_what_they_declare() -> None:
    """What a section cannot hold is refused before it is read."""
    with pytest.raises(Invalid, match="too short"):
        Section(io.BytesIO(bytes(9)), "data", 4).take(5)
    with pytest.raises(Invalid, match="too short"):
        Section(io.BytesIO(bytes(9)), "data", 4).need(5)
    with pytest.raises(Invalid, match="too long"):
        Section(io.BytesIO(bytes(9)), "data", 4).finish()


def test_field_elements_are_reduced() -> None:
    p = 2**64 - 2**32 + 1
    assert field_words((p - 1).to_bytes(8, "little")) == (p - 1,)
    with pytest.raises(Invalid, match="PROOF_NON_CANONICAL"):
        field_words(p.to_bytes(8, "little"))


def test_the_nonce_is_absorbed() -> None:
    states = []
    for nonce in (bytes(8), bytes(7) + b"\1"):
        transcript = Transcript("test", b"")
        transcript.work(0, nonce)
        states.append(transcript.state)
    assert states[0] != states[1]


def test_headers_are_read_within_limits() -> None:
    data = store.honest()["one"]
    with pytest.raises(Invalid, match="the header is too long"):
        read_header(io.BytesIO(data[:12] + (1 << 31).to_bytes(4, "little") + data[HEAD:]))
    with pytest.raises(Invalid, match="ends inside its header"):
        read_header(io.BytesIO(data[: HEAD + 100]))


@pytest.mark.parametrize("name", ["ce", "hidden", "mse", "one"])
def test_honest_containers_are_accepted_and_every_section_is_judged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    finish = Security.finish

    def noted(self: Security, *arguments: Any, **named: Any) -> None:
        judged.append(self.name)
        finish(self, *arguments, **named)

    monkeypatch.setattr(Security, "finish", noted)
    for module in (parameters, second, dataset):
        monkeypatch.setattr(module, "PARAMETER_SET", SET)
    for key, value in zip(("SOUNDNESS_BITS", "QUERY_BITS", "LOG_PADS_PER_ROW"), SIZES[SET], strict=True):
        monkeypatch.setattr(parameters, key, value)
    monkeypatch.setattr(soundness, "SOUNDNESS_BITS", SIZES[SET][0])
    data = store.honest()[name]
    verify(io.BytesIO(data))
    assert len(judged) == len(json.loads(header_of(data))["sections"])


def test_unknown_parameters_are_refused() -> None:
    with pytest.raises(Invalid, match="unknown parameter set"):
        verify(io.BytesIO(store.honest()["one"]))


TEXTS = {
    "the header holds too many values": b"[" + b"0," * (1 << 19) + b"0]",
    "the header is not JSON": b'{"protocol":',
    "the header is not in canonical form": b'{"protocol": 1}',
}


@pytest.mark.parametrize("message", TEXTS)
def test_a_header_is_canonical(message: str) -> None:
    with pytest.raises(Invalid, match=message):
        read_header(io.BytesIO(with_header(store.honest()["one"], TEXTS[message])))


@pytest.mark.parametrize(("more", "code"), [(1, "PROOF_TRAILING"), (-1, "PROOF_TRUNCATED")])
def test_a_file_is_as_long_as_it_says(more: int, code: str) -> None:
    data = store.honest()["one"]
    whole = io.BytesIO(data)
    second.check_length(whole, read_header(whole))
    other = io.BytesIO(data + b"\0" if more > 0 else data[:more])
    with pytest.raises(Invalid, match=code):
        second.check_length(other, read_header(other))


@pytest.mark.parametrize("text", ["[]", '{"colour": 1}'])
def test_expected_fields_exist(text: str, tmp_path: Path) -> None:
    path = tmp_path / "expected"
    path.write_text('{"batch": 2}', encoding="utf-8")
    assert second.read_expected(str(path)) == {"batch": 2}
    path.write_text(text, encoding="utf-8")
    with pytest.raises(second.InputError, match="fields of a run statement"):
        second.read_expected(str(path))


def test_closed_input_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second.sys, "stdin", None)
    with pytest.raises(OSError, match="standard input is closed"):
        second.checked(second.options_of(["-"]))


@pytest.mark.parametrize("what", ["weights", "data"])
def test_what_is_asked_for_is_compared(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(*arguments: object) -> None:
        raise Invalid("DIFFERENT", "not what was proven")

    proof = tmp_path / "proof"
    proof.write_bytes(b"")
    monkeypatch.setattr(second, "verify", lambda source, wanted: second.Verified(None, [None], []))  # type: ignore[arg-type,list-item]  # only handed on
    for name, value in (("weights", ()), ("data", ((), ())), ("key", b"")):
        monkeypatch.setattr(second, f"read_{name}", lambda path, value=value: value)
    options = ["--weights", "w"] if what == "weights" else ["--data", "d", "--data-key", "k"]
    monkeypatch.setattr(second, f"check_{what}", lambda *arguments: None)
    assert second.checked(second.options_of([str(proof), *options])).checked == [what]
    monkeypatch.setattr(second, f"check_{what}", differs)
    with pytest.raises(Invalid, match="DIFFERENT"):
        second.checked(second.options_of([str(proof), *options]))
