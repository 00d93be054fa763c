"""Sumcheck with hidden messages against its definition: weighted, unweighted, with short tables, of degree 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.alone import (
    accepted,
    check_every_change_is_rejected,
    check_every_shift_is_rejected,
    extension_at,
    prove_alone,
    random_elements,
    random_table,
    reveal,
    verify_alone,
)
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, P, from_array
from zkdl.backend.base import Backend
from zkdl.errors import Rejected
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger, constant
from zkdl.protocols.sumcheck import (
    cubic_pads,
    next_claim,
    prove_dot,
    prove_triple,
    quadratic_pads,
    verify_dot,
    verify_triple,
)

Blocks = list[tuple[Array, Array]]
ELEMENTS = st.builds(Ext, st.integers(0, P - 1), st.integers(0, P - 1))


def eq(point: Sequence[Ext], index: int) -> Ext:
    corner = [ZERO] * (1 << len(point))
    corner[index] = ONE
    return extension_at(corner, point)


def padded(block: tuple[Array, Array], n_vars: int) -> tuple[list[Ext], list[Ext]]:
    """A extended by zeros, B by repetition in the missing top variables."""
    a, b = from_array(block[0]), from_array(block[1])
    missing = (1 << n_vars) - len(a)
    return a + [ZERO] * missing, b * ((1 << n_vars) // len(b))


def plain_sum(blocks: Blocks, n_vars: int, weight: Sequence[Ext]) -> Ext:
    """sum_x eq(weight, low bits of x) sum_blocks A(x) B(x)."""
    out = ZERO
    for block in blocks:
        for x, (a, b) in enumerate(zip(*padded(block, n_vars), strict=True)):
            out = out + a * b * eq(weight, x % (1 << len(weight)))
    return out


def plain_end(blocks: Blocks, n_vars: int, point: list[Ext]) -> Ext:
    out = ZERO
    for block in blocks:
        a, b = padded(block, n_vars)
        out = out + extension_at(a, point) * extension_at(b, point)
    return out


def parties(blocks: Blocks, n_vars: int, weight: list[Ext], claimed: Ext) -> tuple[Callable, Callable]:
    """Both sides; the end value is checked against the tables in the open, instead of a commitment."""

    def close(ledger: ProverLedger | VerifierLedger, point: list[Ext], claim: Affine) -> tuple[list[Ext], Affine]:
        ledger.require_zero(claim - plain_end(blocks, n_vars, point))
        return point, claim

    def prover(ledger: ProverLedger, backend: Backend) -> tuple[list[Ext], Affine]:
        point, finals, claim = prove_dot(ledger, backend, constant(claimed), blocks, n_vars, weight, "dot")
        assert len(finals) == len(blocks)
        for (a, b), block in zip(finals, blocks, strict=True):
            low = point[n_vars - (len(block[0]).bit_length() - 1) :]
            assert (a, b) == (extension_at(block[0], low), extension_at(block[1], low))
        return close(ledger, point, claim)

    def verifier(ledger: VerifierLedger, backend: Backend) -> tuple[list[Ext], Affine]:
        return close(ledger, *verify_dot(ledger, constant(claimed), n_vars, weight, "dot"))

    return prover, verifier


# n_vars, length of the weight, log2 sizes of the blocks.
SHAPES = [
    (0, 0, [0]),
    (1, 0, [1]),
    (1, 1, [1]),
    (3, 0, [3, 3]),
    (3, 3, [3]),
    (3, 1, [3, 1, 2]),
    (4, 2, [2, 4]),
    (2, 0, [0]),
]


def example(shape: tuple[int, int, list[int]], seed: int = 3) -> tuple[Blocks, int, list[Ext], Ext]:
    n_vars, low, sizes = shape
    rng = np.random.default_rng(seed)
    blocks = [(random_table(rng, 1 << size), random_table(rng, 1 << size)) for size in sizes]
    weight = random_elements(rng, low)
    return blocks, n_vars, weight, plain_sum(blocks, n_vars, weight)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_true_sum_is_proven_and_the_end_claim_is_the_plain_one(shape: tuple[int, int, list[int]]) -> None:
    """T13, T15: both sides reach the same point, and what the verifier holds hides the tables' value there."""
    blocks, n_vars, weight, claimed = example(shape)
    count = quadratic_pads(n_vars)
    prover, verifier = parties(blocks, n_vars, weight, claimed)
    proof, sent = prove_alone(count, prover)
    received = verify_alone(count, proof, verifier)
    assert sent[0] == received[0] and len(set(received[0])) == n_vars
    assert reveal(count, received[1]) == plain_end(blocks, n_vars, received[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_false_sum_is_rejected(shape: tuple[int, int, list[int]]) -> None:
    """Off by one in either coordinate, by both parties' agreement."""
    blocks, n_vars, weight, claimed = example(shape)
    for off in (ONE, Ext(0, 1)):
        prover, verifier = parties(blocks, n_vars, weight, claimed + off)
        assert not accepted(quadratic_pads(n_vars), prover, verifier)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[0]])
