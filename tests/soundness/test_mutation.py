"""The mutation test of both verifiers: its machinery on a handful of mutants, and the stored corpus.

The whole run is `python -m benchmarks.mutation`; docs/security/mutation.md has its outcome.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.mutation import store
from benchmarks.mutation.__main__ import KILLS, read
from benchmarks.mutation.sites import module_path, mutants, mutate_all
from benchmarks.mutation.suite import CAUGHT, EXPLAINED
from benchmarks.mutation.verifiers import SOURCE, all_mutants

ROOT = Path(__file__).resolve().parents[2]
SOME = {
    "main": [
        "proof.format:read_header:raise:0",
        "protocols.opening:verify_columns:raise",
        "commitment.merkle:verify_multiproof:raise:1",
    ],
    "reference": ["opening:opened_columns:require", "transcript:Section.finish:raise"],
}


@pytest.fixture(scope="module", params=["main", "reference"])
def verifier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(*arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """A process of its own: mutants are made before zkdl is imported."""
    command = [sys.executable, "-m", "benchmarks.mutation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s)


def test_a_handful_of_mutants_is_killed(verifier: str, tmp_path: Path) -> None:
    """Runs the unchanged verifier on the whole corpus first, and on the honest containers."""
    report = tmp_path / "report.json"
    only = [argument for name in SOME[verifier] for argument in ("--only", name)]
    done = run("--verifier", verifier, "--json", str(report), *only)
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes = json.loads(report.read_text())[verifier]
    assert len(outcomes) >= len(SOME[verifier])
    assert all(outcome["how"] == "accepted" and outcome["seconds"] < 5 for outcome in outcomes.values())


def test_a_sample_is_killed_or_accounted_for(verifier: str) -> None:
    done = run("--verifier", verifier, "--sample", "37")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 open" in done.stdout


@pytest.mark.slow
def test_every_mutant_is_killed_or_accounted_for(verifier: str) -> None:
    """All of them; tests that catch what no forgery kills run again."""
    done = run("--verifier", verifier, "--suite", timeout_s=10800)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_mutant_has_one_name_and_compiles(verifier: str) -> None:
    found = all_mutants(verifier)
    assert max(Counter(mutant.name for mutant in found).values()) == 1
    for mutant in found[::7]:
        source = module_path(SOURCE, mutant.module).read_text(encoding="utf-8")
        changed = ast.unparse(mutate_all([mutant], source))
        assert changed != ast.unparse(ast.parse(source))
        compile(changed, mutant.name, "exec")


def test_kinds_of_mutants() -> None:
    source = """
def rules(x, ledger, claims, transcript):
    if x < 0 or x > 9:
        raise ValueError("range")
    require(x != 3 and 1 < x < 8, "no")
    ledger.require_zero(x)
    claims.add(x, [x])
    transcript.absorb("x", 1, x)

def good(x) -> bool:
    return x > 1 and x < 3
"""
    found = mutants("example", source)
    counts = Counter(mutant.kind for mutant in found)
    assert counts == {"raise": 1, "part": 6, "require": 1, "constraint": 1, "claim": 1, "absorb": 1, "answer": 3}
    for mutant in found:
        compile(mutate_all([mutant], source), "example", "exec")


def test_explained_mutants_exist() -> None:
    names = {mutant.name for verifier in ("main", "reference") for mutant in all_mutants(verifier)}
    explained, caught = read(EXPLAINED), read(CAUGHT)
    assert set(explained) <= names and set(caught) <= names and set(read(KILLS)) <= names
    assert not set(explained) & set(caught)
    assert all(len(reason) > 20 for reason in explained.values())
    for test in caught.values():
        assert (ROOT / test.split("::")[0]).exists(), test


def test_the_corpus_is_small_and_complete() -> None:
    """`load` compares the digest of every forgery."""
    found = store.load()
    assert len({entry.name for entry in found}) == len(found) > 100
    assert sum(path.stat().st_size for path in store.CORPUS.iterdir()) < 5 << 20
