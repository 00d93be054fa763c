"""Every forgery of every class."""

from __future__ import annotations

from benchmarks.forging import byte_strings, counterexamples, protocol, semantic, statements
from benchmarks.forging.base import Forgery


def everything() -> list[Forgery]:
    return [
        *semantic.library(),
        *statements.library(),
        *counterexamples.library(),
        *protocol.library(),
        *byte_strings.library(),
    ]
