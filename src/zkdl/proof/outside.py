"""What ties a proof to the world outside it: an expected statement, revealed weights, an auditor's data.

Weights and data are checked by recomputing the root of their commitment from the revealed key. A digest alone would prove
nothing: the commitment is what the proof is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.commitment.parameters import ParameterSet
from zkdl.commitment.stored import dataset_root, weights_root
from zkdl.errors import Rejected, UsageError
from zkdl.proof.chain import complete, every_example
from zkdl.proof.format import Header
from zkdl.proof.revealed import PROOF_FIELD, STATEMENT_FIELD, commitment_key, read_tensors


def _matches(expected: Any, found: Any) -> bool:
    """Objects may leave fields out. Python's == is no help: it takes True for 1 and 3.0 for 3."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(k in found and _matches(v, found[k]) for k, v in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(expected) == len(found) and all(map(_matches, expected, found))
    return type(expected) is type(found) and bool(expected == found)


def check_expected(header: Header, expect: Mapping[str, Any]) -> None:
    """Fields of the run statement, and how much of the run is proven, must have these values.

    Args:
        expect: besides the fields, `complete` (all planned steps are proven) and `every_example`, both boolean.
    Raises Rejected, UsageError for an unknown field.
    """
    run, segments = header.run, header.segments
    found = {
        **run.to_json(),
        "complete": complete(run, segments),
        "every_example": every_example(run, segments),
    }
    for key in expect:
        if key not in found:
            raise UsageError("the expected statement names a field that does not exist", code="EXPECT_FIELD", field=key)
    for key, value in expect.items():
        if not _matches(value, found[key]):
            raise Rejected("the proof is for another statement than expected", code="EXPECTED_STATEMENT", field=key)


def check_weights(
    header: Header, path: Path | str, parameters: ParameterSet, backend: Backend, proof_sha256: str
) -> None:
    """The revealed weights and key must give the proven root, and may not name another proof.

    Args:
        proof_sha256: digest of the container, hexadecimal.
    Raises: Rejected(WEIGHTS_MODEL, WEIGHTS, WEIGHTS_PROOF), UsageError for another kind of file.
    """
    last = header.segments[-1]
    weights, metadata = read_tensors(path)
    key, weight_frac = commitment_key(path, metadata), int(metadata["weight_frac"])
    run = header.run
    shapes = [w.shape for w in weights.W] == list(zip(run.widths[:-1], run.widths[1:], strict=True))
    biases = [(width,) if has else None for width, has in zip(run.widths[1:], run.bias, strict=True)]
    shapes = shapes and [None if b is None else b.shape for b in weights.b] == biases
    if not shapes or weight_frac != run.format.weight_frac:
        raise Rejected("these are weights of another model", code="WEIGHTS_MODEL", file=str(path))
    if weights_root(weights, key, run.weights_budget, parameters, backend).hex() != last.w_out.root:
        raise Rejected("these are not the proven weights", code="WEIGHTS", file=str(path))
    found = {PROOF_FIELD: proof_sha256, STATEMENT_FIELD: run.digest().hex()}
    for field, digest in found.items():
        if metadata.get(field, digest) != digest:
            raise Rejected(
                "the weights file names another proof than this one",
                code="WEIGHTS_PROOF",
                hint="Write it again with zkdl prove --reveal-weights, or take the proof that it was written with",
                field=field,
                file=str(path),
            )


def check_data(
    header: Header,
    data: tuple[NDArray[np.int32], NDArray[np.int32]],
    key: bytes | None,
    parameters: ParameterSet,
    backend: Backend,
) -> None:
    """The auditor's quantised data and key must give the committed root. Raises Rejected, UsageError without a key."""
    if key is None:
        raise UsageError("checking the data needs the dataset key", code="DATA_KEY", hint="Pass --data-key")
    features, labels = data
    run = header.run
    if features.shape != (run.examples, run.widths[0]) or labels.shape != (run.examples,):
        raise Rejected("these are data of another shape", code="DATA_ROOT", got=features.shape)
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) >= run.classes):
        raise Rejected("these data have a label that is not a class of the run", code="DATA_ROOT")
    if dataset_root(features, labels, run.classes, key, run.data_budget, parameters, backend).hex() != run.data_root:
        raise Rejected("these are not the committed data", code="DATA_ROOT")
