"""Models and datasets as users write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import zkdl


class Net(nn.Module):
    """Functions and modules mixed, and a parameter that nothing uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 24)
        self.rest = nn.Sequential(nn.Linear(24, 16, bias=False), nn.ReLU(), nn.Linear(16, 10))
        self.spare = nn.Parameter(torch.ones(2))

    def forward(self, x: Any) -> Any:
        x = x.view(x.size(0), -1)
        if x.dim() != 2:
            raise ValueError("flat examples only")
        return self.rest(torch.relu(self.first(x)))


class Troubled(nn.Module):
    """One of nearly everything that cannot be proven."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(64, 32),
            nn.BatchNorm1d(32),
            nn.GELU(),
            nn.Dropout(0.1),
        )
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 10)
        self.out = nn.Softmax(dim=1)

    def forward(self, x: Any) -> Any:
        x = self.norm(self.body(x.flatten(1)))
        x = torch.tanh(x) + x
        return self.out(self.head(x))


class Images(Dataset[Any]):
    """Rows as torchvision gives them: a tensor and an int."""

    def __init__(self, count: int = 96) -> None:
        self.x, self.y = digits(count)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(self.x[index]).float().reshape(1, 8, 8), int(self.y[index])


class Table:
    """Rows as Hugging Face datasets give them: plain mappings, lists and numbers inside."""

    def __init__(self, first: str = "image", label: str = "label", count: int = 96, **more: Any) -> None:
        self.x, self.y = digits(count)
        self.first, self.label, self.more = first, label, more

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {self.first: self.x[index].tolist(), self.label: int(self.y[index]), **self.more}


def digits(count: int = 96) -> tuple[np.ndarray, np.ndarray]:
    x, y, _, _ = zkdl.datasets.digits()
    return x[:count], y[:count]


def tensors(count: int = 96) -> TensorDataset:
    x, y = digits(count)
    return TensorDataset(torch.from_numpy(x).float(), torch.from_numpy(y).long())


def loader(dataset: Any = None, **settings: Any) -> Any:
    return DataLoader(tensors() if dataset is None else dataset, **{"batch_size": 16, "shuffle": True, **settings})


def sgd(model: Any, **settings: Any) -> Any:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, **settings})


def small(**settings: Any) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12, **settings), nn.ReLU(), nn.Linear(12, 10))


def hooks(model: Any) -> int:
    """How many hooks and parametrisations there are."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")
    return sum(len(getattr(module, name)) for module in model.modules() for name in names)
