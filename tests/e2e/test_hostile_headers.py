"""A short file must not make a verifier allocate or compute much: every case ends in a typed error, soon and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Finished
from tests.e2e.test_verify import header_of, with_header

SECONDS = 5.0
MEGABYTES = 400
CHILD = """
import json, sys, time
from pathlib import Path
started = time.perf_counter()
from zkdl.errors import ZkError
from zkdl.proof.verify import verify
try:
    verify(sys.argv[1])
    code = "accepted"
except ZkError as error:
    code = error.code
# Not ru_maxrss: that begins with the size of the process that started this one.
lines = Path("/proc/self/status").read_text().splitlines()
used = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
print(json.dumps([code, time.perf_counter() - started, used]))
"""
Change = Callable[[dict[str, Any]], None]


def many_segments(header: dict[str, Any]) -> None:
    """Segments of one step, each with the largest tables that the rules allow."""
    first = header["segments"][0]
    header["segments"] = [{**first, "index": i, "first_step": i} for i in range(2000)]
    header["sections"] = [header["sections"][0], *([f"segment-{i}", 0] for i in range(2000)), ["dataset", 0]]


def wide(header: dict[str, Any]) -> None:
    header["run"]["widths"] = [65536, 65536, 10]


def many_examples(header: dict[str, Any]) -> None:
    header["run"]["examples"] = 1 << 28


def long_schedule(header: dict[str, Any]) -> None:
    header["run"]["steps"] = 1 << 30
    header["run"]["schedule"] = [[i, 1 << 28] for i in range(100_000)]


def no_widths(header: dict[str, Any]) -> None:
    header["run"]["widths"] = []


def negative(header: dict[str, Any]) -> None:
    header["run"]["widths"] = [-(1 << 60), 1 << 60, 10]


def large_numbers(header: dict[str, Any]) -> None:
    header["run"]["format"]["weight_frac"] = 1 << 62


@pytest.mark.parametrize(
    "change", [many_segments, wide, many_examples, long_schedule, no_widths, negative, large_numbers]
)
def test_small_files_stay_cheap(finished: Finished, tmp_path: Path, change: Change) -> None:
    header = header_of(finished.proof)
    change(header)
    target = with_header(finished.proof, header, tmp_path / "p")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, target], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    code, seconds, megabytes = json.loads(done.stdout)
    assert code != "accepted" and seconds < SECONDS and megabytes < MEGABYTES, (code, seconds, megabytes)


def test_the_largest_statement_allowed_fails_on_its_first_section(finished: Finished, tmp_path: Path) -> None:
    """Everything at its limit, and well formed: the data certificate is checked before anything large is derived."""
    header = header_of(finished.proof)
    header["run"]["examples"] = 1 << 26
    target = with_header(finished.proof, header, tmp_path / "p")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, target], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    code, seconds, megabytes = json.loads(done.stdout)
    assert code in {"PROOF_TRUNCATED", "RELATIONS", "GRIND", "STATEMENT", "CHAIN"}, code
    assert seconds < 10 and megabytes < 1200, (seconds, megabytes)


def test_a_longer_last_section_is_malformed(finished: Finished, tmp_path: Path) -> None:
    """Another declared length for the same bytes would be another file that verifies."""
    header = header_of(finished.proof)
    for k in range(len(header["sections"])):
        changed = json.loads(json.dumps(header))
        changed["sections"][k][1] += 1
        target = with_header(finished.proof, changed, tmp_path / "p")
        done = subprocess.run(
            [sys.executable, "-c", CHILD, target], capture_output=True, text=True, check=False, timeout=60
        )
        assert json.loads(done.stdout)[0] in {"PROOF_TRAILING", "PROOF_TRUNCATED"}, done.stdout
