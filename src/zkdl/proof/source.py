"""What a verifier is given to read: the proof, as a file or a pipe, and the file of expected values."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

from zkdl.errors import UsageError

PIPE = Path("-")


def open_proof(source: Path | str | IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    """The proof as a binary stream. A file is closed after use; a stream is the caller's. Raises UsageError(FILE_MISSING)."""
    if not isinstance(source, Path | str):
        return nullcontext(source)
    try:
        return Path(source).open("rb")
    except OSError as error:
        hint = "This is a directory; name the .zkproof file in it" if Path(source).is_dir() else "Check the path"
        raise UsageError("the proof cannot be read", code="FILE_MISSING", hint=hint, file=str(source)) from error


def proof_stream(proof: Path) -> AbstractContextManager[IO[bytes]]:
    """As `open_proof`, for a command's argument: `-` is standard input. Raises UsageError(FILE_MISSING, USAGE)."""
    if proof != PIPE:
        return open_proof(proof)
    # Python has no sys.stdin where the descriptor is closed.
    if sys.stdin is None:
        raise UsageError("standard input is closed", code="FILE_MISSING", hint="Pipe the proof into -")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal", code="USAGE", hint="Pipe the proof into -, or name its file")
    return nullcontext(sys.stdin.buffer)


def read_expected(path: Path) -> dict[str, Any]:
    """The JSON object in a file: fields and the values that they must have. Raises UsageError(FILE_MISSING, EXPECT_FIELD)."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError("the expected statement cannot be read", code="FILE_MISSING", file=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError("the expected statement is not JSON", code="EXPECT_FIELD", file=str(path)) from error
    if not isinstance(found, dict):
        raise UsageError("the expected statement must be an object", code="EXPECT_FIELD", file=str(path))
    return found
