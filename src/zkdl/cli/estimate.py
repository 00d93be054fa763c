"""`zkdl estimate CONFIG`: what proving will cost on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.backend.select import get_backend
from zkdl.checking import check_run
from zkdl.cli.output import Output, verb
from zkdl.cli.prove import parse_bytes
from zkdl.configuration import read_configuration
from zkdl.proof.estimate import estimate


@click.command("estimate")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--max-memory", help="What the prover may take, for example 8GiB. Default: 90 % of this machine's.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the prover.")
@click.option("--backend", help="native, numpy or reference.")
@verb("estimate")
def command(output: Output, config: Path, max_memory: str | None, threads: int | None, backend: str | None) -> None:
    """Forecast time, memory, disk, proof size and soundness of CONFIG (TOML)."""
    limit = None if max_memory is None else parse_bytes(max_memory)
    configuration = read_configuration(config)
    data = configuration.load_train()
    given = configuration.initial_weights()
    initial = None if given is None else given[0]
    report = check_run(configuration.draft(data), data, configuration.segment_steps, initial)
    chosen = get_backend(backend, threads)
    steps = configuration.segment_steps
    found = estimate(report.run, steps, scales=report.scales, backend=chosen, max_memory=limit)
    output.result(found.table(), found.to_json())
