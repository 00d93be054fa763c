"""An in-toto Statement about a verified proof: for signing tools and policy engines. Unsigned; docs/attestation.md.

The same proof, checked by the same release, gives the same bytes: there is no time and no place in it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from zkdl import __version__
from zkdl.errors import Rejected, UsageError
from zkdl.proof.description import caveats, leakage, paragraphs, proven
from zkdl.proof.format import FORMAT_VERSION, PROTOCOL
from zkdl.proof.verify import Verified

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:zkdl:training-proof:1"
MOST_BYTES = 64 << 20


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal. Raises UsageError(FILE_MISSING)."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError("the file cannot be read", code="FILE_MISSING", file=str(path)) from error


def _subject(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}


def attestation(verified: Verified, proof_name: str, weights: tuple[str, str] | None = None) -> dict[str, Any]:
    """The Statement, ready for JSON.

    Args:
        verified: what `verify` returned for the proof, and for the weights if they are named.
        proof_name: what to call the proof. weights: name and SHA-256 of a weights file that was checked.
    Raises UsageError for weights that were not checked.
    """
    if weights is not None and "weights" not in verified.checked:
        raise UsageError("only weights that were checked against the proof are attested")
    last = verified.segments[-1]
    subjects = [_subject(proof_name, verified.proof_sha256)]
    if weights is not None:
        subjects.append(_subject(*weights))
    return {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "proof": {
                "sha256": verified.proof_sha256,
                "bytes": verified.proof_bytes,
                "formatVersion": FORMAT_VERSION,
                "protocol": PROTOCOL,
            },
            "statement": {"sha256": verified.run.digest().hex(), "content": verified.run.to_json()},
            "result": {
                "firstStep": verified.segments[0].first_step,
                "steps": last.end_step - verified.segments[0].first_step,
                "segments": len(verified.segments),
                "complete": verified.complete,
                "weightsCommitment": last.w_out.root,
                "weightsFileChecked": weights is not None,
            },
            "soundness": {
                "bitsPerQuery": round(verified.soundness_bits, 1),
                "bitsOfAllErrors": round(verified.run_bits, 1),
            },
            "verifier": {"name": "zkdl", "version": __version__},
            "proven": paragraphs(proven(verified)),
            "notProven": caveats(verified),
            "reveals": paragraphs(leakage(verified.run, verified.segments)),
        },
    }


def encoded(statement: dict[str, Any]) -> bytes:
    """The Statement as a file: JSON, ASCII, sorted keys."""
    return (json.dumps(statement, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def read_attestation(path: Path) -> dict[str, Any]:
    """A Statement of ours from a file. Raises UsageError(FILE_MISSING, ATTESTATION_FILE)."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError("the attestation cannot be read", code="FILE_MISSING", file=str(path)) from error
    try:
        found = json.loads(raw) if len(raw) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if (
        not isinstance(found, dict)
        or found.get("_type") != STATEMENT_TYPE
        or found.get("predicateType") != PREDICATE_TYPE
    ):
        raise UsageError(
            "this is no attestation of a training proof",
            code="ATTESTATION_FILE",
            hint="Pass the file that zkdl attest wrote; a signed envelope is for the tool that signed it",
            file=str(path),
        )
    return found


def check_attestation(found: dict[str, Any], verified: Verified) -> None:
    """An attestation must say what the proof says, whoever wrote it; names of files and the release may differ.

    Raises Rejected(ATTESTATION) naming the first part that differs.
    """
    expected = attestation(verified, "")
    predicate = found.get("predicate")
    if not isinstance(predicate, dict):
        raise _differs("predicate")
    subjects = found.get("subject")
    digests = (
        [entry.get("digest") for entry in subjects if isinstance(entry, dict)] if isinstance(subjects, list) else []
    )
    if expected["subject"][0]["digest"] not in digests:
        raise _differs("subject")
    for part in ("proof", "statement", "soundness", "proven", "notProven", "reveals"):
        mine = expected["predicate"][part]
        if part == "proven":
            # A sentence on weights or data that were checked then, and not now, is not the proof's to deny.
            mine = [line for line in mine if not line.startswith("The given ")]
            theirs = predicate.get(part)
            same = (
                isinstance(theirs, list) and [line for line in theirs if not str(line).startswith("The given ")] == mine
            )
        else:
            same = predicate.get(part) == mine
        if not same:
            raise _differs(part)
    result = predicate.get("result")
    mine = {**expected["predicate"]["result"], "weightsFileChecked": True}
    if not isinstance(result, dict) or {**result, "weightsFileChecked": True} != mine:
        raise _differs("result")


def _differs(part: str) -> Rejected:
    return Rejected("the attestation says something else than the proof", code="ATTESTATION", field=part)
