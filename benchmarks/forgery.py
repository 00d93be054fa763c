"""Forged proofs: how many were tried, how many were accepted.

    python -m benchmarks.forgery [--quick] [--seconds N] [--state FILE] [--json FILE] [--save-corpus DIR] [--class CLASS ...]

A full run makes 1,000 forgeries of the semantic, protocol and counterexample classes each and 1,000,000 mutated byte strings:
250,000 by mutations that know the formats, 750,000 guided by coverage (class fuzz) where atheris is installed (`.[fuzz]`), all
of the first kind where it is not. With --state it goes on where an earlier run stopped. Exit status 1 if a forgery was accepted,
if anything but a typed refusal came out of a verifier or a decoder, or if a control was refused: an honest proof; a forgery
against a transcript that forgets its message; an honest file.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.forging import byte_strings, counterexamples, fuzzing, protocol, semantic, statements
from benchmarks.forging.base import Forgery, crash
from benchmarks.forging.corpus import save
from benchmarks.machine import describe

CLASSES: dict[str, Callable[[], list[Forgery]]] = {
    "semantic": lambda: [*semantic.library(), *statements.library()],
    "protocol": protocol.library,
    "counterexamples": counterexamples.library,
    "bytes": byte_strings.library,
    # Its attempts are made by other processes, see `fuzz`.
    "fuzz": lambda: [],
}
GUIDED = fuzzing.available()
FULL = {"semantic": 1_000, "protocol": 1_000, "counterexamples": 1_000, "bytes": 250_000, "fuzz": 750_000}
UNGUIDED = 1_000_000
QUICK = {"semantic": 60, "protocol": 60, "counterexamples": 75, "bytes": 8_000, "fuzz": 1_000}
KEYS = ("attempts", "accepted", "crashes", "controls", "controls_accepted")


@dataclass
class Tally:
    """Counts of one class. next_seed: where to go on. unexpected: refusals under another code than the foreseen ones."""

    attempts: int = 0
    accepted: int = 0
    crashes: int = 0
    controls: int = 0
    controls_accepted: int = 0
    unexpected: int = 0
    next_seed: int = 0
    seconds: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def add(self, forgery: Forgery, seed: int) -> None:
        place = f"{forgery.kind}/{forgery.name}/{seed}"
        try:
            tried = forgery.run(seed)
        except Exception as error:
            # A prover that gives up is no attempt; it is a mistake of the benchmark.
            self.crashes += 1
            self.findings.append(f"{place}: prover: {crash(error)}")
            return
        if tried is None:
            return
        self.attempts += 1
        self.accepted += tried.accepted
        self.crashes += tried.crashed
        self.controls += len(tried.controls)
        self.controls_accepted += tried.controls_accepted
        self.codes = dict(Counter(self.codes) + Counter(verdict.split(":")[0] for verdict in tried.verdicts))
        self.unexpected += bool(forgery.codes) and not forgery.codes.issuperset(tried.verdicts)
        if tried.accepted or tried.crashed or tried.controls_accepted < len(tried.controls):
            self.findings.append(f"{place}: {tried.verdicts}, controls {tried.controls}")

    def merge(self, counts: dict[str, Any]) -> None:
        """Add what another process counted."""
        for key in KEYS:
            setattr(self, key, getattr(self, key) + counts[key])
        self.codes = dict(Counter(self.codes) + Counter(counts["codes"]))
        self.findings += counts["findings"]

    @property
    def failed(self) -> bool:
        return bool(self.accepted or self.crashes or self.controls_accepted < self.controls)


def schedule(forgeries: list[Forgery]) -> list[Forgery]:
    """One round of a class, each forgery as often as its share says, spread over the round."""
    spread = [((i + 0.5) / f.share, place, f) for place, f in enumerate(forgeries) for i in range(f.share)]
    return [forgery for _, _, forgery in sorted(spread, key=lambda entry: entry[:2])]


def work(
    wanted: dict[str, int],
    tallies: dict[str, Tally],
    seconds: float = float("inf"),
    saved: Callable[[], None] = lambda: None,
    corpus: Path | None = None,
) -> None:
    """Try until every class has its number of attempts or the time is over; classes get equal shares of the time.

    saved: called now and then, and at the end, also when that is an exception. corpus: where the fuzzer keeps its inputs.
    """
    began = time.monotonic()
    for k, name in enumerate(wanted):
        until = began + seconds * (k + 1) / len(wanted)
        if name == "fuzz":
            fuzz(tallies[name], wanted[name], until, corpus, saved)
            continue
        tally, round_, last = tallies[name], schedule(CLASSES[name]()), time.monotonic()
        try:
            # What crashes fails the run; a prover that always does must not keep it going for ever.
            while tally.attempts + tally.crashes < wanted[name] and time.monotonic() < until:
                tally.add(round_[tally.next_seed % len(round_)], tally.next_seed)
                tally.next_seed += 1
                now = time.monotonic()
                if now > last + 30:
                    tally.seconds += now - last
                    last = now
                    saved()
        finally:
            tally.seconds += time.monotonic() - last
            saved()


def fuzz(tally: Tally, wanted: int, until: float, corpus: Path | None, saved: Callable[[], None]) -> None:
    """One process per target, until there are enough attempts or the time is over. Targets share what is left of it."""
    shares = fuzzing.shares() if wanted > QUICK["fuzz"] else fuzzing.few()
    names = list(shares)
    while tally.attempts < wanted and time.monotonic() < until:
        began, place = time.monotonic(), tally.next_seed % len(names)
        runs = min(math.ceil(shares[names[place]] * wanted), wanted - tally.attempts)
        counts = fuzzing.fuzz(names[place], runs, (until - began) / (len(names) - place), tally.next_seed + 1, corpus)
        tally.merge(counts)
        tally.next_seed += 1
        tally.seconds += time.monotonic() - began
        saved()
        if not counts["attempts"]:
            break


def summary(tallies: dict[str, Tally]) -> dict[str, object]:
    """Counts per class and in total, and where and when they were made."""
    total = {key: sum(getattr(tally, key) for tally in tallies.values()) for key in KEYS}
    made = {"machine": describe(), "date": datetime.now(UTC).date().isoformat()}
    return {**made, **total, "classes": {name: asdict(tally) for name, tally in tallies.items()}}


def write(path: Path, tallies: dict[str, Tally]) -> None:
    """Through a file beside it, so that a process that is killed leaves a whole one."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(summary(tallies), indent=1) + "\n")
    partial.replace(path)


