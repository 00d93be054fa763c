"""docs/errors.md is complete: every code of the source with its exit status, and no code that does not exist."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from zkdl import errors

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.ZkError)
}


def _constants(node: ast.expr) -> Iterator[str]:
    """String constants that the expression can give."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)


def codes_in_source() -> dict[str, set[int]]:
    """Exit statuses by code, from every call with a `code` and from the default codes."""
    found: dict[str, set[int]] = defaultdict(set)
    for path in sorted((ROOT / "src" / "zkdl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                for keyword in node.keywords:
                    if keyword.arg == "code":
                        for code in _constants(keyword.value):
                            found[code].add(CLASSES[node.func.id].exit_status)
    for kind in CLASSES.values():
        found[kind.default_code].add(kind.exit_status)
    return dict(found)


def codes_in_document() -> dict[str, set[int]]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([0-9, ]+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    names = [row[0] for row in rows]
    assert len(names) == len(set(names)), "a code is documented twice"
    return {name: {int(status) for status in statuses.split(",")} for name, statuses, _, _ in rows}


def test_every_code_is_documented() -> None:
    assert sorted(set(codes_in_source()) - set(codes_in_document())) == []


def test_every_documented_code_exists() -> None:
    assert sorted(set(codes_in_document()) - set(codes_in_source())) == []


def test_exit_statuses_are_documented() -> None:
    source, document = codes_in_source(), codes_in_document()
    assert {code: document[code] for code in source} == source


def test_every_code_keyword_belongs_to_an_error_class() -> None:
    # A helper that takes a code would hide it from the test above. (CuPy calls the text of its kernels code.)
    for path in sorted((ROOT / "src" / "zkdl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and any(keyword.arg == "code" for keyword in node.keywords):
                if isinstance(node.func, ast.Attribute) and node.func.attr == "RawModule":
                    continue
                assert isinstance(node.func, ast.Name) and node.func.id in CLASSES, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(
    "name",
    [
        "api",
        "checking",
        "configuration",
        "datasets",
        "given_weights",
        "train/trainer",
        "train/formats",
        "train/rates",
        "pytorch/building",
        "pytorch/entry",
        "pytorch/handle",
        "pytorch/weights",
    ],
)
def test_every_error_of_user_input_says_what_to_do(name: str) -> None:
    tree = ast.parse((ROOT / "src" / "zkdl" / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
            given = {keyword.arg for keyword in node.keywords}
            # Only the caller of an internal function can be wrong about these, or the steps before tell.
            code = next(
                (k.value.value for k in node.keywords if k.arg == "code" and isinstance(k.value, ast.Constant)), ""
            )
            assert "hint" in given or code in ("", "RESUME_WEIGHTS", "SEGMENT_STEPS"), f"{name}:{node.lineno}"


def test_every_code_has_an_anchor() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for code in codes_in_document():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{code}` |"))
        assert f'<a id="{code.lower()}"></a>' in row


# Codes of classes whose errors are always raised with a code of their own.
GENERAL = {"REJECTED", "MALFORMED", "NOT_PROVABLE", "RESOURCE", "DEVICE"}


def test_general_codes_are_never_raised() -> None:
    for path in sorted((ROOT / "src" / "zkdl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                coded = any(keyword.arg == "code" for keyword in node.keywords)
                assert coded or CLASSES[node.func.id].default_code not in GENERAL, f"{path.name}:{node.lineno}"


def codes_in_tests() -> set[str]:
    """Strings that a test other than this one expects or compares with."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path != Path(__file__).resolve():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


def test_every_code_is_triggered_by_a_test() -> None:
    """A code that no test names is one that no test has seen."""
    assert sorted(set(codes_in_source()) - GENERAL - codes_in_tests()) == []


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_class_has_a_documented_status(kind: type[errors.ZkError]) -> None:
    assert kind.exit_status in (1, 2, 3, 4, 5, 6, 70)
    assert kind("message").code == kind.default_code


def test_text_names_place_and_hint() -> None:
    error = errors.NotProvable("too wide", code="LIMBS", hint="Make it smaller", layer=2, nothing=None)
    assert str(error) == "too wide (layer 2). Make it smaller"
    assert error.where == {"layer": 2}
    assert error.at({"file": "x"}).where == {"layer": 2, "file": "x"}
