"""T3, T12: a prover that is told a challenge before it sends a message or commits.

Each attack is run twice: against a transcript that forgets the message, where it must succeed, and against the real one, where
it must be rejected. The attacks are those of `python -m benchmarks.forgery`, which tries them a thousand times.
"""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.forging.protocol import ATTACKS, CODES
from benchmarks.forging.roots import range_certificate, segment, small_run


@pytest.mark.parametrize("label", ATTACKS)
@pytest.mark.parametrize("seed", range(2))
def test_attack(label: str, seed: int) -> None:
    run = ATTACKS[label](np.random.default_rng([seed, *label.encode()]))
    assert run(label) == "OK"
    assert run("") in CODES


def test_a_segment_whose_counts_do_not_fit() -> None:
    """A transcript that forgets the root is not enough."""
    tiny = small_run(7)
    assert segment(tiny, 0, 1, "root/witness") == "OK"
    assert segment(tiny, 0, 1, "root/witness", fudged=False) == "RELATIONS"


def test_a_certificate_of_values_in_range() -> None:
    assert range_certificate([0, 7, 3, 3, 5, 1, 0, 7], "") == "OK"
    assert range_certificate([0, 7, 9, 3, 5, 1, 0, 7], "") == "RELATIONS"
