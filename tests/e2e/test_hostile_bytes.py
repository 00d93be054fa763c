"""Any byte string of up to 100 MB ends, in every reader, in a typed error within 2 seconds and 500 MB, or in a verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hostile import BARE, Server, derived
from tests.e2e.running import Finished

SECONDS = 2.0
MEGABYTES = 500
# Typed refusals of each reader; 0 is added where a header is well formed, as inspect verifies nothing.
REFUSED = {"verify": {1, 3}, "refverify": {1, 3}, "inspect": {3}, "security": {1, 3}}
READS_ANY_SECTIONS = ("inspect", "security")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def check(server: Server, program: str, name: str, path: Path, allowed: set[int]) -> None:
    answer = server(program, path)
    where = (program, name, answer)
    assert answer.status in allowed and "Traceback" not in answer.said, where
    assert answer.megabytes < MEGABYTES, where
    assert answer.seconds < SECONDS, where
    if program == "refverify":
        assert answer.said.startswith(("REJECTED ", "UNREADABLE ")), where
    else:
        # Lines of progress may come before the answer; that of a header which is well formed is long.
        found = (
            {"code": "OK"}
            if answer.status == 0
            else json.loads(answer.said[answer.said.index("{") :].partition("\n")[0])
        )
        assert found["code"] not in ("INTERNAL", "NOT_PROVABLE"), where


@pytest.mark.parametrize("name", BARE)
def test_bytes_without_a_proof(name: str, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(BARE[name]())
    for program in ("verify", "refverify", "inspect"):
        check(server, program, name, path, REFUSED[program])
    path.unlink()


def test_relatives_of_a_proof(finished: Finished, server: Server, tmp_path: Path) -> None:
    path = tmp_path / "p"
    seen = []
    for name, data in derived(finished.proof.read_bytes()):
        seen.append(name)
        path.write_bytes(data)
        for program, refused in REFUSED.items():
            check(server, program, name, path, refused | ({0} if program in READS_ANY_SECTIONS else set()))
    assert len(seen) > 10
    path.unlink()
