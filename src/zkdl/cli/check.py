"""`zkdl check CONFIG`: can this run be proven, at what cost, and how close is the integer training to float32?"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from zkdl.backend.select import get_backend
from zkdl.checking import check_run, plan_run
from zkdl.cli.limits import allowance, limits
from zkdl.cli.output import Output, verb
from zkdl.configuration import Configuration, read_configuration
from zkdl.datasets import Dataset
from zkdl.proof.estimate import estimate
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory
from zkdl.session import Session
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.weights import Weights

SMOKE_STEPS = 2


def _smoke(configuration: Configuration, data: Dataset, weight_frac: int, initial: Weights | None) -> None:
    """Train, prove and verify two steps of this very configuration, in the formats of the whole run."""
    short = replace(configuration, steps=SMOKE_STEPS, epochs=None, changes=(), weight_frac=weight_frac)
    with tempfile.TemporaryDirectory(prefix="zkdl-smoke-") as folder:
        session = Session(RunDirectory.create(Path(folder) / "run"), get_backend())
        session.begin(short.draft(data), data.features, data.labels, SMOKE_STEPS, initial)
        for _ in session.train():
            pass
        session.prove(Path(folder) / "smoke.zkproof")
        verify(Path(folder) / "smoke.zkproof")


@click.command("check")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--smoke", is_flag=True, help="Also prove and verify two steps.")
@click.option("--trial-steps", type=click.IntRange(min=1), help="Default: 256, or fewer where they take long.")
@limits("Refuse when the proof needs more, for example 8GiB.")
@verb("check")
def command(
    output: Output, config: Path, smoke: bool, trial_steps: int | None, max_memory: str | None, max_time: str | None
) -> None:
    """Check CONFIG (TOML): layers, scales, headroom in bits, cost and soundness, a trial against float32."""
    configuration = read_configuration(config)
    allowed = allowance(max_memory, max_time, configuration)
    data = configuration.load_train()
    given = configuration.initial_weights()
    initial = None if given is None else given[0]
    run, steps = configuration.draft(data), configuration.segment_steps
    start = initial_weights(run) if initial is None else initial
    planned = plan_run(run, data, steps, start)
    found = estimate(run, steps, scales=planned.scales, max_memory=allowed.max_memory)
    allowed.check(run, planned.scales, found)
    output.say("training a few steps in integers and in float32")
    report = check_run(run, data, steps, start, planned=planned, trial_steps=trial_steps)
    if smoke:
        output.say("proving and verifying two steps")
        _smoke(configuration, data, report.run.format.weight_frac, initial)
    tail = "\ntwo steps proven and verified" if smoke else ""
    text = f"{report}\n\n{found.table()}{tail}"
    output.result(text, {**report.to_json(), "estimate": found.to_json(), "smoke": smoke})
