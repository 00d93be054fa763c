"""The proof of linear constraints on pads: each of its messages is bound, and each constraint counts."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.alone import (
    accepted,
    changing,
    check_every_change_is_rejected,
    prove_alone,
    random_elements,
    sample,
    verify_alone,
)
from tests.support.tiny import TINY
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, P, from_array
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.parameters import STANDARD
from zkdl.errors import MalformedProof, Rejected
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine, Ledger, PadCount
from zkdl.transcript.channel import VerifierChannel

# Three rows of 32 pads, the last one in part.
COUNT = PadCount(70, 0)
COEFFICIENTS = random_elements(np.random.default_rng(1), 70)


def holds(wrong: dict[int, Ext] | None = None, off: Ext = ZERO, drop: bool = False) -> list[Affine]:
    """Three true constraints over pads of all rows; optionally some coefficients or the constant changed."""
    values = from_array(sample(COUNT)[0])
    first = {i: COEFFICIENTS[i] for i in range(70)}
    constraints = []
    for terms in (first, {3: ONE, 64: -ONE}, {69: COEFFICIENTS[5]}):
        known = -sum((values[i] * c for i, c in terms.items()), ZERO)
        constraints.append(Affine(known, terms))
    if wrong is not None:
        constraints[0] = Affine(constraints[0].known, {**first, **wrong})
    constraints[1] = constraints[1] + off
    return constraints[:2] if drop else constraints


def body(constraints: list[Affine]) -> object:
    """All singles sent as zero, so that the pads are used up; the constraints given."""

    def run(ledger: Ledger, backend: Backend) -> None:
        if hasattr(ledger, "send"):
            ledger.send("all", [ZERO] * COUNT.singles)
        else:
            ledger.receive("all", COUNT.singles)
        for constraint in constraints:
            ledger.require_zero(constraint)

    return run


def test_true_constraints_are_accepted_over_several_rows() -> None:
    """Pads of every row, with one row in part, and an empty list of constraints too."""
    assert pad_commitment.pad_shape(COUNT, TINY).pad_rows == 3
    assert accepted(COUNT, body(holds()), body(holds()))
    assert accepted(COUNT, body([]), body([]))


@pytest.mark.parametrize("pad", [0, 31, 32, 69])
def test_another_coefficient_is_rejected(pad: int) -> None:
    """T13: on both sides (the claim is false), and on the verifier's side alone."""
    wrong = holds({pad: COEFFICIENTS[pad] + 1})
    for prover in (wrong, holds()):
        assert not accepted(COUNT, body(prover), body(wrong))


def test_permuted_scaled_or_shifted_constraints_are_rejected() -> None:
    """T13: two coefficients exchanged, one negated, a constant off by one in either coordinate."""
    swapped = holds({4: COEFFICIENTS[5], 5: COEFFICIENTS[4]})
    negated = holds({40: -COEFFICIENTS[40]})
    for wrong in (swapped, negated, holds(off=ONE), holds(off=Ext(0, 1))):
        for prover in (wrong, holds()):
            assert not accepted(COUNT, body(prover), body(wrong))


def test_constraints_are_weighted_independently() -> None:
    """Two errors that cancel in a plain sum are found, and a constraint cannot be left out."""
    cancelling = holds()
    cancelling[1], cancelling[2] = cancelling[1] + ONE, cancelling[2] - ONE
    assert not accepted(COUNT, body(cancelling), body(cancelling))
    assert not accepted(COUNT, body(holds(drop=True)), body(holds()))
    assert not accepted(COUNT, body(holds()), body([*holds()[1:], holds()[0]]))


def plus_one(position: tuple[int, int]) -> object:
    def change(values: Array) -> Array:
        values[position] = (int(values[position]) + 1) % P
        return values

    return change


