"""At which points of a run a container may be made.

A container for other segments than the ones before has a data proof of its own, which opens the dataset and every link at
fresh positions. A journal cannot count what a copy of the run directory, or a restored backup, publishes. So the points are a
function of the run alone: whoever proves, wherever, makes one of the same few data proofs, and repeats its bytes. Their number
stays below the openings that the commitments survive.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

POINTS = 8
# The certificate, a data proof at every point, and one to spare for a proof that another release repeats.
DATA_BUDGET = POINTS + 2


def milestones(run: RunStatement) -> list[int]:
    """Numbers of steps, ascending; the last one is the whole run."""
    return sorted({-(-k * run.steps // POINTS) for k in range(1, POINTS + 1)})


def publishable(run: RunStatement, segments: Sequence[SegmentStatement]) -> int:
    """How many of the first segments a container may hold now: those up to the first one that reaches the latest milestone.

    Segments follow from the run and its data, so the answer for a milestone is the same in every copy. 0: none is reached.
    """
    ends = [segment.end_step for segment in segments]
    reached = [m for m in milestones(run) if ends and ends[-1] >= m]
    if not reached:
        return 0
    return next(i for i, end in enumerate(ends, start=1) if end >= reached[-1])
