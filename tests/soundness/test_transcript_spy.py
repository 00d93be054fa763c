"""T2: what both transcripts hear in whole proofs: everything that is read, in the same order, before what depends on it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache

import pytest

from tests.support.container import container
from tests.support.tiny import KEYS, SETS, TINY, tiny_run
from zkdl.proof import certificate, data_proof
from zkdl.proof.data_proof import data_proof_layout
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights
from zkdl.proof.run_certificates import (
    DATA_PROTOCOL,
    INITIAL_PROTOCOL,
    data_certificate_layout,
    initial_certificate_layout,
)
from zkdl.transcript.channel import VerifierChannel
from zkdl.transcript.transcript import PUBLIC, Transcript

LAST = ("/salts", "/columns", "/nodes")
CASES = ["segment ce", "segment mse", "segment ce from committed weights", "one layer", "data", "initial", "data proof"]


@dataclass
class Heard:
    """One transcript's history. events: ("absorb", label, kind, data), ("squeeze", label, n_bytes, output) and, on the
    verifier's side, ("read", label, 0, data) for every read."""

    events: list[tuple[str, str, int, bytes]] = field(default_factory=list)

    def of(self, *names: str) -> list[tuple[str, str, int, bytes]]:
        return [event for event in self.events if event[0] in names]

    def first(self, name: str, label: str) -> int:
        return next(i for i, event in enumerate(self.events) if event[:2] == (name, label))

    def last(self, name: str, label: str) -> int:
        return max(i for i, event in enumerate(self.events) if event[:2] == (name, label))

    def labels(self, *names: str) -> set[str]:
        return {event[1] for event in self.of(*names)}


@dataclass
class Spied:
    prover: Heard
    verifier: Heard
    proof: bytes
    statement: bytes
    roots: list[str]
    openings: list[str]

    @property
    def trees(self) -> int:
        """Opened ones: of every matrix and of its masks, of the pads; the links of a data proof are opened as one matrix."""
        links = len(self.roots) - 1 if "links" in self.openings else 1
        return 2 * len(self.openings) + 1 + links - 1


two_segments = cache(container)


def run(name: str) -> tuple[bytes, bytes, list[str], list[str]]:
    """Prove and verify; returns the proof, the statement, the stored roots in hexadecimal, and the openings' names."""
    if name == "data":
        tiny = tiny_run()
        proof = prove_data_certificate(
            tiny.run, tiny.dataset, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS
        )
        layout, statement = data_certificate_layout(tiny.run, TINY), tiny.run.canonical()
        root = tiny.dataset.root
        certificate.verify(tiny.backend, DATA_PROTOCOL, statement, layout, root, io.BytesIO(proof))
        return proof, layout.statement(statement), [root.hex()], ["target", "own"]
    if name == "initial":
        tiny = tiny_run(seeded=False)
        proof = prove_initial_weights(tiny.run, tiny.w_in, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
        layout, statement = initial_certificate_layout(tiny.run, TINY), tiny.run.canonical()
        root = tiny.w_in.root
        certificate.verify(tiny.backend, INITIAL_PROTOCOL, statement, layout, root, io.BytesIO(proof))
        return proof, layout.statement(statement), [root.hex()], ["target", "own"]
    if name == "data proof":
        parts = two_segments()
        layout = data_proof_layout(parts.run, 2, TINY)
        public = [link.public for link in parts.links]
        proof = parts.data_proof(0, 1)[1]
        parts.tiny.verify_data(public, io.BytesIO(proof))
        roots = [parts.run.data_root, *(link.root.hex() for link in public)]
        return proof, data_proof.statement_bytes(layout, public), roots, list(data_proof.OPENINGS)
    committed = "committed" in name
    widths = (4, 3) if name == "one layer" else (6, 5, 4, 3)
    tiny = tiny_run(widths, loss="mse" if "mse" in name else "ce", seeded=not committed)
    public, proof, _ = tiny.prove_segment(*tiny.witness())
    tiny.verify_segment(public, io.BytesIO(proof), alone=True)
    roots = [public.run.data_root, public.segment.w_out.root] + ([public.segment.w_in.root] if committed else [])
    return proof, public.statement_bytes(), roots, list(public.openings)


@pytest.fixture(params=CASES, scope="module")
def spied(request: pytest.FixtureRequest) -> Spied:
    """Both histories of one proof."""
    two_segments()  # its proofs are none of this test's
    heard: dict[int, Heard] = {}
    alive: list[Transcript] = []
    absorb, squeeze, read = Transcript.absorb, Transcript.squeeze, VerifierChannel._read

    def note(transcript: Transcript, *event: object) -> None:
        if id(transcript) not in heard:
            # Kept alive, so that no other transcript gets its identity.
            alive.append(transcript)
            heard[id(transcript)] = Heard()
        heard[id(transcript)].events.append(event)

    def spy_absorb(self: Transcript, label: str, kind: int, data: bytes) -> None:
        note(self, "absorb", label, kind, bytes(data))
        absorb(self, label, kind, data)

    def spy_squeeze(self: Transcript, label: str, n_bytes: int) -> bytes:
        out = squeeze(self, label, n_bytes)
        note(self, "squeeze", label, n_bytes, out)
        return out

    def spy_read(self: VerifierChannel, label: str, n_bytes: int) -> bytes:
        data = read(self, label, n_bytes)
        note(self.transcript, "read", label, 0, data)
        return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transcript, "absorb", spy_absorb)
        patch.setattr(Transcript, "squeeze", spy_squeeze)
        patch.setattr(VerifierChannel, "_read", spy_read)
        proof, statement, roots, openings = run(request.param)
    assert len(alive) == 2, "one transcript on each side"
    prover, verifier = (heard[id(transcript)] for transcript in alive)
    return Spied(prover, verifier, proof, statement, roots, openings)


