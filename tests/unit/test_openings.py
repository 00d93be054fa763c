"""What a run opens: the same in every copy, counted across releases, and refused before it would be too much."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.tiny import SETS
from zkdl.backend.select import get_backend
from zkdl.configuration import Configuration
from zkdl.datasets import Dataset, FeatureRule
from zkdl.errors import ResourceError, UsageError
from zkdl.progress import ALMOST, PHASES
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory
from zkdl.session import RETRIES, Session
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.weights import Weights
from zkdl.train.trainer import Trainer

CONFIGURATION = Configuration(
    widths=(64, 4, 10),
    bias=(True, True),
    batch=4,
    steps=6,
    segment_steps=2,
    activation_bits=6,
    gradient_bits=6,
    weight_frac=16,
    lr=0.05,
)


def session(path: Path) -> Session:
    return Session(RunDirectory.create(path), get_backend(), SETS)


def draft(**changes: object) -> tuple[RunStatement, Dataset]:
    configuration = replace(CONFIGURATION, **changes)
    whole = configuration.load_train()
    data = Dataset(whole.features[:40].copy(), whole.labels[:40].copy(), FeatureRule(5, 4))
    return replace(configuration.draft(data), parameter_set="tiny-test"), data


def begin(path: Path, initial: Weights | None = None, **changes: object) -> RunStatement:
    statement, data = draft(**changes)
    return session(path).begin(statement, data.features, data.labels, CONFIGURATION.segment_steps, initial)


def train(path: Path) -> None:
    for _ in session(path).train():
        pass


def prove(path: Path) -> bytes:
    session(path).prove(path / "run.zkproof")
    return (path / "run.zkproof").read_bytes()


def journal(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (path / "journal.jsonl").read_text().splitlines()]


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "run"
    begin(path)
    train(path)
    return path


@pytest.fixture(scope="module")
def proven(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = copy(trained, tmp_path_factory.mktemp("proven") / "run")
    prove(path)
    return path


@pytest.mark.parametrize("committed", [False, True])
def test_copies_of_a_begun_run_make_the_same_proof(tmp_path: Path, committed: bool) -> None:
    initial = initial_weights(draft()[0]) if committed else None
    begin(tmp_path / "a", initial)
    copy(tmp_path / "a", tmp_path / "b")
    train(tmp_path / "a")
    copy(tmp_path / "a", tmp_path / "c")
    proofs = [prove(tmp_path / "a")]
    train(tmp_path / "b")
    proofs += [prove(tmp_path / name) for name in "bc"]
    assert len(set(proofs)) == 1
    assert journal(tmp_path / "a") == journal(tmp_path / "b") == journal(tmp_path / "c")
    assert verify(tmp_path / "a" / "run.zkproof", parameter_sets=SETS).complete


def test_runs_of_their_own_share_nothing(proven: Path, tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    other = RunDirectory.open(proven).read_statement()[0]
    assert run.data_root != other.data_root and run.run_id != other.run_id


def test_another_statement_in_a_copy_gets_other_secrets(tmp_path: Path) -> None:
    first = begin(tmp_path / "a")
    copy(tmp_path / "a", tmp_path / "b")
    again = begin(tmp_path / "a")
    second = begin(tmp_path / "b", lr=0.04)
    assert again == first
    assert second.data_root != first.data_root and second.run_id != first.run_id
    back = begin(tmp_path / "b")
    assert back.data_root not in (first.data_root, second.data_root)


def test_begin_does_not_replace_what_was_trained(trained: Path, tmp_path: Path) -> None:
    path = copy(trained, tmp_path / "run")
    with pytest.raises(UsageError) as caught:
        begin(path, lr=0.04)
    assert caught.value.code == "RUN_OTHER"
    (path / "run.json").unlink()
    master = (path / "secrets" / "master.key").read_bytes()
    with pytest.raises(UsageError) as caught:
        begin(path)
    assert caught.value.code == "RUN_DAMAGED" and caught.value.hint
    assert (path / "secrets" / "master.key").read_bytes() == master and len(list((path / "segments").iterdir())) == 3


@pytest.mark.parametrize("work", [train, prove])
def test_without_its_journal_nothing_goes_on(proven: Path, tmp_path: Path, work: Callable[[Path], object]) -> None:
    path = copy(proven, tmp_path / "run")
    lines = (path / "journal.jsonl").read_text()
    (path / "sections" / "segment-2.bin").unlink()
    (path / "journal.jsonl").unlink()
    with pytest.raises(UsageError) as caught:
        work(path)
    assert caught.value.code == "RUN_DAMAGED" and "journal" in str(caught.value)
    for kept in ("", "".join(lines.splitlines(keepends=True)[:2])):
        (path / "journal.jsonl").write_text(kept)
        with pytest.raises(UsageError) as caught:
            work(path)
        assert caught.value.code == "JOURNAL" and caught.value.hint
    (path / "journal.jsonl").write_text(lines)
    work(path)
    assert (path / "journal.jsonl").read_text() == lines


def test_a_lost_section_comes_back_in_the_same_bytes(proven: Path, tmp_path: Path) -> None:
    path = copy(proven, tmp_path / "run")
    whole = (path / "run.zkproof").read_bytes()
    for section in (path / "sections").iterdir():
        section.unlink()
    assert prove(path) == whole and journal(path) == journal(proven)


def test_progress_of_a_real_proof(trained: Path, tmp_path: Path) -> None:
    """Every phase that the prover names has its share; the whole is said once."""
    path, seen = copy(trained, tmp_path / "run"), []
    session(path).prove(path / "run.zkproof", progress=lambda what, done: seen.append((what, done)))
    phases = {what.split(": ")[1] for what, _ in seen if ": " in what}
    assert phases == {*PHASES, "certificate"} - {"products"}
    done = [part for _, part in seen]
    assert done == sorted(done) and done[0] == 0 and len(set(done)) > 12
    assert seen[-1] == ("done", 1.0) and done.count(1.0) == 1 and max(done[:-1]) <= ALMOST


@pytest.mark.parametrize("what", ["__version__", "PROTOCOL"])
def test_another_release_is_another_opening(
    proven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = copy(proven, tmp_path / "run")
    section = path / "sections" / "segment-1.bin"
    before = section.read_bytes()
    section.unlink()
    monkeypatch.setattr(f"zkdl.openings.{what}", "another")
    prove(path)
    assert section.read_bytes() != before
    added = journal(path)[len(journal(proven)) :]
    segment = RunDirectory.open(path).segments()[1]
    assert [entry["root"] for entry in added] == [
        RunDirectory.open(path).read_statement()[0].data_root, segment.w_out.root, segment.w_in.root
    ]  # fmt: skip
    assert len({entry["proof"] for entry in added}) == 1
    assert verify(path / "run.zkproof", parameter_sets=SETS).complete


@pytest.mark.parametrize("name", ["weights/step-2.safetensors", "weights/step-4.safetensors", "data.npz"])
def test_changed_files_are_not_proven(trained: Path, tmp_path: Path, name: str) -> None:
    path = copy(trained, tmp_path / "run")
    directory = RunDirectory.open(path)
    if name == "data.npz":
        features, labels = directory.read_data()
        directory.write_data(features[::-1], labels)
    else:
        step = int(name.split("-")[1].split(".")[0])
        weights = directory.read_weights(step)
        weights.W[0][0, 0] += 1
        directory.write_weights(step, weights, CONFIGURATION.weight_frac or 0)
    with pytest.raises(UsageError) as caught:
        prove(path)
    assert caught.value.code == "RUN_DAMAGED" and caught.value.where["file"] == str(path / name)


def test_training_stops_before_a_segment_that_could_not_be_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every segment ends after one step instead of four, as after range stops: 16 steps need 16, planned are 4."""
    path = tmp_path / "run"
    statement, data = draft(steps=16)
    run = session(path).begin(statement, data.features, data.labels, 4)
    assert run.data_budget == 4 + RETRIES

    def short(run: RunStatement, features: object, labels: object, segment_steps: int) -> Trainer:
        return Trainer(run, features, labels, 1)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr("zkdl.session.Trainer", short)
    for _ in range(2):
        with pytest.raises(ResourceError) as caught:
            train(path)
        assert (caught.value.code, caught.value.exit_status) == ("BUDGET", 5)
        assert caught.value.hint and caught.value.where["step"] == run.data_budget - 1
        assert len(RunDirectory.open(path).segments()) == run.data_budget - 1
    prove(path)
    found = verify(path / "run.zkproof", parameter_sets=SETS)
    assert found.whole_chain and not found.complete and len(found.segments) == 11
    # Proven or not, the openings are the same ones.
    with pytest.raises(ResourceError):
        train(path)


def test_openings_spent_by_another_release_count_while_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zkdl.session.RETRIES", 2)
    path = tmp_path / "run"
    begin(path)
    one = iter(session(path).train())
    next(one)
    one.close()
    for release in ("a", "b"):
        monkeypatch.setattr("zkdl.openings.__version__", release)
        prove(path)
        for section in (path / "sections").iterdir():
            section.unlink()
    # Five openings: two by each release, one is left for a section of these four.
    monkeypatch.undo()
    with pytest.raises(ResourceError) as caught:
        train(path)
    assert caught.value.code == "BUDGET" and len(RunDirectory.open(path).segments()) == 1
    monkeypatch.setattr("zkdl.openings.__version__", "b")
    with pytest.raises(ResourceError) as caught:
        train(path)
    assert len(RunDirectory.open(path).segments()) == 2
    prove(path)
    assert len(verify(path / "run.zkproof", parameter_sets=SETS).segments) == 2
