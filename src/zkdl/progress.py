"""How far a proof is, in one number that only grows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock

Progress = Callable[[str, float], None]

# Shares of a segment's time, measured on the digits with two threads. The order is that of the prover.
PHASES = {"witness": 0.22, "commit": 0.26, "lookups": 0.40, "products": 0.05, "open": 0.07}
ALMOST = 0.99  # "100 %" is printed once, at the end


def quiet(phase: str, done: float) -> None:
    """No progress."""


class ProofProgress:
    """Progress over all sections of a proof.

    Args:
        report: gets (what is going on, part done of the whole), in [0, 1), never less than before.
        costs: section -> cost in any unit.
        finished: sections that are there already.
    """

    def __init__(self, report: Progress, costs: Mapping[str, float], finished: Iterable[str] = ()) -> None:
        total = sum(costs.values()) or 1.0
        self._shares = {name: cost / total for name, cost in costs.items()}
        self._report = report
        self._done = sum(self._shares[name] for name in finished)
        self._last = 0.0
        self._lock = Lock()

    def say(self, what: str) -> None:
        """What is going on between two sections."""
        self._tell(what, self._done)

    def section(self, name: str) -> Progress:
        """The progress callback of one section; a phase it does not know is the whole section."""

        def report(phase: str, done: float) -> None:
            before = 0.0
            for known, share in PHASES.items():
                if known == phase:
                    done = before + share * done
                    break
                before += share
            self._tell(f"{name}: {phase}", self._done + self._shares[name] * done)

        return report

    def finish(self, name: str) -> None:
        """The section is stored."""
        with self._lock:
            self._done += self._shares[name]

    def _tell(self, what: str, done: float) -> None:
        with self._lock:
            self._last = min(max(done, self._last), ALMOST)
            self._report(what, self._last)
