"""The sizes of a container's header against `statement/limits.py`, before anything is derived from them."""

from __future__ import annotations

from zkdl.errors import MalformedProof
from zkdl.proof.format import Header
from zkdl.statement.limits import Excess, run_excess, segment_excess


def _refuse(excess: Excess | None) -> None:
    if excess is not None:
        name, value, limit = excess
        message = "the statement is larger than this verifier accepts"
        raise MalformedProof(message, code="TOO_LARGE", field=name, value=value, limit=limit)


def check_sizes(header: Header) -> None:
    """Raises MalformedProof(TOO_LARGE) naming what is too large. The header's fields need not be valid otherwise."""
    _refuse(run_excess(header.run))
    for segment in header.segments:
        _refuse(segment_excess(header.run, segment.steps))
