"""Changes of bytes, of JSON values and of lines of text, which know the formats a little."""

from __future__ import annotations

import copy
import re
from typing import Any

from benchmarks.forging.base import Random
from zkdl.algebra.extension import P

NUMBERS = (
    0,
    -1,
    1,
    2,
    3,
    8,
    16,
    21,
    22,
    40,
    41,
    2**12 + 1,
    2**16 + 1,
    2**20 + 1,
    2**31 + 1,
    2**48 + 1,
    2**62,
    2**63,
    10**30,
)
OTHERS: tuple[Any, ...] = (None, "", "0" * 64, "G" * 64, "a" * 129, "\u00e9", [], {}, True, [[0, 1]])
WORDS = (P, P - 1, 2**64 - 1, 0, 1, 2**63, 2**32)
# What any reader of text may stumble over: numbers of every kind, deep nesting, more digits than Python converts.
TOKENS = (
    *(str(number).encode() for number in NUMBERS),
    *(
        b"nan",
        b"inf",
        b"-0",
        b"1e999",
        b"1_0",
        b"0x10",
        b"1.5",
        b"true",
        b"null",
        b"''",
        b'"',
        b"#",
        b",",
        b"\n",
        b"\xff",
    ),
    *(b"[" * 3000, b"9" * 5000, b"{", b"}", b"\0", "\u0661".encode()),
)


def mutated(data: bytes, other: bytes, rng: Random) -> bytes:
    """A few changes of the bytes: bits, words (to p, to 2^64 - 1, by one), slices, the end, or a splice with `other`."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        kind, at = int(rng.integers(8)), int(rng.integers(max(1, len(out))))
        if kind <= 1 and out:
            out[at % len(out)] ^= 1 << int(rng.integers(8))
        elif kind == 2 and len(out) >= 8:
            at = min(at - at % 8, len(out) - 8)
            word = WORDS[int(rng.integers(len(WORDS)))]
            if rng.integers(2):
                word = (int.from_bytes(out[at : at + 8], "little") + (1, P)[int(rng.integers(2))]) % 2**64
            out[at : at + 8] = word.to_bytes(8, "little")
        elif kind == 3:
            del out[at : at + int(rng.integers(1, 65))]
        elif kind == 4:
            out[at:at] = rng.bytes(int(rng.integers(1, 65)))
        elif kind == 5 and len(out) >= 64:
            source, n = int(rng.integers(len(out) - 32)), 8 * int(rng.integers(1, 5))
            out[at : at + n] = out[source : source + n]
        elif kind == 6:
            del out[at:]
        elif kind == 7 and other:
            cut = at if rng.integers(2) else int(rng.integers(len(other)))
            out[at:] = other[cut:]
    return bytes(out)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inside for found in _paths(item, (*path, key)))]


def mutated_json(value: Any, rng: Random) -> Any:
    """Another value somewhere, or a field less."""
    out = copy.deepcopy(value)
    for _ in range(int(rng.integers(1, 3))):
        paths = [path for path in _paths(out) if path]
        if not paths:
            break
        *way, key = paths[int(rng.integers(len(paths)))]
        where = out
        for place in way:
            where = where[place]
        kind = int(rng.integers(6))
        if kind == 0 and type(where[key]) is int:
            where[key] += 1 if rng.integers(2) else -1
        elif kind == 1:
            del where[key]
        elif kind == 2:
            where[key] = OTHERS[int(rng.integers(len(OTHERS)))]
        elif kind == 3 and isinstance(where[key], list):
            where[key] = where[key] + where[key][-1:]
        else:
            where[key] = NUMBERS[int(rng.integers(len(NUMBERS)))]
    return out


def mutated_text(data: bytes, other: bytes, rng: Random) -> bytes:
    """Another word, a line less or more, or a change of the bytes."""
    out = data
    for _ in range(int(rng.integers(1, 4))):
        kind = int(rng.integers(6))
        if kind <= 2:
            words = list(re.finditer(rb"[\w.+-]+", out))
            if words:
                chosen = words[int(rng.integers(len(words)))]
                own = words[int(rng.integers(len(words)))].group()
                token = own if rng.integers(3) == 0 else TOKENS[int(rng.integers(len(TOKENS)))]
                out = out[: chosen.start()] + token + out[chosen.end() :]
        elif kind <= 4:
            lines = out.splitlines(keepends=True)
            if lines:
                at = int(rng.integers(len(lines)))
                lines[at : at + 1] = [] if kind == 3 else [lines[at], lines[at]]
                out = b"".join(lines)
        else:
            out = mutated(out, other, rng)
    return out
