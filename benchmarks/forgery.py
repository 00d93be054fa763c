"""Forged proofs: how many were tried, how many were accepted.

    python -m benchmarks.forgery [--quick] [--seconds N] [--state FILE] [--json FILE] [--save-corpus DIR] [--class CLASS ...]

A full run makes 1,000 forgeries of the semantic, protocol and counterexample classes each and 1,000,000 mutated byte strings.
With --state it goes on where an earlier run stopped. Exit status 1 if a forgery was accepted, if anything but a typed refusal
came out of a verifier, or if a control (an honest proof; a forgery against a transcript that forgets its message) was refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.forging import byte_strings, counterexamples, protocol, semantic, statements
from benchmarks.forging.base import Forgery, crash
from benchmarks.forging.corpus import save

CLASSES: dict[str, tuple[Callable[[], list[Forgery]], int]] = {
    "semantic": (lambda: [*semantic.library(), *statements.library()], 1_000),
    "protocol": (protocol.library, 1_000),
    "counterexamples": (counterexamples.library, 1_000),
    "bytes": (byte_strings.library, 1_000_000),
}
QUICK = {"semantic": 60, "protocol": 60, "counterexamples": 75, "bytes": 8_000}


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

    @property
    def failed(self) -> bool:
        return bool(self.accepted or self.crashes or self.controls_accepted < self.controls)


def schedule(name: str, forgeries: list[Forgery]) -> list[Forgery]:
    """One round of a class: each forgery once, or, for bytes, as often as its target is worth."""
    if name != "bytes":
        return forgeries
    shares = [(byte_strings.TARGETS[forgery.name].share, forgery) for forgery in forgeries]
    spread = [((i + 0.5) / share, forgery.name, forgery) for share, forgery in shares for i in range(share)]
    return [forgery for _, _, forgery in sorted(spread, key=lambda entry: entry[:2])]


def work(
    wanted: dict[str, int],
    tallies: dict[str, Tally],
    seconds: float = float("inf"),
    saved: Callable[[], None] = lambda: None,
) -> None:
    """Try until every class has its number of attempts or the time is over; classes get equal shares of the time."""
    began = time.monotonic()
    for k, name in enumerate(wanted):
        tally, round_ = tallies[name], schedule(name, CLASSES[name][0]())
        until, last = began + seconds * (k + 1) / len(wanted), time.monotonic()
        while tally.attempts < wanted[name] and time.monotonic() < until:
            tally.add(round_[tally.next_seed % len(round_)], tally.next_seed)
            tally.next_seed += 1
            now = time.monotonic()
            if now > last + 30:
                tally.seconds += now - last
                last = now
                saved()
        tally.seconds += time.monotonic() - last
        saved()


def summary(tallies: dict[str, Tally]) -> dict[str, object]:
    """Counts per class and in total."""
    keys = ("attempts", "accepted", "crashes", "controls", "controls_accepted")
    total = {key: sum(getattr(tally, key) for tally in tallies.values()) for key in keys}
    return {**total, "classes": {name: asdict(tally) for name, tally in tallies.items()}}


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


def main() -> int:
    parser = argparse.ArgumentParser(description="Forge proofs and count what is accepted.")
    parser.add_argument("--quick", action="store_true", help="a subset of about a minute")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--state", type=Path, help="go on from this file, and keep it up to date")
    parser.add_argument("--json", type=Path, help="write the counts")
    parser.add_argument("--save-corpus", type=Path, help="store one container of every forgery and stop")
    parser.add_argument("--class", dest="classes", choices=CLASSES, action="append", help="only these classes")
    arguments = parser.parse_args()
    names = arguments.classes or list(CLASSES)
    if arguments.save_corpus:
        print(save(arguments.save_corpus, [f for name in names for f in CLASSES[name][0]()], 1), "files")
        return 0
    tallies = {name: Tally() for name in names}
    if arguments.state and arguments.state.exists():
        found = json.loads(arguments.state.read_text())["classes"]
        tallies |= {name: Tally(**counts) for name, counts in found.items()}

    def saved() -> None:
        for path in (arguments.state, arguments.json):
            if path:
                path.write_text(json.dumps(summary(tallies), indent=1) + "\n")

    wanted = {name: QUICK[name] if arguments.quick else CLASSES[name][1] for name in names}
    work(wanted, tallies, arguments.seconds, saved)
    print(table(tallies))
    return int(any(tally.failed for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
