"""Stores forged containers, for tests of the verifiers: each is refused, most of them by a single check.

    python -m benchmarks.forging.corpus DIR [--each N]

Writes `DIR/<class>-<name>-<seed>.zkproof`, honest containers `DIR/honest-*.zkproof`, and `DIR/index.json`: a list of objects
with `file`, `class`, `name`, `seed`, `honest`, `first` and `second` (verdicts of `zkdl.verify` and of the second verifier: "OK"
or a code). The containers use the parameter set of `tests.support.tiny.SETS`: `benchmarks.forging.base.first` and `second` judge
them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path

from benchmarks.forging.base import Forgery
from benchmarks.forging.library import everything


def _file_name(forgery: Forgery, seed: int) -> str:
    return f"{forgery.kind}-{re.sub(r'[^a-z0-9]+', '-', forgery.name.lower()).strip('-')}-{seed}.zkproof"


def save(folder: Path, forgeries: list[Forgery], each: int) -> int:
    """Make `each` containers of every forgery that makes containers. Returns how many files there are."""
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, object]] = []
    for forgery in forgeries:
        made = 0
        for seed in range(8 * each):
            tried = forgery.run(seed)
            if tried is None or tried.data is None:
                continue
            entries = [(_file_name(forgery, seed), tried.data, tried.verdicts, False)]
            if tried.honest is not None:
                digest = hashlib.sha256(tried.honest).hexdigest()[:12]
                entries.append((f"honest-{digest}.zkproof", tried.honest, tried.controls, True))
            for file, data, verdicts, honest in entries:
                if (folder / file).exists():
                    continue
                (folder / file).write_bytes(data)
                index.append(
                    {
                        "file": file,
                        "class": "honest" if honest else forgery.kind,
                        "name": forgery.name,
                        "seed": seed,
                        "honest": honest,
                        "first": verdicts[0],
                        "second": verdicts[1],
                    }
                )
            made += 1
            if made == each:
                break
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    return len(index)


def main() -> None:
    parser = argparse.ArgumentParser(description="Store forged containers.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=1, help="containers of every forgery")
    arguments = parser.parse_args()
    print(save(arguments.folder, everything(), arguments.each), "files")


if __name__ == "__main__":
    main()
