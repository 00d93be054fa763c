"""Reading examples and making them integers by a public rule. Formats: .npz, .csv, IDX (plain or gzip), the bundled digits.

Every function returns features (N, d_0) and labels (N,). Integer features are taken as they are; real ones become
floor(x * 2^frac + 1/2). Nothing is clipped silently: a value outside the declared range is an error.
"""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.errors import NotProvable, UsageError

Ints = NDArray[np.int32]
DIGITS_TRAIN = 1437
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


@dataclass(frozen=True)
class Dataset:
    """Quantised examples. features: (N, d_0) int32 C-contiguous; labels: (N,) int32."""

    features: Ints
    labels: Ints
    rule: FeatureRule


def digits() -> tuple[Ints, Ints, Ints, Ints]:
    """The bundled 8x8 digits, values 0..16: (1437, 64) train, (1437,), (360, 64) test, (360,)."""
    with resources.files("zkdl").joinpath("data/digits.npz").open("rb") as stream, np.load(stream) as archive:
        features, labels = archive["features"].astype(np.int32), archive["labels"].astype(np.int32)
    cut = DIGITS_TRAIN
    return features[:cut], labels[:cut], features[cut:], labels[cut:]


DIGITS_RULE = FeatureRule(bits=5, frac=4)


def _open(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError("the data file is not there", code="DATA_MISSING", file=str(path)) from error
    except OSError as error:
        raise UsageError("the data file cannot be read", code="DATA_MISSING", file=str(path)) from error
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError("the data file is not valid gzip", code="DATA_FORMAT", file=str(path)) from error


def load_idx(path: Path | str) -> NDArray[Any]:
    """One IDX array (the format of MNIST), plain or gzip. Raises UsageError(DATA_MISSING, DATA_FORMAT)."""
    path = Path(path)
    raw = _open(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES:
        raise UsageError("this is no IDX file", code="DATA_FORMAT", file=str(path))
    kind, dimensions = np.dtype(IDX_TYPES[raw[2]]), raw[3]
    if len(raw) < 4 + 4 * dimensions:
        raise UsageError("the IDX header is cut off", code="DATA_FORMAT", file=str(path))
    shape = struct.unpack(f">{dimensions}I", raw[4 : 4 + 4 * dimensions])
    body = raw[4 + 4 * dimensions :]
    if len(body) != kind.itemsize * int(np.prod(shape, dtype=np.int64)):
        raise UsageError("the IDX file has another length than its header says", code="DATA_FORMAT", file=str(path))
    return np.frombuffer(body, dtype=kind).reshape(shape)


def load_npz(path: Path | str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Arrays `features` (or x) and `labels` (or y) of an .npz archive; pickled arrays are refused."""
    path = Path(path)
    if not path.exists():
        raise UsageError("the data file is not there", code="DATA_MISSING", file=str(path))
    try:
        # Opened here: NumPy leaves the file open when it is no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            found = {name.lower(): archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        # A single .npy array opens too, but it is no archive: AttributeError or TypeError, by NumPy version.
        raise UsageError("this is no .npz archive of plain arrays", code="DATA_FORMAT", file=str(path)) from error
    for first, second in (("features", "labels"), ("x", "y"), ("x_train", "y_train")):
        if first in found and second in found:
            return found[first], found[second]
    raise UsageError(
        "the archive needs arrays named features and labels (or x and y)",
        code="DATA_FORMAT",
        file=str(path),
        found=", ".join(sorted(found)),
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def load_csv(path: Path | str, label: str | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """A CSV file, header row allowed. The label is the named column, else "label" if there is one, else the last."""
    path = Path(path)
    lines = [line for line in _open(path).decode("utf-8-sig", errors="replace").splitlines() if line.strip()]
    if not lines:
        raise UsageError("the data file is empty", code="DATA_FORMAT", file=str(path))
    header = [cell.strip().strip('"') for cell in lines[0].split(",")]
    if all(_is_number(cell) for cell in header):
        header = [str(i) for i in range(len(header))]
    else:
        lines = lines[1:]
    if label is not None and label not in header:
        raise UsageError("the label column is not in the header", code="DATA_FORMAT", file=str(path), field=label)
    if not lines:
        raise UsageError("the data file has a header and no rows", code="DATA_FORMAT", file=str(path))
    column = header.index(label or "label") if (label or "label") in header else len(header) - 1
    try:
        table = np.loadtxt(lines, delimiter=",", dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise UsageError(
            f"the data file is not a table of numbers: {error}", code="DATA_FORMAT", file=str(path)
        ) from error
    if table.shape[1] != len(header):
        raise UsageError("rows and header differ in length", code="DATA_FORMAT", file=str(path))
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
        raise UsageError("an IDX file needs a second file with the labels", code="DATA_FORMAT", file=str(path))
    features = load_idx(path)
    if features.ndim < 2 or features.size == 0:
        raise UsageError("an IDX file of features has a row per example", code="DATA_FORMAT", file=str(path))
    return features.reshape(len(features), -1), load_idx(labels).reshape(-1)


def quantise(features: NDArray[Any], labels: NDArray[Any], classes: int, rule: FeatureRule) -> Dataset:
    """Integers by the public rule.

    Raises: NotProvable(DATA_SHAPE, DATA_NAN, DATA_RANGE, DATA_LABEL_RANGE, DATA_LABEL) naming row and column.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim > 2 and features.size:
        features = features.reshape(len(features), -1)
    if features.ndim != 2 or labels.ndim != 1 or len(features) != len(labels) or features.size == 0:
        raise NotProvable(
            "features must be a table with one label per row",
            code="DATA_SHAPE",
            features=features.shape,
            labels=labels.shape,
        )
    if features.dtype.kind not in "iufb" or labels.dtype.kind not in "iufb":
        raise NotProvable("features and labels must be numbers", code="DATA_SHAPE", dtype=str(features.dtype))
    for name, values in (("features", features), ("labels", labels)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise NotProvable("the data hold a value that is no number", code="DATA_NAN", field=name, row=row)
    if features.dtype.kind == "f" and not np.array_equal(features, np.rint(features)):
        with np.errstate(over="ignore"):  # what overflows is outside every range, and reported as that
            features = np.floor(np.ldexp(features.astype(np.float64), rule.frac) + 0.5)
    low, high = rule.minimum, rule.minimum + (1 << rule.bits) - 1
    outside = (features < low) | (features > high)
    if outside.any():
        row, column = (int(i) for i in np.argwhere(outside)[0])
        raise NotProvable(
            f"a feature is {features[row, column]}, outside {low}..{high}",
            code="DATA_RANGE",
            hint="Choose more feature_bits, a smaller feature_frac or signed features",
            row=row,
            column=column,
        )
    if not np.array_equal(labels, np.rint(labels)):
        raise NotProvable("a label is no whole number", code="DATA_LABEL")
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise NotProvable(f"label {labels[row]} is not a class 0..{classes - 1}", code="DATA_LABEL_RANGE", row=row)
    return Dataset(np.ascontiguousarray(features, dtype=np.int32), np.ascontiguousarray(labels, dtype=np.int32), rule)
