"""The options --max-memory and --max-time, and what the configuration says where they are not given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from zkdl.allowance import Allowance, parse_bytes, parse_seconds
from zkdl.configuration import Configuration

TIME_HELP = "Refuse when what is ahead takes longer by the forecast, for example 90s, 15m or 1h30m."


def limits(memory_help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add both options to a command; they arrive as the texts `max_memory` and `max_time`, or None."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option("--max-time", help=TIME_HELP)(command)
        return click.option("--max-memory", help=memory_help)(command)

    return add


def allowance(max_memory: str | None, max_time: str | None, configuration: Configuration | None = None) -> Allowance:
    """The limits that hold. Raises UsageError(CONFIG_VALUE)."""
    memory = None if max_memory is None else parse_bytes(max_memory)
    given = Allowance(memory, None if max_time is None else parse_seconds(max_time))
    return given if configuration is None else given.over(configuration.allowance)
