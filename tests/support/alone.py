"""One protocol alone: a ledger with its own pad commitment, and transcripts that are broken on purpose."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import pytest

from tests.support.tiny import TINY
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, P, from_array, to_array
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment import pads as pad_commitment
from zkdl.errors import MalformedProof, Rejected
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger, VerifierLedger
from zkdl.protocols import opening
from zkdl.transcript.channel import ProverChannel, VerifierChannel
from zkdl.transcript.transcript import BYTES, ELEMENTS, Transcript

Result = TypeVar("Result")
Prover = Callable[[ProverLedger, Backend], Result]
Verifier = Callable[[VerifierLedger, Backend], Result]


class Deaf(Transcript):
    """A transcript that forgets to absorb messages with one label: the next challenge can be told in advance."""

    def __init__(self, forgets: str, protocol: str = "zkdl/test", statement: bytes = b"statement") -> None:
        self.forgets = forgets
        super().__init__(protocol, statement)

    def absorb(self, label: str, kind: int, data: bytes) -> None:
        if not (label == self.forgets and kind in (BYTES, ELEMENTS)):
            super().absorb(label, kind, data)


class Shifted(ProverLedger):
    """A prover that adds one to hidden value number `at`, in the order sent, and goes on as if nothing had happened."""

    def __init__(self, count: PadCount, channel: ProverChannel, pads: Array, at: int) -> None:
        super().__init__(count, channel, pads)
        self.at, self.sent = at, 0

    def _shift(self, value: Ext) -> Ext:
        self.sent += 1
        return value + 1 if self.sent == self.at + 1 else value

    def send(self, label: str, values: Sequence[Ext]) -> list[Affine]:
        return super().send(label, [self._shift(value) for value in values])

    def send_products(self, label: str, pairs: Sequence[tuple[Ext, Ext]]) -> list[tuple[Affine, Affine, Affine]]:
        return super().send_products(label, [(self._shift(x), self._shift(y)) for x, y in pairs])


def changing(label: str, change: Callable[[Array], Array]) -> Callable[[PadCount, ProverChannel, Array], ProverLedger]:
    """A prover that sends something else under one label, and goes on from the transcript that this gives."""

    def make(count: PadCount, channel: ProverChannel, pads: Array) -> ProverLedger:
        honest = channel.send_elements

        def send(here: str, values: Array) -> None:
            honest(here, change(values.copy()) if here == label else values)

        channel.send_elements = send
        return ProverLedger(count, channel, pads)

    return make


def transcript(forgets: str = "") -> Transcript:
    """The real transcript, or one that forgets a label."""
    return Deaf(forgets) if forgets else Transcript("zkdl/test", b"statement")


def foretell(ledger: ProverLedger, label: str) -> Ext:
    """The next challenge, if nothing is absorbed before it."""
    return copy.deepcopy(ledger.channel.transcript).challenge(label)


def sample(count: PadCount) -> tuple[Array, Entropy]:
    """The pads that every run of `prove_alone` uses, and the randomness that is left."""
    entropy = Entropy(bytes(32), b"alone")
    return pad_commitment.sample_pads(get_backend(), count, entropy), entropy


def reveal(count: PadCount, expression: Affine) -> Ext:
    """What an expression hides, in a run of `prove_alone`."""
    pads = from_array(sample(count)[0])
    return sum((pads[i] * c for i, c in expression.terms.items()), expression.known)


def prove_alone(
    count: PadCount,
    body: Prover[Result],
    forgets: str = "",
    *,
    make: Callable[[PadCount, ProverChannel, Array], ProverLedger] = ProverLedger,
    spoil: Callable[[Array], None] | None = None,
) -> tuple[bytes, Result]:
    """Run a prover's side between the pad commitment and the pad proof.

    Args: make: the ledger, perhaps a dishonest one. spoil: changes the pads in place before they are committed.
    """
    backend = get_backend()
    pads, entropy = sample(count)
    if spoil is not None:
        spoil(pads)
    committed = pad_commitment.commit(backend, pads, pad_commitment.pad_shape(count, TINY), entropy)
    channel = ProverChannel(transcript(forgets))
    ledger = make(count, channel, pads)
    channel.send_bytes("root/pads", committed.tree.root)
    result = body(ledger, backend)
    ledger.sacrifice()
    ledger.check_used_up()
    pad_commitment.prove(backend, channel, committed, ledger.constraints)
    code = committed.tree.shape
    indices = channel.transcript.indices("pads/positions", code.domain, code.queries)
    channel.send_last(committed.tree.columns(backend, indices))
    return channel.proof(), result


def verify_alone(count: PadCount, proof: bytes, body: Verifier[Result], forgets: str = "") -> Result:
    """The verifier's side. Raises Rejected or MalformedProof."""
    backend = get_backend()
    channel = VerifierChannel(transcript(forgets), io.BytesIO(proof))
    ledger = VerifierLedger(count, channel)
    root = channel.receive_bytes("root/pads", 32)
    result = body(ledger, backend)
    ledger.sacrifice()
    ledger.check_used_up()
    shape = pad_commitment.pad_shape(count, TINY)
    pending = pad_commitment.verify(backend, channel, shape, root, ledger.constraints)
    pad_commitment.verify_sum(backend, pending)
    indices = opening.draw_positions(ledger, shape.code, "pads")
    columns = opening.receive_columns(ledger, root, shape.code.rows, shape.code.log_domain, indices, "pads")
    pad_commitment.verify_columns(backend, pending, columns, indices)
    channel.finish()
    return result


