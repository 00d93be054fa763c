"""Revealed weights: a safetensors file with exact integers and the key of their commitment.

Read here without any library, because the verifier depends on numpy and the standard library alone. Format: u64 header
length, JSON header, raw little-endian data. Tensors are `layer.<l>.weight` and `layer.<l>.bias`, int64; the metadata
hold `weight_frac` and `commitment_key`, and, when they were written behind a finished proof, `proof_sha256` (of the
container) and `statement_sha256` (of the run statement).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.errors import UsageError
from zkdl.statement.weights import Weights

MAX_HEADER = 1 << 20
MAX_DIMENSIONS = 2
PROOF_FIELD, STATEMENT_FIELD = "proof_sha256", "statement_sha256"


def _bad(path: Path, what: str) -> UsageError:
    hint = "Pass the file that zkdl prove --reveal-weights wrote"
    return UsageError(f"the weights file {what}", code="WEIGHTS_FILE", hint=hint, file=str(path))


def _integers(values: Any, most: int) -> list[int]:
    """A list of at most so many true integers: JSON also has floats, and Python also counts booleans.

    Anything else is read as [-1], which no size and no place can be.
    """
    good = isinstance(values, list) and len(values) <= most and all(type(n) is int for n in values)
    return values if good else [-1]


def _tensor(path: Path, body: bytes, entry: Any) -> NDArray[np.int64]:
    if not isinstance(entry, dict):
        raise _bad(path, "has a tensor without shape, type or place")
    shape, place = _integers(entry.get("shape"), MAX_DIMENSIONS), _integers(entry.get("data_offsets"), 2)
    if len(place) != 2:
        raise _bad(path, "has a tensor without shape, type or place")
    begin, end = place
    if entry.get("dtype") != "I64" or any(n < 0 for n in shape) or not 0 <= begin <= end <= len(body):
        raise _bad(path, "holds something else than int64 tensors")
    # Without a zero: beside one, the other size may be one that NumPy refuses.
    if 0 in shape or end - begin != 8 * math.prod(shape):
        raise _bad(path, "has a tensor whose size does not fit its shape")
    return np.frombuffer(body[begin:end], dtype="<i8").astype(np.int64).reshape(shape)


def read_tensors(path: Path | str) -> tuple[Weights, dict[str, str]]:
    """Weights and metadata of a safetensors file of zkdl. Raises UsageError for anything but such a file."""
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError("the weights cannot be read", code="FILE_MISSING", file=str(path)) from error
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > min(MAX_HEADER, len(raw) - 8):
        raise _bad(path, "is no safetensors file")
    try:
        header = json.loads(raw[8 : 8 + length])
        metadata = {str(key): str(value) for key, value in header.pop("__metadata__").items()}
        int(metadata["weight_frac"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _bad(path, "was not written by zkdl") from error
    body, layers = raw[8 + length :], sum(name.endswith(".weight") for name in header)
    if layers == 0 or not {f"layer.{l}.weight" for l in range(1, layers + 1)} <= set(header):
        raise _bad(path, "was not written by zkdl")
    matrices = [_tensor(path, body, header[f"layer.{l}.weight"]) for l in range(1, layers + 1)]
    biases = [
        _tensor(path, body, header[f"layer.{l}.bias"]) if f"layer.{l}.bias" in header else None
        for l in range(1, layers + 1)
    ]
    if any(matrix.ndim != 2 for matrix in matrices) or any(b is not None and b.ndim != 1 for b in biases):
        raise _bad(path, "has a weight that is no matrix")
    return Weights(matrices, biases), metadata


def commitment_key(path: Path | str, metadata: dict[str, str]) -> bytes:
    """The 32-byte key in the metadata of revealed weights. Raises UsageError."""
    try:
        key = bytes.fromhex(metadata.get("commitment_key", ""))
    except ValueError as error:
        raise _bad(Path(path), "has a commitment key that is not hexadecimal") from error
    if len(key) != 32:
        raise _bad(Path(path), "was not written by zkdl prove --reveal-weights")
    return key


def read_weights(path: Path | str) -> tuple[Weights, bytes, int]:
    """Weights, commitment key (32 bytes) and fraction bits of revealed weights. Raises UsageError."""
    weights, metadata = read_tensors(path)
    return weights, commitment_key(path, metadata), int(metadata["weight_frac"])
