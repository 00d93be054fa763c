"""`zkdl completion SHELL`: a script that completes verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from zkdl.cli.output import Output, verb
from zkdl.errors import InternalError

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@verb("completion")
def command(output: Output, shell: str) -> None:
    """Print a completion script for SHELL, for example: eval "$(zkdl completion bash)"."""
    kind = get_completion_class(shell)
    if kind is None:
        raise InternalError("click has no completion for this shell", shell=shell)
    # Only the name of the program and of the variable are needed for the script itself.
    script = kind(click.Command("zkdl"), {}, "zkdl", "_ZKDL_COMPLETE").source()
    output.result(script.rstrip(), {"shell": shell, "script": script})
