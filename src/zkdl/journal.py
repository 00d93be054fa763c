"""How often each commitment has been opened: reserved durably before any position is drawn. [review.md, hole 11]

One JSON object per line: {"root", "proof", "budget"}. Reserving for the same proof again is free, because a retry derives the
same randomness and repeats the same opening. What makes a proof the same one is in `openings.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

from zkdl.errors import ResourceError, UsageError
from zkdl.storage import append_line, write_atomic


class Journal:
    """Openings reserved so far, read from and appended to `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._proofs: dict[str, set[str]] = {}
        if not path.exists():
            return
        complete, end, cut = path.read_bytes().rpartition(b"\n")
        for number, line in enumerate(complete.split(b"\n") if end else [], start=1):
            try:
                entry = json.loads(line)
                root, proof = str(entry["root"]), str(entry["proof"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise UsageError(
                    "the opening journal is damaged", code="JOURNAL", file=str(path), line=number
                ) from error
            self._proofs.setdefault(root, set()).add(proof)
        if cut:
            # The process died while the last line was being written, so nothing was opened after it.
            write_atomic(path, complete + end)

    @staticmethod
    def create(path: Path) -> None:
        """An empty journal, on disk when this returns; one that is there stays."""
        if not path.exists():
            write_atomic(path, b"")

    def holds(self, root: str, proof: str) -> bool:
        """Whether this proof has its opening of `root` already."""
        return proof in self._proofs.get(root, ())

    def used(self, root: str) -> int:
        """Openings of this commitment that are spent."""
        return len(self._proofs.get(root, ()))

    def reserve(self, root: str, proof: str, budget: int) -> None:
        """Spend one opening of `root` on `proof`. Raises ResourceError(BUDGET) when none is left."""
        proofs = self._proofs.setdefault(root, set())
        if proof in proofs:
            return
        if len(proofs) >= budget:
            raise ResourceError(
                f"this commitment may be opened {budget} times and has been",
                code="BUDGET",
                hint="Commit again under a new key; opening it once more would leak what it hides",
                root=root,
            )
        append_line(self._path, json.dumps({"root": root, "proof": proof, "budget": budget}, sort_keys=True))
        proofs.add(proof)
