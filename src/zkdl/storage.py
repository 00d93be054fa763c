"""Durable files: atomic writes, secrets, and a lock. A power cut or `kill -9` leaves either the old file or the new one."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zkdl.errors import ResourceError, UsageError
from zkdl.hiding.entropy import fresh_key

SECRET_MODE = 0o600
UNWRITABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
    errno.ELOOP,
)  # fmt: skip


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn "no space left" into ResourceError and a place that cannot be written into UsageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ResourceError(
                "the disk is full", code="DISK_FULL", hint="Free space and run the same command again", file=str(path)
            ) from error
        if error.errno in UNWRITABLE:
            raise UsageError("the file cannot be written", code="FILE_WRITE", file=str(path)) from error
        raise


def write_atomic(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Write through a temporary file, flush to disk, rename.

    Raises: ResourceError(DISK_FULL), UsageError(FILE_WRITE).
    """
    temporary = path.with_name(path.name + ".partial")
    mode = SECRET_MODE if secret else 0o644
    with disk_errors(path):
        # What an earlier process left there, or somebody else put there, may be readable by others.
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        temporary.replace(path)
        _sync_directory(path.parent)


def append_line(path: Path, line: str) -> None:
    """Append one line and flush it to disk, with the name of a file that is new."""
    with disk_errors(path):
        new = not path.exists()
        with path.open("a", encoding="ascii") as out:
            out.write(line + "\n")
            out.flush()
            os.fsync(out.fileno())
        if new:
            _sync_directory(path.parent)


def remove(path: Path) -> None:
    """Remove a file; it is gone from the disk when this returns."""
    with disk_errors(path):
        path.unlink(missing_ok=True)
        _sync_directory(path.parent)


def new_secret(path: Path) -> None:
    """Draw 32 bytes from the operating system and store them at `path`, readable by the owner only."""
    write_atomic(path, fresh_key(), secret=True)


def read_secret(path: Path) -> bytes:
    """The 32 bytes stored at `path`. Raises UsageError(RUN_DAMAGED, KEY_FILE)."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise UsageError(
            "the secret of this run cannot be read",
            code="RUN_DAMAGED",
            hint="Restore it together with the rest of the run directory, or start again in a new directory",
            file=str(path),
        ) from error
    if len(key) != 32:
        raise UsageError("a key file does not hold 32 bytes", code="KEY_FILE", file=str(path))
    return key


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory's lock. Raises UsageError(LOCKED) when another process has it."""
    path = directory / "lock"
    with disk_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, SECRET_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError("another process works on this run", code="LOCKED", file=str(directory)) from error
        yield
    finally:
        os.close(descriptor)
