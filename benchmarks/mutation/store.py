"""The stored corpus: honest containers, and forgeries as changes of them.

manifest.json lists the forgeries: name, what they aim at, the honest container they start from, the changed pieces (start,
end, replacement) and the SHA-256 of the outcome. Long replacements are in pieces.bin (zlib), as [offset, length].
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parents[2] / "tests" / "corpus"
SHORT = 64


@dataclass(frozen=True)
class Forgery:
    """A container that must be refused. honest: name of the container that it was made from, which is accepted."""

    name: str
    aims: str
    data: bytes
    honest: str
    arguments: dict[str, Any] = field(default_factory=dict)


@cache
def honest(folder: Path = CORPUS) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.zkproof"))}


def _put(pieces: list[list[Any]], data: bytes, store: bytes) -> bytes:
    out, at = [], 0
    for start, end, new in pieces:
        replacement = bytes.fromhex(new) if isinstance(new, str) else store[new[0] : new[0] + new[1]]
        out += [data[at:start], replacement]
        at = end
    return b"".join([*out, data[at:]])


def load(folder: Path = CORPUS) -> list[Forgery]:
    """All forgeries; raises ValueError when one is not the one that was stored."""
    store, found = zlib.decompress((folder / "pieces.bin").read_bytes()), []
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        data = _put(entry["pieces"], honest(folder)[entry["honest"]], store)
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ValueError(f"the stored forgery {entry['name']} has another digest")
        found.append(Forgery(entry["name"], entry["aims"], data, entry["honest"], entry.get("arguments", {})))
    return found


@cache
def _changes(old: bytes, new: bytes) -> list[tuple[int, int, bytes]]:
    """Pieces to replace. Equal lengths: runs of 32 bytes that differ; otherwise what lies between equal ends."""
    if len(old) == len(new):
        blocks = [i for i in range(0, len(old), 32) if old[i : i + 32] != new[i : i + 32]]
        runs: list[list[int]] = []
        for block in blocks:
            if runs and runs[-1][1] == block:
                runs[-1][1] = block + 32
            else:
                runs.append([block, block + 32])
        return [(start, min(end, len(old)), new[start:end]) for start, end in runs]
    limit = min(len(old), len(new))
    head = _equal(old, new, limit)
    tail = _equal(old[::-1], new[::-1], limit - head)
    return [(head, len(old) - tail, new[head : len(new) - tail])]


def size(forgery: Forgery, folder: Path = CORPUS) -> int:
    """Bytes in which a forgery differs from its honest container, compressed."""
    return len(zlib.compress(b"".join(new for _, _, new in _changes(honest(folder)[forgery.honest], forgery.data))))


def _equal(one: bytes, two: bytes, limit: int) -> int:
    """How many bytes at the start are the same, at most `limit`."""
    low = 0
    while low < limit:
        middle = (low + limit + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            limit = middle - 1
    return low


def save(forgeries: list[Forgery], folder: Path = CORPUS) -> None:
    """Write manifest.json and pieces.bin."""
    store, manifest, known = bytearray(), [], {}
    for forgery in forgeries:
        pieces: list[list[Any]] = []
        for start, end, new in _changes(honest(folder)[forgery.honest], forgery.data):
            if len(new) <= SHORT:
                pieces.append([start, end, new.hex()])
                continue
            if new not in known:
                known[new] = [len(store), len(new)]
                store += new
            pieces.append([start, end, known[new]])
        entry: dict[str, Any] = {"name": forgery.name, "aims": forgery.aims, "honest": forgery.honest, "pieces": pieces}
        if forgery.arguments:
            entry["arguments"] = forgery.arguments
        manifest.append({**entry, "sha256": hashlib.sha256(forgery.data).hexdigest()})
    (folder / "pieces.bin").write_bytes(zlib.compress(bytes(store), 9))
    text = ",\n".join(json.dumps(entry) for entry in manifest)
    (folder / "manifest.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
