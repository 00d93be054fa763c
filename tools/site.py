"""Hook of the documentation site: documents of the repository's root become pages, and links to code become plain names.

README.md, SECURITY.md and their neighbours are read where they are, so that no text exists twice. A link from any page to a file
that is not part of the site (source, benchmarks, design notes) is shown as its text and the file's path.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# Where a document of the root stands on the site.
PAGES = {
    "README.md": "project/readme.md",
    "SECURITY.md": "security/threat-model.md",
    "NOTATION.md": "project/notation.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "LICENSE": "project/licence.md",
}
_LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"(```.*?```|``[^`]*``|`[^`\n]*`)", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the root's documents."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        content = f"# Licence\n\n```text\n{text}```\n" if name == "LICENSE" else text
        files.append(File.generated(config, page, content=content))
    return files


def _source(page: str) -> str:
    """The path of a page in the repository."""
    for name, where in PAGES.items():
        if where == page:
            return name
    return posixpath.join("docs", page)


def _on_site(path: str, files: Files) -> str | None:
    """The page of a file of the repository, or None."""
    if path in PAGES:
        return PAGES[path]
    inside = path.removeprefix("docs/")
    if path == inside:
        return None
    found = files.get_file_from_path(inside)
    return None if found is None or found.inclusion.is_excluded() else inside


def rewrite(text: str, page: str, files: Files) -> str:
    """The Markdown of a page with links that hold on the site."""
    folder = posixpath.dirname(_source(page))

    # Links are looked for outside of code only, but their text may hold code.
    held: list[str] = []

    def hold(found: re.Match[str]) -> str:
        held.append(found.group())
        return f"\x00{len(held) - 1}\x00"

    def link(found: re.Match[str]) -> str:
        mark, label, target = found.groups()
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            return found.group()
        name, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, name))
        if not (ROOT / path).exists():
            return found.group()  # the strict build names it
        if (ROOT / path).is_dir() and (ROOT / path / "README.md").exists():
            path = posixpath.join(path, "README.md")
        where = _on_site(path, files)
        if where is None:
            shown = re.sub(r"\x00(\d+)\x00", lambda found: held[int(found.group(1))], label)
            return label if name.strip("./") in shown else f"{label} (`{path}`)"
        relative = os.path.relpath(where, posixpath.dirname(page) or ".").replace(os.sep, "/")
        return f"{mark}[{label}]({relative}{'#' + anchor if anchor else ''})"

    plain = _LINK.sub(link, _CODE.sub(hold, text))
    return re.sub(r"\x00(\d+)\x00", lambda found: held[int(found.group(1))], plain)


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Called by mkdocs for every page."""
    return rewrite(markdown, page.file.src_uri, files)
