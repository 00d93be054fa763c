"""Mutated bytes, for both verifiers as a whole, for each section alone, and for every decoder of a verifier.

The mutations know the format: they change bits, words (to p, to 2^64 - 1, by one), lengths, slices, values of the header,
and splice two containers. A section alone is verified under the honest header, so that most of the time goes into it.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.container import Container, container
from tests.support.header import HEAD

from benchmarks.forging.base import ACCEPTED, SETS, TINY, Forgery, Random, Tried, crash, first, second, small_parameters
from benchmarks.forging.containers import container as pack_container
from benchmarks.forging.containers import pack
from zkdl.algebra.extension import P
from zkdl.commitment import merkle
from zkdl.errors import MalformedProof, NotProvable, Rejected, ResourceError
from zkdl.proof import certificate
from zkdl.proof.format import canonical_json, read_header
from zkdl.proof.public import segment_public
from zkdl.proof.run_certificates import DATA_PROTOCOL, data_certificate_layout
from zkdl.proof.verify import check_statement
from zkdl.reference import statement, verifier
from zkdl.reference.transcript import Invalid
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.transcript.channel import canonical

KIND = "bytes"
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
Check = Callable[[bytes], str]


@cache
def containers() -> list[tuple[Container, bytes]]:
    """From a public seed, and from committed weights."""
    made = [container(), container(seeded=False)]
    return [(parts, pack_container(parts.run, parts.segments, parts.sections)) for parts in made]


def mutated(data: bytes, other: bytes, rng: Random) -> bytes:
    """A few changes of the bytes."""
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


def code(check: Callable[[], object]) -> str:
    """The verdict of a decoder."""
    try:
        check()
    except (Rejected, MalformedProof, ResourceError, NotProvable, Invalid) as error:
        return str(error.code)
    except Exception as error:
        return crash(error)
    return ACCEPTED


def _whole(judge: Check) -> Callable[[Random], Tried | None]:
    def attempt(rng: Random) -> Tried | None:
        chosen = int(rng.integers(2))
        data, other = containers()[chosen][1], containers()[1 - chosen][1]
        changed = mutated(data, other, rng)
        return None if changed in (data, other) else Tried((judge(changed),))

    return attempt


def _with_header(judge: Check) -> Callable[[Random], Tried | None]:
    """Another header, in canonical form, before the honest sections."""

    def attempt(rng: Random) -> Tried | None:
        parts, data = containers()[int(rng.integers(2))]
        length = int.from_bytes(data[HEAD - 4 : HEAD], "little")
        changed = canonical_json(mutated_json(json.loads(data[HEAD : HEAD + length]), rng))
        if changed == data[HEAD : HEAD + length]:
            return None
        return Tried((judge(pack(changed, parts.sections)),))

    return attempt


def _decoded(judge: Check, only_header: bool = True) -> Callable[[Random], Tried | None]:
    """Decoders that know no truth: what they accept is no forgery, but no other exception may come out of them."""

    def attempt(rng: Random) -> Tried | None:
        parts, data = containers()[int(rng.integers(2))]
        length = int.from_bytes(data[HEAD - 4 : HEAD], "little")
        if rng.integers(2):
            changed = pack(canonical_json(mutated_json(json.loads(data[HEAD : HEAD + length]), rng)), [])
        else:
            changed = mutated(data[: HEAD + length], b"", rng)
        found = judge(changed)
        return Tried(("DECODED" if found == ACCEPTED else found,))

    return attempt


def _read(data: bytes) -> str:
    return code(lambda: check_statement(read_header(io.BytesIO(data))))


def _read_second(data: bytes) -> str:
    def check() -> None:
        header = verifier.read_header(io.BytesIO(data))
        header.run.check()
        for segment in header.segments:
            segment.check(header.run)
        statement.check_chain(header.run, header.segments)

    with small_parameters():
        return code(check)


def _fields(rng: Random) -> Tried | None:
    """A statement from any JSON value."""
    parts, _ = containers()[int(rng.integers(2))]
    reader, value = (
        (RunStatement.from_json, parts.run.to_json()),
        (SegmentStatement.from_json, parts.segments[0].to_json()),
    )[int(rng.integers(2))]
    changed = mutated_json(json.loads(canonical_json(value)), rng)
    found = code(lambda: reader(changed))
    return Tried(("DECODED" if found == ACCEPTED else found,))


def _elements(rng: Random) -> Tried | None:
    """Words as field elements."""
    data = mutated(rng.bytes(64), b"", rng)
    data = data[: len(data) - len(data) % 8]
    found = code(lambda: canonical("fuzz", data, (len(data) // 8,)))
    return Tried(("DECODED" if found == ACCEPTED else found,))


def _paths_of_leaves(rng: Random) -> Tried | None:
    """Digests of opened leaves and paths that are not those of the root."""
    depth = int(rng.integers(1, 6))
    indices = np.unique(rng.integers(0, 1 << depth, int(rng.integers(1, 5))))
    leaves = np.frombuffer(rng.bytes(32 * len(indices)), dtype=np.uint8).reshape(-1, 32)
    nodes = rng.bytes(32 * merkle.path_nodes(indices, depth))
    return Tried((code(lambda: merkle.verify_multiproof(rng.bytes(32), leaves, indices, depth, nodes)),))


def _section(name: str) -> Callable[[Random], Tried | None]:
    """The bytes of one section, under the honest statement."""

    def attempt(rng: Random) -> Tried | None:
        parts, _ = containers()[0]
        data = dict(parts.sections)[name]
        changed = mutated(data, dict(containers()[1][0].sections)[name], rng)
        if changed == data:
            return None
        source, tiny = io.BytesIO(changed), parts.tiny

        def check() -> None:
            if name == "data":
                layout, root = data_certificate_layout(parts.run, TINY), bytes.fromhex(parts.run.data_root)
                certificate.verify(tiny.backend, DATA_PROTOCOL, parts.run.canonical(), layout, root, source)
            elif name == "dataset":
                tiny.verify_data([link.public for link in parts.links], source)
            else:
                tiny.verify_segment(segment_public(parts.run, parts.segments[0], TINY), source, alone=True)

        return Tried((code(check),))

    return attempt


WEIGHTS: dict[str, tuple[int, Callable[[Random], Tried | None]]] = {
    "whole, first verifier": (3, _whole(first)),
    "whole, second verifier": (3, _whole(second)),
    "header, first verifier": (20, _with_header(first)),
    "header, second verifier": (20, _with_header(second)),
    "section data": (8, _section("data")),
    "section segment-0": (5, _section("segment-0")),
    "section dataset": (8, _section("dataset")),
    "decoder of headers, first": (300, _decoded(_read)),
    "decoder of headers, second": (300, _decoded(_read_second)),
    "decoder of statements": (200, _fields),
    "decoder of elements": (70, _elements),
    "decoder of paths": (63, _paths_of_leaves),
}
"""Attempts of each target among a thousand: whole proofs are slow."""


def library() -> list[Forgery]:
    return [Forgery(name, KIND, attempt) for name, (_, attempt) in WEIGHTS.items()]


def seed_corpus(folder: Path) -> None:
    """The honest containers as files, for another fuzzer."""
    for i, (_, data) in enumerate(containers()):
        (folder / f"{i}.zkproof").write_bytes(data)


__all__ = ["SETS", "library", "seed_corpus"]
