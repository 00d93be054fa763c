"""The two ends of the proof stream: what the prover sends is absorbed as it is sent, what the verifier reads is
absorbed as it is read. Lengths come from the statement, never from the stream.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

import numpy as np

from zkdl.algebra.extension import Array, P
from zkdl.errors import MalformedProof, Rejected
from zkdl.transcript.transcript import BYTES, ELEMENTS, PUBLIC, Transcript


class Source(Protocol):
    """Where a verifier reads from: exactly n bytes, or fewer at the end."""

    def read(self, n_bytes: int, /) -> bytes: ...


def _work(state: bytes, nonce: bytes) -> int:
    return int.from_bytes(hashlib.shake_256(b"zkdl/work" + state + nonce).digest(8), "big")


class Channel:
    """What both ends share: the transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def public(self, label: str, data: bytes) -> None:
        """Absorb what both parties know."""
        self.transcript.absorb(label, PUBLIC, data)


class ProverChannel(Channel):
    """Collects the proof bytes."""

    def __init__(self, transcript: Transcript) -> None:
        super().__init__(transcript)
        self.chunks: list[bytes] = []

    def send_bytes(self, label: str, data: bytes) -> None:
        self.transcript.absorb(label, BYTES, data)
        self.chunks.append(data)

    def send_elements(self, label: str, values: Array) -> None:
        """values: canonical uint64 of any shape."""
        data = values.astype("<u8", copy=False).tobytes()
        self.transcript.absorb(label, ELEMENTS, data)
        self.chunks.append(data)

    def send_last(self, data: bytes) -> None:
        """Append what no later challenge depends on; it is not absorbed."""
        self.chunks.append(data)

    def grind(self, label: str, bits: int) -> None:
        """Find and send an 8-byte nonce whose hash with the state starts with `bits` zero bits."""
        if bits == 0:
            return
        state, nonce = self.transcript.fork_digest(), 0
        while _work(state, nonce.to_bytes(8, "little")) >> (64 - bits):
            nonce += 1
        self.send_bytes(label, nonce.to_bytes(8, "little"))

    def proof(self) -> bytes:
        return b"".join(self.chunks)


class VerifierChannel(Channel):
    """Reads the proof bytes. Raises MalformedProof on short, long or non-canonical input."""

    def __init__(self, transcript: Transcript, source: Source) -> None:
        super().__init__(transcript)
        self._source = source

    def _read(self, label: str, n_bytes: int) -> bytes:
        data = self._source.read(n_bytes)
        if len(data) != n_bytes:
            raise MalformedProof("the proof ends too early", code="PROOF_TRUNCATED", step=label)
        return data

    def receive_bytes(self, label: str, n_bytes: int) -> bytes:
        data = self._read(label, n_bytes)
        self.transcript.absorb(label, BYTES, data)
        return data

    def receive_elements(self, label: str, shape: tuple[int, ...]) -> Array:
        data = self._read(label, 8 * int(np.prod(shape, dtype=np.int64)))
        values = canonical(label, data, shape)
        self.transcript.absorb(label, ELEMENTS, data)
        return values

    def receive_last(self, label: str, n_bytes: int) -> bytes:
        """What no later challenge depends on; it is not absorbed."""
        return self._read(label, n_bytes)

    def check_grind(self, label: str, bits: int) -> None:
        if bits == 0:
            return
        state = self.transcript.fork_digest()
        if _work(state, self.receive_bytes(label, 8)) >> (64 - bits):
            raise Rejected("the proof of work is missing", code="GRIND", step=label)

    def finish(self) -> None:
        """The stream must be used up: a proof with room behind it would be malleable."""
        if self._source.read(1):
            raise MalformedProof("bytes follow the end of the proof", code="PROOF_TRAILING")


def canonical(label: str, data: bytes, shape: tuple[int, ...]) -> Array:
    """Little-endian words as field elements; raises MalformedProof when one is not reduced."""
    values = np.frombuffer(data, dtype="<u8").astype(np.uint64).reshape(shape)
    if values.size and int(values.max()) >= P:
        raise MalformedProof("a field element is not reduced", code="PROOF_NON_CANONICAL", step=label)
    return values
