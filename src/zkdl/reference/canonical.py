"""Canonical JSON, and values of annotated types from it (docs/spec/statement.md, Canonical form)."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from zkdl.reference.transcript import malformed

MAX_MARKS = 2**19
"""Commas and opening brackets of a header."""
type_hints = cache(get_type_hints)


def canonical(value: Any) -> bytes:
    """The canonical bytes of a parsed value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def parse_canonical(data: bytes) -> Any:
    """Parse canonical JSON and nothing else."""

    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is no integer")

    def integer(text: str) -> int:
        return int(text if len(text) < 80 else refuse("a long number"))

    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(pairs) if len(pairs) <= 64 else refuse("an object of many fields")

    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_MARKS:
        raise malformed("the header holds too many values", "TOO_LARGE")
    try:
        text = data.decode("ascii")
        value = json.loads(text, parse_int=integer, parse_float=refuse, parse_constant=refuse, object_pairs_hook=fields)
        if canonical(value) == data:
            return value
    except (ValueError, RecursionError) as error:
        raise malformed(f"the header is not JSON: {str(error)[:80]}", "HEADER") from None
    raise malformed("the header is not in canonical form", "HEADER")


def build(kind: Any, value: Any, what: str) -> Any:
    """A value of an annotated type from parsed JSON: exactly the fields of a data class, and the types of its fields."""
    # Integers first: a header may hold half a million.
    if kind is int:
        if type(value) is int and abs(value) < 2**63:
            return value
    elif isinstance(kind, type) and is_dataclass(kind):
        hints = type_hints(kind)
        if isinstance(value, dict) and set(value) == set(hints):
            return kind(**{name: build(hint, value[name], name) for name, hint in hints.items()})
    elif get_origin(kind) is list:
        if isinstance(value, list):
            inside = get_args(kind)[0]
            return [build(inside, item, what) for item in value]
    elif get_origin(kind) is tuple:
        if isinstance(value, list) and len(value) == 2:
            return tuple(build(part, item, what) for part, item in zip(get_args(kind), value, strict=True))
    elif get_origin(kind) is Literal:
        if type(value) is int and value in get_args(kind):
            return value
    elif isinstance(value, str) and len(value) <= 256 and value.isascii() or value is None and kind == str | None:
        return value
    raise malformed(f"{what} has the wrong type or fields", "STATEMENT_FORMAT")