def accepted(
    count: PadCount,
    prover: Prover[object],
    verifier: Verifier[object],
    forgets: str = "",
    *,
    make: Callable[[PadCount, ProverChannel, Array], ProverLedger] = ProverLedger,
    spoil: Callable[[Array], None] | None = None,
) -> bool:
    """Whether the verifier accepts; anything but a rejection is an error of the test."""
    proof, _ = prove_alone(count, prover, forgets, make=make, spoil=spoil)
    try:
        verify_alone(count, proof, verifier, forgets)
    except Rejected:
        return False
    return True


def check_every_shift_is_rejected(count: PadCount, prover: Prover[object], verifier: Verifier[object]) -> None:
    """Every hidden scalar and every factor, one at a time, plus one: the honest proof passes and each of these fails."""
    hidden = count.singles + 2 * count.products
    assert hidden > 0 and accepted(count, prover, verifier)
    for at in range(hidden):
        assert not accepted(count, prover, verifier, make=partial(Shifted, at=at)), f"hidden value {at} is not bound"


def check_every_change_is_rejected(count: PadCount, proof: bytes, verifier: Verifier[object]) -> None:
    """About fifty words over the whole proof, each plus one."""
    for start in range(0, len(proof) - 7, 8 * max(1, len(proof) // 400)):
        word = (int.from_bytes(proof[start : start + 8], "little") + 1) % P
        changed = proof[:start] + word.to_bytes(8, "little") + proof[start + 8 :]
        # Other positions may need another number of tree nodes: then the proof has the wrong length.
        with pytest.raises((Rejected, MalformedProof)):
            verify_alone(count, changed, verifier)


def random_elements(rng: np.random.Generator, count: int) -> list[Ext]:
    return [Ext(int(a), int(b)) for a, b in rng.integers(0, P, (count, 2), dtype=np.uint64)]


def random_table(rng: np.random.Generator, count: int) -> Array:
    return to_array(random_elements(rng, count)).reshape(-1, 2)


def extension_at(table: Array | Sequence[Ext], point: Sequence[Ext]) -> Ext:
    """The multilinear extension by its definition: a sum over all corners, point[0] being the most significant bit."""
    values = from_array(table) if isinstance(table, np.ndarray) else table
    assert len(values) == 1 << len(point)
    out = ZERO
    for x, value in enumerate(values):
        for i, r in enumerate(point):
            value = value * (r if x >> (len(point) - 1 - i) & 1 else ONE - r)
        out = out + value
    return out
