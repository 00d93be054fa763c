"""Both ends of the proof stream: everything read is absorbed, in its exact length, in its only encoding."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdl.algebra.extension import P
from zkdl.errors import MalformedProof, Rejected
from zkdl.transcript.channel import ProverChannel, VerifierChannel, canonical
from zkdl.transcript.transcript import Transcript

ELEMENT = st.one_of(st.integers(0, P - 1), st.sampled_from([0, 1, P - 1, 2**32 - 1, 2**32]))


def sender() -> ProverChannel:
    return ProverChannel(Transcript("zkdl/test", b""))


def receiver(data: bytes) -> VerifierChannel:
    return VerifierChannel(Transcript("zkdl/test", b""), io.BytesIO(data))


@given(st.lists(ELEMENT, max_size=6), st.binary(max_size=9))
@settings(deadline=None, max_examples=60)
def test_both_ends_agree(values: list[int], data: bytes) -> None:
    """What is sent arrives, and both histories are equal at every step."""
    prover = sender()
    elements = np.array(values, dtype=np.uint64)
    prover.public("shape", b"x")
    prover.send_bytes("root", data)
    prover.send_elements("round", elements)
    middle = prover.transcript.fork_digest()
    prover.send_last(b"columns")
    assert prover.transcript.fork_digest() == middle
    verifier = receiver(prover.proof())
    verifier.public("shape", b"x")
    assert verifier.receive_bytes("root", len(data)) == data
    assert np.array_equal(verifier.receive_elements("round", (len(values),)), elements)
    assert verifier.transcript.fork_digest() == middle
    assert verifier.receive_last("columns", 7) == b"columns"
    verifier.finish()
    assert verifier.transcript.challenge("r") == prover.transcript.challenge("r")


@pytest.mark.parametrize("how", ["label", "kind", "order", "cut"])
def test_other_histories_give_other_challenges(how: str) -> None:
    """The same proof bytes under another label, kind, order or division into messages."""
    prover, other = sender(), sender()
    one, two = np.array([1, 2], dtype=np.uint64), np.array([3], dtype=np.uint64)
    prover.send_elements("a", one)
    prover.send_elements("b", two)
    if how == "label":
        other.send_elements("b", one)
        other.send_elements("a", two)
    elif how == "kind":
        other.send_bytes("a", one.tobytes())
        other.send_elements("b", two)
    elif how == "order":
        other.send_elements("b", two)
        other.send_elements("a", one)
    else:
        other.send_elements("a", one[:1])
        other.send_elements("b", np.array([2, 3], dtype=np.uint64))
    assert (prover.proof() == other.proof()) == (how != "order")
    assert prover.transcript.challenge("r") != other.transcript.challenge("r")


@pytest.mark.parametrize("word", [P, P + 1, 2**64 - 1])
@pytest.mark.parametrize("position", [0, 1, 3])
def test_elements_that_are_not_reduced_are_malformed(word: int, position: int) -> None:
    """x + p is no second encoding of x."""
    words = [0, P - 1, 5, 6]
    words[position] = word
    data = np.array(words, dtype="<u8").tobytes()
    for read in (lambda: receiver(data).receive_elements("m", (2, 2)), lambda: canonical("m", data, (4,))):
        with pytest.raises(MalformedProof) as error:
            read()
        assert error.value.code == "PROOF_NON_CANONICAL"


@pytest.mark.parametrize("missing", [1, 7, 8, 16])
def test_a_short_stream_is_malformed(missing: int) -> None:
    """Any missing byte, in elements, bytes and columns, and nothing is absorbed."""
    data = bytes(16 - missing)
    for name in ("receive_elements", "receive_bytes", "receive_last"):
        verifier = receiver(data)
        before = verifier.transcript.fork_digest()
        with pytest.raises(MalformedProof) as error:
            getattr(verifier, name)("m", (2,) if name == "receive_elements" else 16)
        assert error.value.code == "PROOF_TRUNCATED"
        assert verifier.transcript.fork_digest() == before


def test_a_trailing_byte_is_malformed() -> None:
    """Bytes behind the end would make two proofs of one."""
    verifier = receiver(bytes(9))
    verifier.receive_bytes("m", 8)
    with pytest.raises(MalformedProof) as error:
        verifier.finish()
    assert error.value.code == "PROOF_TRAILING"


def leading_zeros(state: bytes, nonce: bytes) -> int:
    digest = hashlib.shake_256(b"zkdl/work" + state + nonce).digest(8)
    return 64 - int.from_bytes(digest, "big").bit_length()


@pytest.mark.parametrize("bits", [1, 5, 8])
def test_work_has_the_announced_bits(bits: int) -> None:
    """Counted from the top of the hash; one bit more is refused where the nonce does not have it."""
    prover = sender()
    state = prover.transcript.fork_digest()
    prover.grind("grind", bits)
    found = leading_zeros(state, prover.proof())
    assert found >= bits
    receiver(prover.proof()).check_grind("grind", found)
    with pytest.raises(Rejected) as error:
        receiver(prover.proof()).check_grind("grind", found + 1)
    assert error.value.code == "GRIND"


def test_missing_work_is_rejected() -> None:
    """Exactly the nonces without the work are rejected, and a nonce that is good for another state does not count."""
    elsewhere = receiver(b"")
    elsewhere.public("more", b"")
    states = receiver(b"").transcript.fork_digest(), elsewhere.transcript.fork_digest()
    verdicts = set()
    for nonce in range(60):
        data = nonce.to_bytes(8, "little")
        good = tuple(leading_zeros(state, data) >= 2 for state in states)
        verdicts.add(good)
        for here, expected in enumerate(good):
            verifier = receiver(data)
            if here:
                verifier.public("more", b"")
            if expected:
                verifier.check_grind("grind", 2)
            else:
                with pytest.raises(Rejected):
                    verifier.check_grind("grind", 2)
    assert len(verdicts) == 4


def test_the_nonce_is_absorbed() -> None:
    """Two good nonces give two challenges: work cannot be done after the challenge is seen."""
    state = receiver(b"").transcript.fork_digest()
    good = [n for n in range(200) if leading_zeros(state, n.to_bytes(8, "little")) >= 3][:2]
    challenges = set()
    for nonce in good:
        verifier = receiver(nonce.to_bytes(8, "little"))
        verifier.check_grind("grind", 3)
        challenges.add(verifier.transcript.challenge("alpha"))
    assert len(good) == 2 and len(challenges) == 2


def test_no_work_sends_nothing() -> None:
    """Zero bits: no nonce, nothing absorbed."""
    prover, verifier = sender(), receiver(b"")
    prover.grind("grind", 0)
    verifier.check_grind("grind", 0)
    assert prover.proof() == b"" and prover.transcript.fork_digest() == verifier.transcript.fork_digest()
    assert prover.transcript.fork_digest() == sender().transcript.fork_digest()
