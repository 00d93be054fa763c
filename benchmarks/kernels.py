"""Nanoseconds per element of every kernel at the sizes of a real proof.

    python benchmarks/kernels.py [--backend native] [--threads 1 2] [--kernel NAME ...] [--json]

An element is what the table's second column says; the best of several runs is reported.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from zkdl.backend.base import Backend, P
from zkdl.backend.select import NAMES, get_backend

Case = tuple[str, str, int, Callable[[Backend], object]]


def _elements(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, P, size=shape, dtype=np.uint64)


def arithmetic_cases(rng: np.random.Generator, scale: int) -> list[Case]:
    """Element-wise kernels and matrix products."""
    n = 1 << (20 - scale)
    x, y = (_elements(rng, n) for _ in range(2))
    b, u = (_elements(rng, n, 2) for _ in range(2))
    v = _elements(rng, 2)
    small = rng.integers(-512, 512, size=(1024, n // 1024)).astype(np.int32)
    wide = small.astype(np.int64)
    columns, rows = _elements(rng, 1, small.shape[1], 2), _elements(rng, small.shape[0], 2)
    flat = small.reshape(-1)
    point = _elements(rng, 20 - scale, 2)
    high, low = _elements(rng, 1 << (10 - scale), 2), _elements(rng, 1 << 10, 2)
    return [
        ("f_from_int", "element", n, lambda k: k.f_from_int(flat)),
        ("f_add", "element", n, lambda k: k.f_add(x, y)),
        ("f_mul", "element", n, lambda k: k.f_mul(x, y)),
        ("k_add", "element", n, lambda k: k.k_add(b, u)),
        ("k_mul", "element", n, lambda k: k.k_mul(b, u)),
        ("k_mul scalar", "element", n, lambda k: k.k_mul(b, v)),
        ("k_sum", "element", n, lambda k: k.k_sum(b)),
        ("eq_table", "output", n, lambda k: k.eq_table(point)),
        ("outer", "output", n, lambda k: k.outer(high, low)),
        ("matvec int32", "entry", n, lambda k: k.matvec(small, columns)),
        ("matvec int64", "entry", n, lambda k: k.matvec(wide, columns)),
        ("vecmat int32", "entry", n, lambda k: k.vecmat(rows, small)),
        ("vecmat int64", "entry", n, lambda k: k.vecmat(rows, wide)),
        ("axpy int32", "element", n, lambda k: k.axpy(u, v, flat)),
    ]


def sumcheck_cases(rng: np.random.Generator, scale: int) -> list[Case]:
    """Rounds and binding, per element of one input table."""
    n = 1 << (20 - scale)
    a, b, u = (_elements(rng, n, 2) for _ in range(3))
    one, weights, r = _elements(rng, 1, 2), _elements(rng, 1 << 8, 2), _elements(rng, 2)
    low = _elements(rng, 1 << 9, 2)
    high = _elements(rng, n // 4 // len(low), 2)
    return [
        ("bind", "input", n, lambda k: k.bind(a, r)),
        ("product_round e=1", "input pair", n, lambda k: k.product_round(a, b, one)),
        ("product_round", "input pair", n, lambda k: k.product_round(a, b, weights)),
        ("product3_round", "input triple", n, lambda k: k.product3_round(u, a, b)),
        ("fraction_layer", "input fraction", n, lambda k: k.fraction_layer(a, b)),
        ("fraction_round", "input fraction", n, lambda k: k.fraction_round(a, b, r, high, low)),
        ("fraction_bind", "input fraction", n, lambda k: k.fraction_bind(a, b, r)),
    ]


def code_cases(rng: np.random.Generator, scale: int) -> list[Case]:
    """Transforms and hashes: rate 1/4, rows of 2^14."""
    rows, size, random = 16, 1 << (14 - scale), 148 >> scale
    data = rng.integers(-512, 512, size=(rows, size)).astype(np.int32)
    values, mask = _elements(rng, rows, size), _elements(rng, rows, random)
    n = 4 * size
    code = _elements(rng, 128, n // 2)
    salts = rng.integers(0, 256, size=(n // 2, 32), dtype=np.uint8)
    nodes = rng.integers(0, 256, size=(n, 32), dtype=np.uint8)
    return [
        ("interpolate", "value", rows * size, lambda k: k.interpolate(values)),
        ("evaluate_coset", "output", rows * n, lambda k: k.evaluate_coset(values, n)),
        ("encode int32", "output", rows * n, lambda k: k.encode(data, mask, n)),
        ("hash_columns", "element", code.size, lambda k: k.hash_columns(code, salts)),
        ("merkle_parents", "parent", n // 2, lambda k: k.merkle_parents(nodes, 1)),
    ]


def best_seconds(run: Callable[[], object], repeats: int) -> float:
    """The fastest of `repeats` runs after one that warms up."""
    run()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--backend", default="native", choices=NAMES)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kernel", nargs="+", help="only kernels whose name starts so")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    scale = {"native": 0, "numpy": 3, "reference": 8}[arguments.backend]
    backends = [get_backend(arguments.backend, count) for count in arguments.threads]
    cases = [*arithmetic_cases(rng, scale), *sumcheck_cases(rng, scale), *code_cases(rng, scale)]
    if arguments.kernel:
        chosen = [case for case in cases if case[0].startswith(tuple(arguments.kernel))]
        if not chosen:
            parser.error(f"no kernel has such a name; there are {', '.join(case[0] for case in cases)}")
        cases = chosen
    result = {}
    if not arguments.json:
        print(f"{'kernel':<20}{'per':<16}" + "".join(f"{f'{count} thr':>10}" for count in arguments.threads))
    for name, unit, count, run in cases:
        figures = [best_seconds(lambda k=backend, f=run: f(k), 5) * 1e9 / count for backend in backends]  # type: ignore[misc]  # bound now
        result[name] = dict(zip(map(str, arguments.threads), figures, strict=True))
        if not arguments.json:
            print(f"{name:<20}{unit:<16}" + "".join(f"{value:>10.2f}" for value in figures))
    if arguments.json:
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
