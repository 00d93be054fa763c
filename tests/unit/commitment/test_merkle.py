"""Salted Merkle trees: every opened leaf is authenticated, at its own position, in a tree of this depth."""

from __future__ import annotations

import hashlib
import io
from itertools import combinations

import numpy as np
import pytest

from zkdl.backend.select import get_backend
from zkdl.commitment import merkle
from zkdl.errors import InternalError, MalformedProof, Rejected
from zkdl.hiding.ledger import PadCount, VerifierLedger
from zkdl.protocols.opening import receive_columns
from zkdl.transcript.channel import VerifierChannel
from zkdl.transcript.transcript import Transcript

RNG = np.random.default_rng(5)
DEPTH = 3
LEAVES = RNG.integers(0, 256, (1 << DEPTH, 32), dtype=np.uint8)
LEVELS = merkle.build(get_backend(), LEAVES)
ROOT = LEVELS[-1].tobytes()
SUBSETS = [np.array(s, dtype=np.int64) for size in range(1, 9) for s in combinations(range(8), size)]


def check(leaves: merkle.Digests, indices: np.ndarray, proof: bytes, depth: int = DEPTH, root: bytes = ROOT) -> None:
    merkle.verify_multiproof(root, leaves, indices, depth, proof)


def refused(*arguments: object, **more: object) -> None:
    with pytest.raises(Rejected) as error:
        check(*arguments, **more)
    assert error.value.code == "MERKLE"


