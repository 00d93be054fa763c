"""A training configuration: read from TOML or built by the Python API, checked before anything runs.

[model]     widths = [64, 128, 128, 10]; bias = true; loss = "ce" or "mse"
[data]      train = "digits" | file; labels = file (IDX); label_column; test, test_labels; feature_bits, feature_frac, signed
            (none of the three: by the type of the features, see `FeatureRule.of`)
[schedule]  lr = 0.1; steps or epochs; batch = 64; last_batch = "keep" or "drop"; changes = [[step, lr], ...] or decay = "cosine"
[formats]   activation_bits, gradient_bits, weight_frac (left out: chosen)
[run]       directory; segment_steps = 64; seed = any text; beacon = hexadecimal
            initial = weights file; initial_bound = public bound of the initial weights, in real units (left out: a fixed policy)
            max_memory = "8GiB", max_time = "2h": what training and proving may take (left out: no limit)
"""

from __future__ import annotations

import difflib
import hashlib
import math
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zkdl.allowance import Allowance, parse_bytes, parse_seconds
from zkdl.commitment.parameters import DEFAULT
from zkdl.datasets import DIGITS_RULE, Dataset, FeatureRule, digits, is_integer_csv, load, quantise
from zkdl.errors import NotProvable, UsageError, ZkError
from zkdl.given_weights import PLACEHOLDER, check_given, given
from zkdl.proof.revealed import read_tensors
from zkdl.statement.initialisation import bound
from zkdl.statement.limits import MAX_BATCH, MAX_SEGMENT_STEPS, MAX_STEPS, check_provable
from zkdl.statement.run import RunStatement
from zkdl.statement.weights import Weights
from zkdl.train import formats
from zkdl.train.rates import from_learning_rate

COSINE_PIECES = 64


