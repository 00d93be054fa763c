"""HTML that cannot be forgotten to escape: text becomes markup through `element` alone."""

from __future__ import annotations

import html
from collections.abc import Sequence


class Markup(str):
    """Text that is HTML already."""


def element(name: str, *children: str, **attributes: str | float) -> Markup:
    """<name attributes>children</name>.

    Args:
        children: text, which is escaped, or Markup, which is not.
        attributes: values are escaped; a trailing underscore goes, others become hyphens, so that `class_` is class.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Children one after the other; text is escaped."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(child) for child in children))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> Markup:
    """A table that scrolls by itself on a narrow screen.

    Args:
        head: names of the columns. rows: cells, text or Markup. numbers: so many of the last columns hold numbers.
    """
    first = len(head) - numbers

    def cells(name: str, row: Sequence[str]) -> list[Markup]:
        return [element(name, cell, **({"class_": "n"} if i >= first else {})) for i, cell in enumerate(row)]

    top = element("thead", element("tr", *cells("th", head)))
    body = element("tbody", *(element("tr", *cells("td", row)) for row in rows))
    return element("div", element("table", top, body), class_="scroll", tabindex="0")


def bullets(lines: list[str]) -> Markup:
    return element("ul", *(element("li", line) for line in lines))
