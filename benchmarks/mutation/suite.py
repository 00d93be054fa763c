"""Tests of the suite on a mutant that no stored forgery kills: `python -m benchmarks.mutation.suite REPORT.json`.

REPORT.json is what `python -m benchmarks.mutation --json` wrote. For every mutant in it that was not killed, the tests most
likely to fail run on the mutant, up to the first one that does; its name is kept in tests.json. Mutants that explained.json
has are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.mutation import isolate
from benchmarks.mutation.sites import Mutant
from benchmarks.mutation.verifiers import all_mutants

ROOT = Path(__file__).resolve().parents[2]
CAUGHT, EXPLAINED = Path(__file__).parent / "tests.json", Path(__file__).parent / "explained.json"
NAMED = "tests/soundness/test_rules_are_named.py"
CONTAINERS = ["tests/soundness/test_container.py", "tests/unit/test_limits.py", "tests/e2e/test_hostile_headers.py"]
LIKELY = {
    "zkdl.reference.revealed": ["tests/reference/test_broken_files.py"],
    "zkdl.proof.revealed": ["tests/unit/proof/test_revealed.py"],
    "zkdl.reference": ["tests/reference/test_rules.py", "tests/soundness/test_missing_work.py"],
    "zkdl.statement": ["tests/unit/statement", NAMED, "tests/unit/test_limits.py"],
    "zkdl.proof.outside": [NAMED, "tests/e2e/test_verify.py", "tests/e2e/test_attest.py"],
    "zkdl.proof.source": ["tests/unit/proof/test_source.py"],
    "zkdl.proof": [NAMED, "tests/soundness/test_missing_work.py", "tests/e2e/test_verify.py", *CONTAINERS],
    "zkdl.protocols": [NAMED, "tests/unit/protocols"],
    "zkdl.commitment": [NAMED, "tests/unit/commitment"],
    "zkdl.hiding": [NAMED, "tests/unit/hiding"],
    "zkdl.transcript": [NAMED, "tests/unit/transcript"],
    "zkdl.algebra": ["tests/unit/protocols/test_fractions.py", "tests/kernels/test_laws.py"],
}
"""Tests by the beginning of a module's name, the most likely first."""


class _First:
    """Keeps the name of the first test that fails."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid


def first_failure(mutant: Mutant | None, tests: Sequence[str], limit_s: float) -> str | None:
    """Name of the first of these tests that fails without the check: "" if all pass, None if that takes too long."""

    def body() -> str:
        import pytest

        os.chdir(ROOT)
        first = _First()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests], plugins=[first])
        return first.name

    found: str | None = isolate.run([] if mutant is None else [mutant], body, limit_s)
    return found


def likely(mutant: Mutant) -> list[str]:
    return next(tests for start, tests in LIKELY.items() if mutant.module.startswith(start))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--limit", type=float, default=60, help="seconds of processor time per mutant")
    parser.add_argument("--only", default="", help="mutants whose name has this")
    given = parser.parse_args()
    explained = json.loads(EXPLAINED.read_text(encoding="utf-8")) if EXPLAINED.exists() else {}
    caught = json.loads(CAUGHT.read_text(encoding="utf-8")) if CAUGHT.exists() else {}
    for verifier, outcomes in json.loads(given.report.read_text(encoding="utf-8")).items():
        for mutant in all_mutants(verifier):
            outcome = outcomes.get(mutant.name, {"how": "accepted"})
            if outcome["how"] in ("accepted", "crash") or given.only not in mutant.name:
                continue
            if mutant.name in caught or mutant.name in explained:
                continue
            found = first_failure(mutant, likely(mutant), given.limit)
            print(json.dumps({"mutant": mutant.name, "test": found}), flush=True)
            if found:
                # Without its parameters: their names change when a case is added.
                caught[mutant.name] = found.split("[")[0]
                CAUGHT.write_text(json.dumps(dict(sorted(caught.items())), indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
