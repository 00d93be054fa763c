"""Hidden values as affine expressions in committed pads, and the session that reads them (docs/spec/segment.md).

A prover sends a hidden scalar minus its pad. The verifier cannot see the value; it keeps the expression "sent + pad" and
collects linear constraints on pads, which `opening.finish` tests at the end of a section.
"""

from __future__ import annotations

from collections.abc import Callable

from zkdl.reference.field import ONE, K
from zkdl.reference.parameters import PADS_PER_PRODUCT
from zkdl.reference.transcript import SENT_BYTES, SENT_FIELD, Invalid, Section, Transcript, field_words


class Hidden:
    """A constant plus a linear combination of pads."""

    __slots__ = ("constant", "pads")

    def __init__(self, constant: K, pads: dict[int, K] | None = None) -> None:
        self.constant = constant
        self.pads = pads or {}

    def __add__(self, other: Hidden | K) -> Hidden:
        if isinstance(other, K):
            return Hidden(self.constant + other, self.pads)
        pads = dict(self.pads)
        for index, weight in other.pads.items():
            pads[index] = pads[index] + weight if index in pads else weight
        return Hidden(self.constant + other.constant, pads)

    def __mul__(self, scale: K | int) -> Hidden:
        return Hidden(self.constant * scale, {index: weight * scale for index, weight in self.pads.items()})

    def __neg__(self) -> Hidden:
        return self * -1

    def __sub__(self, other: Hidden | K) -> Hidden:
        return self + (-other)


def elements(data: bytes) -> list[K]:
    """Elements of K from the bytes of a message."""
    values = field_words(data)
    return [K(*pair) for pair in zip(values[::2], values[1::2], strict=True)]


class Product:
    """Two hidden factors and their hidden product; a triple of pads (a, b, ab) and a second one to sacrifice."""

    def __init__(self, left_sent: K, right_sent: K, pad: int) -> None:
        self.pad = pad
        self.left = Hidden(left_sent, {pad: ONE})
        self.right = Hidden(right_sent, {pad + 1: ONE})
        # (x - a)(y - b) + (y - b) a + (x - a) b + ab = xy
        known = {pad: right_sent, pad + 1: left_sent, pad + 2: ONE}
        self.value = Hidden(left_sent * right_sent, known)


