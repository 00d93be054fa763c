"""`zkdl report RUN`: one page about a run, for people; or the section of a model card."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.backend.select import get_backend
from zkdl.cli.output import Output, verb
from zkdl.configuration import read_configuration
from zkdl.errors import UsageError
from zkdl.report.card import model_card
from zkdl.report.content import Examples, gather
from zkdl.report.page import page
from zkdl.rundir import RunDirectory
from zkdl.session import check_target
from zkdl.statement.run import RunStatement
from zkdl.storage import write_atomic


def _test_data(path: Path, run: RunStatement) -> Examples:
    """The configuration's test data. Raises UsageError."""
    configuration = read_configuration(path)
    if tuple(configuration.widths) != run.widths:
        raise UsageError("this is the configuration of another network", code="RUN_OTHER", file=str(path))
    test = configuration.load_test()
    if test is None:
        raise UsageError(
            "the configuration names no test data", code="CONFIG_VALUE", field="data.test", hint="Set data.test"
        )
    return test.features, test.labels


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Default: RUN/report.html, or RUN/model-card.md")
@click.option("--proof", type=click.Path(path_type=Path), help="Default: RUN/run.zkproof")
@click.option(
    "--public", is_flag=True, help="For publication: without loss, accuracy, headroom and the prover's times."
)
@click.option("--model-card", "as_card", is_flag=True, help="Write the section of a model card (Markdown) instead.")
@click.option("--config", type=click.Path(path_type=Path), help="Configuration whose test data are measured too.")
@click.option("--backend", help="native, numpy or reference.")
@verb("report")
def command(
    output: Output,
    run: Path,
    out: Path | None,
    proof: Path | None,
    public: bool,
    as_card: bool,
    config: Path | None,
    backend: str | None,
) -> None:
    """Write a report on the run in directory RUN: one HTML file that loads nothing. The proof is verified for it.

    The report is private unless --public is given. A model card is always for publication. The exit status is 1 or 3 when
    there is a proof and it is rejected; the report is written all the same, and says so.
    """
    directory = RunDirectory.open(run)
    target = out or run / ("model-card.md" if as_card else "report.html")
    check_target(target)
    if proof is not None and not proof.is_file():
        raise UsageError("the proof cannot be read", code="FILE_MISSING", file=str(proof))
    public = public or as_card
    test = None if config is None or public else _test_data(config, directory.read_statement()[0])
    found = gather(
        directory,
        proof or run / "run.zkproof",
        get_backend(backend),
        public=public,
        test=test,
        progress=output.progress,
    )
    text = model_card(found) if as_card else page(found)
    write_atomic(target, text.encode(), secret=not public)
    if found.error is not None:
        raise found.error
    kind = "for publication" if public else "private: it contains figures that the proof hides"
    output.result(
        f"{target}: {found.state}; {kind}",
        {"report": str(target), "state": found.state, "public": public, "kind": "model-card" if as_card else "html"},
    )
