"""The argument contract of `base.Backend`, shared by the backends written in Python.

The native bindings enforce the same rules in C++, so code that runs on one backend runs on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.device import DeviceArray

INTEGER_TYPES = (np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.uint64))
SIGNED_TYPES = INTEGER_TYPES[:2]
UNSIGNED_TYPE = (np.dtype(np.uint64),)
BYTE_TYPE = (np.dtype(np.uint8),)


def require(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless the condition holds."""
    if not condition:
        raise ValueError(message)


def require_array(
    name: str,
    value: object,
    dtypes: tuple[np.dtype[np.generic], ...] = UNSIGNED_TYPE,
    ndim: int | None = None,
    contiguous: bool = True,
) -> None:
    """Raise TypeError for a wrong type, dtype, number of axes or a strided array."""
    if not isinstance(value, np.ndarray | DeviceArray) or value.dtype not in dtypes:
        raise TypeError(f"{name} must be an array of dtype {' or '.join(str(d) for d in dtypes)}")
    if ndim is not None and value.ndim != ndim:
        raise TypeError(f"{name} must have {ndim} axes, not {value.ndim}")
    if contiguous and isinstance(value, np.ndarray) and not value.flags.c_contiguous:
        raise TypeError(f"{name} must be C-contiguous")


def require_extension(name: str, value: NDArray[np.uint64], ndim: int = 2) -> None:
    """Raise unless value is a contiguous array of elements of K: `ndim` axes, the last of length 2."""
    require_array(name, value, ndim=ndim)
    require(value.shape[-1] == 2, f"{name} must have a last axis of length 2")


