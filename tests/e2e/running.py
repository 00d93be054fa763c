"""Small runs on a slice of the digits, and the command line inside and outside of this process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from zkdl.cli.main import cli
from zkdl.datasets import digits

EXAMPLES = 96
CONFIGURATION = """
[model]
widths = [64, 12, 10]
{model}
[data]
train = "digits.npz"
feature_bits = 5
feature_frac = 4
{data}
[schedule]
lr = 0.1
steps = 6
batch = 8
{schedule}
[formats]
{formats}
[run]
segment_steps = 4
{run}
"""


# For `python` below: a pause after every file of the run, so that a signal finds the command at work on any machine.
SLOW = """
import time
from zkdl import rundir

def slow(*arguments, real=rundir.write_atomic, **options):
    real(*arguments, **options)
    time.sleep(0.5)

rundir.write_atomic = slow
"""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        assert self.stdout.count("\n") == 1 and self.stdout.endswith("\n"), self.stdout
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found

    @property
    def code(self) -> str:
        return str(self.answer["code"])


def zkdl(*arguments: object) -> Outcome:
    """The command line in this process."""
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    return Outcome(done.exit_code, done.stdout, done.stderr)


def refusal(*arguments: object) -> tuple[int, str]:
    """Exit status and code of a command with --json."""
    done = zkdl(*arguments, "--json")
    assert done.answer["ok"] is False and "Traceback" not in done.stderr
    return done.status, done.code


def spawn(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return _child([sys.executable, "-m", "zkdl.cli.main", *(str(argument) for argument in arguments)], options)


def _take_interrupts() -> None:
    """A shell starts what it runs in the background with SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _child(command: list[str], options: dict[str, Any]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    return subprocess.Popen(command, **{"preexec_fn": _take_interrupts, **pipes, **options})


def ended(process: subprocess.Popen[str], timeout: float = 60) -> Outcome:
    """What a child process left behind; a signal that killed it is a negative status."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(process.returncode, stdout, stderr)


def first_line(process: subprocess.Popen[str]) -> str:
    """Wait until the child says on stderr that it is at work."""
    assert process.stderr is not None
    return process.stderr.readline()


def python(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A child process that runs `code` and then, unless that ended it, the command line."""
    script = f"{code}\nfrom zkdl.cli.main import main\nmain()\n"
    return _child([sys.executable, "-c", script, *(str(argument) for argument in arguments)], options)


def write_examples(path: Path, examples: int = EXAMPLES) -> None:
    """The first digits as .npz, as integers 0..16."""
    x, y, _, _ = digits()
    np.savez(path, features=(16 * x[:examples]).astype(np.int32), labels=y[:examples])


def configure(folder: Path, **parts: str) -> Path:
    """A configuration with its data; parts are more lines of a section."""
    folder.mkdir(parents=True, exist_ok=True)
    write_examples(folder / "digits.npz")
    sections = dict.fromkeys(("model", "data", "schedule", "formats", "run"), "")
    text = CONFIGURATION.format(**{**sections, **parts})
    for name in (line.split("=")[0].strip() for part in parts.values() for line in part.splitlines()):
        # A part replaces the line that the template has for the same key.
        lines = text.splitlines()
        found = [number for number, line in enumerate(lines) if line.split("=")[0].strip() == name]
        text = "\n".join(line for number, line in enumerate(lines) if number not in found[:-1])
    (folder / "run.toml").write_text(text)
    return folder / "run.toml"


@dataclass(frozen=True)
class Finished:
    """A run that has been trained and proven; tests read it and copy what they change."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "run.toml"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def proof(self) -> Path:
        return self.run / "run.zkproof"

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"

    @property
    def data(self) -> Path:
        return self.folder / "digits.npz"

    @property
    def data_key(self) -> Path:
        return self.run / "secrets" / "data.key"

    def copy(self, target: Path) -> Finished:
        shutil.copytree(self.folder, target)
        return Finished(target)


def finish(folder: Path, **parts: str) -> Finished:
    """Train and prove a small run by the command line."""
    configuration = configure(folder, **parts)
    done = Finished(folder)
    trained = zkdl("train", configuration, "--quiet")
    assert trained.status == 0, trained.stderr
    proven = zkdl("prove", done.run, "--reveal-weights", done.weights, "--quiet")
    assert proven.status == 0, proven.stderr
    return done
