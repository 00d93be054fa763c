"""Whatever ends a process at whatever moment: run again, it ends in the same weights and the same proof, to the byte."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import SLOW, configure, ended, first_line, python, refusal, spawn, zkdl
from zkdl import journal, rundir, storage
from zkdl import session as zkdl_session
from zkdl.backend.select import get_backend
from zkdl.configuration import read_configuration
from zkdl.rundir import RunDirectory
from zkdl.session import Session

STEPS = {"schedule": "steps = 8", "run": "segment_steps = 2"}
KILLS = 7


class Died(BaseException):
    """The process ends here; nothing may catch it."""


def contents(run: Path) -> dict[str, bytes]:
    """Everything in a run directory but the lock, half-written files and how long something took."""
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "lock" and path.suffix != ".partial"]
    found = {str(path.relative_to(run)): path.read_bytes() for path in files}
    for name in [name for name in found if name.startswith("figures/")]:
        figures = json.loads(found.pop(name))
        if "loss" in figures:
            found[name] = json.dumps({**figures, "seconds": 0}, sort_keys=True).encode()
    return found


def openings(run: Path) -> list[str]:
    return (run / "journal.jsonl").read_text().splitlines()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with run.toml, `begun` (committed, nothing trained) and `whole`, the same run finished in one go."""
    folder = tmp_path_factory.mktemp("resume")
    path = configure(folder, **STEPS)
    configuration = read_configuration(path)
    data = configuration.load_train()
    session = Session(RunDirectory.create(folder / "begun"), get_backend())
    session.begin(configuration.draft(data), data.features, data.labels, configuration.segment_steps)
    shutil.copytree(folder / "begun", folder / "whole")
    assert zkdl("train", path, "--directory", folder / "whole", "--quiet").status == 0
    assert zkdl("prove", folder / "whole", "--quiet").status == 0
    return folder


