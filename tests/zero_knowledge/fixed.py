"""Challenges that depend on nothing: a simulator may answer them, and maps on randomness stay linear."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np

from zkdl.algebra.extension import Array, P
from zkdl.hiding.entropy import Entropy
from zkdl.transcript.channel import VerifierChannel, _work
from zkdl.transcript.transcript import Transcript


class FixedTranscript(Transcript):
    """Ignores what is absorbed: the random oracle programmed in advance, for tests alone."""

    def __init__(self, seed: int = 0) -> None:
        self._state = bytes([seed]) * 32

    def absorb(self, label: str, kind: int, data: bytes) -> None:
        return None


class InventingChannel(VerifierChannel):
    """Answers every read with uniform elements and remembers the proof bytes that it has invented."""

    def __init__(self, seed: int, transcript: Transcript | None = None) -> None:
        super().__init__(transcript or FixedTranscript(), io.BytesIO())
        self.random = np.random.default_rng(seed)
        self.chunks: list[tuple[str, bytes]] = []

    def elements(self, shape: tuple[int, ...]) -> Array:
        return self.random.integers(0, P, shape, dtype=np.uint64)

    def bytes(self, count: int) -> bytes:
        return self.random.bytes(count)

    def keep(self, label: str, data: bytes) -> None:
        self.chunks.append((label, data))

    def receive_bytes(self, label: str, n_bytes: int) -> bytes:
        self.keep(label, self.bytes(n_bytes))
        return self.chunks[-1][1]

    def receive_elements(self, label: str, shape: tuple[int, ...]) -> Array:
        values = self.elements(shape)
        self.keep(label, values.astype("<u8").tobytes())
        return values

    def check_grind(self, label: str, bits: int) -> None:
        """The work is done and not invented."""
        if bits:
            state = self.transcript.fork_digest()
            words = (n.to_bytes(8, "little") for n in range(1 << 40))
            self.keep(label, next(nonce for nonce in words if not _work(state, nonce) >> (64 - bits)))

    def has(self, label: str) -> bool:
        return any(name == label for name, _ in self.chunks)

    def replace(self, label: str, data: bytes) -> None:
        """Change the one message with this label."""
        (place,) = [i for i, (name, _) in enumerate(self.chunks) if name == label]
        assert len(self.chunks[place][1]) == len(data)
        self.chunks[place] = (label, data)

    def proof(self) -> bytes:
        return b"".join(data for _, data in self.chunks)


class GivenEntropy(Entropy):
    """Takes field elements from one given vector, label by label; salts are constant."""

    def __init__(self, values: Array) -> None:
        super().__init__(bytes(32))
        self.values = values
        self.used = 0

    def elements(self, label: str, shape: tuple[int, ...]) -> Array:
        count = int(np.prod(shape, dtype=np.int64))
        if self.used + count > len(self.values):
            raise AssertionError("more randomness is drawn than was given")
        self.used += count
        return self.values[self.used - count : self.used].reshape(shape).copy()


class RecordingEntropy(Entropy):
    """Remembers every label and every output."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.drawn: list[tuple[str, bytes]] = []

    def elements(self, label: str, shape: tuple[int, ...]) -> Array:
        out = super().elements(label, shape)
        self.drawn.append((label, out.tobytes()))
        return out

    def salts(self, label: str, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        out = super().salts(label, count)
        self.drawn.append((label, out.tobytes()))
        return out


def words(data: bytes) -> list[bytes]:
    """Aligned 8-byte words."""
    return [data[i : i + 8] for i in range(0, len(data), 8)]


def rank(rows: Iterable[list[int]]) -> int:
    """Rank over F of a matrix of integers, by elimination."""
    pivots: dict[int, list[int]] = {}
    for row in rows:
        left = [value % P for value in row]
        for column in range(len(left)):
            if not left[column]:
                continue
            if column not in pivots:
                scale = pow(left[column], P - 2, P)
                pivots[column] = [value * scale % P for value in left]
                break
            factor = left[column]
            left = [(a - factor * b) % P for a, b in zip(left, pivots[column], strict=True)]
    return len(pivots)
