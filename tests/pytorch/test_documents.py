"""docs/pytorch.md and the examples do what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `torch` is not installed")

ROOT = Path(__file__).resolve().parents[2]


def run(script: Path, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_page_works_as_printed(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "pytorch.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "train.py").write_text("".join(blocks), encoding="utf-8")
    printed = run(tmp_path / "train.py", tmp_path)
    # Nothing is left out of what is shown, but where the page says so.
    shown = [part for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL) for part in block.split("...\n")]
    assert sum(part.count("\n") for part in shown) > 20
    assert [part for part in shown if part not in printed] == []
    accuracy = float(re.findall(r"as a PyTorch model: (\S+)", printed)[0])
    assert accuracy > 0.7
    assert (tmp_path / "digits.zkproof").exists() and (tmp_path / "digits.pt").exists()


def test_the_example_with_a_model(tmp_path: Path) -> None:
    printed = run(ROOT / "examples" / "from_pytorch.py", tmp_path)
    found = dict(re.findall(r"(integer|PyTorch) accuracy: (\S+)", printed))
    assert float(found["integer"]) > 0.7
    assert abs(float(found["integer"]) - float(found["PyTorch"])) < 0.02
    assert "Proven: 92 steps" in printed


def test_the_example_with_a_checkpoint(tmp_path: Path) -> None:
    printed = run(ROOT / "examples" / "from_checkpoint.py", tmp_path)
    before = float(re.findall(r"checkpoint: (\S+)", printed)[0])
    after = float(re.findall(r"proven steps: (\S+)", printed)[0])
    assert after > before - 0.05 and after > 0.8
    assert "starting from the initial weights committed" in printed
