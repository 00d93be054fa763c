"""The statement package computes with integers and imports only numpy, the standard library and the errors."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zkdl.statement

MODULES = sorted(Path(zkdl.statement.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_floating_point(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Div), f"true division in {path.name}"
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), "a float literal"
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = node.id if isinstance(node, ast.Name) else node.attr
            assert not name.startswith("float"), f"{name} in {path.name}"
        if isinstance(node, ast.ImportFrom) and node.module == "math":
            assert [alias.name for alias in node.names] == ["isqrt"]


def test_import_closure():
    names = ", ".join(f"zkdl.statement.{path.stem}" for path in MODULES if path.stem != "__init__")
    code = f"import sys, {names}; print(*sorted(m for m in sys.modules if m.startswith('zkdl')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert all(name in ("zkdl", "zkdl.errors") or name.startswith("zkdl.statement") for name in loaded)
