"""Containers that are broken as files: made from honest bytes alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

from tests.support.header import HEAD, header_of, with_header


def encoded(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _replaced(value: Any, where: tuple[Any, ...], new: Any) -> Any:
    value = json.loads(json.dumps(value))
    inside = value
    for step in where[:-1]:
        inside = inside[step]
    inside[where[-1]] = new
    return value


def broken_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    text = header_of(data)
    fields = json.loads(text)
    end = HEAD + len(text)
    yield "magic", b"X" + data[1:]
    yield "version", data[:8] + struct.pack("<I", 2) + data[12:]
    yield "cut in the magic", data[:5]
    yield "cut in the version", data[:10]
    yield "cut in the length", data[:14]
    yield "cut in the header", data[: end - 5]
    yield "cut in a section", data[:-1]
    yield "cut between sections", data[:end]
    yield "bytes behind the end", data + b"\0"
    yield "white space", with_header(data, text + b" ")
    yield "other order of keys", with_header(data, json.dumps(fields, separators=(",", ":")).encode()[:-1] + b"}")
    yield "a key twice", with_header(data, text[:-1] + b',"sections":[]}')
    keys = dict(reversed(list(fields.items())))
    yield "unsorted keys", with_header(data, json.dumps(keys, separators=(",", ":")).encode())
    yield "not JSON", with_header(data, text[:-1])
    yield "not ASCII", with_header(data, b"\xff" + text)
    yield "deep nesting", with_header(data, b'{"a":' * 20000 + b"1" + b"}" * 20000)
    yield "deep lists", with_header(data, b"[" * 90000 + b"]" * 90000)
    yield "a list", with_header(data, b"[]")
    yield "a number", with_header(data, b"1")
    yield "a long integer", with_header(data, text.replace(b'"batch":2', b'"batch":' + b"2" * 5000))
    yield "an integer of 100 digits", with_header(data, text.replace(b'"batch":2', b'"batch":' + b"2" * 100))
    yield "another protocol", with_header(data, encoded({**fields, "protocol": "zkdl/run/2"}))
    yield "protocol is a number", with_header(data, encoded({**fields, "protocol": 1}))
    yield "one field more", with_header(data, encoded({**fields, "more": 1}))
    yield "a field less", with_header(data, encoded({k: v for k, v in fields.items() if k != "protocol"}))
    yield "a field of the run more", with_header(data, encoded({**fields, "run": {**fields["run"], "more": 1}}))
    yield (
        "a field of the format more",
        with_header(data, encoded(_replaced(fields, ("run", "format"), {**fields["run"]["format"], "more": 1}))),
    )
    for place in ((), ("scales",), ("limbs",), ("w_in",), ("w_out",)):
        where, inside = ("segments", 0, *place), fields["segments"][0]
        for step in place:
            inside = inside[step]
        more = {**inside, "more": 1}
        yield f"a field of {'.'.join(map(str, where))} more", with_header(data, encoded(_replaced(fields, where, more)))
    yield from _broken_values(data)


def _broken_values(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Fields of other types and sizes, and sections that do not fit."""
    fields = json.loads(header_of(data))
    end = HEAD + len(header_of(data))
    sections = fields["sections"]
    for path in (("run",), ("run", "format"), ("segments",), ("segments", 0), ("sections",), ("sections", 0)):
        yield f"{path} is a number", with_header(data, encoded(_replaced(fields, path, 5)))
        yield f"{path} is null", with_header(data, encoded(_replaced(fields, path, None)))
    # One field of every type.
    for key in (
        "run_id",
        "widths",
        "bias",
        "batch",
        "schedule",
        "activation_frac_interval",
        "beacon",
        "format.exp_bits",
    ):
        where = ("run", *key.split("."))
        value = fields["run"].get(key)
        for number, new in enumerate(
            (None, [], {}, "\u00e9", "x" * 300, 10**30, True, [True], 1.0, "1", [[1]], [["a", 1]], ["a"], 7)
        ):
            if new != value:
                yield f"run.{key}, type {number}", with_header(data, encoded(_replaced(fields, where, new)))
    for number, new in enumerate(
        (["data"], ["data", "1"], [1, 1], ["data", True], ["data", -1], ["data", 1 << 48], "ab", ["data", 1.0])
    ):
        yield f"first section, entry {number}", with_header(data, encoded(_replaced(fields, ("sections", 0), new)))
    for more in (1, -1, 1 << 20):
        longer = [[name, size + more * (i == len(sections) - 1)] for i, (name, size) in enumerate(sections)]
        yield f"last section longer by {more}", with_header(data, encoded({**fields, "sections": longer}))
        yield (
            f"last section longer by {more}, with bytes",
            with_header(data, encoded({**fields, "sections": longer})) + b"\0" * more * (more < 9),
        )
    yield "sections in another order", with_header(data, encoded({**fields, "sections": sections[::-1]}))
    yield (
        "another name of a section",
        with_header(data, encoded({**fields, "sections": [["date", sections[0][1]], *sections[1:]]})),
    )
    yield "a section less", with_header(data, encoded({**fields, "sections": sections[:-1]}))[: -sections[-1][1]]
    first, last = sections[0][1], sections[-1][1]
    alone = encoded({**fields, "segments": [], "sections": [sections[0], sections[-1]]})
    yield "no segments", data[:12] + len(alone).to_bytes(4, "little") + alone + data[end : end + first] + data[-last:]
    many = {f"field-{number:03}": 0 for number in range(100)}
    yield "100 fields more", with_header(data, encoded({**fields, **many}))
    yield "a fraction", with_header(data, header_of(data).replace(b'"batch":2', b'"batch":2.0'))
    yield "a header of 100 MB", data[:12] + struct.pack("<I", 100_000_000) + data[16:]
    yield "many values", with_header(data, b"[" + b"0," * (1 << 19) + b"0]")
    yield "no sections", with_header(data, encoded({**fields, "sections": []}))[: HEAD + 0]
    yield "another parameter set", with_header(data, encoded(_replaced(fields, ("run", "parameter_set"), "other")))
    yield "zkdl-100", with_header(data, encoded(_replaced(fields, ("run", "parameter_set"), "zkdl-100")))
    for size, place in (
        (2**17, ("run", "widths", 0)),
        (2**27, ("run", "examples")),
        (2**32, ("run", "steps")),
        (2**22, ("segments", 0, "steps")),
    ):
        yield f"large {'.'.join(map(str, place))}", with_header(data, encoded(_replaced(fields, place, size)))
    at = end
    for name, size in sections:
        at += size
        yield f"a tree node of {name}", data[: at - 8] + bytes(b ^ 1 for b in data[at - 8 : at - 7]) + data[at - 7 :]
        yield (
            f"a byte less in {name}",
            with_header(
                data[: at - 1] + data[at:], encoded({**fields, "sections": [[n, s - (n == name)] for n, s in sections]})
            ),
        )
        yield (
            f"a byte more in {name}",
            with_header(
                data[:at] + b"\0" + data[at:],
                encoded({**fields, "sections": [[n, s + (n == name)] for n, s in sections]}),
            ),
        )


def expectations(data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Arguments that an honest container does not meet."""
    run = json.loads(header_of(data))["run"]
    yield "an unknown field", {"expect": {"colour": 1}}
    yield "another value", {"expect": {"batch": run["batch"] + 1}}
    yield "True for 1", {"expect": {"bias": True}}
    yield "an object for a number", {"expect": {"batch": {}}}
    yield "another format", {"expect": {"format": {"exp_bits": 99}}}
    yield "an unknown format", {"expect": {"format": {"colour": 1}}}
    yield "a list with True", {"expect": {"bias": [True] * len(run["bias"])}}
