"""Salted SHA-256 Merkle trees with pruned multiproofs. [proof-system.md, section 7]

leaf = SHA256(0x00 || index || salt || rows || column), node = SHA256(0x01 || level || index || left || right): tag,
position and width are hashed, so neither a node nor another leaf can stand in for a leaf.

Soundness error: collision of SHA-256, counted in `proof/security.py`.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.extension import Array
from zkdl.backend.base import Backend
from zkdl.backend.device import to_host
from zkdl.errors import InternalError, Rejected

Digests = NDArray[np.uint8]


def build(backend: Backend, leaves: Digests) -> list[Digests]:
    """All levels from the leaves (n, 32) to the root (1, 32); n a power of two."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append(backend.merkle_parents(levels[-1], len(levels)))
    return levels


def _missing(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the siblings that are not themselves known, ascending."""
    siblings = indices ^ 1
    return np.setdiff1d(siblings, indices)


def path_nodes(indices: NDArray[np.int64], depth: int) -> int:
    """How many digests a multiproof of these distinct leaves has."""
    count = 0
    for _ in range(depth):
        count += len(_missing(indices))
        indices = np.unique(indices >> 1)
    return count


def multiproof(levels: list[Digests], indices: NDArray[np.int64]) -> bytes:
    """The digests that the verifier cannot compute itself, level by level, ascending."""
    parts = []
    for level in levels[:-1]:
        parts.append(to_host(level[_missing(indices)]).tobytes())
        indices = np.unique(indices >> 1)
    return b"".join(parts)


def verify_multiproof(root: bytes, leaves: Digests, indices: NDArray[np.int64], depth: int, proof: bytes) -> None:
    """Check distinct ascending leaves against the root.

    Args: leaves (t, 32) in the order of `indices`; proof of exactly 32 * path_nodes(indices, depth) bytes.
    Raises: Rejected when the root differs; InternalError when the caller breaks what is said above.
    """
    if np.any(np.diff(indices) <= 0) or len(proof) != 32 * path_nodes(indices, depth):
        # Of two leaves at one position only one would be checked, and a node too many would not be.
        raise InternalError("a multiproof needs distinct ascending positions and exactly its nodes")
    nodes = np.frombuffer(proof, dtype=np.uint8).reshape(-1, 32)
    used = 0
    known = {int(i): leaves[k].tobytes() for k, i in enumerate(indices)}
    for level in range(1, depth + 1):
        here = np.array(sorted(known), dtype=np.int64)
        missing = _missing(here)
        for k, i in enumerate(missing.tolist()):
            known[i] = nodes[used + k].tobytes()
        used += len(missing)
        known = {
            int(i): hashlib.sha256(
                b"\x01" + bytes([level]) + int(i).to_bytes(8, "little") + known[2 * i] + known[2 * i + 1]
            ).digest()
            for i in np.unique(here >> 1).tolist()
        }
    if known[0] != root:
        raise Rejected("an opened column does not belong to its commitment", code="MERKLE")


def leaf_digests(indices: NDArray[np.int64], salts: Digests, columns: Array) -> Digests:
    """Leaves of opened columns: columns (t, m) uint64, salts (t, 32)."""
    count = columns.shape[1].to_bytes(4, "little")
    digests = [
        hashlib.sha256(
            b"\x00" + int(i).to_bytes(8, "little") + salts[k].tobytes() + count + columns[k].astype("<u8").tobytes()
        ).digest()
        for k, i in enumerate(indices.tolist())
    ]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)
