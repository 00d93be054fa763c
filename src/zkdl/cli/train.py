"""`zkdl train CONFIG`: exact integer training into a run directory."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.backend.select import get_backend
from zkdl.checking import check_allowance
from zkdl.cli.limits import allowance, limits
from zkdl.cli.output import Output, verb
from zkdl.configuration import Configuration, read_configuration
from zkdl.rundir import RunDirectory
from zkdl.session import Session
from zkdl.train.evaluate import evaluate


def _test_accuracy(configuration: Configuration, session: Session) -> float | None:
    test = configuration.load_test()
    if test is None:
        return None
    run, _ = session.directory.read_statement()
    last = session.directory.segments()[-1]
    weights = session.directory.read_weights(last.end_step)
    return evaluate(run, last.scales, weights, test.features, test.labels).accuracy


@click.command("train")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--directory", type=click.Path(path_type=Path), help="Instead of the configuration's run.directory.")
@limits("Refuse when the proof will need more, for example 8GiB.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads for the commitments.")
@click.option("--backend", help="native, numpy or reference.")
@verb("train")
def command(
    output: Output,
    config: Path,
    directory: Path | None,
    max_memory: str | None,
    max_time: str | None,
    threads: int | None,
    backend: str | None,
) -> None:
    """Train CONFIG (TOML). An interrupted run goes on where it stopped and ends in the same weights."""
    configuration = read_configuration(config)
    allowed = allowance(max_memory, max_time, configuration)
    data = configuration.load_train()
    initial = configuration.initial_weights()
    folder = directory or Path(configuration.directory)
    chosen = get_backend(backend, threads)
    draft, start = configuration.draft(data), None if initial is None else initial[0]
    trained = RunDirectory(folder).trained(draft.steps)
    if allowed:
        check_allowance(draft, data, configuration.segment_steps, start, allowed, chosen, trained)
    session = Session(RunDirectory.create(folder), chosen)
    output.progress("committing the data", trained)
    run = session.begin(draft, data.features, data.labels, configuration.segment_steps, start)
    clamped = 0
    for segment, result in session.train():
        clamped += int(result.clamp_counts.sum())
        done = segment.end_step / run.steps
        output.progress(f"step {segment.end_step} of {run.steps}", done)
        if result.stopped is not None:
            output.say(f"segment {segment.index} ends early, a value left its range: {result.stopped}")
    segments = session.directory.segments()
    accuracy = _test_accuracy(configuration, session)
    text = f"trained {run.steps} steps in {len(segments)} segments in {folder}; {clamped} values clamped"
    if accuracy is not None:
        text += f"; test accuracy {100 * accuracy:.2f} %"
    text += f"\nnext: zkdl prove {folder}\nThe directory holds secrets; only the proof is for publication."
    output.result(
        text,
        {
            "steps": run.steps,
            "segments": len(segments),
            "clamped": clamped,
            "test_accuracy": accuracy,
            "directory": str(folder),
        },
    )
