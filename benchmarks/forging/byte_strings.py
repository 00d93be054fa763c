"""Mutated bytes, for both verifiers as a whole, for each section alone, and for every decoder.

The mutations know the formats (`mutations`). A section alone is verified under the honest header, so that most of the time
goes into it. `fuzzing` tries the same targets guided by coverage.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from tests.support.container import Container, container
from tests.support.header import HEAD, header_of

from benchmarks.forging.base import (
    ACCEPTED,
    DECODED,
    FIRST,
    READERS,
    SECOND,
    TINY,
    Forgery,
    Random,
    Tried,
    first,
    refusal,
    second,
    small_parameters,
)
from benchmarks.forging.containers import container as pack_container
from benchmarks.forging.containers import pack
from benchmarks.forging.decoders import DECODERS
from benchmarks.forging.mutations import mutated, mutated_json
from zkdl.commitment import merkle
from zkdl.proof import certificate
from zkdl.proof.format import canonical_json, read_header
from zkdl.proof.public import segment_public
from zkdl.proof.run_certificates import DATA_PROTOCOL, data_certificate_layout
from zkdl.proof.verify import check_statement
from zkdl.reference import statement, verifier
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.transcript.channel import canonical

KIND = "bytes"
Judge = Callable[[bytes], str]
Mutate = Callable[[bytes, bytes, Random], bytes]


@dataclass(frozen=True)
class Target:
    """What reads bytes.

    Attributes:
        judge: its verdict: OK where a forgery was accepted, DECODED where there is nothing to forge, else a code or a crash.
        seeds: bytes that are accepted.
        mutate: changes a seed; the second argument is another seed, or the same if there is one alone.
        share: attempts among a thousand. Whole proofs are slow.
    """

    judge: Judge
    seeds: Callable[[], list[bytes]]
    mutate: Mutate
    share: int


@cache
def containers() -> list[tuple[Container, bytes]]:
    """From a public seed, and from committed weights."""
    made = [container(), container(seeded=False)]
    return [(parts, pack_container(parts.run, parts.segments, parts.sections)) for parts in made]


def whole() -> list[bytes]:
    return [data for _, data in containers()]


def _heads() -> list[bytes]:
    """Containers without their sections."""
    return [data[: HEAD + len(header_of(data))] for data in whole()]


def _other_header(data: bytes, other: bytes, rng: Random) -> bytes:
    """Another header, in canonical form, before what follows."""
    header = header_of(data)
    try:
        value = json.loads(header)
    except (ValueError, RecursionError):
        return mutated(data, other, rng)
    return pack(canonical_json(mutated_json(value, rng)), [("rest", data[HEAD + len(header) :])])


def _either(data: bytes, other: bytes, rng: Random) -> bytes:
    return _other_header(data, other, rng) if rng.integers(2) else mutated(data, b"", rng)


def decoded(check: Callable[[bytes], object]) -> Judge:
    """Readers that know no truth."""

    def judge(data: bytes) -> str:
        found = refusal(lambda: check(data), READERS)
        return DECODED if found == ACCEPTED else found

    return judge


def _read(data: bytes) -> None:
    check_statement(read_header(io.BytesIO(data)))


def _read_second(data: bytes) -> str:
    def check() -> None:
        header = verifier.read_header(io.BytesIO(data))
        header.run.check()
        for segment in header.segments:
            segment.check(header.run)
        statement.check_chain(header.run, header.segments)

    with small_parameters():
        found = refusal(check, SECOND)
    return DECODED if found == ACCEPTED else found


def _fields() -> list[bytes]:
    parts, _ = containers()[0]
    return [canonical_json(parts.run.to_json()), canonical_json(parts.segments[0].to_json())]


def _typed(data: bytes) -> str:
    """A statement of a run or of a segment from any JSON value."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return "JSON"
    reader = RunStatement if isinstance(value, dict) and "run_id" in value else SegmentStatement
    return decoded(lambda _: reader.from_json(value))(b"")


