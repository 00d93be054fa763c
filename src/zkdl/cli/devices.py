"""`--device`, `--devices` and what goes with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from zkdl.allowance import parse_bytes
from zkdl.backend.base import Backend
from zkdl.backend.select import AUTO, CUDA, describe, get_prover_backend
from zkdl.cli.output import Output
from zkdl.errors import UsageError

LEAST_DEVICE_BYTES = 64 << 20
Command = Callable[..., Any]


def device_options(command: Command) -> Command:
    """--device, --device-memory, --threads and --backend."""
    for option in (
        click.option("--backend", help="Of what runs on the processor: native, numpy or reference."),
        click.option("--threads", type=click.IntRange(min=1), help="Default: all processors."),
        click.option("--device-memory", help="Of each GPU, for example 40GiB. Default: 90 % of what is free."),
        click.option("--device", default=AUTO, help="auto, cpu, cuda, or cuda:N for one of several GPUs."),
    ):
        command = option(command)
    return command


def chosen_backends(
    output: Output,
    device: str,
    devices: str | None,
    device_memory: str | None,
    backend: str | None,
    threads: int | None,
) -> list[Backend]:
    """One backend per device, at least one; says what was chosen.

    Raises: DeviceError as of `get_prover_backend`, UsageError(USAGE) for what does not go together.
    """
    names = [device]
    if devices is not None:
        if device not in (AUTO, CUDA):
            raise UsageError("--devices and --device exclude each other", code="USAGE", hint="Give one of them")
        numbers = [number.strip() for number in devices.split(",")]
        names = [f"{CUDA}:{int(number) if number.isdecimal() else number}" for number in numbers]
        if len(set(names)) < len(names):
            raise UsageError("a GPU is named twice", code="USAGE", hint="Give every number once", devices=devices)
    limit = None if device_memory is None else parse_bytes(device_memory, "device_memory")
    if limit is not None and limit < LEAST_DEVICE_BYTES:
        raise UsageError(
            "no proof fits into so little memory", code="USAGE", hint="Give at least 64MiB", limit=device_memory
        )
    found = [get_prover_backend(name, backend, threads, limit) for name in names]
    output.say("device: " + "; ".join(describe(each) for each in found))
    return found