def finish_under_fire(arguments: list[object], moments: random.Random, longest: float, kills: int) -> int:
    """Repeat a command, killing it up to `kills` times; returns how many kills hit it at work."""
    hits = 0
    while hits < kills:
        process = spawn(*arguments)
        first_line(process)
        try:
            process.wait(moments.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        done = ended(process)
        if done.status == 0:
            return hits
        assert done.status == -signal.SIGKILL, done.stderr
        hits += 1
    done = ended(spawn(*arguments))
    assert done.status == 0, done.stderr
    return hits


def how_long(*arguments: object) -> float:
    """Seconds between the first sign of work and the end."""
    process = spawn(*arguments)
    first_line(process)
    started = time.monotonic()
    assert ended(process).status == 0
    return time.monotonic() - started


def test_killed_at_any_time(work: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments while training and proving, over and over, until enough of them hit."""
    configuration, expected = work / "run.toml", contents(work / "whole")
    shutil.copytree(work / "begun", tmp_path / "clock")
    train = how_long("train", configuration, "--directory", tmp_path / "clock")
    prove = how_long("prove", tmp_path / "clock")
    assert contents(tmp_path / "clock") == expected
    moments, hits = random.Random(20), {"train": 0, "prove": 0}
    for attempt in range(12):
        run = tmp_path / f"run-{attempt}"
        shutil.copytree(work / "begun", run)
        command: list[object] = ["train", configuration, "--directory", run]
        hits["train"] += finish_under_fire(command, moments, 0.5 * train, 3)
        hits["prove"] += finish_under_fire(["prove", run], moments, 0.5 * prove, 6)
        found = contents(run)
        assert openings(run) == openings(work / "whole")
        assert found == expected
        if sum(hits.values()) >= KILLS and min(hits.values()) >= 2:
            break
    else:
        pytest.fail(f"the kills came too late: {hits}")
    assert zkdl("verify", run / "run.zkproof", "--quiet").status == 0


def test_killed_while_it_begins(work: Path, tmp_path: Path) -> None:
    """Before the statement is written nothing is promised but that the next attempt works."""
    moments, run = random.Random(7), tmp_path / "run"
    for _ in range(3):
        process = spawn("train", work / "run.toml", "--directory", run)
        first_line(process)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        ended(process)
    assert zkdl("train", work / "run.toml", "--directory", run, "--quiet").status == 0
    assert zkdl("prove", run, "--quiet").status == 0
    assert zkdl("verify", run / "run.zkproof", "--quiet").status == 0
    weights = "weights/step-8.safetensors"
    assert contents(run).keys() == contents(work / "whole").keys()
    # The initial weights are those of the configuration, the order of the examples that of a run of its own.
    assert contents(run)[weights] != contents(work / "whole")[weights]


class Mortal:
    """Lets a process die at its n-th durable write, n = 1, 2, 3, 4, 1, ...: before it or after it."""

    def __init__(self, after: bool) -> None:
        self.after = after
        self.deaths = 0
        self._turns = itertools.cycle((1, 2, 3, 4))
        self._left = next(self._turns)

    def __call__(self, real: Callable[..., None]) -> Callable[..., None]:
        def write(*arguments: Any, **options: Any) -> None:
            self._left -= 1
            if self._left or self.after:
                real(*arguments, **options)
            if not self._left:
                self.deaths += 1
                self._left = next(self._turns)
                raise Died

        return write


@pytest.mark.parametrize("after", [False, True])
def test_dying_at_every_write(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    """Not at random: every process dies at one of its first durable writes, and the next one goes on."""
    run, mortal = tmp_path / "run", Mortal(after)
    shutil.copytree(work / "begun", run)
    for module, name in (
        (rundir, "write_atomic"),
        (journal, "append_line"),
        (zkdl_session, "write_container"),
    ):
        monkeypatch.setattr(module, name, mortal(getattr(module, name)))
    for step in ("train", "prove"):
        while True:
            session = Session(RunDirectory.open(run), get_backend())
            try:
                if step == "train":
                    list(session.train())
                else:
                    session.prove(run / "run.zkproof")
                break
            except Died:
                assert set(openings(run)) <= set(openings(work / "whole"))
    assert mortal.deaths >= 14
    assert contents(run) == contents(work / "whole")


@pytest.mark.parametrize(
    ("number", "verb"), [(signal.SIGTERM, "train"), (signal.SIGTERM, "prove"), (signal.SIGINT, "train")]
)
def test_asked_to_end(work: Path, tmp_path: Path, number: signal.Signals, verb: str) -> None:
    """Both requests end a command in the same way: status 130, one sentence, nothing lost."""
    run = tmp_path / "run"
    shutil.copytree(work / "begun", run)
    train = ["train", work / "run.toml", "--directory", run]
    command: list[object] = [*train] if verb == "train" else ["prove", run]
    if verb == "prove":
        assert zkdl(*train, "--quiet").status == 0
    process = python(SLOW, *command, "--json")
    first_line(process)
    process.send_signal(number)
    done = ended(process)
    assert (done.status, done.code) == (130, "INTERRUPTED"), done.stderr
    # Python itself reports an object of its library that the request caught half made.
    own = done.stderr.split("Exception ignored in:")[0]
    assert "run the same command again" in done.stderr and "Traceback" not in own
    for again in (train, ["prove", run]):
        assert zkdl(*again, "--quiet").status == 0
    assert contents(run) == contents(work / "whole")


SLEEPING_VERIFIER = """
import os, stat, sys
from dataclasses import replace
from pathlib import Path
from zkdl.cli import demo
verifier = Path("verifier")
verifier.write_text("#!/bin/sh\\necho $$ > started\\nexec sleep 60\\n")
verifier.chmod(0o700)
demo.sys.executable = str(verifier.absolute())
demo.CONFIGURATION = replace(
    demo.CONFIGURATION, widths=(64, 12, 10), bias=(True, True), epochs=None, steps=4, segment_steps=4
)
"""


def test_a_request_to_end_reaches_child_processes(tmp_path: Path) -> None:
    """The demonstration verifies in a child process; neither that nor its folder outlives it."""
    (tmp_path / "temporary").mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path / "temporary"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    process = python(SLEEPING_VERIFIER, "demo", cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 30
    while not (tmp_path / "started").exists() or not (tmp_path / "started").read_text().endswith("\n"):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    child = int((tmp_path / "started").read_text())
    os.kill(child, 0)
    process.terminate()
    done = ended(process)
    assert done.status == 130, done.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_two_processes_on_one_run(work: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(work / "whole", run)
    with storage.exclusive(run):
        assert refusal("prove", run) == (2, "LOCKED")
        assert refusal("train", work / "run.toml", "--directory", run) == (2, "LOCKED")
    assert contents(run) == contents(work / "whole")


def test_lost_weights_are_trained_again(work: Path, tmp_path: Path) -> None:
    """As the hint says: delete the segment's statement, train, prove. It ends in the same bytes and opens nothing new."""
    run, lost = tmp_path / "run", "step-4.safetensors"
    shutil.copytree(work / "whole", run)
    expected = contents(run)
    (run / "weights" / lost).unlink()
    shutil.rmtree(run / "sections")
    (run / "run.zkproof").unlink()
    for verb in ("prove", "report"):
        done = zkdl(verb, run, "--json")
        assert (done.status, done.code) == (2, "RUN_DAMAGED")
        assert done.answer["where"]["file"] == str(run / "weights" / lost)
        assert str(run / "segments" / "1.json") in done.answer["hint"]
    (run / "segments" / "1.json").unlink()
    assert zkdl("train", work / "run.toml", "--directory", run, "--quiet").status == 0
    assert zkdl("prove", run, "--quiet").status == 0
    found = contents(run)
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


def test_the_last_weights_are_lost(work: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(work / "whole", run)
    (run / "weights" / "step-8.safetensors").write_bytes(b"")
    for verb, what in (("train", [work / "run.toml", "--directory", run]), ("prove", [run])):
        (run / "sections" / "segment-3.bin").unlink(missing_ok=True)
        done = zkdl(verb, *what, "--json")
        assert (done.status, done.code) == (2, "RUN_DAMAGED") and str(run / "segments" / "3.json") in done.answer[
            "hint"
        ]


def test_a_half_section_is_named(work: Path, tmp_path: Path) -> None:
    """A disk may lose the end of a file that was flushed; the verifier says which one."""
    run = tmp_path / "run"
    shutil.copytree(work / "whole", run)
    section = run / "sections" / "segment-2.bin"
    section.write_bytes(section.read_bytes()[:1000])
    assert zkdl("prove", run, "--quiet").status == 0
    done = zkdl("verify", run / "run.zkproof", "--json")
    assert (done.status, done.code) == (3, "PROOF_TRUNCATED") and done.answer["where"]["section"] == "segment-2"


def test_a_run_of_another_release(work: Path, tmp_path: Path) -> None:
    """Its statement may have other fields, or a parameter set that is unknown here: neither is a bug."""
    run = tmp_path / "run"
    shutil.copytree(work / "whole", run)
    (run / "sections" / "segment-0.bin").unlink()
    stated = json.loads((run / "run.json").read_bytes())
    for change in ({"parameter_set": "later"}, {"later_field": 1}):
        (run / "run.json").write_text(json.dumps({**stated, "run": {**stated["run"], **change}}))
        done = zkdl("prove", run, "--json")
        assert (done.status, done.code) == (2, "RUN_DAMAGED")
        assert done.answer["where"]["file"] == str(run / "run.json") and "release" in done.answer["hint"]
