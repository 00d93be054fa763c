"""The recipe of docs/attestation.md as printed: a signed model directory binds its proof."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import Finished

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_signed_directory_binds_its_proof(finished: Finished, tmp_path: Path) -> None:
    pytest.importorskip("model_signing")
    if shutil.which("openssl") is None:
        pytest.skip("the recipe makes its key with openssl")
    page = (ROOT / "docs" / "attestation.md").read_text(encoding="utf-8")
    sign, check = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shutil.copy(finished.proof, tmp_path / "run.zkproof")
    shutil.copy(finished.weights, tmp_path / "weights.safetensors")
    signed = run(sign, tmp_path)
    assert signed.returncode == 0, signed.stderr
    checked = run(check, tmp_path)
    assert checked.returncode == 0 and "The proof is valid." in checked.stdout, checked.stderr
    for name in ("run.zkproof", "weights.safetensors", "attestation.json"):
        file = tmp_path / "model" / name
        before = file.read_bytes()
        file.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        refused = run(check, tmp_path)
        assert refused.returncode != 0 and "The proof is valid." not in refused.stdout
        file.write_bytes(before)
    (tmp_path / "model" / "more.txt").write_text("not signed")
    assert run(check, tmp_path).returncode != 0
