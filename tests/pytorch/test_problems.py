"""Every problem is named in one pass, with category, path, line and fix."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

from torch import nn  # noqa: E402 - after the skip
from torch.utils.data import IterableDataset, RandomSampler, WeightedRandomSampler  # noqa: E402 - as above

import zkdl  # noqa: E402 - as above
from tests.pytorch import models  # noqa: E402 - as above
from tests.pytorch.models import Images, Table, Troubled, digits, loader, sgd, small, tensors  # noqa: E402 - as above
from zkdl.errors import Unsupported  # noqa: E402 - as above
from zkdl.pytorch.problems import Category, Problem  # noqa: E402 - as above

CE = nn.CrossEntropyLoss()
NEVER, NOT_YET, REPLACE, MODE = Category


def problems(model: Any = None, optimizer: Any = None, batches: Any = None, loss: Any = CE, **settings: Any) -> Any:
    """By path."""
    model = small() if model is None else model
    optimizer = sgd(model) if optimizer is None else optimizer
    with pytest.raises(Unsupported) as caught:
        zkdl.make_provable(model, optimizer, loader() if batches is None else batches, loss, **settings)
    found: tuple[Problem, ...] = caught.value.problems
    assert caught.value.code == "UNSUPPORTED" and caught.value.exit_status == 4
    assert all(problem.fix and problem.what and str(problem) in str(caught.value) for problem in found)
    return {problem.path: problem for problem in found}


def line_of(kind: Any, text: str) -> int:
    lines, first = inspect.getsourcelines(kind)
    return first + next(i for i, line in enumerate(lines) if text in line)


def test_everything_in_one_pass_with_its_line() -> None:
    model = Troubled()
    before = copy.deepcopy(model.state_dict())
    optimizer = sgd(model, momentum=0.9, weight_decay=1e-4)
    batches = loader(collate_fn=lambda rows: rows)
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)
    found = problems(model, optimizer, batches, smoothed)
    for path, category, text in (
        ("model.body.1", REPLACE, "nn.BatchNorm1d(32)"),
        ("model.body.2", REPLACE, "nn.GELU()"),
        ("model.body.3", REPLACE, "nn.Dropout(0.1)"),
        ("model.norm", NOT_YET, "self.norm = "),
        ("model.out", REPLACE, "self.out = "),
    ):
        assert found[path].category is category
        assert found[path].source.file.endswith("models.py") and found[path].source.line == line_of(Troubled, text)
        assert text in found[path].source.text
    assert found["model"].source.line == line_of(Troubled, "torch.tanh(x) + x")
    assert {"optimizer.param_groups[0]", "loader.collate_fn", "loss.label_smoothing"} <= set(found)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_objects_made_by_the_caller_have_their_line() -> None:
    model = nn.Sequential(
        nn.Linear(64, 8),
        nn.Sigmoid(),
        nn.Linear(8, 10),
    )
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(Unsupported) as caught:
        zkdl.make_provable(model, optimizer, loader(), CE)
    found = {problem.path: problem for problem in caught.value.problems}
    assert found["model.1"].source.text == "nn.Sigmoid(),"
    assert (
        found["optimizer"].source.text.startswith("optimizer = torch.optim.Adam") and found["optimizer"].kind == "Adam"
    )


class Branches(nn.Module):
    """Decides by the data."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(64, 10), nn.Tanh()

    def forward(self, x: Any) -> Any:
        if x.sum() > 0:
            return self.a(x)
        return self.b(self.a(x))


