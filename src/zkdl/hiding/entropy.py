"""Secret randomness. Everything a prover hides derives from one 32-byte key through SHAKE256.

Key -> (label -> stream): salts, random coefficients, masks and pads never share a label, so no two of them are equal.
The package knows one source of fresh keys, the operating system.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np

from zkdl.algebra.extension import Array, P


def fresh_key() -> bytes:
    """32 bytes from the operating system."""
    return os.urandom(32)


class Entropy:
    """A keyed pseudo-random function with labelled outputs.

    Args:
        key: 32 secret bytes.
        context: public bytes that this use is bound to (statement, roots, digest of the witness): the same key in
            another context gives unrelated output, the same key in the same context repeats it.
    """

    def __init__(self, key: bytes, context: bytes = b"") -> None:
        if len(key) != 32:
            raise ValueError("a key has 32 bytes")
        self._key = hashlib.shake_256(b"zkdl/entropy" + key + context).digest(32)

    def stream(self, label: str, n_bytes: int) -> bytes:
        raw = label.encode("ascii")
        return hashlib.shake_256(b"zkdl/stream" + self._key + len(raw).to_bytes(2, "little") + raw).digest(n_bytes)

    def elements(self, label: str, shape: tuple[int, ...]) -> Array:
        """Uniform elements of F, uint64 of this shape: words at or above p are skipped."""
        need = int(np.prod(shape, dtype=np.int64))
        spare = 16
        while True:
            words = np.frombuffer(self.stream(label, 8 * (need + spare)), dtype="<u8")
            words = words[words < np.uint64(P)]
            if len(words) >= need:
                return np.ascontiguousarray(words[:need].astype(np.uint64)).reshape(shape)
            spare *= 2

    def salts(self, label: str, count: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        """(count, 32) uint8."""
        return np.frombuffer(self.stream(label, 32 * count), dtype=np.uint8).reshape(count, 32).copy()

    def child(self, label: str) -> Entropy:
        return Entropy(self.stream("child/" + label, 32))
