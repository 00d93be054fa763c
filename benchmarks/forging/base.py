"""What a forgery is, and what the two verifiers say to its bytes."""

from __future__ import annotations

import io
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
from tests.support.tiny import SETS, TINY

from zkdl.errors import MalformedProof, NotProvable, Rejected, ResourceError, UsageError, ZkError
from zkdl.proof.verify import verify
from zkdl.reference import dataset, parameters, soundness, verifier
from zkdl.reference.transcript import Invalid

ACCEPTED = "OK"
DECODED = "DECODED"
"""The verdict of a reader that knows no truth: what it takes is no forgery."""
CRASH = "CRASH"
Random = np.random.Generator
Verify = Callable[[bytes], str]


@dataclass(frozen=True)
class Tried:
    """One attempt.

    Attributes:
        verdicts: of every verifier that was asked: "OK", the code of its refusal, or "CRASH ..." with the exception.
        controls: the same for what must be accepted: the honest proof of the same statement, or the forgery itself against a
            transcript that forgets the message.
        data: the forged container, where there is a whole one.
        honest: the honest container of the same statement, where there is one.
    """

    verdicts: tuple[str, ...]
    controls: tuple[str, ...] = ()
    data: bytes | None = None
    honest: bytes | None = None

    @property
    def accepted(self) -> bool:
        return ACCEPTED in self.verdicts

    @property
    def crashed(self) -> bool:
        return any(verdict.startswith(CRASH) for verdict in (*self.verdicts, *self.controls))

    @property
    def controls_accepted(self) -> int:
        return self.controls.count(ACCEPTED)


@dataclass(frozen=True)
class Forgery:
    """A forgery with free parameters.

    Attributes:
        name: unique within its class.
        kind: the class: "semantic", "protocol", "counterexamples" or "bytes".
        attempt: draws the parameters and tries; None when the drawn ones forge nothing (the cheat changes no value, or the
            drawn network has no such layer), which is no attempt.
        codes: the codes that are foreseen; empty where any refusal will do.
        share: attempts in one round of the class; slow ones get less.
    """

    name: str
    kind: str
    attempt: Callable[[Random], Tried | None]
    codes: frozenset[str] = frozenset()
    share: int = 1

    def run(self, seed: int) -> Tried | None:
        """One attempt; the same seed forges the same proof."""
        return self.attempt(np.random.default_rng([seed, *self.name.encode()]))


def crash(error: BaseException) -> str:
    """How an exception that no verifier may raise is shown: its type and where it came from."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{CRASH} {type(error).__name__}: {str(error)[:120]} ({Path(place.filename).name}:{place.lineno})"


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="forgery-", dir=memory if memory.is_dir() else None)


def folder() -> Path:
    """Where candidates are written, in memory where there is such a place; removed when the process ends."""
    return Path(_folder().name)


Refusals = tuple[type[ZkError] | type[Invalid], ...]
FIRST: Refusals = (Rejected, MalformedProof, ResourceError)
SECOND: Refusals = (Invalid,)
READERS: Refusals = (Rejected, MalformedProof, ResourceError, NotProvable, UsageError)


def refusal(check: Callable[[], object], allowed: Refusals) -> str:
    """OK, the code of a refusal, or CRASH and what was raised, for any exception that is not allowed."""
    try:
        check()
    except allowed as error:
        return str(error.code)
    except Exception as error:
        return crash(error)
    return ACCEPTED


def first(data: bytes) -> str:
    """The verdict of `zkdl.verify`."""
    path = folder() / "candidate.zkproof"
    path.write_bytes(data)
    return refusal(lambda: verify(path, parameter_sets=SETS), FIRST)


@contextmanager
def small_parameters() -> Iterator[None]:
    """The second verifier knows the real parameters alone; here it works with those of the small networks."""
    with ExitStack() as stack:
        for module, name, value in (
            (parameters, "PARAMETER_SET", TINY.name),
            (dataset, "PARAMETER_SET", TINY.name),
            (verifier, "PARAMETER_SET", TINY.name),
            (parameters, "SOUNDNESS_BITS", TINY.soundness_bits),
            (soundness, "SOUNDNESS_BITS", TINY.soundness_bits),
            (parameters, "QUERY_BITS", TINY.query_bits),
            (parameters, "LOG_PADS_PER_ROW", TINY.log_pad_row),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


def second(data: bytes) -> str:
    """The verdict of the verifier in plain Python."""
    with small_parameters():
        return refusal(lambda: verifier.verify(io.BytesIO(data)), SECOND)


def both(data: bytes) -> tuple[str, str]:
    """The verdicts of both verifiers."""
    return first(data), second(data)
