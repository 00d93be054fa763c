"""The proof container `*.zkproof`.

    magic (8) | u32 format version | u32 header length | header | sections, one after the other
The header is canonical JSON (ASCII, sorted keys, no white space, integers and strings only) and is re-encoded and compared.
It holds the run statement, the segment statements and the section table. Nothing may follow the last section.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from zkdl.errors import MalformedProof, NotProvable, UsageError, VersionError
from zkdl.statement.limits import MAX_HEADER_MARKS
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

MAGIC = b"ZKDLPROF"
FORMAT_VERSION = 1
PROTOCOL = "zkdl/run/1"
MAX_HEADER = 16 << 20
MAX_FIELDS = 64


@dataclass(frozen=True)
class Header:
    """What a container says about itself; nothing in it is trusted before it is verified."""

    run: RunStatement
    segments: list[SegmentStatement]
    sections: list[tuple[str, int]]


def read_some(stream: IO[bytes], n_bytes: int) -> bytes:
    """The next n_bytes, or what is left: a raw pipe or socket gives what has arrived, not what was asked for.

    Raises UsageError(FILE_MISSING) when the stream cannot be read.
    """
    found = []
    try:
        while n_bytes > 0 and (part := stream.read(n_bytes)):
            found.append(part)
            n_bytes -= len(part)
    except OSError as error:
        name = str(getattr(stream, "name", "-"))
        raise UsageError("the proof cannot be read", code="FILE_MISSING", file=name) from error
    return found[0] if len(found) == 1 else b"".join(found)


class SectionReader:
    """Reads one section of known length from a stream, never beyond it."""

    def __init__(self, stream: IO[bytes], n_bytes: int) -> None:
        self._stream = stream
        self._left = n_bytes

    def read(self, n_bytes: int, /) -> bytes:
        data = read_some(self._stream, min(n_bytes, self._left))
        self._left -= len(data)
        return data

    def finish(self, name: str) -> None:
        """The section's declared length must be used up, or another length could be declared for the same proof."""
        if self._left:
            raise MalformedProof("a section is longer than its proof", code="PROOF_TRAILING", section=name)


def canonical_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def section_names(run: RunStatement, segments: int) -> list[str]:
    """Sections in file order: a function of the statement."""
    initial = ["initial"] if run.init_root is not None else []
    return ["data", *initial, *(f"segment-{i}" for i in range(segments)), "dataset"]


def _opening(run: RunStatement, segments: list[SegmentStatement], sections: list[tuple[str, Path | bytes]]) -> bytes:
    """Everything before the first section."""
    sizes = [len(data) if isinstance(data, bytes) else data.stat().st_size for _, data in sections]
    header = canonical_json(
        {
            "protocol": PROTOCOL,
            "run": run.to_json(),
            "segments": [segment.to_json() for segment in segments],
            "sections": [[name, size] for (name, _), size in zip(sections, sizes, strict=True)],
        }
    )
    return MAGIC + FORMAT_VERSION.to_bytes(4, "little") + len(header).to_bytes(4, "little") + header


def container_digest(run: RunStatement, segments: list[SegmentStatement], sections: list[tuple[str, Path]]) -> bytes:
    """SHA-256 of the container that `write_container` makes of these sections, (32 bytes)."""
    found = hashlib.sha256(_opening(run, segments, [*sections]))
    for _, path in sections:
        with path.open("rb") as source:
            while piece := source.read(1 << 20):
                found.update(piece)
    return found.digest()


