"""Kernels of `native/include/zkdl` on arrays of a device: grids, blocks and partial sums, one function per kernel."""

from __future__ import annotations

import numpy as np

from zkdl.backend.device import DeviceArray, launch, run

Scalar = tuple[int, int]
LEAF_DEPTH = 8
"""Most layers and bound variables together that a leaf kernel goes through; kLeafSteps in `leaves.kernel.h`."""


def elementwise(kernel: str, a: DeviceArray, b: DeviceArray, width: int) -> DeviceArray:
    """A binary operation on elements of `width` u64; one operand may be a single element."""
    longer = b if a.size == width else a
    out = DeviceArray.empty(a.device, longer.shape)
    count = out.size // width
    launch(a.device, kernel, count, a, int(a.size != width), b, int(b.size != width), out, count)
    return out


def sums(kernel: str, count: int, width: int, before: list[DeviceArray | int], after: list[int]) -> DeviceArray:
    """(width, 2): what the blocks of a looping kernel add up; its parameters are `before`, `after`, the partial sums."""
    device = next(a for a in before if isinstance(a, DeviceArray)).device
    blocks = max(1, min(device.blocks, -(-count // device.block)))
    partial = DeviceArray.empty(device, (blocks * width, 2))
    run(device, kernel, (blocks, 1), device.block, *before, *after, partial)
    if blocks == 1:
        return partial
    out = DeviceArray.empty(device, (width, 2))
    run(device, "zkdl_k_sums", (1, 1), device.block, partial, width, blocks, out)
    return out


def k_sum(a: DeviceArray) -> DeviceArray:
    return sums("zkdl_k_sums", len(a), 1, [a, 1], [len(a)])


def outer(a: DeviceArray, b: DeviceArray) -> DeviceArray:
    out = DeviceArray.empty(a.device, (len(a) * len(b), 2))
    launch(a.device, "zkdl_outer", len(out), a, b, out, len(b), len(out))
    return out


def eq_step(table: DeviceArray, coordinate: Scalar) -> DeviceArray:
    """One more variable, the lowest."""
    out = DeviceArray.empty(table.device, (2 * len(table), 2))
    launch(table.device, "zkdl_eq_step", len(table), table, *coordinate, out, len(table))
    return out


def _integer(x: DeviceArray) -> str:
    return {"int32": "i32", "int64": "i64", "uint64": "u64"}[x.dtype.name]


def f_from_int(x: DeviceArray) -> DeviceArray:
    out = DeviceArray.empty(x.device, x.shape)
    launch(x.device, f"zkdl_f_from_int_{_integer(x)}", x.size, x, out, x.size)
    return out


def axpy(out: DeviceArray, coefficient: Scalar, x: DeviceArray) -> None:
    launch(out.device, f"zkdl_axpy_{_integer(x)}", len(x), out, *coefficient, x, len(x))


def matvec(matrix: DeviceArray, vectors: DeviceArray) -> DeviceArray:
    """(R, C), (P, C, 2) -> (R, 2), C > 0; a block per row."""
    device, (rows, columns), period = matrix.device, matrix.shape, len(vectors)
    totals, out = DeviceArray.empty(device, (period, 2)), DeviceArray.empty(device, (rows, 2))
    block = min(device.block, 1 << (columns - 1).bit_length())
    run(device, "zkdl_row_sums", (period, 1), block, vectors, columns, totals)
    if rows:
        grid = (min(rows, 64 * device.blocks), 1)
        arguments = (matrix, vectors, totals, rows, columns, period, out)
        run(device, f"zkdl_matvec_{_integer(matrix)}", grid, block, *arguments)
    return out


def vecmat(vector: DeviceArray, matrix: DeviceArray) -> DeviceArray:
    """(R, 2), (R, C) -> (C, 2), R, C > 0; a thread per column and chunk of rows."""
    device, (rows, columns) = matrix.device, matrix.shape
    total = k_sum(vector)
    tiles = -(-columns // device.block)
    chunk = -(-rows // max(1, min(rows, device.blocks // tiles, 65535)))
    chunks = -(-rows // chunk)
    partial = DeviceArray.empty(device, (chunks * columns, 2))
    arguments = (vector, matrix, total, rows, columns, chunk, partial)
    run(device, f"zkdl_vecmat_{_integer(matrix)}", (tiles, chunks), device.block, *arguments)
    if chunks == 1:
        return partial
    out = DeviceArray.empty(device, (columns, 2))
    launch(device, "zkdl_column_sums", columns, partial, chunks, columns, out)
    return out


def bind(table: DeviceArray, r: Scalar) -> DeviceArray:
    out = DeviceArray.empty(table.device, (len(table) // 2, 2))
    launch(table.device, "zkdl_bind", len(out), table, *r, out, len(out))
    return out


def product_round(a: DeviceArray, b: DeviceArray, weights: DeviceArray) -> DeviceArray:
    count = len(a) // 2
    return sums("zkdl_product_round", count, 2, [a, b, weights], [len(weights), count])


def product3_round(u: DeviceArray, a: DeviceArray, b: DeviceArray) -> DeviceArray:
    return sums("zkdl_product3_round", len(u) // 2, 3, [u, a, b], [len(u) // 2])


def fraction_layer(p: DeviceArray, q: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
    out = [DeviceArray.empty(p.device, (len(p) // 2, 2)) for _ in range(2)]
    launch(p.device, "zkdl_fraction_layer", len(p) // 2, p, q, *out, len(p) // 2)
    return out[0], out[1]


def fraction_round(p: DeviceArray, q: DeviceArray, lam: Scalar, high: DeviceArray, low: DeviceArray) -> DeviceArray:
    count = len(p) // 4
    return sums("zkdl_fraction_round", count, 2, [p, q, *lam, high, low], [len(low), count])


def fraction_bind(x: DeviceArray, r: Scalar) -> DeviceArray:
    out = DeviceArray.empty(x.device, (len(x) // 2, 2))
    launch(x.device, "zkdl_fraction_bind", len(out), x, *r, out, len(out))
    return out


Leaves = tuple[DeviceArray, int]
"""Spans as the kernels read them, and how many."""


def leaf_table(
    leaves: Leaves, level: int, bound: DeviceArray, n_bound: int, entries: int
) -> tuple[DeviceArray, DeviceArray]:
    device = leaves[0].device
    out = [DeviceArray.empty(device, (entries, 2)) for _ in range(2)]
    launch(device, "zkdl_leaf_table", entries, *leaves, level, bound, n_bound, entries, *out)
    return out[0], out[1]


def leaf_round(
    leaves: Leaves,
    level: int,
    bound: DeviceArray,
    n_bound: int,
    lam: Scalar,
    weights: tuple[DeviceArray, DeviceArray],
    count: int,
) -> DeviceArray:
    """On the first 4 * count entries."""
    before: list[DeviceArray | int] = [*leaves, level, bound, n_bound, *lam, *weights]
    return sums("zkdl_leaf_round", count, 2, before, [len(weights[1]), count])


def running_difference(start: DeviceArray, updates: DeviceArray, factors: DeviceArray) -> DeviceArray:
    out = DeviceArray.empty(start.device, updates.shape)
    rows, steps = updates.shape[:2]
    launch(start.device, "zkdl_running_difference", rows, start, updates, factors, len(factors), rows, steps, out)
    return out


def gather_columns(code: DeviceArray, indices: DeviceArray, out: DeviceArray, first_row: int) -> None:
    """out[i, first_row + r] = code[r, indices[i]]."""
    rows, columns = code.shape
    count = rows * len(indices)
    target = out.reshape(-1)[first_row:]
    launch(code.device, "zkdl_gather_columns", count, code, columns, indices, rows, out.shape[1], target, count)


def merkle_parents(nodes: DeviceArray, level: int) -> DeviceArray:
    out = DeviceArray.empty(nodes.device, (len(nodes) // 2, 32), np.uint8)
    launch(nodes.device, "zkdl_merkle_parents", len(out), nodes, level, len(out), out)
    return out
