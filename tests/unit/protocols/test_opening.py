"""Openings of hidden claims: true ones pass, false ones and every changed message are rejected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.alone import (
    accepted,
    changing,
    check_every_change_is_rejected,
    check_every_shift_is_rejected,
    prove_alone,
    verify_alone,
)
from tests.support.opened import ENTROPY, Opened, opened
from zkdl.algebra.extension import ONE, Array, Ext, P
from zkdl.backend.select import get_backend
from zkdl.commitment.ligero import commit, make_masks
from zkdl.errors import MalformedProof, Rejected
from zkdl.transcript.channel import VerifierChannel

ALL_ROWS = [[("a", 0, 5)]]
# (rows, log2 of the row, layout): several claims, one claim on all rows, one row, rows of one and of two values.
SIZES = {
    "three claims": (5, 3, None),
    "one claim": (5, 3, ALL_ROWS),
    "one row": (1, 3, [[("a", 0, 1)], [("b", 0, 1)]]),
    "rows of two": (4, 1, [[("a", 0, 4)], [("b", 2, 1)]]),
    "rows of one": (3, 0, [[("a", 0, 3)]]),
    "one value": (1, 0, [[("a", 0, 1)]]),
}


def example(name: str = "three claims") -> Opened:
    rows, log_row, layout = SIZES[name]
    return opened(rows, log_row, layout=layout)


@pytest.mark.parametrize("name", SIZES)
def test_true_claims_are_accepted_and_false_ones_rejected(name: str) -> None:
    """T13, T15: against the definition; each claim off by one in either coordinate."""
    case = example(name)
    assert accepted(case.count, *case.parties())
    for i in range(len(case.values)):
        for off in (ONE, Ext(0, 1)):
            values = list(case.values)
            values[i] = values[i] + off
            assert not accepted(case.count, *replace(case, values=values).parties())


def test_errors_that_cancel_are_rejected() -> None:
    """Two claims with opposite errors."""
    case = example()
    first, second, third = case.values
    assert not accepted(case.count, *replace(case, values=[first + 1, second - 1, third]).parties())


@pytest.mark.parametrize("kind", ["int32", "int64", "uint64"])
def test_matrices_of_every_type(kind: str) -> None:
    """Small integers, negative 64-bit ones, field elements close to p."""
    rng = np.random.default_rng(1)
    limits = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**62), 2**62), "uint64": (P - 1000, P)}[kind]
    case = opened(matrix=rng.integers(*limits, (5, 8), dtype=kind))
    assert accepted(case.count, *case.parties())


@pytest.mark.parametrize("name", SIZES)
def test_each_hidden_message_is_bound(name: str) -> None:
    """Claimed values, in-row rounds, mask value."""
    case = example(name)
    check_every_shift_is_rejected(case.count, *case.parties())


def test_each_changed_word_is_rejected() -> None:
    """Over the whole proof, columns and nodes included."""
    case = example()
    prover, verifier = case.parties()
    check_every_change_is_rejected(case.count, prove_alone(case.count, prover)[0], verifier)


@pytest.mark.parametrize("label", ["m/fold", "m/test"])
def test_each_coefficient_of_both_row_messages_is_bound(label: str) -> None:
    """Values on H and random coefficients, both coordinates, by a prover that goes on honestly."""
    case = example()
    codes = set()
    for i in range(case.shape.dimension):

        def change(values: Array, i: int = i) -> Array:
            values[i, i % 2] = (int(values[i, i % 2]) + 1) % P
            return values

        prover, verifier = case.parties()
        proof, _ = prove_alone(case.count, prover, make=changing(label, change))
        with pytest.raises(Rejected) as error:
            verify_alone(case.count, proof, verifier)
        codes.add((error.value.code, error.value.where.get("step")))
    assert codes == {("OPENING", label)}


def test_a_fold_of_another_matrix_is_rejected() -> None:
    """True claims about a matrix that is not the committed one."""
    case = example()
    matrix = case.committed.matrix.copy()
    matrix[0, 0] += 1
    other = replace(case, committed=replace(case.committed, matrix=matrix))
    other.values = other.plain_values()
    assert not accepted(case.count, *other.parties())


def test_another_root_or_other_masks_are_rejected() -> None:
    """Columns must belong to the root that was sent first; masks to theirs."""
    case = example()
    backend = get_backend()
    matrix = case.committed.matrix.copy()
    matrix[4, 7] += 1
    foreign = commit(backend, matrix, case.shape, ENTROPY, "m")
    assert not accepted(case.count, *replace(case, committed=replace(case.committed, levels=foreign.levels)).parties())
    masks = make_masks(backend, case.shape, ENTROPY, "other")
    mixed = replace(case.masks, tree=masks.tree)
    assert not accepted(case.count, *replace(case, masks=mixed).parties())
    assert accepted(case.count, *replace(case, masks=masks).parties())


def test_masks_in_one_another_s_place_are_rejected() -> None:
    """Fold mask and test mask are two rows."""
    case = example()
    swapped = replace(case.masks, fold=case.masks.low_degree, low_degree=case.masks.fold)
    assert not accepted(case.count, *replace(case, masks=swapped).parties())


@pytest.mark.parametrize("row", [0, 3])
def test_a_row_that_is_no_codeword_is_rejected(row: int) -> None:
    """Also a row that no claim uses: the low-degree test is on all rows."""
    case = opened(layout=[[("a", 0, 1)]])
    backend = get_backend()
    code = case.committed.code.copy()
    code[row, ::2] = backend.f_add(code[row, ::2], np.full(code.shape[1] // 2, 1, dtype=np.uint64))
    levels = [backend.hash_columns(code, case.committed.salts)]
    while len(levels[-1]) > 1:
        levels.append(backend.merkle_parents(levels[-1], len(levels)))
    word = replace(case, committed=replace(case.committed, code=code, levels=levels))
    assert accepted(case.count, *case.parties()) and not accepted(case.count, *word.parties())


def test_opened_columns_have_one_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """T14: a small entry plus p is the same element and is malformed, here and in the masks."""
    case = opened(matrix=np.zeros((5, 8), dtype=np.int32))
    prover, verifier = case.parties()
    proof, _ = prove_alone(case.count, prover)
    for label in ("m/columns", "m/mask/columns"):
        original = VerifierChannel.receive_last

        def add_p(self: VerifierChannel, here: str, n: int, label: str = label, read: object = original) -> bytes:
            data = read(self, here, n)
            return (P + 3).to_bytes(8, "little") + data[8:] if here == label else data

        with monkeypatch.context() as patch:
            patch.setattr(VerifierChannel, "receive_last", add_p)
            with pytest.raises(MalformedProof):
                verify_alone(case.count, proof, verifier)
    verify_alone(case.count, proof, verifier)
