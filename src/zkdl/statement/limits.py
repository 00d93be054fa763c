"""Sizes beyond which this release neither trains nor proves nor verifies a statement: the one definition of each.

They bound what a hostile header can make a verifier allocate, and are checked on numbers alone, before anything is derived
from them. The memory and time of a verifier grow with these products: weights (expansion of the seed), entries of the
dataset (row weights of its openings), T * B (tables over steps and examples), L * T (update integers). A run beyond them is
refused before its first step, because no verifier would accept its proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkdl.errors import NotProvable

if TYPE_CHECKING:
    from zkdl.statement.run import RunStatement

# Entries of one lookup table, as a power of two.
MAX_TABLE_BITS = 21
MAX_WIDTH = 1 << 16
MAX_LAYERS = 256
MAX_BATCH = 1 << 16
MAX_EXAMPLES = 1 << 26
MAX_STEPS = 1 << 31
MAX_BUDGET = 1 << 12
MAX_SCHEDULE = 1 << 16
MAX_WEIGHTS = 1 << 28
MAX_DATA_ENTRIES = 1 << 38
MAX_SEGMENT_STEPS = 1 << 20
MAX_SLOTS = 1 << 20
MAX_UPDATES = 1 << 21
# Commas and opening brackets of a header, a measure of its values that needs no parsing.
MAX_HEADER_MARKS = 1 << 19

Excess = tuple[str, int, int]


def _first(sizes: dict[str, tuple[int, int]]) -> Excess | None:
    return next(((name, value, limit) for name, (value, limit) in sizes.items() if value > limit), None)


def run_excess(run: RunStatement) -> Excess | None:
    """Name, value and limit of the first size of a run that is too large. The fields need not be valid otherwise."""
    if not run.widths or min(run.widths) < 1 or run.examples < 1:
        return None  # left to `validate`, which says what is wrong with them
    return _first(
        {
            "width": (max(run.widths), MAX_WIDTH),
            "weights": (run.weight_count, MAX_WEIGHTS),
            "examples": (run.examples, MAX_EXAMPLES),
            "dataset entries": (run.examples * (run.widths[0] + run.widths[-1]), MAX_DATA_ENTRIES),
            "steps": (run.steps, MAX_STEPS),
            "schedule": (len(run.schedule), MAX_SCHEDULE),
        }
    )


def segment_excess(run: RunStatement, steps: int) -> Excess | None:
    """The same of a segment of so many steps."""
    return _first(
        {
            "segment steps times batch": (steps * run.batch, MAX_SLOTS),
            "segment steps times layers": (steps * (len(run.widths) - 1), MAX_UPDATES),
        }
    )


def longest_segment(run: RunStatement) -> int:
    """Steps of the longest segment that a verifier accepts, 0 when there is none."""
    return min(MAX_SEGMENT_STEPS, MAX_SLOTS // run.batch, MAX_UPDATES // (len(run.widths) - 1))


def header_marks(run: RunStatement, segments: int) -> int:
    """Commas and opening brackets of the header of so many segments, at most."""
    layers = len(run.widths) - 1
    return 64 + 6 * layers + 3 * len(run.schedule) + segments * (6 * layers + 25)


def check_provable(run: RunStatement, segment_steps: int) -> None:
    """Raises NotProvable(TOO_LARGE) for a run in segments of `segment_steps` steps that every verifier would refuse."""
    excess, hint = run_excess(run), "Train a smaller network, on fewer examples or with a shorter schedule"
    if excess is None:
        excess = segment_excess(run, min(segment_steps, run.steps))
        hint = f"Set run.segment_steps to {longest_segment(run)} at most"
    if excess is None:
        segments = -(-run.steps // max(segment_steps, 1))
        excess = _first({"segments": (header_marks(run, segments), MAX_HEADER_MARKS)})
        hint = "Raise run.segment_steps: every segment takes room in the header of the proof"
    if excess is not None:
        name, value, limit = excess
        raise NotProvable(
            f"no verifier accepts a run of this size: {name} {value}, at most {limit}",
            code="TOO_LARGE",
            hint=hint,
            field=name,
            value=value,
            limit=limit,
        )
