"""Provers that know a challenge before they send the message which it must not foresee.

Every attack is run against the real transcript, where it must be refused, and, as its control, against one that forgets the
message, where it must be accepted. Errors, sizes and tables are random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.soundness.foretelling import (
    Recording,
    domain_points,
    mask_value_forger,
    round_forger,
    systematic,
    times,
    value_forger,
    vanishing,
)
from tests.soundness.test_foretold_challenges import numerator, with_hidden_end
from tests.support.alone import Prover, Verifier, foretell, prove_alone, random_elements, verify_alone
from tests.support.opened import Opened, opened
from tests.unit.protocols import test_fractions, test_loss, test_unroll

from benchmarks.forging.base import ACCEPTED, Forgery, Random, Tried, crash
from zkdl.algebra.eq import eq_points
from zkdl.algebra.extension import ONE, ZERO, Array, Ext
from zkdl.backend.select import get_backend
from zkdl.errors import MalformedProof, Rejected
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger
from zkdl.protocols import fractions, loss, unroll

Sides = tuple[Prover[object], Verifier[object]]
Attack = Callable[[Random], Callable[[str], str]]
"""Draws the parameters; the result runs the attack against a transcript that forgets a label, or nothing."""


def error(rng: Random) -> Ext:
    return random_elements(rng, 1)[0]


def verdict(count: PadCount, sides: Sides, forgets: str, make: Callable[..., ProverLedger]) -> str:
    """What a verifier of one protocol says to a dishonest prover."""
    proof, _ = prove_alone(count, sides[0], forgets, make=make)
    try:
        verify_alone(count, proof, sides[1], forgets)
    except (Rejected, MalformedProof) as refusal:
        return refusal.code
    except Exception as other:
        return crash(other)
    return ACCEPTED


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


def _opened(rng: Random) -> tuple[Opened, Opened, Ext]:
    """A matrix with one claim, the same with a false claim, and by how much it is off."""
    rows, off = int(rng.integers(3, 8)), error(rng)
    case = opened(rows, int(rng.integers(2, 5)), layout=[[("a", 0, int(rng.integers(1, rows)))]])
    return case, replace(case, values=[case.values[0] + off, *case.values[1:]]), off


def _in_row(rng: Random) -> Callable[[str], str]:
    case, false, off = _opened(rng)
    return lambda forgets: verdict(case.count, false.parties(), forgets, round_forger("m/in-row", off))


def _values(rng: Random) -> Callable[[str], str]:
    case, off = opened(int(rng.integers(5, 9)), int(rng.integers(2, 5))), error(rng)
    return lambda forgets: verdict(case.count, case.parties(), forgets, value_forger(off))


def _mask_value(rng: Random) -> Callable[[str], str]:
    case, false, off = _opened(rng)
    return lambda forgets: verdict(case.count, false.parties(), forgets, mask_value_forger(off))


def _fold(rng: Random) -> Callable[[str], str]:
    """Another codeword that agrees with the fold at all positions, which takes up the error of a false claim."""
    case, false, off = _opened(rng)
    shape = case.shape

    def run(forgets: str) -> str:
        dry = Recording()
        prove_alone(case.count, false.parties()[0], forgets, make=dry)
        point, left = dry.scalars("m/in-row")[::-1], off
        for r in point:
            left = left * r
        zero = vanishing(domain_points(dry.drawn["m/positions"][0], shape.log_domain))
        message, at_point = systematic(zero, shape.row, shape.random), ZERO
        for i, value in enumerate(message[: shape.row]):
            corner = [Ext(i >> (len(point) - 1 - k) & 1) for k in range(len(point))]
            at_point = at_point + eq_points(point, corner) * value
        (gamma,) = dry.scalars("m/gamma")
        scale = left * gamma * at_point.inverse()

        def change(values: Array) -> Array:
            return get_backend().k_add(values, times(message, scale))

        return verdict(case.count, false.parties(), forgets, Recording("m/fold", change))

    return run


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
    "m/fold": _fold,
}


def _attempt(label: str, attack: Attack) -> Callable[[Random], Tried]:
    def attempt(rng: Random) -> Tried:
        run = attack(rng)
        return Tried((run(""),), (run(label),))

    return attempt


def library() -> list[Forgery]:
    """One forgery for each message."""
    codes = frozenset({"RELATIONS", "OPENING"})
    return [Forgery(f"before {label}", "protocol", _attempt(label, attack), codes) for label, attack in ATTACKS.items()]
