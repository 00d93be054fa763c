"""Examples of a DataLoader or of a map-style dataset: TensorDataset, `(features, label)` rows, rows that are mappings.

Nothing is drawn from the loader: examples are read from its dataset, once, in the dataset's order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler, TensorDataset

from zkdl.datasets import Dataset, FeatureRule, quantise
from zkdl.errors import ZkError
from zkdl.pytorch import source
from zkdl.pytorch.problems import Category, Problem

LABELS = ("label", "labels", "target", "targets", "y", "class", "fine_label")
FEATURES = ("features", "feature", "x", "inputs", "input", "pixel_values", "image", "images", "img", "input_values")
_TWICE = 32

Columns = tuple[str | tuple[str, ...], str]


@dataclass
class Examples:
    """features: (N, ...) as the dataset gives them; labels: (N,) whole numbers, or None when they could not be read."""

    features: NDArray[Any] | None
    labels: NDArray[Any] | None
    problems: list[Problem]


@dataclass(frozen=True)
class Batches:
    """batch: examples per step. last: "keep" or "drop". shuffled: whether the loader shuffles."""

    batch: int
    last: str
    shuffled: bool


def check_loader(loader: Any) -> tuple[Batches, list[Problem]]:
    """How the loader makes batches, and what of it cannot be proven."""
    place = source.variable(loader)
    out: list[Problem] = []

    def problem(category: Category, path: str, kind: Any, what: str, fix: str) -> None:
        out.append(Problem(category, path, kind if isinstance(kind, str) else type(kind).__name__, what, fix, place))

    if not isinstance(loader, DataLoader):
        fix = "Give torch.utils.data.DataLoader(dataset, batch_size=..., shuffle=True) of a map-style dataset"
        problem(Category.MODE, "loader", loader, "this is no torch.utils.data.DataLoader", fix)
        return Batches(1, "keep", False), out
    if isinstance(loader.dataset, IterableDataset):
        what = "the examples of a stream have no fixed number and order, so nobody can commit to them"
        fix = "Read them once into a map-style dataset: torch.utils.data.TensorDataset(features, labels)"
        problem(Category.NEVER, "loader.dataset", loader.dataset, what, fix)
        return Batches(loader.batch_size or 1, "drop" if loader.drop_last else "keep", False), out
    if loader.batch_size is None:
        what, fix = "batches are not made by a batch size", "Give DataLoader a batch_size, and no batch_sampler"
        problem(Category.NOT_YET, "loader.batch_sampler", loader.batch_sampler or "", what, fix)
    sampler = loader.sampler
    plain = type(sampler) is SequentialSampler or (type(sampler) is RandomSampler and not sampler.replacement)
    if loader.batch_size is not None and not (plain and len(sampler) == len(loader.dataset)):
        what = "each epoch of a proven training uses every example once, in the order of a public sampler"
        fix = "Use shuffle=True; for a part of the data, torch.utils.data.Subset(dataset, indices)"
        problem(Category.REPLACE, "loader.sampler", sampler, what, fix)
    if loader.collate_fn is not torch.utils.data.default_collate:
        what = "a collate_fn of your own may change the examples, and it does not run in the proven training"
        name = getattr(loader.collate_fn, "__name__", type(loader.collate_fn).__name__)
        problem(Category.NOT_YET, "loader.collate_fn", name, what, "Do its work in the dataset's __getitem__")
    return Batches(loader.batch_size or 1, "drop" if loader.drop_last else "keep", type(sampler) is RandomSampler), out


@contextmanager
def _same_randomness() -> Iterator[None]:
    """Reading examples leaves the random states of torch, numpy and random as they were."""
    kept, generator = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(kept)
        np.random.set_state(generator)


def array(value: Any) -> NDArray[Any]:
    """A tensor, an image, a list or a number as an array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.dtype in (torch.bfloat16, torch.float16):
            value = value.float()
        out: NDArray[Any] = value.numpy()
        return out
    return np.asarray(value)


class _Refused(Exception):
    """A row or a column that cannot be understood."""

    def __init__(self, what: str, fix: str, category: Category = Category.NOT_YET) -> None:
        super().__init__(what)
        self.what, self.fix, self.category = what, fix, category


def _columns(row: Mapping[str, Any], columns: Columns | None) -> Columns:
    names = list(row)
    if columns is not None:
        asked = [columns[1], *((columns[0],) if isinstance(columns[0], str) else columns[0])]
        missing = [name for name in asked if name not in row]
        if missing:
            raise _Refused(f"no column {missing[0]} in {', '.join(names)}", "Correct columns=(features, label)")
        return columns
    labels = [name for name in LABELS if name in row]
    features = [name for name in FEATURES if name in row]
    if len(labels) == 1 and not features and len(names) == 2:
        features = [name for name in names if name != labels[0]]
    if len(labels) == 1 and len(features) == 1:
        return features[0], labels[0]
    what = f"which of the columns {', '.join(names)} are the features and which is the label is not clear"
    raise _Refused(what, 'Say it: columns=("image", "label"), or columns=(("age", "income"), "label")', Category.MODE)


def _pair(row: Any, columns: Columns | None) -> tuple[NDArray[Any], NDArray[Any]]:
    if isinstance(row, Mapping):
        first, label = _columns(row, columns)
        if isinstance(first, str):
            return array(row[first]), array(row[label])
        return np.concatenate([np.atleast_1d(array(row[name])).reshape(-1) for name in first]), array(row[label])
    if isinstance(row, tuple | list) and len(row) == 2:
        return array(row[0]), array(row[1])
    what = f"a row is {type(row).__name__}" + (f" of {len(row)}" if isinstance(row, tuple | list) else "")
    raise _Refused(what, "Let __getitem__ return (features, label), or a mapping with these two columns")


