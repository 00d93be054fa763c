"""Train, prove, verify, inspect and the rest by the command line, with the JSON that each prints."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.running import Finished, configure, refusal, zkdl
from zkdl.cli import demo

RUN_FIELDS = {
    "run_id", "widths", "bias", "loss", "batch", "examples", "steps", "last_batch", "schedule", "format",
    "activation_frac_interval", "gradient_frac_interval", "init_seed", "init_root", "init_weight_bound",
    "init_bias_bound", "data_root", "data_budget", "weights_budget", "parameter_set", "beacon",
}  # fmt: skip
SEGMENT_FIELDS = {"index", "first_step", "steps", "scales", "limbs", "w_in", "w_out"}
COMMON = {"schema", "ok", "code"}


def test_verify_in_words(finished: Finished) -> None:
    done = zkdl("verify", finished.proof, "--quiet")
    assert done.status == 0 and done.stderr == ""
    for text in ("The proof is valid.", "6 steps", "64-12-10", "Not proven", "Hidden: data, labels", "Soundness: 2^-1"):
        assert text in done.stdout
    bits = re.search(r"2\^-([\d.]+) per random-oracle", done.stdout)
    assert bits is not None and float(bits[1]) >= 100
    assert "had no beacon" in done.stdout


def test_progress_goes_to_stderr(finished: Finished) -> None:
    done = zkdl("verify", finished.proof)
    assert "100 % done" in done.stderr and "% done" not in done.stdout


def test_verify_json(finished: Finished) -> None:
    done = zkdl("verify", finished.proof, "--json")
    answer = done.answer
    assert done.status == 0 and set(answer) == COMMON | {"statement", "timings_s"}
    assert (answer["schema"], answer["ok"], answer["code"]) == ("zkdl/verify/1", True, "OK")
    statement = answer["statement"]
    assert set(statement) == {"run", "segments", "whole_chain", "complete", "soundness_bits", "run_bits", "checked"}
    assert set(statement["run"]) == RUN_FIELDS and len(statement["segments"]) == 2
    assert all(set(segment) == SEGMENT_FIELDS for segment in statement["segments"])
    assert statement["whole_chain"] is statement["complete"] is True and statement["checked"] == []
    assert float(statement["soundness_bits"]) >= 100
    assert set(answer["timings_s"]) == {"data", "segment-0", "segment-1", "dataset"}


def test_train_json_and_again(tmp_path: Path) -> None:
    configuration = configure(tmp_path, data='test = "digits.npz"')
    answers = [zkdl("train", configuration, "--json").answer for _ in range(2)]
    for answer in answers:
        assert set(answer) == COMMON | {"steps", "segments", "clamped", "test_accuracy", "directory"}
        assert (answer["schema"], answer["steps"], answer["segments"]) == ("zkdl/train/1", 6, 2)
        assert answer["directory"] == str(tmp_path / "run") and 0 <= answer["test_accuracy"] <= 1
    assert answers[0]["test_accuracy"] == answers[1]["test_accuracy"]


def test_prove_json_and_again(finished: Finished, tmp_path: Path) -> None:
    again = zkdl("prove", finished.run, "--output", tmp_path / "again.zkproof", "--json")
    assert again.status == 0 and set(again.answer) == COMMON | {"proof", "bytes"}
    assert again.answer["bytes"] == finished.proof.stat().st_size
    assert (tmp_path / "again.zkproof").read_bytes() == finished.proof.read_bytes()


def test_inspect(finished: Finished) -> None:
    done = zkdl("inspect", finished.proof)
    assert done.status == 0 and done.stdout.startswith("NOT VERIFIED")
    answer = zkdl("inspect", finished.proof, "--security", "--json").answer
    assert set(answer) == COMMON | {"verified", "run", "segments", "sections", "security", "security_summary"}
    assert answer["verified"] is False and answer["schema"] == "zkdl/inspect/1"
    assert [name for name, _ in answer["sections"]] == ["data", "segment-0", "segment-1", "dataset"]
    assert [set(report) for report in answer["security"]] == [{"name", "bits", "binding", "terms"}] * 4
    assert all(report["bits"] >= 100 for report in answer["security"])
    text = zkdl("inspect", finished.proof, "--security").stdout
    assert "weakest:" in text and "What the proof reveals" in text and "Hidden: data, labels" in text
    marked = [line for line in text.splitlines() if line.startswith("* 2^-")]
    assert marked and all("positions" in line for line in marked)
    for report in answer["security"]:
        assert any(term["binding"] for term in report["terms"]) and not all(term["binding"] for term in report["terms"])
    summary = answer["security_summary"]
    assert summary["bits"] == min(report["bits"] for report in answer["security"]) >= summary["promised_bits"] == 100
    assert summary["sections_left_out"] == 0 and summary["sum_bits"] < summary["bits"] and len(summary["reveals"]) > 3
    assert "security_summary" not in zkdl("inspect", finished.proof, "--json").answer


def test_check(finished: Finished) -> None:
    done = zkdl("check", finished.configuration)
    assert done.status == 0 and "layer" in done.stdout and "limit 2^62" in done.stdout
    answer = zkdl("check", finished.configuration, "--smoke", "--json").answer
    assert set(answer) == COMMON | {
        "weight_frac", "limbs", "layers", "final_bits", "trial_steps", "trial_clamped", "trial_accuracy",
        "trial_float_accuracy", "loss_curve", "estimate", "smoke",
    }  # fmt: skip
    assert answer["smoke"] is True and answer["final_bits"] <= 62
    assert [layer["shape"] for layer in answer["layers"]] == [[64, 12], [12, 10]]


def test_estimate_agrees_with_the_proof(finished: Finished) -> None:
    assert "proof" in zkdl("estimate", finished.configuration).stdout
    answer = zkdl("estimate", finished.configuration, "--json", "--threads", 1, "--backend", "numpy").answer
    assert set(answer) == COMMON | {
        "steps", "segments", "segment_steps", "train_s", "train_peak_bytes", "prove_s_per_step", "prove_s", "one_time_s",
        "peak_bytes", "disk_bytes", "proof_bytes", "soundness_bits", "run_bits",
    }  # fmt: skip
    assert (answer["steps"], answer["segments"]) == (6, 2) and answer["soundness_bits"] >= 100
    assert answer["disk_bytes"] == 0
    size = finished.proof.stat().st_size
    assert 0.5 * size < answer["proof_bytes"] < 2 * size


def test_doctor() -> None:
    answer = zkdl("doctor", "--json").answer
    assert answer["schema"] == "zkdl/doctor/1" and answer["round trip"] == "proven and verified"
    assert "numpy" in answer["backends"] and "reference" in answer["backends"]


def test_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The story of the demo on a shorter training."""
    configuration = replace(demo.CONFIGURATION, widths=(64, 12, 10), bias=(True, True), epochs=None, steps=4)
    monkeypatch.setattr(demo, "CONFIGURATION", replace(configuration, segment_steps=2))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    done = zkdl("demo", "--json", "--keep", tmp_path / "kept")
    answer = done.answer
    assert done.status == 0, done.stderr
    assert [(entry["exit"], entry["code"] != "OK") for entry in answer["tampered"]] == [(1, True), (1, True)]
    assert answer["segments"] == 2 and answer["statement"]["complete"] is True
    assert zkdl("verify", tmp_path / "kept" / "run.zkproof", "--quiet").status == 0


def test_a_missing_file_for_every_verb(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    for name, code in (
        ("train", "CONFIG_MISSING"), ("check", "CONFIG_MISSING"), ("estimate", "CONFIG_MISSING"),
        ("prove", "RUN_MISSING"), ("verify", "FILE_MISSING"), ("inspect", "FILE_MISSING"),
    ):  # fmt: skip
        assert refusal(name, nothing) == (2, code)


def test_expect_from_a_verified_statement(finished: Finished, tmp_path: Path) -> None:
    statement = zkdl("verify", finished.proof, "--json").answer["statement"]["run"]
    (tmp_path / "expect.json").write_text(json.dumps(statement))
    again = zkdl("verify", finished.proof, "--expect", tmp_path / "expect.json", "--json")
    assert again.status == 0 and again.answer["statement"]["checked"] == ["expected"]
