"""A true data section earns no trust: garbage behind it ends soon and in little memory, however large the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.hostile import Server
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import PARAMETER_SETS
from zkdl.commitment.stored import commit_dataset
from zkdl.proof.format import write_container
from zkdl.proof.prove import prove_data_certificate
from zkdl.statement import bounds, initialisation, requantise
from zkdl.statement.limits import MAX_WEIGHTS
from zkdl.statement.run import RunFormat, RunStatement
from zkdl.statement.segment import ChainState, Scales, SegmentStatement, initial_state

SECONDS, MEGABYTES = 2.0, 500
# The garbage is long enough for the columns of the second: there it is their hashes that are wrong.
WIDTHS = {"most weights": 16380, "fits": 6000}
FORMATS = RunFormat(
    activation_bits=5, gradient_bits=6, weight_frac=16, feature_bits=4, feature_min=0, feature_frac=4,
    logit_bits=6, logit_frac=3, exp_bits=4,
)  # fmt: skip


def statement(data_root: str, parameter_set: str, hidden: int) -> tuple[RunStatement, SegmentStatement]:
    """A run from the seed with two hidden layers of this width, and its first segment."""
    run = RunStatement(
        run_id="ab" * 32, widths=(2, hidden, hidden, 2), bias=(True,) * 3, loss="mse", batch=2, examples=4, steps=1,
        last_batch="keep",
        schedule=((0, 1 << 31),), format=FORMATS, activation_frac_interval=(0, 8), gradient_frac_interval=(0, 8),
        init_seed="cd" * 32, init_root=None, init_weight_bound=(0,) * 3, init_bias_bound=(0,) * 3, data_root=data_root,
        data_budget=2, weights_budget=2, parameter_set=parameter_set, beacon=None,
    )  # fmt: skip
    run = replace(run, init_weight_bound=initialisation.bound(run))
    scales = Scales(fa=(4, 3, 3, 3), fg=(4, 4, 3))
    start = initial_state(run)
    weight_bound, bias_bound = bounds.grow(run, scales, 0, 1, start)
    end = ChainState("ef" * 32, weight_bound, bias_bound, 1)
    segment = SegmentStatement(0, 0, 1, scales, requantise.choose_limbs(run, scales, 1), start, end)
    run.validate()
    segment.validate(run)
    return run, segment


def hostile(path: Path, hidden: int) -> RunStatement:
    name, parameters = next((name, p) for name, p in PARAMETER_SETS.items() if not p.test_only)
    x = np.arange(8, dtype=np.int32).reshape(4, 2)
    y = np.array([0, 1, 0, 1], dtype=np.int32)
    dataset = commit_dataset(x, y, 2, bytes(32), 2, parameters, get_backend())
    run, segment = statement(dataset.root.hex(), name, hidden)
    data = prove_data_certificate(run, dataset, bytes(31) + b"\1", backend=get_backend())
    # Words below 2^63, so that no element is refused for its encoding.
    garbage = np.frombuffer(os.urandom(95_000_000 // 8 * 8), dtype="<u8") >> np.uint64(1)
    write_container(path, run, [segment], [("data", data), ("segment-0", garbage.tobytes()), ("dataset", b"")])
    return run


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.mark.parametrize("size", WIDTHS)
def test_garbage_behind_a_true_data_section(size: str, server: Server, tmp_path: Path) -> None:
    run = hostile(tmp_path / "p.zkproof", WIDTHS[size])
    assert size != "most weights" or run.weight_count > 0.99 * MAX_WEIGHTS
    # Too short for its columns, or columns that do not belong to the roots: both before any weight is expanded.
    status, code = (3, "PROOF_TRUNCATED") if size == "most weights" else (1, "MERKLE")
    for program in ("verify", "refverify"):
        answer = server(program, tmp_path / "p.zkproof")
        assert answer.status == status and code in answer.said, (program, answer)
        assert answer.seconds < SECONDS and answer.megabytes < MEGABYTES, (program, answer)
    (tmp_path / "p.zkproof").unlink()
