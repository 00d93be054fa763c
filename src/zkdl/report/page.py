"""The HTML page: one file, no script, nothing loaded from anywhere."""

from __future__ import annotations

import os
import platform

import numpy as np

from zkdl import __version__
from zkdl.proof.description import LOSSES, caveats, chosen, leakage, paragraphs, proven
from zkdl.proof.description import soundness as soundness_lines
from zkdl.proof.format import FORMAT_VERSION
from zkdl.report.content import REJECTED, UNPROVED, Report
from zkdl.report.figures import headroom, learning, time_and_bytes
from zkdl.report.markup import Markup, bullets, element, join, table
from zkdl.report.style import STYLE
from zkdl.report.wording import group_name, kinds, network, planned, proven_steps, sentence, verify_command
from zkdl.train.rates import to_learning_rate

# Inline styles and drawings are all there is: the browser refuses anything else, should anything else ever get in.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """The whole document."""
    title = f"Training report: network {network(report.run)}"
    body = [_top(report), _statement(report), _not_proven(report), _how_to_verify(report)]
    if report.private is not None:
        body += [learning(report), headroom(report)]
    body += [time_and_bytes(report), _soundness(report), _reveals(report), _details(report), _environment(report)]
    head = element(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Markup('<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    whole = element("html", head, element("body", element("main", *body)), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"


def _status(kind: str, word: str, text: str) -> Markup:
    return element("div", element("strong", word), element("span", text), class_=f"status {kind}")


def _top(report: Report) -> Markup:
    parts = [element("p", "zkdl training report", class_="kicker")]
    parts.append(
        element("h1", f"Network {network(report.run)}, trained for {report.steps} of {report.run.steps} steps")
    )
    if report.verified is not None:
        text = f"A proof of {proven_steps(report, report.verified)} was verified while this report was made."
        parts.append(_status("good", "Proved and verified", text))
        if not report.verified.complete:
            parts.append(_status("warn", "Not complete", "Steps behind the ones named above are not proved."))
    elif report.state == REJECTED and report.error is not None:
        text = f"There is a proof, but it was rejected while this report was made: {report.error}"
        parts.append(_status("bad", "UNPROVED: the proof was rejected", text))
    else:
        text = "There is no proof of this run. Nothing in this report has been proven. Not verified."
        parts.append(_status("bad", "UNPROVED", text))
    if report.private is not None:
        text = (
            "This report shows loss, accuracy, headroom and times of the prover, which a proof hides or does not protect."
            " For publication make another one with: zkdl report --public"
        )
        parts.append(_status("warn", "Private: contains figures that the proof hides", text))
    else:
        text = (
            "This report holds nothing that follows from the data or the weights beyond what the proof itself reveals."
        )
        parts.append(element("p", text, class_="quiet"))
    return join(*parts)


def _statement(report: Report) -> Markup:
    heading = element("h2", "What is proven")
    if report.verified is None:
        return join(heading, element("p", "Nothing. " + planned(report.run), class_="lead"))
    lines = paragraphs(proven(report.verified))
    intro = (
        "In plain words: somebody who knew the data and the weights carried out the training that is described below, step"
        " by step and without deviation. Whoever checks the proof learns this, but neither the data nor the weights."
    )
    return join(
        heading,
        element("p", intro),
        element("p", "The exact statement, as zkdl verify prints it:", class_="quiet"),
        *(element("p", line, class_="lead") for line in lines),
    )


def _not_proven(report: Report) -> Markup:
    heading = element("h2", "What is not proven or only assumed")
    if report.verified is None:
        text = "Without a verified proof everything here is a claim of whoever made this report."
        return join(heading, element("p", text))
    return join(heading, bullets([sentence(line) for line in caveats(report.verified)]))


def _how_to_verify(report: Report) -> Markup:
    heading = element("h2", "How to verify")
    if report.verified is None or report.proof is None:
        text = (
            "There is nothing to verify yet. A run is proven by:"
            if report.state == UNPROVED
            else "Prove the run again:"
        )
        return join(heading, element("p", text), element("pre", element("code", "zkdl prove RUN")))
    text = (
        "Do not trust this page: anybody can write one. Take the proof file and check it yourself. It needs Python and"
        " numpy, no network, no data and no secret."
    )
    command = f"pip install zkdl=={__version__}\n{verify_command(report.proof)}"
    digest = element("p", "SHA-256 of the proof file: ", element("code", report.verified.proof_sha256))
    return join(heading, element("p", text), element("pre", element("code", command)), digest)


def _soundness(report: Report) -> Markup:
    heading = element("h2", "Soundness: how likely could a false proof be accepted?")
    verified = report.verified
    if verified is None:
        return join(heading, element("p", "There is no verified proof to speak of."))
    weakest = min(verified.reports, key=lambda found: found.bits)
    text = (
        f"An attacker who makes one attempt (one call of the hash function) succeeds with a chance of at most 1 in"
        f" 2^{verified.soundness_bits:.1f}. The weakest message of the weakest section decides; it is in bold."
    )
    groups = kinds(verified.reports, lambda found: (found.terms, found.grinding_bits))
    rows, folded = [], []
    for group in groups:
        first = group[0]
        cells = [group_name(group), first.binding, f"{first.bits:.1f}"]
        binds = first.bits == weakest.bits
        rows.append([element("strong", cell) for cell in cells] if binds else cells)
        terms = []
        for term in sorted(first.terms, key=lambda term: term.bits):
            times = f" ({term.times} times)" if term.times > 1 else ""
            line = [term.name, term.formula + times, f"{term.bits:.1f}"]
            terms.append([element("strong", cell) for cell in line] if first.binds(term) else line)
        summary = element("summary", f"All error terms: {group_name(group)}")
        folded.append(element("details", summary, table(["term", "error", "bits"], terms, 1)))
    total = table(["section", "weakest message", "bits"], rows, 1)
    closing = [element("p", line, class_="quiet") for line in soundness_lines(verified)]
    return join(heading, element("p", text), total, *closing, *folded)


def _reveals(report: Report) -> Markup:
    if report.verified is None:
        return Markup("")
    lines = paragraphs(leakage(report.run, report.verified.segments))
    return join(element("h2", "What the proof reveals, and what it hides"), *(element("p", line) for line in lines))


def _details(report: Report) -> Markup:
    run, formats = report.run, report.run.format
    rates = ", ".join(f"{to_learning_rate(rate):.6g} from step {step}" for step, rate in run.schedule[:8])
    more = "" if len(run.schedule) <= 8 else f", and {len(run.schedule) - 8} more"
    start = f"expanded from the public seed {run.init_seed}" if run.init_seed else f"committed as {run.init_root}"
    rows = {
        "Layers": network(run),
        "Loss": LOSSES[run.loss],
        "Batch": f"{run.batch} examples; the last one of an epoch: {run.last_batch}",
        "Examples": str(run.examples),
        "Learning rate": rates + more,
        "Segments": str(len(report.segments)),
        "Number formats": f"{formats.activation_bits}-bit activations, {formats.gradient_bits}-bit gradients,"
        f" {formats.weight_frac} fraction bits of the weights, {formats.feature_bits}-bit features",
        "Initial weights": start,
        "Dataset commitment": run.data_root,
        "Run identifier": run.run_id,
        "Statement digest (SHA-256)": run.digest().hex(),
        "Parameter set": run.parameter_set,
        "Beacon": run.beacon or "none",
    }
    if report.private is None and report.verified is None:
        # One that was cut short tells that a value left its range: only a proof makes their number public.
        del rows["Segments"]
    body = table(["", ""], [[name, element("code", text) if len(text) >= 64 else text] for name, text in rows.items()])
    parts = [element("h2", "The run in detail"), body]
    if report.verified is not None:
        first, *rest = chosen(report.verified)
        parts += [element("p", first), bullets([line.strip() for line in rest])]
    return join(*parts)


def _environment(report: Report) -> Markup:
    rows = [
        [
            "This report and its verification",
            f"zkdl {__version__}, Python {platform.python_version()}, numpy {np.__version__}",
        ],
        ["Proof format", str(FORMAT_VERSION)],
    ]
    if report.private is not None:
        rows.append(["Machine", f"{platform.machine()}, {os.cpu_count()} processors"])
        makers = {f"zkdl {f.version}, backend {f.backend}, {f.processors} processors" for f in report.proving.values()}
        rows += [["Proven with", maker] for maker in sorted(makers)]
    return join(element("h2", "Environment"), table(["", ""], [[*row] for row in rows]))
