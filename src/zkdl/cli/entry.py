"""The installed command `zkdl`: says which packages it lacks, where a verifier was installed alone, and else runs the verbs.

What is missing must not end in a traceback: its exit status 1 would say that a proof was rejected.
"""

from __future__ import annotations

import importlib.util
import json
import sys

from zkdl.cli.verbs import VERBS
from zkdl.errors import UsageError

NEEDED = ("numpy", "click", "rich", "safetensors")


def missing() -> list[str]:
    """Packages of the command line that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def refusal(names: list[str]) -> UsageError:
    """The error about packages that are missing."""
    alone = "python -m zkdl.reference.verifier" if "numpy" in names else "python -m zkdl.proof"
    return UsageError(
        f"the command line needs packages that are not installed here: {', '.join(names)}",
        code="CLI_MISSING",
        hint=f"pip install {' '.join(names)}; without them, {alone} PROOF verifies",
    )


def main() -> None:
    """Run the command line."""
    names = missing()
    if not names:
        from zkdl.cli.main import main as run

        run()
        return
    error, arguments = refusal(names), sys.argv[1:]
    if "--json" in arguments:
        verb = next((argument for argument in arguments if argument in VERBS), "zkdl")
        print(json.dumps({"schema": f"zkdl/{verb}/1", "ok": False, **error.to_json()}, sort_keys=True))
    print(f"error[{error.code}]: {error.message}\n  fix: {error.hint}", file=sys.stderr)
    sys.exit(error.exit_status)
