"""Durable files: what is on disk after a failure, and who may read it."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zkdl.errors import ResourceError, UsageError
from zkdl.rundir import FOLDERS, RunDirectory
from zkdl.statement.weights import Weights
from zkdl.storage import append_line, disk_errors, exclusive, new_secret, read_secret, remove, write_atomic


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def failing(number: int) -> Callable[..., None]:
    def fail(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_write_atomic_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path = tmp_path / "f"
    write_atomic(path, b"old")
    monkeypatch.setattr("zkdl.storage.os.fsync", failing(number))
    with pytest.raises(ResourceError) as caught:
        write_atomic(path, b"new")
    assert (caught.value.code, caught.value.exit_status) == ("DISK_FULL", 5)
    assert caught.value.where["file"] == str(path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]
    with pytest.raises(ResourceError):
        append_line(path, "line")


def test_a_real_limit_on_file_size(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(ResourceError, match="disk is full"):
            write_atomic(tmp_path / "f", bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT, errno.EISDIR, errno.ENAMETOOLONG])
def test_places_that_cannot_be_written(tmp_path: Path, number: int) -> None:
    with pytest.raises(UsageError) as caught, disk_errors(tmp_path):
        failing(number)()
    assert caught.value.code == "FILE_WRITE"


def test_other_failures_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output"), disk_errors(tmp_path):
        failing(errno.EIO)()


def test_write_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "f", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(UsageError) as caught:
            write_atomic(path, b"")
        assert caught.value.code == "FILE_WRITE"


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run")
    assert all(mode(directory.path / name) == 0o700 for name in FOLDERS)
    directory.new_secrets()
    directory.write_weights(0, Weights([], []), 20)
    directory.write_data(np.zeros((1, 1), dtype=np.int32), np.zeros(1, dtype=np.int32))
    for name in ("secrets/master.key", "secrets/data.key", "weights/step-0.safetensors", "data.npz"):
        assert mode(directory.path / name) == 0o600


def test_every_secret_follows_from_the_master(tmp_path: Path) -> None:
    directory, other = RunDirectory.create(tmp_path / "a"), RunDirectory.create(tmp_path / "b")
    directory.new_secrets()
    other.new_secrets()
    names = ("data", "weights-0", "weights-1", "section-data", "run-id", "master")
    keys = [directory.key(name) for name in names]
    assert len({*keys, *(other.key(name) for name in names)}) == 2 * len(names)
    assert all(len(key) == 32 for key in keys) and keys == [directory.key(name) for name in names]
    shutil.copy(directory.path / "secrets" / "master.key", other.path / "secrets" / "master.key")
    assert keys == [other.key(name) for name in names]
    assert (directory.path / "secrets" / "data.key").read_bytes() == keys[0]
    assert sorted(os.listdir(directory.path / "secrets")) == ["data.key", "master.key"]
    assert directory.path.joinpath("secrets", "master.key").read_bytes() not in keys


def test_new_secrets_end_the_old_statement_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = RunDirectory.create(tmp_path)
    directory.new_secrets()
    old = directory.key("data")
    (tmp_path / "run.json").write_text("{}")
    monkeypatch.setattr("zkdl.rundir.new_secret", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        directory.new_secrets()
    assert not directory.has_statement and directory.key("data") == old


def test_a_missing_journal_is_an_error_not_a_reset(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path)
    directory.new_secrets()
    directory.journal().reserve("r", "p", 1)
    directory.new_secrets()
    assert directory.journal().used("r") == 1
    (tmp_path / "journal.jsonl").unlink()
    with pytest.raises(UsageError) as caught:
        directory.journal()
    assert caught.value.code == "RUN_DAMAGED" and caught.value.hint


def test_secret_is_secret_from_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen.extend(mode(path) for path in tmp_path.iterdir())
        real(descriptor)

    monkeypatch.setattr("zkdl.storage.os.fsync", fsync)
    new_secret(tmp_path / "k")
    assert seen and set(seen) == {0o600}


def test_damaged_key(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"short")
    with pytest.raises(UsageError) as caught:
        read_secret(tmp_path / "k")
    assert caught.value.code == "KEY_FILE"
    with pytest.raises(UsageError) as caught:
        read_secret(tmp_path / "none")
    assert caught.value.code == "RUN_DAMAGED" and caught.value.hint


def test_a_secret_does_not_take_over_what_was_left_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "k.partial").write_bytes(b"left by a crash")
    (tmp_path / "k.partial").chmod(0o666)
    new_secret(tmp_path / "k")
    assert mode(tmp_path / "k") == 0o600 and os.listdir(tmp_path) == ["k"]
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "k.partial").symlink_to(tmp_path / "elsewhere")
    new_secret(tmp_path / "k")
    assert (tmp_path / "elsewhere").read_bytes() == b"old" and not (tmp_path / "k").is_symlink()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Inodes that were flushed to disk."""
    seen: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr("zkdl.storage.os.fsync", fsync)
    return seen


def test_names_reach_the_disk_too(tmp_path: Path, synced: list[int]) -> None:
    folder = tmp_path.stat().st_ino
    path = tmp_path / "f"
    append_line(path, "one")
    assert synced == [path.stat().st_ino, folder]
    append_line(path, "two")
    assert synced[2:] == [path.stat().st_ino] and path.read_text() == "one\ntwo\n"
    remove(path)
    assert synced[3:] == [folder] and not path.exists()
    write_atomic(path, b"")
    assert synced[4:] == [path.stat().st_ino, folder]


def test_lock(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from zkdl.storage import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(UsageError) as caught, exclusive(tmp_path):
            pass
        assert caught.value.code == "LOCKED"
        other.kill()
    with exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_run_directory_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UsageError) as caught:
        RunDirectory.create(tmp_path / "f")
    assert caught.value.code == "FILE_WRITE"
    with pytest.raises(UsageError) as caught:
        RunDirectory.open(tmp_path)
    assert caught.value.code == "RUN_MISSING"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"run": {}, "segment_steps": 1}', b"\xff", b"[" * 5000])
def test_damaged_run_files(tmp_path: Path, content: bytes) -> None:
    directory = RunDirectory.create(tmp_path)
    for path in (tmp_path / "run.json", tmp_path / "data.npz", tmp_path / "segments" / "0.json"):
        path.write_bytes(content)
    for read in (directory.read_statement, directory.read_data, directory.segments):
        with pytest.raises(UsageError) as caught:
            read()
        assert caught.value.code == "RUN_DAMAGED"
    with pytest.raises(UsageError) as caught:
        directory.read_weights(3)
    assert caught.value.code == "RUN_DAMAGED" and caught.value.hint
