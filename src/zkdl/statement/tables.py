"""The lookup tables of a segment: functions of the public formats alone. [review.md, (a) R3 and R5]"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zkdl.statement import requantise
from zkdl.statement.exponential import exponential_table
from zkdl.statement.run import RunStatement

if TYPE_CHECKING:
    from zkdl.statement.segment import SegmentStatement

TAGS = {"activation": 1, "logit": 2, "gradient": 3, "range": 4, "exp": 5, "probability": 6, "max_count": 7}


@dataclass(frozen=True)
class Table:
    """Rows (columns[0][i], columns[1][i], ...). tag: >= 1, distinct per table; columns: int64 (n,) each."""

    name: str
    tag: int
    columns: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def digest(self) -> bytes:
        """SHA-256 over name, tag, sizes and all entries as little-endian 64-bit integers."""
        name = self.name.encode("ascii")
        header = [len(name), self.tag, len(self.columns), len(self)]
        state = hashlib.sha256(b"".join(number.to_bytes(8, "little") for number in header) + name)
        for column in self.columns:
            state.update(column.astype("<i8").tobytes())
        return state.digest()


def _table(name: str, *columns: NDArray[np.int64]) -> Table:
    return Table(name, TAGS[name], tuple(np.ascontiguousarray(column, dtype=np.int64) for column in columns))


def _rounded(extra_bits: int, top_bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All top limbs x and the rounded value (x >> e) - M of each."""
    x = np.arange(1 << top_bits, dtype=np.int64)
    return x, (x >> extra_bits) - (1 << (top_bits - extra_bits - 1))


def _range_table(widths: list[int]) -> Table:
    values = [np.arange(1 << width, dtype=np.int64) for width in widths]
    return _table(
        "range", np.concatenate(values), np.repeat(np.array(widths, dtype=np.int64), [len(v) for v in values])
    )


def exponential(run: RunStatement) -> NDArray[np.int64]:
    """E by difference d = max - logit, (2 ymax + 1,) int64, read-only."""
    formats = run.format
    return exponential_table(2 * formats.logit_max + 1, formats.logit_frac, formats.exp_bits)


def _softmax_tables(run: RunStatement, fraction_bits: int) -> list[Table]:
    values = exponential(run)
    d = np.arange(len(values), dtype=np.int64)
    one = 1 << fraction_bits
    q = np.tile(np.arange(one + 1, dtype=np.int64), 2)
    y = np.repeat(np.arange(2, dtype=np.int64), one + 1)
    limit = run.format.gradient_max
    return [
        _table("exp", d, values, (d == 0).astype(np.int64)),
        _table("probability", q, y, np.clip(q - one * y, -limit, limit)),
        _table("max_count", np.arange(1, run.classes + 1, dtype=np.int64)),
    ]


def build_tables(run: RunStatement, segment: SegmentStatement) -> dict[str, Table]:
    """All tables that the segment uses, by name, in the order of their tags.

    activation (x, A, S), logit (x, Y), gradient (x, S, G), range (x, width); for cross-entropy also
    exp (d, E, [d = 0]), probability (q, y, G), max_count (n). Without a hidden layer there are no
    activation and gradient tables.
    """
    formats, limbs = run.format, segment.limbs
    x, value = _rounded(limbs.e_forward, requantise.top_bits_forward(formats, limbs))
    tables = [_table("logit", x, np.clip(value, -formats.logit_max, formats.logit_max))]
    if run.L > 1:
        activation = np.clip(value, 0, formats.activation_max)
        tables.insert(0, _table("activation", x, activation, (activation > 0).astype(np.int64)))
        x, value = _rounded(limbs.e_backward, requantise.top_bits_backward(formats, limbs))
        passed = np.clip(value, -formats.gradient_max, formats.gradient_max)
        sign = np.repeat(np.arange(2, dtype=np.int64), len(x))
        tables.append(_table("gradient", np.tile(x, 2), sign, np.concatenate([np.zeros_like(passed), passed])))
    tables.append(_range_table(requantise.used_widths(run, segment)))
    if run.loss == "ce":
        tables += _softmax_tables(run, segment.scales.fg[-1])
    return {table.name: table for table in tables}
