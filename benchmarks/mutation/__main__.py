"""`python -m benchmarks.mutation`: every check of a verifier taken out in turn, and the stored forgeries tried on what is left.

What no stored forgery kills, a test of the suite must (tests.json names it; --suite runs it again), or explained.json says
why nothing can. Exits with 1 when a mutant survives without either, or when an explained one is killed after all.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.mutation import store
from benchmarks.mutation.sites import Mutant
from benchmarks.mutation.store import Forgery
from benchmarks.mutation.suite import CAUGHT, EXPLAINED, first_failure
from benchmarks.mutation.trial import Outcome, Places, attempt, order, places
from benchmarks.mutation.verifiers import all_mutants

HERE = Path(__file__).parent
KILLS = HERE / "kills.json"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def sane(verifier: str, corpus: Sequence[Forgery]) -> bool:
    """The unchanged verifier refuses every forgery with an error of its own and accepts the honest containers."""
    found = attempt(verifier, [], corpus, list(store.honest().values()), 600)
    if found.how != "survived":
        print(f"{verifier}: the unchanged verifier: {found.how} {found.by}", file=sys.stderr)
    return found.how == "survived"


def tried(
    verifier: str, mutant: Mutant, corpus: Sequence[Forgery], kills: dict[str, str], where: Places, limit_s: float
) -> Outcome:
    """First what killed it before, in five seconds; then everything that can."""
    sorted_corpus = order(mutant, corpus, kills.get(mutant.name, ""), where)
    if mutant.name in kills:
        found = attempt(verifier, [mutant], sorted_corpus, [], 5, first=1)
        if found.how in ("accepted", "crash"):
            return found
    return attempt(verifier, [mutant], sorted_corpus, list(store.honest().values()), limit_s)


def survey(verifier: str, chosen: Sequence[Mutant], corpus: Sequence[Forgery], limit_s: float) -> dict[str, Outcome]:
    kills, found, where = read(KILLS), {}, places(verifier, corpus)
    for mutant in chosen:
        found[mutant.name] = outcome = tried(verifier, mutant, corpus, kills, where, limit_s)
        if outcome.how in ("accepted", "crash"):
            kills[mutant.name] = outcome.by
        print(f"{outcome.how:9} {outcome.seconds:6.2f} s  {mutant.name}  {outcome.by}", flush=True)
    KILLS.write_text(json.dumps(dict(sorted(kills.items())), indent=0) + "\n", encoding="utf-8")
    return found


def caught_by_test(name: str, caught: dict[str, str], suite: bool) -> bool:
    """Whether a test of the suite catches a mutant that no forgery kills. suite: the test runs again, and must fail."""
    if name not in caught:
        return False
    if not suite:
        return True
    mutant = next(m for verifier in ("main", "reference") for m in all_mutants(verifier) if m.name == name)
    return first_failure(mutant, [caught[name]], 300) not in ("", None)


def summary(verifier: str, outcomes: dict[str, Outcome], suite: bool) -> bool:
    """Print what survived; whether all of it is accounted for."""
    explained, caught = read(EXPLAINED), read(CAUGHT)
    survivors = {name for name, outcome in outcomes.items() if outcome.how not in ("accepted", "crash")}
    by_test = {name for name in survivors if caught_by_test(name, caught, suite)}
    unexplained = sorted(survivors - by_test - set(explained))
    outdated = sorted(name for name in explained if name in outcomes and name not in survivors - by_test)
    counts = Counter(outcome.how for outcome in outcomes.values())
    killed = counts["accepted"] + counts["crash"]
    print(
        f"{verifier}: {len(outcomes)} mutants, {killed} killed by a stored forgery ({counts['crash']} of them crash), "
        f"{len(by_test)} by a test, {len(survivors & set(explained))} explained, {len(unexplained)} open"
    )
    for name in unexplained:
        print(f"SURVIVES without an explanation: {name} ({outcomes[name].how})")
    for name in outdated:
        print(f"is explained, and killed: {name}")
    return not unexplained and not outdated


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verifier", choices=("main", "reference"), action="append")
    parser.add_argument("--json", type=Path, help="write the outcomes there")
    parser.add_argument("--list", action="store_true", help="list the mutants and stop")
    parser.add_argument("--only", action="append", help="mutants whose name has this")
    parser.add_argument(
        "--limit", type=float, default=60, help="seconds of processor time for one that is not killed at once"
    )
    parser.add_argument("--sample", type=int, default=1, help="only every n-th mutant")
    parser.add_argument("--suite", action="store_true", help="run the tests of tests.json again on what they catch")
    given = parser.parse_args(arguments)
    report, fine = {}, True
    for verifier in given.verifier or ["main", "reference"]:
        chosen = [mutant for mutant in all_mutants(verifier) if any(text in mutant.name for text in given.only or [""])]
        chosen = chosen[:: given.sample]
        if given.list:
            for mutant in chosen:
                print(f"{mutant.name}  line {mutant.line}: {mutant.text}")
            continue
        corpus, started = store.load(), time.monotonic()
        fine = sane(verifier, corpus) and fine
        outcomes = survey(verifier, chosen, corpus, given.limit)
        fine = summary(verifier, outcomes, given.suite) and fine
        print(f"{verifier}: {time.monotonic() - started:.0f} s")
        report[verifier] = {name: vars(outcome) for name, outcome in outcomes.items()}
    if given.json:
        given.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