@dataclass(frozen=True)
class Configuration:
    """Everything a user decides about a run. Names as in the TOML file."""

    widths: tuple[int, ...]
    bias: tuple[bool, ...]
    loss: str = "ce"
    train: str = "digits"
    labels: str | None = None
    label_column: str | None = None
    test: str | None = None
    test_labels: str | None = None
    features: FeatureRule | None = None
    lr: float = 0.1
    steps: int | None = None
    epochs: int | None = None
    batch: int = 64
    last_batch: str = "keep"
    changes: tuple[tuple[int, float], ...] = ()
    decay: str = "constant"
    activation_bits: int = 10
    gradient_bits: int = 10
    weight_frac: int | None = None
    directory: str = "run"
    segment_steps: int = 64
    seed: str = "zkdl"
    initial: str | None = None
    initial_bound: float | None = None
    beacon: str | None = None
    max_memory: int | None = None
    max_time: float | None = None

    def __post_init__(self) -> None:
        _widths(list(self.widths))
        rule = self.features or FeatureRule()
        for name, value, low, high in (
            ("schedule.batch", self.batch, 1, MAX_BATCH),
            ("schedule.steps", self.steps, 1, MAX_STEPS),
            ("schedule.epochs", self.epochs, 1, MAX_STEPS),
            ("run.segment_steps", self.segment_steps, 1, MAX_SEGMENT_STEPS),
            ("data.feature_bits", rule.bits, 1, 16),
            ("data.feature_frac", rule.frac, 0, 32),
        ):
            if value is not None and not low <= value <= high:
                raise UsageError(
                    f"{name} must be in {low}..{high}, got {value}",
                    code="CONFIG_VALUE",
                    hint=f"Set it to a whole number in {low}..{high}",
                    field=name,
                )
        if self.decay != "constant" and self.changes:
            raise UsageError(
                "changes and decay are both given",
                code="CONFIG_VALUE",
                hint="Give either changes, or decay",
                field="schedule.changes",
            )
        bound = self.initial_bound
        if bound is not None and not 2.0**-40 <= bound <= 2.0**40:
            raise UsageError(
                f"run.initial_bound must be in 2^-40..2^40, got {bound}",
                code="CONFIG_VALUE",
                hint="Give a bound of every |initial weight| in real units, such as 2.0",
                field="run.initial_bound",
            )

    @property
    def allowance(self) -> Allowance:
        """What the run may take."""
        return Allowance(self.max_memory, self.max_time)

    def total_steps(self, examples: int) -> int:
        """Steps of the run. Raises UsageError(CONFIG_VALUE)."""
        if (self.steps is None) == (self.epochs is None):
            raise UsageError(
                "steps and epochs are both given" if self.steps is not None else "neither steps nor epochs is given",
                code="CONFIG_VALUE",
                hint="Give either steps or epochs",
                field="schedule.steps",
            )
        per_epoch = -(-examples // self.batch) if self.last_batch == "keep" else examples // self.batch
        total = self.steps if self.steps is not None else (self.epochs or 0) * per_epoch
        if total < 1:
            raise UsageError(
                f"{examples} examples are less than one batch, and last_batch drops it",
                code="CONFIG_VALUE",
                hint='Lower schedule.batch, or set schedule.last_batch = "keep"',
                field="schedule.steps",
            )
        return total

    def schedule(self, steps: int) -> tuple[tuple[int, int], ...]:
        """(first step, lr_q) pieces."""
        if self.decay == "cosine":
            pieces = min(COSINE_PIECES, steps)
            starts = sorted({k * steps // pieces for k in range(pieces)})
            rates = [max(self.lr * (1 + math.cos(math.pi * start / steps)) / 2, 2.0**-32) for start in starts]
            return tuple((start, from_learning_rate(rate)) for start, rate in zip(starts, rates, strict=True))
        pieces_given = [(0, self.lr), *self.changes]
        return tuple((start, from_learning_rate(rate)) for start, rate in pieces_given)

    def load_train(self) -> Dataset:
        """Training examples, quantised. Errors name the file."""
        if self.train == "digits":
            x, y, _, _ = digits()
            return quantise(x, y, self.widths[-1], DIGITS_RULE)
        x, y = load(self.train, self.labels, self.label_column)
        return self._quantised(x, y, self.train, self.labels)

    def load_test(self) -> Dataset | None:
        """Test examples, quantised as the training examples are, when there are any. Errors name the file."""
        if self.train == "digits":
            _, _, x, y = digits()
            return quantise(x, y, self.widths[-1], DIGITS_RULE)
        if self.test is None:
            return None
        x, y = load(self.test, self.test_labels, self.label_column)
        if Path(self.train).suffixes[-1:] == [".csv"] == Path(self.test).suffixes[-1:]:
            # A file without a point in it does not tell whether it holds integers: the training file does.
            if not is_integer_csv(self.train):
                x = x.astype("float64")
            elif x.dtype.kind == "f":
                raise UsageError(
                    "the test file holds real numbers, the training file whole ones",
                    code="DATA_FORMAT",
                    hint="Write both in the same way: with a decimal point in the features, or without",
                    file=self.test,
                )
        return self._quantised(x, y, self.test, self.test_labels)

    def _quantised(self, x: NDArray[Any], y: NDArray[Any], file: str, labels: str | None) -> Dataset:
        try:
            return quantise(x, y, self.widths[-1], self.features)
        except ZkError as error:
            raise error.at({"file": labels if labels and error.where.get("field") == "labels" else file}) from None

    def initial_weights(self) -> tuple[Weights, int] | None:
        """Weights to start from and their fraction bits, when they do not come from a seed. Raises UsageError."""
        if self.initial is None:
            return None
        try:
            weights, metadata = read_tensors(Path(self.initial))
        except ZkError as error:
            error.hint = error.hint or "Give a file that zkdl wrote: by prove --reveal-weights, or one of RUN/weights"
            raise error.at({"field": "run.initial"}) from None
        fraction = int(metadata["weight_frac"])
        if self.weight_frac not in (None, fraction):
            raise UsageError(
                f"the initial weights have {fraction} fraction bits, the configuration asks for {self.weight_frac}",
                code="CONFIG_VALUE",
                hint="Leave formats.weight_frac out, or set it to what the file has",
                field="formats.weight_frac",
                file=self.initial,
            )
        return weights, fraction

    def draft(self, data: Dataset, initial: Weights | None = None) -> RunStatement:
        """The run statement without roots, formats chosen for these data. Raises NotProvable, UsageError.

        Args:
            initial: weights to start from, with `weight_frac` fraction bits; None takes those of the file `initial`, if
                there is one, else the seed's.
        """
        if data.features.shape[1] != self.widths[0]:
            raise NotProvable(
                f"the model takes {self.widths[0]} features, the data have {data.features.shape[1]}",
                code="DATA_WIDTH",
                hint=f"Set the first of model.widths to {data.features.shape[1]}, or choose other data",
                field="model.widths",
                file=None if self.train == "digits" else self.train,
            )
        steps, layers = self.total_steps(len(data.labels)), len(self.widths) - 1
        fraction = formats.WEIGHT_FRAC if self.weight_frac is None else self.weight_frac
        read = self.initial_weights() if initial is None else None
        if read is not None:
            initial, fraction = read
        run = RunStatement(
            run_id=PLACEHOLDER,
            widths=self.widths,
            bias=self.bias,
            loss=self.loss,
            batch=self.batch,
            examples=len(data.labels),
            steps=steps,
            last_batch=self.last_batch,
            schedule=self.schedule(steps),
            format=formats.default_format(
                self.activation_bits, self.gradient_bits, fraction, data.rule.bits, data.rule.minimum, data.rule.frac
            ),
            activation_frac_interval=formats.ACTIVATION_FRAC_INTERVAL,
            gradient_frac_interval=formats.GRADIENT_FRAC_INTERVAL,
            init_seed=hashlib.sha256(b"zkdl/seed/" + self.seed.encode()).hexdigest(),
            init_root=None,
            init_weight_bound=(0,) * layers,
            init_bias_bound=(0,) * layers,
            data_root=PLACEHOLDER,
            data_budget=1,
            weights_budget=4,
            parameter_set=DEFAULT,
            beacon=self.beacon,
        )
        run.format.validate()
        run = replace(run, init_weight_bound=bound(run))
        run.validate()
        check_provable(run, self.segment_steps)
        if initial is not None:
            run = given(run, self.initial_bound)
            run.validate()
            check_given(run, initial)
        elif self.weight_frac is None:
            fraction = formats.choose_weight_frac(run, data.features, data.labels)
            run = formats.with_weight_frac(run, fraction)
        return run


SECTIONS: dict[str, tuple[str, ...]] = {
    "model": ("widths", "bias", "loss"),
    "data": ("train", "labels", "label_column", "test", "test_labels", "feature_bits", "feature_frac", "signed"),
    "schedule": ("lr", "steps", "epochs", "batch", "last_batch", "changes", "decay"),
    "formats": ("activation_bits", "gradient_bits", "weight_frac"),
    "run": ("directory", "segment_steps", "seed", "initial", "initial_bound", "beacon", "max_memory", "max_time"),
}
PATHS = ("train", "labels", "test", "test_labels", "initial", "directory")
KINDS: dict[str, type | tuple[type, ...]] = {
    "lr": (int, float), "widths": list, "changes": list, "bias": (bool, list), "signed": bool,
    "steps": int, "epochs": int, "batch": int, "activation_bits": int, "gradient_bits": int, "weight_frac": int,
    "segment_steps": int, "initial_bound": (int, float), "feature_bits": int, "feature_frac": int,
    "max_memory": (int, str), "max_time": (int, float, str),
}  # fmt: skip

# One right line for every key that is no text, for hints.
EXAMPLES = {
    "widths": "widths = [64, 128, 128, 10]", "bias": "bias = true", "lr": "lr = 0.1", "steps": "steps = 200",
    "epochs": "epochs = 2", "batch": "batch = 64", "changes": "changes = [[100, 0.05]]", "signed": "signed = true",
    "feature_bits": "feature_bits = 8", "feature_frac": "feature_frac = 8", "activation_bits": "activation_bits = 10",
    "gradient_bits": "gradient_bits = 10", "weight_frac": "weight_frac = 28", "segment_steps": "segment_steps = 64",
    "initial_bound": "initial_bound = 2.0", "max_memory": 'max_memory = "8GiB"', "max_time": 'max_time = "2h"',
}  # fmt: skip


def _unknown(what: str, name: str, known: tuple[str, ...]) -> UsageError:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}"
    return UsageError(f"unknown {what} {name}", code="CONFIG_KEY", hint=hint, field=name)


def _value(section: str, name: str, value: Any) -> Any:
    kind = KINDS.get(name, str)
    allowed = kind if isinstance(kind, tuple) else (kind,)
    wrong_bool = isinstance(value, bool) and bool not in allowed
    if wrong_bool or not isinstance(value, allowed):
        expected = " or ".join(k.__name__ for k in allowed)
        raise UsageError(
            f"{section}.{name} must be of type {expected}, got {type(value).__name__}",
            code="CONFIG_VALUE",
            hint=f"Example: {EXAMPLES.get(name, name + ' = ' + repr('text'))}",
            field=f"{section}.{name}",
        )
    return value


def _widths(value: list[Any]) -> tuple[int, ...]:
    if len(value) < 2 or not all(isinstance(d, int) and not isinstance(d, bool) and d > 0 for d in value):
        raise UsageError(
            "widths need at least two positive integers",
            code="CONFIG_VALUE",
            hint=f"Example: {EXAMPLES['widths']}",
            field="model.widths",
        )
    return tuple(value)


def _bias(value: bool | list[Any], layers: int) -> tuple[bool, ...]:
    if isinstance(value, bool):
        return (value,) * layers
    if len(value) != layers or not all(isinstance(b, bool) for b in value):
        raise UsageError(
            "bias is one truth value, or one per layer",
            code="CONFIG_VALUE",
            hint=f"Example: {EXAMPLES['bias']}",
            field="model.bias",
        )
    return tuple(value)


def _changes(value: list[Any]) -> tuple[tuple[int, float], ...]:
    for entry in value:
        if not (
            isinstance(entry, list)
            and len(entry) == 2
            and isinstance(entry[0], int)
            and isinstance(entry[1], (int, float))
        ):
            raise UsageError(
                "changes is a list of [step, lr]",
                code="CONFIG_VALUE",
                hint=f"Example: {EXAMPLES['changes']}",
                field="schedule.changes",
            )
    return tuple((int(step), _rate(rate)) for step, rate in value)


def _rate(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def read_configuration(path: Path | str) -> Configuration:
    """Read and check a TOML file; relative paths in it are relative to its folder. Raises UsageError."""
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            "the configuration is not there", code="CONFIG_MISSING", hint="Check the path", file=str(path)
        ) from error
    except IsADirectoryError as error:
        raise UsageError(
            "the configuration is a directory",
            code="CONFIG_SYNTAX",
            hint="Name the TOML file that the run is described in",
            file=str(path),
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        # ValueError: no UTF-8, no TOML, or an integer of more digits than Python converts.
        raise UsageError(
            f"the configuration cannot be read: {error}",
            code="CONFIG_SYNTAX",
            hint="It must be a TOML file; README.md has an example",
            file=str(path),
        ) from error
    found: dict[str, Any] = {}
    for section, table in document.items():
        if section not in SECTIONS:
            raise _unknown("section", section, tuple(SECTIONS)).at({"file": str(path)})
        if not isinstance(table, dict):
            raise UsageError(
                f"{section} must be a section",
                code="CONFIG_VALUE",
                hint=f"Write [{section}] on a line of its own, and its keys below",
                field=section,
                file=str(path),
            )
        for name, value in table.items():
            if name not in SECTIONS[section]:
                raise _unknown("key", name, SECTIONS[section]).at({"file": str(path)})
            found[name] = value
    try:
        return from_values(found, path.parent)
    except UsageError as error:
        raise error.at({"file": str(path)}) from None


def from_values(found: dict[str, Any], base: Path = Path()) -> Configuration:
    """A configuration from TOML values by key, without their sections. Raises UsageError."""
    sections = {name: section for section, names in SECTIONS.items() for name in names}
    for name in found:
        if name not in sections:
            raise _unknown("key", name, tuple(sections))
    # None stands for a key that is left out.
    found = {name: _value(sections[name], name, value) for name, value in found.items() if value is not None}
    if "widths" not in found:
        raise UsageError(
            "the model needs widths",
            code="CONFIG_VALUE",
            hint=f"Add to [model]: {EXAMPLES['widths']}",
            field="model.widths",
        )
    found["widths"] = _widths(found["widths"])
    found["bias"] = _bias(found.get("bias", True), len(found["widths"]) - 1)
    found["changes"] = _changes(found.get("changes", []))
    found["lr"] = _rate(found.get("lr", Configuration.lr))
    if "initial_bound" in found:
        found["initial_bound"] = _rate(found["initial_bound"])
    if "max_memory" in found:
        found["max_memory"] = parse_bytes(found["max_memory"], "run.max_memory")
    if "max_time" in found:
        found["max_time"] = parse_seconds(found["max_time"], "run.max_time")
    rule = None
    if {"feature_bits", "feature_frac", "signed"} & found.keys():
        rule = FeatureRule(found.pop("feature_bits", 8), found.pop("feature_frac", 8), found.pop("signed", False))
    found.setdefault("directory", Configuration.directory)
    for name in PATHS:
        value = found.get(name)
        if value is not None and (name, value) != ("train", "digits"):
            found[name] = str(base / value)
    for name, allowed in (("loss", ("ce", "mse")), ("last_batch", ("keep", "drop")), ("decay", ("constant", "cosine"))):
        if found.get(name, allowed[0]) not in allowed:
            raise UsageError(
                f"{sections[name]}.{name} must be one of {', '.join(allowed)}, got {found[name]}",
                code="CONFIG_VALUE",
                hint=f'Example: {name} = "{allowed[0]}"',
                field=f"{sections[name]}.{name}",
            )
    return Configuration(**found, features=rule)
