"""The fields F = GF(p) and K = F[X]/(X^2 - 7), eq tables and polynomials (docs/spec/README.md, conventions).

Elements of F are plain integers below P. Elements of K are instances of `K`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import mul

P = 2**64 - 2**32 + 1
GENERATOR = 7


class K:
    """a + b X with X^2 = 7. Operators also take an integer on the right."""

    __slots__ = ("a", "b")

    def __init__(self, a: int, b: int = 0) -> None:
        self.a = a % P
        self.b = b % P

    def __add__(self, other: K | int) -> K:
        if isinstance(other, int):
            return K(self.a + other, self.b)
        return K(self.a + other.a, self.b + other.b)

    def __sub__(self, other: K | int) -> K:
        if isinstance(other, int):
            return K(self.a - other, self.b)
        return K(self.a - other.a, self.b - other.b)

    def __neg__(self) -> K:
        return K(-self.a, -self.b)

    def __mul__(self, other: K | int) -> K:
        if isinstance(other, int):
            return K(self.a * other, self.b * other)
        a, b, c, d = self.a, self.b, other.a, other.b
        return K(a * c + 7 * b * d, a * d + b * c)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, K) and self.a == other.a and self.b == other.b

    def __hash__(self) -> int:
        return hash((self.a, self.b))

    def __repr__(self) -> str:
        return f"K({self.a}, {self.b})"

    def inverse(self) -> K:
        """The inverse of a nonzero element: (a - b X) / (a^2 - 7 b^2); 7 is no square in F."""
        scale = pow(self.a * self.a - 7 * self.b * self.b, -1, P)
        return K(self.a * scale, -self.b * scale)


ZERO, ONE, X = K(0), K(1), K(0, 1)


def total(values: Iterable[K]) -> K:
    """The sum of elements of K."""
    a = b = 0
    for value in values:
        a += value.a
        b += value.b
    return K(a, b)


def inner(left: Iterable[K], right: Iterable[K]) -> K:
    """The inner product of two vectors over K."""
    a = b = 0
    for x, y in zip(left, right, strict=True):
        a += x.a * y.a + 7 * x.b * y.b
        b += x.a * y.b + x.b * y.a
    return K(a, b)


def split(vector: Iterable[K]) -> tuple[list[int], list[int]]:
    """The constant parts and the X parts of a vector over K."""
    vector = list(vector)
    return [x.a for x in vector], [x.b for x in vector]


def dot(weights: tuple[Sequence[int], Sequence[int]], values: Sequence[int]) -> K:
    """The inner product of a split vector over K and a vector of integers."""
    return K(sum(map(mul, weights[0], values)), sum(map(mul, weights[1], values)))


def powers(x: K, count: int) -> list[K]:
    """1, x, x^2, ..."""
    result, value = [], ONE
    for _ in range(count):
        result.append(value)
        value = value * x
    return result


def eq_table(point: Sequence[K]) -> list[K]:
    """eq(point, i) for all indices i; the first coordinate belongs to the most significant bit."""
    table = [ONE]
    for coordinate in point:
        grown: list[K] = []
        for value in table:
            high = value * coordinate
            grown.append(value - high)
            grown.append(high)
        table = grown
    return table


def eq(left: Sequence[K], right: Sequence[K]) -> K:
    """eq(left, right) of two points."""
    product = ONE
    for x, y in zip(left, right, strict=True):
        both = x * y
        product = product * (ONE - x - y + both + both)
    return product


def eq_prefix(point: Sequence[K], count: int) -> K:
    """The sum of eq(point, i) for i < count, count at most 2^len(point)."""
    if not point:
        return K(count)
    half = 1 << (len(point) - 1)
    low, high = min(count, half), max(0, count - half)
    first = ONE if low == half else eq_prefix(point[1:], low)
    return first * (ONE - point[0]) + (eq_prefix(point[1:], high) * point[0] if high else ZERO)


def root_of_unity(order: int) -> int:
    """g_n = 7^((p-1)/n) for n a power of two."""
    return pow(GENERATOR, (P - 1) // order, P)


def interpolate(values: Sequence[int]) -> list[int]:
    """Coefficients of the polynomial with value j at g_n^j."""
    scale = pow(len(values), -1, P)
    return [x * scale % P for x in transform(values, pow(root_of_unity(len(values)), -1, P))]


def transform(values: Sequence[int], root: int) -> list[int]:
    """The values at 1, root, root^2, .. of the polynomial with these n coefficients, n the order of root, a power of two."""
    n = len(values)
    bits = n.bit_length() - 1
    out = [values[int(format(i, f"0{bits}b")[::-1], 2)] if bits else values[i] for i in range(n)]
    half = 1
    while half < n:
        step = pow(root, n // (2 * half), P)
        twiddles, w = [], 1
        for _ in range(half):
            twiddles.append(w)
            w = w * step % P
        for start in range(0, n, 2 * half):
            for j in range(half):
                low, high = out[start + j], out[start + j + half] * twiddles[j] % P
                out[start + j] = (low + high) % P
                out[start + j + half] = (low - high) % P
        half *= 2
    return out


BLOCK = 256
"""Coefficients of a polynomial are taken in blocks of this size when it is evaluated: a block is one dot product."""


class ExtensionPolynomial:
    """A polynomial over K, given by the coefficients of its halves over F, for evaluation at many points of F."""

    def __init__(self, constant: Sequence[int], second: Sequence[int]) -> None:
        starts = range(0, len(constant), BLOCK)
        self.blocks = [(constant[i : i + BLOCK], second[i : i + BLOCK]) for i in starts]

    def at(self, x_powers: Sequence[int]) -> K:
        """The value at x, given `block_powers(x)`."""
        a, b, giant = 0, 0, x_powers[BLOCK]
        for constant, second in reversed(self.blocks):
            a = (a * giant + sum(map(mul, constant, x_powers))) % P
            b = (b * giant + sum(map(mul, second, x_powers))) % P
        return K(a, b)


def block_powers(x: int) -> list[int]:
    """1, x, .., x^BLOCK."""
    result = [1]
    for _ in range(BLOCK):
        result.append(result[-1] * x % P)
    return result


def row_polynomial(message: Sequence[int], ell: int) -> list[int]:
    """Coefficients of W + (x^ell - 1) R, W the interpolant of the first ell entries, R the others (algebra.md)."""
    random = list(message[ell:])
    coefficients = interpolate(message[:ell]) + random
    for i, r in enumerate(random):
        coefficients[i] = (coefficients[i] - r) % P
    return coefficients


def codeword(message: Sequence[K], ell: int) -> ExtensionPolynomial:
    """The codeword of a message over K, half by half."""
    constant, second = split(message)
    return ExtensionPolynomial(row_polynomial(constant, ell), row_polynomial(second, ell))
