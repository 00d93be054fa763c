"""Writes tests/vectors: golden proofs, their transcripts step by step, and index.json with the hash of every file.

Run from the root of the repository: python -m tools.make_vectors. The files of a released format are never written anew:
what they hold must stay valid.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from pathlib import Path

from tests.vectors.recording import CASES, FOLDER, encoded, make_proof, replay


def main() -> None:
    index = {}
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            proof = make_proof(name, Path(folder))
        values = encoded(replay(proof))
        for suffix, data in ((".zkproof", proof), (".json.gz", gzip.compress(values, mtime=0))):
            (FOLDER / f"{name}{suffix}").write_bytes(data)
        # Compressed bytes depend on the version of zlib: what they hold is pinned.
        index[name] = {
            "proof": hashlib.sha256(proof).hexdigest(),
            "values": hashlib.sha256(values).hexdigest(),
            "bytes": len(proof),
        }
    (FOLDER / "index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
