"""Importing zkdl imports nothing, and its names are loaded when they are used."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import zkdl

LISTING = "import sys; before = set(sys.modules); import {}; print(*sorted(set(sys.modules) - before))"


def new_modules(name: str) -> set[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LISTING.format(name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.split())


def test_import_is_empty() -> None:
    # `from __future__ import annotations` and typing belong to the standard library.
    loaded = new_modules("zkdl")
    assert {name for name in loaded if name.startswith("zkdl")} == {"zkdl"}
    assert not {"numpy", "click", "rich", "safetensors", "json"} & loaded


def test_the_verifier_imports_numpy_and_the_standard_library_only() -> None:
    third = {name.split(".")[0] for name in new_modules("zkdl.proof.verify")}
    third -= set(sys.stdlib_module_names) | {"numpy", "zkdl", "cython_runtime", "_cython_3_0_11"}
    assert {name for name in third if not name.startswith("_")} == set()
    loaded = {name for name in new_modules("zkdl.proof.verify") if name.startswith("zkdl.")}
    assert not {name for name in loaded if name.startswith(("zkdl.train", "zkdl.cli", "zkdl.api", "zkdl.session"))}


def test_lazy_names() -> None:
    public = {"MLP", "FeatureRule", "Run", "Verified", "verify", "make_provable", "fix", "datasets", "__version__"}
    assert set(dir(zkdl)) == public
    for name in dir(zkdl):
        assert getattr(zkdl, name) is not None
    with pytest.raises(AttributeError):
        _ = zkdl.nothing