def _other_fields(data: bytes, other: bytes, rng: Random) -> bytes:
    try:
        return canonical_json(mutated_json(json.loads(data), rng))
    except (ValueError, RecursionError):
        return mutated(data, other, rng)


def _elements(data: bytes) -> None:
    """Words as field elements."""
    canonical("fuzz", data[: len(data) - len(data) % 8], (len(data) // 8,))


def _paths(data: bytes) -> str:
    """Digests of opened leaves and paths that are not those of the root; the bytes choose the positions too."""
    rng = np.random.default_rng(list(data[:8]))
    depth = int(rng.integers(1, 6))
    indices = np.unique(rng.integers(0, 1 << depth, int(rng.integers(1, 5))))
    leaves = np.frombuffer(rng.bytes(32 * len(indices)), dtype=np.uint8).reshape(-1, 32)
    nodes = (data + rng.bytes(1 << 10))[: 32 * merkle.path_nodes(indices, depth)]
    return refusal(lambda: merkle.verify_multiproof(rng.bytes(32), leaves, indices, depth, nodes), FIRST)


def _section(name: str) -> Judge:
    """The bytes of one section, under the honest statement."""

    def judge(data: bytes) -> str:
        parts, _ = containers()[0]
        source, tiny = io.BytesIO(data), parts.tiny

        def check() -> None:
            if name == "data":
                layout, root = data_certificate_layout(parts.run, TINY), bytes.fromhex(parts.run.data_root)
                certificate.verify(tiny.backend, DATA_PROTOCOL, parts.run.canonical(), layout, root, source)
            elif name == "dataset":
                tiny.verify_data([link.public for link in parts.links], source)
            else:
                tiny.verify_segment(segment_public(parts.run, parts.segments[0], TINY), source, alone=True)

        return refusal(check, FIRST)

    return judge


def _sections(name: str) -> Target:
    def mutate(data: bytes, other: bytes, rng: Random) -> bytes:
        return mutated(data, dict(containers()[1][0].sections)[name], rng)

    share = {"data": 6, "segment-0": 4, "dataset": 6}[name]
    return Target(_section(name), lambda: [dict(containers()[0][0].sections)[name]], mutate, share)


SHARES = {
    "weights file": 50,
    "data of an auditor": 40,
    "data file, IDX": 45,
    "data file, npz": 25,
    "array in an npz": 40,
    "data file, CSV": 40,
    "journal": 40,
    "configuration": 30,
    "statement of a run directory": 20,
}
TARGETS: dict[str, Target] = {
    "whole, first verifier": Target(first, whole, mutated, 2),
    "whole, second verifier": Target(second, whole, mutated, 2),
    "header, first verifier": Target(first, whole, _other_header, 15),
    "header, second verifier": Target(second, whole, _other_header, 15),
    **{f"section {name}": _sections(name) for name in ("data", "segment-0", "dataset")},
    "decoder of headers, first": Target(decoded(_read), _heads, _either, 200),
    "decoder of headers, second": Target(_read_second, _heads, _either, 200),
    "decoder of statements": Target(_typed, _fields, _other_fields, 120),
    "decoder of elements": Target(decoded(_elements), lambda: [bytes(range(64))], mutated, 50),
    "decoder of paths": Target(_paths, lambda: [], lambda data, other, rng: rng.bytes(1 << 10), 50),
    **{name: Target(d.judge, d.seeds, d.mutate, SHARES[name]) for name, d in DECODERS.items()},
}


def _attempt(target: Target) -> Callable[[Random], Tried | None]:
    seeds = cache(target.seeds)

    def attempt(rng: Random) -> Tried | None:
        known = seeds() or [b""]
        chosen = int(rng.integers(len(known)))
        changed = target.mutate(known[chosen], known[(chosen + 1) % len(known)], rng)
        return None if changed in known else Tried((target.judge(changed),))

    return attempt


def library() -> list[Forgery]:
    return [Forgery(name, KIND, _attempt(target), share=target.share) for name, target in TARGETS.items()]
