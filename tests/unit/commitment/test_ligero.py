"""The row code: linear, Reed-Solomon of the stated dimension, systematic on H; commitments and masks of one opening."""

from __future__ import annotations

import numpy as np
import pytest

from zkdl.algebra.extension import P
from zkdl.backend.reference_field import GOLDILOCKS
from zkdl.backend.select import get_backend
from zkdl.commitment import merkle
from zkdl.commitment.ligero import MASK_ROWS, commit, encode_message, make_masks
from zkdl.commitment.parameters import CodeShape
from zkdl.hiding.entropy import Entropy

BACKEND = get_backend()
RNG = np.random.default_rng(11)
ENTROPY = Entropy(bytes(32), b"ligero")
# (ell, random coefficients, n); ell + random is a power of two in none, all of n in one.
SIZES = [(1, 1, 4), (2, 3, 8), (8, 3, 16), (8, 8, 16), (16, 5, 128)]


def field(*shape: int) -> np.ndarray:
    return RNG.integers(0, P, shape, dtype=np.uint64)


def coefficients(codeword: np.ndarray) -> list[int]:
    """Of the polynomial through all n points 7 * g^i: interpolate on the subgroup, then undo the shift by 7."""
    shifted = BACKEND.interpolate(codeword.reshape(1, -1))[0]
    return [int(c) * pow(7, -i, P) % P for i, c in enumerate(shifted)]


@pytest.mark.parametrize(("ell", "t", "n"), SIZES)
def test_a_codeword_is_a_polynomial_of_degree_below_k(ell: int, t: int, n: int) -> None:
    """Exactly k = ell + t coefficients are free, and the values on H are the row."""
    rows, random = field(2, ell), field(2, t)
    root, outer = GOLDILOCKS.root_of_unity(ell), GOLDILOCKS.root_of_unity(n)
    for row, codeword, tail in zip(rows, BACKEND.encode(rows, random, n), random, strict=True):
        poly = coefficients(codeword)
        assert not any(poly[ell + t :]) and poly[ell + t - 1] != 0
        assert poly[ell : ell + t] == [
            (int(c) - (int(tail[i + ell]) if i + ell < t else 0)) % P for i, c in enumerate(tail)
        ]
        assert [GOLDILOCKS.evaluate(poly, pow(root, i, P)) for i in range(ell)] == row.tolist()
        # The domain is 7 <g_n>, disjoint from H: no opened column shows a value.
        assert [GOLDILOCKS.evaluate(poly, 7 * pow(outer, i, P) % P) for i in range(n)] == codeword.tolist()
        assert all(pow(7 * pow(outer, i, P), ell, P) != 1 for i in range(n))


@pytest.mark.parametrize(("ell", "t", "n"), SIZES)
def test_the_code_is_linear(ell: int, t: int, n: int) -> None:
    """Over F row by row, and over K for combinations of rows."""
    (a, b), (ra, rb) = field(2, 1, ell), field(2, 1, t)
    scale = np.array([123456789], dtype=np.uint64)
    total = BACKEND.f_add(BACKEND.f_mul(a, scale), b), BACKEND.f_add(BACKEND.f_mul(ra, scale), rb)
    parts = BACKEND.f_mul(BACKEND.encode(a, ra, n), scale), BACKEND.encode(b, rb, n)
    assert np.array_equal(BACKEND.encode(*total, n), BACKEND.f_add(*parts))
    rows, random, weights = field(3, ell), field(3, t), field(3, 2)
    at = np.arange(0, n, 2, dtype=np.int64)
    message = encode_message(BACKEND, BACKEND.vecmat(weights, rows), BACKEND.vecmat(weights, random), n, at)
    code = BACKEND.encode(rows, random, n)
    assert np.array_equal(message, np.ascontiguousarray(BACKEND.vecmat(weights, code)[at]))


def test_negative_integers_are_field_elements() -> None:
    """A row of small integers has the codeword of its field elements."""
    rows = np.array([[-1, 2, -3, 2**31 - 1]])
    assert np.array_equal(
        BACKEND.encode(rows, field(1, 2) * 0, 8), BACKEND.encode(BACKEND.f_from_int(rows), field(1, 2) * 0, 8)
    )


SHAPE = CodeShape(rows=3, log_row=3, openings=2, queries=2, random=4, log_domain=5)


def test_a_commitment_opens_at_every_position() -> None:
    """Salts, columns and nodes in this order authenticate against the root."""
    matrix = RNG.integers(-9, 9, (3, 8)).astype(np.int32)
    committed = commit(BACKEND, matrix, SHAPE, ENTROPY, "m")
    for start in range(31):
        indices = np.array([start, start + 1], dtype=np.int64)
        data = committed.columns(BACKEND, indices)
        salts = np.frombuffer(data[:64], dtype=np.uint8).reshape(2, 32)
        columns = np.frombuffer(data[64 : 64 + 48], dtype="<u8").reshape(2, 3)
        assert np.array_equal(columns, BACKEND.encode(matrix, committed.random, 32)[:, indices].T)
        leaves = merkle.leaf_digests(indices, salts, columns)
        merkle.verify_multiproof(committed.root, leaves, indices, 5, data[64 + 48 :])


def test_commitments_are_hiding_and_bound_to_their_label() -> None:
    """Equal rows get different codewords and salts, in one matrix and in two."""
    matrix = np.zeros((3, 8), dtype=np.int32)
    one, two = (commit(BACKEND, matrix, SHAPE, ENTROPY, label) for label in ("one", "two"))
    assert one.root != two.root
    codewords = np.concatenate([one.code, two.code])
    assert len(np.unique(codewords)) == codewords.size
    assert one.random.shape == (3, SHAPE.queries * SHAPE.openings)
    assert len(np.unique(np.concatenate([one.salts, two.salts]), axis=0)) == 64
    assert commit(BACKEND, matrix, SHAPE, ENTROPY, "one").root == one.root


def test_masks_are_uniform_over_both_coordinates_and_committed() -> None:
    """Fold and test mask are four different random rows, as they are in the tree."""
    masks = make_masks(BACKEND, SHAPE, ENTROPY, "mask")
    values = np.concatenate([part.reshape(-1) for pair in (masks.fold, masks.low_degree) for part in pair])
    assert len(np.unique(values)) == len(values) == MASK_ROWS * SHAPE.dimension
    assert np.count_nonzero(values >> np.uint64(48)) > 0.9 * len(values)
    assert masks.tree.shape.rows == MASK_ROWS == len(masks.tree.code)
    assert masks.tree.shape.log_domain == SHAPE.log_domain
    at = np.arange(SHAPE.domain, dtype=np.int64)
    for first, (systematic, random) in ((0, masks.fold), (2, masks.low_degree)):
        assert systematic.shape == (8, 2) and random.shape == (4, 2)
        encoded = encode_message(BACKEND, systematic, random, SHAPE.domain, at)
        assert np.array_equal(encoded.T, masks.tree.code[first : first + 2])