def test_both_sides_hear_the_same(spied: Spied) -> None:
    """Labels, kinds, bytes and outputs of all absorbs and squeezes."""
    ours, theirs = spied.prover.of("absorb", "squeeze"), spied.verifier.of("absorb", "squeeze")
    assert len(ours) > 20 and ours == theirs and not spied.prover.of("read")


def test_every_byte_is_read_once_and_absorbed_or_opened(spied: Spied) -> None:
    """Reads cover the proof; each is absorbed at once with its label, or is a column, a salt or a node at the end."""
    events = spied.verifier.events
    assert b"".join(event[3] for event in spied.verifier.of("read")) == spied.proof
    squeezes = [i for i, event in enumerate(events) if event[0] == "squeeze"]
    opened = 0
    for i, (name, label, _, data) in enumerate(events):
        if name != "read":
            continue
        if label.endswith(LAST):
            assert i > squeezes[-1], f"{label} is not absorbed, but a challenge follows"
            opened += 1
        else:
            after = events[i + 1]
            assert (after[0], after[1], after[3]) == ("absorb", label, data) and after[2] != PUBLIC, label
    # Salts, columns and nodes.
    assert opened == 3 * spied.trees


def test_no_bytes_of_the_proof_are_absorbed_without_being_read(spied: Spied) -> None:
    """What is absorbed is either public, known from the statement, or read."""
    reads = [event[1:2] + event[3:] for event in spied.verifier.of("read") if not event[1].endswith(LAST)]
    absorbed = [event[1:2] + event[3:] for event in spied.verifier.of("absorb") if event[2] != PUBLIC]
    assert absorbed == reads
    public = {event[1] for event in spied.verifier.of("absorb") if event[2] == PUBLIC}
    assert public == {"protocol", "statement"}


