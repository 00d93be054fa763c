"""`zkdl attest` and what names a proof: the in-toto Statement, and the digests in revealed weights."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.e2e.running import Finished, refusal, zkdl
from zkdl.backend.select import get_backend
from zkdl.proof.revealed import read_tensors
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory, weights_bytes
from zkdl.session import Session


def attest(finished: Finished, *options: object) -> dict[str, Any]:
    done = zkdl("attest", finished.proof, "--quiet", *options)
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def shell_with_input(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path)}
    command = [sys.executable, "-m", "zkdl.cli.main", *arguments]
    return subprocess.run(command, input=data, env=environment, capture_output=True, check=False, timeout=60)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_statement(finished: Finished) -> None:
    found = attest(finished, "--weights", finished.weights)
    verified = verify(finished.proof, weights=finished.weights)
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["subject"] == [
        {"name": "run.zkproof", "digest": {"sha256": sha256(finished.proof)}},
        {"name": "weights.safetensors", "digest": {"sha256": sha256(finished.weights)}},
    ]
    predicate = found["predicate"]
    assert predicate["statement"]["content"] == verified.run.to_json()
    assert predicate["statement"]["sha256"] == hashlib.sha256(verified.run.canonical()).hexdigest()
    assert predicate["proof"]["bytes"] == finished.proof.stat().st_size
    described = " ".join(verified.describe().split())
    for part in ("proven", "notProven", "reveals"):
        assert predicate[part] and all(line in described for line in predicate[part])
    assert predicate["result"]["steps"] == 6 and predicate["result"]["complete"] is True
    assert f"2^-{predicate['soundness']['bitsPerQuery']}" in described


def test_schema(finished: Finished) -> None:
    """The file by itself, and not only what is printed with --json."""
    printed = json.loads(zkdl("schema", "attest").stdout)
    schema = {"$ref": "#/$defs/attestation", "$defs": printed["$defs"]}
    Draft202012Validator(schema).validate(attest(finished))
    assert not Draft202012Validator(schema).is_valid({**attest(finished), "subject": []})


def test_file_json_and_repetition(finished: Finished, tmp_path: Path) -> None:
    done = zkdl("attest", finished.proof, "--out", tmp_path / "a.json", "--json")
    assert done.status == 0 and done.answer["schema"] == "zkdl/attest/1"
    assert done.answer["attestation"] == json.loads((tmp_path / "a.json").read_text()) == attest(finished)
    first = (tmp_path / "a.json").read_bytes()
    assert zkdl("attest", finished.proof, "--out", tmp_path / "a.json").status == 0
    assert (tmp_path / "a.json").read_bytes() == first


def test_from_a_pipe(finished: Finished) -> None:
    """Nothing tells what the file is called: run.zkproof, or what --name says."""
    whole = finished.proof.read_bytes()
    for options, name in (([], "run.zkproof"), (["--name", "model.zkproof"], "model.zkproof")):
        done = shell_with_input(whole, "attest", "-", "--quiet", *options)
        assert done.returncode == 0, done.stderr
        found, expected = json.loads(done.stdout), attest(finished)
        expected["subject"][0]["name"] = name
        assert found == expected
    assert shell_with_input(whole + b"\0", "attest", "-").returncode == 3
    assert attest(finished, "--name", "x")["subject"][0]["name"] == "x"


def test_what_is_false_is_not_attested(finished: Finished, tmp_path: Path) -> None:
    data = bytearray(finished.proof.read_bytes())
    data[-100] ^= 1
    (tmp_path / "false.zkproof").write_bytes(bytes(data))
    target = tmp_path / "a.json"
    assert refusal("attest", tmp_path / "false.zkproof", "--out", target)[0] == 1
    other = RunDirectory(finished.run)
    weights, key = other.read_weights(4), other.key("weights-4")
    (tmp_path / "w").write_bytes(weights_bytes(weights, 26, key))
    assert refusal("attest", finished.proof, "--weights", tmp_path / "w", "--out", target)[0] == 1
    assert refusal("attest", finished.weights, "--out", target) == (3, "PROOF_MAGIC")
    assert refusal("attest", tmp_path / "none", "--out", target) == (2, "FILE_MISSING")
    assert refusal("attest", finished.proof, "--out", tmp_path / "no" / "a.json") == (2, "FILE_WRITE")
    assert not target.exists()


CHANGES = {
    "subject": lambda found: found["subject"][0]["digest"].update(sha256="00" * 32),
    "predicate": lambda found: found.update(predicate=[]),
    "proof": lambda found: found["predicate"]["proof"].update(bytes=1),
    "statement": lambda found: found["predicate"]["statement"]["content"].update(steps=7),
    "result": lambda found: found["predicate"]["result"].update(complete=False),
    "soundness": lambda found: found["predicate"]["soundness"].update(bitsPerQuery=128.0),
    "proven": lambda found: found["predicate"]["proven"].append("The data are of good quality."),
    "notProven": lambda found: found["predicate"]["notProven"].pop(),
    "reveals": lambda found: found["predicate"].pop("reveals"),
}


@pytest.mark.parametrize("part", CHANGES)
def test_verify_refuses_an_attestation_that_says_something_else(finished: Finished, tmp_path: Path, part: str) -> None:
    found = attest(finished, "--weights", finished.weights)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(found))
    done = zkdl("verify", finished.proof, "--attestation", path, "--json")
    assert done.status == 0 and done.answer["statement"]["checked"] == ["attestation"]
    CHANGES[part](found)
    path.write_text(json.dumps(found))
    done = zkdl("verify", finished.proof, "--attestation", path, "--json")
    assert (done.status, done.code, done.answer["where"]["field"]) == (1, "ATTESTATION", part)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"_type": "https://in-toto.io/Statement/v1"}', b"\xff"])
def test_verify_refuses_what_is_no_attestation(finished: Finished, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert refusal("verify", finished.proof, "--attestation", tmp_path / "a.json") == (2, "ATTESTATION_FILE")
    assert refusal("verify", finished.proof, "--attestation", tmp_path / "none") == (2, "FILE_MISSING")


def test_revealed_weights_name_the_finished_proof(finished: Finished) -> None:
    _, metadata = read_tensors(finished.weights)
    assert metadata["proof_sha256"] == sha256(finished.proof) == verify(finished.proof).proof_sha256
    assert metadata["statement_sha256"] == verify(finished.proof).run.digest().hex()


def test_weights_that_name_another_proof_are_refused(finished: Finished, tmp_path: Path) -> None:
    weights, metadata = read_tensors(finished.weights)
    key = bytes.fromhex(metadata["commitment_key"])
    path = tmp_path / "w.safetensors"
    for field in ("proof_sha256", "statement_sha256"):
        path.write_bytes(weights_bytes(weights, int(metadata["weight_frac"]), key, {field: "00" * 32}))
        done = zkdl("verify", finished.proof, "--weights", path, "--json")
        assert (done.status, done.code, done.answer["where"]["field"]) == (1, "WEIGHTS_PROOF", field)
    path.write_bytes(weights_bytes(weights, int(metadata["weight_frac"]), key))
    assert zkdl("verify", finished.proof, "--weights", path).status == 0


def test_weights_revealed_before_the_proof_is_there_name_the_statement_alone(
    finished: Finished, tmp_path: Path
) -> None:
    copy = finished.copy(tmp_path / "copy")
    (copy.run / "sections" / "segment-1.bin").unlink()
    Session(RunDirectory.open(copy.run), get_backend()).reveal_weights(tmp_path / "w.safetensors")
    _, metadata = read_tensors(tmp_path / "w.safetensors")
    assert "proof_sha256" not in metadata and len(metadata["statement_sha256"]) == 64
