"""Zero knowledge: for fixed challenges, randomness -> revealed values is onto what the equations allow.

A deficit of the rank would be a linear relation between revealed values that the verifier's equations do not
explain: a leak. The maps are those of the code itself; every unit vector of randomness is pushed through.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.zero_knowledge.fixed import FixedTranscript, GivenEntropy, rank
from zkdl.algebra.extension import Array, Ext, P
from zkdl.backend.select import get_backend
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import MASK_ROWS, commit, make_masks
from zkdl.commitment.pads import PadShape
from zkdl.commitment.parameters import CodeShape
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, constant
from zkdl.protocols import opening
from zkdl.protocols.claims import Claims, Part
from zkdl.transcript.channel import ProverChannel

BACKEND = get_backend("numpy")


def _linear_rank(reveal: Callable[[Array], list[int]], inputs: int) -> tuple[int, int]:
    """(rank of the linear part of an affine map on F^inputs, number of outputs)."""
    at_zero = reveal(np.zeros(inputs, dtype=np.uint64))
    rows = []
    for i in range(inputs):
        unit = np.zeros(inputs, dtype=np.uint64)
        unit[i] = 1
        rows.append([(a - b) % P for a, b in zip(reveal(unit), at_zero, strict=True)])
    return rank(rows), len(at_zero)


def _integers(data: bytes) -> list[int]:
    return np.frombuffer(data, dtype="<u8").tolist()


def _columns(data: bytes, queries: int, rows: int) -> list[int]:
    """The columns in the bytes of `Committed.columns`: salts come first, tree nodes last."""
    return _integers(data[32 * queries : 32 * queries + 8 * queries * rows])


def _claims(shape: CodeShape) -> Claims:
    """Two claims with different in-row vectors, on all rows."""
    random = np.random.default_rng(3)

    def draw(count: int) -> Array:
        return random.integers(0, P, (count, 2), dtype=np.uint64)

    claims = Claims({"a": draw(shape.row), "b": draw(shape.row)})
    claims.add(constant(5), [Part("a", 0, draw(shape.rows))])
    claims.add(constant(7), [Part("b", 1, draw(shape.rows - 1))])
    return claims


@pytest.mark.parametrize("openings", [1, 3])
@pytest.mark.parametrize(("log_row", "queries"), [(0, 1), (1, 2), (2, 3)])
def test_one_opening_reveals_only_what_the_equations_force(log_row: int, queries: int, openings: int) -> None:
    rows = 3
    shape = CodeShape(rows, log_row, openings, queries, queries * openings, 5)
    matrix = np.arange(rows * shape.row, dtype=np.int64).reshape(rows, shape.row)
    n_random, n_masks, n_pads = (
        rows * shape.random,
        MASK_ROWS * shape.dimension,
        2 * opening.pads(shape).singles,
    )

    def reveal(randomness: Array) -> list[int]:
        committed = commit(BACKEND, matrix, shape, GivenEntropy(randomness[:n_random]), "x")
        masks = make_masks(BACKEND, shape, GivenEntropy(randomness[n_random : n_random + n_masks]), "x")
        pads = randomness[n_random + n_masks :].reshape(-1, 2)
        channel = ProverChannel(FixedTranscript())
        ledger = ProverLedger(opening.pads(shape), channel, pads)
        opening.prove(ledger, BACKEND, committed, masks, _claims(shape), "x")
        indices = channel.transcript.indices("x/positions", shape.domain, queries)
        opened = [*_columns(committed.columns(BACKEND, indices), queries, rows)]
        opened += _columns(masks.tree.columns(BACKEND, indices), queries, MASK_ROWS)
        return _integers(channel.proof()) + opened

    found, revealed = _linear_rank(reveal, n_random + n_masks + n_pads)
    # Two messages agree with the opened columns: 2 elements of K, so 4 of F, per position.
    assert revealed == n_pads + 4 * shape.dimension + queries * (rows + MASK_ROWS)
    assert found == revealed - 4 * queries


@pytest.mark.parametrize(("taken", "hidden"), [(1, True), (2, True), (3, False)])
def test_opened_columns_are_uniform_within_the_budget_and_not_beyond(taken: int, hidden: bool) -> None:
    """k = ell + t * budget is exact: one opening more reveals a relation between the values of a row."""
    budget, queries, rows = 2, 3, 2
    shape = CodeShape(rows, 2, budget, queries, queries * budget, 5)
    matrix = np.ones((rows, shape.row), dtype=np.int64)
    positions = np.arange(1, 1 + taken * queries, dtype=np.int64)

    def reveal(randomness: Array) -> list[int]:
        committed = commit(BACKEND, matrix, shape, GivenEntropy(randomness), "x")
        return _columns(committed.columns(BACKEND, positions), len(positions), rows)

    found, revealed = _linear_rank(reveal, rows * shape.random)
    assert (found == revealed) is hidden
    assert found == rows * min(len(positions), shape.random)


@pytest.mark.parametrize(("log_row", "queries", "singles", "products"), [(1, 2, 3, 1), (2, 2, 5, 0), (2, 3, 0, 1)])
def test_pad_proof_reveals_only_the_sum(log_row: int, queries: int, singles: int, products: int) -> None:
    """Pads fixed: what the pad commitment's own randomness leaves free."""
    count = PadCount(singles, products)
    pad_rows = -(-count.pads >> log_row)
    code = CodeShape(2 * pad_rows + 4, log_row, 1, queries, queries, 6)
    shape = PadShape(code, pad_rows)
    pads = np.random.default_rng(4).integers(0, P, (count.pads, 2), dtype=np.uint64)
    terms = {i: Ext(3 + i, 5 * i) for i in range(count.pads)}
    constraints = [Affine(Ext(1), terms), Affine(Ext(9, 2), {0: Ext(0, 1)})]
    fill = 2 * ((pad_rows << log_row) - count.pads)
    needed = fill + (2 * pad_rows + 2) * code.random + 2 * code.row + 2 * shape.message

    def reveal(randomness: Array) -> list[int]:
        entropy = GivenEntropy(randomness)
        committed = pad_commitment.commit(BACKEND, pads, shape, entropy)
        assert entropy.used == needed
        channel = ProverChannel(FixedTranscript())
        pad_commitment.prove(BACKEND, channel, committed, constraints)
        indices = channel.transcript.indices("pads/positions", code.domain, queries)
        return _integers(channel.proof()) + _columns(committed.tree.columns(BACKEND, indices), queries, code.rows)

    found, revealed = _linear_rank(reveal, needed)
    assert revealed == 2 * code.dimension + 2 * shape.message + queries * code.rows
    # Both messages agree with the opened columns, and the sum of y over H' is public.
    assert found == revealed - 4 * queries - 2


def test_mask_of_y_reaches_every_coefficient() -> None:
    """The degree of A_r P_r is 2 ell' + t - 2; a shorter mask would leave coefficients of y in the clear."""
    shape = PadShape(CodeShape(6, 3, 1, 4, 4, 6), 1)
    assert shape.message == (shape.code.row - 1) + (shape.code.dimension - 1) + 1