def test_roots_and_statement_come_before_any_challenge(spied: Spied) -> None:
    """All roots but the link's, the statement before them and again behind them; stored roots are part of the statement."""
    heard = spied.prover
    before = heard.events[: next(i for i, event in enumerate(heard.events) if event[0] == "squeeze")]
    roots = {event[1] for event in heard.of("absorb") if event[1].startswith("root/")} - {"root/link"}
    masks = {f"root/mask/{name}" for name in spied.openings}
    assert masks | {"root/pads"} <= roots and len(roots - masks) == (1 if "links" in spied.openings else 2)
    first = [event[1] for event in before]
    assert first[:2] == ["protocol", "statement"] and set(first[2:]) - {"grind", "data-values"} == roots | {"statement"}
    assert first.index("statement", 2) == 2 + len(roots)
    statements = [event[3] for event in before if event[1] == "statement"]
    assert statements == [spied.statement] * 2
    digests = [event[3] for event in before if event[1] in roots]
    assert all(len(digest) == 32 for digest in digests) and len(set(digests)) == len(roots)
    for root in spied.roots:
        assert root.encode() in spied.statement or bytes.fromhex(root) in spied.statement


def test_each_challenge_comes_after_what_it_must_not_foresee(spied: Spied) -> None:
    """The order that the soundness proof needs, for every opening and for the pads."""
    heard = spied.prover
    hidden = {"target": "limb-value", "links": "data-values"}.get(spied.openings[0], "w_out-values")
    products = "sacrifice" in heard.labels("absorb")
    assert products == ("links" not in spied.openings)
    for name in spied.openings:
        order = [
            heard.last("absorb", hidden),
            heard.first("squeeze", f"{name}/batch"),
            heard.first("absorb", f"{name}/mask-value"),
            heard.first("squeeze", f"{name}/gamma"),
            heard.first("squeeze", f"{name}/low-degree"),
            heard.first("absorb", f"{name}/fold"),
            heard.first("absorb", f"{name}/test"),
            *([heard.first("squeeze", "chi"), heard.first("absorb", "sacrifice")] if products else []),
            heard.first("squeeze", "pads/low-degree"),
            heard.first("squeeze", "pads/constraints"),
            heard.first("absorb", "pads/test"),
            heard.first("absorb", "pads/linear"),
            heard.first("squeeze", f"{name}/positions"),
        ]
        assert order == sorted(order), name
    # No masked value behind chi, and nothing at all behind the first position.
    last = heard.first("squeeze", "chi" if products else "pads/low-degree")
    later = {event[1] for event in heard.events[last:] if event[0] == "absorb"}
    assert later == {"pads/test", "pads/linear"} | ({"sacrifice"} if products else set())
    tail = heard.events[heard.first("squeeze", f"{spied.openings[0]}/positions") :]
    assert {event[0] for event in tail} == {"squeeze"} and all(event[1].endswith("/positions") for event in tail)
    assert {f"{name}/positions" for name in [*spied.openings, "pads"]} == {event[1] for event in tail}


def test_every_round_has_a_challenge_of_its_own(spied: Spied) -> None:
    """Between two messages of the same sumcheck a challenge is drawn, and no output is ever repeated."""
    events = spied.prover.of("absorb", "squeeze")
    rounds = {"fraction-round", "division", "matmul", "unroll", *(f"{name}/in-row" for name in spied.openings)}
    assert ("fraction-round" in spied.prover.labels("absorb")) == ("links" not in spied.openings)
    for i, (name, label, _, _) in enumerate(events):
        if name == "absorb" and label in rounds:
            assert events[i + 1][:2] == ("squeeze", label)
    outputs = [event[3][:32] for event in events if event[0] == "squeeze"]
    assert len(set(outputs)) == len(outputs)


def test_a_link_comes_between_its_values_and_every_later_challenge(spied: Spied) -> None:
    """The values and where they are taken are fixed before the link, and the link before anything is drawn about it."""
    heard = spied.prover
    if "link" in spied.openings:
        place = heard.first("absorb", "root/link")
        assert heard.last("absorb", "unroll-products") < place == heard.last("absorb", "root/link")
        assert heard.events[place - 1][:2] == ("absorb", "label-values")
        assert heard.events[place + 1][:2] == ("squeeze", "zero-pads")
    elif "links" in spied.openings:
        place = heard.first("squeeze", "merge-features")
        assert heard.events[place - 1][:2] == ("absorb", "data-values")
        assert heard.events[place + 1][:2] == ("squeeze", "links/batch")
