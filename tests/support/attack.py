"""How a verifier answers a forged witness, which relation the forger's own prover breaks, and forged lookup counts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np

from tests.support.tiny import Tiny
from zkdl.algebra.extension import P
from zkdl.errors import Rejected
from zkdl.hiding.ledger import Affine, ProverLedger
from zkdl.proof.prover_tables import SegmentWitness
from zkdl.statement.weights import Weights

Key = Callable[[tuple[int, ...]], object]


@dataclass(frozen=True)
class Answer:
    """code: of the refusal, "" when accepted. broken: relations that the prover's values do not satisfy:
    "fractions" (lookups), "matmul", "unroll", "loss", "opening/<commitment>" (claims on committed values; those on Z and P too).

    The verifier adds up all relations under one random combination, so its code is the same for all of them; the prover
    knows its pads and can tell which one is false.
    """

    code: str
    broken: frozenset[str]


def answer(
    tiny: Tiny, witness: SegmentWitness, out: Weights, claimed: Weights | None = None, judge: Tiny | None = None
) -> Answer:
    """Prove and verify. judge: whose public inputs the verifier has, when they are not the prover's."""
    broken: set[str] = set()
    require_zero = ProverLedger.require_zero

    def spy(self: ProverLedger, expression: Affine) -> None:
        value = expression.known
        for pad, coefficient in expression.terms.items():
            value = value + coefficient * self._pads[pad]
        if not value.is_zero():
            caller = sys._getframe(1)
            module, label = caller.f_globals["__name__"].rpartition(".")[2], caller.f_locals.get("label")
            broken.add(f"{module}/{label}" if label else module)
        require_zero(self, expression)

    with patch.object(ProverLedger, "require_zero", spy):
        public, proof = tiny.prove(witness, out, claimed)
    try:
        (judge or tiny).verify(public, proof)
    except Rejected as error:
        return Answer(error.code, frozenset(broken))
    return Answer("", frozenset(broken))


def accepted(tiny: Tiny, witness: SegmentWitness | None = None, out: Weights | None = None) -> bool:
    """The verifier accepts the witness, or the honest one."""
    if witness is None or out is None:
        witness, out = tiny.witness()
    return answer(tiny, witness, out).code == ""


def recount(witness: SegmentWitness, key: Key = lambda row: row) -> int:
    """Count lookups by any key of a row, as a forger would; returns how many lookups no table row has the key of."""
    layout, missing = witness.public.layout, 0
    span = 1 << (layout.log_row - layout.log_units)
    tables = {rows.table.name: rows for rows in layout.leaves.tables}
    where = {
        name: {key(tuple(row)): i for i, row in enumerate(np.stack(rows.table.columns, axis=1).tolist())}
        for name, rows in tables.items()
    }
    for rows in tables.values():
        witness.multiplicities(rows)[:] = 0
    for lookup in layout.leaves.lookups:
        counts = witness.multiplicities(tables[lookup.table])
        fields = np.stack([values[: lookup.units * span] for values in witness.fields(lookup)], axis=1)
        for row in fields.tolist():
            place = where[lookup.table].get(key(tuple(row)))
            if place is None:
                missing += 1
            else:
                counts[place] += 1
    return missing


def centred(value: int) -> int:
    """The integer of smallest absolute value that is `value` in F: it fits in 64 bits with a sign."""
    value %= P
    return value - P if value > P // 2 else value


def kernel_vector(matrix: np.ndarray) -> list[int]:
    """A non-zero v with v @ matrix = 0 mod p, for a matrix with more rows than columns."""
    rows, columns = matrix.shape
    work = [
        [int(x) % P for x in matrix[i]] + [int(i == j) for j in range(rows)]  # the combination that each row is
        for i in range(rows)
    ]
    done = 0
    for column in range(columns):
        pivot = next((i for i in range(done, rows) if work[i][column]), None)
        if pivot is None:
            continue
        work[done], work[pivot] = work[pivot], work[done]
        inverse = pow(work[done][column], P - 2, P)
        for i in range(done + 1, rows):
            factor = work[i][column] * inverse % P
            work[i] = [(a - factor * b) % P for a, b in zip(work[i], work[done], strict=True)]
        done += 1
    if done == rows:
        raise ValueError("the rows are independent")
    return work[rows - 1][columns:]
