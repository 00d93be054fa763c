"""A quick run of `python -m benchmarks.forgery`: nothing forged is accepted, nothing crashes, every control is accepted."""

from __future__ import annotations

import pytest
from benchmarks.forgery import CLASSES, QUICK, Tally, summary, work


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CLASSES)
def test_nothing_forged_is_accepted(name: str) -> None:
    tallies = {name: Tally()}
    work({name: QUICK[name]}, tallies)
    found = tallies[name]
    assert not found.failed, found.findings
    assert found.attempts == QUICK[name] and not found.unexpected, found.codes
    assert (found.controls > 0) == (name != "bytes")
    assert summary(tallies)["attempts"] == found.attempts
