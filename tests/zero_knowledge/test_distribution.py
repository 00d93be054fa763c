"""Zero knowledge, exactly: over a tiny field all randomness is enumerated; views are distributed alike."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest

from zkdl.algebra.extension import Ext
from zkdl.backend.reference import ReferenceBackend
from zkdl.backend.reference_field import Field
from zkdl.protocols.opening import _masked

# K = F_5[X] / (X^2 - 2): 2 is no square modulo 5 and generates its units.
SMALL = ReferenceBackend(Field(p=5, non_residue=2, generator=2))
# 3 is no square modulo 17 and generates its units.
MEDIUM = ReferenceBackend(Field(p=17, non_residue=3, generator=3))
View = tuple[int, ...]


def _array(values: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    return np.array(values, dtype=np.uint64).reshape(shape)


def _opening_views(value: int, weight: Ext, gamma: Ext, position: int, mask_coordinates: int) -> Counter[View]:
    """All views (message, opened column, opened mask) of one opening of one row: ell = 1, t = 1, k = n = 2.

    mask_coordinates: 2 for a mask over K as it should be, 1 for one over F only.
    """
    views: Counter[View] = Counter()
    row = np.array([[value]], dtype=np.int64)
    for randomness in product(range(5), repeat=1 + 2 * mask_coordinates):
        coefficient, mask = _array(randomness[:1], (1, 1)), np.zeros((2, 2), dtype=np.uint64)
        mask[:, :mask_coordinates] = _array(randomness[1:], (2, mask_coordinates))
        column = SMALL.encode(row, coefficient, 2)[:, position]
        mask_code = SMALL.encode(np.ascontiguousarray(mask[:1].T), np.ascontiguousarray(mask[1:].T), 2)[:, position]
        vector = weight.array().reshape(1, 2)
        folded = (SMALL.vecmat(vector, row), SMALL.vecmat(vector, coefficient))
        message = _masked(SMALL, (mask[:1].copy(), mask[1:].copy()), folded, gamma)
        view = [*message[0].reshape(-1), *message[1].reshape(-1), *column, *mask_code]
        views[tuple(int(v) for v in view)] += 1
    return views


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("gamma", [Ext(0), Ext(1), Ext(2, 3), Ext(0, 4)])
def test_an_opening_is_distributed_alike_for_all_values(gamma: Ext, position: int) -> None:
    views = [_opening_views(value, Ext(3, 1), gamma, position, 2) for value in (0, 1, 4)]
    assert views[0] == views[1] == views[2]
    # Uniform on what the equation between message, column and mask allows: 5^4 messages times 5 columns.
    assert len(views[0]) == 5**5 and set(views[0].values()) == {1}


def test_a_mask_over_the_base_field_would_leak() -> None:
    """The test above is sharp: the known mistake of a mask without its second coordinate shows."""
    assert _opening_views(0, Ext(3, 1), Ext(2, 3), 0, 1) != _opening_views(1, Ext(3, 1), Ext(2, 3), 0, 1)


@pytest.mark.parametrize("t", [1, 2])
def test_any_t_columns_of_a_row_are_uniform(t: int) -> None:
    """ell = 4, n = 8 over F_17: every set of t positions, every value of the randomness, two rows."""
    rows = (np.array([[0, 0, 0, 0]], dtype=np.int64), np.array([[1, 16, 5, 9]], dtype=np.int64))
    for row in rows:
        codes = [MEDIUM.encode(row, _array(random, (1, t)), 8)[0] for random in product(range(17), repeat=t)]
        for positions in combinations(range(8), t):
            seen = Counter(tuple(int(code[i]) for i in positions) for code in codes)
            assert len(seen) == 17**t and set(seen.values()) == {1}


def test_one_column_more_than_random_coefficients_leaks() -> None:
    row, other = np.array([[0, 0]], dtype=np.int64), np.array([[1, 3]], dtype=np.int64)

    def seen(matrix: np.ndarray) -> set[View]:
        codes = [MEDIUM.encode(matrix, _array((r,), (1, 1)), 8)[0] for r in range(17)]
        return {(int(code[0]), int(code[1])) for code in codes}

    assert not seen(row) & seen(other)
