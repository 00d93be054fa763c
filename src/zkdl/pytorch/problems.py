"""What stands between a PyTorch training and a proof of it, and what will differ from the user's own loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from zkdl.errors import Unsupported


class Category(Enum):
    """What kind of answer a problem has.

    NEVER: no proof of this kind can cover it. NOT_YET: this release cannot. REPLACE: something provable does the same or
    nearly the same. MODE: the object is in a state or setting in which it cannot be used.
    """

    NEVER = "never"
    NOT_YET = "not yet"
    REPLACE = "use the replacement"
    MODE = "wrong mode"


@dataclass(frozen=True)
class Source:
    """A line of the user's code. text: the line without its indentation."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """One thing that cannot be proven as it is.

    Attributes:
        path: what it is about, as the user would write it: `model.net.3`, `optimizer.param_groups[0]`, `loader.sampler`.
        kind: class or function there, such as `GELU`; may be empty.
        what: one sentence. fix: what to do about it.
        source: where the module is assigned or the function is called, when that can be found.
    """

    category: Category
    path: str
    kind: str
    what: str
    fix: str
    source: Source | None = None

    def __str__(self) -> str:
        kind = f" ({self.kind})" if self.kind else ""
        lines = [f"{self.path}{kind}: {self.category.value}: {self.what}"]
        if self.source is not None:
            lines.append(f"  at {self.source}   {self.source.text}")
        return "\n".join([*lines, f"  fix: {self.fix}"])


def refuse(problems: Sequence[Problem]) -> None:
    """Raises Unsupported with all problems in one text; nothing when there are none. Repetitions are dropped."""
    distinct = tuple(dict.fromkeys(problems))
    if distinct:
        count = "1 problem" if len(distinct) == 1 else f"{len(distinct)} problems"
        listed = "\n".join(str(problem) for problem in distinct)
        raise Unsupported(f"this training cannot be proven as it is: {count}\n{listed}", problems=distinct)


@dataclass(frozen=True)
class Difference:
    """One way in which the proven training is not the user's own loop. yours, here: what either does."""

    topic: str
    yours: str
    here: str

    def __str__(self) -> str:
        return f"{self.topic}: yours: {self.yours}; here: {self.here}"


class Differences(tuple[Difference, ...]):
    """All differences; `str` gives one per line."""

    __slots__ = ()

    def __new__(cls, items: Iterable[Difference]) -> Differences:
        return super().__new__(cls, tuple(items))

    def __str__(self) -> str:
        return "\n".join(["The proven training differs from your own loop:", *(f"- {item}" for item in self)])
