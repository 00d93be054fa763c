"""A chain of segments in one container: whole, cut short, cut at the front, spliced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.tiny import SETS, TINY
from zkdl.backend.select import get_backend
from zkdl.configuration import Configuration
from zkdl.datasets import Dataset, FeatureRule
from zkdl.errors import MalformedProof, Rejected, VersionError
from zkdl.openings import Openings
from zkdl.proof.format import read_header, write_container
from zkdl.proof.prove import prove_data
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory
from zkdl.sections import SectionProver, commit_data
from zkdl.session import Session

CONFIGURATION = Configuration(
    widths=(64, 12, 10),
    bias=(True, True),
    batch=8,
    steps=6,
    segment_steps=2,
    activation_bits=6,
    gradient_bits=6,
    lr=0.05,
)


def _data() -> Dataset:
    data = CONFIGURATION.load_train()
    return Dataset(data.features[:60].copy(), data.labels[:60].copy(), FeatureRule(5, 4))


def _train_and_prove(folder: Path, seed: str) -> RunDirectory:
    data = _data()
    session = Session(RunDirectory.create(folder), get_backend(), SETS)
    draft = replace(replace(CONFIGURATION, seed=seed).draft(data), parameter_set="tiny-test")
    session.begin(draft, data.features, data.labels, CONFIGURATION.segment_steps)
    for _ in session.train():
        pass
    session.prove(folder / "run.zkproof")
    return session.directory


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return _train_and_prove(tmp_path_factory.mktemp("first"), "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return _train_and_prove(tmp_path_factory.mktemp("second"), "second")


def _data_proof(directory: RunDirectory, chosen: list[int]) -> bytes:
    """Of these segments alone."""
    run, _ = directory.read_statement()
    openings, backend = Openings(directory, run), get_backend()
    data, segments = directory.read_data(), directory.segments()
    prover = SectionProver(directory, run, TINY, backend, openings, SETS)
    links = [prover._link(i, segments[i], data) for i in chosen]
    dataset = commit_data(directory, run, data, TINY, backend)
    return prove_data(run, links, dataset, bytes(32), backend=backend, parameter_sets=SETS)


def _write(
    path: Path,
    directory: RunDirectory,
    chosen: list[int],
    sections: list[Path] | None = None,
    proof: bytes | Path | None = None,
) -> Path:
    """proof: the data proof, when it is not the one of the whole run."""
    run, _ = directory.read_statement()
    segments = [directory.segments()[i] for i in chosen]
    files = sections or [directory.section(f"segment-{i}") for i in chosen]
    names = [("data", directory.section("data")), *((f"segment-{k}", file) for k, file in enumerate(files))]
    write_container(path, run, segments, [*names, ("dataset", proof or directory.section("dataset-3"))])
    return path


def test_whole_run(first: RunDirectory) -> None:
    found = verify(first.path / "run.zkproof", parameter_sets=SETS)
    assert found.whole_chain and found.complete and len(found.segments) == 3
    text = found.describe()
    assert "searched" in text and "assumption" not in text


def test_run_cut_short_says_so(first: RunDirectory, tmp_path: Path) -> None:
    proof = _data_proof(first, [0, 1])
    found = verify(_write(tmp_path / "p", first, [0, 1], proof=proof), parameter_sets=SETS)
    assert found.whole_chain and not found.complete
    assert "not all of them are in this proof" in found.describe()


@pytest.mark.parametrize("chosen", [[0, 1], [1], [0, 1, 2]])
def test_a_data_proof_of_other_segments_is_rejected(first: RunDirectory, tmp_path: Path, chosen: list[int]) -> None:
    """That of the whole for a part of it, that of a part for the whole."""
    proof = first.section("dataset-3") if len(chosen) < 3 else _data_proof(first, [0, 1])
    with pytest.raises((Rejected, MalformedProof)):
        verify(_write(tmp_path / "p", first, chosen, proof=proof), parameter_sets=SETS)


def test_a_data_proof_of_another_run_is_rejected(first: RunDirectory, second: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises((Rejected, MalformedProof)):
        verify(_write(tmp_path / "p", first, [0, 1, 2], proof=second.section("dataset-3")), parameter_sets=SETS)


def test_lone_segment_assumes_the_bound(first: RunDirectory, tmp_path: Path) -> None:
    found = verify(_write(tmp_path / "p", first, [1], proof=_data_proof(first, [1])), parameter_sets=SETS)
    assert not found.whole_chain and "assumption" in found.describe()


@pytest.mark.parametrize("chosen", [[0, 2], [1, 0], [0, 0, 1], [2, 1, 0]])
def test_skipped_repeated_or_reordered_segments_are_rejected(
    first: RunDirectory, tmp_path: Path, chosen: list[int]
) -> None:
    with pytest.raises(Rejected) as caught:
        verify(_write(tmp_path / "p", first, chosen), parameter_sets=SETS)
    assert caught.value.code in ("CHAIN", "STATEMENT")


def test_segment_of_another_run_is_rejected(first: RunDirectory, second: RunDirectory, tmp_path: Path) -> None:
    files = [first.section("segment-0"), second.section("segment-1"), first.section("segment-2")]
    with pytest.raises((Rejected, MalformedProof)):
        verify(_write(tmp_path / "p", first, [0, 1, 2], files), parameter_sets=SETS)


def test_data_certificate_of_another_run_is_rejected(first: RunDirectory, second: RunDirectory, tmp_path: Path) -> None:
    run, _ = first.read_statement()
    sections = [("data", second.section("data")), *((f"segment-{i}", first.section(f"segment-{i}")) for i in range(3))]
    sections.append(("dataset", first.section("dataset-3")))
    write_container(tmp_path / "p", run, first.segments(), list(sections))
    with pytest.raises((Rejected, MalformedProof)):
        verify(tmp_path / "p", parameter_sets=SETS)


def test_sections_end_where_the_header_says(first: RunDirectory, tmp_path: Path) -> None:
    whole = (first.path / "run.zkproof").read_bytes()
    for data in (whole + b"\0", whole[:-1], whole[:1000]):
        (tmp_path / "p").write_bytes(data)
        with pytest.raises(MalformedProof):
            verify(tmp_path / "p", parameter_sets=SETS)


def test_test_parameters_are_refused_by_default(first: RunDirectory) -> None:
    with pytest.raises(VersionError):
        verify(first.path / "run.zkproof")


def test_expected_statement(first: RunDirectory) -> None:
    path = first.path / "run.zkproof"
    with path.open("rb") as stream:
        run = read_header(stream).run
    found = verify(path, parameter_sets=SETS, expect={"data_root": run.data_root, "batch": 8})
    assert found.checked == ["expected"]
    verify(path, parameter_sets=SETS, expect={"complete": found.complete, "every_example": found.every_example})
    for key, value in (("complete", not found.complete), ("every_example", not found.every_example), ("complete", 1)):
        with pytest.raises(Rejected) as refused:
            verify(path, parameter_sets=SETS, expect={key: value})
        assert (refused.value.code, refused.value.where) == ("EXPECTED_STATEMENT", {"field": key})
    with pytest.raises(Rejected) as caught:
        verify(path, parameter_sets=SETS, expect={"batch": 16})
    assert caught.value.code == "EXPECTED_STATEMENT"
