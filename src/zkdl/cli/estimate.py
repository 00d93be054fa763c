"""`zkdl estimate CONFIG`: what proving will cost on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.backend.select import get_backend
from zkdl.checking import plan_run
from zkdl.cli.limits import allowance, limits
from zkdl.cli.output import Output, verb
from zkdl.configuration import read_configuration
from zkdl.proof.estimate import estimate


@click.command("estimate")
@click.argument("config", type=click.Path(path_type=Path))
@limits("Refuse when the prover needs more, for example 8GiB. Default: forecast for 90 % of this machine's.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the prover.")
@click.option("--backend", help="native, numpy or reference.")
@verb("estimate")
def command(
    output: Output,
    config: Path,
    max_memory: str | None,
    max_time: str | None,
    threads: int | None,
    backend: str | None,
) -> None:
    """Forecast time, memory, disk, proof size and soundness of CONFIG (TOML)."""
    configuration = read_configuration(config)
    allowed = allowance(max_memory, max_time, configuration)
    data = configuration.load_train()
    given = configuration.initial_weights()
    run, steps = configuration.draft(data), configuration.segment_steps
    scales = plan_run(run, data, steps, None if given is None else given[0]).scales
    chosen = get_backend(backend, threads)
    found = estimate(run, steps, scales=scales, backend=chosen, max_memory=allowed.max_memory)
    allowed.check(run, scales, found)
    output.result(found.table(), found.to_json())
