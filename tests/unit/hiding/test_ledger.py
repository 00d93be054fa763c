"""Hidden scalars: affine arithmetic, exact pad counts, triples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.alone import (
    accepted,
    check_every_shift_is_rejected,
    prove_alone,
    reveal,
    sample,
    verify_alone,
)
from zkdl.algebra.extension import ONE, Array, Ext, P, from_array, scalar
from zkdl.backend.base import Backend
from zkdl.errors import InternalError, MalformedProof, Rejected
from zkdl.hiding.ledger import TRIPLE, Affine, PadCount, ProverLedger, VerifierLedger, constant

ELEMENTS = st.builds(Ext, st.integers(0, P - 1), st.integers(0, P - 1))
AFFINE = st.builds(Affine, ELEMENTS, st.dictionaries(st.integers(0, 4), ELEMENTS, max_size=4))
PADS = st.lists(ELEMENTS, min_size=5, max_size=5)
X, Y = Ext(12, 34), Ext(56, 78)


def at(expression: Affine, pads: list[Ext]) -> Ext:
    return sum((pads[i] * c for i, c in expression.terms.items()), expression.known)


@given(AFFINE, AFFINE, ELEMENTS, st.integers(-5, 5), PADS)
@settings(deadline=None, max_examples=60)
def test_arithmetic_is_that_of_the_hidden_values(a: Affine, b: Affine, k: Ext, n: int, pads: list[Ext]) -> None:
    """Sums, differences and public multiples commute with putting in the pads."""
    before = at(a, pads), at(b, pads)
    assert at(a + b, pads) == before[0] + before[1]
    assert at(a - b, pads) == before[0] - before[1]
    assert at(-a, pads) == -before[0]
    assert at(a * k, pads) == before[0] * k and at(a * n, pads) == before[0] * n
    assert at(a + k, pads) == before[0] + k and at(a - n, pads) == before[0] - n
    assert at(constant(k), pads) == k and at(constant(n), pads) == n
    # Expressions are shared between constraints, so none of this may have changed them.
    assert (at(a, pads), at(b, pads)) == before


def test_counts_add_up() -> None:
    """A product takes two factors, their product, and a one-time triple."""
    count = PadCount(3, 2) + PadCount(1, 1)
    assert count == PadCount(4, 3) and count.pads == 4 + 6 * 3 == 4 + TRIPLE * 3
    assert sample(count)[0].shape == (22, 2)


def test_sampled_triples_are_products_and_otherwise_distinct() -> None:
    """c = a*b and c' = a'*b' in every triple; no pad is used twice."""
    count = PadCount(3, 4)
    pads = from_array(sample(count)[0])
    for i in range(count.products):
        a, b, c, a1, b1, c1 = pads[3 + TRIPLE * i : 3 + TRIPLE * (i + 1)]
        assert a * b == c and a1 * b1 == c1
    assert len(set(pads)) == len(pads)


COUNT = PadCount(2, 2)


def send_all(ledger: ProverLedger, backend: Backend) -> list[Affine]:
    """Two scalars and two products, with every relation that holds between them."""
    x, y = ledger.send("scalars", [X, Y])
    (x1, y1, xy), (xx, _, square) = ledger.send_products("products", [(X, Y), (X, X)])
    for zero in (x - x1, y - y1, xy - X * Y, xx - x, square - X * X):
        ledger.require_zero(zero)
    return [x, y, xy, square]


def receive_all(ledger: VerifierLedger, backend: Backend) -> list[Affine]:
    x, y = ledger.receive("scalars", 2)
    (x1, y1, xy), (xx, other, square) = ledger.receive_products("products", 2)
    for zero in (x - x1, y - y1, xy - X * Y, xx - x, square - X * X):
        ledger.require_zero(zero)
    return [x, y, xy, square]


def test_the_verifiers_expressions_hide_what_was_sent() -> None:
    """With the pads put in they are the prover's values, and the pad is added, not subtracted."""
    proof, sent = prove_alone(COUNT, send_all)
    received = verify_alone(COUNT, proof, receive_all)
    expected = [X, Y, X * Y, X * X]
    assert [reveal(COUNT, e) for e in received] == [reveal(COUNT, e) for e in sent] == expected
    # What is known is not the value itself.
    assert all(e.known != value for e, value in zip(received, expected, strict=True))
    assert received[0].known + from_array(sample(COUNT)[0])[0] == X


