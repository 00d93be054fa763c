"""Every forgery of every class."""

from __future__ import annotations

from benchmarks.forging import counterexamples, protocol, semantic
from benchmarks.forging.base import Forgery


def everything() -> list[Forgery]:
    return [*semantic.cheats(), *counterexamples.library(), *protocol.library()]
