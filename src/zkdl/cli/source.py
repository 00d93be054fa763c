"""Where a proof comes from: a file, or with `-` a pipe."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from zkdl.errors import UsageError

PIPE = Path("-")


def proof_stream(proof: Path) -> AbstractContextManager[IO[bytes]]:
    """The proof as a binary stream. Raises UsageError(FILE_MISSING, USAGE)."""
    if proof != PIPE:
        try:
            return proof.open("rb")
        except OSError as error:
            raise UsageError("the proof cannot be read", code="FILE_MISSING", file=str(proof)) from error
    # Python has no sys.stdin where the descriptor is closed.
    if sys.stdin is None:
        raise UsageError("standard input is closed", code="FILE_MISSING", hint="Pipe the proof into -")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal", code="USAGE", hint="Pipe the proof into -, or name its file")
    return nullcontext(sys.stdin.buffer)