def require_operands(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> None:
    """Raise unless a and b are (n, 2) or (2,) arrays that combine element by element."""
    for name, value in (("a", a), ("b", b)):
        require_array(name, value)
        require(value.ndim in (1, 2) and value.shape[-1] == 2, f"{name} must have shape (n, 2) or (2,)")
    require(a.ndim != b.ndim or a.shape == b.shape, "a and b must have the same length")


def require_table(name: str, value: NDArray[np.uint64], multiple: int) -> None:
    """Raise unless value is a (k*multiple, 2) table."""
    require_extension(name, value)
    require(value.shape[0] % multiple == 0, f"{name} must have a length divisible by {multiple}")


def require_scalar(name: str, value: NDArray[np.uint64]) -> None:
    """Raise unless value is one element of K, shape (2,)."""
    require_extension(name, value, ndim=1)


def require_power_of_two(name: str, value: int) -> None:
    """Raise unless value is a power of two for which F has a subgroup."""
    require(1 <= value <= 2**32 and value & (value - 1) == 0, f"{name} must be a power of two up to 2^32")


def require_matrix_product(matrix: NDArray[np.generic], vectors: NDArray[np.uint64]) -> None:
    """Raise unless the arguments fit `matvec`."""
    require_array("matrix", matrix, INTEGER_TYPES, ndim=2)
    require_extension("vectors", vectors, ndim=3)
    require(vectors.shape[1] == matrix.shape[1], "matrix and vectors must have the same number of columns")
    require(vectors.shape[0] >= 1, "vectors must hold at least one vector")


def require_vector_product(vector: NDArray[np.uint64], matrix: NDArray[np.generic]) -> None:
    """Raise unless the arguments fit `vecmat`."""
    require_extension("vector", vector)
    require_array("matrix", matrix, INTEGER_TYPES, ndim=2)
    require(vector.shape[0] == matrix.shape[0], "vector and matrix must have the same number of rows")


def require_axpy(out: NDArray[np.uint64], coefficient: NDArray[np.uint64], x: NDArray[np.generic]) -> None:
    """Raise unless the arguments fit `axpy`."""
    require_extension("out", out)
    require_scalar("coefficient", coefficient)
    require_array("x", x, INTEGER_TYPES, ndim=1)
    require(out.shape[0] == x.shape[0], "out and x must have the same length")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise TypeError("out must be writeable")


def require_tables(multiple: int, **tables: NDArray[np.uint64]) -> None:
    """Raise unless all are (k*multiple, 2) tables of one length."""
    for name, value in tables.items():
        require_table(name, value, multiple)
    lengths = {value.shape[0] for value in tables.values()}
    require(len(lengths) == 1, f"{', '.join(tables)} must have the same length")


def require_fraction_round(
    p: NDArray[np.uint64],
    q: NDArray[np.uint64],
    lam: NDArray[np.uint64],
    weights_high: NDArray[np.uint64],
    weights_low: NDArray[np.uint64],
) -> None:
    """Raise unless the arguments fit `fraction_round`."""
    require_tables(4, p=p, q=q)
    require_scalar("lam", lam)
    require_extension("weights_high", weights_high)
    require_extension("weights_low", weights_low)
    require(
        p.shape[0] // 4 <= weights_high.shape[0] * weights_low.shape[0],
        "weights_high and weights_low must cover every element",
    )


def require_product(left: NDArray[np.int64], matrix: NDArray[np.float64], transposed: bool) -> None:
    """Raise unless the arguments fit `integer_product`."""
    require_array("left", left, (np.dtype(np.int64),), ndim=2)
    require_array("matrix", matrix, (np.dtype(np.float64),), ndim=2)
    require(left.shape[1] == matrix.shape[1 if transposed else 0], "left and matrix must fit each other")


def require_update(
    matrix: NDArray[np.int64] | NDArray[np.float64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    factor: int,
) -> None:
    """Raise unless the arguments fit `subtract_products`."""
    require_array("matrix", matrix, (np.dtype(np.int64), np.dtype(np.float64)), ndim=2)
    for name, value in (("left", left), ("right", right)):
        require_array(name, value, (np.dtype(np.int32),), ndim=2)
    require(left.shape[0] == right.shape[0], "left and right must have as many rows")
    require(matrix.shape == (left.shape[1], right.shape[1]), "left and right must fit the matrix")
    require(abs(factor) < 2**62, "factor must be below 2^62")
    if not matrix.flags.writeable:
        raise TypeError("matrix must be writeable")


def require_lookups(
    columns: Sequence[NDArray[np.int32]], fields: Sequence[NDArray[np.int32]], counts: NDArray[np.int32]
) -> None:
    """Raise unless the arguments fit `count_lookups`."""
    narrow = (np.dtype(np.int32),)
    require(len(fields) == len(columns), "there must be one field per column of the table")
    for values in fields:
        require_array("a field", values, narrow, ndim=1, contiguous=values.strides != (0,))
        require(len(values) == len(fields[0]), "fields must have the same length")
    require_array("counts", counts, narrow, ndim=1)
    require(len(counts) >= len(columns[0]), "counts must have one entry per row of the table")
    if not counts.flags.writeable:
        raise TypeError("counts must be writeable")


def require_transposed(out: NDArray[np.int32], values: NDArray[np.int64]) -> None:
    """Raise unless the arguments fit `write_transposed`."""
    require_array("out", out, (np.dtype(np.int32),), ndim=2, contiguous=False)
    require_array("values", values, (np.dtype(np.int64),), ndim=2)
    require(out.shape == values.shape[::-1], "out must have the shape of the transposed values")
    if not out.flags.writeable or (out.size and out.shape[1] > 1 and out.strides[1] != out.itemsize):
        raise TypeError("out must be writeable and its rows contiguous")
    require(out.strides[0] % out.itemsize == 0 and out.strides[0] >= 0, "rows of out must be whole elements apart")


def require_code(rows: NDArray[np.generic], random: NDArray[np.uint64], n: int) -> None:
    """Raise unless the arguments fit `encode`."""
    require_array("rows", rows, INTEGER_TYPES, ndim=2)
    require_array("random", random, ndim=2)
    require(rows.shape[0] == random.shape[0], "rows and random must have the same number of rows")
    require_power_of_two("the row length", rows.shape[1])
    require_power_of_two("n", n)
    require(rows.shape[1] + random.shape[1] <= n, "row length plus random coefficients must not exceed n")


def require_indices(indices: NDArray[np.int64], n: int) -> None:
    """Raise unless indices are positions of a code of length n."""
    require_array("indices", indices, (np.dtype(np.int64),), ndim=1)
    require(not indices.size or (int(indices.min()) >= 0 and int(indices.max()) < n), "an index lies outside the code")


def require_running_difference(
    start: NDArray[np.uint64], updates: NDArray[np.uint64], factors: NDArray[np.uint64]
) -> None:
    """Raise unless the arguments fit `running_difference`."""
    require_extension("start", start)
    require_extension("updates", updates, ndim=3)
    require_array("factors", factors, ndim=1)
    require(start.shape[0] == updates.shape[0], "start and updates must have as many rows")
    require(factors.shape[0] <= updates.shape[1], "there must be at most one factor per step")


def require_columns(code: NDArray[np.uint64], salts: NDArray[np.uint8], first_index: int) -> None:
    """Raise unless the arguments fit `hash_columns`."""
    require_array("code", code, ndim=2)
    require_array("salts", salts, BYTE_TYPE, ndim=2)
    require(salts.shape == (code.shape[1], 32), "salts must have shape (columns of code, 32)")
    require(0 <= first_index < 2**63, "first_index must be in [0, 2^63)")


def require_nodes(nodes: NDArray[np.uint8], level: int) -> None:
    """Raise unless the arguments fit `merkle_parents`."""
    require_array("nodes", nodes, BYTE_TYPE, ndim=2)
    require(nodes.shape[1] == 32 and nodes.shape[0] % 2 == 0, "nodes must have shape (2m, 32)")
    require(1 <= level <= 255, "level must be in [1, 255]")
