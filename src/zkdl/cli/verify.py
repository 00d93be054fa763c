"""`zkdl verify PROOF`: the only verb that a third party needs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from zkdl.attestation import check_attestation, read_attestation
from zkdl.backend.select import get_backend
from zkdl.cli.output import Output, verb
from zkdl.datasets import FeatureRule, digits, load, quantise
from zkdl.errors import NotProvable, Rejected, UsageError
from zkdl.proof.source import proof_stream, read_expected
from zkdl.proof.verify import Data, verify
from zkdl.statement.run import RunStatement


def _key(path: Path) -> bytes:
    """32 bytes, raw or hexadecimal."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError("the key file cannot be read", code="FILE_MISSING", file=str(path)) from error
    if len(raw) == 32:
        return raw
    try:
        key = bytes.fromhex(raw.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise UsageError("a dataset key has 32 bytes", code="KEY_FILE", file=str(path))
    return key


def _data(run: RunStatement, source: str, labels: Path | None, column: str | None) -> Data:
    """The auditor's data, quantised by the rule in the proof's statement."""
    rule = FeatureRule(run.format.feature_bits, run.format.feature_frac, run.format.feature_min < 0)
    x, y = digits()[:2] if source == "digits" else load(source, labels, column)
    try:
        data = quantise(x, y, run.classes, rule)
    except NotProvable as error:
        raise Rejected(f"these cannot be the committed data: {error.message}", code="DATA_ROOT").at(
            error.where
        ) from error
    return data.features, data.labels


@click.command("verify")
@click.argument("proof", type=click.Path(path_type=Path))
@click.option("--weights", type=click.Path(path_type=Path), help="Revealed weights that must be the proven ones.")
@click.option("--data", help="Data file (or the word digits) that must be the committed dataset.")
@click.option("--labels", type=click.Path(path_type=Path), help="Label file, for IDX data.")
@click.option("--label-column", help="Label column, for CSV data.")
@click.option("--data-key", type=click.Path(path_type=Path), help="Key of the dataset commitment.")
@click.option(
    "--expect", type=click.Path(path_type=Path), help="JSON file: fields of the statement, complete, every_example."
)
@click.option("--attestation", type=click.Path(path_type=Path), help="Statement of zkdl attest that must agree.")
@click.option("--backend", help="native, numpy or reference.")
@verb("verify")
def command(
    output: Output,
    proof: Path,
    weights: Path | None,
    data: str | None,
    labels: Path | None,
    label_column: str | None,
    data_key: Path | None,
    expect: Path | None,
    attestation: Path | None,
    backend: str | None,
) -> None:
    """Verify PROOF (- for a pipe) and say in plain words what it proves, what it does not, and what leaks."""
    if (data is None) != (data_key is None):
        raise UsageError(
            "checking the data needs the data and the dataset key", code="DATA_KEY", hint="Pass --data and --data-key"
        )
    audited = None if data is None else partial(_data, source=data, labels=labels, column=label_column)
    key = None if data_key is None else _key(data_key)
    wanted = None if expect is None else read_expected(expect)
    attested = None if attestation is None else read_attestation(attestation)
    with proof_stream(proof) as stream:
        verified = verify(
            stream, weights=weights, data=audited, data_key=key, expect=wanted,
            backend=get_backend(backend), progress=output.progress,
        )  # fmt: skip
    if attested is not None:
        check_attestation(attested, verified)
        verified.checked.append("attestation")
    timings = {name: round(seconds, 4) for name, seconds in verified.timings_s.items()}
    statement = verified.to_json()
    output.result("The proof is valid.\n" + verified.describe(), {"statement": statement, "timings_s": timings})
