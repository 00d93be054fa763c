"""Golden proofs of the current format stay valid, and their intermediate values stay what they are."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

import zkdl
from tests.vectors.recording import FOLDER, replay

INDEX = json.loads((FOLDER / "index.json").read_text())


@pytest.mark.parametrize("name", INDEX)
def test_golden_proof(name: str) -> None:
    path, pinned = FOLDER / f"{name}.zkproof", INDEX[name]
    proof, values = path.read_bytes(), gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes())
    assert hashlib.sha256(proof).hexdigest() == pinned["proof"] and len(proof) == pinned["bytes"]
    assert hashlib.sha256(values).hexdigest() == pinned["values"]
    assert zkdl.verify(path).complete
    assert json.loads(values) == replay(proof)


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in Path(FOLDER).iterdir() if file.is_file()) < 3_000_000
