"""How often each row of a table is looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.int32]


@dataclass(frozen=True)
class TableIndex:
    """A table with a dense index over the shortest prefix of its columns that tells all rows apart.

    Attributes:
        columns: int32, (rows,) each. least, sizes: smallest value and number of values of each indexed column.
        rows: int32, (product of the sizes,): row of a mixed-radix key, the first column its lowest digit, -1 where there is none;
            empty when the key is the row.
    """

    columns: tuple[Field, ...]
    least: tuple[int, ...]
    sizes: tuple[int, ...]
    rows: Field

    @property
    def prefix(self) -> int:
        return len(self.least)

    @staticmethod
    def of(columns: Sequence[NDArray[np.int64]]) -> TableIndex:
        """Index a table whose rows are distinct; its values fit int32."""
        narrow = tuple(np.ascontiguousarray(column, dtype=np.int32) for column in columns)
        numbers = np.arange(len(columns[0]), dtype=np.int32)
        for prefix in range(1, len(columns) + 1):
            least = tuple(int(column.min()) for column in columns[:prefix])
            sizes = tuple(int(c.max()) - low + 1 for c, low in zip(columns, least, strict=False))
            rows = np.full(int(np.prod(sizes, dtype=np.int64)), -1, dtype=np.int32)
            keys = TableIndex(narrow, least, sizes, rows).keys(narrow)
            rows[keys] = numbers
            if np.array_equal(rows[keys], numbers):
                break  # no two rows have written to one place
        is_identity = np.array_equal(rows, numbers)
        return TableIndex(narrow, least, sizes, rows[:0] if is_identity else rows)

    def keys(self, fields: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Mixed-radix keys of the first fields, -1 for values that no row has."""
        key = np.zeros(len(fields[0]), dtype=np.int64)
        outside = np.zeros(len(fields[0]), dtype=np.bool_)
        radix = 1
        for values, least, size in zip(fields, self.least, self.sizes, strict=False):
            shifted = values.astype(np.int64) - least
            outside |= (shifted < 0) | (shifted >= size)
            key += radix * shifted
            radix *= size
        key[outside] = -1
        return key

    def find(self, fields: Sequence[Field]) -> NDArray[np.int64]:
        """Row that the indexed fields of each tuple name, -1 where there is none."""
        keys = self.keys(fields)
        if not len(self.rows):
            return keys
        return np.where(keys >= 0, self.rows[keys], -1)
