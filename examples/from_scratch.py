"""Train a network on your own arrays, prove every step, verify the file.

    python examples/from_scratch.py [FOLDER]

Writes FOLDER/run.zkproof (for publication) and FOLDER/run (secret: data, weights, keys).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import zkdl


def two_rings(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane, (count, 2) in [-2, 2), and the ring 0 or 1 that each lies on."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, count)
    angle = rng.uniform(0, 2 * np.pi, count)
    radius = np.where(labels == 1, 1.5, 0.6) + rng.normal(0, 0.1, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).clip(-2, 1.99), labels


def main(folder: Path) -> None:
    x, y = two_rings(512)
    # Reals are rounded to steps of 2^-8 in [-8, 8); a rule of one's own says so explicitly.
    run = zkdl.Run(
        zkdl.MLP([2, 16, 2]),
        lr=0.25,
        batch=32,
        features=zkdl.FeatureRule(bits=12, frac=8, signed=True),
        directory=folder / "run",
        seed="two rings",
    )
    print(run.check(x, y, epochs=8))
    run.fit(x, y, epochs=8)
    proof = run.prove(folder / "run.zkproof")
    verified = zkdl.verify(proof)
    print(verified.describe())
    print(
        f"{proof}: {proof.stat().st_size / 2**20:.2f} MiB, all {verified.run.steps} steps proven: {verified.complete}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