def test_every_hidden_value_is_bound() -> None:
    """One more in any scalar or factor is rejected."""
    check_every_shift_is_rejected(COUNT, send_all, receive_all)


@pytest.mark.parametrize(("singles", "products"), [(1, 2), (3, 2), (2, 1), (2, 3)])
def test_another_number_of_pads_is_a_bug(singles: int, products: int) -> None:
    """One pad too many or too few is refused before anything is proven, on both sides."""
    proof, _ = prove_alone(COUNT, send_all)
    with pytest.raises(InternalError):
        prove_alone(PadCount(singles, products), send_all)
    # The verifier sees bytes of another length as well; the count must stop it, not the end of the proof.
    with pytest.raises(InternalError):
        verify_alone(PadCount(singles, products), proof + bytes(1000), receive_all)


def test_no_pad_is_used_twice() -> None:
    """Every hidden scalar has a pad of its own, and factors and scalars do not share any."""
    _, sent = prove_alone(COUNT, send_all)
    used = [set(e.terms) for e in sent]
    assert used[0] == {0} and used[1] == {1} and used[2] == {2, 3, 4} and used[3] == {8, 9, 10}


@pytest.mark.parametrize("slot", range(TRIPLE))
@pytest.mark.parametrize("index", [0, 1])
def test_a_bad_triple_is_rejected(slot: int, index: int) -> None:
    """Any pad of a triple or of its one-time triple off by one."""

    def spoil(pads: Array) -> None:
        pads[COUNT.singles + TRIPLE * index + slot, 0] += np.uint64(1)

    assert accepted(COUNT, send_all, receive_all)
    assert not accepted(COUNT, send_all, receive_all, spoil=spoil)


def bad_pair(pads: Array, ratio: Ext, error: Ext) -> None:
    """c off by `error` and c' by ratio * error: the sacrifice passes for chi = ratio alone."""
    for slot, off in ((2, error), (5, ratio * error)):
        place = COUNT.singles + slot
        pads[place] = (scalar(pads[place]) + off).array()


def false_product(wanted: Ext) -> tuple[object, object]:
    """Both sides of "X * Y = wanted", and nothing sent whose masked value the prover cannot choose."""

    def close(ledger: ProverLedger | VerifierLedger, triples: list[tuple[Affine, Affine, Affine]]) -> None:
        (x, y, xy), *_ = triples
        for zero in (x - X, y - Y, xy - wanted):
            ledger.require_zero(zero)

    def prover(ledger: ProverLedger, backend: Backend) -> None:
        ledger.send("scalars", [ONE, ONE])
        close(ledger, ledger.send_products("products", [(X, Y), (ONE, ONE)]))

    def verifier(ledger: VerifierLedger, backend: Backend) -> None:
        ledger.receive("scalars", 2)
        close(ledger, ledger.receive_products("products", 2))

    return prover, verifier


def test_a_short_proof_is_malformed() -> None:
    """The verifier never waits for values that are not there."""
    proof, _ = prove_alone(COUNT, send_all)
    for end in (0, 31, 40, len(proof) - 1):
        with pytest.raises((MalformedProof, Rejected)):
            verify_alone(COUNT, proof[:end], receive_all)


def test_no_products_need_no_triples() -> None:
    """T15: no product, no scalar: an empty sacrifice, and a public relation alone is proven or rejected."""
    count = PadCount(1, 0)
    for wrong in (0, 1):

        def prover(ledger: ProverLedger, backend: Backend, wrong: int = wrong) -> None:
            ledger.send("scalars", [X])
            ledger.require_zero(constant(wrong))

        def verifier(ledger: VerifierLedger, backend: Backend, wrong: int = wrong) -> None:
            ledger.receive("scalars", 1)
            ledger.require_zero(constant(wrong))

        assert accepted(count, prover, verifier) == (not wrong)