class HashedStream:
    """A stream whose bytes are hashed as they are read: what was verified and what was hashed are the same bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.name = str(getattr(stream, "name", "-"))
        self.size = 0

    def read(self, n_bytes: int, /) -> bytes:
        data = self._stream.read(n_bytes)
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def sha256(self) -> str:
        """Of everything read so far, 64 hexadecimal digits."""
        return self._hash.hexdigest()


def write_container(
    path: Path | str, run: RunStatement, segments: list[SegmentStatement], sections: list[tuple[str, Path | bytes]]
) -> None:
    """Write atomically: a temporary file beside `path`, flushed to disk, then renamed."""
    path = Path(path)
    opening = _opening(run, segments, sections)
    temporary = path.with_name(path.name + ".partial")
    try:
        with temporary.open("wb") as out:
            out.write(opening)
            for _, data in sections:
                if isinstance(data, bytes):
                    out.write(data)
                else:
                    with data.open("rb") as source:
                        shutil.copyfileobj(source, out)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        # On a full disk half a proof would keep the space that the next attempt needs.
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)
    # The new name is on disk only when its directory is.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _exact(stream: IO[bytes], n_bytes: int) -> bytes:
    data = read_some(stream, n_bytes)
    if len(data) != n_bytes:
        raise MalformedProof("the file ends inside its header", code="PROOF_TRUNCATED")
    return data


def _parse_header(raw: bytes) -> Any:
    """JSON without floats, constants or deep nesting."""

    def refuse(text: str) -> Any:
        raise MalformedProof("the header holds a number that is no integer", code="HEADER", value=text[:40])

    def integer(text: str) -> int:
        if len(text) > 80:
            raise MalformedProof("the header holds an integer that is too long", code="HEADER")
        return int(text)

    def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) > MAX_FIELDS:
            raise MalformedProof("the header holds an object of too many fields", code="HEADER")
        return dict(pairs)

    # Counted before anything is built: a value takes up to fifty times the bytes that it has in the file.
    marks = raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    if marks > MAX_HEADER_MARKS:
        message = "the header holds more values than this verifier accepts"
        raise MalformedProof(message, code="TOO_LARGE", value=marks, limit=MAX_HEADER_MARKS)
    try:
        return json.loads(
            raw.decode("ascii"),
            parse_float=refuse, parse_constant=refuse, parse_int=integer, object_pairs_hook=fields,
        )  # fmt: skip
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise MalformedProof("the header is not JSON", code="HEADER") from error


def read_header(stream: IO[bytes]) -> Header:
    """Parse and check the header; the stream then stands at the first section.

    Raises: MalformedProof, VersionError, UsageError for a stream that cannot be read.
    """
    magic = read_some(stream, 8)
    if magic != MAGIC:
        raise MalformedProof("this is not a zkdl proof", code="PROOF_MAGIC")
    version = int.from_bytes(_exact(stream, 4), "little")
    if version != FORMAT_VERSION:
        raise VersionError(
            f"the proof has format {version}, this verifier reads format {FORMAT_VERSION}",
            code="VERSION",
            hint="Install the zkdl release that wrote it",
        )
    length = int.from_bytes(_exact(stream, 4), "little")
    if length > MAX_HEADER:
        raise MalformedProof("the header is too long", code="HEADER", bytes=length)
    raw = _exact(stream, length)
    fields = _parse_header(raw)
    if not isinstance(fields, dict) or set(fields) != {"protocol", "run", "segments", "sections"}:
        raise MalformedProof("the header has other fields than a header has", code="HEADER")
    try:
        canonical = canonical_json(fields)
    except RecursionError as error:
        raise MalformedProof("the header is nested too deeply", code="HEADER") from error
    if canonical != raw:
        raise MalformedProof("the header is not in canonical form", code="HEADER")
    if fields["protocol"] != PROTOCOL:
        raise VersionError("the proof follows another protocol", code="VERSION", protocol=str(fields["protocol"])[:80])
    return _typed_header(fields)


def check_length(stream: IO[bytes], header: Header) -> None:
    """The file, read to the end of its header, is as long as its header says, before anything is verified.

    Raises MalformedProof(PROOF_TRUNCATED, PROOF_TRAILING). A stream that cannot be sought is left to the sections.
    """
    if not stream.seekable():
        return
    start = stream.tell()
    missing = start + sum(size for _, size in header.sections) - stream.seek(0, os.SEEK_END)
    stream.seek(start)
    if missing:
        code = "PROOF_TRUNCATED" if missing > 0 else "PROOF_TRAILING"
        raise MalformedProof("the file has another length than its header says", code=code, bytes=abs(missing))


def _typed_header(fields: dict[str, Any]) -> Header:
    if not isinstance(fields["segments"], list) or not isinstance(fields["sections"], list):
        raise MalformedProof("segments and sections must be lists", code="HEADER")
    try:
        run = RunStatement.from_json(fields["run"])
        segments = [SegmentStatement.from_json(segment) for segment in fields["segments"]]
    except NotProvable as error:
        raise MalformedProof(f"the statement is not well formed: {error.message}", code="STATEMENT").at(
            error.where
        ) from error
    sections = []
    for entry in fields["sections"]:
        if not (isinstance(entry, list) and len(entry) == 2):
            raise MalformedProof("a section is a name and a length", code="HEADER")
        name, size = entry
        if not isinstance(name, str) or isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 48:
            raise MalformedProof("a section is a name and a length", code="HEADER")
        sections.append((name, size))
    if [name for name, _ in sections] != section_names(run, len(segments)):
        raise MalformedProof("the sections are not those of this run", code="HEADER")
    return Header(run, segments, sections)
