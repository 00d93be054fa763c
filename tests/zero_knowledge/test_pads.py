"""Zero knowledge: every scalar that depends on the witness is sent under a pad of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.support.tiny import KEYS, SETS, TINY, Tiny, tiny_run
from tests.zero_knowledge.fixed import FixedTranscript
from zkdl.algebra.extension import Array, P, from_array
from zkdl.commitment import pads as pad_commitment
from zkdl.errors import InternalError
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import TRIPLE, PadCount, ProverLedger
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights
from zkdl.proof.public import segment_public
from zkdl.proof.segment_prover import SegmentProver, StoredCommitments, prove_witness
from zkdl.transcript.channel import ProverChannel

SHAPES = [
    dict(widths=(6, 5, 4, 3), loss="ce"),
    dict(widths=(6, 5, 4, 3), loss="mse"),
    dict(widths=(6, 5, 4, 3), loss="ce", seeded=False),
    dict(widths=(6, 5, 4, 3), loss="mse", seeded=False),
    dict(widths=(3, 2), loss="ce"),
    dict(widths=(3, 2), loss="mse", seeded=False),
    dict(widths=(4, 1), loss="mse"),
    dict(widths=(1, 1, 1), loss="mse", batch=1, steps=1),
    dict(widths=(2, 9, 2), loss="ce", bias=(True, False)),
    dict(widths=(5, 17, 3, 8), loss="ce", batch=4, steps=5),
    dict(widths=(5, 4, 4), loss="ce", bias=(False, False), batch=5, last_batch="drop"),
    dict(widths=(6, 5, 3), loss="ce", weight_frac=20, seeded=False),
]
# What is sent in the clear. Roots hide by salts, messages by masks, d and e by one-time triples.
CLEAR = {"grind", "pads/test", "pads/linear", "sacrifice", "root/witness", "root/link", "root/pads"}


class Listening(ProverChannel):
    """Remembers what was sent under which label."""

    sent: list[tuple[str, bytes]]

    def send_elements(self, label: str, values: Array) -> None:
        self.sent.append((label, values.astype("<u8").tobytes()))
        super().send_elements(label, values)

    def send_bytes(self, label: str, data: bytes) -> None:
        self.sent.append((label, data))
        super().send_bytes(label, data)


def _prover(tiny: Tiny, fixed: bool = True) -> SegmentProver:
    witness, weights = tiny.witness()
    w_out = tiny.commit_out(weights)
    public = segment_public(tiny.run, tiny.state(w_out), TINY)
    stored = StoredCommitments(None if tiny.w_in is None else tiny.w_in.committed, w_out.committed)
    both = (tiny.weights_in, weights)
    prover = SegmentProver(
        tiny.backend, public, replace(witness, public=public), both, stored, Entropy(bytes(32)), KEYS["link"]
    )
    channel = Listening(FixedTranscript() if fixed else prover.ledger.channel.transcript)
    channel.sent = []
    prover.ledger.channel = channel
    return prover


def _sent(tiny: Tiny) -> tuple[SegmentProver, list[tuple[str, bytes]]]:
    prover = _prover(tiny)
    prove_witness(prover)
    channel = prover.ledger.channel
    assert isinstance(channel, Listening)
    return prover, channel.sent


@pytest.mark.parametrize("shape", SHAPES)
def test_pads_announced_are_pads_used_and_proofs_verify(shape: dict) -> None:
    """`check_used_up` fails on both sides when the count is wrong."""
    tiny = tiny_run(**shape)
    public, proof = tiny.prove(*tiny.witness())
    tiny.verify(public, proof)


@pytest.mark.parametrize("shape", SHAPES)
def test_everything_sent_is_masked_or_listed(shape: dict) -> None:
    prover, sent = _sent(tiny_run(**shape))
    names = prover.public.openings
    clear = CLEAR | {f"root/mask/{name}" for name in names} | {f"{n}/{m}" for n in names for m in ("fold", "test")}
    hidden = sum(len(data) // 16 for label, data in sent if label not in clear)
    count = prover.ledger.count
    assert hidden == count.singles + 2 * count.products
    assert {label for label, _ in sent} >= clear - {"grind"}


@pytest.mark.parametrize("shape", SHAPES[:6])
def test_each_pad_hides_exactly_one_scalar(shape: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """With challenges fixed, moving all pads moves each sent scalar by its own pad and by nothing else."""
    tiny = tiny_run(**shape)
    sample = pad_commitment.sample_pads
    sampled: list[Array] = []

    def run(key: bytes) -> tuple[list[tuple[str, bytes]], PadCount]:
        def other(backend: object, count: PadCount, entropy: Entropy) -> Array:
            sampled.append(sample(tiny.backend, count, Entropy(key)))
            return sampled[-1]

        monkeypatch.setattr(pad_commitment, "sample_pads", other)
        prover, sent = _sent(tiny)
        return sent, prover.ledger.count

    (first, count), (second, _) = run(b"a" * 32), run(b"b" * 32)
    moved: dict[str, list[int]] = {"single": [], "product": []}
    for (label, one), (_, two) in zip(first, second, strict=True):
        if label.startswith("root/") or label in CLEAR or label.endswith(("/fold", "/test")):
            continue
        a, b = (np.frombuffer(data, dtype="<u8").tolist() for data in (one, two))
        kind = "product" if label.endswith(("-root", "-children", "-products", "-product")) else "single"
        moved[kind] += [(x - y) % P for x, y in zip(a, b, strict=True)]
    before, after = (pads.tolist() for pads in sampled)
    change = [[(y - x) % P for x, y in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]
    singles = [word for pad in change[: count.singles] for word in pad]
    products = [
        word
        for i in range(count.products)
        for pad in change[count.singles + TRIPLE * i : count.singles + TRIPLE * i + 2]
        for word in pad
    ]
    assert moved["single"] == singles
    assert moved["product"] == products


def test_messages_of_openings_do_not_depend_on_pads_and_masks_do_not_repeat() -> None:
    prover = _prover(tiny_run(seeded=False))
    rows = [row.tobytes() for masks in prover.masks.values() for pair in (masks.fold, masks.low_degree) for row in pair]
    assert len(set(rows)) == len(rows)
    for one, two in pairwise(prover.masks.values()):
        assert not set(np.unique(one.tree.matrix)) & set(np.unique(two.tree.matrix))


def test_masks_cover_the_whole_dimension_over_the_extension() -> None:
    prover = _prover(tiny_run(seeded=False))
    for name, masks in prover.masks.items():
        shape = prover.public.code(name)
        assert shape.random == shape.queries * shape.openings
        for values, random in (masks.fold, masks.low_degree):
            assert values.shape == (shape.row, 2) and random.shape == (shape.random, 2)
            # Both coordinates are random: a mask over F would not hide multiples of a challenge in K.
            assert values.all() and random.all()


def test_triples_are_products_of_uniform_factors() -> None:
    tiny = tiny_run()
    count = PadCount(5, 4)
    pads = from_array(pad_commitment.sample_pads(tiny.backend, count, Entropy(b"k" * 32)))
    for i in range(count.products):
        a, b, c, one_a, one_b, one_c = pads[5 + TRIPLE * i : 5 + TRIPLE * (i + 1)]
        assert a * b == c and one_a * one_b == one_c
    assert len({(p.a, p.b) for p in pads}) == count.pads


def test_a_pad_too_few_is_an_error_and_not_a_leak() -> None:
    """The pads of a triple lie behind those of the singles: no single may take one of them."""
    channel = ProverChannel(FixedTranscript())
    ledger = ProverLedger(PadCount(1, 1), channel, np.ones((1 + TRIPLE, 2), dtype=np.uint64))
    (one,) = from_array(np.ones((1, 2), dtype=np.uint64))
    ledger.send("x", [one])
    with pytest.raises(InternalError):
        ledger.send("x", [one])
    ledger.send_products("x", [(one, one)])
    with pytest.raises((InternalError, IndexError)):
        ledger.send_products("x", [(one, one)])
    assert len(channel.chunks) == 2


def test_certificates_use_what_they_announce() -> None:
    tiny = tiny_run(seeded=False)
    assert tiny.w_in is not None
    prove_data_certificate(tiny.run, tiny.dataset, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
    prove_initial_weights(tiny.run, tiny.w_in, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
