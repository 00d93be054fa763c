"""Zero knowledge of a whole container: one simulator for all sections over the commitments that they share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.container import Container, container
from tests.support.tiny import SETS, TINY
from tests.zero_knowledge.joint import Joint, Oracle, simulate_container
from zkdl.backend.select import get_backend
from zkdl.errors import Rejected, ZkError
from zkdl.proof import certificate, data_proof, segment_verifier
from zkdl.proof.format import write_container
from zkdl.proof.verify import verify

BACKEND = get_backend()


@pytest.fixture(scope="module", params=[True, False], ids=["seeded", "committed"])
def honest(request: pytest.FixtureRequest) -> Container:
    return container(seeded=request.param)


@pytest.fixture(scope="module")
def simulated(honest: Container) -> Joint:
    return simulate_container(BACKEND, honest.run, honest.segments, TINY, seed=3)


def _verdict(patch: pytest.MonkeyPatch, joint: Joint, sections: list[tuple[str, bytes]], path: Path) -> str:
    """The whole unchanged verifier under the programmed oracle: "" when it accepts."""
    oracle = Oracle()
    for module in (certificate, data_proof, segment_verifier):
        patch.setattr(module, "Transcript", oracle)
    write_container(path, joint.run, joint.segments, sections)
    try:
        verify(path, parameter_sets=SETS, backend=BACKEND)
    except ZkError as error:
        return str(error.code)
    assert oracle.sections == len(sections)
    return ""


def test_a_simulated_container_is_accepted(simulated: Joint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _verdict(monkeypatch, simulated, simulated.sections, tmp_path / "p") == ""


def test_the_real_oracle_rejects_it(simulated: Joint, tmp_path: Path) -> None:
    write_container(tmp_path / "p", simulated.run, simulated.segments, simulated.sections)
    with pytest.raises(Rejected):
        verify(tmp_path / "p", parameter_sets=SETS, backend=BACKEND)


def test_the_programmed_verifier_still_checks_every_section(
    simulated: Joint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One changed byte in any section: a root, a message in the middle, the columns at the end."""
    for k, (name, data) in enumerate(simulated.sections):
        for place in (0, len(data) // 2, len(data) - 1):
            changed = bytearray(data)
            changed[place] ^= 1
            sections = [*simulated.sections]
            sections[k] = (name, bytes(changed))
            assert _verdict(monkeypatch, simulated, sections, tmp_path / "p") != "", (name, place)


def test_sections_of_two_simulations_do_not_fit(
    honest: Container, simulated: Joint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes it joint: a section made for other trees under the same challenges is refused."""
    other = simulate_container(BACKEND, honest.run, honest.segments, TINY, seed=77)
    for k, (name, _) in enumerate(simulated.sections):
        sections = [*simulated.sections]
        sections[k] = (name, other.sections[k][1])
        assert _verdict(monkeypatch, simulated, sections, tmp_path / "p") != "", name


def test_shared_commitments_are_opened_within_their_budget(simulated: Joint) -> None:
    """Each tree in at most as many sections as it has openings: then uniform columns are what a real one shows."""
    times: dict[str, int] = {}
    for (section, name), commitments in simulated.opened.items():
        shape = simulated.parts[section].pending[name].shape
        for commitment in commitments:
            times[commitment] = times.get(commitment, 0) + 1
            assert times[commitment] <= shape.openings
            assert len(simulated.trees[commitment].at) <= shape.random
    assert times["dataset"] == times["link-0"] == times["link-1"] == times["weights-1"] == 2


def test_shared_trees_are_opened_at_different_positions(simulated: Joint) -> None:
    """Otherwise this would show no more than the simulators of single sections."""
    for tree in simulated.trees.values():
        assert len(np.unique(tree.at)) == len(tree.at)
    for name in ("dataset", "link-0", "weights-1"):
        first, second = (
            simulated.parts[section].positions[opened]
            for (section, opened), commitments in simulated.opened.items()
            if name in commitments
        )
        assert not np.array_equal(first, second)


def test_sections_have_the_length_of_real_ones_up_to_the_tree_paths(honest: Container, simulated: Joint) -> None:
    for (name, real), (other, invented) in zip(honest.sections, simulated.sections, strict=True):
        assert name == other and len(real) % 32 == len(invented) % 32
        assert abs(len(real) - len(invented)) < 32 * 20 * 2 * 10
