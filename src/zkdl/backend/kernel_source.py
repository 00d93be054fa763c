"""The kernels of this installation as one text, for a compiler at run time."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from zkdl.errors import DeviceError

_INCLUDE = re.compile(r'^#include "(\w[\w.]*)"\n', re.MULTILINE)


def kernel_source() -> str:
    """All headers, each once and behind those that it includes. Raises: DeviceError(DEVICE_SOURCE)."""
    folder = files("zkdl") / "_kernels" / "zkdl"
    try:
        texts = {path.name: path.read_text() for path in folder.iterdir() if path.name.endswith(".h")}
    except OSError as error:
        raise _missing(folder) from error
    parts: dict[str, str] = {}
    for name in sorted(name for name in texts if name.endswith(".kernel.h")):
        _add(name, texts, parts)
    if not parts:
        raise _missing(folder)
    return "".join(parts.values())


def _add(name: str, texts: dict[str, str], parts: dict[str, str]) -> None:
    if name in parts:
        return
    for included in _INCLUDE.findall(texts[name]):
        _add(included, texts, parts)
    parts[name] = _INCLUDE.sub("", texts[name]).replace("#pragma once\n", "")


def _missing(folder: Traversable) -> DeviceError:
    return DeviceError(
        "this installation has no kernel sources",
        code="DEVICE_SOURCE",
        hint="Reinstall zkdl",
        file=str(folder),
    )