@pytest.mark.parametrize("label", ["pads/test", "pads/linear"])
def test_each_coefficient_of_both_messages_is_bound(label: str) -> None:
    """A prover that changes one and goes on honestly is rejected, for every coefficient and coordinate."""
    shape = pad_commitment.pad_shape(COUNT, TINY)
    length = shape.code.dimension if label == "pads/test" else shape.message
    codes = set()
    for i in range(0, length, 5):
        for coordinate in range(2):
            make = changing(label, plus_one((i, coordinate)))
            proof, _ = prove_alone(COUNT, body(holds()), make=make)
            with pytest.raises(Rejected) as error:
                verify_alone(COUNT, proof, body(holds()))
            codes.add(error.value.code)
    # Coefficients of y at multiples of the row length change the sum over H', the others only the codeword.
    assert codes == ({"PADS"} if label == "pads/test" else {"PADS", "RELATIONS"})


def test_two_changes_that_keep_the_sum_are_found_in_the_columns() -> None:
    """The sum over H' alone does not bind y."""
    row = pad_commitment.pad_shape(COUNT, TINY).code.row

    def change(values: Array) -> Array:
        values[0, 0] = (int(values[0, 0]) + 1) % P
        values[row, 0] = (int(values[row, 0]) - 1) % P
        return values

    proof, _ = prove_alone(COUNT, body(holds()), make=changing("pads/linear", change))
    with pytest.raises(Rejected) as error:
        verify_alone(COUNT, proof, body(holds()))
    assert error.value.code == "PADS"


def spans(proof: bytes) -> dict[str, tuple[int, int]]:
    found, place = {}, [0]

    class Spy(VerifierChannel):
        def _read(self, label: str, n_bytes: int) -> bytes:
            found[label] = (place[0], n_bytes)
            place[0] += n_bytes
            return super()._read(label, n_bytes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.alone.VerifierChannel", Spy)
        verify_alone(COUNT, proof, body(holds()))
    assert place[0] == len(proof)
    return found


def test_each_message_changed_afterwards_is_rejected() -> None:
    """Root, masked values, both messages, salts, columns and nodes: first, middle and last word."""
    proof, _ = prove_alone(COUNT, body(holds()))
    found = spans(proof)
    assert set(found) == {
        "root/pads",
        "all",
        "sacrifice",
        "pads/test",
        "pads/linear",
        "pads/salts",
        "pads/columns",
        "pads/nodes",
    }
    for start, length in found.values():
        for offset in {0, length // 2, length - 1} if length else set():
            changed = bytearray(proof)
            changed[start + offset] ^= 1
            with pytest.raises((Rejected, MalformedProof)):
                verify_alone(COUNT, bytes(changed), body(holds()))
    check_every_change_is_rejected(COUNT, proof, body(holds()))


def test_the_mask_covers_all_of_y_and_sums_to_zero() -> None:
    """Every coefficient of the mask but one is free; its sum over H' vanishes, so the claim is not shifted."""
    backend, shape = get_backend(), pad_commitment.pad_shape(COUNT, TINY)
    committed = pad_commitment.commit(backend, sample(COUNT)[0], shape, Entropy(bytes(32), b"mask"))
    for row in committed.tree.code[-2:]:
        shifted = backend.interpolate(row.reshape(1, -1))[0]
        mask = [int(c) * pow(7, -i, P) % P for i, c in enumerate(shifted)]
        assert not any(mask[shape.message :]) and all(mask[: shape.message])
        assert sum(mask[:: shape.code.row]) % P == 0
    # Unused positions are filled: nothing of a row is zero.
    assert np.all(committed.values != 0) and len(committed.values) == 3 * shape.code.row


def test_sizes_and_rates() -> None:
    """At least one row, and a rate that covers the untested mask."""
    for count in (PadCount(0, 0), PadCount(1, 0), PadCount(32, 0), PadCount(33, 0), PadCount(5, 700)):
        for parameters in (TINY, STANDARD):
            shape = pad_commitment.pad_shape(count, parameters)
            assert shape.code.rate <= 1 / 6 and shape.code.rows == 2 * shape.pad_rows + 4
            assert shape.pad_rows == max(1, -(-count.pads // shape.code.row))
            assert shape.message <= shape.code.domain


def test_truncated_proofs_are_malformed() -> None:
    """Cut inside every message."""
    proof, _ = prove_alone(COUNT, body(holds()))
    for start, length in spans(proof).values():
        if length:
            with pytest.raises((MalformedProof, Rejected)):
                verify_alone(COUNT, proof[: start + length // 2], body(holds()))
