"""Entry point: `zkdl VERB`. Verbs are loaded when they are called, so that `zkdl verify` needs no training code."""

from __future__ import annotations

import importlib
import signal
import sys
from functools import partial
from typing import Any

import click

from zkdl import __version__
from zkdl.cli.output import guarded
from zkdl.cli.verbs import VERBS


class LazyGroup(click.Group):
    """Imports a verb's module when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"zkdl.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """As click's, but an interruption is status 130 and no other trouble is status 1: that says "rejected"."""
        parent: Any = super()  # its overloads differ between releases of click
        if not standalone_mode:
            return parent.main(*args, standalone_mode=False, **extra)
        given = extra.get("args") or (args[0] if args else None)
        arguments = list(sys.argv[1:] if given is None else given)
        name = next((argument for argument in arguments if argument in VERBS), "zkdl")
        parse_and_run = partial(parent.main, *args, standalone_mode=False, **extra)
        sys.exit(guarded(name, "--json" in arguments, parse_and_run))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="zkdl")
def cli() -> None:
    """Prove in zero knowledge how a neural network was trained, and verify such proofs.

    Exit status: 0 ok, 1 proof rejected, 2 usage, 3 malformed or unsupported proof, 4 not provable, 5 resources,
    6 device, 70 internal error, 130 interrupted.
    """


def _interrupt(number: int, frame: object) -> None:
    """A request to end is an interruption: it unwinds, ends child processes, and says how to go on."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    # Whoever started this process may have asked it to ignore the signal.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)
    cli.main(prog_name="zkdl")


if __name__ == "__main__":
    main()
