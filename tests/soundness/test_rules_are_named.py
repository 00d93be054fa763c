"""Rules of the first verifier that others nearly imply: the broken rule is the one that is named, and every section is judged."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.mutation import store
from benchmarks.mutation.headers import encoded
from benchmarks.mutation.verifiers import SET, SIZES

from tests.support.header import header_of, with_header
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import ParameterSet
from zkdl.errors import MalformedProof, NotProvable, Rejected, ResourceError, UsageError, VersionError
from zkdl.proof import verify as verifier
from zkdl.proof.format import _typed_header, check_length, read_header
from zkdl.proof.outside import check_data
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


def header_bytes(text: bytes) -> bytes:
    return with_header(store.honest()["one"], text)


def _broken(change: Callable[[Json], Any]) -> bytes:
    fields = json.loads(header_of(store.honest()["one"]))
    change(fields)
    return header_bytes(encoded(fields))


FILES = {
    "ends inside its header": store.honest()["one"][:10],
    "a number that is no integer": header_bytes(b'{"protocol":1.5}'),
    "an integer that is too long": header_bytes(b"1" * 81),
    "an object of too many fields": header_bytes(encoded({f"f{n:03}": 0 for n in range(100)})),
    "more values than": header_bytes(b"[" + b"0," * (1 << 19) + b"0]"),
    "the header is not JSON": header_bytes(b'{"protocol":'),
    "the header is too long": store.honest()["one"][:12] + b"\xff" * 4,
    "other fields than a header has": _broken(lambda fields: fields.update(more=1)),
    "not in canonical form": header_bytes(header_of(store.honest()["one"]) + b" "),
}


@pytest.mark.parametrize("message", FILES)
def test_a_broken_file_is_named(message: str) -> None:
    with pytest.raises(MalformedProof, match=message):
        read_header(io.BytesIO(FILES[message]))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        verifier.verify(tmp_path / "none", parameter_sets=SETS)


def test_a_comparison_without_memory_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is verified by then: the weights are not."""

    def out_of_memory(*arguments: object) -> None:
        raise MemoryError

    path = tmp_path / "proof"
    path.write_bytes(store.honest()["one"])
    monkeypatch.setattr(verifier, "check_weights", out_of_memory)
    with pytest.raises(ResourceError, match="too little memory"):
        verifier.verify(path, parameter_sets=SETS, weights=tmp_path / "weights")


@pytest.mark.parametrize(
    ("message", "features", "labels"),
    [
        ("data of another shape", (3, 2), [0, 1, 0]),
        ("data of another shape", (3, 3), [0, 1]),
        ("not a class", (3, 3), [0, 2, 0]),
        ("not a class", (3, 3), [0, -1, 0]),
        ("not the committed data", (3, 3), [0, 1, 0]),
    ],
)
def test_other_data(message: str, features: tuple[int, int], labels: list[int]) -> None:
    header = read_header(io.BytesIO(store.honest()["one"]))
    data = np.zeros(features, dtype=np.int32), np.array(labels, dtype=np.int32)
    with pytest.raises(Rejected, match=message):
        check_data(header, data, bytes(32), SETS[SET], get_backend())
    with pytest.raises(UsageError, match="needs the dataset key"):
        check_data(header, data, None, SETS[SET], get_backend())


def test_nesting_of_every_depth_is_malformed() -> None:
    """Reading and writing JSON may give up at different depths."""
    fields = json.loads(header_of(store.honest()["one"]))
    for depth in range(sys.getrecursionlimit() - 120, sys.getrecursionlimit() + 20):
        text = encoded({**fields, "protocol": 0}).replace(b'"protocol":0', b'"protocol":' + b"[" * depth + b"]" * depth)
        with pytest.raises((MalformedProof, VersionError)):
            read_header(io.BytesIO(header_bytes(text)))


@pytest.mark.parametrize(("more", "code"), [(1, "PROOF_TRAILING"), (-1, "PROOF_TRUNCATED")])
def test_a_file_is_as_long_as_it_says(more: int, code: str) -> None:
    data = store.honest()["one"]
    whole = io.BytesIO(data)
    check_length(whole, read_header(whole))
    other = io.BytesIO(data + b"\0" if more > 0 else data[:more])
    with pytest.raises(MalformedProof) as caught:
        check_length(other, read_header(other))
    assert caught.value.code == code


def test_a_stream_that_cannot_be_read() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("gone")

    with pytest.raises(UsageError, match="cannot be read"):
        read_header(Broken())
