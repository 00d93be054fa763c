"""A committed matrix and hidden claims on it, opened inside a run of `tests.support.alone`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tests.support.alone import random_table
from tests.support.tiny import TINY
from zkdl.algebra.extension import ZERO, Array, Ext, from_array
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment.ligero import Committed, Masks, commit, make_masks
from zkdl.commitment.parameters import CodeShape, code_shape
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import PadCount, ProverLedger, VerifierLedger
from zkdl.protocols import opening
from zkdl.protocols.claims import Claims, Part

ENTROPY = Entropy(bytes(32), b"opened")


@dataclass
class Opened:
    """One commitment, the in-row vectors and parts of its claims, and the values that are claimed.

    Attributes: values: what the prover sends, honest unless changed.
    """

    committed: Committed
    masks: Masks
    in_rows: dict[str, Array]
    parts: list[list[Part]]
    values: list[Ext] = field(default_factory=list)

    @property
    def shape(self) -> CodeShape:
        return self.committed.shape

    @property
    def count(self) -> PadCount:
        return PadCount(singles=len(self.parts)) + opening.pads(self.shape)

    def plain_values(self) -> list[Ext]:
        """Every claim by its definition."""
        out = []
        for parts in self.parts:
            value = ZERO
            for part in parts:
                rows = self.committed.matrix[part.first_row : part.first_row + len(part.weights)]
                for weight, row in zip(from_array(part.weights), rows, strict=True):
                    for entry, factor in zip(row.tolist(), from_array(self.in_rows[part.in_row]), strict=True):
                        value = value + weight * factor * int(entry)
            out.append(value)
        return out

    def _claims(self, hidden: list) -> Claims:
        claims = Claims(dict(self.in_rows))
        for value, parts in zip(hidden, self.parts, strict=True):
            claims.add(value, parts)
        return claims

    def parties(self) -> tuple[Callable, Callable]:
        """Roots, hidden values, opening, columns: the order of a segment's proof without anything in between."""

        def prover(ledger: ProverLedger, backend: Backend) -> None:
            ledger.channel.send_bytes("root/m", self.committed.root)
            ledger.channel.send_bytes("root/mask/m", self.masks.tree.root)
            claims = self._claims(ledger.send("values", self.values))
            opening.prove(ledger, backend, self.committed, self.masks, claims, "m")
            ledger.channel.send_last(opening.prove_columns(ledger, backend, self.committed, self.masks, "m"))

        def verifier(ledger: VerifierLedger, backend: Backend) -> None:
            root = ledger.channel.receive_bytes("root/m", 32)
            mask_root = ledger.channel.receive_bytes("root/mask/m", 32)
            claims = self._claims(ledger.receive("values", len(self.parts)))
            pending = opening.verify(ledger, backend, self.shape, root, mask_root, claims, "m")
            opening.verify_columns(ledger, backend, pending, opening.draw_positions(ledger, self.shape, "m"), "m")

        return prover, verifier


def opened(
    rows: int = 5,
    log_row: int = 3,
    matrix: np.ndarray | None = None,
    layout: list[list[tuple[str, int, int]]] | None = None,
) -> Opened:
    """layout: for every claim its parts as (in-row vector, first row, rows); three claims of two vectors by default."""
    rng = np.random.default_rng(rows + 100 * log_row)
    shape = code_shape(rows, log_row, 1, TINY.rate, TINY.query_bits)
    if matrix is None:
        matrix = rng.integers(-100, 100, (rows, 1 << log_row)).astype(np.int32)
    backend = get_backend()
    committed = commit(backend, matrix, shape, ENTROPY, "m")
    layout = layout or [[("a", 0, 2), ("b", 1, 3)], [("b", 4, 1)], [("a", 2, 1)]]
    names = sorted({name for parts in layout for name, _, _ in parts})
    in_rows = {name: random_table(rng, 1 << log_row) for name in names}
    parts = [[Part(name, first, random_table(rng, n)) for name, first, n in claim] for claim in layout]
    out = Opened(committed, make_masks(backend, shape, ENTROPY, "mask"), in_rows, parts)
    out.values = out.plain_values()
    return out
