"""Writes proofs with fixed secrets and records every step of the transcripts that the second verifier replays."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zkdl
from zkdl import session, storage
from zkdl.datasets import FeatureRule
from zkdl.reference import certificates, dataset, opening, segment
from zkdl.reference import verifier as verifier_module
from zkdl.reference.field import K
from zkdl.reference.hidden import Hidden, Session
from zkdl.reference.lookup import LeafClaims, Leaves
from zkdl.reference.transcript import Transcript
from zkdl.statement.weights import Weights

FOLDER = Path(__file__).parent
# Few bits make a small table of ranges; the rate then has to be large, or no update would be as large as one unit.
FRAC, BOUND, RATE = 12, 0.25, 0.5


@dataclass(frozen=True)
class Case:
    """A run of 32 examples in batches of 8. `budget`: openings of the data and links; fewer make shorter messages."""

    widths: list[int]
    options: dict[str, Any]
    steps: int = 3
    hidden: bool = False
    budget: int = 2
    features: FeatureRule = FeatureRule()


CASES = {
    # Layers of 16 make long rows and so a short proof.
    "ce-three-steps": Case([16, 16, 16], {"loss": "ce", "activation_bits": 6, "gradient_bits": 7}, budget=10),
    "mse": Case([8, 8, 8], {"loss": "mse", "activation_bits": 4, "gradient_bits": 5}),
    "mse-hidden-start": Case(
        [8, 8],
        {
            "loss": "mse",
            "activation_bits": 4,
            "gradient_bits": 5,
            "weight_frac": FRAC,
            "initial_bound": BOUND,
            "lr": RATE,
        },
        hidden=True,
        features=FeatureRule(bits=4, frac=4),
    ),
    "mse-two-segments": Case(
        [8, 8], {"loss": "mse", "activation_bits": 4, "gradient_bits": 5, "segment_steps": 4}, steps=6
    ),
}


def make_proof(name: str, folder: Path) -> bytes:
    """The proof of a case, the master secret of its run being the hash of its name: for vectors alone."""
    case, rng = CASES[name], np.random.default_rng(1)
    x, y = (
        rng.integers(0, 1 << case.features.bits, (32, case.widths[0])).astype(np.uint8),
        rng.integers(0, case.widths[-1], 32),
    )
    limit = int(BOUND * (1 << FRAC))
    matrices = [rng.integers(-limit, limit, shape) for shape in zip(case.widths, case.widths[1:], strict=False)]
    initial = Weights(matrices, [rng.integers(-limit, limit, w.shape[1]) for w in matrices])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "fresh_key", lambda: hashlib.sha256(name.encode()).digest())
        patch.setattr(session, "DATA_BUDGET", case.budget)
        run = zkdl.Run(
            zkdl.MLP(case.widths), batch=8, features=case.features, threads=1, directory=folder / "run", **case.options
        )
        run.fit(x, y, steps=case.steps, initial=initial if case.hidden else None)
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
            steps.append({"challenges": label, "values": pairs(found), "state": self.state.hex()})
            return found

        def placing(self: Transcript, label: str, domain: int, count: int) -> list[int]:
            found = positions(self, label, domain, count)
            steps.append({"positions": label, "domain": domain, "values": found, "state": self.state.hex()})
            return found

        patch.setattr(Transcript, "absorb", absorbing)
        patch.setattr(Transcript, "challenges", drawing)
        patch.setattr(Transcript, "positions", placing)
        yield steps


def pairs(values: Iterable[K]) -> list[list[int]]:
    return [[x.a, x.b] for x in values]


def form(hidden: Hidden) -> dict[str, Any]:
    """An affine form: its constant and, in the order of the pads, the SHA-256 of index and coefficient of each as u64."""
    terms = b"".join(struct.pack("<qQQ", i, x.a, x.b) for i, x in sorted(hidden.pads.items()))
    return {
        "constant": pairs([hidden.constant])[0],
        "pads": len(hidden.pads),
        "sha256": hashlib.sha256(terms).hexdigest(),
    }


@contextmanager
def leaf_claims() -> Iterator[list[dict[str, Any]]]:
    """Of every section with lookups: the point of the leaves, what is claimed there, and the weights of virtual values."""
    found: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        begin = LeafClaims.__init__

        def beginning(self: LeafClaims, session: Session, leaves: Leaves) -> None:
            begin(self, session, leaves)
            found.append(
                {
                    "units": pairs(self.unit_point),
                    "slot": pairs(self.slot),
                    "rows": pairs(self.rows_table),
                    "numerator": form(self.numerator),
                    "denominator": form(self.denominator),
                    "virtual": {name: pairs(weights) for name, weights in sorted(self.virtual.items())},
                }
            )

        patch.setattr(LeafClaims, "__init__", beginning)
        yield found


@contextmanager
def sums() -> Iterator[list[dict[str, Any]]]:
    """Of every section: the public values that stand as pads -1, -2, .. in forms, and the constraints."""
    found: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:

        def finishing(session: Session, *arguments: Any) -> bytes:
            state = opening.finish(session, *arguments)
            found.append(
                {
                    "section": session.section.name,
                    "public": pairs(compute() for compute in session.public),
                    "constraints": [form(constraint) for constraint in session.constraints],
                    "state": state.hex(),
                }
            )
            return state

        for module in (certificates, dataset, segment):
            patch.setattr(module, "finish", finishing)
        yield found


def replay(proof: bytes) -> dict[str, Any]:
    """All intermediate values of an accepted proof, as the second verifier computes them."""
    with recorded() as steps, leaf_claims() as leaves, sums() as sections:
        found = verifier_module.verify(io.BytesIO(proof))
    return {
        "sha256": hashlib.sha256(proof).hexdigest(),
        "bits": f"{found.bits:.4f}",
        "total_bits": f"{found.total_bits:.4f}",
        "leaves": leaves,
        "sections": sections,
        "steps": steps,
    }


def encoded(values: dict[str, Any]) -> bytes:
    """What a file of values holds, before compression."""
    return json.dumps(values, separators=(",", ":")).encode()
