"""Which examples a step uses: one seed per run, a permutation per epoch, a function of the global step alone.

The seed hashes the whole run statement, so it comes after dataset root, initial weights and beacon, and does
not depend on how the run is cut into segments. [review.md, (b) 9]
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from zkdl.statement.run import RunStatement

_SEED_LABEL = b"zkdl/sampler/seed/1"
_PERMUTATION_LABEL = b"zkdl/sampler/permutation/1"


def seed(run: RunStatement) -> bytes:
    """The run's sampler seed, 32 bytes."""
    return hashlib.shake_256(_SEED_LABEL + run.canonical()).digest(32)


@lru_cache(maxsize=2)
def permutation(sampler_seed: bytes, epoch: int, examples: int) -> NDArray[np.int64]:
    """A permutation of 0..examples-1, (examples,) int64: stable argsort of 64-bit keys."""
    stream = hashlib.shake_256(_PERMUTATION_LABEL + sampler_seed + epoch.to_bytes(8, "little"))
    keys = np.frombuffer(stream.digest(8 * examples), dtype="<u8")
    order = np.argsort(keys, kind="stable").astype(np.int64, copy=False)
    # Consecutive segments share an epoch; a cached array must not change under its other users.
    order.flags.writeable = False
    return order


def steps_per_epoch(run: RunStatement) -> int:
    """Steps in one pass over the data; a last partial batch counts only when it is kept."""
    if run.last_batch == "keep":
        return -(-run.examples // run.batch)
    return run.examples // run.batch


def batch_indices(
    run: RunStatement, sampler_seed: bytes, first_step: int, steps: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Batches of the global steps first_step .. first_step + steps - 1.

    Returns:
        indices: (steps, batch) int64, dataset rows; -1 in slots without example, always the last ones.
        sizes: (steps,) int64, examples in each batch.
    """
    per_epoch = steps_per_epoch(run)
    indices = np.full((steps, run.batch), -1, dtype=np.int64)
    for epoch in range(first_step // per_epoch, (first_step + steps - 1) // per_epoch + 1):
        order = permutation(sampler_seed, epoch, run.examples)[: per_epoch * run.batch]
        padded = np.full(per_epoch * run.batch, -1, dtype=np.int64)
        padded[: len(order)] = order
        begin = max(first_step, epoch * per_epoch)
        end = min(first_step + steps, (epoch + 1) * per_epoch)
        rows = padded.reshape(per_epoch, run.batch)[begin - epoch * per_epoch : end - epoch * per_epoch]
        indices[begin - first_step : end - first_step] = rows
    return indices, np.count_nonzero(indices >= 0, axis=1).astype(np.int64)
