"""Reading .npz, CSV and IDX, and the public rule that makes integers of features."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from zkdl.datasets import DIGITS_RULE, FeatureRule, digits, is_integer_csv, load, load_csv, load_idx, load_npz, quantise
from zkdl.errors import NotProvable, UsageError, ZkError

RULE = FeatureRule(bits=8, frac=8)


def code_of(kind: type[ZkError], call: object, *args: object) -> str:
    assert callable(call)
    with pytest.raises(kind) as caught:
        call(*args)
    return caught.value.code


def idx_bytes(values: np.ndarray, kind: int = 8) -> bytes:
    types = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
    header = bytes([0, 0, kind, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(types[kind]).tobytes()


def test_digits() -> None:
    x, y, test_x, test_y = digits()
    assert (x.shape, y.shape, test_x.shape, test_y.shape) == ((1437, 64), (1437,), (360, 64), (360,))
    assert (x.min(), x.max(), set(np.unique(y))) == (0, 1, set(range(10)))
    assert x.dtype == np.float64 and y.dtype == np.int32
    assert np.array_equal(quantise(x, y, 10, DIGITS_RULE).features, 16 * x)


@pytest.mark.parametrize("names", [("features", "labels"), ("x", "y"), ("X_train", "Y_train")])
def test_npz(tmp_path: Path, names: tuple[str, str]) -> None:
    x, y = np.arange(12).reshape(4, 3), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "d.npz", **{names[0]: x, names[1]: y})
    found = load(tmp_path / "d.npz")
    assert np.array_equal(found[0], x) and np.array_equal(found[1], y)


def test_npz_errors(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    assert code_of(UsageError, load_npz, path) == "DATA_MISSING"
    np.savez(path, x=np.zeros(3))
    assert code_of(UsageError, load_npz, path) == "DATA_FORMAT"
    np.savez(path, x=np.array([{}], dtype=object), y=np.zeros(1))
    assert code_of(UsageError, load_npz, path) == "DATA_FORMAT"
    np.savez_compressed(path, x=np.arange(5000), y=np.zeros(1))
    whole = path.read_bytes()
    with (tmp_path / "single.npz").open("wb") as out:
        np.save(out, np.zeros(3))
    assert code_of(UsageError, load_npz, tmp_path / "single.npz") == "DATA_FORMAT"
    for broken in (b"", b"no archive", b"PK\x03\x04 no archive", whole[: len(whole) // 2], whole[:200] + whole[260:]):
        path.write_bytes(broken)
        assert code_of(UsageError, load_npz, path) == "DATA_FORMAT"
    assert code_of(UsageError, load_npz, tmp_path) == "DATA_FORMAT"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1,2,0\n3,4,1\n", None),
        ("a,b,class\n1,2,0\n3,4,1\n", None),
        ("label,a,b\n0,1,2\n1,3,4\n", None),
        ("a,target,b\n1,0,2\n3,1,4\n", "target"),
        ('\ufeff"a","target","b"\r\n1,0,2\r\n\r\n3,1,4\r\n', "target"),
    ],
    ids=["no header", "last column", "named label", "chosen", "windows"],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_csv(tmp_path: Path, text: str, label: str | None, compressed: bool) -> None:
    path = tmp_path / ("d.csv.gz" if compressed else "d.csv")
    raw = text.encode("utf-8")
    path.write_bytes(gzip.compress(raw) if compressed else raw)
    x, y = load(path, None, label)
    assert np.array_equal(x, [[1, 2], [3, 4]]) and np.array_equal(y, [0, 1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "a,b\n",
        "a,b,c\n1,2\n",
        "1,2,0\n1,2\n",
        "1,2,0\nx,2,1\n",
        "a,b,c\n1,,0\n",
        "\x00\xff\n\x00",
        "1,2,0\n#1,2,0\n",
        "a,b\n#\n",
    ],
)
def test_csv_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.csv").write_text(text, encoding="latin-1")
    assert code_of(UsageError, load, tmp_path / "d.csv") == "DATA_FORMAT"


def test_csv_label_column_must_exist(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,0\n")
    with pytest.raises(UsageError) as caught:
        load_csv(tmp_path / "d.csv", "class")
    assert caught.value.where["field"] == "class"
    assert code_of(UsageError, load_csv, tmp_path / "none.csv") == "DATA_MISSING"


@pytest.mark.parametrize("compressed", [False, True])
def test_idx(tmp_path: Path, compressed: bool) -> None:
    images, labels = np.arange(24).reshape(2, 3, 4), np.array([1, 0])
    for name, values in (("images", images), ("labels", labels)):
        raw = idx_bytes(values)
        (tmp_path / name).write_bytes(gzip.compress(raw) if compressed else raw)
    x, y = load(tmp_path / "images", tmp_path / "labels")
    assert np.array_equal(x, images.reshape(2, 12)) and np.array_equal(y, labels)


@pytest.mark.parametrize("kind", [8, 9, 11, 12, 13, 14])
def test_idx_types(tmp_path: Path, kind: int) -> None:
    values = np.arange(6).reshape(2, 3)
    (tmp_path / "d").write_bytes(idx_bytes(values, kind))
    assert np.array_equal(load_idx(tmp_path / "d"), values)


def test_idx_errors(tmp_path: Path) -> None:
    path = tmp_path / "d"
    assert code_of(UsageError, load_idx, path) == "DATA_MISSING"
    assert code_of(UsageError, load_idx, tmp_path) == "DATA_MISSING"
    good = idx_bytes(np.arange(6).reshape(2, 3))
    packed = gzip.compress(good)
    damaged = packed[:12] + bytes([packed[12] ^ 255]) + packed[13:]
    bad = (b"", good[:3], good[:9], good[:-1], good + b"x", b"\0\1" + good[2:], b"\0\0\7" + good[3:])
    for broken in (*bad, packed[:-9], damaged):
        path.write_bytes(broken)
        assert code_of(UsageError, load_idx, path) == "DATA_FORMAT"
    path.write_bytes(good)
    assert code_of(UsageError, load, path) == "DATA_FORMAT"
    # Sizes whose product is 0 in 64 bits, sizes beside a zero, and more dimensions than an array has.
    for sizes, body in (((1 << 16,) * 4, b""), ((0, *(0xFFFFFFFF,) * 3), b""), ((1,) * 200, b"\0")):
        path.write_bytes(bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + body)
        assert code_of(UsageError, load_idx, path) == "DATA_FORMAT"
    for flat in (np.arange(6), np.zeros((0, 3)), np.array(7)):
        path.write_bytes(idx_bytes(flat))
        assert code_of(UsageError, load, path, path) == "DATA_FORMAT"


def test_integers_stay_and_reals_are_rounded() -> None:
    data = quantise(np.array([[0, 255]]), np.array([1.0]), 2, RULE)
    assert data.features.tolist() == [[0, 255]] and data.labels.tolist() == [1]
    assert data.features.dtype == data.labels.dtype == np.int32 and data.features.flags.c_contiguous
    halves = quantise(np.array([[0.5, 0.25, 1 / 512, 1 / 513]]), np.array([0]), 2, RULE)
    assert halves.features.tolist() == [[128, 64, 1, 0]]
    signed = quantise(np.array([[-0.5, 0.25]]), np.array([0]), 2, FeatureRule(8, 7, True))
    assert signed.features.tolist() == [[-64, 32]]
    # The type decides, not the values: whole reals are scaled like all others.
    whole = quantise(np.array([[0.0, 1.0]]), np.array([0]), 2, FeatureRule(9, 8))
    assert whole.features.tolist() == [[0, 256]]
    images = quantise(np.zeros((2, 3, 4), dtype=bool), np.array([False, True]), 2, RULE)
    assert images.features.shape == (2, 12) and images.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("dtype", "rule"),
    [
        (np.uint8, FeatureRule(8, 8)), (np.int32, FeatureRule(8, 8)), (np.int64, FeatureRule(8, 8)),
        (np.bool_, FeatureRule(1, 0)), (np.float32, FeatureRule(12, 8, True)), (np.float64, FeatureRule(12, 8, True)),
    ],
)  # fmt: skip
def test_the_default_rule_follows_from_the_type_alone(dtype: type, rule: FeatureRule) -> None:
    for values in ([[0, 1]], [[1, 1]], [[0, 0]]):
        assert quantise(np.array(values, dtype=dtype), np.array([0]), 2).rule == rule


def test_the_default_rule_keeps_reals_to_a_step() -> None:
    x = np.random.default_rng(0).uniform(-8, 7.99, (50, 4))
    data = quantise(x, np.zeros(50), 2)
    assert np.abs(data.features / 256 - x).max() <= 1 / 512


@pytest.mark.parametrize(
    ("text", "whole"),
    [("1,2,0\n", True), ("a.b,c\n-1,+2\n", True), ("1,2.0,0\n", False), ("1,2e0,0\n", False), ("1,nan,0\n", False)],
)
def test_a_csv_without_points_holds_integers(tmp_path: Path, text: str, whole: bool) -> None:
    (tmp_path / "d.csv").write_text(text)
    assert is_integer_csv(tmp_path / "d.csv") is whole
    assert (load_csv(tmp_path / "d.csv")[0].dtype.kind == "i") is whole


@pytest.mark.parametrize(
    ("x", "y", "code"),
    [
        (np.zeros((2, 3)), np.zeros(3), "DATA_SHAPE"),
        (np.zeros(3), np.zeros(3), "DATA_SHAPE"),
        (np.zeros((3, 2)), np.zeros((3, 2)), "DATA_SHAPE"),
        (np.zeros((0, 2)), np.zeros(0), "DATA_SHAPE"),
        (np.zeros((0, 2, 2)), np.zeros(0), "DATA_SHAPE"),
        (np.array([["a"]]), np.zeros(1), "DATA_SHAPE"),
        (np.zeros((1, 1)), np.array(["a"]), "DATA_SHAPE"),
        (np.zeros((1, 1), dtype=complex), np.zeros(1), "DATA_SHAPE"),
        (np.array([[0.0, np.nan]]), np.zeros(1), "DATA_NAN"),
        (np.array([[0.5, np.inf]]), np.zeros(1), "DATA_NAN"),
        (np.zeros((1, 1)), np.array([np.nan]), "DATA_NAN"),
        (np.array([[256]]), np.zeros(1), "DATA_RANGE"),
        (np.array([[-1]]), np.zeros(1), "DATA_RANGE"),
        (np.array([[1.5]]), np.zeros(1), "DATA_RANGE"),
        (np.array([[0.5, 1e300]]), np.zeros(1), "DATA_RANGE"),
        (np.array([[2**64 - 1]], dtype=np.uint64), np.zeros(1), "DATA_RANGE"),
        (np.zeros((1, 1)), np.array([0.5]), "DATA_LABEL"),
        (np.zeros((1, 1)), np.array([10]), "DATA_LABEL_RANGE"),
        (np.zeros((1, 1)), np.array([-1]), "DATA_LABEL_RANGE"),
    ],
)
def test_data_that_cannot_be_proven(x: np.ndarray, y: np.ndarray, code: str) -> None:
    assert code_of(NotProvable, quantise, x, y, 10, RULE) == code


def test_errors_name_the_place() -> None:
    x = np.zeros((5, 4), dtype=np.int32)
    x[3, 2] = 999
    with pytest.raises(NotProvable) as caught:
        quantise(x, np.zeros(5), 10, RULE)
    assert (caught.value.where["row"], caught.value.where["column"]) == (3, 2)
    assert "feature_bits" in caught.value.hint
    with pytest.raises(NotProvable) as caught:
        quantise(np.zeros((3, 1)), np.array([0, 1, 12]), 10, RULE)
    assert caught.value.where == {"row": 2, "field": "labels"} and "12" in caught.value.message
    with pytest.raises(NotProvable) as caught:
        quantise(np.array([[0.0, 1.0], [0.5, np.nan]]), np.zeros(2), 10)
    assert caught.value.where == {"row": 1, "column": 1, "field": "features"}
    with pytest.raises(NotProvable) as caught:
        quantise(np.zeros((3, 1)), np.array([0, 1.5, 1]), 10)
    assert caught.value.where == {"row": 1, "field": "labels"}


def test_a_misspelt_name_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    """And not an IDX file without labels, which it would be by its ending."""
    assert code_of(UsageError, load, tmp_path / "digit") == "DATA_MISSING"
    (tmp_path / "digit").write_bytes(b"")
    assert code_of(UsageError, load, tmp_path / "digit") == "DATA_FORMAT"
