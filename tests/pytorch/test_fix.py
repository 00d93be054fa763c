"""zkdl.fix gives a changed copy that trains, or says what is left."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

from torch import nn  # noqa: E402 - after the skip

import zkdl  # noqa: E402 - as above
from tests.pytorch.models import Troubled, loader, sgd, small  # noqa: E402 - as above
from zkdl.errors import Unsupported  # noqa: E402 - as above


def mixed() -> nn.Sequential:
    model = nn.Sequential(
        nn.Linear(64, 12, bias=False), nn.BatchNorm1d(12), nn.Tanh(), nn.Dropout(), nn.BatchNorm1d(12), nn.Linear(12, 10),
        nn.LogSoftmax(1),
    )  # fmt: skip
    for module in model:
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean = torch.randn(12)
            module.running_var = torch.rand(12) + 0.5
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias)
    return model


def test_the_copy_is_provable_and_the_original_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    model = mixed()
    before, kinds = copy.deepcopy(model.state_dict()), [type(module) for module in model]
    random = torch.random.get_rng_state()
    fixed, changes = zkdl.fix(model)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert [type(module) for module in model] == kinds and model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [change.split(":")[0] for change in changes] == ["model.1", "model.2", "model.3", "model.4", "model.6"]
    printed = capsys.readouterr().err
    assert all(f"- {change}" in printed for change in changes)
    run = zkdl.make_provable(fixed, sgd(fixed), loader(), nn.CrossEntropyLoss(), initial_bound=16, quiet=True)
    run.fit(steps=2)
    run.load_into(fixed)


def test_folding_keeps_the_function() -> None:
    model = mixed()
    model[2] = nn.ReLU()
    fixed, _ = zkdl.fix(model, torch.rand(5, 64), quiet=True)
    inputs = torch.rand(7, 64)
    with torch.no_grad():
        expected = model.eval()(inputs)
        assert torch.allclose(torch.log_softmax(fixed(inputs), 1), expected, atol=1e-5)


def test_what_is_left_is_said() -> None:
    with pytest.raises(Unsupported) as caught:
        zkdl.fix(Troubled())
    left = {problem.path: problem for problem in caught.value.problems}
    assert set(left) == {"model.norm", "model"}
    assert "zkdl.fix" not in str(caught.value), "it cannot be advised once more"


class Twice(nn.Module):
    """One normalisation in two places: it belongs to no single layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 10)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm(self.a(x)))
        return self.c(torch.relu(self.norm(self.b(x))))


def test_a_normalisation_used_twice_stays_a_problem() -> None:
    with pytest.raises(Unsupported) as caught:
        zkdl.fix(Twice())
    assert {problem.path for problem in caught.value.problems} == {"model.norm"}


def test_one_without_statistics_goes() -> None:
    model = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.ReLU(), nn.Linear(8, 10))
    _, changes = zkdl.fix(model, quiet=True)
    assert "no running statistics" in changes[0]


def test_nothing_to_fix_and_no_module() -> None:
    assert zkdl.fix(small(), quiet=True).changes == ()
    with pytest.raises(Unsupported):
        zkdl.fix("model")
