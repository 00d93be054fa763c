"""Try to cheat with a proof file, and see each refusal with its code.

python examples/tampering.py [FOLDER]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zkdl
from zkdl.errors import ZkError


def one_bit(proof: bytes) -> bytes:
    """Flip one bit in the middle of the proof."""
    changed = bytearray(proof)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def cut_short(proof: bytes) -> bytes:
    """Leave out the last kilobyte."""
    return proof[:-1024]


def with_header(proof: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The same proof under another statement. Bytes 12 to 16 of a file are the length of the header, which is JSON."""
    length = int.from_bytes(proof[12:16], "little")
    header = json.loads(proof[16 : 16 + length])
    change(header)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
    return proof[:12] + len(text).to_bytes(4, "little") + text + proof[16 + length :]


def another_rate(proof: bytes) -> bytes:
    """Claim twice the learning rate."""

    def change(header: dict[str, Any]) -> None:
        header["run"]["schedule"][0][1] *= 2

    return with_header(proof, change)


def other_weights(proof: bytes) -> bytes:
    """Claim that the run ended in other weights."""

    def change(header: dict[str, Any]) -> None:
        header["segments"][-1]["w_out"]["root"] = "00" * 32

    return with_header(proof, change)


def main(folder: Path) -> None:
    x, y, _, _ = zkdl.datasets.digits()
    run = zkdl.Run(zkdl.MLP([64, 16, 10]), lr=0.1, batch=16)
    run.fit(x, y, steps=8)
    honest = run.prove(folder / "honest.zkproof")
    zkdl.verify(honest)
    print("honest proof: accepted")
    target = folder / "tampered.zkproof"
    for cheat in (one_bit, cut_short, another_rate, other_weights):
        target.write_bytes(cheat(honest.read_bytes()))
        try:
            zkdl.verify(target)
        except ZkError as error:
            print(f"{cheat.__name__}: refused, {error.code}: {error.message}")
        else:
            raise SystemExit(f"{cheat.__name__}: accepted")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
