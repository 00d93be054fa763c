"""One mutant against the corpus."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutation import isolate
from benchmarks.mutation.sites import Mutant
from benchmarks.mutation.store import Forgery
from benchmarks.mutation.verifiers import load


@dataclass(frozen=True)
class Outcome:
    """by: the forgery that was accepted, or that made the mutant crash. how: accepted, crash, honest (it refuses honest proofs),
    timeout, or survived.
    """

    how: str
    by: str = ""
    seconds: float = 0.0


def order(mutant: Mutant, corpus: Sequence[Forgery], known: str) -> list[Forgery]:
    """What killed it before, what aims at its function or module, everything else."""

    def place(forgery: Forgery) -> int:
        if forgery.name == known:
            return 0
        if forgery.aims == mutant.name:
            return 1
        return 2 + (not forgery.aims.startswith(mutant.module))

    return sorted(corpus, key=place)


def attempt(
    verifier: str,
    mutants: Sequence[Mutant],
    corpus: Sequence[Forgery],
    honest: Sequence[bytes],
    limit_s: float,
    first: int | None = None,
) -> Outcome:
    """Run a verifier without some checks. first: how many forgeries may be tried, all by default."""

    def body() -> Outcome:
        ask = load(verifier)
        crashed = ""
        started = time.process_time()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for forgery in corpus[:first]:
                how, _ = ask(forgery.data, forgery.arguments, folder)
                if how == "accepted":
                    return Outcome(how, forgery.name, time.process_time() - started)
                if how == "crash" and not crashed:
                    crashed = forgery.name
            if crashed:
                return Outcome("crash", crashed, time.process_time() - started)
            for data in honest:
                how, _ = ask(data, {}, folder)
                if how != "accepted":
                    return Outcome("honest", "", time.process_time() - started)
        return Outcome("survived", "", time.process_time() - started)

    found = isolate.run(mutants, body, limit_s)
    return found if isinstance(found, Outcome) else Outcome("timeout", "", limit_s)
