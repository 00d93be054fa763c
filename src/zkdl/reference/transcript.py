"""The Fiat-Shamir transcript and the reader of a section (docs/spec/transcript.md)."""

from __future__ import annotations

import hashlib
import struct
from typing import BinaryIO

from zkdl.reference.field import K, P

PUBLIC, SENT_BYTES, SENT_FIELD = 0, 1, 2


class Invalid(Exception):
    """The verdict "no": a stable code and a sentence. `status` is the exit status, 1 rejected or 3 no proof."""

    def __init__(self, code: str, message: str, status: int = 1) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


def malformed(message: str, code: str = "MALFORMED") -> Invalid:
    """Bytes that are no proof of a format that this verifier reads."""
    return Invalid(code, message, 3)


def check(holds: bool, code: str, message: str) -> None:
    """Reject unless `holds`."""
    if not holds:
        raise Invalid(code, message)


def u16(x: int) -> bytes:
    return struct.pack("<H", x)


def u32(x: int) -> bytes:
    return struct.pack("<I", x)


def u64(x: int) -> bytes:
    return struct.pack("<Q", x)


def framed(parts: list[bytes]) -> bytes:
    """Each part with its u64 length in front, joined."""
    return b"".join(u64(len(part)) + part for part in parts)


def words(data: bytes) -> tuple[int, ...]:
    """The u64 words of a byte string."""
    return struct.unpack(f"<{len(data) // 8}Q", data)


def field_words(data: bytes) -> tuple[int, ...]:
    """Elements of F: words that must be below p."""
    values = words(data)
    if values and max(values) >= P:
        raise malformed("a field element is not below p", "PROOF_NON_CANONICAL")
    return values


class Transcript:
    """The state s; see the table in transcript.md."""

    def __init__(self, protocol: str, statement: bytes) -> None:
        self.state = bytes(32)
        self.statement = statement
        self.absorb("protocol", PUBLIC, protocol.encode())
        self.absorb("statement", PUBLIC, statement)

    def absorb(self, label: str, kind: int, data: bytes) -> None:
        name = label.encode()
        head = b"zkdl/absorb" + self.state + bytes([kind]) + u16(len(name)) + name + u64(len(data))
        self.state = hashlib.shake_256(head + data).digest(32)

    def squeeze(self, label: str, length: int) -> bytes:
        name = label.encode()
        tail = self.state + u16(len(name)) + name + u64(length)
        out = hashlib.shake_256(b"zkdl/squeeze" + tail).digest(length)
        self.state = hashlib.shake_256(b"zkdl/ratchet" + tail).digest(32)
        return out

    def challenges(self, label: str, count: int) -> list[K]:
        """`count` elements of K."""
        need: int = 2 * count
        found: list[int] = []
        while len(found) < need:
            found += [w for w in words(self.squeeze(label, 8 * (need - len(found) + 8))) if w < P]
        return [K(found[2 * i], found[2 * i + 1]) for i in range(count)]

    def challenge(self, label: str) -> K:
        return self.challenges(label, 1)[0]

    def positions(self, label: str, domain: int, count: int) -> list[int]:
        """`count` distinct positions below `domain`, ascending."""
        found: set[int] = set()
        while len(found) < count:
            for word in words(self.squeeze(label, 16 * count)):
                if len(found) < count:
                    found.add(word % domain)
        return sorted(found)

    def work(self, bits: int, nonce: bytes) -> None:
        """Check and absorb a nonce."""
        hashed = hashlib.shake_256(b"zkdl/work" + self.state + nonce).digest(8)
        check(int.from_bytes(hashed, "big") < 2 ** (64 - bits), "GRIND", "the proof of work is missing")
        self.absorb("grind", SENT_BYTES, nonce)


class Section:
    """A section of a container, read forwards. Nothing is read that the declared length does not hold."""

    def __init__(self, source: BinaryIO, name: str, size: int) -> None:
        self.source, self.name, self.left = source, name, size

    def take(self, count: int) -> bytes:
        self.need(count)
        self.left -= count
        data = self.source.read(count)
        if len(data) != count:
            raise malformed(f"the file ends inside section {self.name}", "PROOF_TRUNCATED")
        return data

    def need(self, count: int) -> None:
        """Refuse a section that cannot hold `count` more bytes, before anything is derived for it."""
        if count > self.left:
            raise malformed(f"section {self.name} is too short", "PROOF_TRUNCATED")

    def finish(self) -> None:
        if self.left:
            raise malformed(f"section {self.name} is too long", "PROOF_TRAILING")
