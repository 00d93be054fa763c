"""Provers that know their challenges: what a transcript forgets, they choose afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tests.support.alone import foretell
from tests.unit.protocols import test_fractions, test_unroll
from zkdl.algebra.extension import ONE, Array, Ext, P, from_array, scalar
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment import merkle
from zkdl.commitment.ligero import Committed
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger
from zkdl.protocols.unroll import WeightValues
from zkdl.transcript.channel import ProverChannel

Make = Callable[[PadCount, ProverChannel, Array], ProverLedger]
Products = list[tuple[Affine, Affine, Affine]]


class RoundForger(ProverLedger):
    """Claims a sum that is off by `error` and bends the first round of sumcheck `label` so that the claim comes right.

    In that round g(1) is off by error / weight; the leading coefficient is chosen so that g(r) is not.
    """

    label, error, weight, cubic = "", ONE, ONE, False

    def send(self, label: str, values: Sequence[Ext]) -> list[Affine]:
        if label == self.label and not self.error.is_zero():
            r = foretell(self, label)
            off = self.error * self.weight.inverse()
            # Degree 2: error r + d (r^2 - r) = 0. Degree 3: -error r (r - 2) + d r (r - 1)(r - 2) = 0.
            bend = off * (r - 1).inverse() * (1 if self.cubic else -1)
            values = [*values[:-1], values[-1] + bend]
            self.error = Ext(0)
        return super().send(label, values)


def round_forger(label: str, error: Ext, weight: Ext = ONE, cubic: bool = False) -> type[RoundForger]:
    return type("Forger", (RoundForger,), {"label": label, "error": error, "weight": weight, "cubic": cubic})


class ValueForger(ProverLedger):
    """Opens "m" with two claimed values that are off, so that the errors cancel in the batch."""

    error = ONE

    def send(self, label: str, values: Sequence[Ext]) -> list[Affine]:
        if label == "values":
            values = [values[0] - self.error * foretell(self, "m/batch"), values[1] + self.error, *values[2:]]
        return super().send(label, values)


def value_forger(error: Ext) -> type[ValueForger]:
    return type("Forger", (ValueForger,), {"error": error})


class MaskValueForger(ProverLedger):
    """Opens "m" with a claim that is off by `error`; the masked value takes up gamma times what is left of it."""

    error = ONE

    def send(self, label: str, values: Sequence[Ext]) -> list[Affine]:
        if label == "m/mask-value":
            values = [values[0] - foretell(self, "m/gamma") * self.error]
        hidden = super().send(label, values)
        if label == "m/in-row":
            # g(1) is off by the error, so the next claim is off by r times it.
            self.error = self.error * foretell(self, label)
        return hidden


def mask_value_forger(error: Ext) -> type[MaskValueForger]:
    return type("Forger", (MaskValueForger,), {"error": error})


class Recording:
    """Makes a ledger that changes one message, and remembers every challenge of its run.

    With a transcript that forgets this message, the challenges of an honest run are those of a dishonest one.
    """

    def __init__(self, label: str = "", change: Callable[[Array], Array] | None = None) -> None:
        self.label, self.change = label, change
        self.drawn: dict[str, list[Array]] = {}

    def __call__(self, count: PadCount, channel: ProverChannel, pads: Array) -> ProverLedger:
        transcript, send = channel.transcript, channel.send_elements
        challenges, indices = transcript.challenges, transcript.indices

        def record(name: str, values: Array) -> Array:
            self.drawn.setdefault(name, []).append(values)
            return values

        def sending(label: str, values: Array) -> None:
            send(label, self.change(values.copy()) if self.change and label == self.label else values)

        transcript.challenges = lambda name, n: record(name, challenges(name, n))
        transcript.indices = lambda name, size, n: record(name, indices(name, size, n))
        channel.send_elements = sending
        return ProverLedger(count, channel, pads)

    def scalars(self, name: str) -> list[Ext]:
        return [e for values in self.drawn[name] for e in from_array(values)]


def domain_points(indices: Array, log_domain: int) -> list[int]:
    """The field elements 7 * g^i of positions i."""
    root = pow(7, (P - 1) >> log_domain, P)
    return [7 * pow(root, int(i), P) % P for i in indices]


def vanishing(points: Sequence[int]) -> list[int]:
    """Coefficients of prod (X - x), constant term first."""
    out = [1]
    for x in points:
        out = [(a - x * b) % P for a, b in zip([0, *out], [*out, 0], strict=True)]
    return out


def through(points: Sequence[int], values: Sequence[int]) -> list[int]:
    """Coefficients of the polynomial of degree below len(points) with these values."""
    everything, out = vanishing(points), [0] * len(points)
    for x, value in zip(points, values, strict=True):
        quotient, carry = [0] * len(points), 0
        for i in range(len(points), 0, -1):
            carry = (everything[i] + carry * x) % P
            quotient[i - 1] = carry
        at = sum(c * pow(x, i, P) for i, c in enumerate(quotient)) % P
        scale = value * pow(at, P - 2, P) % P
        out = [(a + scale * b) % P for a, b in zip(out, quotient, strict=True)]
    return out


def systematic(coefficients: Sequence[int], row: int, random: int) -> list[int]:
    """Values on the subgroup of order `row`, then the quotient by X^row - 1: the form in which messages are sent."""
    rest, quotient = [*coefficients, *[0] * (row + random - len(coefficients))], [0] * random
    for i in range(row + random - 1, row - 1, -1):
        quotient[i - row] = rest[i]
        rest[i - row] = (rest[i - row] + rest[i]) % P
    root = pow(7, (P - 1) // row, P)
    values = [sum(c * pow(root, i * j, P) for j, c in enumerate(rest[:row])) % P for i in range(row)]
    return values + quotient


def times(coefficients: Sequence[int], scale: Ext) -> Array:
    """(n, 2): a polynomial over F times an element of K."""
    return np.array([[c * scale.a % P, c * scale.b % P] for c in coefficients], dtype=np.uint64)


def solve(one: Ext, two: Ext, target: Ext) -> tuple[int, int]:
    """x, y in F with x * one + y * two = target in K, as integers between -p/2 and p/2."""
    inverse = pow(one.a * two.b - one.b * two.a, P - 2, P)
    x = (target.a * two.b - target.b * two.a) * inverse % P
    y = (one.a * target.b - one.b * target.a) * inverse % P
    return tuple(v - P if v > P // 2 else v for v in (x, y))


def repair(p: Array, q: Array, first: int, second: int) -> tuple[int, int]:
    """What to add to the multiplicities of two table leaves so that the sum of all fractions is zero."""
    total = Ext(0)
    for a, b in zip(from_array(p), from_array(q), strict=True):
        if not a.is_zero():
            total = total + a * b.inverse()
    return solve(scalar(q[first]).inverse(), scalar(q[second]).inverse(), total)


def numerator(p: list[Ext], q: list[Ext]) -> Ext:
    total = test_fractions.plain_total(p, q)
    for denominator in q:
        total = total * denominator
    return total


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


def spoiled(committed: Committed, errors: dict[int, np.ndarray]) -> Committed:
    """The same matrix with errors added to the committed words of some rows."""
    backend, code = get_backend(), committed.code.copy()
    for row, error in errors.items():
        code[row] = backend.f_add(code[row], error)
    levels = merkle.build(backend, backend.hash_columns(code, committed.salts))
    return replace(committed, code=code, levels=levels)


def interpolated(indices: Array, log_domain: int, off: Array, row: int, random: int) -> Array:
    """Message that is off by `off` (t, 2) at the opened positions, in systematic form (row + random, 2)."""
    points = domain_points(indices, log_domain)
    parts = [systematic(through(points, off[:, c].tolist()), row, random) for c in range(2)]
    return np.ascontiguousarray(np.array(parts, dtype=np.uint64).T)
