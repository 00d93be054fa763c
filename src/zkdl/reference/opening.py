"""Openings of committed matrices and the check of the pads (docs/spec/commitments.md, opening.md, hidden.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from zkdl.reference.field import (
    GENERATOR,
    ZERO,
    ExtensionPolynomial,
    K,
    P,
    block_powers,
    codeword,
    dot,
    eq_table,
    inner,
    powers,
    root_of_unity,
    split,
    total,
)
from zkdl.reference.hidden import Hidden, Session
from zkdl.reference.parameters import Code
from zkdl.reference.transcript import check, field_words, malformed, u32, u64

Inner = Callable[[Sequence[K]], K]
"""A public in-row vector, given as its multilinear extension."""


class Part(NamedTuple):
    """Weights of a claim on some rows: position (row, hi, lo) has the weight outer[row 2^|hi| + hi] * inner[lo].

    `low` is the number of variables of lo; hi has the others of the in-row index. Rows count from `first`.
    """

    first: int
    outer: list[K]
    low: int
    inner: Inner


class Claim(NamedTuple):
    """A hidden value that is a public linear combination of the entries of a committed matrix."""

    value: Hidden
    parts: list[Part]


class Opening:
    """One opening: first its messages, later its columns. `roots` are those of the trees whose rows are stacked."""

    def __init__(self, name: str, code: Code, roots: list[bytes], mask_root: bytes) -> None:
        self.name, self.code, self.roots, self.mask_root = name, code, roots, mask_root

    def messages(self, session: Session, claims: list[Claim]) -> None:
        """Batching, in-row sumcheck, masked fold, low-degree test."""
        code, name = self.code, self.name
        scales = powers(session.challenge(f"{name}/batch"), len(claims))
        claim = Hidden(ZERO)
        for scale, one in zip(scales, claims, strict=True):
            claim = claim + one.value * scale
        claim, point = session.sumcheck(f"{name}/in-row", claim, [None] * code.log_row)
        (mask_value,) = session.scalars(f"{name}/mask-value", 1)
        self.gamma = session.challenge(f"{name}/gamma")
        self.test_weights = session.challenges(f"{name}/low-degree", code.rows)
        fold = session.field(f"{name}/fold", code.dimension)
        test = session.field(f"{name}/test", code.dimension)
        session.zero(mask_value + claim * self.gamma - inner(eq_table(point), fold[: code.ell]))
        self.fold, self.test = codeword(fold, code.ell), codeword(test, code.ell)
        self.fold_weights = [weight * self.gamma for weight in self._row_weights(scales, claims, point)]

    def _row_weights(self, scales: list[K], claims: list[Claim], point: list[K]) -> list[K]:
        """a_i: the multilinear extension of the weights of row i in all claims, at the in-row point."""
        rows = [ZERO] * self.code.rows
        for scale, claim in zip(scales, claims, strict=True):
            for part in claim.parts:
                cut = len(point) - part.low
                high, value = eq_table(point[:cut]), part.inner(point[cut:]) * scale
                for i in range(len(part.outer) >> cut):
                    rows[part.first + i] += inner(part.outer[i << cut : (i + 1) << cut], high) * value
        return rows

    def positions(self, session: Session) -> None:
        self.at = session.transcript.positions(f"{self.name}/positions", self.code.domain, self.code.queries)

    def columns(self, session: Session) -> None:
        """The opened columns of the matrix and of the masks, against the roots and the two messages."""
        rows = self.code.rows // len(self.roots)
        folded, tested = [ZERO] * len(self.at), [ZERO] * len(self.at)
        for tree, root in enumerate(self.roots):
            fold = split(self.fold_weights[tree * rows : (tree + 1) * rows])
            test = split(self.test_weights[tree * rows : (tree + 1) * rows])
            for i, column in enumerate(opened_columns(session, self.code.domain, rows, root, self.at)):
                folded[i] += dot(fold, column)
                tested[i] += dot(test, column)
        for i, masks in enumerate(opened_columns(session, self.code.domain, 4, self.mask_root, self.at)):
            x = block_powers(domain_point(self.code.domain, self.at[i]))
            for found, mask, message in ((folded, masks[:2], self.fold), (tested, masks[2:], self.test)):
                sent = message.at(x)
                check(
                    sent == found[i] + K(*mask), "OPENING", f"a row message of {self.name} disagrees with the columns"
                )


def domain_point(domain: int, position: int) -> int:
    return GENERATOR * pow(root_of_unity(domain), position, P) % P


def opened_columns(
    session: Session, domain: int, rows: int, root: bytes, positions: list[int]
) -> Iterator[tuple[int, ...]]:
    """The columns at sorted positions, one by one; when all are consumed, the tree has been checked against the root."""
    section, count = session.section, len(positions)
    salts = section.take(32 * count)
    nodes: dict[int, bytes] = {}
    for i, position in enumerate(positions):
        data = section.take(8 * rows)
        head = b"\x00" + u64(position) + salts[32 * i : 32 * i + 32] + u32(rows)
        nodes[position] = hashlib.sha256(head + data).digest()
        yield field_words(data)
    for level in range(1, domain.bit_length()):
        above: dict[int, bytes] = {}
        for index in sorted(nodes):
            parent = index >> 1
            if parent in above:
                continue
            # Dictionaries keep their order, so missing nodes are read in ascending order.
            own, sibling = nodes[index], nodes.get(index ^ 1)
            if sibling is None:
                sibling = section.take(32)
            left, right = (sibling, own) if index & 1 else (own, sibling)
            above[parent] = hashlib.sha256(b"\x01" + bytes([level]) + u64(parent) + left + right).digest()
        nodes = above
    check(nodes == {0: root}, "MERKLE", "opened columns do not belong to their root")


def finish(session: Session, code: Code, root: bytes, openings: list[Opening]) -> bytes:
    """The end of a section: products, the proof about pads, positions, all opened columns; the last state."""
    if session.products:
        session.sacrifice()
    if session.scalars_left or session.products_left:
        raise malformed("the messages do not use the pads that were counted")
    pairs = code.rows // 2 - 2
    test_weights = session.challenges("pads/low-degree", pairs)
    weights = session.challenges("pads/constraints", len(session.constraints))
    # All constraints in one: sum of coefficients[i] pad_i = required.
    coefficients = [ZERO] * (pairs * code.ell)
    required = ZERO
    for weight, constraint in zip(weights, session.constraints, strict=True):
        required = required - constraint.constant * weight
        for index, factor in constraint.pads.items():
            coefficients[index] += factor * weight
    test = codeword(session.field("pads/test", code.dimension), code.ell)
    linear = session.field("pads/linear", 2 * code.ell + code.queries - 1)
    check(total(linear[:: code.ell]) * code.ell == required, "RELATIONS", "the hidden values break a relation")
    sums = [codeword(coefficients[r * code.ell : (r + 1) * code.ell], code.ell) for r in range(pairs)]
    message = ExtensionPolynomial(*split(linear))
    for opening in openings:
        opening.positions(session)
    positions = session.transcript.positions("pads/positions", code.domain, code.queries)
    state = session.transcript.state
    for opening in openings:
        opening.columns(session)
    # The root is compared behind the last column: all of them are read before any is used.
    columns = list(opened_columns(session, code.domain, code.rows, root, positions))
    for position, column in zip(positions, columns, strict=True):
        x = block_powers(domain_point(code.domain, position))
        pairs_at = [K(column[2 * r], column[2 * r + 1]) for r in range(pairs + 2)]
        tested = inner(test_weights, pairs_at[:pairs]) + pairs_at[pairs]
        check(tested == test.at(x), "PADS", "the tested row of pads disagrees with the columns")
        summed = inner([row.at(x) for row in sums], pairs_at[:pairs]) + pairs_at[pairs + 1]
        check(summed == message.at(x), "PADS", "the sum of pads disagrees with the columns")
    session.section.finish()
    return state
