"""Zero knowledge: a transcript without witness that the verifier accepts when it programs the oracle."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from tests.support.tiny import TINY, Tiny, tiny_run
from tests.zero_knowledge.fixed import FixedTranscript
from tests.zero_knowledge.simulator import DataSimulator, simulate
from zkdl.errors import MalformedProof, Rejected
from zkdl.proof import data_proof, security
from zkdl.proof.data_proof import data_proof_layout
from zkdl.proof.flow import open_all, reduce
from zkdl.proof.public import SegmentPublic
from zkdl.proof.segment_verifier import SegmentVerifier, verify_segment
from zkdl.statement import sampler
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.weights import Weights
from zkdl.transcript.channel import VerifierChannel

SHAPES = [
    dict(loss="ce"),
    dict(loss="mse"),
    dict(loss="ce", seeded=False),
    dict(loss="mse", seeded=False),
    dict(widths=(5, 3), loss="mse"),
    dict(widths=(4, 2, 2), loss="ce", batch=1, steps=1),
]


def _initial(tiny: Tiny) -> Weights | None:
    return initial_weights(tiny.run) if tiny.public.seeded else None


def _accepts(tiny: Tiny, public: SegmentPublic, proof: bytes, roots: dict[str, bytes]) -> None:
    """The real verifier, with the programmed oracle."""
    channel = VerifierChannel(FixedTranscript(), io.BytesIO(proof))
    verifier = SegmentVerifier(tiny.backend, public, channel, roots, _initial(tiny))
    verifier.receive_roots()
    open_all(verifier, public, reduce(verifier, public, security.segment_grinding_bits(public)))
    channel.finish()


@pytest.mark.parametrize("shape", SHAPES)
def test_simulated_transcript_is_accepted(shape: dict) -> None:
    tiny = tiny_run(**shape)
    proof, roots, _ = simulate(tiny.backend, tiny.public, _initial(tiny), seed=5)
    _accepts(tiny, tiny.public, proof, roots)


def test_simulated_transcript_has_the_length_of_a_real_one_up_to_the_tree_paths() -> None:
    tiny = tiny_run(seeded=False)
    public, real, _ = tiny.prove_segment(*tiny.witness())
    simulated, _, _ = simulate(tiny.backend, public, None, seed=6)
    # How many tree nodes are sent depends on the positions alone.
    assert len(real) % 32 == len(simulated) % 32
    assert abs(len(real) - len(simulated)) < 32 * 20 * 2 * 10


def test_simulated_transcript_is_rejected_by_the_real_oracle() -> None:
    tiny = tiny_run()
    proof, _, _ = simulate(tiny.backend, tiny.public, _initial(tiny), seed=7)
    with pytest.raises(Rejected):
        verify_segment(tiny.public, io.BytesIO(proof), tiny.backend, _initial(tiny))


@pytest.mark.parametrize("place", [0, 32 * 5 + 40, -1])
def test_the_programmed_verifier_still_checks(place: int) -> None:
    """The simulator is accepted because it solves the equations; the oracle switches nothing off."""
    tiny = tiny_run()
    proof, roots, _ = simulate(tiny.backend, tiny.public, _initial(tiny), seed=8)
    changed = bytearray(proof)
    changed[place] ^= 1
    with pytest.raises(Rejected):
        _accepts(tiny, tiny.public, bytes(changed), roots)


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("segments", [1, 3])
def test_simulated_data_proof_is_accepted(loss: str, segments: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without values: the roots of links and dataset are the simulator's own."""
    tiny = tiny_run(loss=loss)
    # The points are public; where they come from does not matter.
    points = tiny.prove_segment(*tiny.witness())[2].public
    layout = data_proof_layout(tiny.run, segments, TINY)
    seed = sampler.seed(tiny.run)
    simulator = DataSimulator(tiny.backend, layout, [points] * segments, seed=9)
    simulator.invent_columns()
    roots = simulator.roots
    assert len(roots["links"]) == 32 * segments and len(roots["dataset"]) == 32
    links = [replace(points, root=roots["links"][32 * i : 32 * (i + 1)]) for i in range(segments)]
    here = replace(layout, run=replace(tiny.run, data_root=roots["dataset"].hex()))
    proof = simulator.channel.proof()
    # The real oracle knows nothing of it; the programmed one accepts it, and still checks.
    for oracle, changed, accepted in (
        (FixedTranscript, False, True),
        (FixedTranscript, True, False),
        (None, False, False),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(sampler, "seed", lambda run: seed)
            if oracle is not None:
                patch.setattr(data_proof, "Transcript", lambda protocol, statement: FixedTranscript())
            data = bytes([proof[0] ^ 1]) + proof[1:] if changed else proof
            try:
                data_proof.verify(tiny.backend, here, links, io.BytesIO(data))
                found = True
            except (Rejected, MalformedProof):
                found = False
        assert found == accepted
