"""Messages, JSON and exit statuses of the frame around every verb."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner

from zkdl import errors
from zkdl.cli.main import cli
from zkdl.cli.output import Output, verb
from zkdl.cli.verbs import VERBS

FAILURES = [
    (errors.Rejected("no", code="WEIGHTS"), 1, "WEIGHTS"),
    (errors.UsageError("no", code="LOCKED"), 2, "LOCKED"),
    (errors.VersionError("no"), 3, "VERSION"),
    (errors.OutOfRange("no", layer=2), 4, "OUT_OF_RANGE"),
    (errors.ResourceError("no", code="BUDGET"), 5, "BUDGET"),
    (errors.DeviceError("no"), 6, "DEVICE"),
    (errors.InternalError("no"), 70, "INTERNAL"),
    (ValueError("a bug"), 70, "INTERNAL"),
    (MemoryError(), 5, "MEMORY"),
    (KeyboardInterrupt(), 130, "INTERRUPTED"),
    (click.Abort(), 130, "INTERRUPTED"),
    (click.BadParameter("no"), 2, "USAGE"),
]


def failing(error: BaseException) -> click.Command:
    @click.command("train")
    @verb("train")
    def command(output: Output) -> None:
        raise error

    return command


@pytest.mark.parametrize(("error", "status", "code"), FAILURES, ids=[type(e).__name__ for e, _, _ in FAILURES])
def test_every_failure_is_one_object_and_its_status(error: BaseException, status: int, code: str) -> None:
    result = CliRunner().invoke(failing(error), ["--json"])
    assert result.exit_code == status
    body = json.loads(result.stdout)
    assert set(body) == {"schema", "ok", "code", "message", "hint", "where"}
    assert (body["schema"], body["ok"], body["code"]) == ("zkdl/train/1", False, code)


@pytest.mark.parametrize(("error", "status", "code"), FAILURES, ids=[type(e).__name__ for e, _, _ in FAILURES])
def test_text_failures_leave_stdout_empty(error: BaseException, status: int, code: str) -> None:
    result = CliRunner().invoke(failing(error), [])
    assert (result.exit_code, result.stdout) == (status, "")
    assert code in result.stderr or code in ("INTERRUPTED", "USAGE")


def test_bug_report_has_no_values() -> None:
    secret = 123456789

    @click.command("train")
    @verb("train")
    def command(output: Output) -> None:
        raise ValueError("broken") if secret else KeyError

    result = CliRunner().invoke(command, [])
    assert "Please report" in result.stderr and "zkdl 0." in result.stderr
    assert str(secret) not in result.stderr


def test_hint_and_place_are_printed() -> None:
    result = CliRunner().invoke(failing(errors.UsageError("no", code="LOCKED", hint="Wait", file="run:x:")), [])
    assert result.stderr.splitlines() == [
        "error[LOCKED]: no",
        "  file: run:x:",
        "  fix: Wait",
        "  see: docs/errors.md#locked",
    ]


def test_control_characters_of_a_stranger_do_not_reach_the_terminal() -> None:
    result = CliRunner().invoke(failing(errors.Rejected("a\x1b[2Jb", name="\x07c")), [])
    assert "\x1b" not in result.stderr and "\x07" not in result.stderr
    assert "a?[2Jb" in result.stderr


@pytest.mark.parametrize(
    "arguments", [["verify", "--bogus"], ["nonsense"], ["verify"], ["train", "--threads", "0", "x"]]
)
def test_usage_errors(arguments: list[str]) -> None:
    plain = CliRunner().invoke(cli, arguments)
    assert (plain.exit_code, plain.stdout) == (2, "")
    assert "Error: " in plain.stderr
    shown = CliRunner().invoke(cli, [*arguments, "--json"])
    assert shown.exit_code == 2
    body = json.loads(shown.stdout)
    assert (body["code"], body["ok"]) == ("USAGE", False)
    assert body["message"]


def test_interruption_while_a_verb_is_imported_is_not_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zkdl.cli.main.importlib.import_module", interrupt)
    assert CliRunner().invoke(cli, ["verify", "x"]).exit_code == 130


def test_a_verb_that_cannot_be_imported_is_a_bug_not_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError("broken installation")

    monkeypatch.setattr("zkdl.cli.main.importlib.import_module", fail)
    assert CliRunner().invoke(cli, ["verify", "x"]).exit_code == 70


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_json_and_quiet(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.stdout and "--quiet" in result.stdout


def test_top_level_help_and_version() -> None:
    shown = CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0 and all(name in shown.stdout for name in VERBS)
    assert CliRunner().invoke(cli, ["--version"]).exit_code == 0


def test_progress_tells_the_time_left_and_is_silent_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((100.0, 110.0, 111.0, 112.0))
    monkeypatch.setattr("zkdl.cli.output.time.monotonic", lambda: next(clock))
    output = Output("prove")
    output.progress("resumed", 0.4)
    output.progress("phase", 0.6)
    output.progress("too soon", 0.8)
    output.progress("done", 1.0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [" 40 % resumed", " 60 % phase, 20 s left", "100 % done"]
    monkeypatch.undo()
    quiet = Output("prove", silent=True)
    quiet.progress("phase", 0.5)
    quiet.say("text")
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_goes_away_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    calls = []

    def gone(text: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("zkdl.cli.output.click.echo", gone)
    monkeypatch.setattr("zkdl.cli.output.os.dup2", lambda *descriptors: calls.append(descriptors))
    monkeypatch.setattr("zkdl.cli.output.sys.stdout", type("Closed", (), {"fileno": staticmethod(lambda: 1)}))
    Output("verify", as_json=True).result("text", {})
    assert len(calls) == 1
