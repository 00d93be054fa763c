"""A SHAKE256 hash-chain transcript. [proof-system.md, section 7]

Transcript: absorb(label, kind, data): s = SHAKE256("zkdl/absorb" || s || kind || |label| || label || |data| || data);
squeeze(label, n): out = SHAKE256("zkdl/squeeze" || s || |label| || label || n), then s is ratcheted with the same input.
Every field has a fixed width or its length in front of it, so different histories never hash the same bytes.

Soundness error: in the random-oracle model each query counts once per round; `proof/security.py` adds 4.5 Q^2 / 2^256.
"""

from __future__ import annotations

import hashlib

import numpy as np

from zkdl.algebra.extension import Array, Ext, P, scalar

PUBLIC, BYTES, ELEMENTS = 0, 1, 2


def _field(label: str) -> bytes:
    raw = label.encode("ascii")
    return len(raw).to_bytes(2, "little") + raw


class Transcript:
    """Both parties feed the same history and draw the same challenges.

    Args:
        protocol: domain separator, with the version of the proof format.
        statement: canonical bytes of what is being proven.
    """

    def __init__(self, protocol: str, statement: bytes) -> None:
        self._state = bytes(32)
        self.absorb("protocol", PUBLIC, protocol.encode("ascii"))
        self.absorb("statement", PUBLIC, statement)

    def absorb(self, label: str, kind: int, data: bytes) -> None:
        head = b"zkdl/absorb" + self._state + bytes([kind]) + _field(label) + len(data).to_bytes(8, "little")
        digest = hashlib.shake_256(head)
        digest.update(data)
        self._state = digest.digest(32)

    def squeeze(self, label: str, n_bytes: int) -> bytes:
        tail = self._state + _field(label) + n_bytes.to_bytes(8, "little")
        out = hashlib.shake_256(b"zkdl/squeeze" + tail).digest(n_bytes)
        self._state = hashlib.shake_256(b"zkdl/ratchet" + tail).digest(32)
        return out

    def challenges(self, label: str, count: int) -> Array:
        """`count` uniform elements of K as (count, 2) uint64: 64-bit words at or above p are skipped."""
        need = 2 * count
        # A word is skipped with probability 2^-32: eight spare words make a second squeeze all but impossible.
        words = np.empty(0, dtype=np.uint64)
        while len(words) < need:
            drawn = np.frombuffer(self.squeeze(label, 8 * (need - len(words) + 8)), dtype="<u8")
            words = np.concatenate([words, drawn[drawn < np.uint64(P)]])
        return np.ascontiguousarray(words[:need].astype(np.uint64)).reshape(count, 2)

    def challenge(self, label: str) -> Ext:
        """One uniform element of K."""
        return scalar(self.challenges(label, 1)[0])

    def indices(self, label: str, size: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """`count` distinct uniform positions below `size` (a power of two), ascending."""
        if count > size:
            raise ValueError("more positions than there are")
        mask = np.uint64(size - 1)
        found: dict[int, None] = {}
        while len(found) < count:
            words = np.frombuffer(self.squeeze(label, 8 * 2 * count), dtype="<u8") & mask
            for word in words.tolist():
                if len(found) == count:
                    break
                found[word] = None
        return np.array(sorted(found), dtype=np.int64)

    def fork_digest(self) -> bytes:
        """The current state: equal on both sides exactly when their histories are equal."""
        return self._state
