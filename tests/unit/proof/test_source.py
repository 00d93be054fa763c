"""Where a verifier's input comes from: each refusal is named."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from zkdl.errors import UsageError
from zkdl.proof.source import PIPE, open_proof, proof_stream, read_expected


def code(error: pytest.ExceptionInfo[UsageError]) -> tuple[str, str]:
    return str(error.value.code), str(error.value.where.get("file", ""))


def test_a_file_is_closed_and_a_stream_is_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "proof"
    path.write_bytes(b"proof")
    for opened in (open_proof(path), open_proof(str(path)), proof_stream(path)):
        with opened as stream:
            assert stream.read() == b"proof"
        assert stream.closed
    given = io.BytesIO(b"proof")
    with open_proof(given) as stream:
        assert stream is given
    assert not given.closed


@pytest.mark.parametrize("reader", [open_proof, proof_stream, read_expected])
@pytest.mark.parametrize("name", ["none", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, reader: object, name: str) -> None:
    assert callable(reader)
    with pytest.raises(UsageError) as error:
        reader(tmp_path / name)
    assert code(error) == ("FILE_MISSING", str(tmp_path / name))
    if reader is not read_expected:
        assert ("directory" in error.value.hint) == (name == ".")


@pytest.mark.parametrize("text", ["{", "[" * 100000, "\udcff", "[]", "3"])
def test_expectations_that_are_no_object(tmp_path: Path, text: str) -> None:
    path = tmp_path / "expect.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError) as error:
        read_expected(path)
    assert code(error) == ("EXPECT_FIELD", str(path))


def test_expectations(tmp_path: Path) -> None:
    path = tmp_path / "expect.json"
    path.write_text('{"batch": 2}')
    assert read_expected(path) == {"batch": 2}


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"proof")))
    with proof_stream(PIPE) as stream:
        assert stream.read() == b"proof"
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="closed") as error:
        proof_stream(PIPE)
    assert error.value.code == "FILE_MISSING"
    there, here = os.openpty()
    try:
        with open(here, encoding="utf-8", closefd=False) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            with pytest.raises(UsageError, match="terminal") as error:
                proof_stream(PIPE)
    finally:
        os.close(there)
        os.close(here)
    assert error.value.code == "USAGE"
