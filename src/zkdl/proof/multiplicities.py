"""Multiplicities are int32: what could count further is refused when a run is planned, not after all the work.

The worst case is one entry that every lookup hits, such as zero in a range table. Initial weights need no check: with at most
2^28 weights, padded to 2^29 positions with three limbs of one width, they stay below 2^31.
"""

from __future__ import annotations

from collections import Counter

from zkdl.commitment.parameters import ParameterSet
from zkdl.errors import NotProvable
from zkdl.proof.run_certificates import data_certificate_layout
from zkdl.statement.run import RunStatement

MAX_LOOKUPS = (1 << 31) - 1


def data_lookups(run: RunStatement, parameters: ParameterSet) -> int:
    """The most lookups that one entry of the data certificate's table can have."""
    layout, by_width = data_certificate_layout(run, parameters), Counter[int]()
    for r in layout.ranges:
        for width in r.limbs:
            by_width[width] += r.rows * layout.code.row
    return max(by_width.values())


def segment_lookups(run: RunStatement, segment_steps: int) -> int:
    """The same of a segment: two limbs in each direction may share a width, and so may the remainders of softmax."""
    slots = 1 << (min(segment_steps, run.steps) - 1).bit_length() + (run.batch - 1).bit_length()
    return slots * (4 * sum(run.widths[1:]) + 2 * run.classes)


def check_multiplicities(run: RunStatement, segment_steps: int, parameters: ParameterSet) -> None:
    """Raises NotProvable(TOO_LARGE) when an entry could be looked up 2^31 times or more. The run's sizes are in the limits."""
    for name, value, hint in (
        ("lookups of the data", data_lookups(run, parameters), "Train on fewer examples or with fewer features"),
        ("lookups of a segment", segment_lookups(run, segment_steps), "Set run.segment_steps to a smaller number"),
    ):
        if value > MAX_LOOKUPS:
            raise NotProvable(
                f"the prover counts lookups in 32 bits: {name} {value}, at most {MAX_LOOKUPS}",
                code="TOO_LARGE",
                hint=hint,
                field=name,
                value=value,
                limit=MAX_LOOKUPS,
            )
