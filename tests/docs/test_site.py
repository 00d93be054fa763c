"""Links of the documentation site; the strict build itself is a step of continuous integration."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.docs.pages import ROOT

pytest.importorskip("mkdocs", reason="the extra [docs] is not installed")


def _tool(name: str) -> ModuleType:
    """A module of `tools/`, under a name that hides no other module."""
    spec = importlib.util.spec_from_file_location(f"tool_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _hook() -> ModuleType:
    return _tool("site")


def _extension() -> ModuleType:
    pytest.importorskip("griffe", reason="the extra [docs] is not installed")
    return _tool("docstrings")


def test_arguments_that_share_a_line() -> None:
    text = (
        "Title. x: not here.\n\nArgs:\n    x, y: both. z: its\n        rest, and x: no cut\n    other: w\nReturns: x: y"
    )
    expected = "Title. x: not here.\n\nArgs:\n    x: both."
    expected += "\n    y: both.\n    z: its\n        rest, and x: no cut\n    other: w\nReturns: x: y"
    assert _extension().split(text, {"x", "y", "z"}) == expected


def test_every_argument_on_the_page_has_its_type() -> None:
    """Of what docs/reference.md shows."""
    griffe = pytest.importorskip("griffe")
    loaded = griffe.load_extensions(str(ROOT / "tools" / "docstrings.py"))
    package = griffe.load("zkdl", search_paths=[str(ROOT / "src")], extensions=loaded)
    shown = re.findall(r"^::: zkdl\.(\S+)", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), re.MULTILINE)
    count, without = 0, []
    stack = [package[name] for name in shown]
    while stack:
        found = stack.pop()
        stack += [one for one in found.members.values() if not one.is_alias and not one.name.startswith("_")]
        sections = found.docstring.parse("google", warnings=False) if found.docstring else []
        for section in sections:
            for argument in section.value if section.kind.value in ("parameters", "attributes") else []:
                count += 1
                without += [f"{found.path}: {argument.name}"] if argument.annotation is None else []
    assert count > 50 and without == []


class _Files:
    """What the hook asks of mkdocs: pages below docs/, design notes left out."""

    def get_file_from_path(self, path: str) -> SimpleNamespace | None:
        excluded = path.startswith("design/")
        found = (ROOT / "docs" / Path(path)).is_file()
        return SimpleNamespace(inclusion=SimpleNamespace(is_excluded=lambda: excluded)) if found else None


@pytest.mark.parametrize(
    ("page", "text", "expected"),
    [
        ("index.md", "[a](errors.md#merkle)", "[a](errors.md#merkle)"),
        ("concepts/cryptography.md", "[a](../../SECURITY.md#reporting)", "[a](../security/threat-model.md#reporting)"),
        ("project/readme.md", "[a](docs/errors.md)", "[a](../errors.md)"),
        ("project/readme.md", "[docs/spec/](docs/spec/README.md)", "[docs/spec/](../spec/README.md)"),
        ("project/readme.md", "[notes](benchmarks/NOTES.md)", "notes (`benchmarks/NOTES.md`)"),
        ("project/readme.md", "[benchmarks/NOTES.md](benchmarks/NOTES.md)", "benchmarks/NOTES.md"),
        ("decisions.md", "[a](design/protocol.md)", "a (`docs/design/protocol.md`)"),
        ("index.md", "`[a](../SECURITY.md)`", "`[a](../SECURITY.md)`"),
        ("index.md", "[`a`](../SECURITY.md)", "[`a`](security/threat-model.md)"),
        ("index.md", "[a](absent.md)", "[a](absent.md)"),
    ],
)  # fmt: skip
def test_links(page: str, text: str, expected: str) -> None:
    assert _hook().rewrite(text, page, _Files()) == expected
