"""The calculator against bounds that the literature states, recomputed exactly in rational numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from zkdl.algebra.extension import P
from zkdl.commitment.parameters import CodeShape
from zkdl.proof import security
from zkdl.proof.security import ErrorTerm

K = P * P
QUARTER = CodeShape(520, 15, 1, 148, 0, 17)  # k = 2^15, n = 2^17
SHAPES = [QUARTER, CodeShape(3, 3, 2, 5, 10, 6), CodeShape(64, 9, 1, 241, 0, 10)]


def bits(error: Fraction) -> float:
    """-log2 of a rational, exact to double precision whatever its size."""
    return math.log2(error.denominator) - math.log2(error.numerator)


def terms(code: CodeShape) -> dict[str, ErrorTerm]:
    return {term.name: term for term in security._opening_terms("x", code, 4)}


def test_the_field_has_the_published_size() -> None:
    """Goldilocks, p = 2^64 - 2^32 + 1, and its quadratic extension: |K| = 2^128 up to 2^-30 of a bit."""
    assert 128 - 2**-30 < security.FIELD_BITS <= 128


@pytest.mark.parametrize("code", SHAPES)
def test_positions_are_those_of_ligero(code: CodeShape) -> None:
    """Ames, Hazay, Ishai, Venkitasubramaniam, Ligero (CCS 2017), interleaved test: (1 - e/n)^t for a word at distance e.

    With e = (n - k)/2, the unique decoding radius, that is ((1 + rho)/2)^t.
    """
    distance = Fraction(code.domain - code.dimension, 2)
    error = (1 - distance / code.domain) ** code.queries
    assert terms(code)["x: positions"].bits == pytest.approx(bits(error), abs=1e-9)


def test_148_columns_at_rate_a_quarter() -> None:
    """(5/8)^148 = 2^-100.36: the number of columns for 100 bits; 147 fall short."""
    assert QUARTER.rate == 1 / 4
    assert terms(QUARTER)["x: positions"].bits == pytest.approx(148 * math.log2(8 / 5), abs=1e-9)
    assert 147 * math.log2(8 / 5) < 100 < 148 * math.log2(8 / 5) < 100.4


@pytest.mark.parametrize("code", SHAPES)
def test_combinations_stay_below_the_proximity_gap(code: CodeShape) -> None:
    """Ben-Sasson, Carmon, Ishai, Kopparty, Saraf, Proximity Gaps (ePrint 2020/654), Theorem 1.2: n / |K| within (1 - rho)/2.

    Ligero's form of it, (e + 1) / |K|, is what is charged: it must be at most that.
    """
    charged = Fraction(code.domain - code.dimension, 2 * K) + Fraction(1, K)
    for name in ("x: fold", "x: low-degree test"):
        assert terms(code)[name].bits == pytest.approx(bits(charged), abs=1e-9)
    assert charged <= Fraction(code.domain, K)


@pytest.mark.parametrize("n_vars", [1, 7, 18, 27])
def test_the_tree_is_a_chain_of_sumchecks(n_vars: int) -> None:
    """Lund, Fortnow, Karloff, Nisan: a sumcheck of v rounds and degree d errs with v d / |K| at most (Thaler, Proofs, Arguments
    and Zero-Knowledge, Proposition 4.1). Layer i of the tree of fractions is one over i variables, of degree 2 beside eq.
    """
    rounds = next(t for t in security._tree_terms(1 << n_vars, n_vars, 0) if t.name == "lookup: sumcheck round")
    published = sum(Fraction(2 * layer, K) for layer in range(n_vars))
    assert float(rounds.times * Fraction(2, K)) == float(published)
    assert rounds.bits == pytest.approx(bits(Fraction(2, K)), abs=1e-9)


@pytest.mark.parametrize("log_leaves", [10, 20, 27])
def test_fingerprints_are_charged_more_than_schwartz_zippel(log_leaves: int) -> None:
    """Haböck, LogUp (ePrint 2022/1530): the fractional identity over M leaves vanishes at a random alpha with probability of at
    most M / (|K| - M), by the degree of its numerator; mixing a row's columns adds a degree of one per leaf.
    """
    leaves = 1 << log_leaves
    fingerprint = security._tree_terms(leaves, log_leaves, 0)[0]
    assert fingerprint.bits == pytest.approx(bits(Fraction(2 * leaves, K)), abs=1e-9)
    assert Fraction(2 * leaves, K) >= Fraction(leaves, K - leaves)


@pytest.mark.parametrize(("queries", "expected"), [(0, 253.83), (64, 125.83), (80, 93.83)])
def test_collisions_are_charged_more_than_the_birthday_bound(queries: int, expected: float) -> None:
    """The birthday bound is Q (Q - 1) / 2^257; 4.5 Q^2 / 2^256 is nine times that, for the oracles that share the hash."""
    assert security.collision_bits(queries) == pytest.approx(expected, abs=0.005)
    count = 1 << queries
    birthday = Fraction(count * (count - 1), 2 << 256)
    assert birthday <= Fraction(9 * count * count, 2 << 256)
    assert security.collision_bits(queries) == pytest.approx(
        bits(Fraction(9 * count * count, 2 << 256)) + 0.0, abs=1e-9
    )