class Session:
    """One section being verified: its bytes, its transcript, its pads and the constraints on them."""

    def __init__(self, section: Section, transcript: Transcript, scalars: int, products: int) -> None:
        self.section, self.transcript = section, transcript
        self.scalars_left, self.products_left = scalars, products
        self.next_scalar, self.next_product = 0, scalars
        self.products: list[Product] = []
        self.constraints: list[Hidden] = []
        self.public: list[Callable[[], K]] = []

    def later(self, compute: Callable[[], K]) -> Hidden:
        """A public value that costs much: it stands as pad -1, -2, .. until the columns are known to belong to their roots.

        So bytes that do not open their roots are refused for the price of their hashes, however large the statement is.
        """
        self.public.append(compute)
        return Hidden(K(0), {-len(self.public): ONE})

    def zero(self, expression: Hidden) -> None:
        """Demand that a hidden value is zero."""
        self.constraints.append(expression)

    # ---- messages of the prover

    def root(self, label: str) -> bytes:
        data = self.section.take(32)
        self.transcript.absorb(label, SENT_BYTES, data)
        return data

    def sent(self, label: str, count: int) -> bytes:
        """`count` elements of K, which the caller has yet to read with `elements`."""
        data = self.section.take(16 * count)
        self.transcript.absorb(label, SENT_FIELD, data)
        return data

    def field(self, label: str, count: int) -> list[K]:
        """`count` elements of K in the clear."""
        return elements(self.sent(label, count))

    def scalars(self, label: str, count: int) -> list[Hidden]:
        """`count` hidden scalars in one message."""
        sent = self.field(label, count)
        first = self.next_scalar
        self.next_scalar += count
        self.scalars_left -= count
        return [Hidden(value, {first + i: ONE}) for i, value in enumerate(sent)]

    def multiply(self, label: str, count: int) -> list[Product]:
        """`count` hidden products in one message."""
        sent = self.field(label, 2 * count)
        found = []
        for i in range(count):
            found.append(Product(sent[2 * i], sent[2 * i + 1], self.next_product))
            self.next_product += PADS_PER_PRODUCT
        self.products_left -= count
        self.products += found
        return found

    def work(self, bits: int) -> None:
        if bits:
            self.transcript.work(bits, self.section.take(8))

    # ---- challenges

    def challenge(self, label: str) -> K:
        return self.transcript.challenge(label)

    def challenges(self, label: str, count: int) -> list[K]:
        return self.transcript.challenges(label, count)

    # ---- reductions

    def round(self, label: str, claim: Hidden, weight: K | None) -> tuple[Hidden, K]:
        """One round of a sumcheck of degree two besides its eq factor: the next claim and the challenge.

        With a weight w the claim is (1 - w) g(0) + w g(1), without one it is g(0) + g(1).
        """
        at_zero, leading = self.scalars(label, 2)
        if weight is None:
            at_one = claim - at_zero
        else:
            if weight == K(0):
                raise Invalid("SUMCHECK_WEIGHT", "a challenge is zero, so that nothing would be checked")
            at_one = (claim - at_zero * (ONE - weight)) * weight.inverse()
        r = self.challenge(label)
        return at_zero * (ONE - r) + at_one * r + leading * (r * r - r), r

    def sumcheck(self, label: str, claim: Hidden, weights: list[K | None]) -> tuple[Hidden, list[K]]:
        """A whole sumcheck; coordinates are bound from the last one, the point is returned in order."""
        point: list[K] = []
        for weight in reversed(weights):
            claim, r = self.round(label, claim, weight)
            point.insert(0, r)
        return claim, point

    def cubic_sumcheck(self, label: str, claim: Hidden, variables: int) -> tuple[Hidden, list[K]]:
        """A sumcheck of degree three without weight, from g(0), g(2) and the leading coefficient of every round."""
        half = K(2).inverse()
        point: list[K] = []
        for _ in range(variables):
            at_zero, at_two, leading = self.scalars(label, 3)
            at_one = claim - at_zero
            r = self.challenge(label)
            # The quadratic through the three values of g - leading X (X - 1)(X - 2), which are those of g.
            l0 = (r - 1) * (r - 2) * half
            l1 = -(r * (r - 2))
            l2 = r * (r - 1) * half
            claim = at_zero * l0 + at_one * l1 + at_two * l2 + leading * (r * (r - 1) * (r - 2))
            point.insert(0, r)
        return claim, point

    def fractions(self, variables: int) -> tuple[Hidden, Hidden, list[K]]:
        """The tree of fractions: hidden numerator and denominator of all leaves at a random point (lookup.md)."""
        (root,) = self.multiply("fraction-root", 1)
        self.zero(root.value - ONE)
        p, q = Hidden(K(0)), root.left
        point: list[K] = []
        for _ in range(variables):
            lam = self.challenge("fraction-lambda")
            claim, bound = self.sumcheck("fraction-round", p + q * lam, list(point))
            first, second = self.multiply("fraction-children", 2)
            self.zero(claim - first.value - second.value)
            # Factors: p0 + lambda q0 and q1; p1 and q0.
            q0, q1, p1 = second.right, first.right, second.left
            p0 = first.left - q0 * lam
            c = self.challenge("fraction-child")
            p = p0 * (ONE - c) + p1 * c
            q = q0 * (ONE - c) + q1 * c
            point = [*bound, c]
        return p, q, point

    def sacrifice(self) -> None:
        """Every product is the product of its factors: three linear constraints on its two triples."""
        chi = self.challenge("chi")
        sent = self.field("sacrifice", 2 * len(self.products))
        for j, product in enumerate(self.products):
            d, e, pad = sent[2 * j], sent[2 * j + 1], product.pad
            self.zero(Hidden(-d, {pad: chi, pad + 3: -ONE}))
            self.zero(Hidden(-e, {pad + 1: ONE, pad + 4: -ONE}))
            self.zero(Hidden(-(d * e), {pad + 2: chi, pad + 5: -ONE, pad + 4: -d, pad + 3: -e}))
