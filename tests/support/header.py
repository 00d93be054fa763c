"""The header of a container as bytes. Imports nothing of zkdl: the mutation test needs it before zkdl is imported."""

from __future__ import annotations

HEAD = 16  # magic, version, length of the header


def header_of(data: bytes) -> bytes:
    return data[HEAD : HEAD + int.from_bytes(data[12:HEAD], "little")]


def with_header(data: bytes, header: bytes) -> bytes:
    """The container under another header."""
    return data[:12] + len(header).to_bytes(4, "little") + header + data[HEAD + len(header_of(data)) :]
