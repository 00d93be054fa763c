"""Every message of a segment's proof and of both certificates, changed: rejected or malformed, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from tests.support.tiny import KEYS, SETS, TINY, Tiny, tiny_run
from zkdl.algebra.extension import P
from zkdl.errors import MalformedProof, Rejected
from zkdl.proof import certificate
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights
from zkdl.proof.public import SegmentPublic
from zkdl.proof.run_certificates import (
    DATA_PROTOCOL,
    INITIAL_PROTOCOL,
    data_certificate_layout,
    initial_certificate_layout,
)
from zkdl.transcript.channel import VerifierChannel

Check = Callable[[bytes], None]


def segment_proof(tiny: Tiny) -> tuple[SegmentPublic, bytes]:
    witness, out = tiny.witness()
    return tiny.prove(witness, out)


def messages(
    tiny: Tiny, public: SegmentPublic, proof: bytes, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[tuple[int, int]]]:
    """label -> byte spans, as the verifier reads them."""
    found: dict[str, list[tuple[int, int]]] = {}
    position = [0]
    original = VerifierChannel._read

    def spy(self: VerifierChannel, label: str, n_bytes: int) -> bytes:
        data = original(self, label, n_bytes)
        if data:
            found.setdefault(label, []).append((position[0], len(data)))
        position[0] += len(data)
        return data

    with monkeypatch.context() as patch:
        patch.setattr(VerifierChannel, "_read", spy)
        tiny.verify(public, proof)
    return found


def refused(check: Check, proof: bytes) -> None:
    with pytest.raises((Rejected, MalformedProof)):
        check(proof)


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("seeded", [True, False])
def test_every_message_kind(loss: str, seeded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tiny_run(loss=loss, seeded=seeded)
    public, proof = segment_proof(tiny)
    spans = messages(tiny, public, proof, monkeypatch)
    assert sum(length for reads in spans.values() for _, length in reads) == len(proof)
    for reads in spans.values():
        for start, length in {reads[0], reads[-1]}:
            for offset in {0, length // 2, length - 1}:
                changed = bytearray(proof)
                changed[start + offset] ^= 1
                refused(lambda data: tiny.verify(public, data), bytes(changed))


def test_elements_that_are_not_reduced_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    """x + p for small x, and p itself, in every kind of element slot."""
    tiny = tiny_run()
    public, proof = segment_proof(tiny)
    skip = ("root", "nodes", "salts", "grind")
    for label, reads in messages(tiny, public, proof, monkeypatch).items():
        if any(word in label for word in skip):
            continue
        start, _ = reads[0]
        for word in (P, 2**64 - 1):
            changed = proof[:start] + word.to_bytes(8, "little") + proof[start + 8 :]
            with pytest.raises(MalformedProof):
                tiny.verify(public, changed)


def test_truncated_and_extended() -> None:
    tiny = tiny_run()
    public, proof = segment_proof(tiny)
    for data in (b"", proof[:31], proof[: len(proof) // 2], proof[:-1], proof + b"\0", proof + proof):
        with pytest.raises((Rejected, MalformedProof)):
            tiny.verify(public, data)


def test_swapped_columns_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two opened columns of the witness exchanged, with their salts."""
    tiny = tiny_run()
    public, proof = segment_proof(tiny)
    ((start, length),) = messages(tiny, public, proof, monkeypatch)["witness/columns"]
    size = 8 * public.layout.code.rows
    first, second = proof[start : start + size], proof[start + size : start + 2 * size]
    assert first != second and length == size * public.layout.code.queries
    refused(lambda data: tiny.verify(public, data), proof[:start] + second + first + proof[start + 2 * size :])


def _sample(check: Check, proof: bytes, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for position in rng.choice(len(proof), size=min(count, len(proof)), replace=False).tolist():
        changed = bytearray(proof)
        changed[position] ^= 1 << int(rng.integers(8))
        refused(check, bytes(changed))


def test_sampled_bytes_of_the_data_certificate() -> None:
    tiny = tiny_run()
    proof = prove_data_certificate(tiny.run, tiny.dataset, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
    layout = data_certificate_layout(tiny.run, TINY)

    def check(data: bytes) -> None:
        certificate.verify(
            tiny.backend, DATA_PROTOCOL, tiny.run.canonical(), layout, tiny.dataset.root, io.BytesIO(data)
        )

    check(proof)
    _sample(check, proof, 100, 3)


def test_sampled_bytes_of_the_initial_certificate() -> None:
    tiny = tiny_run(seeded=False)
    assert tiny.w_in is not None
    w_in = tiny.w_in
    proof = prove_initial_weights(tiny.run, w_in, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
    layout = initial_certificate_layout(tiny.run, TINY)

    def check(data: bytes) -> None:
        certificate.verify(tiny.backend, INITIAL_PROTOCOL, tiny.run.canonical(), layout, w_in.root, io.BytesIO(data))

    check(proof)
    _sample(check, proof, 100, 4)
