"""`zkdl demo`: the whole story on real data in under a minute."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from zkdl.backend.select import get_backend
from zkdl.cli.output import INTERRUPTED, Output, verb
from zkdl.configuration import Configuration
from zkdl.errors import InternalError
from zkdl.proof.format import canonical_json
from zkdl.rundir import RunDirectory
from zkdl.session import Session
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.train.baseline import float_accuracy, train_float
from zkdl.train.evaluate import evaluate

CONFIGURATION = Configuration(
    widths=(64, 128, 128, 10), bias=(True, True, True), lr=0.15, batch=32, epochs=12, segment_steps=64, seed="zkdl demo"
)


def _verify_elsewhere(proof: Path) -> tuple[int, dict[str, object]]:
    """Verify in another process, which has neither the data nor the weights."""
    done = subprocess.run(
        [sys.executable, "-m", "zkdl.cli.main", "verify", str(proof), "--json", "--quiet"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise InternalError("the verifier gave no answer", stderr=done.stderr[-500:]) from error
    return done.returncode, answer


def _tamper_byte(proof: Path, target: Path) -> None:
    """Change one bit in the middle of the proof."""
    data = bytearray(proof.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(bytes(data))


def _tamper_statement(proof: Path, target: Path) -> None:
    """Claim twice the learning rate in the header, and leave the proof as it is."""
    data = proof.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    header = json.loads(data[16 : 16 + length])
    header["run"]["schedule"][0][1] *= 2
    changed = canonical_json(header)
    target.write_bytes(data[:12] + len(changed).to_bytes(4, "little") + changed + data[16 + length :])


def _accuracies(session: Session, run: RunStatement) -> tuple[float, float]:
    """Test accuracy of the integer training and of float32 SGD from the same weights on the same batches."""
    test, data = CONFIGURATION.load_test(), CONFIGURATION.load_train()
    if test is None:
        raise InternalError("the digits have a test set")
    last = session.directory.segments()[-1]
    weights = session.directory.read_weights(last.end_step)
    integer = evaluate(run, last.scales, weights, test.features, test.labels).accuracy
    floats = train_float(run, initial_weights(run), data.features, data.labels)
    return integer, float_accuracy(run, floats, test.features, test.labels)


@click.command("demo")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the run and the proof in this directory.")
@verb("demo")
def command(output: Output, keep: Path | None) -> None:
    """Train a digit classifier, prove every step, verify, then tamper with proof and statement."""
    started = time.perf_counter()
    folder = keep or Path(tempfile.mkdtemp(prefix="zkdl-demo-"))
    try:
        lines, data = _story(output, folder)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    data["seconds"] = round(time.perf_counter() - started, 1)
    output.result("\n".join([*lines, f"total               {data['seconds']} s"]), data)


def _story(output: Output, folder: Path) -> tuple[list[str], dict[str, object]]:
    session = Session(RunDirectory.create(folder), get_backend())
    data = CONFIGURATION.load_train()
    output.progress("committing 1437 digits", 0.0)
    clock = time.perf_counter()
    run = session.begin(CONFIGURATION.draft(data), data.features, data.labels, CONFIGURATION.segment_steps)
    clamped = 0
    for segment, result in session.train():
        clamped += int(result.clamp_counts.sum())
        output.progress(f"training, step {segment.end_step}", 0.1 * segment.end_step / run.steps)
    trained = time.perf_counter() - clock
    integer, floats = _accuracies(session, run)
    clock = time.perf_counter()
    proof = folder / "run.zkproof"
    session.prove(proof, progress=lambda phase, done: output.progress(phase, 0.1 + 0.8 * min(done, 0.99)))
    proven = time.perf_counter() - clock
    clock = time.perf_counter()
    code, answer = _verify_elsewhere(proof)
    verified = time.perf_counter() - clock
    if code != 0:
        raise InternalError("the demo's proof was rejected", answer=answer)
    attempts = []
    for name, tamper in (
        ("one bit of the proof", _tamper_byte),
        ("the learning rate in the statement", _tamper_statement),
    ):
        target = folder / "tampered.zkproof"
        tamper(proof, target)
        code_of, refusal = _verify_elsewhere(target)
        target.unlink()
        if code_of == 0:
            raise InternalError("a tampered proof was accepted", tampered=name)
        attempts.append((name, code_of, str(refusal["code"]), str(refusal["message"])))
    output.progress("done", 1.0)
    segments = len(session.directory.segments())
    lines = [
        f"trained             {run.steps} steps in {segments} segments, {trained:.1f} s; {clamped} values clamped",
        f"test accuracy       {100 * integer:.2f} % integer (proven),  {100 * floats:.2f} % float32 (same weights, same batches)",
        f"proven              every step, {proven:.1f} s ({1000 * proven / run.steps:.0f} ms per step),"
        f" {proof.stat().st_size / 2**20:.1f} MiB",
        f"verified            in another process, {verified:.1f} s: valid",
    ]
    lines += [f"tampered            {name}: exit {c}, {kind}: {message}" for name, c, kind, message in attempts]
    body: dict[str, object] = {
        "steps": run.steps, "segments": segments, "integer_accuracy": round(integer, 4), "float_accuracy": round(floats, 4),
        "train_s": round(trained, 2), "prove_s": round(proven, 2), "verify_s": round(verified, 2),
        "proof_bytes": proof.stat().st_size, "statement": answer["statement"],
        "tampered": [{"what": n, "exit": c, "code": k} for n, c, k, _ in attempts],
    }  # fmt: skip
    return lines, body
