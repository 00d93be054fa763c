"""Lines of the user's code: where a submodule is assigned, where a function is called, where a variable is made.

Everything here is for messages. Source that is not there (an interactive session, generated code) gives None.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from zkdl.pytorch.problems import Source

_LIBRARY = ("torch.", "zkdl.")


def at(file: str, line: int) -> Source:
    """The line, its file relative to the current folder where it lies below it."""
    path = Path(file)
    try:
        name = str(path.relative_to(Path.cwd()))
    except ValueError:  # elsewhere: the full name is the one that helps
        name = file
    return Source(name, line, linecache.getline(file, line).strip())


def user_frame() -> FrameType | None:
    """The innermost frame outside zkdl: the call that the user wrote."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("zkdl."):
        frame = frame.f_back
    return frame


@lru_cache(maxsize=64)
def _tree(file: str) -> ast.Module | None:
    text = "".join(linecache.getlines(file))
    try:
        return ast.parse(text) if text else None
    except SyntaxError:  # no Python file, such as a notebook or a document
        return None


def called(stack_trace: str | None) -> Source | None:
    """The innermost line of user code in the trace of a graph node, or None."""
    found = re.findall(r'File "([^"]+)", line (\d+)', stack_trace or "")
    own = [(file, int(line)) for file, line in found if not _is_torch(file)]
    return at(*own[-1]) if own else None


def raised(error: BaseException) -> Source | None:
    """The innermost line of user code through which an error came, or None."""
    trace, found = error.__traceback__, None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if not _is_torch(file) and not name.startswith("zkdl.") and Path(file).exists():
            found = at(file, trace.tb_lineno)
        trace = trace.tb_next
    return found


def _is_torch(file: str) -> bool:
    return re.search(r"[/\\]torch[/\\]", file) is not None and "site-packages" in file


def _assigned(tree: ast.AST, matches: Any) -> Iterator[ast.expr]:
    """Values of all assignments to a target that matches, in the order of the text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(matches(target) for target in node.targets):
            yield node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None and matches(node.target):
            yield node.value


def _within(value: ast.expr, rest: list[str]) -> ast.expr:
    """The argument that became child `rest[0]` of a Sequential, and so on, as far as the text shows it."""
    for name in rest:
        arguments = value.args if isinstance(value, ast.Call) else []
        plain = not any(isinstance(argument, ast.Starred) for argument in arguments)
        if not (name.isdigit() and plain and int(name) < len(arguments)):
            return value
        value = arguments[int(name)]
    return value


def _in_class(owner: Any, parts: list[str]) -> Source | None:
    """Where the class of `owner` assigns self.<parts[0]>."""
    try:
        file = inspect.getsourcefile(type(owner)) or ""
        first = inspect.getsourcelines(type(owner))[1]
    except (OSError, TypeError):  # typed at a prompt
        return None
    tree = _tree(file)
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)] if tree else []
    for node in classes:
        if first not in (node.lineno, *(d.lineno for d in node.decorator_list)):
            continue

        def is_it(target: ast.expr) -> bool:
            if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
                return False
            return target.attr == parts[0] and target.value.id == "self"

        for value in _assigned(node, is_it):
            return at(file, _within(value, parts[1:]).lineno)
    return None


def variable(value: object, parts: list[str] | None = None, frame: FrameType | None = None) -> Source | None:
    """Where the caller assigned the object to a name, for messages about it; parts: children within a Sequential."""
    frame = frame or user_frame()
    if frame is None:
        return None
    names = {name for space in (frame.f_locals, frame.f_globals) for name, held in space.items() if held is value}
    tree = _tree(frame.f_code.co_filename)
    found = None
    for assigned in _assigned(tree, lambda target: isinstance(target, ast.Name) and target.id in names) if tree else ():
        if assigned.lineno <= frame.f_lineno:
            found = assigned if found is None or assigned.lineno > found.lineno else found
    return None if found is None else at(frame.f_code.co_filename, _within(found, parts or []).lineno)


def submodule(model: Any, path: str) -> Source | None:
    """Where the module `path` of `model` was assigned: in the class of the nearest module of the user's own, or by the caller."""
    parts = path.split(".") if path else []
    owners = [model]
    for name in parts:
        owners.append(getattr(owners[-1], name))
    for depth in range(len(parts) - 1, -1, -1):
        if not type(owners[depth]).__module__.startswith(_LIBRARY):
            return _in_class(owners[depth], parts[depth:])
    return variable(model, parts)
