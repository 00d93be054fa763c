"""Go on from a PyTorch checkpoint: ordinary training first, then provable steps that start from its weights.

The proof says that these steps started from committed weights in a public range; what came before them is not proven.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import zkdl


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def pretrain(path: Path, data: TensorDataset) -> None:
    """Two epochs of Adam, momentum and all: nothing of this has to be provable."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(2):
        for features, labels in DataLoader(data, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(features), labels).backward()
            optimizer.step()
    torch.save(model.state_dict(), path)


def main() -> None:
    x, y, x_test, y_test = zkdl.datasets.digits()
    data = TensorDataset(torch.tensor(x).float(), torch.tensor(y).long())
    test = TensorDataset(torch.tensor(x_test).float(), torch.tensor(y_test).long())
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint.pt"
        pretrain(checkpoint, data)

        model = network()
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
        with torch.no_grad():
            before = (model(test.tensors[0]).argmax(1) == test.tensors[1]).float().mean().item()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.125)
        loader = DataLoader(data, batch_size=64, shuffle=True)
        # Every |weight| and |bias| of the checkpoint is below 2: this bound becomes public, the weights do not.
        run = zkdl.make_provable(model, optimizer, loader, nn.CrossEntropyLoss(), initial_bound=2.0)
        run.fit(epochs=2)
        print(f"accuracy of the checkpoint: {before:.3f}")
        print(f"accuracy after the proven steps: {run.evaluate(test).accuracy:.3f}")
        proof = run.prove(Path(folder) / "continued.zkproof")
        print(zkdl.verify(proof).describe())
        run.load_into(model)
        torch.save(model.state_dict(), checkpoint)


if __name__ == "__main__":
    main()
