"""Openings of committed matrices and the check of the pads (docs/spec/commitments.md, opening.md, hidden.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
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
from zkdl.reference.hidden import Hidden, Session, elements
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
        self.at: list[int] = []

    def messages(self, session: Session, claims: list[Claim]) -> None:
        """Batching, in-row sumcheck, masked fold, low-degree test."""
        code, name = self.code, self.name
        self.claims, self.scales = claims, powers(session.challenge(f"{name}/batch"), len(claims))
        claim = Hidden(ZERO)
        for scale, one in zip(self.scales, claims, strict=True):
            claim = claim + one.value * scale
        claim, self.point = session.sumcheck(f"{name}/in-row", claim, [None] * code.log_row)
        (mask_value,) = session.scalars(f"{name}/mask-value", 1)
        self.gamma = session.challenge(f"{name}/gamma")
        self.test_weights = session.challenges(f"{name}/low-degree", code.rows)
        self.fold = session.sent(f"{name}/fold", code.dimension)
        self.test = session.sent(f"{name}/test", code.dimension)
        folded = session.later(lambda: inner(eq_table(self.point), elements(self.fold)[: code.ell]))
        session.zero(mask_value + claim * self.gamma - folded)

    def row_weights(self) -> list[K]:
        """a_i: the multilinear extension of the weights of row i in all claims, at the in-row point."""
        rows = [ZERO] * self.code.rows
        for scale, claim in zip(self.scales, self.claims, strict=True):
            for part in claim.parts:
                cut = len(self.point) - part.low
                high, value = eq_table(self.point[:cut]), part.inner(self.point[cut:]) * scale
                for i in range(len(part.outer) >> cut):
                    rows[part.first + i] += inner(part.outer[i << cut : (i + 1) << cut], high) * value
        return rows

    def read_columns(self, session: Session) -> None:
        """The opened columns of every tree of the matrix, then those of the masks."""
        rows, domain = self.code.rows // len(self.roots), self.code.domain
        self.columns = [opened_columns(session, domain, rows, root, self.at) for root in self.roots]
        self.masks = opened_columns(session, domain, 4, self.mask_root, self.at)

    def check_columns(self) -> None:
        """The columns against the two messages."""
        ell, rows = self.code.ell, self.code.rows // len(self.roots)
        fold, test = codeword(elements(self.fold), ell), codeword(elements(self.test), ell)
        fold_weights = [weight * self.gamma for weight in self.row_weights()]
        folded, tested = [ZERO] * len(self.at), [ZERO] * len(self.at)
        for tree, columns in enumerate(self.columns):
            own = slice(tree * rows, (tree + 1) * rows)
            to_fold, to_test = split(fold_weights[own]), split(self.test_weights[own])
            for i, data in enumerate(columns):
                column = field_words(data)
                folded[i] += dot(to_fold, column)
                tested[i] += dot(to_test, column)
        for i, data in enumerate(self.masks):
            x, masks = block_powers(domain_point(self.code.domain, self.at[i])), field_words(data)
            good = fold.at(x) == folded[i] + K(*masks[:2]) and test.at(x) == tested[i] + K(*masks[2:])
            check(good, "OPENING", f"a row message of {self.name} disagrees with the columns")


def domain_point(domain: int, position: int) -> int:
    return GENERATOR * pow(root_of_unity(domain), position, P) % P


def opened_columns(session: Session, domain: int, rows: int, root: bytes, positions: list[int]) -> list[bytes]:
    """The columns at sorted positions, which belong to the root."""
    section, count, nodes, columns = session.section, len(positions), {}, []
    salts = section.take(32 * count)
    for i, position in enumerate(positions):
        columns.append(section.take(8 * rows))
        leaf = leaf_hash_start(position, salts[32 * i : 32 * i + 32], rows)
        leaf.update(columns[i])
        nodes[position] = leaf.digest()
    for level in range(1, domain.bit_length()):
        above: dict[int, bytes] = {}
        for index in sorted(nodes):
            # Missing nodes are read in ascending order, each once.
            if index >> 1 not in above:
                sibling = nodes[index ^ 1] if index ^ 1 in nodes else section.take(32)
                left, right = (sibling, nodes[index]) if index & 1 else (nodes[index], sibling)
                above[index >> 1] = node_hash(level, index >> 1, left, right)
        nodes = above
    check(nodes == {0: root}, "MERKLE", "opened columns do not belong to their root")
    return columns


def leaf_hash_start(position: int, salt: bytes, rows: int) -> hashlib._Hash:
    """The hash of a leaf before its column."""
    return hashlib.sha256(b"\x00" + u64(position) + salt + u32(rows))


def node_hash(level: int, index: int, left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + bytes([level]) + u64(index) + left + right).digest()


def finish(session: Session, code: Code, root: bytes, openings: list[Opening]) -> bytes:
    """The end of a section: products, the proof about pads, positions, all opened columns; the last state."""
    if session.products:
        session.sacrifice()
    if session.scalars_left or session.products_left:
        raise malformed("the messages do not use the pads that were counted")
    pairs = code.rows // 2 - 2
    test_weights = session.challenges("pads/low-degree", pairs)
    weights = session.challenges("pads/constraints", len(session.constraints))
    test = session.field("pads/test", code.dimension)
    linear = session.field("pads/linear", 2 * code.ell + code.queries - 1)
    for opening in openings:
        opening.at = session.transcript.positions(
            f"{opening.name}/positions", opening.code.domain, opening.code.queries
        )
    positions = session.transcript.positions("pads/positions", code.domain, code.queries)
    for opening in openings:
        opening.read_columns(session)
    columns = opened_columns(session, code.domain, code.rows, root, positions)
    session.section.finish()
    # All constraints in one: sum of coefficients[i] pad_i = required, with the public values that stand as pads below 0.
    coefficients, required, public = [ZERO] * (pairs * code.ell), ZERO, [compute() for compute in session.public]
    for weight, constraint in zip(weights, session.constraints, strict=True):
        required = required - constraint.constant * weight
        for index, factor in constraint.pads.items():
            if index < 0:
                required = required - public[-1 - index] * factor * weight
            else:
                coefficients[index] += factor * weight
    check(total(linear[:: code.ell]) * code.ell == required, "RELATIONS", "the hidden values break a relation")
    for opening in openings:
        opening.check_columns()
    check_pads(code, test_weights, coefficients, (test, linear), positions, columns)
    return session.transcript.state


def check_pads(
    code: Code,
    test_weights: list[K],
    coefficients: list[K],
    messages: tuple[list[K], list[K]],
    positions: list[int],
    columns: list[bytes],
) -> None:
    """The messages `pads/test` and `pads/linear` against the opened columns of the pads."""
    pairs, ell = len(test_weights), code.ell
    test, linear = codeword(messages[0], ell), ExtensionPolynomial(*split(messages[1]))
    sums = [codeword(coefficients[r * ell : (r + 1) * ell], ell) for r in range(pairs)]
    for position, column in zip(positions, columns, strict=True):
        x, at = block_powers(domain_point(code.domain, position)), elements(column)
        tested = inner(test_weights, at[:pairs]) + at[pairs]
        check(tested == test.at(x), "PADS", "the tested row of pads disagrees with the columns")
        summed = inner([row.at(x) for row in sums], at[:pairs]) + at[pairs + 1]
        check(summed == linear.at(x), "PADS", "the sum of pads disagrees with the columns")
