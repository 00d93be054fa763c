"""Writes proofs with fixed secrets and records every step of the transcripts that the second verifier replays."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zkdl
from zkdl import storage
from zkdl.reference import segment
from zkdl.reference import verifier as verifier_module
from zkdl.reference.field import K
from zkdl.reference.transcript import Transcript

# Layers of 16 make long rows and so a short proof.
CASES = {"ce-three-steps": {"loss": "ce"}}
FOLDER = Path(__file__).parent


def make_proof(name: str, folder: Path) -> bytes:
    """The proof of a case, the master secret of its run being the hash of its name: for vectors alone."""
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (32, 16)).astype(np.uint8), rng.integers(0, 16, 32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "fresh_key", lambda: hashlib.sha256(name.encode()).digest())
        run = zkdl.Run(
            zkdl.MLP([16, 16, 16]), batch=8, activation_bits=6, gradient_bits=7, threads=1,
            directory=folder / "run", **CASES[name],
        )  # fmt: skip
        run.fit(x, y, steps=3)
        run.prove(folder / "p.zkproof")
    return (folder / "p.zkproof").read_bytes()


@contextmanager
def recorded() -> Iterator[list[dict[str, Any]]]:
    """Every operation of every transcript, in order: what goes in, what comes out, the state after it."""
    steps: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        absorb, challenges, positions = Transcript.absorb, Transcript.challenges, Transcript.positions

        def absorbing(self: Transcript, label: str, kind: int, data: bytes) -> None:
            absorb(self, label, kind, data)
            known = {"hex": data.hex()} if len(data) <= 64 else {"sha256": hashlib.sha256(data).hexdigest()}
            steps.append({"absorb": label, "kind": kind, "bytes": len(data), **known, "state": self.state.hex()})

        def drawing(self: Transcript, label: str, count: int) -> list[K]:
            found = challenges(self, label, count)
            steps.append({"challenges": label, "values": [[x.a, x.b] for x in found], "state": self.state.hex()})
            return found

        def placing(self: Transcript, label: str, domain: int, count: int) -> list[int]:
            found = positions(self, label, domain, count)
            steps.append({"positions": label, "domain": domain, "values": found, "state": self.state.hex()})
            return found

        patch.setattr(Transcript, "absorb", absorbing)
        patch.setattr(Transcript, "challenges", drawing)
        patch.setattr(Transcript, "positions", placing)
        yield steps


def replay(proof: bytes) -> dict[str, Any]:
    """All intermediate values of an accepted proof, as the second verifier computes them."""
    leaves: list[dict[str, Any]] = []
    with recorded() as steps, pytest.MonkeyPatch.context() as patch:
        original = segment.LeafClaims

        def claims(*arguments: Any) -> Any:
            found = original(*arguments)
            leaves.append({"slot": [[x.a, x.b] for x in found.slot], "virtual": sorted(found.virtual)})
            return found

        patch.setattr(segment, "LeafClaims", claims)
        found = verifier_module.verify(io.BytesIO(proof))
    return {
        "sha256": hashlib.sha256(proof).hexdigest(),
        "bits": f"{found.bits:.4f}",
        "total_bits": f"{found.total_bits:.4f}",
        "leaves": leaves,
        "steps": steps,
    }
