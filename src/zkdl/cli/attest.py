"""`zkdl attest PROOF`: an unsigned in-toto Statement about a proof, which is verified first."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.attestation import attestation, encoded, file_digest
from zkdl.backend.select import get_backend
from zkdl.cli.output import Output, verb
from zkdl.proof.source import PIPE, proof_stream
from zkdl.proof.verify import verify
from zkdl.session import check_target
from zkdl.storage import write_atomic


@click.command("attest")
@click.argument("proof", type=click.Path(path_type=Path))
@click.option("--weights", type=click.Path(path_type=Path), help="Revealed weights; checked, and a second subject.")
@click.option("--name", help="What the Statement calls the proof. Default: its file name; for a pipe, run.zkproof.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the Statement here instead of to stdout.")
@click.option("--backend", help="native, numpy or reference.")
@verb("attest")
def command(
    output: Output, proof: Path, weights: Path | None, name: str | None, out: Path | None, backend: str | None
) -> None:
    """Verify PROOF (- for a pipe) and write an in-toto Statement about it, for a signing tool. A false proof gets none."""
    if out is not None:
        check_target(out)
    with proof_stream(proof) as stream:
        verified = verify(stream, weights=weights, backend=get_backend(backend), progress=output.progress)
    called = name or ("run.zkproof" if proof == PIPE else proof.name)
    named = None if weights is None else (weights.name, file_digest(weights))
    statement = attestation(verified, called, named)
    text = encoded(statement)
    if out is not None:
        write_atomic(out, text)
    shown = text.decode().rstrip() if out is None else f"{out}: an in-toto Statement about {called}, not signed"
    output.result(shown, {"attestation": statement, "file": None if out is None else str(out)})
