"""T3: a prover that is told a challenge before it sends a message.

Each test is one attack, run twice: against a transcript that forgets the message, where it must succeed, and against the
real one, where it must be rejected. (Roots and row messages: test_foretold_positions.py; triples and their
sacrifice: tests/unit/hiding/test_ledger.py.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.soundness.foretelling import Recording, mask_value_forger, round_forger, value_forger
from tests.support.alone import accepted, foretell, prove_alone
from tests.support.opened import Opened, opened
from tests.unit.protocols import test_fractions, test_loss, test_unroll
from zkdl.algebra.extension import ONE, Ext
from zkdl.backend.base import Backend
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger
from zkdl.protocols import fractions, loss, unroll
from zkdl.protocols.unroll import WeightValues

ERROR = Ext(17, 4)


def test_weighted_sumcheck_round() -> None:
    """r known before g(0) and g(inf): a false product of sums and quotients."""
    weight, sums, quotients, claimed = test_loss.example(3)
    sides = test_loss.parties(weight, sums, quotients, claimed + ERROR)
    make = round_forger("division", ERROR, weight[-1])
    for forgets in ("division", ""):
        assert accepted(loss.pads(3), *sides, forgets, make=make) == bool(forgets)


def test_cubic_sumcheck_round() -> None:
    """r known before the round of the unrolling: false final weights."""
    case = test_unroll.example()
    first, second = case.end.weights
    forged = replace(case, end=replace(case.end, weights=[first + ERROR, second]))

    for forgets in ("unroll", ""):
        # The claim is off by -error times the power of rho of that equation: known to everybody.
        recording = Recording()
        prove_alone(unroll.pads(case.shape, case.schedule), test_unroll.parties(case)[0], forgets, make=recording)
        (rho,) = recording.scalars("unroll-rho")
        make = round_forger("unroll", -(rho * ERROR), cubic=True)
        fooled = accepted(unroll.pads(case.shape, case.schedule), *test_unroll.parties(forged), forgets, make=make)
        assert fooled == bool(forgets)


def numerator(p: list[Ext], q: list[Ext]) -> Ext:
    total = test_fractions.plain_total(p, q)
    for denominator in q:
        total = total * denominator
    return total


@pytest.mark.parametrize("leaves", [2, 4, 8])
def test_root_denominator(leaves: int) -> None:
    """lambda known before the root: fractions that do not add up to zero."""
    p, q = test_fractions.zero_sum(leaves)
    p[0] = p[0] + 1
    off = numerator(p, q)

    class Forger(ProverLedger):
        def send_products(self, label: str, pairs: Sequence[tuple[Ext, Ext]]) -> list:
            if label == "fraction-root":
                root = pairs[0][0] + off * foretell(self, "fraction-lambda").inverse()
                pairs = [(root, root.inverse())]
            return super().send_products(label, pairs)

    count = fractions.pads(test_fractions.variables(leaves))
    for forgets in ("fraction-root", ""):
        assert accepted(count, *test_fractions.parties(p, q), forgets, make=Forger) == bool(forgets)


def test_child_values() -> None:
    """c known before the two children: other numerators with the same value at c."""
    p, q = test_fractions.zero_sum(2)
    p[0] = p[0] + 1
    off = numerator(p, q)

    class Forger(ProverLedger):
        def send_products(self, label: str, pairs: Sequence[tuple[Ext, Ext]]) -> list:
            if label == "fraction-children":
                c = foretell(self, "fraction-child")
                (left, q1), (p1, q0) = pairs
                # p0 + c t and p1 - (1 - c) t have the same value at c; the claim moves by t (c q1 - (1 - c) q0).
                t = -off * (c * q1 - (ONE - c) * q0).inverse()
                pairs = [(left + c * t, q1), (p1 - (ONE - c) * t, q0)]
            return super().send_products(label, pairs)

    for forgets in ("fraction-children", ""):
        assert accepted(fractions.pads(1), *test_fractions.parties(p, q), forgets, make=Forger) == bool(forgets)


def test_fraction_round() -> None:
    """r known before a round of the tree: a false claim of the layer above comes right in the next layer."""
    p, q = test_fractions.zero_sum(4)
    p[0] = p[0] + 1
    off = numerator(p, q)

    class Forger(round_forger("fraction-round", ERROR)):
        layer = 0

        def send_products(self, label: str, pairs: Sequence[tuple[Ext, Ext]]) -> list:
            if label == "fraction-children" and self.layer == 0:
                (left, q1), other = pairs
                change = -off * q1.inverse()
                hidden = super().send_products(label, [(left + change, q1), other])
                c = foretell(self, "fraction-child")
                self.error, self.weight, self.layer = change * (ONE - c), c, 1
                return hidden
            return super().send_products(label, pairs)

    for forgets in ("fraction-round", ""):
        assert accepted(fractions.pads(2), *test_fractions.parties(p, q), forgets, make=Forger) == bool(forgets)


def with_hidden_end(case: test_unroll.Case) -> tuple[Callable, Callable]:
    """Both sides of an unrolling whose final weights are hidden values."""

    def ended(hidden: list[Affine]) -> test_unroll.Case:
        return replace(case, end=WeightValues(hidden, case.end.biases, []))

    def prover(ledger: ProverLedger, backend: Backend) -> None:
        hidden = ledger.send("w_out-values", [w.known for w in case.end.weights])
        test_unroll.parties(ended(hidden))[0](ledger, backend)

    def verifier(ledger: VerifierLedger, backend: Backend) -> None:
        test_unroll.parties(ended(ledger.receive("w_out-values", len(case.end.weights))))[1](ledger, backend)

    return prover, verifier


def test_claimed_weights() -> None:
    """rho known before the values of W_out: two false values whose errors cancel in the combination."""
    case = test_unroll.example(bias=0)
    count = unroll.pads(case.shape, case.schedule) + PadCount(singles=2)

    class Forger(ProverLedger):
        def send(self, label: str, values: Sequence[Ext]) -> list[Affine]:
            if label == "w_out-values":
                # The two equations have the powers rho and rho^3.
                rho = foretell(self, "unroll-rho")
                values = [values[0] + rho * rho, values[1] - 1]
            return super().send(label, values)

    sides = with_hidden_end(case)
    assert len(case.end.weights) == 2 and accepted(count, *sides)
    for forgets in ("w_out-values", ""):
        assert accepted(count, *sides, forgets, make=Forger) == bool(forgets)


def false_opening(case: Opened, error: Ext = ERROR) -> Opened:
    return replace(case, values=[case.values[0] + error, *case.values[1:]])


def test_in_row_round() -> None:
    """r known before a round of the in-row sumcheck: a false claim on a committed matrix."""
    case = opened(layout=[[("a", 0, 3)]])
    for forgets in ("m/in-row", ""):
        fooled = accepted(case.count, *false_opening(case).parties(), forgets, make=round_forger("m/in-row", ERROR))
        assert fooled == bool(forgets)


def test_claimed_values() -> None:
    """g known before the claimed values: two errors that cancel in the batch."""
    case = opened()
    for forgets in ("values", ""):
        assert accepted(case.count, *case.parties(), forgets, make=value_forger(ONE)) == bool(forgets)


def test_mask_value() -> None:
    """gamma known before the masked value: it takes up gamma times the error."""
    case = opened(layout=[[("a", 0, 3)]])
    for forgets in ("m/mask-value", ""):
        fooled = accepted(case.count, *false_opening(case).parties(), forgets, make=mask_value_forger(ERROR))
        assert fooled == bool(forgets)
