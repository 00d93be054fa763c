"""What every verb prints with --json is what its published schema says, in success and in failure."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.e2e.running import Finished, configure, zkdl
from zkdl.cli import demo
from zkdl.cli.verbs import VERBS

SCHEMAS = Path(demo.__file__).resolve().parents[1] / "schemas"
NAMES = sorted([*VERBS, "error"])


def schema(name: str) -> dict[str, Any]:
    found = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="ascii"))
    assert isinstance(found, dict)
    return found


def check(name: str, answer: dict[str, Any]) -> None:
    Draft202012Validator(schema(name)).validate(answer)


def test_every_verb_has_a_schema() -> None:
    assert sorted(path.stem for path in SCHEMAS.glob("*")) == NAMES
    for name in NAMES:
        Draft202012Validator.check_schema(schema(name))
        assert schema(name)["title"] == f"zkdl/{name}/1"


def test_shared_parts_are_equal() -> None:
    parts: dict[str, Any] = {}
    for name in VERBS:
        for part, text in schema(name)["$defs"].items():
            if part != "result":
                assert parts.setdefault(part, text) == text, (name, part)
    error = schema("error")
    assert all(error[key] == parts["refusal"][key] for key in parts["refusal"] if key != "description")


@pytest.mark.parametrize("name", NAMES)
def test_schema_prints_it(name: str) -> None:
    assert json.loads(zkdl("schema", name).stdout) == schema(name)
    assert zkdl("schema", name, "--json").answer["document"] == schema(name)


def objects(node: Any) -> list[dict[str, Any]]:
    """Every schema of an object with fixed fields."""
    found = [node] if isinstance(node, dict) and node.get("type") == "object" and "properties" in node else []
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        found += objects(below)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_strict(name: str) -> None:
    for part in objects(schema(name)):
        assert part["additionalProperties"] is False and set(part["required"]) <= set(part["properties"])


def run_demo(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    small = replace(demo.CONFIGURATION, widths=(64, 12, 10), bias=(True, True), epochs=None, steps=2, segment_steps=2)
    monkeypatch.setattr(demo, "CONFIGURATION", small)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return zkdl("demo", "--json").answer


def successes(verb: str, finished: Finished, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Real outputs of a verb, with its options."""
    data = ("--weights", finished.weights, "--data", finished.data, "--data-key", finished.data_key)
    if verb == "demo":
        return [run_demo(monkeypatch)]
    if verb == "train":
        tests = 'test = "digits.npz"'
        commands = [(configure(folder / "a"),), (configure(folder / "b", data=tests),)]
    else:
        commands = {
            "doctor": [()],
            "check": [(finished.configuration,), (finished.configuration, "--smoke")],
            "estimate": [(finished.configuration,)],
            "prove": [(finished.run, "--output", folder / "again")],
            "verify": [(finished.proof,), (finished.proof, *data)],
            "inspect": [(finished.proof,), (finished.proof, "--security")],
            "report": [
                (finished.run, "--out", folder / "r.html"),
                (finished.run, "--model-card", "--out", folder / "c.md"),
            ],
            "attest": [(finished.proof,), (finished.proof, "--weights", finished.weights, "--out", folder / "a.json")],
            "schema": [("verify",)],
            "completion": [("bash",), ("zsh",), ("fish",)],
        }[verb]
    return [zkdl(verb, *arguments, "--json").answer for arguments in commands]


@pytest.mark.parametrize("verb", VERBS)
def test_successes(verb: str, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = successes(verb, finished, tmp_path, monkeypatch)
    assert answers
    for answer in answers:
        assert answer["ok"] is True and answer["schema"] == f"zkdl/{verb}/1"
        check(verb, answer)
        # A field less or more is noticed.
        for changed in (
            {**answer, "more": 1},
            {name: answer[name] for name in list(answer)[1:]},
            {**answer, "ok": False},
        ):
            assert not Draft202012Validator(schema(verb)).is_valid(changed)


@pytest.mark.parametrize("verb", VERBS)
def test_failures(verb: str) -> None:
    done = zkdl(verb, "--no-such-option", "--json")
    assert done.status == 2
    check(verb, done.answer)
    check("error", done.answer)


def test_failures_with_places(finished: Finished, tmp_path: Path) -> None:
    """Places are text, also those that are numbers; an interruption is a failure like others."""
    for arguments in (
        ("estimate", finished.configuration, "--max-memory", "1MiB"),
        ("train", configure(tmp_path, model="widths = [64, 12, 9]")),
        ("verify", tmp_path / "none"),
    ):
        answer = zkdl(*arguments, "--json").answer
        assert answer["where"] and answer["ok"] is False
        check(str(arguments[0]), answer)
        check("error", {**answer, "code": "INTERRUPTED", "where": {}})
        assert not Draft202012Validator(schema("error")).is_valid({**answer, "code": "OK"})
