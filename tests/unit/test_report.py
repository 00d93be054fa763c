"""The parts of the report: markup, charts, the clock, and how an interrupted prover's times are kept."""

from __future__ import annotations

import pytest

from zkdl.figures import BEFORE, PhaseClock
from zkdl.report.charts import MOST_POINTS, Line, legend, line_chart, stacked_bar, thinned, ticks
from zkdl.report.markup import Markup, bullets, element, join, table
from zkdl.report.wording import printable, shown_bytes, shown_seconds


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "<b>&", class_='x"y') == '<p class="x&quot;y">&lt;b&gt;&amp;</p>'
    assert join("<", Markup("<i></i>")) == "&lt;<i></i>"
    assert bullets(["a<b"]) == "<ul><li>a&lt;b</li></ul>"
    assert "<td>&lt;td&gt;</td>" in table(["<h>"], [["<td>"]]) and "<th>&lt;h&gt;</th>" in table(["<h>"], [["<td>"]])


def test_numbers_are_the_last_columns() -> None:
    found = table(["name", "a", "b"], [["x", "1", "2"]], 2)
    assert '<td>x</td><td class="n">1</td><td class="n">2</td>' in found


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (0.13, 0.98), (5.0, 5.0), (0.0, 0.0), (90.0, 98.3), (-2.0, 3.0)])
def test_ticks_span_the_values(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low + 1e-9 and found[-1] >= high - 1e-9 and 2 <= len(found) <= 8
    assert found == sorted(set(found))


def test_thinned_keeps_the_mean_of_neighbours() -> None:
    points = [(float(i), float(i % 2)) for i in range(4 * MOST_POINTS)]
    found = thinned(points)
    assert len(found) == MOST_POINTS and {y for _, y in found} == {0.5}
    assert thinned(points[:10]) == points[:10]


def test_line_chart() -> None:
    lines = [Line("one", "integer", [(0, 1.0), (10, 2.0)]), Line("none", "float", [])]
    found = line_chart("A <title>", lines, "step")
    assert found.count("<polyline") == 1 and "A &lt;title&gt;" in found and "none" not in found
    assert "nothing was recorded" in line_chart("A", [lines[1]], "step")
    single = line_chart("A", [Line("one", "integer", [(0, 1.0)])], "step", percent=True)
    assert "<circle" in single and "%" in single


def test_stacked_bar_fills_its_share() -> None:
    found = stacked_bar("b", [("x", 1.0), ("y", 3.0)], ["y", "x"], 8.0)
    assert 'width="12.5"' in found and 'width="37.5"' in found and found.index("c1") < found.index("c0")
    assert stacked_bar("b", [("x", 0.0)], ["x"], 0.0).count('width="0.0"') == 1
    assert legend(["x", "y"], {"y"}).count("<li>") == 1 and "c1" in legend(["x", "y"], {"y"})


def test_figures_in_words() -> None:
    assert [shown_bytes(n) for n in (12, 2048, 3 << 20, 5 << 40)] == ["12 B", "2 KiB", "3 MiB", "5.12e+03 GiB"]
    assert [shown_seconds(s) for s in (0.25, 12.34)] == ["250 ms", "12.3 s"]
    assert printable("a\n\x1b[0m") == "a??[0m"


def test_the_clock_counts_every_second_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])
    monkeypatch.setattr("zkdl.figures.time.perf_counter", lambda: next(now))
    heard: list[tuple[str, float]] = []
    clock = PhaseClock(lambda phase, done: heard.append((phase, done)))
    for phase, done in (("a", 0.0), ("a", 0.5), ("b", 0.0), ("a", 1.0)):
        clock(phase, done)
    clock.stop()
    assert clock.seconds == {BEFORE: 1.0, "a": 2.0 + 3.0 + 5.0, "b": 4.0}
    assert heard == [("a", 0.0), ("a", 0.5), ("b", 0.0), ("a", 1.0)]
