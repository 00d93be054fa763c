"""How the sizes of codes and pads follow from public numbers (docs/spec/parameters.md)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log2
from typing import NamedTuple

from zkdl.reference.field import P
from zkdl.reference.transcript import Invalid

PARAMETER_SET = "zkdl-100"
SOUNDNESS_BITS, QUERY_BITS = 100, 103
RATE, ONCE_RATE, PAD_RATE = 0.3, 0.55, 1 / 6
LOG_PADS_PER_ROW = 9
PADS_PER_PRODUCT = 6
LOG_K = log2(P**2)
"""log2 |K|."""
LOG_LINK = 7


class Code(NamedTuple):
    """Shape of a committed matrix, under the names that the transcript prints."""

    rows: int
    log_row: int
    openings: int
    queries: int
    random: int
    log_domain: int

    def __repr__(self) -> str:
        return "CodeShape(" + ", ".join(f"{name}={value}" for name, value in zip(self._fields, self, strict=True)) + ")"

    @property
    def ell(self) -> int:
        return 1 << self.log_row

    @property
    def dimension(self) -> int:
        return self.ell + self.random

    @property
    def domain(self) -> int:
        return 1 << self.log_domain

    @property
    def rate(self) -> float:
        return self.dimension / self.domain

    @property
    def opened_bytes(self) -> int:
        """Bytes of salts and columns in one opening, without nodes and masks."""
        return self.queries * (8 * self.rows + 32)

    @property
    def cost(self) -> int:
        """What the choice of ell minimises."""
        paths = 64 * self.queries * max(0, self.log_domain - (floor(log2(self.queries + 1))))
        return self.queries * (8 * (self.rows + 4) + 64) + paths + 32 * self.dimension


def code(rows: int, log_row: int, openings: int, rate: float) -> Code:
    """The first domain with enough queries."""
    for log_domain in range(log_row + 1, 33):
        n = 1 << log_domain
        for t in range(1, n + 1):
            k = (1 << log_row) + t * openings
            if k > rate * n:
                break
            if -t * log2((1 + k / n) / 2) >= QUERY_BITS:
                return Code(rows, log_row, openings, t, t * openings, log_domain)
    raise Invalid("DOMAIN", "no code domain is large enough")


def cheapest(candidates: list[Code]) -> Code:
    """The first candidate of least cost."""
    return min(candidates, key=lambda candidate: candidate.cost)


def dataset_code(examples: int, features: int, classes: int, budget: int) -> Code:
    top = max(1, (examples - 1).bit_length())
    shapes = [(-(-examples >> log_row) * (features + classes), log_row) for log_row in range(min(top, 6), top + 1)]
    return cheapest([code(rows, log_row, budget, RATE) for rows, log_row in shapes])


def weight_rows(widths: list[int], bias: Sequence[int], log_row: int) -> int:
    """Rows of a weight commitment (commitments.md, "Weights")."""
    rows = 0
    for d_in, d_out, has_bias in zip(widths, widths[1:], bias, strict=False):
        log_inputs = log_row - (d_out - 1).bit_length()
        rows += -(-d_in >> log_inputs) + has_bias
    return rows


def weights_code(widths: list[int], bias: Sequence[int], budget: int) -> Code:
    low = max(1, *((d - 1).bit_length() for d in widths[1:]))
    shapes = [(weight_rows(widths, bias, log_row), log_row) for log_row in range(low, low + 8)]
    return cheapest([code(rows, log_row, budget, RATE) for rows, log_row in shapes])


def link_code(budget: int, segments: int = 1) -> Code:
    return code(2, LOG_LINK, budget, RATE)._replace(rows=2 * segments)


def pad_code(scalars: int, products: int) -> Code:
    pads = scalars + PADS_PER_PRODUCT * products
    rows = max(1, -(-pads >> LOG_PADS_PER_ROW))
    return code(2 * rows + 4, LOG_PADS_PER_ROW, 1, min(PAD_RATE, 1 / 6))


def opening_scalars(opened: Code) -> int:
    return 2 * opened.log_row + 1


def tree_counts(variables: int) -> tuple[int, int]:
    """Scalars and products of a tree of fractions."""
    return variables * (variables - 1), 1 + 2 * variables


def work_bits(leaves: int) -> int:
    return max(0, ceil(SOUNDNESS_BITS + 0.5 - (LOG_K - log2(2 * leaves))))
