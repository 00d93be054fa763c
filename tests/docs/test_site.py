"""Links of the documentation site; the strict build itself is a step of continuous integration."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.docs.pages import ROOT

pytest.importorskip("mkdocs", reason="the extra [docs] is not installed")


def _hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hook", ROOT / "tools" / "site.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
