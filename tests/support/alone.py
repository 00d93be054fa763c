"""One protocol alone: a ledger with its own pad commitment, and transcripts that are broken on purpose."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import TypeVar

from tests.support.tiny import TINY
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment import pads as pad_commitment
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import PadCount, ProverLedger, VerifierLedger
from zkdl.protocols import opening
from zkdl.transcript.channel import ProverChannel, VerifierChannel
from zkdl.transcript.transcript import BYTES, ELEMENTS, Transcript

Result = TypeVar("Result")


class Deaf(Transcript):
    """A transcript that forgets to absorb messages with one label: the next challenge can be told in advance."""

    def __init__(self, forgets: str) -> None:
        self.forgets = forgets
        super().__init__("zkdl/test", b"statement")

    def absorb(self, label: str, kind: int, data: bytes) -> None:
        if not (label == self.forgets and kind in (BYTES, ELEMENTS)):
            super().absorb(label, kind, data)


def transcript(forgets: str = "") -> Transcript:
    """The real transcript, or one that forgets a label."""
    return Deaf(forgets) if forgets else Transcript("zkdl/test", b"statement")


def foretell(ledger: ProverLedger, label: str) -> Transcript:
    """A copy of the transcript: what it yields now is the next challenge, if nothing is absorbed before."""
    return copy.deepcopy(ledger.channel.transcript)


def prove_alone(
    count: PadCount, body: Callable[[ProverLedger, Backend], Result], forgets: str = ""
) -> tuple[bytes, Result]:
    """Run a prover's side between the pad commitment and the pad proof."""
    backend, entropy = get_backend(), Entropy(bytes(32), b"alone")
    pads = pad_commitment.sample_pads(backend, count, entropy)
    committed = pad_commitment.commit(backend, pads, pad_commitment.pad_shape(count, TINY), entropy)
    channel = ProverChannel(transcript(forgets))
    ledger = ProverLedger(count, channel, pads)
    channel.send_bytes("root/pads", committed.tree.root)
    result = body(ledger, backend)
    ledger.sacrifice()
    ledger.check_used_up()
    pad_commitment.prove(backend, channel, committed, ledger.constraints)
    code = committed.tree.shape
    indices = channel.transcript.indices("pads/positions", code.domain, code.queries)
    channel.send_last(committed.tree.columns(backend, indices))
    return channel.proof(), result


def verify_alone(
    count: PadCount, proof: bytes, body: Callable[[VerifierLedger, Backend], Result], forgets: str = ""
) -> Result:
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
    indices = opening.draw_positions(ledger, shape.code, "pads")
    columns = opening.receive_columns(ledger, root, shape.code.rows, shape.code.log_domain, indices, "pads")
    pad_commitment.verify_columns(backend, pending, columns, indices)
    channel.finish()
    return result
