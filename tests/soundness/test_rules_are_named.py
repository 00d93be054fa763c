"""Rules of the first verifier that others nearly imply: the broken rule is the one that is named, and every section is judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.mutation import store
from benchmarks.mutation.verifiers import SET, SIZES

from tests.support.header import header_of
from zkdl.commitment.parameters import ParameterSet
from zkdl.errors import MalformedProof, NotProvable, Rejected
from zkdl.proof import verify as verifier
from zkdl.proof.format import _typed_header
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

Json = dict[str, Any]
BITS, QUERY_BITS, LOG_PAD_ROW = SIZES[SET]
SETS = {
    SET: ParameterSet(SET, soundness_bits=BITS, query_bits=QUERY_BITS, log_pad_row=LOG_PAD_ROW, test_only=True),
}


def statements(name: str, change: Callable[[Json, Json], None]) -> tuple[RunStatement, SegmentStatement]:
    fields = json.loads(header_of(store.honest()[name]))
    change(fields["run"], fields["segments"][0])
    return RunStatement.from_json(fields["run"]), SegmentStatement.from_json(fields["segments"][0])


def _no_low_bits(run: Json, segment: Json) -> None:
    run["schedule"] = [[0, 1 << 40]]
    run["format"]["weight_frac"], segment["limbs"]["e_forward"] = 4, 5


def _limbs_of_63_bits(run: Json, segment: Json) -> None:
    run["format"].update(feature_frac=19, weight_frac=40)
    segment["scales"]["fa"][0] = 19
    segment["limbs"].update(e_forward=16, low_bits=21)


def _later(run: Json, segment: Json) -> None:
    run["steps"] = 4
    segment.update(index=1, first_step=2)
    segment["w_in"].update(step=2, root="11" * 32)
    segment["w_out"]["step"] = 4


def _first_in_the_middle(run: Json, segment: Json) -> None:
    _later(run, segment)
    segment["index"] = 0


def _large_bound(run: Json, segment: Json) -> None:
    _later(run, segment)
    segment["w_in"]["weight_bound"][0] = 1 << 62


CASES = {
    "the rounding shift must exceed": ("hidden", _no_low_bits),
    "more than 62": ("hidden", _limbs_of_63_bits),
    "segment 0 and only it": ("one", _first_in_the_middle),
    "bounds must be below": ("one", _large_bound),
}


@pytest.mark.parametrize("rule", CASES)
def test_a_broken_rule_is_named(rule: str) -> None:
    run, segment = statements(*CASES[rule])
    run.validate()
    with pytest.raises(NotProvable, match=rule):
        segment.validate(run)


@pytest.mark.parametrize("name", ["", "\u00e9", "a\n", "x" * 65])
def test_a_parameter_set_has_a_name(name: str) -> None:
    run, _ = statements("one", lambda run, segment: None)
    run.validate()
    with pytest.raises(NotProvable, match="must be a name"):
        replace(run, parameter_set=name).validate()


@pytest.mark.parametrize("name", sorted(store.honest()))
def test_honest_containers_are_accepted_and_every_section_is_judged(name: str, tmp_path: Path) -> None:
    path = tmp_path / "proof"
    path.write_bytes(store.honest()[name])
    found = verifier.verify(path, parameter_sets=SETS)
    assert len(found.reports) == len(json.loads(header_of(store.honest()[name]))["sections"])


@pytest.mark.parametrize("expected", [1.0, True, [1.0], [1, 1], "1"])
def test_an_expected_list_is_compared_entry_by_entry(expected: object, tmp_path: Path) -> None:
    path = tmp_path / "proof"
    path.write_bytes(store.honest()["one"])
    verifier.verify(path, parameter_sets=SETS, expect={"bias": [1]})
    with pytest.raises(Rejected, match="another statement"):
        verifier.verify(path, parameter_sets=SETS, expect={"bias": expected})


def test_numbers_expect_numbers(tmp_path: Path) -> None:
    path = tmp_path / "proof"
    path.write_bytes(store.honest()["one"])
    for expected in (2.0, [2]):
        with pytest.raises(Rejected, match="another statement"):
            verifier.verify(path, parameter_sets=SETS, expect={"batch": expected})


@pytest.mark.parametrize(
    "entry", [[7, 1], [None, 1], ["data", True], ["data", -1], ["data", 1 << 48], ["data", 1 << 62]]
)
def test_sections_are_names_and_lengths(entry: list[Any]) -> None:
    fields = json.loads(header_of(store.honest()["one"]))
    fields["sections"][0] = entry
    with pytest.raises(MalformedProof, match="a section is a name and a length"):
        _typed_header(fields)
