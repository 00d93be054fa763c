"""What `verify` says in words: scales, rounded learning rates and the beacon are never left out."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from tests.support.tiny import tiny_run
from zkdl.proof.security import segment_report
from zkdl.proof.verify import Verified
from zkdl.statement import schedule


def verified(**changes: object) -> Verified:
    tiny = tiny_run()
    run = replace(tiny.run, **changes)  # type: ignore[arg-type]  # fields by name
    return Verified(run, [tiny.segment], [segment_report(tiny.public)], [])


def test_scales_and_rounded_rates_are_shown() -> None:
    tiny = tiny_run()
    text = verified().describe()
    for layer in range(1, tiny.run.L + 1):
        fa, fg = tiny.segment.scales.fa[layer], tiny.segment.scales.fg[layer - 1]
        assert f"layer {layer}: activations 2^-{fa} to 2^-{fa}, gradients 2^-{fg} to 2^-{fg}" in text
    assert "scales are the prover's choice" in text


def test_a_rate_that_rounds_far_is_told() -> None:
    """c = 1.5 becomes 2: a third more than stated."""
    tiny = tiny_run()
    numerator, denominator = schedule.update_ratio(tiny.run, tiny.segment.scales, 1, 1)
    rate = 3 * denominator // (2 * numerator)
    assert schedule.update_integer(tiny.run, tiny.segment.scales, 1, rate) == 2
    assert "learning rate as stated to 33 %" in verified(schedule=((0, rate),)).describe()


def test_examples_that_no_step_used_are_told() -> None:
    run, steps = tiny_run().run, tiny_run().segment.steps
    few = verified(examples=run.batch * steps + 1)
    assert not few.every_example and "may have been used in none of the steps" in few.describe()
    enough = verified(examples=run.batch * steps)
    assert enough.every_example and "may have been used in none" not in enough.describe()


def test_a_beacon_does_not_silence_the_caveat() -> None:
    assert "had no beacon" in verified().describe()
    with_beacon = verified(beacon="00")
    digest = hashlib.sha256(replace(with_beacon.run, beacon=None).canonical()).hexdigest()
    assert digest in with_beacon.describe() and "only if" in with_beacon.describe()
