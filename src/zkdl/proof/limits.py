"""Sizes beyond which this release refuses a statement: they bound what a hostile header can make a verifier allocate.

Checked on numbers alone, before anything is derived from them. The memory and time of a verifier grow with these products:
weights (expansion of the seed), entries of the dataset (row weights of its openings), T * B (tables over steps and
examples), L * T (update integers). Tables are bounded by `statement/run.MAX_TABLE_BITS`.
"""

from __future__ import annotations

from zkdl.errors import MalformedProof
from zkdl.proof.format import Header

MAX_WEIGHTS = 1 << 28
MAX_DATA_ENTRIES = 1 << 38
MAX_EXAMPLES = 1 << 26
MAX_WIDTH = 1 << 16
MAX_STEPS = 1 << 31
MAX_SLOTS = 1 << 20
MAX_UPDATES = 1 << 21
MAX_SCHEDULE = 1 << 16


def _require(sizes: dict[str, tuple[int, int]]) -> None:
    for name, (value, limit) in sizes.items():
        if value > limit:
            raise MalformedProof(
                "the statement is larger than this verifier accepts",
                code="TOO_LARGE",
                field=name,
                value=value,
                limit=limit,
            )


def check_sizes(header: Header) -> None:
    """Raises MalformedProof(TOO_LARGE) naming what is too large. The header's fields need not be valid otherwise."""
    run = header.run
    if not run.widths or min(run.widths) < 1 or run.batch < 1 or run.examples < 1:
        return  # left to `validate`, which says what is wrong with them
    layers = len(run.widths) - 1
    _require(
        {
            "width": (max(run.widths), MAX_WIDTH),
            "weights": (sum(a * b for a, b in zip(run.widths[:-1], run.widths[1:], strict=True)), MAX_WEIGHTS),
            "examples": (run.examples, MAX_EXAMPLES),
            "dataset entries": (run.examples * (run.widths[0] + run.widths[-1]), MAX_DATA_ENTRIES),
            "steps": (run.steps, MAX_STEPS),
            "schedule": (len(run.schedule), MAX_SCHEDULE),
        }
    )
    for segment in header.segments:
        _require(
            {
                "segment steps times batch": (segment.steps * run.batch, MAX_SLOTS),
                "segment steps times layers": (segment.steps * layers, MAX_UPDATES),
            }
        )
