"""Hidden scalars: what is sent is the value minus a committed one-time pad. [proof-system.md, sections 2 and 9]

Both parties keep every hidden quantity as an affine expression (known constant + sum of public multiples of pads), and
collect linear constraints "expression = 0". A product of two hidden values needs a committed triple; triples are
checked by sacrifice, so that every constraint stays linear.

Transcript:
    send/receive            P -> V: value - pad, one element of K per value
    send_products           P -> V: x - a, y - b for a committed triple (a, b, c = a*b)
    sacrifice (at the end)  V -> P: chi;  P -> V: chi*a - a', b - b' for every triple
Soundness error: a triple with c != a*b survives for at most one chi: 1/|K|, one chi for all triples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zkdl.algebra.extension import ONE, ZERO, Array, Ext, from_array, to_array
from zkdl.errors import InternalError
from zkdl.transcript.channel import ProverChannel, VerifierChannel

TRIPLE = 6  # a, b, c and the one-time triple a', b', c'


@dataclass(frozen=True)
class PadCount:
    """How many hidden scalars and hidden products a protocol sends: a function of the statement alone."""

    singles: int = 0
    products: int = 0

    def __add__(self, other: PadCount) -> PadCount:
        return PadCount(self.singles + other.singles, self.products + other.products)

    @property
    def pads(self) -> int:
        return self.singles + TRIPLE * self.products


class Affine:
    """known + sum of coefficient * pad. Immutable."""

    __slots__ = ("known", "terms")

    def __init__(self, known: Ext = ZERO, terms: dict[int, Ext] | None = None) -> None:
        self.known = known
        self.terms = terms or {}

    def __add__(self, other: Affine | Ext | int) -> Affine:
        if not isinstance(other, Affine):
            return Affine(self.known + other, self.terms)
        terms = dict(self.terms)
        for pad, coefficient in other.terms.items():
            terms[pad] = terms[pad] + coefficient if pad in terms else coefficient
        return Affine(self.known + other.known, terms)

    def __mul__(self, scale: Ext | int) -> Affine:
        return Affine(self.known * scale, {pad: c * scale for pad, c in self.terms.items()})

    def __neg__(self) -> Affine:
        return self * -1

    def __sub__(self, other: Affine | Ext | int) -> Affine:
        return self + (-other)


def constant(value: Ext | int) -> Affine:
    """A public value as an expression."""
    return Affine(value if isinstance(value, Ext) else Ext(value))


class Ledger:
    """Bookkeeping that prover and verifier share."""

    def __init__(self, count: PadCount) -> None:
        self.count = count
        self.constraints: list[Affine] = []
        self._singles = 0
        self._products = 0

    def require_zero(self, expression: Affine) -> None:
        """Record a linear constraint."""
        self.constraints.append(expression)

    def _take_single(self) -> int:
        """Number of the next unused pad."""
        if self._singles == self.count.singles:
            raise InternalError("more hidden scalars than the statement announces")
        self._singles += 1
        return self._singles - 1

    def _take_product(self) -> int:
        """Number of the first pad of the next unused triple."""
        if self._products == self.count.products:
            raise InternalError("more hidden products than the statement announces")
        self._products += 1
        return self.count.singles + TRIPLE * (self._products - 1)

    @staticmethod
    def _product(a: int, x: Ext, y: Ext) -> tuple[Affine, Affine, Affine]:
        """Both factors and the product, from the masked factors and the triple at pad a."""
        # (x + a)(y + b) = x*y + y*a + x*b + a*b, and the pad a + 2 holds a*b.
        return Affine(x, {a: ONE}), Affine(y, {a + 1: ONE}), Affine(x * y, {a: y, a + 1: x, a + 2: ONE})

    def check_used_up(self) -> None:
        """Every announced pad was used exactly once."""
        if self._singles != self.count.singles or self._products != self.count.products:
            raise InternalError(
                "hidden scalars used differ from those announced",
                used=(self._singles, self._products),
                announced=(self.count.singles, self.count.products),
            )

    def _sacrifice_constraints(self, chi: Ext, opened: Array) -> None:
        for i, (d, e) in enumerate(zip(from_array(opened[:, 0]), from_array(opened[:, 1]), strict=True)):
            a = self.count.singles + TRIPLE * i
            self.require_zero(Affine(-d, {a: chi, a + 3: -ONE}))
            self.require_zero(Affine(-e, {a + 1: ONE, a + 4: -ONE}))
            self.require_zero(Affine(-(d * e), {a + 2: chi, a + 5: -ONE, a + 4: -d, a + 3: -e}))


class ProverLedger(Ledger):
    """Args: pads (count.pads, 2) uint64, uniform except that c = a*b in each triple."""

    def __init__(self, count: PadCount, channel: ProverChannel, pads: Array) -> None:
        super().__init__(count)
        self.channel = channel
        self._pads = from_array(pads)

    def reveal(self, expression: Affine) -> Ext:
        """What an expression hides."""
        value = expression.known
        for pad, coefficient in expression.terms.items():
            value = value + coefficient * self._pads[pad]
        return value

    def send(self, label: str, values: Sequence[Ext]) -> list[Affine]:
        pads = [self._take_single() for _ in values]
        hidden = [Affine(value - self._pads[pad], {pad: ONE}) for pad, value in zip(pads, values, strict=True)]
        self.channel.send_elements(label, to_array([h.known for h in hidden]))
        return hidden

    def send_products(self, label: str, pairs: Sequence[tuple[Ext, Ext]]) -> list[tuple[Affine, Affine, Affine]]:
        hidden = []
        for x, y in pairs:
            a = self._take_product()
            hidden.append(self._product(a, x - self._pads[a], y - self._pads[a + 1]))
        self.channel.send_elements(label, to_array([e.known for x, y, _ in hidden for e in (x, y)]))
        return hidden

    def sacrifice(self) -> None:
        chi = self.channel.transcript.challenge("chi")
        opened = np.zeros((self.count.products, 2, 2), dtype=np.uint64)
        for i in range(self.count.products):
            a = self.count.singles + TRIPLE * i
            opened[i, 0] = (chi * self._pads[a] - self._pads[a + 3]).array()
            opened[i, 1] = (self._pads[a + 1] - self._pads[a + 4]).array()
        self.channel.send_elements("sacrifice", opened)
        self._sacrifice_constraints(chi, opened)


class VerifierLedger(Ledger):
    """Reads masked values; never learns what they hide."""

    def __init__(self, count: PadCount, channel: VerifierChannel) -> None:
        super().__init__(count)
        self.channel = channel
        self._public: list[Callable[[], Ext]] = []

    def later(self, compute: Callable[[], Ext]) -> Affine:
        """A public value that costs much: it stands as pad -1, -2, .. until `public_values` is asked for.

        So bytes that do not open their roots are refused for the price of their hashes, however large the statement is.
        """
        self._public.append(compute)
        return Affine(ZERO, {-len(self._public): ONE})

    def public_values(self) -> list[Ext]:
        """What the pads -1, -2, .. stand for, in this order."""
        return [compute() for compute in self._public]

    def receive(self, label: str, count: int) -> list[Affine]:
        values = from_array(self.channel.receive_elements(label, (count, 2)))
        return [Affine(value, {self._take_single(): ONE}) for value in values]

    def receive_products(self, label: str, count: int) -> list[tuple[Affine, Affine, Affine]]:
        values = from_array(self.channel.receive_elements(label, (2 * count, 2)))
        return [self._product(self._take_product(), values[2 * i], values[2 * i + 1]) for i in range(count)]

    def sacrifice(self) -> None:
        chi = self.channel.transcript.challenge("chi")
        self._sacrifice_constraints(chi, self.channel.receive_elements("sacrifice", (self.count.products, 2, 2)))
