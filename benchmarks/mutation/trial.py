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


Places = dict[str, frozenset[str]]
"""For every forgery, the functions in which the unchanged verifier refuses it."""
EARLY = (
    "proof.format",
    "proof.limits",
    "proof.chain",
    "proof.outside",
    "statement.",
    "reference.canonical",
    "reference.verifier:read",
)
EARLY_FUNCTIONS = ("reference.statement", "reference.training:check_bounds", "reference.verifier:expect")


def places(verifier: str, corpus: Sequence[Forgery]) -> Places:
    def body() -> Places:
        ask = load(verifier)
        with tempfile.TemporaryDirectory() as name:
            return {forgery.name: ask(forgery.data, forgery.arguments, Path(name))[2] for forgery in corpus}

    found: Places | None = isolate.run([], body, 300)
    if found is None:
        raise RuntimeError(f"the {verifier} verifier did not come to an end")
    return found


def _early(where: frozenset[str]) -> bool:
    """Refused for its header."""
    return any(function.startswith(tuple(f"zkdl.{start}" for start in EARLY + EARLY_FUNCTIONS)) for function in where)


def order(mutant: Mutant, corpus: Sequence[Forgery], known: str, refused_in: Places | None = None) -> list[Forgery]:
    """What can kill a mutant: what killed it before, what aims at it, then the others.

    A forgery that is refused before or behind a check is refused without the check as well. So a check of the header is
    tried on what is refused in its function, and one of the proof on what is not refused for its header.
    """
    function = f"{mutant.module}:{mutant.function}"

    def can(forgery: Forgery) -> bool:
        if refused_in is None or forgery.name == known or forgery.aims == mutant.name:
            return True
        where = refused_in[forgery.name]
        if mutant.kind in ("raise", "require", "part"):
            return function in where
        if mutant.kind == "answer":
            return _early(where)
        return not _early(where)

    def place(forgery: Forgery) -> int:
        if forgery.name == known:
            return 0
        if forgery.aims == mutant.name:
            return 1
        return 2 + (not forgery.aims.startswith(mutant.module))

    return sorted(filter(can, corpus), key=place)


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
                how, _, _ = ask(forgery.data, forgery.arguments, folder)
                if how == "accepted":
                    return Outcome(how, forgery.name, time.process_time() - started)
                if how == "crash" and not crashed:
                    crashed = forgery.name
            if crashed:
                return Outcome("crash", crashed, time.process_time() - started)
            for data in honest:
                how, _, _ = ask(data, {}, folder)
                if how != "accepted":
                    return Outcome("honest", "", time.process_time() - started)
        return Outcome("survived", "", time.process_time() - started)

    found = isolate.run(mutants, body, limit_s)
    return found if isinstance(found, Outcome) else Outcome("timeout", "", limit_s)