class Shared(nn.Module):
    """One layer twice, a parameter multiplied by hand, and an early value returned."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.head = nn.Linear(64, 64), nn.Linear(64, 10)
        self.hand = nn.Parameter(torch.zeros(64, 64))

    def forward(self, x: Any) -> Any:
        first = torch.relu(self.inside(x))
        second = torch.relu(self.inside(first)) @ self.hand
        self.head(second)
        return self.head(first)


def test_models_that_cannot_be_read() -> None:
    found = problems(Branches())
    assert found["model.forward"].category is NEVER
    assert found["model.forward"].source.line == line_of(Branches, "if x.sum() > 0")
    assert found["model.b"].kind == "Tanh", "what is known by name is listed nevertheless"
    found = problems(nn.Sequential(nn.Linear(63, 10)))
    assert found["model.forward"].category is MODE and "(64,)" in found["model.forward"].what
    assert problems(object(), sgd(small()))["model"].category is MODE
    assert "Give the module inside" in problems(nn.DataParallel(small()))["model"].fix


@pytest.mark.parametrize(
    ("model", "path", "what"),
    [
        (lambda: nn.Sequential(nn.Linear(64, 8), nn.Linear(8, 10)), "model.1", "without an activation"),
        (lambda: nn.Sequential(nn.Linear(64, 10), nn.ReLU()), "model.1", "after the last layer"),
        (lambda: nn.Sequential(nn.ReLU(), nn.Linear(64, 10)), "model.0", "before any layer"),
        (lambda: nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 10)).eval(), "model.2", "evaluation"),
        (lambda: nn.Sequential(nn.Unflatten(1, (8, 8)), nn.Linear(8, 10), nn.Flatten()), "model.1", "several positions"),
        (lambda: nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 2, 8), nn.Flatten()), "model.1", "linear layers"),
        (lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(64, 10))), "model.0", "no parameters"),
        (Shared, "model.inside", "used by two layers"),
        (nn.Flatten, "model", "no linear layer"),
    ],
)  # fmt: skip
def test_models_that_are_no_chain(model: Any, path: str, what: str) -> None:
    made = model()
    optimizer = torch.optim.SGD(list(made.parameters()) or [nn.Parameter(torch.zeros(1))], lr=0.1)
    found = [problem for problem in _listed(made, optimizer) if problem.path == path]
    assert any(what in problem.what for problem in found), found


def _listed(model: Any, optimizer: Any) -> tuple[Problem, ...]:
    with pytest.raises(Unsupported) as caught:
        zkdl.make_provable(model, optimizer, loader(), CE)
    return caught.value.problems


def test_states_of_a_model() -> None:
    hooked = small()
    hooked[1].register_forward_hook(lambda *_: None)
    hooked[3].weight.register_hook(lambda gradient: gradient)
    assert {"model.1", "model.3.weight"} <= set(problems(hooked))
    frozen = small()
    frozen[1].weight.requires_grad = False
    assert problems(frozen)["model.1.weight"].category is NOT_YET
    broken = small()
    with torch.no_grad():
        broken[1].bias[0] = float("nan")
    assert "finite" in problems(broken)["model.1.bias"].what


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"momentum": 0.9}, "momentum=0.9"),
        ({"momentum": 0.9, "dampening": 0.1}, "dampening=0.1"),
        ({"momentum": 0.9, "nesterov": True}, "nesterov=True"),
        ({"weight_decay": 0.01}, "weight_decay=0.01"),
        ({"maximize": True}, "maximize=True"),
        ({"lr": 1e-12}, "outside 2^-32"),
    ],
)
def test_settings_of_sgd(settings: dict[str, Any], text: str) -> None:
    model = small()
    found = _listed(model, sgd(model, **settings))
    assert any(text in problem.what and problem.path == "optimizer.param_groups[0]" for problem in found)


def test_other_optimisers_and_parameters() -> None:
    model = small()
    groups = torch.optim.SGD([{"params": model[1].parameters()}, {"params": model[3].parameters(), "lr": 0.2}], lr=0.1)
    assert "0.1, 0.2" in problems(model, groups)["optimizer.param_groups"].what
    assert "do not belong" in problems(small(), sgd(model))["optimizer"].what
    assert (
        "does not train 3.weight" in problems(model, torch.optim.SGD(model[1].parameters(), lr=0.1))["optimizer"].what
    )
    assert problems(model, "sgd")["optimizer"].category is MODE
    scheduled = sgd(model)
    torch.optim.lr_scheduler.StepLR(scheduled, 2)
    assert "schedule=[" in problems(model, scheduled)["optimizer"].fix
    assert zkdl.make_provable(model, scheduled, loader(), CE, schedule=[(2, 0.05)], quiet=True)
    hooked = sgd(model)
    hooked.register_step_pre_hook(lambda *_: None)
    assert problems(model, hooked)["optimizer"].category is MODE


def test_losses() -> None:
    for loss, path in (
        (nn.CrossEntropyLoss(weight=torch.ones(10)), "loss.weight"),
        (nn.CrossEntropyLoss(ignore_index=3), "loss.ignore_index"),
        (nn.CrossEntropyLoss(reduction="none"), "loss.reduction"),
        (nn.NLLLoss(), "loss"),
        (nn.L1Loss(), "loss"),
        (lambda a, b: a, "loss"),
    ):
        assert path in problems(loss=loss)
    assert problems(loss=nn.NLLLoss())["loss"].category is REPLACE


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(tensors())


class Augmented(Images):
    def __getitem__(self, index: int) -> Any:
        return torch.rand(1, 8, 8), 1


class Raising(Images):
    def __getitem__(self, index: int) -> Any:
        return {}["no such file"]


def test_loaders() -> None:
    data = tensors()
    assert problems(batches=loader(Stream(), shuffle=False))["loader.dataset"].category is NEVER
    assert problems(batches=tensors())["loader"].category is MODE
    for sampler in (WeightedRandomSampler([1.0] * 96, 96), RandomSampler(data, replacement=True)):
        assert problems(batches=loader(data, sampler=sampler, shuffle=False))["loader.sampler"].category is REPLACE
    fetched = torch.utils.data.BatchSampler(RandomSampler(data), 7, False)
    made = torch.utils.data.DataLoader(data, batch_sampler=fetched)
    assert problems(batches=made)["loader.batch_sampler"].category is NOT_YET


def test_rows() -> None:
    assert problems(batches=loader(Augmented()))["loader.dataset"].category is NEVER
    raising = problems(batches=loader(Raising()))["loader.dataset"]
    assert "KeyError" in raising.what and raising.source.line == line_of(Raising, "no such file")
    assert 'columns=("image", "label")' in problems(batches=loader(Table("a", "b")))["loader.dataset"].fix
    missing = problems(batches=loader(Table()), columns=("scan", "label"))["loader.dataset"]
    assert "no column scan in image, label" in missing.what
    text = [("a word", 1), ("another", 2)] * 20
    assert "no numbers" in problems(batches=loader(text))["loader.dataset"].what
    ragged = [([0.5] * 64, 1), ([0.5] * 63, 2)] * 20
    assert "row 1" in problems(batches=loader(ragged))["loader.dataset"].what
    regression = torch.utils.data.TensorDataset(torch.rand(40, 64), torch.rand(40, 3))
    assert "no classes" in problems(batches=loader(regression))["loader.dataset"].what
    assert "a row is tuple of 3" in problems(batches=loader([(1, 2, 3)] * 20))["loader.dataset"].what


def test_features_and_labels_out_of_range() -> None:
    x, y = digits()
    wide = torch.utils.data.TensorDataset(torch.from_numpy(x * 100).float(), torch.from_numpy(y).long())
    (problem,) = problems(batches=loader(wide)).values()
    assert problem.path.startswith("loader.dataset[")
    rule = eval(problem.fix.split("features=")[1].split(", which")[0])
    model = small()
    assert zkdl.make_provable(model, sgd(model), loader(wide), CE, features=rule, quiet=True)
    narrow = nn.Sequential(nn.Linear(64, 8))
    (problem,) = problems(narrow).values()
    assert "label" in problem.what and "not a class 0..7" in problem.what
    several = torch.utils.data.TensorDataset(torch.rand(40, 8, 64), torch.zeros(40).long())
    assert "(8, 64)" in problems(batches=loader(several))["model.forward"].what


def test_one_text_lists_them_all() -> None:
    with pytest.raises(Unsupported) as caught:
        zkdl.make_provable(
            Troubled(), torch.optim.Adam(small().parameters()), loader(Stream(), shuffle=False), nn.L1Loss()
        )
    text = str(caught.value)
    assert text.startswith(f"this training cannot be proven as it is: {len(caught.value.problems)} problems")
    for category in Category:
        assert f": {category.value}: " in text, category
    assert models.__file__.rpartition("/")[2] in text
