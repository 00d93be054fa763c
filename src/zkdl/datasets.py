"""Reading examples and making them integers by a public rule. Formats: .npz, .csv, IDX (plain or gzip), the bundled digits.

Every function returns features (N, d_0) and labels (N,). The type of the array decides, never its values: features of an
integer type are taken as they are, an integer v standing for v * 2^-frac; real ones become floor(x * 2^frac + 1/2). So
training and test data of one type get one scale. A CSV file has no types: it counts as integer if no cell of it, label or
feature, is written with a point or an exponent. Nothing is clipped silently: a value outside the range is an error.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.archives import NotAnArchive, read_arrays
from zkdl.errors import NotProvable, ResourceError, UsageError

Ints = NDArray[np.int32]
Reals = NDArray[np.float64]
DIGITS_TRAIN = 1437
FORMATS_HINT = "Give a .npz with arrays features and labels, a .csv with a label column, or two IDX files"
PATH_HINT = "Check the path; a relative one in a configuration is relative to the configuration's folder"
MAX_IDX_DIMENSIONS = 8
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@dataclass(frozen=True)
class FeatureRule:
    """How real features become integers in [minimum, minimum + 2^bits), real = integer * 2^-frac."""

    bits: int = 8
    frac: int = 8
    signed: bool = False

    @property
    def minimum(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @staticmethod
    def of(kind: np.dtype[Any]) -> FeatureRule:
        """The rule for features of this type when none is given. It follows from the type alone, so it tells no value.

        Integers are bytes, as of pixels: 0..255 stand for 0..255/256. Truth values are 0 and 1. Reals are in [-8, 8), in
        steps of 1/256: values scaled to [0, 1], and standardised ones.
        """
        if kind.kind == "b":
            return FeatureRule(bits=1, frac=0)
        return FeatureRule(bits=12, frac=8, signed=True) if kind.kind == "f" else FeatureRule(bits=8, frac=8)


@dataclass(frozen=True)
class Dataset:
    """Quantised examples. features: (N, d_0) int32 C-contiguous; labels: (N,) int32."""

    features: Ints
    labels: Ints
    rule: FeatureRule


def digits() -> tuple[Reals, Ints, Reals, Ints]:
    """The bundled 8x8 digits, grey levels 0, 1/16, ..., 1: (1437, 64) train, (1437,), (360, 64) test, (360,)."""
    with resources.files("zkdl").joinpath("data/digits.npz").open("rb") as stream, np.load(stream) as archive:
        features, labels = archive["features"] / 16, archive["labels"].astype(np.int32)
    cut = DIGITS_TRAIN
    return features[:cut], labels[:cut], features[cut:], labels[cut:]


DIGITS_RULE = FeatureRule(bits=5, frac=4)


def _open(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError("the data file is not there", code="DATA_MISSING", hint=PATH_HINT, file=str(path)) from error
    except OSError as error:
        raise UsageError("the data file cannot be read", code="DATA_MISSING", hint=PATH_HINT, file=str(path)) from error
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(
            "the data file is not valid gzip", code="DATA_FORMAT", hint="Fetch or unpack it again", file=str(path)
        ) from error


def load_idx(path: Path | str) -> NDArray[Any]:
    """One IDX array (the format of MNIST), plain or gzip. Raises UsageError(DATA_MISSING, DATA_FORMAT)."""
    path = Path(path)
    raw = _open(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES:
        raise UsageError("this is no IDX file", code="DATA_FORMAT", hint=FORMATS_HINT, file=str(path))
    kind, dimensions = np.dtype(IDX_TYPES[raw[2]]), raw[3]
    if len(raw) < 4 + 4 * dimensions:
        raise UsageError("the IDX header is cut off", code="DATA_FORMAT", hint="Fetch it again", file=str(path))
    shape = struct.unpack(f">{dimensions}I", raw[4 : 4 + 4 * dimensions])
    body = raw[4 + 4 * dimensions :]
    # Without a zero: beside one, the other sizes may have a product that NumPy refuses.
    if dimensions > MAX_IDX_DIMENSIONS or 0 in shape or len(body) != kind.itemsize * math.prod(shape):
        raise UsageError(
            "the IDX file is empty, or has another length than its header says",
            code="DATA_FORMAT",
            hint="Fetch it again",
            file=str(path),
        )
    return np.frombuffer(body, dtype=kind).reshape(shape)


def load_npz(path: Path | str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Arrays `features` (or x) and `labels` (or y) of an .npz archive; pickled arrays are refused.

    Raises: UsageError(DATA_MISSING, DATA_FORMAT), ResourceError(MEMORY).
    """
    path = Path(path)
    if not path.exists():
        raise UsageError("the data file is not there", code="DATA_MISSING", hint=PATH_HINT, file=str(path))
    try:
        found = {name.lower(): values for name, values in read_arrays(path).items()}
    except (OSError, NotAnArchive) as error:
        raise UsageError(
            "this is no .npz archive of plain arrays", code="DATA_FORMAT", hint=FORMATS_HINT, file=str(path)
        ) from error
    except MemoryError as error:
        raise ResourceError(
            "an array of the data file is larger than the memory",
            code="MEMORY",
            hint="See that the file is whole, or use a larger machine",
            file=str(path),
        ) from error
    for first, second in (("features", "labels"), ("x", "y"), ("x_train", "y_train")):
        if first in found and second in found:
            return found[first], found[second]
    raise UsageError(
        "the archive needs arrays named features and labels (or x and y)",
        code="DATA_FORMAT",
        hint="Write it with numpy.savez(file, features=..., labels=...)",
        file=str(path),
        found=", ".join(sorted(found)),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv_lines(path: Path) -> tuple[list[str], list[str]]:
    """Names of the columns (numbers if there is no header) and the lines with data."""
    lines = [line for line in _open(path).decode("utf-8-sig", errors="replace").splitlines() if line.strip()]
    if not lines:
        raise UsageError("the data file is empty", code="DATA_FORMAT", hint=FORMATS_HINT, file=str(path))
    header = [cell.strip().strip('"') for cell in lines[0].split(",")]
    if all(_is_number(cell) for cell in header):
        return [str(i) for i in range(len(header))], lines
    if len(lines) == 1:
        raise UsageError(
            "the data file has a header and no rows", code="DATA_FORMAT", hint=FORMATS_HINT, file=str(path)
        )
    return header, lines[1:]


def _whole(lines: list[str]) -> bool:
    """No cell has a point, an exponent or a word (nan, inf)."""
    return all(line.isascii() and not any(c == "." or c.isalpha() for c in line) for line in lines)


def is_integer_csv(path: Path | str) -> bool:
    """Whether `load_csv` gives integers."""
    return _whole(_csv_lines(Path(path))[1])


def load_csv(path: Path | str, label: str | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """A CSV file, header row allowed. The label is the named column, else "label" if there is one, else the last.

    int64 if every cell is written as a whole number, else float64.
    """
    path = Path(path)
    header, lines = _csv_lines(path)
    if label is not None and label not in header:
        raise UsageError(
            "the label column is not in the header",
            code="DATA_FORMAT",
            hint=f"Columns: {', '.join(header[:8])}{', ...' if len(header) > 8 else ''}",
            file=str(path),
            field=label,
        )
    column = header.index(label or "label") if (label or "label") in header else len(header) - 1
    try:
        kind = np.int64 if _whole(lines) else np.float64
        # Without comments: a line that begins with # would be an example that is left out in silence.
        table = np.loadtxt(lines, delimiter=",", dtype=kind, ndmin=2, comments=None)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"the data file is not a table of numbers: {error}",
            code="DATA_FORMAT",
            hint="Every cell below the header must be a number; drop or encode the others",
            file=str(path),
        ) from error
    if table.shape[1] != len(header):
        raise UsageError(
            "rows and header differ in length",
            code="DATA_FORMAT",
            hint=f"The header names {len(header)} columns, the rows have {table.shape[1]}",
            file=str(path),
        )
    return np.delete(table, column, axis=1), table[:, column]


def load(
    path: Path | str, labels: Path | str | None = None, label_column: str | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features and labels by file name; IDX needs a second file for the labels."""
    path = Path(path)
    suffixes = [s for s in path.suffixes if s != ".gz"]
    if suffixes and suffixes[-1] == ".npz":
        return load_npz(path)
    if suffixes and suffixes[-1] == ".csv":
        return load_csv(path, label_column)
    if labels is None:
        _open(path)  # a file that is not there is no IDX file either
        raise UsageError(
            "an IDX file needs a second file with the labels",
            code="DATA_FORMAT",
            hint="Name it: labels (for the test data test_labels). Names of other formats end in .npz or .csv",
            file=str(path),
        )
    features = load_idx(path)
    if features.ndim < 2 or features.size == 0:
        raise UsageError(
            "an IDX file of features has a row per example", code="DATA_FORMAT", hint=FORMATS_HINT, file=str(path)
        )
    return features.reshape(len(features), -1), load_idx(labels).reshape(-1)


def quantise(features: NDArray[Any], labels: NDArray[Any], classes: int, rule: FeatureRule | None = None) -> Dataset:
    """Integers by the public rule; None takes `FeatureRule.of` the features' type.

    Features of an integer type are taken as they are, others become floor(x * 2^frac + 1/2), whole or not.

    Raises: NotProvable(DATA_SHAPE, DATA_NAN, DATA_RANGE, DATA_LABEL_RANGE, DATA_LABEL) naming row and column.
    """
    features, labels = _table(np.asarray(features), np.asarray(labels))
    rule = rule or FeatureRule.of(features.dtype)
    _check_finite("features", features)
    _check_finite("labels", labels)
    if features.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what overflows is outside every range, and reported as that
            features = np.floor(np.ldexp(features.astype(np.float64), rule.frac) + 0.5)
    low, high = rule.minimum, rule.minimum + (1 << rule.bits) - 1
    outside = (features < low) | (features > high)
    if outside.any():
        row, column = (int(i) for i in np.argwhere(outside)[0])
        raise NotProvable(
            f"a feature is {features[row, column]} in units of 2^-{rule.frac}, outside {low}..{high}",
            code="DATA_RANGE",
            hint="Choose more feature_bits, a smaller feature_frac or signed features (in Python: features=FeatureRule(...))",
            field="features",
            row=row,
            column=column,
        )
    _check_labels(labels, classes)
    return Dataset(np.ascontiguousarray(features, dtype=np.int32), np.ascontiguousarray(labels, dtype=np.int32), rule)


def _table(features: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features as (N, d_0), labels as (N,), both of numbers."""
    if features.ndim > 2 and features.size:
        features = features.reshape(len(features), -1)
    if features.ndim != 2 or labels.ndim != 1 or len(features) != len(labels) or features.size == 0:
        raise NotProvable(
            "features must be a table with one label per row",
            code="DATA_SHAPE",
            hint="Give features as (examples, features) and labels as (examples,)",
            features=features.shape,
            labels=labels.shape,
        )
    for name, values in (("features", features), ("labels", labels)):
        if values.dtype.kind not in "iufb":
            raise NotProvable(
                f"{name} must be numbers",
                code="DATA_SHAPE",
                hint="Convert them to integers or floats first",
                field=name,
                dtype=str(values.dtype),
            )
    return features, labels


def _check_finite(name: str, values: NDArray[Any]) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        place = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
        raise NotProvable(
            "the data hold a value that is no finite number",
            code="DATA_NAN",
            hint="Remove the example, or replace the value by a number",
            field=name,
            row=place[0],
            column=place[1] if len(place) > 1 else None,
        )


def _check_labels(labels: NDArray[Any], classes: int) -> None:
    fractions = labels != np.rint(labels)
    if fractions.any():
        row = int(np.argmax(fractions))
        raise NotProvable(
            f"label {labels[row]} is no whole number",
            code="DATA_LABEL",
            hint="Number the classes 0, 1, 2, ..., and see that the label column is the right one (label_column)",
            field="labels",
            row=row,
        )
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise NotProvable(
            f"label {labels[row]} is not a class 0..{classes - 1}",
            code="DATA_LABEL_RANGE",
            hint="Number the classes from 0, or widen the last layer of the model to the number of classes",
            field="labels",
            row=row,
        )
