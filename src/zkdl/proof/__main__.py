"""`python -m zkdl.proof PROOF`: the verifier where nothing but numpy is installed.

Output and exit statuses are those of `zkdl verify`; what needs a reader of data files is left to that command.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from zkdl import __version__
from zkdl.errors import ResourceError, ZkError, printable
from zkdl.proof.source import proof_stream, read_expected
from zkdl.proof.verify import verify


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m zkdl.proof", description="Verify a proof of training.")
    parser.add_argument("proof", help="proof file, or - for a pipe")
    parser.add_argument("--weights", help="revealed weights that must be the proven ones")
    parser.add_argument("--expect", help="JSON file with statement fields that must match")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


def _verified(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Text and JSON body of an accepted proof."""
    wanted = None if options.expect is None else read_expected(Path(options.expect))
    with proof_stream(Path(options.proof)) as stream:
        found = verify(stream, weights=options.weights, expect=wanted)
    timings = {name: round(seconds, 4) for name, seconds in found.timings_s.items()}
    return "The proof is valid.\n" + found.describe(), {"statement": found.to_json(), "timings_s": timings}


def main(arguments: list[str] | None = None) -> int:
    """Verify; returns the exit status. Arguments default to those of the process."""
    options = _arguments(arguments)
    body: dict[str, Any]
    try:
        text, found = _verified(options)
        body, status = {"ok": True, "code": "OK", **found}, 0
    except ZkError as error:
        text, body, status = f"error[{error.code}]: {error}", {"ok": False, **error.to_json()}, error.exit_status
    except MemoryError:
        failed = ResourceError("memory ran out", code="MEMORY")
        text, body, status = f"error[{failed.code}]: {failed}", {"ok": False, **failed.to_json()}, failed.exit_status
    if options.json:
        text, out = json.dumps({"schema": "zkdl/verify/1", **body}, sort_keys=True), sys.stdout
    else:
        out = sys.stderr if status else sys.stdout
    try:
        print(printable(text), file=out, flush=True)
    except BrokenPipeError:
        # The reader went away, as in `| head`: the exit status still tells. Python flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    return status


if __name__ == "__main__":
    sys.exit(main())
