"""`zkdl check CONFIG`: can this run be proven, and how close is the integer training to float32?"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click

from zkdl.backend.select import get_backend
from zkdl.checking import check_run
from zkdl.cli.output import Output, verb
from zkdl.configuration import Configuration, read_configuration
from zkdl.datasets import Dataset
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory
from zkdl.session import Session
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
@verb("check")
def command(output: Output, config: Path, smoke: bool) -> None:
    """Check CONFIG (TOML): layers, scales, static bounds in bits, a short trial against float32."""
    configuration = read_configuration(config)
    data = configuration.load_train()
    given = configuration.initial_weights()
    initial = None if given is None else given[0]
    report = check_run(configuration.draft(data), data, configuration.segment_steps, initial)
    if smoke:
        output.say("proving and verifying two steps")
        _smoke(configuration, data, report.run.format.weight_frac, initial)
    tail = "\ntwo steps proven and verified" if smoke else ""
    output.result(str(report) + tail, {**report.to_json(), "smoke": smoke})
