"""What a run opens: the same in every copy, counted across releases, and refused before it would be too much."""

from __future__ import annotations

import json
import shutil
from collections import Counter
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
from zkdl.session import Session
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
    assert phases == {*PHASES, "certificate", "links"}
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
    data_root = RunDirectory.open(path).read_statement()[0].data_root
    roots = [str(entry["root"]) for entry in added]
    # The segment, with a link of its own, and the data proof: the dataset, the new link and both old ones.
    assert roots[:2] == [segment.w_out.root, segment.w_in.root]
    assert roots[3] == data_root and roots[2] == roots[5] and len(roots) == 7
    assert not {roots[2]} & {entry["root"] for entry in journal(proven)}
    assert {roots[4], roots[6]} < {entry["root"] for entry in journal(proven)}
    assert len({entry["proof"] for entry in added[:3]}) == len({entry["proof"] for entry in added[3:]}) == 1
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


def test_links_are_opened_by_their_segment_and_by_the_data_proof(proven: Path) -> None:
    run = RunDirectory.open(proven).read_statement()[0]
    used = Counter(str(entry["root"]) for entry in journal(proven))
    stored = {run.data_root, *(segment.w_out.root for segment in RunDirectory.open(proven).segments())}
    links = {root: count for root, count in used.items() if root not in stored}
    assert used[run.data_root] == 2 and list(links.values()) == [2, 2, 2]
    assert {entry["budget"] for entry in journal(proven) if entry["root"] in links} == {run.data_budget}


def test_a_proof_of_more_segments_is_another_data_proof(trained: Path, tmp_path: Path) -> None:
    """Proven before the training was over: the finished segments stay, the data proof is made anew, in the bytes of a run
    that was proven once."""
    path = copy(trained, tmp_path / "run")
    later = path / "segments" / "2.json"
    kept = later.read_bytes()
    later.unlink()
    prove(path)
    assert len(verify(path / "run.zkproof", parameter_sets=SETS).segments) == 2
    before, sections = journal(path), {file.name: file.read_bytes() for file in (path / "sections").iterdir()}
    later.write_bytes(kept)
    whole = prove(path)
    assert verify(path / "run.zkproof", parameter_sets=SETS).complete
    assert whole == prove(copy(trained, tmp_path / "once"))
    for name, data in sections.items():
        assert (path / "sections" / name).read_bytes() == data
    data_root = RunDirectory.open(path).read_statement()[0].data_root
    assert Counter(entry["root"] for entry in journal(path))[data_root] == 3
    assert journal(path)[: len(before)] == before


def test_a_data_proof_of_another_segment_s_bytes_is_made_again(
    proven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after another release has proven a lost segment, before the data proof: the old one is gone."""
    path = copy(proven, tmp_path / "run")
    (path / "sections" / "segment-1.bin").unlink()
    monkeypatch.setattr("zkdl.openings.__version__", "another")
    with monkeypatch.context() as dying:
        dying.setattr("zkdl.sections.prove_data", lambda *arguments, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prove(path)
    assert not (path / "sections" / "dataset-3.bin").exists()
    prove(path)
    assert verify(path / "run.zkproof", parameter_sets=SETS).complete


def test_a_damaged_section_is_found_before_the_data_proof(proven: Path, tmp_path: Path) -> None:
    """Its link can only be made again from a section that is a proof, and from the data that it was made from."""
    path = copy(proven, tmp_path / "run")
    (path / "sections" / "dataset-3.bin").unlink()
    section = path / "sections" / "segment-1.bin"
    data = bytearray(section.read_bytes())
    data[len(data) // 2] ^= 1
    section.write_bytes(bytes(data))
    with pytest.raises(UsageError) as caught:
        prove(path)
    assert (caught.value.code, caught.value.where["file"]) == ("RUN_DAMAGED", str(section)) and caught.value.hint
    section.unlink()
    assert prove(path) == (proven / "run.zkproof").read_bytes()


@pytest.mark.parametrize("budget", [2, 10])
def test_any_number_of_segments_has_the_same_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    """Every segment ends after one step instead of two: one data proof all the same."""
    monkeypatch.setattr("zkdl.session.DATA_BUDGET", budget)
    path = tmp_path / "run"
    run = begin(path)
    assert run.data_budget == budget

    def short(run: RunStatement, features: object, labels: object, segment_steps: int) -> Trainer:
        return Trainer(run, features, labels, 1)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr("zkdl.session.Trainer", short)
    train(path)
    prove(path)
    found = verify(path / "run.zkproof", parameter_sets=SETS)
    assert found.complete and len(found.segments) == 6


def test_training_stops_before_a_segment_that_could_not_be_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every proof of a part of the run is another opening of the dataset; the last one is not for training to plan with."""
    monkeypatch.setattr("zkdl.session.DATA_BUDGET", 3)
    path = tmp_path / "run"
    run = begin(path)
    trained = iter(session(path).train())
    for _ in range(2):
        next(trained)
        trained.close()
        prove(path)
        trained = iter(session(path).train())
    with pytest.raises(ResourceError) as caught:
        next(trained)
    assert (caught.value.code, caught.value.exit_status) == ("BUDGET", 5)
    assert caught.value.hint and caught.value.where["step"] == 4
    # What is there can be proven again, and no more.
    prove(path)
    found = verify(path / "run.zkproof", parameter_sets=SETS)
    assert run.data_budget == 3 and found.whole_chain and not found.complete and len(found.segments) == 2


def test_openings_spent_by_another_release_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkdl.session.DATA_BUDGET", 4)
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
    # Four openings, two by each release: a third one has none left, and neither has a data proof of more segments.
    monkeypatch.setattr("zkdl.openings.__version__", "c")
    for work in (train, prove):
        with pytest.raises(ResourceError) as caught:
            work(path)
        assert caught.value.code == "BUDGET" and len(RunDirectory.open(path).segments()) == 1
    monkeypatch.setattr("zkdl.openings.__version__", "b")
    with pytest.raises(ResourceError):
        train(path)
    prove(path)
    assert len(verify(path / "run.zkproof", parameter_sets=SETS).segments) == 1
