"""Canonical JSON of statements, and the strict reader of it.

Canonical: sorted keys, no white space, ASCII, only objects, lists, integers, strings and null. Two statements
are the same exactly when their canonical bytes are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from zkdl.errors import MalformedProof, NotProvable

INTEGER_LIMIT = 1 << 63
TEXT_LIMIT = 256

Json = dict[str, "Json"] | list["Json"] | int | str | None
T = TypeVar("T")


def encode(value: Json) -> bytes:
    """Canonical bytes of a JSON value without floats and booleans."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _malformed(message: str, field: str) -> MalformedProof:
    return MalformedProof(message, code="STATEMENT_FORMAT", field=field)


class Fields:
    """Reads one JSON object field by field; `finish` rejects what was not read.

    Args:
        data: the parsed JSON value. Raises MalformedProof if it is not an object.
        what: path for error messages, for example "run.format".
    """

    def __init__(self, data: object, what: str) -> None:
        if type(data) is not dict:
            raise _malformed("expected an object", what)
        self._data = dict(data)
        self._what = what

    def _take(self, name: str) -> object:
        if name not in self._data:
            raise _malformed("a field is missing", f"{self._what}.{name}")
        return self._data.pop(name)

    def _integer(self, value: object, name: str) -> int:
        # `type(...) is int` and not isinstance: True is an instance of int and has another canonical form.
        if type(value) is not int or abs(value) >= INTEGER_LIMIT:
            raise _malformed("expected an integer below 2^63", f"{self._what}.{name}")
        return value

    def _text(self, value: object, name: str) -> str:
        if type(value) is not str or not value.isascii() or len(value) > TEXT_LIMIT:
            raise _malformed(f"expected an ASCII string of at most {TEXT_LIMIT} characters", f"{self._what}.{name}")
        return value

    def _pair(self, value: object, name: str) -> tuple[int, int]:
        if type(value) is not list or len(value) != 2:
            raise _malformed("expected a list of two integers", f"{self._what}.{name}")
        return self._integer(value[0], name), self._integer(value[1], name)

    def _flag(self, value: object, name: str) -> bool:
        if type(value) is not int or value not in (0, 1):
            raise _malformed("expected 0 or 1", f"{self._what}.{name}")
        return value == 1

    def _list(self, name: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        values = self._take(name)
        if type(values) is not list:
            raise _malformed("expected a list", f"{self._what}.{name}")
        try:
            return tuple(read(value, name) for value in values)
        except MalformedProof:
            # Once more with names, which would cost more than the reading when a list is long and right.
            return tuple(read(value, f"{name}[{i}]") for i, value in enumerate(values))

    def integer(self, name: str) -> int:
        return self._integer(self._take(name), name)

    def text(self, name: str) -> str:
        return self._text(self._take(name), name)

    def optional_text(self, name: str) -> str | None:
        value = self._take(name)
        return None if value is None else self._text(value, name)

    def pair(self, name: str) -> tuple[int, int]:
        return self._pair(self._take(name), name)

    def integers(self, name: str) -> tuple[int, ...]:
        return self._list(name, self._integer)

    def flags(self, name: str) -> tuple[bool, ...]:
        return self._list(name, self._flag)

    def pairs(self, name: str) -> tuple[tuple[int, int], ...]:
        return self._list(name, self._pair)

    def fields(self, name: str) -> Fields:
        return Fields(self._take(name), f"{self._what}.{name}")

    def finish(self) -> None:
        """Raises MalformedProof when the object has fields that nobody asked for."""
        if self._data:
            unknown = min(str(name) for name in self._data)[:TEXT_LIMIT]
            raise _malformed("an unknown field", f"{self._what}.{unknown}")


def require(condition: bool, message: str, field: str, *, hint: str = "") -> None:
    """Raise NotProvable(STATEMENT_FIELD) naming the field unless the condition holds."""
    if not condition:
        raise NotProvable(message, code="STATEMENT_FIELD", hint=hint, field=field)


def require_range(value: int, low: int, high: int, field: str) -> None:
    """Raise NotProvable unless low <= value <= high."""
    require(
        type(value) is int and low <= value <= high,
        f"must be an integer in {low}..{high}, got {value}",
        field,
    )


def require_hex(value: object, digits: int, field: str) -> None:
    """Raise NotProvable unless value is a string of exactly `digits` lower-case hexadecimal digits."""
    good = type(value) is str and len(value) == digits and not set(value) - set("0123456789abcdef")
    require(good, f"must be {digits} lower-case hexadecimal digits", field)
