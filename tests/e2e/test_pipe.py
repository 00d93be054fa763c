"""A proof that comes from a pipe: every verifier reads it once, forwards, and stops where the statement ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Finished
from zkdl import verify
from zkdl.errors import MalformedProof, UsageError

MIB = 1 << 20
VERIFIERS = {
    "zkdl verify": ["-m", "zkdl.cli.main", "verify", "-", "--json", "--quiet"],
    "zkdl.proof": ["-m", "zkdl.proof", "-", "--json"],
}
REFERENCE = ["-m", "zkdl.reference.verifier", "-"]


def piped(arguments: list[str], data: bytes | Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A child whose standard input is a pipe with these bytes, or this file."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path)}
    given = {"input": data} if isinstance(data, bytes) else {"stdin": data}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60, **given, **options)


def answer(arguments: list[str], data: bytes | Any, **options: Any) -> tuple[int, dict[str, Any]]:
    done = piped(arguments, data, **options)
    assert b"Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", VERIFIERS)
def test_accepts_and_rejects(finished: Finished, name: str) -> None:
    whole = finished.proof.read_bytes()
    status, found = answer(VERIFIERS[name], whole)
    assert (status, found["code"], found["statement"]["complete"]) == (0, "OK", True)
    changed = bytearray(whole)
    changed[-100] ^= 1
    assert answer(VERIFIERS[name], bytes(changed))[0] == 1
    for content, code in (
        (b"", "PROOF_MAGIC"),
        (b"not a proof", "PROOF_MAGIC"),
        (whole[: len(whole) // 2], "PROOF_TRUNCATED"),
        (whole + b"\0", "PROOF_TRAILING"),
        (whole[:8] + (99).to_bytes(4, "little") + whole[12:], "VERSION"),
    ):
        status, found = answer(VERIFIERS[name], content)
        assert (status, found["code"], found["ok"]) == (3, code, False)


def test_the_reference_verifier(finished: Finished) -> None:
    whole = finished.proof.read_bytes()
    done = piped(REFERENCE, whole)
    assert done.returncode == 0 and done.stdout.startswith(b"VALID\n")
    assert piped(REFERENCE, whole[:-1]).returncode == 3
    assert piped(REFERENCE, whole + b"\0").returncode == 3
    without = "import sys; sys.stdin = None; from zkdl.reference.verifier import main; sys.exit(main(['-']))"
    assert piped(["-c", without], b"").returncode == 2


def test_with_weights_data_and_expectation_in_files(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(json.dumps({"batch": 8}))
    common = ["--weights", finished.weights, "--expect", tmp_path / "e.json"]
    data = ["--data", finished.data, "--data-key", finished.data_key]
    whole = finished.proof.read_bytes()
    status, found = answer([*VERIFIERS["zkdl verify"], *common, *data], whole)
    assert status == 0 and sorted(found["statement"]["checked"]) == ["data", "expected", "weights"]
    status, found = answer([*VERIFIERS["zkdl.proof"], *common], whole)
    assert status == 0 and sorted(found["statement"]["checked"]) == ["expected", "weights"]
    (tmp_path / "e.json").write_text(json.dumps({"batch": 9}))
    for name in VERIFIERS:
        status, found = answer([*VERIFIERS[name], "--expect", tmp_path / "e.json"], whole)
        assert (status, found["code"]) == (1, "EXPECTED_STATEMENT")
        status, found = answer([*VERIFIERS[name], "--expect", tmp_path / "none"], whole)
        assert (status, found["code"]) == (2, "FILE_MISSING")
        for text in ("{", "[]"):
            (tmp_path / "bad.json").write_text(text)
            status, found = answer([*VERIFIERS[name], "--expect", tmp_path / "bad.json"], whole)
            assert (status, found["code"]) == (2, "EXPECT_FIELD")


def test_inspect(finished: Finished) -> None:
    whole = finished.proof.read_bytes()
    command = ["-m", "zkdl.cli.main", "inspect", "-", "--json"]
    status, found = answer(command, whole)
    assert status == 0 and found["verified"] is False and found["run"]["batch"] == 8
    # The header is all that is looked at.
    assert answer(command, whole[: len(whole) // 2])[1]["run"] == found["run"]
    assert answer(command, b"not a proof")[1]["code"] == "PROOF_MAGIC"


@pytest.mark.parametrize("command", [*VERIFIERS.values(), REFERENCE], ids=[*VERIFIERS, "reference"])
def test_a_reader_that_goes_away(finished: Finished, command: list[str]) -> None:
    """As in `| head`: a valid proof must not end in the status of a rejected one."""
    come, go = os.pipe()
    os.close(come)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path)}
    try:
        with finished.proof.open("rb") as stream:
            done = subprocess.run(
                [sys.executable, *command],
                stdin=stream,
                stdout=go,
                stderr=subprocess.PIPE,
                env=environment,
                check=False,
                timeout=60,
            )
    finally:
        os.close(go)
    assert done.returncode == 0 and b"Traceback" not in done.stderr and b"BrokenPipe" not in done.stderr


@pytest.mark.parametrize("name", VERIFIERS)
def test_a_closed_standard_input(name: str) -> None:
    status, found = answer(VERIFIERS[name], None, preexec_fn=lambda: os.close(0))
    assert (status, found["code"]) == (2, "FILE_MISSING")


@pytest.mark.parametrize("name", VERIFIERS)
def test_nobody_types_a_proof(name: str) -> None:
    there, here = os.openpty()
    try:
        status, found = answer(VERIFIERS[name], here)
    finally:
        os.close(there)
        os.close(here)
    assert (status, found["code"]) == (2, "USAGE")


def test_an_endless_pipe_is_left(finished: Finished) -> None:
    """Nothing is read much beyond the statement's own end, and nothing at all of what is no proof."""
    for start, code, most in ((finished.proof.read_bytes(), "PROOF_TRAILING", 4 * MIB), (b"", "PROOF_MAGIC", MIB)):
        for name in VERIFIERS:
            come, go = os.pipe()
            written = [0]

            def pour(start: bytes = start, go: int = go, written: list[int] = written) -> None:
                with os.fdopen(go, "wb", buffering=0) as out:
                    try:
                        out.write(start)
                        while True:
                            written[0] += out.write(bytes(1 << 16))
                    except BrokenPipeError:
                        return

            writer = threading.Thread(target=pour)
            writer.start()
            try:
                status, found = answer(VERIFIERS[name], come)
            finally:
                os.close(come)
                writer.join(timeout=60)
            assert (status, found["code"]) == (3, code) and written[0] <= most


