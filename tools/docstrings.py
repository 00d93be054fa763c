"""Extension of the API page: a line of a docstring that describes several arguments becomes one line for each.

Docstrings of this project join short descriptions: `features: (N, d) int32. labels: (N,) int32.`, `first, last: steps`. What
reads them for the page takes such a line for one argument and finds no type. Names are those of the signature or the class, so
that a colon in a sentence cuts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import griffe

_SECTION = re.compile(r"^(\s*)(Args|Attributes):\s*$")


def _names(text: str, known: Collection[str]) -> list[tuple[list[str], str]]:
    """Groups of names with what is said of them: the parts of one line, in order; nothing if it begins with no name."""
    name = "|".join(sorted(map(re.escape, known), key=len, reverse=True))
    starts = list(re.finditer(rf"(?:^|(?<=[.;] ))((?:{name})(?:, (?:{name}))*): ", text))
    if not starts or starts[0].start():
        return []
    ends = [*(start.start() for start in starts[1:]), len(text)]
    return [(start[1].split(", "), text[start.end() : end].strip()) for start, end in zip(starts, ends, strict=True)]


def split(text: str, known: Collection[str]) -> str:
    """The docstring with one argument or attribute on each line."""
    out: list[str] = []
    inside: int | None = None
    for line in text.split("\n"):
        heading, indent = _SECTION.match(line), len(line) - len(line.lstrip())
        if heading:
            inside = len(heading[1])
        elif inside is not None and line.strip() and indent <= inside:
            inside = None
        groups = _names(line.strip(), known) if inside is not None and indent == inside + 4 and known else []
        if not groups:
            out.append(line)
        for names, said in groups:
            out += [f"{' ' * indent}{name}: {said}" for name in names]
    return "\n".join(out)


class OneArgumentPerLine(griffe.Extension):
    """Called by griffe when the package has been read."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        _walk(pkg)


def _walk(found: griffe.Object) -> None:
    for member in found.members.values():
        if isinstance(member, griffe.Object):
            _walk(member)
    if found.docstring is None:
        return
    known = set(found.members)
    functions = [found.members.get("__init__")] if isinstance(found, griffe.Class) else [found]
    for function in functions:
        if isinstance(function, griffe.Function):
            known |= {parameter.name for parameter in function.parameters}
    found.docstring.value = split(found.docstring.value, known - {"self"})
