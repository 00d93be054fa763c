"""From a PyTorch training to a proof and back, on the bundled digits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

import zkdl  # noqa: E402 - after the skip
from tests.pytorch.models import Images, Net, Table, digits, hooks, loader, sgd, small, tensors  # noqa: E402 - as above
from zkdl.errors import NotProvable, Unsupported, UsageError  # noqa: E402 - as above
from zkdl.proof.revealed import read_weights  # noqa: E402 - as above

CE = torch.nn.CrossEntropyLoss()


def test_from_a_model_to_a_proof_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(1)
    x, y, x_test, y_test = zkdl.datasets.digits()
    data = torch.utils.data.TensorDataset(torch.tensor(x).float(), torch.tensor(y).long())
    test = torch.utils.data.TensorDataset(torch.tensor(x_test).float(), torch.tensor(y_test).long())
    model = Net()
    optimizer = sgd(model, lr=0.25)
    batches = loader(data, batch_size=64)
    before, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimizer.state_dict())
    random = torch.random.get_rng_state()

    run = zkdl.make_provable(model, optimizer, batches, CE, directory=tmp_path / "run")
    assert str(run.differences) in capsys.readouterr().err
    assert run.check(epochs=6).run.init_root is not None
    assert run.estimate(epochs=6).proof_bytes > 0
    run.fit(epochs=6)
    proof = run.prove(tmp_path / "run.zkproof")
    revealed = run.reveal_weights(tmp_path / "weights.safetensors")
    done = zkdl.verify(proof, weights=revealed)
    assert done.complete and done.run.widths == (64, 24, 16, 10) and done.run.bias == (True, False, True)

    # Nothing of the user's has changed so far.
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert optimizer.state_dict() == state and hooks(model) == 0
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in model.parameters())

    integer = run.evaluate(test).accuracy
    run.load_into(model)
    with torch.no_grad():
        accuracy = float((model(test.tensors[0]).argmax(1) == test.tensors[1]).float().mean())
    assert integer > 0.75 and abs(accuracy - integer) < 0.02
    assert list(run.state_dict()) == list(before) and torch.equal(model.spare.detach(), before["spare"])
    integers, _, fraction = read_weights(revealed)
    exact = run.state_dict(dtype=torch.float64)["rest.0.weight"].numpy()
    assert np.array_equal(np.ldexp(exact, fraction).T, integers.W[1])


def test_one_step_is_the_step_of_pytorch() -> None:
    """The whole dataset is one batch, so that the order does not matter."""
    x, y = digits(64)
    one_hot = torch.eye(10)[torch.from_numpy(y).long()]
    labels = torch.from_numpy(y).long()
    cases: list[tuple[Any, Any, float]] = [
        (CE, labels, 0.25),
        (torch.nn.CrossEntropyLoss(reduction="sum"), labels, 0.25 / 64),
        (torch.nn.MSELoss(), one_hot, 1.0),
        (torch.nn.functional.mse_loss, one_hot, 1.0),
        (torch.nn.MSELoss(reduction="sum"), one_hot, 0.1 / 64),
    ]
    for loss, target, rate in cases:
        torch.manual_seed(2)
        model = small()
        data = torch.utils.data.TensorDataset(torch.from_numpy(x).float(), target)
        optimizer = sgd(model, lr=rate)
        run = zkdl.make_provable(
            model, optimizer, loader(data, batch_size=64), loss, quiet=True, activation_bits=14, gradient_bits=14
        )
        run.fit(steps=1)
        before = copy.deepcopy(model.state_dict())
        loss(model(data.tensors[0]), target).backward()
        optimizer.step()
        for name, proven in run.state_dict().items():
            moved, expected = proven - before[name], model.state_dict()[name] - before[name]
            assert float((moved - expected).norm() / expected.norm()) < 0.1, (loss, name)


def test_start_from_the_model_or_from_a_seed() -> None:
    model = small()
    for start, committed in (("model", True), ("seed", False)):
        run = zkdl.make_provable(model, sgd(model), loader(), CE, start=start, quiet=True)
        run.fit(steps=2)
        statement, first, _ = run._trained()
        assert (statement.init_root is not None) == committed
        assert run.run.session is not None
        if committed:
            read = run.run.session.directory.read_weights(0)
            real = np.ldexp(read.W[0].astype(float), -statement.format.weight_frac)
            assert np.abs(real.T - model[1].weight.detach().numpy()).max() <= 2.0**-statement.format.weight_frac
    with pytest.raises(UsageError) as caught:
        zkdl.make_provable(model, sgd(model), loader(), CE, start="zero")
    assert caught.value.code == "CONFIG_VALUE"


def test_a_checkpoint_with_large_weights_names_the_bound() -> None:
    model = small()
    with torch.no_grad():
        model[3].weight[0, 0] = 5.0
    with pytest.raises(Unsupported) as caught:
        zkdl.make_provable(model, sgd(model), loader(), CE)
    (problem,) = caught.value.problems
    assert problem.path == "model.3" and "initial_bound=8" in problem.fix
    run = zkdl.make_provable(model, sgd(model), loader(), CE, initial_bound=8, quiet=True)
    run.fit(steps=2)
    assert float(run.state_dict()["3.weight"][0, 0]) == pytest.approx(5.0, abs=0.1)


def test_rows_of_every_kind_give_the_same_examples() -> None:
    model = small()
    plain = zkdl.make_provable(model, sgd(model), loader(tensors()), CE, quiet=True)
    for dataset, columns in (
        (Images(), None),
        (Table(), None),
        (Table("scan"), None),
        (Table(idx=3), None),
        (Table("scan", "finding", idx=1), ("scan", "finding")),
    ):
        run = zkdl.make_provable(model, sgd(model), loader(dataset), CE, columns=columns, quiet=True)
        assert np.allclose(run.x.reshape(len(run.x), -1), plain.x) and np.array_equal(run.y, plain.y)
    run.fit(steps=2)
    assert 0 <= run.evaluate(loader(Table("scan", "finding"))).accuracy <= 1


def test_columns_of_numbers_are_joined() -> None:
    rows = [{"age": float(i % 5), "income": i / 50, "label": i % 2} for i in range(40)]
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    run = zkdl.make_provable(model, sgd(model), loader(rows), CE, columns=(("age", "income"), "label"), quiet=True)
    assert run.x.tolist() == [[row["age"], row["income"]] for row in rows]


def test_bytes_stand_for_themselves() -> None:
    x, y = digits()
    data = torch.utils.data.TensorDataset(torch.from_numpy((x * 16).astype(np.uint8)), torch.from_numpy(y).long())
    model = small()
    run = zkdl.make_provable(model, sgd(model, lr=0.001), loader(data), CE, quiet=True)
    assert run.check(steps=2).run.format.feature_frac == 0
    assert "FeatureRule(bits=8, frac=8)" in str(run.differences)
    rule = zkdl.FeatureRule(bits=8, frac=8)
    scaled = zkdl.make_provable(model, sgd(model), loader(data), CE, features=rule, quiet=True)
    assert scaled.check(steps=2).run.format.feature_frac == 8


def test_differences_name_what_the_loader_does() -> None:
    model = small()
    said = str(zkdl.make_provable(model, sgd(model), loader(batch_size=60, drop_last=True), CE, quiet=True).differences)
    assert "left out too (36 examples per epoch)" in said and "shuffled by torch" in said
    said = str(zkdl.make_provable(model, sgd(model), loader(batch_size=60, shuffle=False), CE, quiet=True).differences)
    assert "36/60 as long" in said and "as in the dataset" in said
    said = str(zkdl.make_provable(model, sgd(model, lr=0.125), loader(), CE, quiet=True).differences)
    assert "last batch" not in said and "* 2^-32" not in said


def test_a_schedule_is_in_the_terms_of_the_optimiser() -> None:
    model = small()
    mse = torch.nn.MSELoss()
    run = zkdl.make_provable(model, sgd(model, lr=0.5), loader(), mse, schedule=[(2, 0.25)], quiet=True)
    schedule = run.check(steps=4).run.schedule
    assert [(step, rate / 2**32) for step, rate in schedule] == [(0, pytest.approx(0.1)), (2, pytest.approx(0.05))]


def test_before_and_after_training() -> None:
    model = small()
    run = zkdl.make_provable(model, sgd(model), loader(), CE, quiet=True)
    for call in (run.state_dict, lambda: run.load_into(model), lambda: run.evaluate(tensors())):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == "RUN_EMPTY"
    run.fit(steps=2)
    other = torch.nn.Sequential(torch.nn.Linear(64, 3))
    kept = copy.deepcopy(other.state_dict())
    with pytest.raises(UsageError) as caught:
        run.load_into(other)
    assert caught.value.code == "WEIGHTS_SHAPE"
    assert all(torch.equal(kept[name], tensor) for name, tensor in other.state_dict().items())
    with pytest.raises(UsageError) as caught:
        run.evaluate([([0.5, 0.5], 1)])
    assert caught.value.code == "DATA_SHAPE"


def test_it_resumes_in_its_directory(tmp_path: Path) -> None:
    model = small()
    settings: dict[str, Any] = {"directory": tmp_path / "run", "segment_steps": 2, "quiet": True}
    weights = zkdl.make_provable(model, sgd(model), loader(), CE, **settings).fit(steps=4)
    assert zkdl.make_provable(model, sgd(model), loader(), CE, **settings).fit(steps=4).equal(weights)


def test_a_range_that_is_too_wide_for_a_long_run_names_a_narrower_one() -> None:
    data = torch.utils.data.TensorDataset(
        torch.rand(64, 784, generator=torch.Generator().manual_seed(3)), torch.zeros(64).long()
    )
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
    )
    with pytest.raises(NotProvable) as caught:
        zkdl.make_provable(model, sgd(model), loader(data, batch_size=64), CE, quiet=True).check(steps=938)
    assert caught.value.code == "WEIGHT_FRAC" and "FeatureRule(bits=9, frac=8, signed=False)" in caught.value.hint
    rule = zkdl.FeatureRule(bits=9, frac=8)
    run = zkdl.make_provable(model, sgd(model), loader(data, batch_size=64), CE, features=rule, quiet=True)
    assert run.check(steps=938).final_bits < 62