def test_each_message_is_bound(shape: tuple[int, int, list[int]]) -> None:
    """Every g(0) and leading coefficient of every round, plus one; and changed bytes."""
    blocks, n_vars, weight, claimed = example(shape)
    prover, verifier = parties(blocks, n_vars, weight, claimed)
    check_every_shift_is_rejected(quadratic_pads(n_vars), prover, verifier)
    if shape == SHAPES[5]:
        proof, _ = prove_alone(quadratic_pads(n_vars), prover)
        check_every_change_is_rejected(quadratic_pads(n_vars), proof, verifier)


@given(st.integers(0, 3), st.data())
@settings(deadline=None, max_examples=25)
def test_small_random_tables(n_vars: int, data: st.DataObject) -> None:
    """Also tables of zeros, ones and p - 1, and every number of weighted variables."""
    values = st.one_of(st.just(ZERO), st.just(ONE), st.just(Ext(P - 1, P - 1)), ELEMENTS)
    low = data.draw(st.integers(0, n_vars))
    table = st.lists(values, min_size=1 << n_vars, max_size=1 << n_vars)
    blocks = [tuple(np.stack([v.array() for v in data.draw(table)]) for _ in range(2))]
    weight = data.draw(st.lists(ELEMENTS.filter(lambda w: not w.is_zero()), min_size=low, max_size=low))
    claimed = plain_sum(blocks, n_vars, weight)
    assert accepted(quadratic_pads(n_vars), *parties(blocks, n_vars, weight, claimed))
    assert not accepted(quadratic_pads(n_vars), *parties(blocks, n_vars, weight, claimed + 1))


@pytest.mark.parametrize("zero_at", [0, 1])
def test_a_vanishing_weight_is_rejected_and_does_not_panic(zero_at: int) -> None:
    """T16: g(1) is not determined then; the honest weight's proof reaches the division on the verifier's side."""
    blocks, n_vars, weight, claimed = example((2, 2, [2]))
    prover, _ = parties(blocks, n_vars, weight, claimed)
    proof, _ = prove_alone(quadratic_pads(n_vars), prover)
    weight[zero_at] = ZERO
    _, verifier = parties(blocks, n_vars, weight, claimed)
    with pytest.raises(Rejected) as error:
        verify_alone(quadratic_pads(n_vars), proof, verifier)
    assert error.value.code == "SUMCHECK_WEIGHT"


@given(ELEMENTS, ELEMENTS, ELEMENTS, ELEMENTS, ELEMENTS.filter(lambda w: not w.is_zero()))
@settings(deadline=None, max_examples=40)
def test_the_next_claim_is_the_polynomial_at_r(zero: Ext, one: Ext, leading: Ext, r: Ext, w: Ext) -> None:
    """Against the coefficients: g(X) = zero + (one - zero - leading) X + leading X^2."""
    expected = zero + (one - zero - leading) * r + leading * r * r
    for weight, claim in ((None, zero + one), (w, zero * (ONE - w) + one * w)):
        found = next_claim(constant(claim), constant(zero), constant(leading), r, weight)
        assert found.known == expected and not found.terms


def cubic(terms: list[tuple[Array, Array, Array]], n_vars: int, claimed: Ext) -> tuple[Callable, Callable]:
    def at(point: list[Ext]) -> Ext:
        out = ZERO
        for u, a, b in terms:
            out = out + extension_at(u, point) * extension_at(a, point) * extension_at(b, point)
        return out

    def prover(ledger: ProverLedger, backend: Backend) -> tuple[list[Ext], Affine]:
        point, finals, claim = prove_triple(ledger, backend, constant(claimed), terms, n_vars, "triple")
        assert finals == [tuple(extension_at(t, point) for t in term) for term in terms]
        ledger.require_zero(claim - at(point))
        return point, claim

    def verifier(ledger: VerifierLedger, backend: Backend) -> tuple[list[Ext], Affine]:
        point, claim = verify_triple(ledger, constant(claimed), n_vars, "triple")
        ledger.require_zero(claim - at(point))
        return point, claim

    return prover, verifier


@pytest.mark.parametrize("n_vars", [0, 1, 3])
def test_degree_three(n_vars: int) -> None:
    """Truth, falsehood, and all three values of each round."""
    rng = np.random.default_rng(n_vars)
    terms = [tuple(random_table(rng, 1 << n_vars) for _ in range(3)) for _ in range(2)]
    claimed = ZERO
    for term in terms:
        for u, a, b in zip(*(from_array(t) for t in term), strict=True):
            claimed = claimed + u * a * b
    count: PadCount = cubic_pads(n_vars)
    prover, verifier = cubic(terms, n_vars, claimed)
    proof, (point, _) = prove_alone(count, prover)
    received = verify_alone(count, proof, verifier)
    assert received[0] == point
    expected = ZERO
    for term in terms:
        u, a, b = (extension_at(t, point) for t in term)
        expected = expected + u * a * b
    assert reveal(count, received[1]) == expected
    assert not accepted(count, *cubic(terms, n_vars, claimed + 1))
    if n_vars:
        check_every_shift_is_rejected(count, prover, verifier)
        check_every_change_is_rejected(count, proof, verifier)
