"""What the command line prints, and how errors become exit statuses.

stdout carries the result only; with --json exactly one object. Progress and messages go to stderr.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import click
from rich.console import Console

from zkdl import __version__
from zkdl.errors import InternalError, ResourceError, ZkError

Arguments = ParamSpec("Arguments")
INTERRUPTED = 130
WIDTH = 200


class Output:
    """One verb's output.

    Args:
        verb: for the schema name. as_json: print one JSON object instead of text. silent: no progress.
    """

    def __init__(self, verb: str, as_json: bool = False, silent: bool = False) -> None:
        self.verb = verb
        self.as_json = as_json
        self.silent = silent
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._started = time.monotonic()
        self._last = 0.0

    def say(self, text: str) -> None:
        """A message on stderr."""
        if not self.silent:
            self.console.print(text, markup=False)

    def progress(self, phase: str, done: float) -> None:
        """Progress with the time left; on a terminal one line that is rewritten, else a plain line per second or so."""
        now = time.monotonic()
        if self.silent or (now - self._last < (0.1 if self.console.is_terminal else 2.0) and done < 1.0):
            return
        self._last = now
        passed = now - self._started
        left = f", {passed * (1 - done) / done:.0f} s left" if 0.02 < done < 1 else ""
        line = f"{100 * done:3.0f} % {phase}{left}"
        if self.console.is_terminal:
            self.console.print(line.ljust(78), end="\n" if done >= 1.0 else "\r", markup=False)
        else:
            self.console.print(line, markup=False)

    def result(self, text: str, data: dict[str, Any]) -> None:
        """The result on stdout."""
        if self.as_json:
            body = {"schema": f"zkdl/{self.verb}/1", "ok": True, "code": "OK", **data}
            click.echo(json.dumps(body, sort_keys=True))
        else:
            click.echo(text)

    def failure(self, error: ZkError) -> None:
        """The error on stderr, and with --json as an object on stdout."""
        if self.as_json:
            body = {
                "schema": f"zkdl/{self.verb}/1",
                "ok": False,
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "where": {key: str(value) for key, value in error.where.items()},
            }
            click.echo(json.dumps(body, sort_keys=True))
        self.console.print(f"error[{error.code}]: {error.message}", markup=False)
        for key, value in error.where.items():
            self.console.print(f"  {key}: {value}", markup=False)
        if error.hint:
            self.console.print(f"  fix: {error.hint}", markup=False)


def verb(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command its Output and turn whatever it raises into one message and the documented exit status."""

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
        @click.option("--quiet", is_flag=True, help="No progress on stderr.")
        @wraps(command)
        def run(*args: Any, as_json: bool, quiet: bool, **options: Any) -> None:
            output = Output(name, as_json, quiet)
            try:
                command(output, *args, **options)
            except ZkError as error:
                output.failure(error)
                if isinstance(error, InternalError):
                    _bug_report(output, error)
                sys.exit(error.exit_status)
            except KeyboardInterrupt:
                output.console.print("interrupted; run the same command again to go on", markup=False)
                sys.exit(INTERRUPTED)
            except MemoryError:
                failed = ResourceError("memory ran out", code="MEMORY", hint="Use fewer steps per segment, or a larger machine")
                output.failure(failed)
                sys.exit(failed.exit_status)
            except Exception as error:  # noqa: BLE001 - the last line of defence: a bug, reported as one
                failed_inside = InternalError(f"{type(error).__name__}: {error}")
                output.failure(failed_inside)
                _bug_report(output, error)
                sys.exit(failed_inside.exit_status)

        return run

    return wrap


def _bug_report(output: Output, error: BaseException) -> None:
    output.console.print("This is a bug in zkdl. Please report it with these lines (they hold no data):", markup=False)
    output.console.print(f"zkdl {__version__}, Python {sys.version.split()[0]}, {sys.platform}", markup=False)
    for line in traceback.format_tb(error.__traceback__):
        output.console.print(line.rstrip(), markup=False)
