"""What a run may take: memory and time, as the user allows, and the refusal before anything starts when it will take more.

Forecasts are those of `zkdl.proof.estimate`. Memory is what training takes, and what proving takes with everything
on disk that can be there. Time is
that of the work still ahead: of training and of proving.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from zkdl.commitment.parameters import ParameterSet
from zkdl.errors import ResourceError, UsageError
from zkdl.proof.estimate import Estimate, planned_memory
from zkdl.statement.run import RunStatement
from zkdl.statement.state import Scales

BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
GIB = 2**30


def parse_bytes(given: str | int, field: str = "--max-memory") -> int:
    """ "8G", "512MiB", "1000000" or a number as bytes. Raises UsageError(CONFIG_VALUE)."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)(?:i?b)?", str(given).strip().lower())
    if match is None:
        raise UsageError(
            "memory is a number with an optional unit",
            code="CONFIG_VALUE",
            hint="Write it as 8GiB, 512MiB or 1000000",
            field=field,
        )
    return int(float(match[1]) * BYTES[match[2]])


def parse_seconds(given: str | float, field: str = "--max-time") -> float:
    """ "90s", "15m", "1h30m", "2d", "90" or a number as seconds. Raises UsageError(CONFIG_VALUE)."""
    text = str(given).strip().lower().replace(" ", "")
    parts = re.findall(r"(\d{1,12}(?:\.\d{1,9})?)([smhd]?)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(
            "time is one or more numbers, each with an optional unit",
            code="CONFIG_VALUE",
            hint="Write it as 90s, 15m, 2h or 1h30m",
            field=field,
        )
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


def seconds_text(seconds: float) -> str:
    """ "12.3 s", "4.5 min" or "6.7 h"."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Allowance:
    """Limits of a run. max_memory in bytes, max_time in seconds; None is no limit."""

    max_memory: int | None = None
    max_time: float | None = None

    def __bool__(self) -> bool:
        return self.max_memory is not None or self.max_time is not None

    def over(self, other: Allowance) -> Allowance:
        """These limits, and where there is none, the other's."""
        memory = other.max_memory if self.max_memory is None else self.max_memory
        return Allowance(memory, other.max_time if self.max_time is None else self.max_time)

    def check(self, run: RunStatement, scales: Scales, found: Estimate, trained: float = 0.0) -> None:
        """Raises ResourceError(MEMORY, TIME) when the forecast `found` of the run is beyond the limits.

        Args:
            trained: the part of the training that is done, in [0, 1].
        """
        if self.max_memory is not None and found.peak_bytes > self.max_memory:
            raise too_much_memory(run, found.segment_steps, found.peak_bytes, self.max_memory, scales)
        if self.max_memory is not None and trained < 1 and found.train_peak_bytes > self.max_memory:
            raise ResourceError(
                f"training needs about {_gib(found.train_peak_bytes)} GiB, the limit is {_gib(self.max_memory)} GiB",
                code="MEMORY",
                hint=f"Choose a smaller network, batch or dataset, or raise --max-memory to {_gib(found.train_peak_bytes)}GiB",
                needed_bytes=found.train_peak_bytes,
                limit_bytes=self.max_memory,
            )
        training = (1 - trained) * found.train_s
        self.check_time(training + found.one_time_s + found.prove_s, training, run.steps)

    def check_time(self, needed: float, training: float, steps: int) -> None:
        """Raises ResourceError(TIME) when `needed` seconds, `training` of them for training, are too many."""
        limit = self.max_time
        if limit is None or needed <= limit:
            return
        fit = int(steps * limit / needed)
        fewer = f"Train fewer steps (about {fit} of {steps} fit)" if fit else "Choose a smaller network or batch"
        raise ResourceError(
            f"training and proving need about {seconds_text(needed)}, the limit is {seconds_text(limit)}"
            if training
            else f"proving needs about {seconds_text(needed)}, the limit is {seconds_text(limit)}",
            code="TIME",
            hint=f"{fewer}, use more processors, or raise --max-time to {seconds_text(1.3 * needed)}",
            needed_s=round(needed, 1),
            training_s=round(training, 1),
            limit_s=limit,
        )


def too_much_memory(
    run: RunStatement,
    segment_steps: int,
    needed: int,
    limit: int,
    scales: Scales | None,
    parameters: ParameterSet | None = None,
) -> ResourceError:
    """The refusal: how much is needed, and how many steps per segment would fit."""
    # Little of it is spared by scratch files where the window onto them is the larger part.
    in_memory = planned_memory(run, segment_steps, 1 << 62, scales=scales, parameters=parameters).memory_bytes
    needed = min(needed, in_memory)
    steps, hint = segment_steps, "Choose a smaller network, batch or dataset"
    while steps > 1:
        steps = 1 << (steps - 1).bit_length() - 1
        fewer = planned_memory(run, steps, limit, scales=scales, parameters=parameters).memory_bytes
        if fewer <= limit:
            hint = f"Train with segment_steps = {steps}, which needs {_gib(fewer)} GiB"
            break
    return ResourceError(
        f"proving needs about {_gib(needed)} GiB, the limit is {_gib(limit)} GiB",
        code="MEMORY",
        hint=f"{hint}, or raise --max-memory to {_gib(needed)}GiB",
        needed_bytes=needed,
        limit_bytes=limit,
    )


def _gib(count: int) -> str:
    """Rounded up, so that the number that is advised is enough."""
    return f"{math.ceil(100 * count / GIB) / 100:.2f}"
