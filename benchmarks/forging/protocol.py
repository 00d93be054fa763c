"""Provers that know a challenge before they send the message which it must not foresee.

Every attack is run against the real transcript, where it must be refused, and, as its control, against one that forgets the
message, where it must be accepted. Errors, sizes and tables are random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.soundness.foretelling import (
    Recording,
    mask_value_forger,
    numerator,
    round_forger,
    value_forger,
    with_hidden_end,
)
from tests.support.alone import foretell, prove_alone
from tests.support.opened import opened
from tests.unit.protocols import test_fractions, test_loss, test_unroll

from benchmarks.forging import positions, roots
from benchmarks.forging.base import Forgery, Random, Tried
from benchmarks.forging.sides import Attack, Sides, error, opened_falsely, verdict
from zkdl.algebra.extension import ONE, Ext
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger
from zkdl.protocols import fractions, loss, unroll


def _division(rng: Random) -> Callable[[str], str]:
    n_vars, off = int(rng.integers(1, 6)), error(rng)
    weight, sums, quotients, claimed = test_loss.example(n_vars)
    sides = test_loss.parties(weight, sums, quotients, claimed + off)
    return lambda forgets: verdict(loss.pads(n_vars), sides, forgets, round_forger("division", off, weight[-1]))


def _unrolling(rng: Random) -> Callable[[str], str]:
    case, off = _case(rng), error(rng)
    first, *rest = case.end.weights
    forged = replace(case, end=replace(case.end, weights=[first + off, *rest]))
    count = unroll.pads(case.shape, case.schedule)

    def run(forgets: str) -> str:
        recording = Recording()
        prove_alone(count, test_unroll.parties(case)[0], forgets, make=recording)
        (rho,) = recording.scalars("unroll-rho")
        make = round_forger("unroll", -(rho * off), cubic=True)
        return verdict(count, test_unroll.parties(forged), forgets, make)

    return run


def _case(rng: Random, bias: int | None = None) -> test_unroll.Case:
    sizes = tuple(int(n) for n in rng.integers(1, 3, int(rng.integers(2, 5))))
    chosen = int(rng.integers(3)) if bias is None else bias
    return test_unroll.example(2, (len(sizes) - 1).bit_length(), 1, sizes, chosen)


def _claimed_weights(rng: Random) -> Callable[[str], str]:
    case, off = _case(rng, bias=0), error(rng)

    class Forger(ProverLedger):
        def send(self, label: str, values: Sequence[Ext]) -> list[Affine]:
            if label == "w_out-values":
                rho = foretell(self, "unroll-rho")
                values = [values[0] + off * rho * rho, values[1] - off]
            return super().send(label, values)

    count = unroll.pads(case.shape, case.schedule) + PadCount(singles=2)
    return lambda forgets: verdict(count, with_hidden_end(case), forgets, Forger)


def _fractions(rng: Random, leaves: int) -> tuple[PadCount, Sides, Ext]:
    """Fractions that do not add up to zero, and by how much their numerator is off."""
    p, q = test_fractions.zero_sum(leaves, int(rng.integers(1 << 20)))
    at = int(rng.integers(leaves))
    p[at] = p[at] + error(rng)
    return fractions.pads(test_fractions.variables(leaves)), test_fractions.parties(p, q), numerator(p, q)


def _root(rng: Random) -> Callable[[str], str]:
    count, sides, off = _fractions(rng, 2 << int(rng.integers(4)))

    class Forger(ProverLedger):
        def send_products(self, label: str, pairs: Sequence[tuple[Ext, Ext]]) -> list[tuple[Affine, Affine, Affine]]:
            if label == "fraction-root":
                root = pairs[0][0] + off * foretell(self, "fraction-lambda").inverse()
                pairs = [(root, root.inverse())]
            return super().send_products(label, pairs)

    return lambda forgets: verdict(count, sides, forgets, Forger)


def _children(rng: Random) -> Callable[[str], str]:
    count, sides, off = _fractions(rng, 2)

    class Forger(ProverLedger):
        def send_products(self, label: str, pairs: Sequence[tuple[Ext, Ext]]) -> list[tuple[Affine, Affine, Affine]]:
            if label == "fraction-children":
                c = foretell(self, "fraction-child")
                (left, q1), (p1, q0) = pairs
                t = -off * (c * q1 - (ONE - c) * q0).inverse()
                pairs = [(left + c * t, q1), (p1 - (ONE - c) * t, q0)]
            return super().send_products(label, pairs)

    return lambda forgets: verdict(count, sides, forgets, Forger)


def _fraction_round(rng: Random) -> Callable[[str], str]:
    count, sides, off = _fractions(rng, 4)

    def run(forgets: str) -> str:
        class Forger(round_forger("fraction-round", ONE)):  # type: ignore[misc]  # made for this label
            layer = 0

            def send_products(
                self, label: str, pairs: Sequence[tuple[Ext, Ext]]
            ) -> list[tuple[Affine, Affine, Affine]]:
                if label != "fraction-children" or self.layer:
                    return super().send_products(label, pairs)  # type: ignore[no-any-return]  # a class made at run time
                (left, q1), other = pairs
                change = -off * q1.inverse()
                hidden = super().send_products(label, [(left + change, q1), other])
                c = foretell(self, "fraction-child")
                self.error, self.weight, self.layer = change * (ONE - c), c, 1
                return hidden  # type: ignore[no-any-return]  # a class made at run time

        return verdict(count, sides, forgets, Forger)

    return run


def _in_row(rng: Random) -> Callable[[str], str]:
    case, false, off = opened_falsely(rng)
    return lambda forgets: verdict(case.count, false.parties(), forgets, round_forger("m/in-row", off))


def _values(rng: Random) -> Callable[[str], str]:
    case, off = opened(int(rng.integers(5, 9)), int(rng.integers(2, 5))), error(rng)
    return lambda forgets: verdict(case.count, case.parties(), forgets, value_forger(off))


def _mask_value(rng: Random) -> Callable[[str], str]:
    case, false, off = opened_falsely(rng)
    return lambda forgets: verdict(case.count, false.parties(), forgets, mask_value_forger(off))


ATTACKS: dict[str, Attack] = {
    "division": _division,
    "unroll": _unrolling,
    "w_out-values": _claimed_weights,
    "fraction-root": _root,
    "fraction-children": _children,
    "fraction-round": _fraction_round,
    "m/in-row": _in_row,
    "values": _values,
    "m/mask-value": _mask_value,
    **positions.ATTACKS,
    **roots.ATTACKS,
}


CODES = frozenset({"RELATIONS", "OPENING", "PADS"})


def _attempt(label: str, attack: Attack) -> Callable[[Random], Tried]:
    def attempt(rng: Random) -> Tried:
        run = attack(rng)
        return Tried((run(""),), (run(label),))

    return attempt


# Attacks on whole segments and certificates, on the backend that stores its leaves, take a second; the others milliseconds.
SLOW = {"root/witness", "root/own"}


def library() -> list[Forgery]:
    """One forgery for each message."""
    return [
        Forgery(f"before {label}", "protocol", _attempt(label, attack), CODES, share=1 if label in SLOW else 4)
        for label, attack in ATTACKS.items()
    ]
