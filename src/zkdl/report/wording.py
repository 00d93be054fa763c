"""Sentences and figures that the page and the model card share."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from zkdl.proof.description import LOSSES
from zkdl.proof.security import SecurityReport
from zkdl.proof.verify import Verified
from zkdl.report.content import Report
from zkdl.statement.run import RunStatement


def sentence(clause: str) -> str:
    """A clause with a capital and a full stop."""
    return clause[:1].upper() + clause[1:] + "."


def network(run: RunStatement) -> str:
    return "-".join(str(width) for width in run.widths)


def planned(run: RunStatement) -> str:
    """What a run without a proof was meant to be."""
    return (
        f"The run was planned as {run.steps} steps of mini-batch SGD (batch {run.batch}, {LOSSES[run.loss]}) of the network"
        f" {network(run)} on {run.examples} examples."
    )


def shown_bytes(count: int) -> str:
    """Binary units, three digits."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1000 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"


def shown_seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def printable(text: str) -> str:
    """Without line breaks and control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


def verify_command(proof: Path) -> str:
    """What checks the proof, for a shell."""
    return f"zkdl verify {shlex.quote(printable(proof.name))}"


def kinds(reports: list[SecurityReport], same: Callable[[SecurityReport], object]) -> list[list[SecurityReport]]:
    """Sections in file order, those that are the same in one group."""
    groups: dict[object, list[SecurityReport]] = {}
    for report in reports:
        groups.setdefault(same(report), []).append(report)
    return list(groups.values())


def group_name(group: list[SecurityReport]) -> str:
    name = group[0].name
    return name if len(group) == 1 else f"{name} and {len(group) - 1} more of the same size"


def proven_steps(report: Report, verified: Verified) -> str:
    """How far the proof goes."""
    steps = verified.segments[-1].end_step
    if steps == report.run.steps:
        return f"all {steps} steps"
    return f"the first {steps} of {report.run.steps} planned steps"
