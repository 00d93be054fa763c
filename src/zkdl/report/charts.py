"""Line charts and stacked bars as inline SVG. Colours are classes, so that light and dark are the page's business."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from zkdl.report.markup import Markup, element

WIDTH, HEIGHT = 360.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 10.0, 10.0, 26.0
MOST_POINTS = 160
COLOURS = 9


@dataclass(frozen=True)
class Line:
    """points: (x, y) with finite y. style: class of the line, "integer" or "float"."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]
    marks: bool = False


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS means of neighbours, in order; the means keep a noisy curve readable."""
    size = max(1, math.ceil(len(points) / MOST_POINTS))
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from below `low` to above `high`."""
    span = high - low if high > low else abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, max(last, first + 1) + 1)]


def _label(value: float) -> str:
    return f"{value:.6g}"


def line_chart(title: str, lines: Sequence[Line], x_name: str, percent: bool = False) -> Markup:
    """A chart of lines over x, with a legend below. Lines without points are left out.

    Args:
        percent: y is a share, drawn in percent.
    """
    shown = [Line(line.name, line.style, thinned(line.points), line.marks) for line in lines if line.points]
    if not shown:
        return element("p", f"{title}: nothing was recorded.", class_="quiet")
    unit = 100.0 if percent else 1.0
    xs = [x for line in shown for x, _ in line.points]
    ys = [unit * y for line in shown for _, y in line.points]
    across, up = ticks(0.0, max(xs), 4), ticks(min(ys), max(ys))
    x_end = max(xs) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (WIDTH - LEFT - RIGHT) * x / x_end
        down = TOP + (HEIGHT - TOP - BOTTOM) * (up[-1] - y) / (up[-1] - up[0])
        return round(right, 1), round(down, 1)

    parts: list[Markup] = []
    for y in up:
        _, down = place(0, y)
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=down, y2=down, class_="grid"))
        parts.append(element("text", _label(y) + (" %" if percent else ""), x=LEFT - 5, y=down + 4, class_="y"))
    for x in across:
        if x <= x_end:
            right, _ = place(x, up[0])
            parts.append(element("text", _label(x), x=right, y=HEIGHT - 9, class_="x"))
    for line in shown:
        dots = [place(x, unit * y) for x, y in line.points]
        path = " ".join(f"{x},{y}" for x, y in dots)
        parts.append(element("polyline", points=path, class_=line.style))
        if line.marks or len(dots) == 1:
            parts += [element("circle", cx=x, cy=y, r=2.6, class_=line.style) for x, y in dots]
    drawing = element(
        "svg", *parts, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img", aria_label=f"{title} over {x_name}"
    )
    keys = [element("li", element("i", class_=f"key {line.style}"), line.name) for line in shown]
    legend = element("ul", *keys, class_="legend")
    return element("figure", element("figcaption", f"{title}, by {x_name}"), drawing, legend, class_="chart")


def stacked_bar(label: str, parts: Sequence[tuple[str, float]], order: Sequence[str], whole: float) -> Markup:
    """One bar; `whole` is the amount of a bar of full width.

    Args:
        parts: (name, amount). order: all names, in the order of their colours.
    """
    x, pieces = 0.0, []
    for name, amount in parts:
        width = 100.0 * amount / whole if whole else 0.0
        colour = f"c{order.index(name) % COLOURS}"
        pieces.append(element("rect", x=round(x, 3), y=0, width=round(width, 3), height=6, class_=colour))
        x += width
    return element(
        "svg", *pieces, viewBox="0 0 100 6", preserveAspectRatio="none", role="img", aria_label=label, class_="bar"
    )


def legend(order: Sequence[str], shown: Container[str] | None = None) -> Markup:
    """Names with the colours that `stacked_bar` gives them; shown: those to name, None for all."""
    named = [(i, name) for i, name in enumerate(order) if shown is None or name in shown]
    keys = [element("li", element("i", class_=f"key c{i % COLOURS}"), name) for i, name in named]
    return element("ul", *keys, class_="legend")