def test_the_root_is_the_one_of_the_definition() -> None:
    """Level by level with tag, level and index in every hash."""
    nodes = [leaf.tobytes() for leaf in LEAVES]
    for level in range(1, DEPTH + 1):
        nodes = [
            hashlib.sha256(
                b"\x01" + bytes([level]) + i.to_bytes(8, "little") + nodes[2 * i] + nodes[2 * i + 1]
            ).digest()
            for i in range(len(nodes) // 2)
        ]
    assert nodes == [ROOT]


def test_every_subset_is_accepted_and_has_the_announced_size() -> None:
    """All 255 sets of positions of a tree with eight leaves."""
    for indices in SUBSETS:
        proof = merkle.multiproof(LEVELS, indices)
        assert len(proof) == 32 * merkle.path_nodes(indices, DEPTH)
        check(LEAVES[indices], indices, proof)


def test_a_pruned_multiproof_authenticates_every_leaf_and_every_node() -> None:
    """For all sets: any leaf changed, and any node changed, is rejected."""
    for indices in SUBSETS:
        proof = merkle.multiproof(LEVELS, indices)
        for k in range(len(indices)):
            leaves = LEAVES[indices]
            leaves[k, 31] ^= 1
            refused(leaves, indices, proof)
        for k in range(0, len(proof), 32):
            refused(LEAVES[indices], indices, proof[:k] + bytes([proof[k] ^ 128]) + proof[k + 1 :])


def test_leaves_of_other_positions() -> None:
    """The same leaves at wrong positions, and swapped leaves, are rejected."""
    for indices in SUBSETS:
        if len(indices) == 8:
            continue
        proof, missing = merkle.multiproof(LEVELS, indices), np.setdiff1d(np.arange(8), indices)
        for k, other in [(k, other) for k in range(len(indices)) for other in missing]:
            moved = np.sort(np.append(np.delete(indices, k), other))
            if len(proof) == 32 * merkle.path_nodes(moved, DEPTH):
                refused(LEAVES[indices], moved, proof)
    for indices in (np.array([2, 3]), np.array([0, 7]), np.array([1, 2])):
        refused(LEAVES[indices[::-1]], indices, merkle.multiproof(LEVELS, indices))


def test_swapped_nodes_are_rejected() -> None:
    """Nodes belong to their place, level by level."""
    indices = np.array([0, 5], dtype=np.int64)
    proof = merkle.multiproof(LEVELS, indices)
    nodes = [proof[i : i + 32] for i in range(0, len(proof), 32)]
    for i, j in combinations(range(len(nodes)), 2):
        swapped = list(nodes)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        refused(LEAVES[indices], indices, b"".join(swapped))


def test_an_inner_node_is_no_leaf() -> None:
    """A tree one level lower, with inner nodes as leaves, does not have this root; nor does one with a level on top."""
    for level in (1, 2):
        nodes = LEVELS[level]
        for i in range(len(nodes)):
            indices = np.array([i], dtype=np.int64)
            refused(nodes[indices], indices, merkle.multiproof(LEVELS[level:], indices), depth=DEPTH - level)
    taller = merkle.build(get_backend(), np.concatenate([LEAVES, LEAVES]))
    assert taller[DEPTH][0].tobytes() == ROOT != taller[DEPTH][1].tobytes()
    indices = np.array([3], dtype=np.int64)
    refused(LEAVES[indices], indices, merkle.multiproof(LEVELS, indices) + ROOT, depth=DEPTH + 1)


def test_leaf_bytes_are_no_inner_node() -> None:
    """No column, salt and position have the preimage of a node: the tags differ, and so do all lengths."""
    salts = RNG.integers(0, 256, (1, 32), dtype=np.uint8)
    for rows in range(1, 6):
        column = RNG.integers(0, 2**63, (1, rows)).astype(np.uint64)
        digest = merkle.leaf_digests(np.array([1]), salts, column)[0].tobytes()
        body = (1).to_bytes(8, "little") + salts.tobytes() + rows.to_bytes(4, "little") + column.tobytes()
        assert digest == hashlib.sha256(b"\x00" + body).digest() != hashlib.sha256(b"\x01" + body).digest()
        assert 1 + len(body) != 1 + 1 + 8 + 64


def test_a_leaf_is_bound_to_position_salt_width_and_column() -> None:
    """Changing any of them changes the leaf; a column cannot lend an element to its salt or its width."""
    salt, column = RNG.integers(0, 256, (1, 32), dtype=np.uint8), np.array([[5, 6, 0]], dtype=np.uint64)
    other = salt.copy()
    other[0, 0] ^= 1
    at = np.array([4], dtype=np.int64)
    digests = [
        merkle.leaf_digests(at, salt, column),
        merkle.leaf_digests(at + 1, salt, column),
        merkle.leaf_digests(at, other, column),
        merkle.leaf_digests(at, salt, column[:, :2]),
        merkle.leaf_digests(at, salt, np.array([[5, 6, 0, 0]], dtype=np.uint64)),
        merkle.leaf_digests(at, salt, np.array([[6, 5, 0]], dtype=np.uint64)),
        merkle.leaf_digests(at, salt, np.array([[5, 6, 1]], dtype=np.uint64)),
    ]
    assert len({digest.tobytes() for digest in digests}) == len(digests)


def test_verifier_and_kernels_hash_the_same_leaves() -> None:
    """The commitment's leaves are those that the verifier recomputes."""
    code, salts = RNG.integers(0, 2**62, (3, 8)).astype(np.uint64), RNG.integers(0, 256, (8, 32), dtype=np.uint8)
    expected = merkle.leaf_digests(np.arange(8), salts, np.ascontiguousarray(code.T))
    assert np.array_equal(get_backend().hash_columns(code, salts), expected)


@pytest.mark.parametrize("positions", [[3, 3], [5, 2]])
def test_repeated_or_unsorted_positions_are_refused(positions: list[int]) -> None:
    """Of two different leaves at one position only one could be checked."""
    indices = np.array(positions, dtype=np.int64)
    proof = merkle.multiproof(LEVELS, np.unique(indices))
    with pytest.raises(InternalError):
        check(LEAVES[indices], indices, proof)


@pytest.mark.parametrize("change", [-1, 1])
def test_missing_and_extra_nodes_are_refused(change: int) -> None:
    """Inside the package a wrong number of nodes is a bug."""
    indices = np.array([1, 6], dtype=np.int64)
    proof = merkle.multiproof(LEVELS, indices)
    with pytest.raises(InternalError):
        check(LEAVES[indices], indices, proof[:-32] if change < 0 else proof + bytes(32))


def test_a_proof_with_missing_or_extra_nodes_is_malformed() -> None:
    """In a proof stream the number of nodes follows from the positions."""
    code, salts = RNG.integers(0, 2**62, (2, 8)).astype(np.uint64), RNG.integers(0, 256, (8, 32), dtype=np.uint8)
    levels = merkle.build(get_backend(), get_backend().hash_columns(code, salts))
    indices = np.array([0, 1, 6], dtype=np.int64)
    opened = salts[indices].tobytes() + np.ascontiguousarray(code[:, indices].T).tobytes()
    nodes = merkle.multiproof(levels, indices)

    def read(data: bytes) -> None:
        channel = VerifierChannel(Transcript("zkdl/test", b""), io.BytesIO(data))
        receive_columns(VerifierLedger(PadCount(), channel), levels[-1].tobytes(), 2, 3, indices, "c")
        channel.finish()

    read(opened + nodes)
    for data in (opened + nodes[:-32], opened + nodes + bytes(32), opened):
        with pytest.raises(MalformedProof):
            read(data)
    with pytest.raises(Rejected):
        read(opened + nodes[32:] + nodes[:32])


def test_a_tree_of_one_leaf() -> None:
    """T15: the root is the leaf, the proof is empty."""
    levels = merkle.build(get_backend(), LEAVES[:1])
    indices = np.array([0], dtype=np.int64)
    assert merkle.multiproof(levels, indices) == b"" and merkle.path_nodes(indices, 0) == 0
    check(LEAVES[:1], indices, b"", depth=0, root=levels[-1].tobytes())
    refused(LEAVES[1:2], indices, b"", depth=0, root=levels[-1].tobytes())
