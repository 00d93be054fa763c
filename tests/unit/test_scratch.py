"""Arrays on disk: zeros, the same results, no file left, and a full disk is an error."""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from zkdl.backend import scratch as module
from zkdl.backend.scratch import IN_MEMORY, Scratch, Storage, empty_table
from zkdl.errors import ResourceError, UsageError

KILLED = """
import sys
from pathlib import Path
from zkdl.backend.scratch import Scratch
array = Scratch(Path(sys.argv[1]), 0).zeros((1 << 20,), "i4")
array[:] = 7
print("ready", flush=True)
sys.stdin.read()
"""


def descriptors(folder: Path) -> list[str]:
    """Targets of this process's descriptors below a folder."""
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    return [target for link in links if link.is_symlink() and (target := os.readlink(link)).startswith(str(folder))]


def test_an_array_is_zero_writable_and_has_no_name(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, 0)
    array = scratch.zeros((3, 5, 7), np.int32)
    assert array.shape == (3, 5, 7) and array.dtype == np.int32 and array.flags.c_contiguous and not array.any()
    array[1] = 9
    scratch.give_back()
    assert (array[1] == 9).all() and array.sum() == 9 * 35
    assert scratch.used_bytes == 4 * 105 and os.listdir(tmp_path) == []
    assert scratch.zeros((0, 4), np.int32).shape == (0, 4)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are listed under /proc")
def test_files_are_private_and_go_with_their_arrays(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, 0)
    array = scratch.zeros((1000,), np.int64)
    view = array[10:20]
    (target,) = descriptors(tmp_path)
    assert target.endswith("(deleted)")
    for name in os.listdir("/proc/self/fd"):
        link = Path("/proc/self/fd") / name
        if link.is_symlink() and os.readlink(link) == target:
            status = os.stat(link)
            assert status.st_mode & 0o777 == 0o600 and status.st_nlink == 0
            assert 512 * status.st_blocks >= 8000  # reserved, not a hole
    del array
    gc.collect()
    assert len(descriptors(tmp_path)) == 1 and not view.any()
    del view
    gc.collect()
    assert descriptors(tmp_path) == [] and scratch.used_bytes == 0


def test_nothing_is_left_of_a_killed_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        assert os.listdir(tmp_path) == []
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=60)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "_reserve", full)
    with pytest.raises(ResourceError) as caught:
        Scratch(tmp_path, 0).zeros((10,), np.int32)
    assert caught.value.code == "DISK_FULL" and caught.value.where["file"] == str(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_real_limit_on_file_size(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(ResourceError) as caught:
            Scratch(tmp_path, 0).zeros((1 << 20,), np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.code == "DISK_FULL"


def test_too_little_space_is_found_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(100, 60, 40))
    scratch = Scratch(tmp_path, 0)
    scratch.check(40)
    with pytest.raises(ResourceError) as caught:
        scratch.check(41)
    assert caught.value.code == "DISK_FULL" and os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_place_that_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    for work in (lambda s: s.check(1), lambda s: s.zeros((8,), np.int32)):
        with pytest.raises(UsageError) as caught:
            work(Scratch(tmp_path / name, 0))
        assert caught.value.code == "FILE_WRITE"


def test_without_preallocation_the_blocks_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(module.os, "posix_fallocate", raising=False)
    array = Scratch(tmp_path, 0).zeros((3 << 20,), np.uint8)
    assert len(array) == 3 << 20 and not array.any()


@pytest.mark.skipif(not module.STATM.exists(), reason="resident pages are listed under /proc")
def test_pages_beyond_the_window_are_given_back(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, window=module._mapped_bytes() + (16 << 20))
    array = scratch.zeros((64 << 20,), np.uint8)
    with scratch.watched():
        for part in np.split(array, 64):
            part[:] = 3
            time.sleep(0.002)
        deadline = time.monotonic() + 10
        while module._mapped_bytes() > scratch.window and time.monotonic() < deadline:
            time.sleep(0.01)
        assert module._mapped_bytes() <= scratch.window
    assert (array == 3).all()


def test_storage_says_what_is_where(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, 0, small=64)
    assert IN_MEMORY.table is empty_table and Storage(scratch).table is empty_table
    assert not Storage(scratch).column((4, 4)).any() and scratch.used_bytes == 0
    column = Storage(scratch, columns=True).column((4, 4))
    assert not column.any() and column.dtype == np.int32 and scratch.used_bytes == 64
    table = Storage(scratch, tables=True).table
    small, large = table(4), table(5)
    assert (small.shape, large.shape) == ((4, 2), (5, 2)) and scratch.used_bytes == 64 + 80
