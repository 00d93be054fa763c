"""`zkdl prove RUN`: prove every step of a trained run."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.cli.devices import chosen_backends, device_options
from zkdl.cli.limits import allowance, limits
from zkdl.cli.output import Output, verb
from zkdl.rundir import RunDirectory
from zkdl.session import Session, check_target


@click.command("prove")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--output", "-o", "target", type=click.Path(path_type=Path), help="Default: RUN/run.zkproof")
@click.option("--reveal-weights", type=click.Path(path_type=Path), help="Write the exact weights and their key here.")
@limits("What needs more goes to disk, for example 8GiB. Default: 90 % of this machine's memory.")
@click.option("--scratch", type=click.Path(path_type=Path), help="Folder on a disk for that. Default: RUN")
@device_options
@click.option("--devices", help="GPUs that share the segments out, for example 0,1.")
@verb("prove")
def command(
    output: Output,
    run: Path,
    target: Path | None,
    reveal_weights: Path | None,
    max_memory: str | None,
    max_time: str | None,
    scratch: Path | None,
    devices: str | None,
    device: str,
    device_memory: str | None,
    threads: int | None,
    backend: str | None,
) -> None:
    """Prove all steps of the run in directory RUN. Interrupted, it goes on with the first missing segment."""
    allowed = allowance(max_memory, max_time)
    directory = RunDirectory.open(run)
    first, *more = chosen_backends(output, device, devices, device_memory, backend, threads)
    session = Session(directory, first)
    path = target or run / "run.zkproof"
    if reveal_weights is not None:
        check_target(reveal_weights)
    session.prove(
        path,
        max_memory=allowed.max_memory,
        max_time=allowed.max_time,
        scratch=scratch,
        progress=output.progress,
        more=more,
    )
    if reveal_weights is not None:
        session.reveal_weights(reveal_weights)
    size = path.stat().st_size
    text = f"{path}: {size / 2**20:.2f} MiB\nnext: zkdl verify {path}"
    if reveal_weights is not None:
        text += f" --weights {reveal_weights}"
    output.result(text, {"proof": str(path), "bytes": size})
