"""Benchmarks that cannot run say what is missing, in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Commands of README.md and benchmarks/NOTES.md.
NAMES = ("accuracy", "forgery", "headline", "kernels", "mnist", "mutation")


def run(name: str, *arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*([path] if path else []), *sys.path]))}
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("name", NAMES)
def test_each_says_how_it_is_used(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage:"), done.stderr


@pytest.mark.parametrize(("name", "dataset"), [("mnist", "mnist"), ("accuracy", "mnist"), ("headline", "cifar10")])
def test_a_dataset_that_is_not_there(name: str, dataset: str, tmp_path: Path) -> None:
    done = run(name, "--data", tmp_path / "none")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{tmp_path / 'none'} is not there; python tools/fetch_datasets.py {dataset} makes data/{dataset}"
    ]


def test_a_package_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'torch' else found(name, package)\n"
    )
    done = run("headline", "--data", tmp_path, path=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["torch cannot be imported; pip install '.[bench]'"]


def test_a_kernel_that_is_not_there() -> None:
    done = run("kernels", "--kernel", "none")
    assert done.returncode == 2 and "no kernel has such a name; there are " in done.stderr
