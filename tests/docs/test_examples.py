"""Every example and the notebook run, each in a process and a folder of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zkdl
from tests.docs.pages import ROOT, notebook_script, shell

EXAMPLES = ROOT / "examples"
# Needs torch, or is run by a test of its own.
ELSEWHERE = {"from_pytorch.py", "from_checkpoint.py"}
SCRIPTS = sorted(path for path in EXAMPLES.glob("*.py") if path.name not in ELSEWHERE)


def _run(arguments: list[str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_script(path: Path, tmp_path: Path) -> None:
    said = _run([str(path), str(tmp_path)], tmp_path)
    expected = {"from_scratch.py": "steps proven: True", "tampering.py": "other_weights: refused"}[path.name]
    assert expected in said


def test_notebook(tmp_path: Path) -> None:
    script = tmp_path / "notebook.py"
    script.write_text(notebook_script(EXAMPLES / "digits.ipynb"))
    said = _run([str(script)], tmp_path)
    assert "test accuracy" in said and "Not proven" in said


def test_notebook_in_a_kernel(tmp_path: Path) -> None:
    """As a user runs it, cell by cell; in a process of its own, since the kernel's client brings threads and an event loop."""
    pytest.importorskip("nbclient", reason="the extra [docs] is not installed")
    pytest.importorskip("ipykernel", reason="the extra [docs] is not installed")
    script = (
        "import nbformat, sys; from nbclient import NotebookClient\n"
        "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
        "NotebookClient(notebook, timeout=120, kernel_name='python3').execute()\n"
        "cells = [cell for cell in notebook.cells if cell.cell_type == 'code']\n"
        "print([cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)))\n"
        "print(''.join(out.get('text', '') for cell in cells for out in cell.outputs))\n"
    )
    said = _run(["-c", script, str(EXAMPLES / "digits.ipynb")], tmp_path)
    assert said.startswith("True") and "test accuracy" in said and "Not proven" in said


def test_notebook_is_clean() -> None:
    notebook = json.loads((EXAMPLES / "digits.ipynb").read_text())
    assert notebook["nbformat"] == 4
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_verify_in_ci(tmp_path: Path) -> None:
    """The script that the workflow calls: valid, other weights, another statement, no proof."""
    recipe = EXAMPLES / "verify-in-ci"
    x, y, _, _ = zkdl.datasets.digits()
    run = zkdl.Run(zkdl.MLP([64, 16, 10]), lr=0.1, batch=16)
    run.fit(x, y, steps=8)
    run.prove(tmp_path / "model.zkproof")
    run.reveal_weights(tmp_path / "model.safetensors")
    script = recipe / "verify.sh"
    right, wrong = recipe / "expected.json", tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**json.loads(right.read_text()), "steps": 9}))
    for arguments, status, code in (
        (f"model.zkproof {right}", 0, "OK"),
        (f"model.zkproof {right} model.safetensors", 0, "OK"),
        (f"model.zkproof {wrong}", 1, "EXPECTED_STATEMENT"),
        (f"{wrong} {right}", 3, "PROOF_MAGIC"),
    ):
        said = shell(f"status=0; {script} {arguments} || status=$?; echo $status", tmp_path).split()
        assert said[-2:] == [code, str(status)], arguments


def test_the_workflow_names_this_release() -> None:
    text = (EXAMPLES / "verify-in-ci" / "workflow.yml").read_text()
    assert re.search(r'"zkdl==([\d.]+)"', text)[1] == zkdl.__version__  # type: ignore[index]  # a missing pin fails
    assert "model/verify.sh model/model.zkproof model/expected.json" in text
