"""One target of the byte strings, fuzzed by atheris in a process of its own: libFuzzer never gives a process back.

    python -m benchmarks.forging.fuzz_target TARGET --runs N --seconds S --seed K --corpus DIR --json FILE

Half of the inputs are changed by the target's own mutation, which knows its format, half by libFuzzer's. FILE gets
`attempts`, `accepted`, `crashes`, `controls`, `controls_accepted`, `codes`, `findings`. What is in DIR already is tried again,
and is no attempt.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["zkdl", "tomllib"]):
    # Imported here, so that what they import is instrumented: its branches are the coverage that guides.
    from benchmarks.forging.base import ACCEPTED, CRASH, DECODED, Random
    from benchmarks.forging.byte_strings import TARGETS

import numpy as np


class Session:
    """Counts until there are enough; then writes them and ends the process."""

    def __init__(self, name: str, runs: int, seconds: float, corpus: Path, out: Path) -> None:
        self.target, self.runs, self.out = TARGETS[name], runs, out
        self.seeds = self.target.seeds()
        corpus.mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate(self.seeds):
            (corpus / f"seed-{i}").write_bytes(seed)
        self.known = {path.read_bytes() for path in corpus.iterdir()}
        self.until = time.monotonic() + seconds
        self.attempts = self.accepted = self.crashes = 0
        self.codes: Counter[str] = Counter()
        self.findings: list[str] = []
        self.controls = [self.target.judge(seed) for seed in self.seeds]

    def one(self, data: bytes) -> None:
        if data not in self.known:
            self.attempts += 1
            found = self.target.judge(data)
            self.codes[found.split(":")[0]] += 1
            self.accepted += found == ACCEPTED
            self.crashes += found.startswith(CRASH)
            if (found == ACCEPTED or found.startswith(CRASH)) and len(self.findings) < 20:
                self.findings.append(f"{found}: {data[:400].hex()}")
        if self.attempts >= self.runs or time.monotonic() >= self.until:
            self.finish()

    def mutate(self, data: bytes, max_size: int, seed: int) -> bytes:
        rng: Random = np.random.default_rng(seed)
        if rng.integers(2):
            return bytes(atheris.Mutate(data, max_size))
        other = self.seeds[int(rng.integers(len(self.seeds)))]
        return self.target.mutate(data, other, rng)[:max_size]

    def finish(self) -> None:
        good = sum(control in (ACCEPTED, DECODED) for control in self.controls)
        counts: dict[str, Any] = {
            "attempts": self.attempts,
            "accepted": self.accepted,
            "crashes": self.crashes,
            "controls": len(self.controls),
            "controls_accepted": good,
            "codes": self.codes,
            "findings": self.findings,
        }
        self.out.write_text(json.dumps(counts))
        sys.stdout.flush()
        # libFuzzer has no way to stop from inside.
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz one target.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    session = Session(arguments.target, arguments.runs, arguments.seconds, arguments.corpus, arguments.json)
    longest = max(map(len, session.seeds)) + 4096
    # Inputs of full length from the start: seeds are whole files, and prefixes of them are refused at once.
    options = [f"-max_len={longest}", "-len_control=0", f"-seed={arguments.seed}", "-timeout=60", "-rss_limit_mb=4096"]
    options.append(f"-artifact_prefix={arguments.corpus}/artifact-")
    atheris.Setup(["fuzz", *options, str(arguments.corpus)], session.one, custom_mutator=session.mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
