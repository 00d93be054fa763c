"""A run that starts from committed weights, by configuration: the end of one run is the start of the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.e2e.running import Finished, configure, finish, refusal, zkdl
from zkdl.cli import check
from zkdl.proof.revealed import read_tensors, read_weights
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory, weights_bytes


@pytest.fixture(scope="module")
def continued(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Six more steps, from the revealed weights of the finished run."""
    folder = tmp_path_factory.mktemp("continued") / "work"
    return finish(folder, run=f'initial = "{finished.weights}"')


def test_proven_from_the_end_of_another_run(finished: Finished, continued: Finished) -> None:
    found = verify(continued.proof, weights=continued.weights)
    assert found.complete and found.run.init_seed is None
    assert found.run.format.weight_frac == verify(finished.proof).run.format.weight_frac
    start = RunDirectory.open(continued.run).read_weights(0)
    assert start.equal(read_weights(finished.weights)[0])
    assert not read_weights(continued.weights)[0].equal(start)
    assert refusal("verify", continued.proof, "--weights", finished.weights)[0] == 1


def test_the_statement_does_not_depend_on_the_weights(continued: Finished, finished: Finished, tmp_path: Path) -> None:
    start, metadata = read_tensors(finished.weights)
    start.W = [np.zeros_like(w) for w in start.W]
    (tmp_path / "zero.safetensors").write_bytes(weights_bytes(start, int(metadata["weight_frac"])))
    other = configure(tmp_path, run=f'initial = "{tmp_path / "zero.safetensors"}"')
    assert zkdl("train", other, "--quiet").status == 0
    run = RunDirectory.open(tmp_path / "run").read_statement()[0]
    published = verify(continued.proof).run
    assert run.init_weight_bound == published.init_weight_bound
    assert run.init_bias_bound == published.init_bias_bound


def test_check_and_estimate_use_them(
    continued: Finished, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smoked = []
    original = check.Session.begin

    def spy(*args: object) -> object:
        smoked.append(args[-1])
        return original(*args)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(check.Session, "begin", spy)
    answer = zkdl("check", continued.configuration, "--smoke", "--json").answer
    assert answer["smoke"] is True
    assert smoked[0] is not None and smoked[0].equal(read_weights(finished.weights)[0])
    seeded = zkdl("check", finished.configuration, "--json").answer
    assert answer["final_bits"] != seeded["final_bits"] or answer["layers"] != seeded["layers"]
    assert zkdl("estimate", continued.configuration, "--json").status == 0
    start, metadata = read_tensors(finished.weights)
    start.W[1][0, 0] = 1 << 40
    (tmp_path / "big.safetensors").write_bytes(weights_bytes(start, int(metadata["weight_frac"])))
    big = configure(tmp_path, run=f'initial = "{tmp_path / "big.safetensors"}"')
    for verb in ("check", "estimate", "train"):
        assert refusal(verb, big) == (4, "INITIAL_BOUND")