def _rows(dataset: Any, columns: Columns | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features (N, ...) and labels (N, ...). Raises _Refused."""
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2:
        return array(dataset.tensors[0]), array(dataset.tensors[1])
    count = len(dataset)
    if count == 0:
        raise _Refused("the dataset is empty", "Give a dataset with examples", Category.MODE)
    pairs = [_pair(dataset[index], columns) for index in range(count)]
    for position, name in enumerate(("features", "labels")):
        shapes = [pair[position].shape for pair in pairs]
        other = next((index for index, shape in enumerate(shapes) if shape != shapes[0]), None)
        if other is not None:
            what = f"{name} of row {other} have shape {shapes[other]}, those of row 0 {shapes[0]}"
            raise _Refused(what, "Bring all examples to one shape in __getitem__")
    for index in np.linspace(0, count - 1, min(count, _TWICE)).astype(int):
        again = _pair(dataset[int(index)], columns)
        if not all(
            np.array_equal(a, b, equal_nan=b.dtype.kind == "f") for a, b in zip(again, pairs[index], strict=True)
        ):
            what = f"row {index} is another one when it is read again: a random transform"
            fix = "Remove the augmentation, or store augmented examples in a dataset of their own"
            raise _Refused(what, fix, Category.NEVER)
    features = np.stack([pair[0] for pair in pairs])
    return features, np.stack([pair[1] for pair in pairs])


def _whole_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """(N,) classes of (N,) numbers or of (N, C) rows with one 1. Raises _Refused."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and labels.dtype.kind in "iufb":
        return labels
    if labels.ndim == 2 and labels.dtype.kind in "iufb":
        found: NDArray[Any] = labels.argmax(axis=1)
        if np.array_equal(labels, np.eye(labels.shape[1])[found]):
            return found
    what = f"targets of shape {labels.shape[1:]} and type {labels.dtype} that are no classes"
    if labels.dtype.kind in "OSU":
        raise _Refused(what, "Number the classes from 0; for a datasets.Dataset, class_encode_column(label) does it")
    raise _Refused(
        what, "Give each example one class: a whole number, or a row with one 1; regression is not covered yet"
    )


def read_examples(dataset: Any, columns: Columns | None = None, name: str = "loader.dataset") -> Examples:
    """All examples of a map-style dataset; what cannot be read becomes a problem of `name`."""
    kind, place = type(dataset).__name__, source.variable(dataset)
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        what = "the dataset has no length, or no rows by number"
        fix = "Give a map-style dataset, with __len__ and __getitem__"
        return Examples(None, None, [Problem(Category.NEVER, name, kind, what, fix, place)])
    if isinstance(dataset, Mapping):
        what = f"this is no dataset but a mapping of {', '.join(map(str, dataset))}"
        fix = f"Give one of them: dataset[{next(iter(dataset), 'train')!r}]"
        return Examples(None, None, [Problem(Category.MODE, name, kind, what, fix, place)])
    features, labels = None, None
    try:
        with _same_randomness():
            features, raw = _rows(dataset, columns)
        if features.dtype.kind not in "iufb":
            what = f"features of type {features.dtype} are no numbers"
            raise _Refused(what, "Turn them into numbers in __getitem__; text needs an encoder")
        labels = _whole_labels(raw)
    except _Refused as refused:
        return Examples(
            features if features is not None and features.dtype.kind in "iufb" else None,
            None,
            [Problem(refused.category, name, kind, refused.what, refused.fix, place)],
        )
    except Exception as error:  # __getitem__ is the user's code and may raise anything; it becomes a problem
        what = f"reading the examples raised {type(error).__name__}: {error}"
        place = source.raised(error) or place
        fix = "See that dataset[i] works for every i below len(dataset)"
        return Examples(None, None, [Problem(Category.MODE, name, kind, what, fix, place)])
    return Examples(features, labels, [])


def rule_for(kind: np.dtype[Any]) -> FeatureRule:
    """The public rule for features of this type: as `FeatureRule.of`, but an integer stands for itself, as in the module."""
    return FeatureRule(bits=8, frac=0) if kind.kind in "iu" else FeatureRule.of(kind)


def fitting(features: NDArray[Any], rule: FeatureRule) -> str:
    """The narrowest rule that these features fit, as the user would write it; the steps of `rule` where 16 bits allow them."""
    low, high = float(features.min()), float(features.max())
    signed = low < 0
    for frac in range(rule.frac, -1, -1):
        reach = max(abs(low), high) * 2**frac + 1
        bits = max(1, int(reach).bit_length()) + signed
        if bits <= 16:
            return f"features=zkdl.FeatureRule(bits={bits}, frac={frac}, signed={signed})"
    return "features scaled to a few units in the dataset"


def integers(
    examples: Examples, classes: int, rule: FeatureRule | None, name: str = "loader.dataset"
) -> tuple[Dataset | None, list[Problem]]:
    """The examples as integers, or why not. A network of another number of features is reported elsewhere."""
    if examples.features is None or examples.labels is None:
        return None, []
    chosen = rule or rule_for(examples.features.dtype)
    try:
        return quantise(examples.features, examples.labels, classes, chosen), []
    except ZkError as error:
        fix = error.hint
        if error.code == "DATA_RANGE":
            fix = f"Scale the features in the dataset, or give {fitting(examples.features, chosen)}, which is public"
        row = error.where.get("row")
        path = name if row is None else f"{name}[{row}]"
        return None, [Problem(Category.MODE, path, "", error.message, fix)]
