"""Code blocks of the documents for users, and a runner that executes those of one page in order in one folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Pages with a test of their own, because they need more than the package.
ELSEWHERE = {"docs/pytorch.md": "tests/pytorch/test_documents.py", "docs/attestation.md": "tests/e2e/test_signing.py"}
LANGUAGES = ("sh", "python", "toml", "console")
_BLOCK = re.compile(
    r"(?P<marker><!-- not run: (?P<reason>[^>]+) -->\n)?^```(?P<language>\w*)(?P<rest>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block. title: the file that a toml block is; reason: why it is not run, "" if it is."""

    language: str
    code: str
    line: int
    title: str
    reason: str


def user_pages() -> list[Path]:
    """README and every page of the site but the specification, security notes and decisions, which describe no commands."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    inner = ("design", "spec", "security")
    found += [p for p in sorted((ROOT / "docs").rglob("*.md")) if p.relative_to(ROOT / "docs").parts[0] not in inner]
    return [page for page in found if page.relative_to(ROOT).as_posix() not in ELSEWHERE]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page in a language that can be run."""
    text, out = page.read_text(encoding="utf-8"), []
    for found in _BLOCK.finditer(text):
        if found["language"] in LANGUAGES:
            title = re.search(r'title="([^"]+)"', found["rest"])
            line = text[: found.start("code")].count("\n") + 1
            out.append(
                Block(
                    found["language"], found["code"], line, title[1] if title else "", (found["reason"] or "").strip()
                )
            )
    return out


def _environment(folder: Path) -> dict[str, str]:
    """The interpreter that runs the tests comes first, as in an activated environment; the user's settings do not count."""
    scripts = str(Path(sys.executable).parent)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZKDL_", "PYTHON", "COLUMNS"))}
    return {**kept, "PATH": scripts + os.pathsep + os.environ["PATH"], "HOME": str(folder)}


def shell(command: str, folder: Path) -> str:
    """stdout and stderr of a command of the page; a failure fails the test."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env=_environment(folder), text=True, check=False, timeout=120,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\nexit status {done.returncode}\n{done.stdout}"
    return done.stdout


def _console(code: str, folder: Path) -> None:
    """Commands after "$ ", each with the output that the page shows, word for word."""
    assert code.startswith("$ "), "a console block begins with a command"
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        # A command that is expected to fail says so itself, with `||`.
        assert shell(command, folder) == shown, command


def run_page(page: Path, folder: Path) -> int:
    """Run a page's blocks in `folder`, Python blocks in one namespace; returns how many ran."""
    names: dict[str, Any] = {"__name__": "page"}
    count, before = 0, Path.cwd()
    os.chdir(folder)
    try:
        for block in blocks(page):
            if block.reason:
                continue
            count += 1
            if block.language == "toml":
                assert block.title, f"{page.name}:{block.line}: a configuration names its file with title="
                Path(block.title).write_text(block.code, encoding="utf-8")
            elif block.language == "sh":
                shell(block.code, folder)
            elif block.language == "console":
                _console(block.code, folder)
            else:
                exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), names)
    finally:
        os.chdir(before)
    return count


def notebook_script(path: Path) -> str:
    """The code cells of a notebook, as one script."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
