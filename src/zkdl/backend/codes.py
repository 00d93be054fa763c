"""Codes that are hashed or read in a few columns and not kept, on top of a backend's other kernels."""

from __future__ import annotations

import numpy as np

from zkdl.backend import checks
from zkdl.backend.base import Backend, Digests, FieldArray, Indices, Integers


class MaterialisedCodes:
    """The streaming methods of `base.Backend`, with the whole code in memory: the oracle of a kernel that streams."""

    def encode_and_hash(self: Backend, rows: Integers, random: FieldArray, salts: Digests) -> Digests:
        return self.hash_columns(self.encode(rows, random, len(salts)), salts)

    def encode_columns(self: Backend, rows: Integers, random: FieldArray, n: int, indices: Indices) -> FieldArray:
        checks.require_indices(indices, n)
        return np.ascontiguousarray(self.encode(rows, random, n)[:, indices].T)
