"""Revealed weights and data against their roots (docs/spec/commitments.md, from "Keys" on; report.md, data files)."""

from __future__ import annotations

import ast
import hashlib
import json
import struct
import sys
import zipfile
import zlib
from array import array
from collections.abc import Sequence
from math import floor, isfinite, ldexp, prod
from typing import Any, NamedTuple

from zkdl.reference.field import GENERATOR, P, root_of_unity, row_polynomial, transform
from zkdl.reference.opening import leaf_hash_start, node_hash
from zkdl.reference.parameters import Code, dataset_code, weights_code
from zkdl.reference.statement import Run, Segment
from zkdl.reference.transcript import check, u16, u64, words

DTYPES = {"i": "<i4", "q": "<i8"}
"""Entries of a committed matrix, by their type code in `array`."""


class InputError(ValueError):
    """A file of the caller is not what it should be."""


# ---- roots from keys


def root_of(kind: str, code: Code, matrix: list[array[int]], key: bytes) -> str:
    """The root of a matrix whose salts and random coefficients follow from the key and the content."""
    content = hashlib.sha256(repr((kind, tuple(code), DTYPES[matrix[0].typecode])).encode())
    for row in matrix:
        content.update(little_endian(row))
    secret = hashlib.shake_256(b"zkdl/entropy" + key + kind.encode() + content.digest()).digest(32)

    def stream(label: str, length: int) -> bytes:
        name = label.encode()
        return hashlib.shake_256(b"zkdl/stream" + secret + u16(len(name)) + name).digest(length)

    count, spare, coefficients = code.rows * code.random, 16, [0] * 0
    while len(coefficients) < count:
        coefficients = [word for word in words(stream(f"{kind}/random", 8 * (count + spare))) if word < P]
        spare *= 2
    salts = stream(f"{kind}/salts", 32 * code.domain)
    leaves = [leaf_hash_start(j, salts[32 * j : 32 * j + 32], code.rows) for j in range(code.domain)]
    shifts = [pow(GENERATOR, i, P) for i in range(code.dimension)]
    for i, row in enumerate(matrix):
        polynomial = row_polynomial([*row, *coefficients[i * code.random : (i + 1) * code.random]], code.ell)
        shifted = [c * shift % P for c, shift in zip(polynomial, shifts, strict=True)]
        shifted += [0] * (code.domain - code.dimension)
        for leaf, value in zip(leaves, transform(shifted, root_of_unity(code.domain)), strict=True):
            leaf.update(u64(value))
    nodes = [leaf.digest() for leaf in leaves]
    for level in range(1, code.log_domain + 1):
        nodes = [node_hash(level, i, nodes[2 * i], nodes[2 * i + 1]) for i in range(len(nodes) // 2)]
    return nodes[0].hex()


def little_endian(row: array[int]) -> bytes:
    copy = array(row.typecode, row)
    if sys.byteorder == "big":
        copy.byteswap()
    return copy.tobytes()


def read_key(path: str) -> bytes:
    """32 bytes, raw or as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        raw = file.read(1024)
    key = raw if len(raw) == 32 else bytes.fromhex(raw.decode("ascii").strip())
    if len(key) != 32:
        raise InputError(f"{path} does not hold a key of 32 bytes")
    return key


# ---- weights


class Revealed(NamedTuple):
    """Weight matrices, rows by input; biases, None for a layer without; the key; fraction bits."""

    weights: list[list[array[int]]]
    biases: list[array[int] | None]
    key: bytes
    frac: int


def read_weights(path: str) -> Revealed:
    """A safetensors file: u64 length of the JSON header, header, data."""
    with open(path, "rb") as file:
        raw = file.read()
    length = int.from_bytes(raw[:8], "little")
    if len(raw) < 8 or length > min(2**20, len(raw) - 8):
        raise InputError(f"{path} is no safetensors file")
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    try:
        metadata = header.pop("__metadata__")
        key, frac = bytes.fromhex(metadata["commitment_key"]), int(metadata["weight_frac"])
        layers = sum(name.endswith(".weight") for name in header)
        weights = [tensor(header[f"layer.{l}.weight"], body, 2) for l in range(1, layers + 1)]
        names = [f"layer.{l}.bias" for l in range(1, layers + 1)]
        biases = [tensor(header[name], body, 1)[0] if name in header else None for name in names]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} does not hold the weights of a run: {error!r}") from error
    if len(key) != 32 or not layers:
        raise InputError(f"{path} does not hold the weights of a run")
    return Revealed(weights, biases, key, frac)


def tensor(entry: dict[str, Any], body: bytes, dimensions: int) -> list[array[int]]:
    """The rows of a tensor of i64; one of dimension 1 is one row."""
    shape, (begin, end) = entry["shape"], entry["data_offsets"]
    numbers = [*shape, begin, end]
    if entry["dtype"] != "I64" or len(shape) != dimensions or not all(type(n) is int and n >= 0 for n in numbers):
        raise InputError("a tensor is no matrix or vector of I64")
    if end > len(body) or end - begin != 8 * prod(shape):
        raise InputError("a tensor has another size than its shape")
    values = array("q", body[begin:end])
    if sys.byteorder == "big":
        values.byteswap()
    width = shape[-1]
    return [values[i * width : (i + 1) * width] for i in range(prod(shape[:-1]))]


def check_weights(run: Run, last: Segment, revealed: Revealed) -> None:
    """The revealed weights are those that the last segment ends with."""
    shapes = [(len(rows), len(rows[0]) if rows else 0) for rows in revealed.weights]
    biases = [0 if bias is None else len(bias) for bias in revealed.biases]
    same = shapes == list(zip(run.widths, run.widths[1:], strict=False)) and revealed.frac == run.format.weight_frac
    same = same and biases == [d if has else 0 for d, has in zip(run.widths[1:], run.bias, strict=True)]
    check(same, "WEIGHTS_MODEL", "these are weights of another model")
    code = weights_code(run.widths, run.bias, run.weights_budget)
    matrix = weights_matrix(run, code, revealed)
    check(
        root_of("weights", code, matrix, revealed.key) == last.w_out.root, "WEIGHTS", "these are not the proven weights"
    )


def weights_matrix(run: Run, code: Code, revealed: Revealed) -> list[array[int]]:
    matrix = []
    for weights, bias, v in zip(revealed.weights, revealed.biases, run.variables[1:], strict=True):
        per_row = code.ell >> v
        for first in range(0, len(weights), per_row):
            row = array("q", bytes(8 * code.ell))
            for i, outputs in enumerate(weights[first : first + per_row]):
                row[i << v : (i << v) + len(outputs)] = outputs
            matrix.append(row)
        if bias is not None:
            matrix.append(bias + array("q", bytes(8 * (code.ell - len(bias)))))
    return matrix


# ---- data

Table = list[Sequence[float]]
"""Features of the examples; integers where the file has integers."""
NAMES = ("features", "labels"), ("x", "y"), ("x_train", "y_train")
NPY = {"b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q"}
NPY |= {"f2": "e", "f4": "f", "f8": "d"}


def read_data(path: str) -> tuple[Table, Sequence[float]]:
    """Features and labels of a .npz or .csv file, not yet quantised."""
    if path.endswith(".npz"):
        return read_npz(path)
    if path.endswith(".csv"):
        return read_csv(path)
    raise InputError(f"{path} is neither .npz nor .csv")


def read_npz(path: str) -> tuple[Table, Sequence[float]]:
    try:
        with zipfile.ZipFile(path) as archive:
            found = {name.removesuffix(".npy").lower(): name for name in archive.namelist()}
            chosen = next((pair for pair in NAMES if set(pair) <= set(found)), None)
            if chosen is None:
                raise InputError(f"{path} has no arrays features and labels")
            (shape, values), (_, labels) = (read_npy(archive.read(found[name])) for name in chosen)
    except (zipfile.BadZipFile, zlib.error, struct.error, SyntaxError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no archive of plain arrays: {error!r}") from error
    width = prod(shape[1:])
    return [values[i * width : (i + 1) * width] for i in range(shape[0] if shape else 0)], labels


def read_npy(raw: bytes) -> tuple[tuple[int, ...], Sequence[float]]:
    """Shape and entries, the last index fastest."""
    if raw[:6] != b"\x93NUMPY":
        raise InputError("an entry of the archive is no array")
    start, length = (10, raw[8:10]) if raw[6] == 1 else (12, raw[8:12])
    body = start + int.from_bytes(length, "little")
    header = ast.literal_eval(raw[start:body].decode("ascii").strip())
    shape, kind = header["shape"], header["descr"]
    order = ">" if kind[0] == ">" else "<"
    values = struct.unpack(f"{order}{prod(shape)}{NPY[kind[1:]]}", raw[body:])
    if header["fortran_order"] and len(shape) > 1:
        if len(shape) > 2:
            raise InputError("an array of more than two dimensions in Fortran order")
        values = tuple(value for i in range(shape[0]) for value in values[i :: shape[0]])
    return shape, values


def read_csv(path: str) -> tuple[Table, Sequence[float]]:
    """A header line is one with a cell that is no number; the label is the column `label`, else the last one."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = [line.split(",") for line in file.read().splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path} is empty")
    names = [cell.strip().strip('"') for cell in lines[0]]
    if not all(map(is_number, names)):
        lines = lines[1:]
    whole = not any(c == "." or c.isalpha() for line in lines for cell in line for c in cell)
    column = names.index("label") if "label" in names else len(names) - 1
    table = [[(int if whole else float)(cell) for cell in line] for line in lines]
    if any(len(row) != len(names) for row in table):
        raise InputError(f"{path} has rows of different lengths")
    return [row[:column] + row[column + 1 :] for row in table], [row[column] for row in table]


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_data(run: Run, features: Table, labels: Sequence[float], key: bytes) -> None:
    """The data, quantised by the rule of the statement, are the committed ones."""
    fmt, fits = run.format, len(features) == len(labels) == run.examples
    check(fits and all(len(row) == run.widths[0] for row in features), "DATA_ROOT", "these are data of another shape")
    check(all(label in range(run.classes) for label in labels), "DATA_ROOT", "a label is no class of the run")
    rows, low = [], fmt.feature_min
    for row in features:
        check(all(map(isfinite, row)), "DATA_ROOT", "a feature is no finite number")
        rows.append([x if isinstance(x, int) else floor(ldexp(x, fmt.feature_frac) + 0.5) for x in row])
        inside = all(low <= x < low + 2**fmt.feature_bits for x in rows[-1])
        check(inside, "DATA_ROOT", "a feature is outside the range of the run")
    code = dataset_code(run.examples, run.widths[0], run.classes, run.data_budget)
    matrix = []
    for first in range(0, run.examples, code.ell):
        block, classes = rows[first : first + code.ell], labels[first : first + code.ell]
        behind = array("i", bytes(4 * (code.ell - len(block))))
        matrix += [array("i", (row[i] for row in block)) + behind for i in range(run.widths[0])]
        matrix += [array("i", (int(label == c) for label in classes)) + behind for c in range(run.classes)]
    check(root_of("dataset", code, matrix, key) == run.data_root, "DATA_ROOT", "these are not the committed data")
