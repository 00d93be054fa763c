"""The Python API as the README shows it, and what it does on the second call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zkdl
from zkdl.datasets import quantise
from zkdl.errors import NotProvable, Rejected, UsageError
from zkdl.proof.revealed import read_weights
from zkdl.statement.weights import Weights
from zkdl.train.evaluate import evaluate

ROOT = Path(__file__).resolve().parents[2]


def small(directory: Path | None = None, **values: Any) -> zkdl.Run:
    defaults: dict[str, Any] = {"lr": 0.1, "batch": 8, "segment_steps": 4}
    return zkdl.Run(zkdl.MLP([64, 12, 10]), directory=directory, **{**defaults, **values})


def examples(count: int = 96) -> tuple[np.ndarray, np.ndarray]:
    x, y, _, _ = zkdl.datasets.digits()
    return x[:count], y[:count]


def test_the_readme_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    # As printed, but for fewer steps.
    text, changed = re.subn(r"epochs=\d+", "steps=3", found.group(1))
    assert changed == 3
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(text, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    for expected in ("limit 2^62", "memory, proving", "3 steps", "Not proven", "Soundness: 2^-1"):
        assert expected in printed
    assert isinstance(names["weights"], Weights) and (tmp_path / "run.zkproof").exists()


def test_the_shortest_call_learns_the_digits() -> None:
    """No rule for the features is given: the default must suit the bundled data."""
    x, y, x_test, y_test = zkdl.datasets.digits()
    run = zkdl.Run(zkdl.MLP([64, 128, 128, 10]), lr=0.1, batch=64, activation_bits=10, gradient_bits=10)
    weights = run.fit(x, y, epochs=5)
    assert run.session is not None
    statement, _ = run.session.directory.read_statement()
    test = quantise(x_test, y_test, 10)
    scales = run.session.directory.segments()[-1].scales
    assert evaluate(statement, scales, weights, test.features, test.labels).accuracy > 0.85


def test_prove_reveal_verify(tmp_path: Path) -> None:
    x, y = examples()
    run = small(tmp_path / "run")
    weights = run.fit(x, y, steps=6)
    proof = run.prove(tmp_path / "run.zkproof")
    revealed, _, _ = read_weights(run.reveal_weights(tmp_path / "weights.safetensors"))
    assert revealed.equal(weights)
    done = zkdl.verify(proof)
    assert (done.run.steps, len(done.segments), done.complete) == (6, 2, True)
    data = bytearray(proof.read_bytes())
    data[len(data) // 2] ^= 1
    proof.write_bytes(bytes(data))
    with pytest.raises(Rejected):
        zkdl.verify(proof)


def test_fit_resumes_where_it_stopped(tmp_path: Path) -> None:
    x, y = examples()
    run = small(tmp_path / "run")

    class Stop(Exception):
        pass

    def stop(_: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        run.fit(x, y, steps=6, on_segment=stop)
    done: list[int] = []
    weights = small(tmp_path / "run").fit(x, y, steps=6, on_segment=lambda result: done.append(result.good_steps))
    assert done == [2], "the first segment is not trained again"
    assert small(tmp_path / "run").fit(x, y, steps=6).equal(weights)


def test_another_run_in_the_same_directory(tmp_path: Path) -> None:
    x, y = examples()
    small(tmp_path / "run").fit(x, y, steps=4)
    for other, data in ((small(tmp_path / "run", lr=0.2), x), (small(tmp_path / "run"), x[::-1])):
        with pytest.raises(UsageError) as caught:
            other.fit(data, y, steps=4)
        assert caught.value.code == "RUN_OTHER"


def test_given_weights_by_array_and_by_file(tmp_path: Path) -> None:
    x, y = examples()
    first = small(tmp_path / "first", weight_frac=26)
    start = first.fit(x, y, steps=4)
    file = first.reveal_weights(tmp_path / "start.safetensors")
    for name, run, initial in (
        ("array", small(tmp_path / "array", weight_frac=26), start),
        ("file", small(tmp_path / "file"), file),
    ):
        trained = run.fit(x, y, steps=4, initial=initial)
        assert not trained.equal(start)
        proof = run.prove(tmp_path / f"{name}.zkproof")
        revealed = run.reveal_weights(tmp_path / f"{name}.safetensors")
        assert read_weights(revealed)[0].equal(trained)
        done = zkdl.verify(proof, weights=revealed)
        assert done.run.init_seed is None and done.run.init_root is not None
        assert done.run.format.weight_frac == 26


def test_check_and_estimate_look_at_the_given_weights() -> None:
    x, y = examples()
    run = small(weight_frac=26)
    silent = Weights(
        [np.zeros((64, 12), dtype=np.int64), np.zeros((12, 10), dtype=np.int64)],
        [np.zeros(12, dtype=np.int64), np.zeros(10, dtype=np.int64)],
    )
    seeded, given = run.check(x, y, steps=1), run.check(x, y, steps=1, initial=silent)
    assert given.run.init_seed is None and given.scales != seeded.scales
    assert run.estimate(x, y, steps=1, initial=silent).proof_bytes != run.estimate(x, y, steps=1).proof_bytes
    silent.W[0][0, 0] = 1 << 40
    for call in (run.check, run.estimate, run.fit):
        with pytest.raises(NotProvable) as caught:
            call(x, y, steps=1, initial=silent)
        assert caught.value.code == "INITIAL_BOUND"
    assert small(weight_frac=26, initial_bound=2.0**15).check(x, y, steps=1, initial=silent)


def test_given_weights_need_their_fraction_bits() -> None:
    x, y = examples()
    start = Weights([np.zeros((64, 12), dtype=np.int64)], [None])
    with pytest.raises(UsageError) as caught:
        small().fit(x, y, steps=1, initial=start)
    assert (caught.value.code, caught.value.where["field"]) == ("CONFIG_VALUE", "weight_frac") and caught.value.hint


def test_bias_by_layer() -> None:
    assert zkdl.MLP([3, 2, 2]).biases() == (True, True)
    assert zkdl.MLP([3, 2, 2], bias=[False, True]).biases() == (False, True)
