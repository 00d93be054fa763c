"""`zkdl schema VERB`: the JSON Schema of what a verb prints with --json."""

from __future__ import annotations

import json
from importlib import resources

import click

from zkdl.cli.output import Output, verb
from zkdl.cli.verbs import VERBS

NAMES = (*VERBS, "error")


@click.command("schema")
@click.argument("name", metavar="VERB", type=click.Choice(NAMES))
@verb("schema")
def command(output: Output, name: str) -> None:
    """Print the JSON Schema of what VERB prints with --json; `error` is what every verb prints when it fails."""
    text = resources.files("zkdl").joinpath("schemas", f"{name}.json").read_text(encoding="ascii")
    output.result(text.rstrip(), {"verb": name, "document": json.loads(text)})
