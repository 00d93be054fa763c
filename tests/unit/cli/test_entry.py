"""The command where only the verifier is installed: packages are missing, and the answer is an error with a code."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from zkdl.cli import entry

# What is not there is neither found nor imported.
WITHOUT = """
import importlib.util, sys
gone = sys.argv.pop(1).split(",")
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in gone else found(name, package)
sys.modules.update({name: None for name in gone})
from zkdl.cli.entry import main
main()
"""


def command(gone: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path)}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, gone, *arguments],
        capture_output=True, text=True, check=False, timeout=60, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize("gone", ["click", "rich", "click,rich,safetensors"])
def test_packages_are_missing(gone: str) -> None:
    done = command(gone, "verify", "run.zkproof")
    assert (done.returncode, done.stdout) == (2, "")
    first, hint = done.stderr.splitlines()
    assert first.startswith("error[CLI_MISSING]: ") and first.endswith(gone.replace(",", ", "))
    assert f"pip install {gone.replace(',', ' ')};" in hint and "python -m zkdl.proof PROOF" in hint


def test_not_even_numpy() -> None:
    assert "python -m zkdl.reference.verifier PROOF" in command("numpy,click").stderr


def test_as_json() -> None:
    for verb, arguments in (("verify", ("--json", "verify", "p")), ("zkdl", ("--json", "nonsense"))):
        answer = json.loads(command("click", *arguments).stdout)
        assert answer["schema"] == f"zkdl/{verb}/1" and answer["ok"] is False
        assert answer["code"] == "CLI_MISSING" and answer["hint"] and answer["where"] == {}


def test_with_everything_it_is_the_command_line() -> None:
    done = command("nothing-of-this-name", "--version")
    assert done.returncode == 0 and done.stdout.startswith("zkdl, version ")


def test_what_is_needed_is_what_the_package_asks_for() -> None:
    """So that a new dependency is looked for as well."""
    from importlib.metadata import requires

    names = {line.split(">")[0].strip() for line in requires("zkdl") or [] if "extra" not in line}
    assert names == set(entry.NEEDED) and all(importlib.util.find_spec(name) for name in names)
