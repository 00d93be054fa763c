"""A child process in which some checks are taken out, before anything of zkdl is imported."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from benchmarks.mutation.sites import Mutant, module_path, mutate_all
from benchmarks.mutation.verifiers import SOURCE


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Compiles the mutated source of some modules instead of what is on disk."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self.by_module: dict[str, list[Mutant]] = {}
        for mutant in mutants:
            self.by_module.setdefault(mutant.module, []).append(mutant)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name not in self.by_module:
            return None
        file = str(module_path(SOURCE, name))
        return importlib.machinery.ModuleSpec(name, self, origin=file)

    def exec_module(self, module: ModuleType) -> None:
        path = module_path(SOURCE, module.__name__)
        tree = mutate_all(self.by_module[module.__name__], path.read_text(encoding="utf-8"))
        module.__file__ = str(path)
        exec(compile(tree, str(path), "exec"), module.__dict__)


def run(mutants: Sequence[Mutant], body: Callable[[], Any], limit_s: float) -> Any:
    """What `body` returns in a child where these checks are missing; None when it takes longer than `limit_s` of processor
    time, or ten times as long by the clock, or dies.
    """
    if any(name == "zkdl" or name.startswith("zkdl.") for name in sys.modules):
        raise RuntimeError("zkdl is imported already: mutants would not be seen")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            signal.setitimer(signal.ITIMER_PROF, limit_s)
            sys.meta_path.insert(0, _Mutated(mutants))
            data = pickle.dumps(body())
            with os.fdopen(writer, "wb") as out:
                out.write(data)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    data, end = b"", time.monotonic() + 10 * limit_s
    with os.fdopen(reader, "rb") as source:
        while time.monotonic() < end:
            if select.select([source], [], [], 0.5)[0]:
                piece = os.read(source.fileno(), 1 << 20)
                if not piece:
                    break
                data += piece
        else:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return pickle.loads(data) if status == 0 and data else None
