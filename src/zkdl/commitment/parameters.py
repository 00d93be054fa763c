"""Named parameter sets and the sizes that follow from them. [proof-system.md, sections 1.4 and 8]

Unique decoding only, no conjecture: a row code of rate rho lets a matrix that is not close to the code pass with
probability ((1 + rho)/2)^t. Every size below is a function of public numbers; the proof carries none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from zkdl.errors import NotProvable


@dataclass(frozen=True)
class ParameterSet:
    """What a verifier must agree on before it reads a proof.

    Attributes:
        name: the name in the run statement.
        soundness_bits: round-by-round soundness error per random-oracle query is at most 2^-soundness_bits.
        query_bits: bits bought by the opened columns of one commitment (above soundness_bits: they are united).
        rate: largest k/n of a stored commitment (dataset, weights). once_rate: of one that is opened once, by the proof that
            makes it: a higher rate encodes and hashes less and opens more columns. pad_rate: of the pad commitment (at most
            1/6, see `commitment/pads.py`).
        log_pad_row: log2 of the pads per row.
        test_only: refused by the command line.
    """

    name: str
    soundness_bits: int
    query_bits: float
    rate: float = 0.3
    once_rate: float = 0.55
    pad_rate: float = 1 / 6
    log_pad_row: int = 9
    test_only: bool = False


STANDARD = ParameterSet("zkdl-100", soundness_bits=100, query_bits=103.0)
PARAMETER_SETS = {STANDARD.name: STANDARD}
DEFAULT = STANDARD.name


@dataclass(frozen=True)
class CodeShape:
    """Sizes of one committed matrix.

    Attributes:
        rows: m, data rows. log_row: log2 of ell, values per row. openings: how often it may be opened.
        queries: t, columns opened each time. random: random coefficients per row, t for every opening.
        log_domain: log2 of n, columns of the codeword.
    """

    rows: int
    log_row: int
    openings: int
    queries: int
    random: int
    log_domain: int

    @property
    def row(self) -> int:
        return 1 << self.log_row

    @property
    def domain(self) -> int:
        return 1 << self.log_domain

    @property
    def dimension(self) -> int:
        """k = ell + t * openings, the exact dimension of the row code."""
        return self.row + self.random

    @property
    def rate(self) -> float:
        return self.dimension / self.domain

    @property
    def query_error_bits(self) -> float:
        return -self.queries * math.log2((1 + self.rate) / 2)


def code_shape(rows: int, log_row: int, openings: int, rate: float, query_bits: float) -> CodeShape:
    """Smallest domain with k/n <= rate and smallest t that reaches `query_bits` at the exact rate."""
    for log_domain in range(log_row + 1, 33):
        domain, queries = 1 << log_domain, 1
        while True:
            dimension = (1 << log_row) + queries * openings
            if dimension > rate * domain or queries > domain:
                break
            shape = CodeShape(rows, log_row, openings, queries, queries * openings, log_domain)
            if shape.query_error_bits >= query_bits:
                return shape
            queries += max(1, math.floor((query_bits - shape.query_error_bits) / 1.0))
    raise NotProvable("no code domain is large enough for this matrix", code="DOMAIN", rows=rows, log_row=log_row)


def opening_bytes(shape: CodeShape) -> int:
    """Bytes that one opening adds to a proof, up to the sharing in the Merkle paths."""
    columns = shape.queries * (8 * (shape.rows + 4) + 2 * 32)
    paths = 2 * shape.queries * 32 * max(0, shape.log_domain - int(math.log2(shape.queries + 1)))
    return columns + paths + 2 * 16 * shape.dimension
