"""Reading `.npz` archives that somebody else wrote: no pickled objects, and one exception for all that can be wrong."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What zipfile, the decompressors, and NumPy's reader of array headers raise for damaged bytes. NumPy parses a header as
# Python source (SyntaxError, TokenError), allocates what it declares (OverflowError), and takes a single .npy array for an
# archive (AttributeError or TypeError, by version). zipfile answers a method or a version that it does not know, and
# encryption, with RuntimeError or a kind of it.
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
)


class NotAnArchive(ValueError):
    """The bytes are no `.npz` archive of plain arrays. Whoever asked for the file turns it into an error of zkdl."""


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of the archive by its name.

    Raises: NotAnArchive; OSError when the file cannot be read; MemoryError when an array declares a size beyond the memory.
    """
    try:
        # Opened here: NumPy leaves the file open when it is no archive. A declared size beyond 2^63 is refused, not warned of.
        with (
            np.errstate(all="ignore"),
            path.open("rb") as stream,
            np.load(stream, allow_pickle=False) as archive,
        ):
            found = {name: archive[name] for name in archive.files}
    except _DAMAGED as error:
        raise NotAnArchive(str(error)) from error
    if not all(isinstance(values, np.ndarray) for values in found.values()):
        raise NotAnArchive("a member of the archive is no array")
    return found
