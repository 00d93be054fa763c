"""--max-memory and --max-time: refused before anything starts, with what is needed and what to change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import zkdl as package
from tests.e2e.running import Finished, configure, refusal, zkdl
from zkdl.allowance import Allowance, parse_bytes, parse_seconds, seconds_text
from zkdl.datasets import digits
from zkdl.errors import ResourceError, UsageError

SMALL = ("--max-memory", "1MiB")
SHORT = ("--max-time", "0.001s")


@pytest.mark.parametrize("verb", ["check", "estimate", "train"])
@pytest.mark.parametrize(("limit", "code"), [(SMALL, "MEMORY"), (SHORT, "TIME")])
def test_before_a_run(tmp_path: Path, verb: str, limit: tuple[str, str], code: str) -> None:
    configuration = configure(tmp_path)
    done = zkdl(verb, configuration, *limit, "--json")
    assert (done.status, done.code) == (5, code)
    assert not (tmp_path / "run").exists() and "100 %" not in done.stderr
    where, hint = done.answer["where"], done.answer["hint"]
    names = ("needed_bytes", "limit_bytes") if code == "MEMORY" else ("needed_s", "limit_s")
    assert float(where[names[0]]) > float(where[names[1]]) > 0
    assert limit[0] in hint and re.search(r"smaller|segment_steps|fewer", hint)


@pytest.mark.parametrize(("limit", "code"), [(SMALL, "MEMORY"), (SHORT, "TIME")])
def test_before_proving(finished: Finished, tmp_path: Path, limit: tuple[str, str], code: str) -> None:
    half = finished.copy(tmp_path / "half")
    half.proof.unlink()
    (half.run / "sections" / "segment-1.bin").unlink()
    before = sorted(half.run.rglob("*"))
    assert refusal("prove", half.run, *limit) == (5, code)
    assert sorted(half.run.rglob("*")) == before
    enough = ("--max-memory", "8GiB", "--max-time", "1h")
    assert zkdl("prove", half.run, "--quiet", *enough).status == 0
    # Nothing is left to be proven.
    assert zkdl("prove", half.run, "--quiet", *SHORT).status == 0
    assert half.proof.read_bytes() == finished.proof.read_bytes()


def test_what_is_advised_is_enough(tmp_path: Path) -> None:
    configuration = configure(tmp_path)
    hint = zkdl("estimate", configuration, *SMALL, "--json").answer["hint"]
    advised = re.search(r"--max-memory to (\S+)", hint)
    assert advised is not None
    assert zkdl("estimate", configuration, "--max-memory", advised[1]).status == 0
    hint = zkdl("estimate", configuration, *SHORT, "--json").answer["hint"]
    advised = re.search(r"--max-time to (.+)$", hint)
    assert advised is not None
    # A forecast measures anew each time.
    assert zkdl("estimate", configuration, "--max-time", str(10 * parse_seconds(advised[1]))).status == 0


def test_fewer_steps_per_segment_are_advised(tmp_path: Path) -> None:
    text = "widths = [64, 256, 256, 10]"
    configuration = configure(tmp_path, model=text, schedule="steps = 512\nbatch = 64", run="segment_steps = 256")
    answer = zkdl("estimate", configuration, "--max-memory", "256MiB", "--json").answer
    assert answer["code"] == "MEMORY"
    advised = re.search(r"segment_steps = (\d+), which needs", answer["hint"])
    assert advised is not None and int(advised[1]) < 256
    configure(tmp_path, model=text, schedule="steps = 512\nbatch = 64", run=f"segment_steps = {advised[1]}")
    assert zkdl("estimate", configuration, "--max-memory", "256MiB").status == 0


def test_limits_of_the_configuration(tmp_path: Path) -> None:
    configuration = configure(tmp_path, run='max_memory = "1MiB"\nmax_time = 3600')
    assert refusal("train", configuration) == (5, "MEMORY")
    assert refusal("check", configuration) == (5, "MEMORY")
    # The command line has the last word.
    assert zkdl("estimate", configuration, "--max-memory", "8GiB").status == 0
    configure(tmp_path, run='max_time = "0.001s"')
    assert refusal("train", configuration) == (5, "TIME")
    assert zkdl("train", configuration, "--max-time", "1h", "--quiet").status == 0
    # The training is done; what is left is the proof, which is forecast all the same.
    assert refusal("train", configuration) == (5, "TIME")
    for wrong in ('max_memory = "much"', "max_memory = 1.5", 'max_time = "soon"', "max_time = -1", "max_time = true"):
        configure(tmp_path, run=wrong)
        assert refusal("train", configuration) == (2, "CONFIG_VALUE")


def test_limits_of_the_api(tmp_path: Path) -> None:
    x, y = (array[:96] for array in digits()[:2])
    model = package.MLP([64, 12, 10])

    def run(**limits: int | float | str) -> package.Run:
        return package.Run(model, batch=8, segment_steps=4, directory=tmp_path / "run", **limits)

    small, short = run(max_memory="1MiB"), run(max_time=0.001)
    for limited, code in ((small, "MEMORY"), (short, "TIME")):
        for work in (limited.check, limited.estimate, limited.fit):
            with pytest.raises(ResourceError) as caught:
                work(x, y, steps=2)
            assert caught.value.code == code
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError):
        run(max_time="soon")
    run(max_time="1h", max_memory=1 << 33).fit(x, y, steps=2)
    for limited, code in ((small, "MEMORY"), (short, "TIME")):
        with pytest.raises(ResourceError) as caught:
            limited.prove(tmp_path / "p")
        assert caught.value.code == code and not (tmp_path / "p").exists()
    run(max_time="1h").prove(tmp_path / "p")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), (" 1 H 5 s ", 3605), (7, 7)],
)  # fmt: skip
def test_times(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "1x", "1h-", "nan", "inf", "1e3", float("nan")])
def test_no_times(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_seconds(text)
    assert caught.value.code == "CONFIG_VALUE" and caught.value.hint


def test_memories() -> None:
    found = [parse_bytes(text) for text in ("1000000", "8G", "512MiB", "1.5k", "2 TB", 7)]
    assert found == [1000000, 8 << 30, 512 << 20, 1536, 2 << 40, 7]
    for text in ("", "GiB", "-1", "8X", "1e9"):
        with pytest.raises(UsageError):
            parse_bytes(text)


def test_limits_combine() -> None:
    assert not Allowance() and Allowance(max_time=0.0) and Allowance(max_memory=0)
    assert Allowance(1).over(Allowance(2, 3.0)) == Allowance(1, 3.0)
    assert [seconds_text(s) for s in (1.26, 600, 36000)] == ["1.3 s", "10.0 min", "10.0 h"]
