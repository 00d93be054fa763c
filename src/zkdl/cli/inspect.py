"""`zkdl inspect PROOF`: what the file claims. Nothing is verified here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zkdl.cli.output import Output, verb
from zkdl.commitment.parameters import PARAMETER_SETS
from zkdl.errors import VersionError
from zkdl.proof.description import leakage
from zkdl.proof.format import Header, read_header
from zkdl.proof.security import SecurityReport, collision_bits, run_error_bits
from zkdl.proof.source import proof_stream
from zkdl.proof.verify import check_statement, section_reports


def _security(header: Header) -> list[SecurityReport]:
    if header.run.parameter_set not in PARAMETER_SETS:
        raise VersionError("unknown parameter set", code="PARAMETER_SET", name=header.run.parameter_set[:80])
    check_statement(header)
    return list(section_reports(header, PARAMETER_SETS[header.run.parameter_set]))


def _security_text(header: Header, reports: list[SecurityReport]) -> str:
    """The table: sections, their terms from the weakest on, the binding ones marked; then what the proof reveals."""
    promised = PARAMETER_SETS[header.run.parameter_set].soundness_bits
    weakest = min(reports, key=lambda report: report.bits)
    lines = [
        f"Error terms (* is the weakest message of its section; {header.run.parameter_set} promises 2^-{promised} per query):"
    ]
    for report in reports:
        lines.append(f"{report.name}: 2^-{report.bits:.1f} per query, weakest: {report.binding}")
        for term in sorted(report.terms, key=lambda term: term.bits):
            mark, times = "*" if report.binds(term) else " ", f" x {term.times}" if term.times > 1 else ""
            lines.append(f"{mark} 2^-{term.bits:<7.1f} {term.name:<42} {term.formula}{times}")
    missing = len(header.sections) - len(reports)
    if missing:
        lines.append(f"{missing} segments of further sizes are left out here; verify reports on every section.")
    lines += [
        f"Binding: {weakest.name}, {weakest.binding}, 2^-{weakest.bits:.1f}. Sum of all errors shown:"
        f" 2^-{run_error_bits(reports):.1f}.",
        f"Not in the table: collisions of the hashes, 4.5 Q^2 / 2^256: 2^-{collision_bits(64):.1f} after 2^64 evaluations.",
        "Nothing rests on a conjecture.",
        "",
        "What the proof reveals:",
        *leakage(header.run, header.segments),
    ]
    return "\n".join(lines)


def _section_json(report: SecurityReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "bits": round(report.bits, 2),
        "binding": report.binding,
        "terms": [{**vars(term), "binding": report.binds(term)} for term in report.terms],
    }


def _summary_json(header: Header, reports: list[SecurityReport]) -> dict[str, Any]:
    weakest = min(reports, key=lambda report: report.bits)
    return {
        "parameter_set": header.run.parameter_set,
        "promised_bits": PARAMETER_SETS[header.run.parameter_set].soundness_bits,
        "bits": round(weakest.bits, 2),
        "binding": {"section": weakest.name, "message": weakest.binding},
        "sum_bits": round(run_error_bits(reports), 2),
        "sections_left_out": len(header.sections) - len(reports),
        "reveals": leakage(header.run, header.segments),
    }


@click.command("inspect")
@click.argument("proof", type=click.Path(path_type=Path))
@click.option(
    "--security", is_flag=True, help="Show every error term, the binding one marked, and what the proof reveals."
)
@verb("inspect")
def command(output: Output, proof: Path, security: bool) -> None:
    """Show the header of PROOF (- for a pipe): statement, segments, section sizes. Nothing is verified."""
    with proof_stream(proof) as stream:
        header = read_header(stream)
    run = header.run
    lines = [
        "NOT VERIFIED: this is what the file claims about itself.",
        f"network {'-'.join(map(str, run.widths))}, {run.loss}, batch {run.batch}, {run.steps} steps planned,"
        f" {run.examples} examples, parameter set {run.parameter_set}",
        f"dataset {run.data_root}",
    ]
    for segment in header.segments:
        last = segment.end_step - 1
        lines.append(f"segment {segment.index}: steps {segment.first_step} to {last}, weights {segment.w_out.root}")
    lines += [f"section {name}: {size} bytes" for name, size in header.sections]
    reports = _security(header) if security else []
    if security:
        lines.append(_security_text(header, reports))
    body: dict[str, Any] = {
        "verified": False,
        "run": run.to_json(),
        "segments": [segment.to_json() for segment in header.segments],
        "sections": [list(entry) for entry in header.sections],
        "security": [_section_json(report) for report in reports],
    }
    if security:
        body["security_summary"] = _summary_json(header, reports)
    output.result("\n".join(lines), body)
