"""Every error zkdl raises on purpose, with a stable code and an exit status.

One tree, so that callers can catch `ZkError` and the command line can map any of them to one message and one
exit status. A `code` never changes its meaning once released; `docs/errors.md` documents each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self


def printable(text: str) -> str:
    """Without the control characters with which a stranger's proof could write on the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


class ZkError(Exception):
    """Base class.

    Args:
        message: one sentence saying what is wrong.
        code: stable identifier in upper case, for example ``"DATA_LABEL_RANGE"``.
        hint: what the user can do about it.
        where: named locations, for example ``layer=3`` or ``file="run.zkproof"``.
    """

    exit_status = 70
    default_code = "INTERNAL"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "", **where: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.where = {key: value for key, value in where.items() if value is not None}

    def at(self, where: Mapping[str, object]) -> Self:
        """The same error with the places of another one."""
        self.where.update(where)
        return self

    def to_json(self) -> dict[str, Any]:
        """Code, message, hint and places, as every command prints them with --json."""
        where = {key: str(value) for key, value in self.where.items()}
        return {"code": self.code, "message": self.message, "hint": self.hint, "where": where}

    def __str__(self) -> str:
        place = ", ".join(f"{key} {value}" for key, value in self.where.items())
        text = f"{self.message} ({place})" if place else self.message
        return f"{text}. {self.hint}" if self.hint else text


class Rejected(ZkError):
    """The proof is false, or it does not prove what was expected. Exit status 1 and nothing else uses it."""

    exit_status = 1
    default_code = "REJECTED"


class UsageError(ZkError):
    """Wrong arguments, wrong configuration, or a file that is not there. Exit status 2."""

    exit_status = 2
    default_code = "USAGE"


class MalformedProof(ZkError):
    """The bytes are not a proof of this format. Exit status 3."""

    exit_status = 3
    default_code = "MALFORMED"


class VersionError(MalformedProof):
    """The proof was written in a format version that this verifier does not read. Exit status 3."""

    default_code = "VERSION"


class NotProvable(ZkError):
    """Model, data or number formats that the proof system cannot accept. Exit status 4."""

    exit_status = 4
    default_code = "NOT_PROVABLE"


class OutOfRange(NotProvable):
    """A value left the range of its limbs while training. Exit status 4."""

    default_code = "OUT_OF_RANGE"


class Unsupported(NotProvable):
    """A training of another framework that cannot be proven as it is. Exit status 4.

    Attributes:
        problems: every reason, in one pass; each has a category, a path, a source line where it is known, and a fix.
    """

    default_code = "UNSUPPORTED"

    def __init__(self, message: str, *, problems: tuple[Any, ...] = (), **where: object) -> None:
        super().__init__(message, **where)  # type: ignore[arg-type]  # places, and what ZkError names
        self.problems: tuple[Any, ...] = problems


class ResourceError(ZkError):
    """Memory, disk or opening budget would be exceeded. Exit status 5."""

    exit_status = 5
    default_code = "RESOURCE"


class DeviceError(ZkError):
    """A backend was asked for that cannot run here. Exit status 6."""

    exit_status = 6
    default_code = "DEVICE"


class InternalError(ZkError):
    """A promise inside zkdl was broken: a bug. Exit status 70."""
