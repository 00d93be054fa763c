"""What the command line prints, and how errors become exit statuses.

stdout carries the result only; with --json exactly one object. Progress and messages go to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import click
from rich.console import Console

from zkdl import __version__
from zkdl.errors import InternalError, ResourceError, UsageError, ZkError, printable

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
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
        self._last = 0.0
        # Where this process began; a resumed run begins behind zero.
        self._start: tuple[float, float] | None = None

    def say(self, text: str) -> None:
        """A message on stderr."""
        if not self.silent:
            self.console.print(text, markup=False)

    def progress(self, phase: str, done: float) -> None:
        """Progress with the time left; on a terminal one line that is rewritten, else a plain line per second or so."""
        now = time.monotonic()
        started, before = self._start = self._start or (now, done)
        if self.silent or (now - self._last < (0.1 if self.console.is_terminal else 2.0) and done < 1.0):
            return
        self._last = now
        made = done - before
        left = f", {(now - started) * (1 - done) / made:.0f} s left" if made > 0.02 and done < 1 else ""
        line = f"{100 * done:3.0f} % {phase}{left}"
        if self.console.is_terminal:
            self.console.print(line.ljust(78), end="\n" if done >= 1.0 else "\r", markup=False)
        else:
            self.console.print(line, markup=False)

    def result(self, text: str, data: dict[str, Any]) -> None:
        """The result on stdout."""
        if self.as_json:
            self._object({"ok": True, "code": "OK", **data})
        else:
            _print(text)

    def failure(self, error: ZkError) -> None:
        """The error on stderr, and with --json as an object on stdout."""
        if self.as_json:
            self._object({"ok": False, **error.to_json()})
        self.console.print(printable(f"error[{error.code}]: {error.message}"), markup=False)
        for key, value in error.where.items():
            self.console.print(printable(f"  {key}: {value}"), markup=False)
        if error.hint:
            self.console.print(f"  fix: {error.hint}", markup=False)
        self.console.print(f"  see: docs/errors.md#{error.code.lower()}", markup=False)

    def interrupted(self) -> None:
        """What to do after an interruption."""
        message = "interrupted; run the same command again to go on"
        if self.as_json:
            self._object({"ok": False, "code": "INTERRUPTED", "message": message, "hint": "", "where": {}})
        self.console.print(message, markup=False)

    def _object(self, body: dict[str, Any]) -> None:
        _print(json.dumps({"schema": f"zkdl/{self.verb}/1", **body}, sort_keys=True))


def _print(text: str) -> None:
    try:
        click.echo(printable(text))
    except BrokenPipeError:
        # The reader went away, as in `| head`: the exit status still tells. Python flushes stdout once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def verb(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command its Output and turn whatever it raises into one message and the documented exit status."""

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
        @click.option("--quiet", is_flag=True, help="No progress on stderr.")
        @wraps(command)
        def run(*args: Any, as_json: bool, quiet: bool, **options: Any) -> None:
            output = Output(name, as_json, quiet)
            status = _status(output, lambda: command(output, *args, **options))
            if status:
                sys.exit(status)

        return run

    return wrap


def guarded(name: str, as_json: bool, work: Callable[[], object]) -> int:
    """The exit status of a whole command line, its parsing included."""
    return _status(Output(name, as_json), work)


def _status(output: Output, work: Callable[[], object]) -> int:
    try:
        done = work()
        return done if isinstance(done, int) else 0
    except ZkError as error:
        output.failure(error)
        if isinstance(error, InternalError):
            _bug_report(output, error)
        return error.exit_status
    except click.ClickException as error:
        if output.as_json:
            output.failure(UsageError(error.format_message()))
        else:
            error.show()
        return UsageError.exit_status
    except (KeyboardInterrupt, click.Abort):
        output.interrupted()
        return INTERRUPTED
    except MemoryError:
        failed = ResourceError("memory ran out", code="MEMORY", hint="Use fewer steps per segment, or a larger machine")
        output.failure(failed)
        return failed.exit_status
    except Exception as error:  # the last line of defence: a bug, reported as one
        failed_inside = InternalError(f"{type(error).__name__}: {error}")
        output.failure(failed_inside)
        _bug_report(output, error)
        return failed_inside.exit_status


def _bug_report(output: Output, error: BaseException) -> None:
    output.console.print("This is a bug in zkdl. Please report it with these lines (they hold no data):", markup=False)
    output.console.print(f"zkdl {__version__}, Python {sys.version.split()[0]}, {sys.platform}", markup=False)
    for line in traceback.format_tb(error.__traceback__):
        output.console.print(line.rstrip(), markup=False)
