"""Datasets of torchvision and of Hugging Face `datasets`, where these are installed; elsewhere models.py stands in for them."""

from __future__ import annotations

import importlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

import zkdl  # noqa: E402 - after the skip
from tests.pytorch.models import digits, loader, sgd, small  # noqa: E402 - as above
from zkdl.datasets import FeatureRule  # noqa: E402 - as above
from zkdl.errors import OutOfRange, Unsupported  # noqa: E402 - as above

CE = torch.nn.CrossEntropyLoss()
COUNT = 48


@pytest.fixture(scope="module")
def torchvision() -> Any:
    return pytest.importorskip("torchvision", reason="torchvision is not installed")


@pytest.fixture(scope="module")
def datasets() -> Any:
    return pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")


def begun(dataset: Any, **settings: Any) -> Any:
    """Read, trained for two steps and evaluated on the same objects: what was read is what the dataset says."""
    first = settings.pop("model", None) or small()
    run = zkdl.make_provable(first, sgd(first, lr=0.01), loader(dataset), CE, quiet=True, **settings)
    run.fit(steps=2)
    assert 0 <= run.evaluate(dataset).accuracy <= 1 and len(run.y) == len(dataset)
    return run


def problems(dataset: Any, **settings: Any) -> tuple[Any, ...]:
    first = small()
    with pytest.raises(Unsupported) as caught:
        zkdl.make_provable(first, sgd(first), loader(dataset, **settings), CE, quiet=True)
    return caught.value.problems


def grey(torchvision: Any, transform: Any, count: int = COUNT) -> Any:
    """Random images of 8 x 8 pixels. Each is made anew from its number when it is read."""
    first = torchvision.transforms.Grayscale()
    chain = torchvision.transforms.Compose([first, transform] if transform else [first])
    return torchvision.datasets.FakeData(count, (3, 8, 8), 10, transform=chain)


def test_transforms_of_torchvision(torchvision: Any) -> None:
    transforms, v2 = torchvision.transforms, importlib.import_module("torchvision.transforms.v2")
    to_tensor = transforms.ToTensor()
    both = transforms.Compose([to_tensor, transforms.Normalize((0.5,), (0.5,))])
    second = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)],
    )
    for transform in (to_tensor, both, second):
        dataset = grey(torchvision, transform)
        run = begun(dataset)
        for index in (0, COUNT - 1):
            image, label = dataset[index]
            assert np.array_equal(run.x[index], image.numpy()) and run.y[index] == int(label)
    narrow = begun(grey(torchvision, to_tensor), features=FeatureRule(bits=9, frac=8))
    assert narrow.run.configuration.features == FeatureRule(bits=9, frac=8)


def test_images_without_a_transform(torchvision: Any) -> None:
    """PIL images: bytes, which are large for a network, so that this error says what to do."""
    dataset, first = grey(torchvision, None), small()
    run = zkdl.make_provable(first, sgd(first, lr=0.001), loader(dataset), CE, quiet=True)
    assert run.x.dtype == np.uint8 and np.array_equal(run.x[3], np.asarray(dataset[3][0]))
    run.fit(steps=1)
    wild = small()
    with pytest.raises(OutOfRange, match="scale the features down"):
        zkdl.make_provable(wild, sgd(wild, lr=0.5), loader(dataset), CE, quiet=True).fit(steps=6)


def test_augmentation_of_torchvision(torchvision: Any) -> None:
    transforms = torchvision.transforms
    random = transforms.Compose([transforms.RandomRotation(90), transforms.ToTensor()])
    (found,) = problems(grey(torchvision, random))
    assert found.path == "loader.dataset" and "random transform" in found.what


def test_parts_of_datasets(torchvision: Any) -> None:
    whole = grey(torchvision, torchvision.transforms.ToTensor())
    first, second = torch.utils.data.random_split(whole, [32, 16])
    joined = torch.utils.data.ConcatDataset([second, first])
    part = torch.utils.data.Subset(whole, np.arange(5, 37))
    for dataset, rows in ((first, first.indices), (joined, [*second.indices, *first.indices]), (part, range(5, 37))):
        run = begun(dataset)
        assert np.array_equal(run.x, np.stack([whole[int(row)][0].numpy() for row in rows]))


def test_mnist_of_torchvision(torchvision: Any, tmp_path: Path) -> None:
    """The class itself, on files of its format."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for part, count in (("train", 20), ("t10k", 12)):
        pixels, labels = rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count, np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())
    chain = torchvision.transforms.Compose(
        [torchvision.transforms.ToTensor(), torchvision.transforms.Normalize((0.1307,), (0.3081,))]
    )
    train, test = (torchvision.datasets.MNIST(tmp_path, train=train, transform=chain) for train in (True, False))
    model = torch.nn.Sequential(torch.nn.Flatten(), torchvision.ops.MLP(784, [12, 10]))
    run = begun(train, model=model)
    assert run.x.shape == (20, 1, 28, 28) and run.evaluate(test).accuracy <= 1


def table(datasets: Any, **more: Any) -> Any:
    x, y = digits(COUNT)
    return datasets.Dataset.from_dict(
        {"pixel_values": (x / 16).astype(np.float32).tolist(), "label": y.tolist(), **more}
    )


def test_formats_of_hugging_face(datasets: Any) -> None:
    x, y = digits(COUNT)
    plain = table(datasets)
    for dataset in (plain, plain.with_format("torch"), plain.with_format("numpy")):
        run = begun(dataset)
        assert np.array_equal(run.x, (x / 16).astype(np.float32)) and np.array_equal(run.y, y)
    chosen = plain.with_format("torch").select(range(5, 25))
    for dataset, rows in ((chosen, range(5, 25)), (torch.utils.data.Subset(chosen, [3, 1]), [8, 6])):
        assert np.array_equal(begun(dataset).y, y[list(rows)])
    numbers = {"age": [0.1 * k for k in range(COUNT)], "income": [-0.1 * k for k in range(COUNT)]}
    small_model = torch.nn.Sequential(torch.nn.Linear(2, 10))
    two = begun(
        table(datasets, **numbers).with_format("torch"), model=small_model, columns=(("age", "income"), "label")
    )
    assert two.x.shape == (COUNT, 2) and two.x[3].tolist() == pytest.approx([0.3, -0.3])


def test_images_of_hugging_face(datasets: Any) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels, y = digits(COUNT)[0].reshape(-1, 8, 8).astype(np.uint8), digits(COUNT)[1]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(num_classes=10)})
    rows = {"image": [image.fromarray(one) for one in pixels], "label": y.tolist()}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    for one in (dataset, dataset.with_format("torch")):
        run = begun(one)
        assert np.array_equal(run.x.reshape(-1, 8, 8), pixels)

    def scaled(batch: Any) -> Any:
        return {"pixel_values": [np.asarray(one, np.float32) / 16 for one in batch["image"]], "label": batch["label"]}

    assert np.array_equal(begun(dataset.with_transform(scaled)).x, pixels.astype(np.float32) / 16)


def test_what_hugging_face_has_besides(datasets: Any) -> None:
    plain = table(datasets)
    (found,) = problems(datasets.DatasetDict(train=plain, test=plain))
    assert "train, test" in found.what and found.fix == "Give one of them: dataset['train']"
    (found,) = problems(plain.to_iterable_dataset(), shuffle=None)
    assert "stream" in found.what
    words = datasets.Dataset.from_dict({"x": [[0.5] * 64] * 4, "label": ["cat", "dog"] * 2})
    (found,) = problems(words)
    assert "class_encode_column" in found.fix
    assert begun(words.class_encode_column("label")).y.tolist() == [0, 1] * 2
