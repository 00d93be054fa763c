"""Golden proofs of the current format stay valid, and their intermediate values stay what they are."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import zkdl
from tests.vectors.recording import CASES, FOLDER, encoded, make_proof, replay

INDEX = json.loads((FOLDER / "index.json").read_text())


@pytest.mark.parametrize("name", INDEX)
def test_golden_proof(name: str) -> None:
    path, pinned = FOLDER / f"{name}.zkproof", INDEX[name]
    proof, values = path.read_bytes(), gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes())
    assert hashlib.sha256(proof).hexdigest() == pinned["proof"] and len(proof) == pinned["bytes"]
    assert hashlib.sha256(values).hexdigest() == pinned["values"]
    assert zkdl.verify(path).complete
    assert values == encoded(replay(proof))


@pytest.mark.parametrize("name", CASES)
def test_making_it_again_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """`python -m tools.make_vectors` changes nothing."""
    assert hashlib.sha256(make_proof(name, tmp_path)).hexdigest() == INDEX[name]["proof"]


def test_every_case_is_pinned() -> None:
    assert set(INDEX) == set(CASES) and all("leaves" in read(name) for name in CASES)
    assert len(read("mse-two-segments")["leaves"]) == 3 and len(read("mse-hidden-start")["leaves"]) == 3


def read(name: str) -> dict[str, Any]:
    found = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    assert isinstance(found, dict)
    return found


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in Path(FOLDER).iterdir() if file.is_file()) < 4_500_000
