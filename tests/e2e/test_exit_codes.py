"""Every exit status as a shell sees it, and that after each failure what was computed is still there and can be finished."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.running import SLOW, Finished, Outcome, configure, ended, finish, first_line, python, spawn, zkdl
from zkdl.datasets import digits
from zkdl.rundir import RunDirectory


def shell(*arguments: object, code: str = "", **options: Any) -> tuple[int, str]:
    """Exit status and code of a command in a process of its own."""
    start = python(code, *arguments, "--json", **options) if code else spawn(*arguments, "--json", **options)
    done = ended(start)
    assert done.answer["ok"] is (done.status == 0), done
    assert "Traceback" not in done.stderr
    return done.status, done.code


@pytest.fixture(scope="module")
def other(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Another run on the same examples in the same formats, from another seed."""
    fraction = RunDirectory.open(finished.run).read_statement()[0].format.weight_frac
    formats = f"weight_frac = {fraction}"
    return finish(tmp_path_factory.mktemp("other") / "work", run='seed = "other"', formats=formats)


@pytest.fixture
def half(finished: Finished, tmp_path: Path) -> Finished:
    """The finished run without the proofs of its last segment and of the data, and without the container."""
    done = finished.copy(tmp_path / "half")
    done.proof.unlink()
    for name in ("segment-1", "dataset-2"):
        (done.run / "sections" / f"{name}.bin").unlink()
    return done


def check_kept_and_finish(run: Finished, whole: Finished) -> None:
    """Nothing that was computed is gone, and the same command ends in the same proof."""
    for name in ("segments/0.json", "segments/1.json", "sections/data.bin", "sections/segment-0.bin"):
        assert (run.run / name).read_bytes() == (whole.run / name).read_bytes()
    assert zkdl("prove", run.run, "--quiet").status == 0
    assert run.proof.read_bytes() == whole.proof.read_bytes()


def test_0(finished: Finished) -> None:
    options = ("--weights", finished.weights, "--data", finished.data, "--data-key", finished.data_key)
    assert shell("verify", finished.proof, *options) == (0, "OK")


def test_1_only_for_what_is_not_proven(finished: Finished, other: Finished, tmp_path: Path) -> None:
    changed = bytearray(finished.proof.read_bytes())
    changed[-100] ^= 1
    (tmp_path / "changed").write_bytes(bytes(changed))
    assert shell("verify", tmp_path / "changed")[0] == 1
    assert shell("verify", finished.proof, "--weights", other.weights) == (1, "WEIGHTS")
    assert shell("verify", finished.proof, "--data", "digits", "--data-key", finished.data_key) == (1, "DATA_ROOT")
    (tmp_path / "e.json").write_text(json.dumps({"steps": 7}))
    assert shell("verify", finished.proof, "--expect", tmp_path / "e.json") == (1, "EXPECTED_STATEMENT")
    assert shell("verify", finished.proof) == (0, "OK")


def test_2_usage(finished: Finished, tmp_path: Path) -> None:
    assert shell("verify", "--no-such-option", finished.proof) == (2, "USAGE")
    assert shell("verify", tmp_path / "nothing") == (2, "FILE_MISSING")
    (tmp_path / "bad.toml").write_text("[model\n")
    assert shell("train", tmp_path / "bad.toml") == (2, "CONFIG_SYNTAX")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.toml"]


def test_2_a_place_that_cannot_be_written_is_found_before_proving(half: Finished, finished: Finished) -> None:
    for options in (("--output", half.folder / "none" / "p"), ("--reveal-weights", half.folder / "none" / "w")):
        assert shell("prove", half.run, *options) == (2, "FILE_WRITE")
        assert not (half.run / "sections" / "segment-1.bin").exists()
    check_kept_and_finish(half, finished)


def test_2_without_its_journal(half: Finished, finished: Finished) -> None:
    journal = half.run / "journal.jsonl"
    lines = journal.read_bytes()
    journal.unlink()
    assert shell("prove", half.run) == (2, "RUN_DAMAGED")
    assert not journal.exists()
    journal.write_bytes(lines)
    check_kept_and_finish(half, finished)


