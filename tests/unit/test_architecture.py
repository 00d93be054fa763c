"""What the source tree must look like: who may import whom, how long a file may be, what may not stand in it."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "zkdl"
FOLDERS = (".ci", "benchmarks", "docs", "examples", "native", "src", "tests", "tools")

# From used to user. Modules directly below zkdl belong to the layer of the API.
LAYERS = ("algebra", "transcript", "hiding", "commitment", "protocols", "proof", "api", "cli")
FREE = {"errors", "backend", "statement"}
# What the packages outside the arrow may use themselves.
OWN = {
    "errors": {"errors"},
    "backend": {"errors", "backend", "_native"},
    "statement": {"errors", "statement"},
    "train": {"errors", "backend", "statement", "train"},
}
USES_TRAIN = "zkdl.proof.prove"

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80
HOSTS = {
    "arxiv.org",
    "doi.org",
    "eprint.iacr.org",
    "github.com",
    "in-toto.io",
    "json-schema.org",
    "www.apache.org",
}


@cache
def tracked_files() -> tuple[Path, ...]:
    """Files that git tracks or would add; without git, everything in the project's own folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        found = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")] + list(ROOT.glob("*.*"))
    return tuple(sorted(path for path in found if path.is_file() and not path.is_symlink()))


def text_files() -> Iterator[tuple[Path, str]]:
    for path in tracked_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def python_files() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def module_name(path: Path) -> str:
    parts = list(path.relative_to(SOURCE.parent).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """The layer or free package of zkdl.<package>..."""
    name = module.split(".")[1]
    return name if name in {*LAYERS, *FREE, "train", "_native"} else "api"


def imports(path: Path) -> set[str]:
    """Modules of zkdl that a file imports anywhere, functions and type checking included."""
    module, found = module_name(path), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            base = node.module or ""
            found |= {f"{base}.{alias.name}" if base == "zkdl" else base for alias in node.names}
    return {name for name in found if name.startswith("zkdl.") and name != "zkdl.__version__"}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_follow_the_arrow(path: Path) -> None:
    module = module_name(path)
    if module == "zkdl":
        return  # names for type checkers only; `test_importing_zkdl_imports_nothing` is stricter
    package = package_of(module)
    for name in imports(path):
        used = package_of(name)
        if package in OWN:
            assert used in OWN[package], f"{module} may not import {name}"
        elif used == "train":
            above = LAYERS.index(package) > LAYERS.index("proof")
            assert above or module == USES_TRAIN, f"{module} may not import the training"
        elif used not in FREE:
            assert used != "_native", f"{module}: kernels are reached through a backend"
            assert LAYERS.index(used) <= LAYERS.index(package), f"{module} may not import {name}"


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_verifier_needs_numpy_and_the_standard_library_only() -> None:
    blocked = ("torch", "cupy", "zkdl.train", "zkdl._native", "click", "rich", "safetensors", "scipy")
    code = f"""
import sys
for name in {blocked!r}:
    sys.modules[name] = None
before = set(sys.modules)
import zkdl.proof.verify
from zkdl.backend.select import get_backend
assert get_backend().name == "numpy"
loaded = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(" ".join(sorted(loaded - set(sys.stdlib_module_names))))
print(" ".join(sorted(name for name in set(sys.modules) - before if name.startswith("zkdl."))))
"""
    outside, own = _run(code).splitlines()
    assert set(outside.split()) == {"numpy", "zkdl"}
    packages = {package_of(name) for name in own.split()}
    assert packages <= {"algebra", "transcript", "hiding", "commitment", "protocols", "proof", *FREE}
    assert not {"zkdl.proof.prove", "zkdl.proof.segment_prover", "zkdl.proof.prover_tables"} & set(own.split())


def test_importing_zkdl_imports_nothing() -> None:
    code = """
import sys
before = set(sys.modules)
import zkdl
dir(zkdl), zkdl.__version__
new = set(sys.modules) - before
print(" ".join(sorted(n for n in new if n.split(".")[0] not in sys.stdlib_module_names)))
"""
    assert _run(code).split() == ["zkdl"]


def test_files_are_short() -> None:
    suffixes = {".py", ".pyi", ".h", ".cpp", ".toml", ".txt", ".sh"}
    for path, text in text_files():
        if path.suffix in suffixes or path.parent.name == ".ci":
            assert text.count("\n") <= MAX_FILE_LINES, f"{path.relative_to(ROOT)} is too long"


def test_functions_are_short() -> None:
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= MAX_FUNCTION_LINES, f"{path.relative_to(ROOT)}: {node.name} has {lines} lines"


def test_no_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "misc", "common"}
    assert not [path for path in tracked_files() if path.stem in drawers]


def test_nothing_is_left_to_do() -> None:
    marks = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"]))
    for path, text in text_files():
        found = marks.search(text)
        assert found is None, f"{path.relative_to(ROOT)}: {found and found.group()}"


def test_no_machine_is_named() -> None:
    """No absolute path of somebody's machine, and no host but those of public references."""
    paths = re.compile(r"(?<![\w./<{-])/(?:work|root|home|Users|mnt|srv|opt)/\w")
    hosts = re.compile(r"\b(?:https?|ssh|git)://([\w.-]+)")
    for path, text in text_files():
        found = paths.search(text)
        assert found is None, f"{path.relative_to(ROOT)} names a path: {found and found.group()}"
        unknown = set(hosts.findall(text)) - HOSTS
        assert not unknown, f"{path.relative_to(ROOT)} names a host: {unknown}"


def _comments(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def test_every_lint_escape_has_a_reason() -> None:
    noqa = re.compile(r"# noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)* - \w.*")
    ignore = re.compile(r"# type: ignore\[[\w, -]+\]  # \w.*")
    for path in python_files():
        for comment in _comments(path):
            where = f"{path.relative_to(ROOT)}: {comment}"
            if "noqa" in comment:
                assert noqa.search(comment), where
            if "type: ignore" in comment:
                assert ignore.search(comment), where
