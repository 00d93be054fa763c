"""`zkdl inspect PROOF`: what the file claims. Nothing is verified here."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.cli.output import Output, verb
from zkdl.commitment.parameters import PARAMETER_SETS
from zkdl.errors import UsageError, VersionError
from zkdl.proof.format import Header, read_header
from zkdl.proof.security import SecurityReport
from zkdl.proof.verify import check_statement, section_reports


def _security(header: Header) -> list[SecurityReport]:
    if header.run.parameter_set not in PARAMETER_SETS:
        raise VersionError("unknown parameter set", code="PARAMETER_SET", name=header.run.parameter_set[:80])
    check_statement(header)
    return list(section_reports(header, PARAMETER_SETS[header.run.parameter_set]))


def _security_text(reports: list[SecurityReport]) -> str:
    lines = []
    for report in reports:
        lines.append(f"{report.name}: 2^-{report.bits:.1f} per query, weakest: {report.binding}")
        terms = sorted(report.terms, key=lambda term: term.bits)
        lines += [f"  2^-{term.bits:<7.1f} {term.name:<42} {term.formula}" for term in terms]
    return "\n".join(lines)


@click.command("inspect")
@click.argument("proof", type=click.Path(path_type=Path))
@click.option("--security", is_flag=True, help="Show every error term.")
@verb("inspect")
def command(output: Output, proof: Path, security: bool) -> None:
    """Show the header of PROOF: statement, segments, section sizes. Nothing is verified."""
    try:
        stream = proof.open("rb")
    except OSError as error:
        raise UsageError("the proof cannot be read", code="FILE_MISSING", file=str(proof)) from error
    with stream:
        header = read_header(stream)
    run = header.run
    lines = [
        "NOT VERIFIED: this is what the file claims about itself.",
        f"network {'-'.join(map(str, run.widths))}, {run.loss}, batch {run.batch}, {run.steps} steps planned,"
        f" {run.examples} examples, parameter set {run.parameter_set}",
        f"dataset {run.data_root}",
    ]
    for segment in header.segments:
        last = segment.first_step + segment.steps - 1
        lines.append(f"segment {segment.index}: steps {segment.first_step} to {last}, weights {segment.w_out.root}")
    lines += [f"section {name}: {size} bytes" for name, size in header.sections]
    reports = _security(header) if security else []
    if security:
        lines.append(_security_text(reports))
    body = {
        "verified": False,
        "run": run.to_json(),
        "segments": [segment.to_json() for segment in header.segments],
        "sections": [list(entry) for entry in header.sections],
        "security": [
            {"name": r.name, "bits": round(r.bits, 2), "binding": r.binding, "terms": [vars(t) for t in r.terms]}
            for r in reports
        ],
    }
    output.result("\n".join(lines), body)
