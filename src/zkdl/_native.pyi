"""
Compiled kernels over F = GF(2^64 - 2^32 + 1) and K = F[X]/(X^2 - 7). Use zkdl.backend.select; outputs are arguments here, arrays are C-contiguous and never converted.
"""

from typing import Annotated, overload

import numpy
from numpy.typing import NDArray


def f_add(a: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], threads: int) -> None:
    """Element-wise in F: (n,) or (1,) u64 each, out (n,) u64."""

def k_add(a: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """Element-wise in K: (n, 2) or (1, 2) u64 each, out (n, 2) u64."""

def f_sub(a: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], threads: int) -> None:
    """Element-wise in F: (n,) or (1,) u64 each, out (n,) u64."""

def k_sub(a: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """Element-wise in K: (n, 2) or (1, 2) u64 each, out (n, 2) u64."""

def f_mul(a: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], threads: int) -> None:
    """Element-wise in F: (n,) or (1,) u64 each, out (n,) u64."""

def k_mul(a: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """Element-wise in K: (n, 2) or (1, 2) u64 each, out (n, 2) u64."""

@overload
def f_from_int(x: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], threads: int) -> None: ...

@overload
def f_from_int(x: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu')], threads: int) -> None:
    """Signed integers (n,) to canonical elements (n,) u64."""

def k_sum(a: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """Sum of (n, 2) u64 into out (1, 2)."""

def eq_step(table: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], coordinate: Annotated[NDArray[numpy.uint64], dict(shape=(2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """
    One more, least significant, coordinate of an eq table: (n, 2), (2,) into out (2n, 2).
    """

def outer(a: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """out (n*m, 2) = a (n, 2) times b (m, 2), a is the high index."""

@overload
def axpy(out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], coefficient: Annotated[NDArray[numpy.uint64], dict(shape=(2), order='C', device='cpu', writable=False)], x: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], threads: int) -> None: ...

@overload
def axpy(out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], coefficient: Annotated[NDArray[numpy.uint64], dict(shape=(2), order='C', device='cpu', writable=False)], x: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], threads: int) -> None: ...

@overload
def axpy(out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], coefficient: Annotated[NDArray[numpy.uint64], dict(shape=(2), order='C', device='cpu', writable=False)], x: Annotated[NDArray[numpy.uint64], dict(shape=(None,), order='C', device='cpu', writable=False)], threads: int) -> None:
    """out (n, 2) u64 += coefficient (2,) u64 * x (n,) i32, i64 or u64."""

def bind(table: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], r: Annotated[NDArray[numpy.uint64], dict(shape=(2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """out (m, 2) = t[2i] + r*(t[2i+1] - t[2i]), table (2m, 2)."""

def fraction_layer(p: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], q: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], p_out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], q_out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """Sums of neighbouring fractions: (2m, 2) twice into (m, 2) twice."""

def fraction_bind(x: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], r: Annotated[NDArray[numpy.uint64], dict(shape=(2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """
    x (4m, 2) bound at r in the lowest variable of the parents: out (2m, 2).
    """

def product_round(a: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], weights: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """
    (2m, 2) twice, (e, 2) into out (2, 2): constant and leading coefficient.
    """

def product3_round(u: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], a: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], b: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """Three (2m, 2) into out (3, 2): f(0), f(2), leading coefficient."""

def fraction_round(p: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], q: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], lam: Annotated[NDArray[numpy.uint64], dict(shape=(2), order='C', device='cpu', writable=False)], weights_high: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], weights_low: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """
    (4m, 2) twice, (2,), (h, 2), (l, 2) into out (2, 2): constant and leading coefficient.
    """

@overload
def matvec(matrix: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], vectors: Annotated[NDArray[numpy.uint64], dict(shape=(None, None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None: ...

@overload
def matvec(matrix: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], vectors: Annotated[NDArray[numpy.uint64], dict(shape=(None, None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None: ...

@overload
def matvec(matrix: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], vectors: Annotated[NDArray[numpy.uint64], dict(shape=(None, None, 2), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """
    (R, C) i32, i64 or u64, (P, C, 2) u64 into out (R, 2): row i uses vector i mod P.
    """

@overload
def vecmat(vector: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], matrix: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None: ...

@overload
def vecmat(vector: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], matrix: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None: ...

@overload
def vecmat(vector: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu', writable=False)], matrix: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, 2), order='C', device='cpu')], threads: int) -> None:
    """(R, 2) u64, (R, C) i32, i64 or u64 into out (C, 2)."""

def interpolate(values: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu')], threads: int) -> None:
    """(m, ell) u64 values on <g_ell> into out (m, ell) coefficients."""

def evaluate_coset(coefficients: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu')], threads: int) -> None:
    """(m, k) u64 coefficients into out (m, n) values on 7*<g_n>."""

@overload
def encode(rows: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], random: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu')], threads: int) -> None: ...

@overload
def encode(rows: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], random: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu')], threads: int) -> None: ...

@overload
def encode(rows: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], random: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu')], threads: int) -> None:
    """
    (m, ell) i32, i64 or u64, (m, t) u64 into out (m, n): W + (x^ell - 1)*R on the code domain.
    """

def hash_columns(code: Annotated[NDArray[numpy.uint64], dict(shape=(None, None), order='C', device='cpu', writable=False)], salts: Annotated[NDArray[numpy.uint8], dict(shape=(None, 32), order='C', device='cpu', writable=False)], first_index: int, out: Annotated[NDArray[numpy.uint8], dict(shape=(None, 32), order='C', device='cpu')], threads: int, is_portable: bool = False) -> None:
    """(m, n) u64, (n, 32) u8 into out (n, 32): leaves of the columns."""

def merkle_parents(nodes: Annotated[NDArray[numpy.uint8], dict(shape=(None, 32), order='C', device='cpu', writable=False)], level: int, out: Annotated[NDArray[numpy.uint8], dict(shape=(None, 32), order='C', device='cpu')], threads: int, is_portable: bool = False) -> None:
    """(2m, 32) u8 into out (m, 32): the next level of a Merkle tree."""
