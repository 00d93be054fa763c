"""`zkdl attest PROOF`: an unsigned in-toto Statement about a proof, which is verified first."""

from __future__ import annotations

from pathlib import Path

import click

from zkdl.attestation import attestation, encoded, file_digest
from zkdl.backend.select import get_backend
from zkdl.cli.output import Output, verb
from zkdl.proof.verify import verify
from zkdl.session import check_target
from zkdl.storage import write_atomic


@click.command("attest")
@click.argument("proof", type=click.Path(path_type=Path))
@click.option("--weights", type=click.Path(path_type=Path), help="Revealed weights; checked, and a second subject.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the Statement here instead of to stdout.")
@click.option("--backend", help="native, numpy or reference.")
@verb("attest")
def command(output: Output, proof: Path, weights: Path | None, out: Path | None, backend: str | None) -> None:
    """Verify PROOF and write an in-toto Statement about it, for a signing tool. A proof that is false gets none."""
    if out is not None:
        check_target(out)
    verified = verify(proof, weights=weights, backend=get_backend(backend), progress=output.progress)
    named = None if weights is None else (weights.name, file_digest(weights))
    statement = attestation(verified, proof.name, named)
    text = encoded(statement)
    if out is not None:
        write_atomic(out, text)
    shown = text.decode().rstrip() if out is None else f"{out}: an in-toto Statement about {proof.name}, not signed"
    output.result(shown, {"attestation": statement, "file": None if out is None else str(out)})
