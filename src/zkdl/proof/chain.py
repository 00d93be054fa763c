"""How the segments of a run follow each other. [review.md, (b) 5, 7, 8]

A chain may start later than step 0 and may end before the last planned step; `verify` then says so. It may have no gap.
Only numbers and strings of the header are compared, so this comes before the rules of the single segments, whose cost grows
with their steps: some of what is checked here those rules repeat.
"""

from __future__ import annotations

from collections.abc import Sequence

from zkdl.errors import Rejected
from zkdl.statement.run import RunStatement
from zkdl.statement.sampler import steps_per_epoch
from zkdl.statement.segment import SegmentStatement


def check_chain(run: RunStatement, segments: Sequence[SegmentStatement]) -> None:
    """Positions, roots and bounds of consecutive segments, and the start of the chain. Raises Rejected(CHAIN)."""
    if not segments:
        raise Rejected("the proof has no segment", code="CHAIN")
    first = segments[0]
    if first.first_step == 0:
        start = first.w_in
        if start.root != (run.init_root or ""):
            raise Rejected("the first weights are not the declared initial ones", code="CHAIN", segment=0)
        if start.weight_bound != run.init_weight_bound or start.bias_bound != run.init_bias_bound:
            raise Rejected("the first weight bounds are not the declared ones", code="CHAIN", segment=0)
    elif first.w_in.root == "":
        raise Rejected("a later segment cannot start from the seed", code="CHAIN", segment=first.index)
    for before, after in zip(segments[:-1], segments[1:], strict=True):
        if after.w_in != before.w_out or after.index != before.index + 1:
            raise Rejected("a segment does not continue the one before it", code="CHAIN", segment=after.index)
    for segment in segments[1:]:
        if segment.w_in.root == "":
            raise Rejected("a later segment cannot start from the seed", code="CHAIN", segment=segment.index)


def complete(run: RunStatement, segments: Sequence[SegmentStatement]) -> bool:
    """Whether all planned steps are in the chain."""
    return segments[0].first_step == 0 and segments[-1].end_step == run.steps


def every_example(run: RunStatement, segments: Sequence[SegmentStatement]) -> bool:
    """Whether the statement makes sure that each committed example was used: a whole epoch is in the chain, and drops none.

    Where a partial batch is dropped, later epochs may have used what the first one left out; this is not looked at.
    """
    per_epoch = steps_per_epoch(run)
    epoch = -(-segments[0].first_step // per_epoch)
    whole = (epoch + 1) * per_epoch <= segments[-1].end_step
    return whole and per_epoch * run.batch >= run.examples
