"""What the proven training does otherwise than the user's own loop over the same four objects, said before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.datasets import Dataset
from zkdl.pytorch.data import Batches
from zkdl.pytorch.network import Network
from zkdl.pytorch.problems import Difference, Differences
from zkdl.pytorch.training import Loss
from zkdl.train.rates import from_learning_rate

_ROWS = 1024


@dataclass(frozen=True)
class Understood:
    """Everything that was read from the four objects. raw: features as the dataset gives them; rate: the optimiser's."""

    network: Network
    data: Dataset
    raw: NDArray[Any]
    batches: Batches
    loss: Loss
    rate: float
    dtype: str
    start: str
    unused: tuple[str, ...]
    activation_bits: int
    gradient_bits: int


def differences(found: Understood) -> Differences:
    """All of them, the largest effects first."""
    return Differences(
        [*_order(found), *_rate(found), *_loss(found), *_features(found), *_weights(found), *_arithmetic(found)]
    )


def _order(found: Understood) -> Iterator[Difference]:
    batches, count = found.batches, len(found.data.labels)
    yours = "shuffled by torch's generator" if batches.shuffled else "as in the dataset, the same in every epoch"
    yield Difference("order", yours, "a permutation per epoch that follows from the public statement")
    rest = count % batches.batch
    if rest and batches.last == "drop":
        here = f"left out too ({rest} examples per epoch), but which ones follows from the public statement"
        yield Difference("last batch", "left out (drop_last)", here)
    elif rest and found.loss.reduction == "mean":
        here = f"divided by {batches.batch}, so that this one step is {rest}/{batches.batch} as long"
        yield Difference("last batch", f"{rest} examples, their mean taken over {rest}", here)


def _rate(found: Understood) -> Iterator[Difference]:
    rate = found.rate * found.loss.factor
    exact = from_learning_rate(rate)
    if found.loss.factor != 1:
        why = "half the squared error, summed over outputs" if found.loss.name == "mse" else "the mean over the batch"
        yield Difference(
            "learning rate", f"{found.rate:g}", f"{rate:g}, because the proven loss is {why}: the same steps"
        )
    if exact != rate * 2.0**32:
        yield Difference(
            "learning rate", f"{rate!r}", f"{exact} * 2^-32, which differs by {abs(exact * 2.0**-32 - rate):.1e}"
        )
    here = (
        "an integer per layer and segment, at most 1/16 away from the learning rate where the formats allow (see check)"
    )
    yield Difference("update factor", "the learning rate", here)


def _loss(found: Understood) -> Iterator[Difference]:
    if found.loss.name == "ce":
        here = "from a public table of exp in 12 bits, on logits rounded to 2^-5 and clamped to +-64"
        yield Difference("softmax", "floating point", here)
    else:
        yield Difference("outputs", "floating point", "rounded to 2^-5 and clamped to +-64 before the squared error")


def _features(found: Understood) -> Iterator[Difference]:
    rule, raw = found.data.rule, found.raw.reshape(len(found.raw), -1)
    if raw.dtype.kind == "f":
        change, integers = 0.0, found.data.features
        for first in range(0, len(raw), _ROWS):
            real = np.ldexp(integers[first : first + _ROWS].astype(np.float64), -rule.frac)
            change = max(change, float(np.abs(raw[first : first + _ROWS] - real).max()))
        if change > 0:
            here = f"rounded to multiples of 2^-{rule.frac}; the largest change is {change:.2g}"
            yield Difference("features", str(raw.dtype), here)
    elif rule.frac:
        here = f"an integer v stands for v * 2^-{rule.frac}, as features=FeatureRule(...) says"
        yield Difference("features", f"{raw.dtype}, as they are", here)
    elif raw.dtype == np.uint8:
        here = "0..255 as they are; if your loop divides by 255, give features=zkdl.FeatureRule(bits=8, frac=8)"
        yield Difference("features", "bytes", here)


def _weights(found: Understood) -> Iterator[Difference]:
    if found.start == "seed":
        yield Difference(
            "initial weights", "those in the model", "expanded from the public seed; the model's are not used"
        )
    else:
        here = "the same, rounded to the fraction bits that check names, and committed to"
        yield Difference("initial weights", f"those in the model, {found.dtype}", here)
    here = "integers; nothing is rounded in an update. state_dict() rounds them once, to the model's type"
    yield Difference("weights", found.dtype, here)
    if found.unused:
        names = ", ".join(found.unused[:4]) + (", ..." if len(found.unused) > 4 else "")
        yield Difference("unused parameters", names, "not part of the run, and left as they are")


def _arithmetic(found: Understood) -> Iterator[Difference]:
    here = f"rounded and clamped to {found.activation_bits} and {found.gradient_bits} bits after every layer"
    yield Difference("activations and gradients", found.dtype, here)
    yield Difference(
        "the rest of your loop",
        "clipping, accumulation, schedulers, mixed precision, early stopping",
        "not seen and not done: one update per batch, from these four objects alone",
    )