def table(tallies: dict[str, Tally]) -> str:
    lines = [
        f"{'class':16} {'attempts':>9} {'accepted':>9} {'crashes':>8} {'controls':>9} {'accepted':>9} {'seconds':>8}"
    ]
    for name, t in tallies.items():
        counts = f"{t.attempts:9} {t.accepted:9} {t.crashes:8} {t.controls:9} {t.controls_accepted:9} {t.seconds:8.0f}"
        lines.append(f"{name:16} {counts}")
        lines.append(
            "    " + ", ".join(f"{code} {n}" for code, n in sorted(t.codes.items(), key=lambda item: -item[1]))
        )
        lines += [f"    {t.unexpected} refused under another code than the foreseen one"] * bool(t.unexpected)
        lines += [f"    FINDING {finding}" for finding in t.findings[:20]]
    return "\n".join(lines)


def wanted_attempts(names: list[str], quick: bool) -> dict[str, int]:
    """Attempts of each class of a run."""
    full = FULL if GUIDED else {**FULL, "bytes": UNGUIDED}
    return {name: (QUICK if quick else full)[name] for name in names}


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Forge proofs and count what is accepted.")
    parser.add_argument("--quick", action="store_true", help="a subset of one to two minutes")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--state", type=Path, help="go on from this file, and keep it up to date")
    parser.add_argument("--json", type=Path, help="write the counts")
    parser.add_argument("--save-corpus", type=Path, help="store one container of every forgery and stop")
    parser.add_argument("--class", dest="classes", choices=CLASSES, action="append", help="only these classes")
    arguments = parser.parse_args(given)
    if not GUIDED and "fuzz" in (arguments.classes or ()):
        parser.error("the class fuzz needs atheris: pip install '.[fuzz]'")
    names = arguments.classes or [name for name in CLASSES if GUIDED or name != "fuzz"]
    if arguments.save_corpus:
        print(save(arguments.save_corpus, [f for name in names for f in CLASSES[name]()], 1), "files")
        return 0
    tallies = {name: Tally() for name in names}
    if arguments.state and arguments.state.exists():
        found = json.loads(arguments.state.read_text())["classes"]
        tallies |= {name: Tally(**counts) for name, counts in found.items()}

    def saved() -> None:
        for path in (arguments.state, arguments.json):
            if path:
                write(path, tallies)

    corpus = arguments.state and arguments.state.with_suffix(".corpus")
    work(wanted_attempts(names, arguments.quick), tallies, arguments.seconds, saved, corpus)
    print(table(tallies))
    if "fuzz" not in tallies and not arguments.classes:
        print("not guided by coverage: atheris is not installed")
    return int(any(tally.failed for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
