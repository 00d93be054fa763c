"""Every kernel of a device against the processor, on small arguments that reach each of them once.

`zkdl doctor` runs it: a device that computes one wrong value would make false proofs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from zkdl.backend.base import P
from zkdl.backend.device import DeviceArray, to_host
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.leaves import LeafProgram, LeafSpan
from zkdl.errors import DeviceError

SEED = 20  # of arguments, not of anything secret
LONG = 1 << 14


def _cases() -> list[tuple[str, tuple[Any, ...]]]:
    """Names of methods of `base.Backend`, and arguments."""
    rng = np.random.default_rng(SEED)

    def field(*shape: int) -> Any:
        return rng.integers(0, P, size=shape, dtype=np.uint64)

    def signed(dtype: type, *shape: int) -> Any:
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, size=shape, dtype=dtype)

    table, twice, vectors = field(300, 2), field(600, 2), field(3, 40, 2)
    matrices = [signed(np.int32, 30, 40), signed(np.int64, 30, 40), field(30, 40)]
    span = LeafSpan(3, 500, 400, field(2), [field(2), field(2)], [signed(np.int32, 500) for _ in range(2)])
    counted = LeafSpan(600, 90, 0, field(2), [field(2)], [signed(np.int32, 90)], signed(np.int32, 90))
    program = LeafProgram([span, counted], 690)
    high, low = field(40, 2), field(8, 2)
    nodes = rng.integers(0, 256, size=(64, 32), dtype=np.uint8)
    indices = np.array([7, 0, 63], dtype=np.int64)
    rows, random = signed(np.int32, 3, 16), field(3, 5)
    cases: list[tuple[str, tuple[Any, ...]]] = [
        (f"{kind}_{op}", (a, b)) for kind in "fk" for op in ("add", "sub", "mul") for a, b in ((table, field(300, 2)),)
    ]
    cases += [("f_from_int", (matrix,)) for matrix in matrices[:2]]
    cases += [("matvec", (matrix, vectors)) for matrix in matrices]
    cases += [("vecmat", (field(30, 2), matrix)) for matrix in matrices]
    cases += [
        ("k_sum", (table,)), ("eq_table", (field(9, 2),)), ("outer", (field(20, 2), field(30, 2))),
        ("running_difference", (field(20, 2), field(20, 6, 2), field(5))),
        ("bind", (table, field(2))), ("product_round", (table, field(300, 2), field(8, 2))),
        ("product3_round", (table, field(300, 2), field(300, 2))),
        ("fraction_layer", (twice, field(600, 2))), ("fraction_bind", (twice, field(600, 2), field(2))),
        ("fraction_round", (twice, field(600, 2), field(2), high, low)),
        ("leaf_table", (program, 2)), ("leaf_round", (program, 1, field(1, 2), field(2), high, low)),
        ("leaf_bind", (program, 0, field(2, 2))),
        ("interpolate", (field(2, LONG),)), ("evaluate_coset", (field(2, LONG), 2 * LONG)),
        ("encode", (signed(np.int64, 2, LONG), field(2, 90), LONG << 1)), ("encode", (field(2, LONG), field(2, 9), LONG << 2)),
        ("encode_and_hash", (rows, random, nodes)), ("encode_columns", (rows, random, 64, indices)),
        ("read_columns", (field(3, 64), indices)), ("hash_columns", (field(9, 64), nodes, 5)), ("merkle_parents", (nodes, 3)),
    ]  # fmt: skip
    return cases


def _parts(result: Any) -> list[Any]:
    return [to_host(part) for part in (result if isinstance(result, tuple) else (result,))]


def check_device(backend: DeviceBackend) -> None:
    """Raises: DeviceError(KNOWN_ANSWER) naming the first operation that differs."""
    eager, host = DeviceBackend(backend.device, backend.host, backend.name, small=1), backend.host

    def placed(x: Any) -> Any:
        # Scalars of K and positions come from the host.
        is_table = isinstance(x, np.ndarray) and x.size > 2 and not (x.ndim == 1 and x.dtype == np.int64)
        return DeviceArray.of(backend.device, x) if is_table else x

    for name, arguments in _cases():
        expected = _parts(getattr(host, name)(*arguments))
        found = _parts(getattr(eager, name)(*(placed(x) for x in arguments)))
        if not all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True)):
            raise _wrong(backend, name)
    rng = np.random.default_rng(SEED)
    for dtype in (np.int32, np.int64, np.uint64):
        out = rng.integers(0, P, size=(50, 2), dtype=np.uint64)
        x: Any = rng.integers(0, 99, size=50).astype(dtype)
        there: Any = DeviceArray.of(backend.device, out)
        eager.axpy(there, out[0].copy(), x)
        host.axpy(out, out[0].copy(), x)
        if not np.array_equal(there.to_host(), out):
            raise _wrong(backend, "axpy")
    rows = DeviceArray.of(backend.device, out)
    if not np.array_equal(rows[np.array([9, 2])].to_host(), out[[9, 2]]):
        raise _wrong(backend, "rows by index")


def _wrong(backend: DeviceBackend, name: str) -> DeviceError:
    return DeviceError(
        "the GPU computes something else than the processor",
        code="KNOWN_ANSWER",
        hint="Do not prove with it: use --device cpu, and test the GPU's memory and driver",
        device=backend.device.name,
        operation=name,
    )