class Drops(io.RawIOBase):
    """A connection that hands over a few bytes at a time and, if asked to, breaks."""

    name = "drops"

    def __init__(self, data: bytes, breaks_at: int | None = None) -> None:
        self.data, self.at, self.breaks_at = data, 0, breaks_at

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if self.breaks_at is not None and self.at >= self.breaks_at:
            raise ConnectionResetError("the connection was reset")
        part = self.data[self.at : self.at + min(len(target), 5000)]
        target[: len(part)] = part
        self.at += len(part)
        return len(part)


def test_streams_of_the_api(finished: Finished) -> None:
    whole = finished.proof.read_bytes()
    source = io.BytesIO(whole)
    assert verify(source).complete and not source.closed
    assert verify(Drops(whole)).complete
    with pytest.raises(MalformedProof) as short:
        verify(Drops(whole[:-1]))
    assert short.value.code == "PROOF_TRUNCATED"
    for place in (0, 100, len(whole) // 2, len(whole)):
        with pytest.raises(UsageError) as broken:
            verify(Drops(whole, place))
        assert broken.value.code == "FILE_MISSING" and broken.value.where == {"file": "drops"}


def test_data_may_be_made_from_the_statement(finished: Finished) -> None:
    import numpy as np

    with np.load(finished.data) as archive:
        x, y = archive["features"].astype(np.int32), archive["labels"].astype(np.int32)
    seen = []
    found = verify(
        io.BytesIO(finished.proof.read_bytes()),
        data=lambda run: (seen.append(run.widths), (x, y))[1],
        data_key=finished.data_key.read_bytes(),
    )
    assert found.checked == ["data"] and seen == [(64, 12, 10)]


def test_a_named_pipe(finished: Finished, tmp_path: Path) -> None:
    """As from `zkdl verify <(fetch)`."""
    os.mkfifo(tmp_path / "pipe")
    whole = finished.proof.read_bytes()
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(whole))
    writer.start()
    status, found = answer(["-m", "zkdl.cli.main", "verify", tmp_path / "pipe", "--json", "--quiet"], b"")
    writer.join(timeout=60)
    assert (status, found["code"]) == (0, "OK")
