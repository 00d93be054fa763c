"""Containers are made at a few points that the run alone decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.tiny import tiny_run
from zkdl.publishing import DATA_BUDGET, POINTS, milestones, publishable
from zkdl.statement.segment import SegmentStatement


def chain(steps: int, cut: int) -> tuple[object, list[SegmentStatement]]:
    tiny = tiny_run()
    run = replace(tiny.run, steps=steps)
    segments = [
        replace(tiny.segment, index=i, first_step=first, steps=min(cut, steps - first))
        for i, first in enumerate(range(0, steps, cut))
    ]
    return run, segments


@pytest.mark.parametrize(("steps", "cut"), [(1, 1), (3, 1), (8, 1), (100, 7), (938, 64), (64, 64), (1000, 1)])
def test_at_most_as_many_prefixes_as_points(steps: int, cut: int) -> None:
    run, segments = chain(steps, cut)
    counts = [publishable(run, segments[:n]) for n in range(len(segments) + 1)]  # type: ignore[arg-type]  # a run
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == len(segments)
    assert all(count <= n for n, count in enumerate(counts))
    assert len(set(counts) - {0}) <= min(POINTS, steps) <= DATA_BUDGET - 2


def test_the_prefix_does_not_depend_on_how_far_training_went() -> None:
    """Two copies that stop at different steps between two milestones publish the same segments."""
    run, segments = chain(160, 4)
    assert milestones(run)[:2] == [20, 40]  # type: ignore[arg-type]  # a run
    assert {publishable(run, segments[:n]) for n in range(5, 10)} == {5}  # type: ignore[arg-type]  # a run
    assert publishable(run, segments[:4]) == 0  # type: ignore[arg-type]  # a run
