"""Completion scripts, and what they ask the command for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import refusal, zkdl
from zkdl.cli.verbs import VERBS


def asked(words: str, place: int) -> list[str]:
    """What the command offers for the word at `place`."""
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path if folder)
    environment = {**os.environ, "PYTHONPATH": path, "_ZKDL_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "zkdl.cli.main"],
        env={**environment, "COMP_WORDS": words, "COMP_CWORD": str(place)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [line.removeprefix("plain,") for line in done.stdout.splitlines()]


def test_verbs_and_options() -> None:
    assert asked("zkdl ", 1) == list(VERBS)
    assert asked("zkdl ver", 1) == ["verify"]
    assert "--max-time" in asked("zkdl prove --max", 2)
    assert asked("zkdl completion ", 2) == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str) -> None:
    text = zkdl("completion", shell).stdout
    assert f"_ZKDL_COMPLETE={shell}_complete" in text
    assert text.rstrip("\n") == zkdl("completion", shell, "--json").answer["script"].rstrip("\n")
    found = shutil.which(shell)
    if found is not None:
        checked = subprocess.run([found, "-n"], input=text, capture_output=True, text=True, check=False, timeout=60)
        assert checked.returncode == 0, checked.stderr


def test_another_shell() -> None:
    assert refusal("completion", "tcsh") == (2, "USAGE")


def test_in_bash(tmp_path: Path) -> None:
    """The script sourced by a real shell, with the command on its path."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    command = tmp_path / "zkdl"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zkdl.cli.main "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join(os.path.abspath(folder) for folder in sys.path if folder)
    words = "COMP_WORDS=(zkdl inspect --sec); COMP_CWORD=2"
    script = f'source <(zkdl completion bash); {words}; _zkdl_completion zkdl; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        [bash, "--norc", "-c", script],
        env={**os.environ, "PYTHONPATH": path, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "--security", done.stderr