def test_3_not_a_proof(finished: Finished, tmp_path: Path) -> None:
    whole = finished.proof.read_bytes()
    for content, code in (
        (b"not a proof", "PROOF_MAGIC"),
        (whole[: len(whole) // 2], "PROOF_TRUNCATED"),
        (whole[:8] + (99).to_bytes(4, "little") + whole[12:], "VERSION"),
    ):
        (tmp_path / "p").write_bytes(content)
        assert shell("verify", tmp_path / "p") == (3, code)


@pytest.mark.parametrize(
    ("parts", "codes"),
    [
        ({"model": "widths = [64, 12, 9]"}, {"DATA_LABEL_RANGE"}),
        ({"model": "widths = [65, 12, 10]"}, {"DATA_WIDTH"}),
        ({"data": "feature_bits = 16\nfeature_frac = 0", "formats": "weight_frac = 40"}, {"BOUND_FORWARD"}),
        ({"schedule": "steps = 2000000000"}, {"WEIGHT_FRAC", "TOO_LARGE"}),
    ],
    ids=["label", "widths", "bound", "fraction"],
)
def test_4_not_provable(tmp_path: Path, parts: dict[str, str], codes: set[str]) -> None:
    configuration = configure(tmp_path, **parts)
    status, code = shell("train", configuration)
    assert status == 4 and code in codes
    # The corrected configuration takes the same directory.
    configure(tmp_path)
    assert zkdl("train", configuration, "--quiet").status == 0


def test_4_not_a_number(tmp_path: Path) -> None:
    configuration = configure(tmp_path)
    x, y = (array[:96] for array in digits()[:2])
    x = x.astype(np.float64)
    x[5, 5] = np.nan
    np.savez(tmp_path / "digits.npz", features=x, labels=y)
    assert shell("train", configuration) == (4, "DATA_NAN")
    configure(tmp_path)
    assert zkdl("train", configuration, "--quiet").status == 0


def test_4_a_bound_that_breaks_later_leaves_what_is_proven(tmp_path: Path) -> None:
    """From step 4 on the weights may outgrow their bound: the segment before stays provable."""
    configuration = configure(tmp_path, formats="weight_frac = 40", schedule="changes = [[4, 100.0]]")
    status, code = shell("train", configuration)
    segments = len(RunDirectory.open(tmp_path / "run").segments())
    assert status == 4 and code.startswith("BOUND_") and segments == 1
    assert zkdl("prove", tmp_path / "run", "--quiet").status == 0
    statement = zkdl("verify", tmp_path / "run" / "run.zkproof", "--json").answer["statement"]
    assert statement["complete"] is False and len(statement["segments"]) == segments


def test_5_memory(half: Finished, finished: Finished) -> None:
    assert shell("prove", half.run, "--max-memory", "1MiB") == (5, "MEMORY")
    check_kept_and_finish(half, finished)


def test_5_disk(half: Finished, finished: Finished) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    assert shell("prove", half.run, preexec_fn=small) == (5, "DISK_FULL")
    assert not list(half.run.rglob("*.partial"))
    check_kept_and_finish(half, finished)


def test_5_disk_while_training(tmp_path: Path) -> None:
    """Full before anything is committed, and full after the first segment."""
    configuration = configure(tmp_path, run="segment_steps = 2")

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 9, 1 << 9))

    assert shell("train", configuration, preexec_fn=small) == (5, "DISK_FULL")
    process = spawn("train", configuration, "--quiet")
    assert ended(process).status == 0
    whole = {path.name: path.read_bytes() for path in (tmp_path / "run" / "weights").iterdir()}
    for name in ("segments/1.json", "segments/2.json", "weights/step-4.safetensors", "weights/step-6.safetensors"):
        (tmp_path / "run" / name).unlink()
    assert shell("train", configuration, preexec_fn=small) == (5, "DISK_FULL")
    assert (tmp_path / "run" / "segments" / "0.json").exists()
    assert zkdl("train", configuration, "--quiet").status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "run" / "weights").iterdir()} == whole


def test_5_opening_budget(half: Finished, finished: Finished) -> None:
    journal, run = half.run / "journal.jsonl", RunDirectory.open(half.run).read_statement()[0]
    lines = journal.read_text().splitlines(keepends=True)
    # As if other releases had made data proofs again and again.
    last = json.loads(lines[-1])["proof"]
    kept = [line for line in lines if json.loads(line)["proof"] != last]
    spent = [
        json.dumps({"root": run.data_root, "proof": str(k), "budget": run.data_budget}) + "\n"
        for k in range(run.data_budget - 1)
    ]
    journal.write_text("".join(kept + spent))
    assert shell("prove", half.run) == (5, "BUDGET")
    assert journal.read_text() == "".join(kept + spent)
    journal.write_text("".join(lines))
    check_kept_and_finish(half, finished)


def test_6_no_such_backend(half: Finished, finished: Finished) -> None:
    assert shell("prove", half.run, "--backend", "cuda") == (6, "DEVICE_UNKNOWN")
    without = "import sys\nsys.modules['zkdl._native'] = None"
    assert shell("prove", half.run, "--backend", "native", code=without) == (6, "DEVICE_NATIVE")
    check_kept_and_finish(half, finished)


BROKEN = """
import zkdl.sections
def broken(*arguments, **options):
    raise ValueError(f"broken with {len(arguments)} arguments")
zkdl.sections.prove_segment = broken
"""


def test_70_a_bug(half: Finished, finished: Finished) -> None:
    done = ended(python(BROKEN, "prove", half.run, "--json"))
    assert (done.status, done.code) == (70, "INTERNAL")
    assert "Please report" in done.stderr and "in broken" in done.stderr
    check_kept_and_finish(half, finished)


def test_130_interrupted_while_proving(half: Finished, finished: Finished) -> None:
    process = python(SLOW, "prove", half.run, "--json")
    first_line(process)
    process.send_signal(signal.SIGINT)
    done: Outcome = ended(process)
    assert (done.status, done.code) == (130, "INTERRUPTED")
    check_kept_and_finish(half, finished)
