"""An installation without compiled kernels: it builds where there is no compiler, and verifies what was proven elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.e2e.running import Finished

ROOT = Path(__file__).resolve().parents[2]


def _build(target: Path) -> Path:
    """The wheel for every machine, built by the tools of this environment, or by pip's own if it can get them."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(target)]
    command += ["-C", "cmake.define.NATIVE=OFF", "-C", f"build-dir={target / 'build'}"]
    command += ["-C", "wheel.py-api=py3", "-C", "wheel.platlib=false"]
    at_hand = importlib.util.find_spec("scikit_build_core") is not None
    if at_hand:
        command += ["--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode and not at_hand and re.search("No matching distribution|Retrying|connection", done.stderr):
        pytest.skip("pip cannot get the build tools here")
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = target.glob("*-py3-none-any.whl")
    return wheel


@pytest.mark.slow
def test_without_kernels(finished: Finished, tmp_path: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        pytest.skip("there is no pip here")
    wheel = _build(tmp_path / "wheels")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True, timeout=60)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(site), str(wheel)],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    # numpy, click, rich and safetensors come from here, behind the venv's own folder: only zkdl is another one.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def zkdl(*arguments: object) -> dict[str, object]:
        command = [str(python), "-m", "zkdl.cli.main", *map(str, arguments), "--json"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment, timeout=300
        )
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    where = subprocess.run(
        [str(python), "-c", "import zkdl; print(zkdl.__file__)"], capture_output=True, text=True, check=True,
        cwd=tmp_path, env=environment, timeout=60,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))
    assert not list((site / "zkdl").glob("_native*"))
    assert zkdl("verify", finished.proof)["code"] == "OK"
    doctor = zkdl("doctor")
    assert doctor["code"] == "OK" and doctor["default backend"] == "numpy" and "note" in doctor
    alone = subprocess.run(
        [str(python), "-m", "zkdl.proof", str(finished.proof)], capture_output=True, text=True, check=True, cwd=tmp_path,
        env=environment, timeout=60,
    )  # fmt: skip
    assert alone.stdout.startswith("The proof is valid.")
    assert zkdl("schema", "verify")["document"] and (site / "zkdl" / "py.typed").exists()
    assert zkdl("verify", finished.proof, "--backend", "native")["code"] == "DEVICE_NATIVE"
