"""A PyTorch model of your own, trained with proof on the bundled digits. Needs `pip install "zkdl[torch]"`; takes seconds."""

import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import zkdl


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def images(features: object, labels: object) -> TensorDataset:
    return TensorDataset(torch.tensor(features).float().reshape(-1, 8, 8), torch.tensor(labels).long())


def main() -> None:
    x, y, x_test, y_test = zkdl.datasets.digits()
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    loader = DataLoader(images(x, y), batch_size=64, shuffle=True)

    run = zkdl.make_provable(model, optimizer, loader, nn.CrossEntropyLoss())
    print(run.check(epochs=4))
    print(run.estimate(epochs=4).table())
    run.fit(epochs=4)

    test = images(x_test, y_test)
    print(f"integer accuracy: {run.evaluate(test).accuracy:.3f}")
    run.load_into(model)
    with torch.no_grad():
        right = model(test.tensors[0]).argmax(1) == test.tensors[1]
    print(f"PyTorch accuracy: {right.float().mean().item():.3f}")

    with tempfile.TemporaryDirectory() as folder:
        proof = run.prove(Path(folder) / "digits.zkproof")
        print(zkdl.verify(proof).describe())


if __name__ == "__main__":
    main()
