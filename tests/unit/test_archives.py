"""Archives that are damaged in ways that zipfile, the decompressors and NumPy each answer with an exception of their own."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zkdl.archives import NotAnArchive, read_arrays
from zkdl.datasets import load
from zkdl.errors import ResourceError, UsageError
from zkdl.rundir import RunDirectory


def archive_of(array: bytes) -> bytes:
    """An archive with right check sums around the bytes of one array."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("features.npy", array)
        out.writestr("labels.npy", array)
    return buffer.getvalue()


def array_bytes(header: str) -> bytes:
    text = header.encode("latin-1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)


def declared(shape: str) -> bytes:
    """An archive of arrays of eight bytes that say to have another shape."""
    return archive_of(array_bytes(f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}"))


def in_both_places(data: bytes, local: int, central: int, value: bytes) -> bytes:
    """The same field of the first member changed in its own header and in the directory at the end."""
    place = data.index(b"PK\x01\x02")
    out = bytearray(data)
    out[local : local + len(value)] = value
    out[place + central : place + central + len(value)] = value
    return bytes(out)


GOOD = declared("(1, 1)")
DAMAGED = {
    "no archive": b"PK",
    "method unknown": in_both_places(GOOD, 8, 10, b"\x63\x00"),
    "version unknown": in_both_places(GOOD, 4, 6, b"\xa0\x00"),
    "encrypted": in_both_places(GOOD, 6, 8, b"\x01\x00"),
    "compressed by lzma": in_both_places(GOOD, 8, 10, b"\x0e\x00"),
    "brackets open": declared("(1, 1L,"),
    "not Python": archive_of(array_bytes("{'descr': '<i8' 'fortran_order'")),
    "size beyond 64 bits": declared(f"({10**30},)"),
    "product beyond 64 bits": declared(f"({2**32}, {2**32}, 2)"),
    "no array": archive_of(b"text"),
    "too short": declared("(2, 1)"),
}


def test_a_good_archive(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(GOOD)
    assert {name: values.tolist() for name, values in read_arrays(tmp_path / "a.npz").items()} == {
        "features": [[0]],
        "labels": [[0]],
    }


@pytest.mark.parametrize("what", DAMAGED)
def test_damage_has_one_name(tmp_path: Path, what: str) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(DAMAGED[what])
    with pytest.raises(NotAnArchive):
        read_arrays(path)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert caught.value.code == "DATA_FORMAT" and caught.value.where["file"] == str(path)
    with pytest.raises(UsageError) as caught:
        RunDirectory(tmp_path).read_data()
    assert caught.value.code == "RUN_DAMAGED"


def test_an_array_larger_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which sizes NumPy fails to get depends on the machine, so here it fails at all of them."""

    def load_none(*arguments: object, **options: object) -> object:
        raise MemoryError

    (tmp_path / "d.npz").write_bytes(GOOD)
    monkeypatch.setattr(np, "load", load_none)
    with pytest.raises(ResourceError) as caught:
        load(tmp_path / "d.npz")
    assert caught.value.code == "MEMORY" and caught.value.hint
