"""Kernels that do not hold their input or output as field elements: leaves from integers, codes that are hashed and dropped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.kernels.samples import BogusRng
from zkdl.backend.base import Backend, P
from zkdl.backend.counting import TableIndex
from zkdl.backend.leaves import LeafProgram, LeafSpan
from zkdl.backend.select import get_backend, is_native_available

needs_native = pytest.mark.skipif(not is_native_available(), reason="no compiled kernels in this installation")
FAST = [
    pytest.param(("numpy", 1), id="numpy"),
    pytest.param(("native", 1), id="native-1", marks=needs_native),
    pytest.param(("native", 3), id="native-3", marks=needs_native),
]


@pytest.fixture(params=FAST)
def backend(request: pytest.FixtureRequest) -> Backend:
    return get_backend(*request.param)


def program(rng: BogusRng, lengths: tuple[int, ...], gap: int, fields: int) -> LeafProgram:
    """Lookups and a table, with gaps between them and values at the ends of the range of int32."""
    spans, start = [], gap
    for k, length in enumerate(lengths):
        values = [rng.integers(np.int32, length) for _ in range(fields)]
        betas = [rng.field(2) for _ in range(fields)]
        counts = rng.integers(np.int32, length) if k == len(lengths) - 1 else None
        spans.append(LeafSpan(start, length, length - length // 3, rng.field(2), betas, values, counts))
        start += length + gap
    return LeafProgram(spans, start - gap)


PROGRAMS = [((1,), 0, 1), ((3, 2), 1, 3), ((5, 7, 6), 3, 2), ((16, 4), 0, 0), ((9, 1, 1), 2, 3)]


def test_leaves_by_hand() -> None:
    """One lookup with two fields, one unit of padding, then a table entry looked up three times."""
    one = np.array([1, 0], dtype=np.uint64)
    lookup = LeafSpan(1, 2, 1, 5 * one, [one, 10 * one], [np.array([-2, 0], np.int32), np.array([3, 1], np.int32)])
    table = LeafSpan(3, 1, 0, one, [one], [np.array([7], np.int32)], np.array([3], np.int32))
    for name in ("reference", "numpy", *(["native"] if is_native_available() else [])):
        p, q = get_backend(name).leaf_table(LeafProgram([lookup, table], 4), 0)
        assert p[:, 0].tolist() == [0, 1, 0, P - 3] and not p[:, 1].any()
        assert q[:, 0].tolist() == [1, 33, 15, 8] and not q[:, 1].any()


@pytest.mark.parametrize("shape", PROGRAMS)
@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("variables", [0, 1, 2])
def test_leaves_agree_with_the_reference(
    shape: tuple[tuple[int, ...], int, int], level: int, variables: int, backend: Backend
) -> None:
    rng, reference = BogusRng(level), get_backend("reference")
    made = program(rng, *shape)
    lam, bound, more = rng.field(2), rng.field(variables, 2), rng.field(variables + 1, 2)
    quarter = made.entries(level + variables, 4) // 4
    high, low = rng.field(-(-quarter // 2), 2), rng.field(2, 2)
    for name, arguments in (("leaf_table", ()), ("leaf_round", (bound, lam, high, low)), ("leaf_bind", (more,))):
        expected = getattr(reference, name)(made, level, *arguments)
        actual = getattr(backend, name)(made, level, *arguments)
        np.testing.assert_array_equal(np.array(expected), np.array(actual))


@needs_native
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("variables", [0, 1, 2])
def test_long_programs_cross_tiles_and_threads(level: int, variables: int) -> None:
    rng = BogusRng(level)
    made = program(rng, (1500, 70_001, 1024, 4097), 333, 3)
    quarter = made.entries(level + variables, 4) // 4
    high, low = rng.field(-(-quarter // 1024), 2), rng.field(1024, 2)
    lam, bound, more = rng.field(2), rng.field(variables, 2), rng.field(variables + 1, 2)
    for threads in (1, 2, 5):
        for name, arguments in (("leaf_table", ()), ("leaf_round", (bound, lam, high, low)), ("leaf_bind", (more,))):
            expected = getattr(get_backend("numpy"), name)(made, level, *arguments)
            actual = getattr(get_backend("native", threads), name)(made, level, *arguments)
            np.testing.assert_array_equal(np.array(expected), np.array(actual))


@needs_native
def test_wrong_programs_are_refused() -> None:
    made = program(BogusRng(1), (5, 4), 1, 2)
    native = get_backend("native", 1)
    first, second = made.spans
    wrong: list[LeafSpan] = [
        replace(first, fields=[first.fields[0].astype(np.int64), first.fields[1]]),
        replace(first, fields=[first.fields[0].astype(np.uint32), first.fields[1]]),
        replace(first, fields=[np.repeat(first.fields[0], 2)[::2], first.fields[1]]),
        replace(first, fields=[first.fields[0][:-1], first.fields[1]]),
        replace(first, counts=np.zeros(5, dtype=np.float64)),
        replace(first, active=6),
        replace(first, length=6),
        replace(first, start=3),
    ]
    for span in wrong:
        for name, arguments in (("leaf_table", ()), ("leaf_bind", (first.constant.reshape(1, 2),))):
            with pytest.raises((TypeError, ValueError)):
                getattr(native, name)(LeafProgram([span, second], made.count), 0, *arguments)
    with pytest.raises((TypeError, ValueError)):
        native.leaf_table(made, 9)


@pytest.mark.parametrize("bits", [3, 10, 15, 16, 20])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (7, 33, 40), (64, 5, 100)])
def test_updates_are_exact(shape: tuple[int, int, int], bits: int, backend: Backend) -> None:
    """Narrow and wide factors, odd numbers of rows, columns that fill no vector; integers and integers in float64."""
    rows, inputs, outputs = shape
    rng = np.random.default_rng(bits)
    limit = 1 << bits
    left, right = (rng.integers(-limit, limit, (rows, n), endpoint=True).astype(np.int32) for n in (inputs, outputs))
    before = rng.integers(-(2**40), 2**40, (inputs, outputs))
    for factor in (0, 1, -3, 1 << 12):
        expected = before - factor * (left.astype(np.int64).T @ right.astype(np.int64))
        types = [np.int64] if abs(factor) * rows * limit**2 >= 2**52 else [np.int64, np.float64]
        for kind in types:
            matrix = before.astype(kind)
            assert backend.subtract_products(matrix, left, right, factor) == np.abs(expected).max()
            np.testing.assert_array_equal(matrix.astype(np.int64), expected)


@pytest.mark.parametrize("left_bits", [1, 8, 11, 15])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (9, 33, 40), (8, 300, 65), (64, 70, 129), (2, 0, 3)])
def test_products_are_exact(shape: tuple[int, int, int], left_bits: int, backend: Backend) -> None:
    """Entries at the limits of every way to multiply: 2^30 is the end of two limbs of 15 bits."""
    rows, inner, outputs = shape
    rng = np.random.default_rng(left_bits)
    limit = 1 << left_bits
    left = rng.integers(-limit, limit, (rows, inner), endpoint=True)
    left[0] = limit
    for right_limit in (1, 1 << 15, (1 << 30) - 1, 1 << 30, 1 << 35):
        if limit * right_limit * max(inner, 1) > 1 << 53:
            continue
        right = rng.integers(-right_limit, right_limit, (inner, outputs), endpoint=True)
        right[:, 0] = -right_limit
        for matrix, is_transposed in ((right, False), (np.ascontiguousarray(right.T), True)):
            found = backend.integer_product(left, matrix.astype(np.float64), is_transposed)
            assert found.dtype == np.int64 and found.shape == (rows, outputs)
            np.testing.assert_array_equal(found, left @ right)


@pytest.mark.parametrize("matrix", [np.full((4, 3), 2.0**31), np.full((4, 3), -(2.0**30)), np.full((4, 3), 2.0**40)])
def test_wide_matrices_are_left_to_float64(matrix: np.ndarray, backend: Backend) -> None:
    left = np.full((2, 4), -3)
    np.testing.assert_array_equal(backend.integer_product(left, matrix), np.full((2, 3), -12 * int(matrix[0, 0])))
    with pytest.raises((TypeError, ValueError)):
        backend.integer_product(left, matrix, transposed=True)


@pytest.mark.parametrize("shape", [(1, 1), (64, 300), (3, 17), (5, 8), (0, 4)])
def test_transposed_values_land_in_their_rows(shape: tuple[int, int], backend: Backend) -> None:
    """Rows of the target are apart, as one step of a column is; what lies between them is not touched."""
    rng = BogusRng(shape[1])
    values = rng.integers(np.int32, *shape).astype(np.int64)
    block = np.full((shape[1], 3, shape[0]), 7, dtype=np.int32)
    backend.write_transposed(block[:, 1], values)
    np.testing.assert_array_equal(block[:, 1], values.T)
    assert (block[:, [0, 2]] == 7).all()


@pytest.mark.parametrize("name", ["reference", "numpy", pytest.param("native", marks=needs_native)])
def test_wrong_targets_are_refused(name: str) -> None:
    backend, values = get_backend(name), np.ones((4, 3), dtype=np.int64)
    frozen = np.zeros((3, 4), dtype=np.int32)
    frozen.flags.writeable = False
    for out in (np.zeros((4, 3), np.int32), np.zeros((3, 4), np.int64), np.zeros((3, 8), np.int32)[:, ::2], frozen):
        with pytest.raises((TypeError, ValueError)):
            backend.write_transposed(out, values)
    with pytest.raises((TypeError, ValueError)):
        backend.write_transposed(np.zeros((3, 4), np.int32), values.astype(np.int32))


TABLES = [
    (np.arange(-3, 40), np.arange(43) % 5),
    (np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4), np.arange(24) // 3),
    (np.array([7]),),
]


@pytest.mark.parametrize("columns", TABLES)
@pytest.mark.parametrize("length", [0, 1, 50, 3000])
def test_lookups_are_counted(columns: tuple[np.ndarray, ...], length: int, backend: Backend) -> None:
    """Rows, tuples that name no row, values far outside, one value everywhere, tables whose key is the row."""
    rng = np.random.default_rng(length)
    index = TableIndex.of([column.astype(np.int64) for column in columns])
    chosen = rng.integers(0, len(columns[0]), length)
    fields = [column[chosen].astype(np.int32) for column in columns]
    for field in fields:
        wrong = rng.random(length) < 0.2
        field[wrong] = rng.choice([-(2**31), 2**31 - 1, -4, 0, 3, 5], wrong.sum())
    variants = [fields]
    if length:
        variants.append([*fields[:-1], np.broadcast_to(fields[-1][0], (length,))])
    for variant in variants:
        expected = np.full(len(columns[0]) + 3, 5, dtype=np.int32)
        actual = expected.copy()
        get_backend("reference").count_lookups(index, variant, expected)
        backend.count_lookups(index, variant, actual)
        np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize("rows", [0, 1, 7, 15, 16, 17, 40])
@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint64])
def test_streamed_codes_are_the_codes(rows: int, dtype: type, backend: Backend) -> None:
    """The leaves and the columns of a code that was never whole."""
    rng = BogusRng(rows)
    values, random, salts = rng.integers(dtype, rows, 8), rng.field(rows, 3), rng.octets(32, 32)
    code = backend.encode(values, random, 32)
    np.testing.assert_array_equal(backend.encode_and_hash(values, random, salts), backend.hash_columns(code, salts))
    for indices in ([], [0], [31, 0, 5], list(range(32))):
        chosen = np.array(indices, dtype=np.int64)
        np.testing.assert_array_equal(backend.encode_columns(values, random, 32, chosen), code[:, chosen].T)


@pytest.mark.parametrize("name", ["reference", "numpy", pytest.param("native", marks=needs_native)])
def test_wrong_arguments_of_streamed_codes_are_refused(name: str) -> None:
    rng, backend = BogusRng(2), get_backend(name)
    values, random, salts = rng.integers(np.int32, 3, 8), rng.field(3, 2), rng.octets(32, 32)
    good = np.array([1, 2], dtype=np.int64)
    for wrong in (salts.astype(np.int8), salts[:, :31], salts[:31], np.asfortranarray(salts)):
        with pytest.raises((TypeError, ValueError)):
            backend.encode_and_hash(values, random, wrong)
    for indices in (
        good.astype(np.int32),
        np.array([32], np.int64),
        np.array([-1], np.int64),
        good[::-1][::2][:, None],
    ):
        with pytest.raises((TypeError, ValueError)):
            backend.encode_columns(values, random, 32, indices)
    for rows in (values.astype(np.int16), values[:, ::2], values[:2]):
        with pytest.raises((TypeError, ValueError)):
            backend.encode_columns(rows, random, 32, good)
