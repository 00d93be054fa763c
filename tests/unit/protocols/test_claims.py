"""Batching of linear claims: the combination is the one of the definition, for rows and in-row vectors of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.alone import random_elements, random_table
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, from_array
from zkdl.backend.select import get_backend
from zkdl.hiding.ledger import constant
from zkdl.protocols.claims import Claims, Part, batch, fold_rows, spans

BACKEND = get_backend()
ROWS, ELL = 6, 4
MATRIX = np.random.default_rng(4).integers(-50, 50, (ROWS, ELL)).astype(np.int64)


def part_value(vectors: dict[str, Array], part: Part) -> Ext:
    out = ZERO
    for i, weight in enumerate(from_array(part.weights)):
        for value, factor in zip(MATRIX[part.first_row + i], from_array(vectors[part.in_row]), strict=True):
            out = out + weight * factor * int(value)
    return out


def example() -> tuple[Claims, list[Ext]]:
    """Three claims: two vectors in one claim, rows that overlap between claims, one row, all rows."""
    rng = np.random.default_rng(8)
    claims, values = Claims({name: random_table(rng, ELL) for name in ("a", "b", "unused")}), []
    for parts in (
        [Part("a", 0, random_table(rng, 2)), Part("b", 1, random_table(rng, 3))],
        [Part("a", 1, random_table(rng, 1)), Part("a", 1, random_table(rng, 2))],
        [Part("b", 0, random_table(rng, ROWS))],
    ):
        value = ZERO
        for part in parts:
            value = value + part_value(claims.in_rows, part)
        values.append(value)
        claims.add(constant(value), parts)
    return claims, values


def test_the_batched_claim_is_the_sum_with_powers() -> None:
    """T13: value and row weights; sum_names sum_i rows[name][i] <in_rows[name], row_i> is the batched value."""
    claims, values = example()
    g = Ext(3, 5)
    batched = batch(BACKEND, claims, ROWS, g)
    assert batched.value.known == values[0] + values[1] * g + values[2] * g * g
    out = ZERO
    for first, weights, vector in zip(batched.first, batched.row_weights, batched.in_rows, strict=True):
        out = out + part_value({"x": vector}, Part("x", first, weights))
    assert out == batched.value.known
    assert [used.tolist() for used in batched.used] == [[1, 1, 1], [1] * 6, []]
    for weights, used in zip(batched.row_weights, batched.used, strict=True):
        assert not weights[~used].any()


def test_claims_have_different_powers() -> None:
    """Errors of opposite sign in two claims do not cancel, and the order of claims matters."""
    claims, _ = example()
    g = Ext(3, 5)
    before = batch(BACKEND, claims, ROWS, g).value.known
    (first, parts), (second, others), last = claims.claims
    claims.claims = [(first + ONE, parts), (second - ONE, others), last]
    assert batch(BACKEND, claims, ROWS, g).value.known != before
    claims.claims = [(second, others), (first, parts), last]
    assert batch(BACKEND, claims, ROWS, g).value.known != before


def test_combined_rows() -> None:
    """The fold's weights are the row weights times each vector's value at the sumcheck's point."""
    claims, _ = example()
    batched = batch(BACKEND, claims, ROWS, Ext(7, 7))
    values = random_elements(np.random.default_rng(1), 3)
    found = from_array(batched.combined_rows(BACKEND, values))
    for i in range(ROWS):
        expected = ZERO
        for first, weights, value in zip(batched.first, batched.row_weights, values, strict=True):
            if first <= i < first + len(weights):
                expected = expected + from_array(weights)[i - first] * value
        assert found[i] == expected


@pytest.mark.parametrize("used", [[0] * 6, [1] * 6, [1, 0, 0, 1, 1, 0], [0, 1, 0, 1, 0, 1]])
def test_fold_rows_reads_the_rows_in_use_alone(used: list[int]) -> None:
    """T15: also none and all of them."""
    weights = random_table(np.random.default_rng(2), ROWS)
    mask = np.array(used, dtype=np.bool_)
    assert sum(last - first for first, last in spans(mask)) == sum(used)
    folded = from_array(fold_rows(BACKEND, weights, mask, MATRIX))
    for column in range(ELL):
        expected = ZERO
        for i, weight in enumerate(from_array(weights)):
            expected = expected + weight * (int(MATRIX[i, column]) * used[i])
        assert folded[column] == expected


def test_spans_are_maximal_and_half_open() -> None:
    """At both ends and in the middle."""
    assert spans(np.array([1, 1, 0, 1, 0, 0, 1], dtype=np.bool_)) == [(0, 2), (3, 4), (6, 7)]
    assert spans(np.zeros(0, dtype=np.bool_)) == []
