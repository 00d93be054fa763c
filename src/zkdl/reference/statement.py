"""Run and segment statements: canonical form, rules, chain (docs/spec/statement.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from .parameters import PARAMETER_SET
from .transcript import Invalid, check, malformed

LIMITS = {"width": 2**16, "weights": 2**28, "examples": 2**22, "entries": 2**38, "pieces": 2**16, "TB": 2**20, "TL": 2**21}
"""Of statements that this verifier looks at: those of the specification, but for the examples, of which Python holds fewer."""
HEX = set("0123456789abcdef")


def canonical(value: Any) -> bytes:
    """The canonical bytes of a parsed value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def parse_canonical(data: bytes) -> Any:
    """Parse canonical JSON and nothing else."""

    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is no integer")

    try:
        value = json.loads(data.decode("ascii"), parse_float=refuse, parse_constant=refuse)
        same = canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise malformed(f"the header is not JSON of the canonical form: {str(error)[:80]}", "HEADER") from None
    if not same:
        raise malformed("the header is not in canonical form", "HEADER")
    return value


def record(value: Any, names: list[str], what: str) -> dict[str, Any]:
    """An object with exactly these fields."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise malformed(f"{what} does not have exactly its fields", "STATEMENT_FORMAT")
    return value


def integer(value: Any, what: str) -> int:
    if type(value) is not int or abs(value) >= 2**63:
        raise malformed(f"{what} is no 64-bit integer", "STATEMENT_FORMAT")
    return value


def integers(value: Any, what: str) -> list[int]:
    if not isinstance(value, list):
        raise malformed(f"{what} is no list", "STATEMENT_FORMAT")
    return [integer(item, what) for item in value]


def text(value: Any, what: str) -> str:
    if not isinstance(value, str) or len(value) > 256:
        raise malformed(f"{what} is no short string", "STATEMENT_FORMAT")
    return value


def rule(holds: bool, what: str) -> None:
    check(holds, "STATEMENT", what)


def within(value: int, low: int, high: int, what: str) -> None:
    rule(low <= value <= high, f"{what} = {value} is not in {low} .. {high}")


def is_digest(value: str) -> bool:
    """64 hexadecimal digits in lower case."""
    return len(value) == 64 and set(value) <= HEX


def is_power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True)
class Format:
    """Number formats of a run."""

    activation_bits: int
    gradient_bits: int
    weight_frac: int
    feature_bits: int
    feature_min: int
    feature_frac: int
    logit_bits: int
    logit_frac: int
    exp_bits: int
    headroom_bits: int

    @classmethod
    def parse(cls, value: Any) -> Format:
        names = [field.name for field in fields(cls)]
        given = record(value, names, "format")
        return cls(*(integer(given[name], name) for name in names))

    def check(self) -> None:
        within(self.activation_bits, 2, 16, "activation_bits")
        within(self.gradient_bits, 2, 16, "gradient_bits")
        within(self.weight_frac, 4, 40, "weight_frac")
        within(self.feature_bits, 1, 16, "feature_bits")
        rule(self.feature_min in (0, -(2 ** (self.feature_bits - 1))), "feature_min")
        within(self.feature_frac, 0, 32, "feature_frac")
        within(self.logit_bits, 2, 16, "logit_bits")
        within(self.logit_frac, 0, self.logit_bits - 1, "logit_frac")
        within(self.exp_bits, 1, 20, "exp_bits")
        within(self.headroom_bits, 1, 8, "headroom_bits")

    @property
    def amax(self) -> int:
        return 2**self.activation_bits - 1

    @property
    def gmax(self) -> int:
        return 2 ** (self.gradient_bits - 1) - 1

    @property
    def ymax(self) -> int:
        return 2 ** (self.logit_bits - 1) - 1


@dataclass(frozen=True)
class Run:
    """The run statement. Attributes are its fields; `raw` are its canonical bytes."""

    run_id: str
    widths: list[int]
    bias: list[int]
    loss: str
    batch: int
    examples: int
    steps: int
    last_batch: str
    schedule: list[list[int]]
    format: Format
    activation_frac_interval: list[int]
    gradient_frac_interval: list[int]
    init_seed: str | None
    init_root: str | None
    init_weight_bound: list[int]
    init_bias_bound: list[int]
    data_root: str
    data_budget: int
    weights_budget: int
    parameter_set: str
    beacon: str | None
    raw: bytes

    @classmethod
    def parse(cls, value: Any) -> Run:
        names = [field.name for field in fields(cls) if field.name != "raw"]
        given = dict(record(value, names, "the run"))
        given["format"] = Format.parse(given["format"])
        for name in ("batch", "examples", "steps", "data_budget", "weights_budget"):
            given[name] = integer(given[name], name)
        for name in ("widths", "bias", "init_weight_bound", "init_bias_bound"):
            given[name] = integers(given[name], name)
        for name in ("activation_frac_interval", "gradient_frac_interval"):
            given[name] = integers(given[name], name)
            if len(given[name]) != 2:
                raise malformed(f"{name} is no pair", "STATEMENT_FORMAT")
        if not isinstance(given["schedule"], list):
            raise malformed("schedule is no list", "STATEMENT_FORMAT")
        given["schedule"] = [integers(piece, "schedule") for piece in given["schedule"]]
        if any(len(piece) != 2 for piece in given["schedule"]):
            raise malformed("schedule has no pairs", "STATEMENT_FORMAT")
        for name in ("run_id", "loss", "last_batch", "data_root", "parameter_set"):
            given[name] = text(given[name], name)
        for name in ("init_seed", "init_root", "beacon"):
            given[name] = None if given[name] is None else text(given[name], name)
        run = cls(**given, raw=canonical(value))
        if run.parameter_set != PARAMETER_SET:
            raise malformed("unknown parameter set", "PARAMETER_SET")
        return run

    @property
    def depth(self) -> int:
        """L."""
        return len(self.widths) - 1

    @property
    def classes(self) -> int:
        return self.widths[-1]

    @property
    def cross_entropy(self) -> bool:
        return self.loss == "ce"

    @property
    def variables(self) -> list[int]:
        """v_0 .. v_L."""
        return [(d - 1).bit_length() for d in self.widths]

    @property
    def remainder_bits(self) -> int:
        """rw, the width of the remainders of a softmax division: the least with 2 C 2^eb <= 2^rw."""
        return (2 * self.classes - 1).bit_length() + self.format.exp_bits

    @property
    def epoch_steps(self) -> int:
        whole, rest = divmod(self.examples, self.batch)
        return whole + (rest > 0 and self.last_batch == "keep")

    def check_size(self) -> None:
        """What is refused before anything is derived."""
        entries = self.examples * (self.widths[0] + self.widths[-1])
        large = max(self.widths) > LIMITS["width"] or self.examples > LIMITS["examples"] or entries > LIMITS["entries"]
        weights = sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))
        if large or weights > LIMITS["weights"] or len(self.schedule) > LIMITS["pieces"]:
            raise malformed("the run is too large for this verifier", "TOO_LARGE")

    def check(self) -> None:
        rule(2 <= len(self.widths) <= 257, "number of layers")
        for d in self.widths:
            rule(d >= 1, "a width is not positive")
        rule(len(self.bias) == self.depth and set(self.bias) <= {0, 1}, "bias")
        self.format.check()
        rule(self.loss in ("ce", "mse"), "loss")
        if self.cross_entropy:
            rule(self.classes >= 2 and self.remainder_bits <= 21, "classes or exp_bits")
        within(self.batch, 1, 2**16, "batch")
        rule(self.examples >= 1, "examples")
        within(self.steps, 1, 2**31, "steps")
        rule(self.last_batch in ("keep", "drop") and self.epoch_steps > 0, "last_batch")
        rule(len(self.schedule) > 0 and self.schedule[0][0] == 0, "the schedule must start at step 0")
        for before, piece in zip(self.schedule, self.schedule[1:], strict=False):
            rule(before[0] < piece[0], "schedule steps must ascend")
        rule(self.schedule[-1][0] < self.steps, "schedule step behind the run")
        for _, rate in self.schedule:
            within(rate, 1, 2**48, "learning rate")
        for low, high in (self.activation_frac_interval, self.gradient_frac_interval):
            rule(0 <= low <= high <= 40, "interval of fraction bits")
        rule((self.init_seed is None) != (self.init_root is None), "exactly one of init_seed and init_root")
        start = self.init_seed if self.init_root is None else self.init_root
        for digest in (self.run_id, self.data_root, start or ""):
            rule(is_digest(digest), "a root, seed or identifier is no digest")
        rule(len(self.init_weight_bound) == len(self.init_bias_bound) == self.depth, "number of initial bounds")
        rule(all(0 <= b < 2**62 for b in self.init_weight_bound + self.init_bias_bound), "an initial bound is too large")
        if self.init_root is not None:
            for bound in self.init_weight_bound:
                rule(is_power_of_two(bound), "an initial bound is no power of two")
            for bound, has_bias in zip(self.init_bias_bound, self.bias, strict=True):
                rule(is_power_of_two(bound) if has_bias else bound == 0, "an initial bias bound is wrong")
        within(self.data_budget, 1, 2**12, "data_budget")
        within(self.weights_budget, 1, 2**12, "weights_budget")
        if self.beacon is not None:
            rule(1 <= len(self.beacon) <= 128 and set(self.beacon) <= HEX, "beacon")


@dataclass(frozen=True)
class Weights:
    """A weight commitment in a segment's statement."""

    root: str
    weight_bound: list[int]
    bias_bound: list[int]
    step: int

    @classmethod
    def parse(cls, value: Any) -> Weights:
        given = record(value, ["root", "weight_bound", "bias_bound", "step"], "weights")
        bounds = integers(given["weight_bound"], "weight_bound"), integers(given["bias_bound"], "bias_bound")
        return cls(text(given["root"], "root"), *bounds, integer(given["step"], "step"))


@dataclass(frozen=True)
class Segment:
    """A segment's statement."""

    index: int
    first_step: int
    steps: int
    fa: list[int]
    fg: list[int]
    e_forward: int
    e_backward: int
    low_bits: int
    w_in: Weights
    w_out: Weights
    raw: bytes

    @classmethod
    def parse(cls, value: Any) -> Segment:
        given = record(value, ["index", "first_step", "steps", "scales", "limbs", "w_in", "w_out"], "a segment")
        scales = record(given["scales"], ["fa", "fg"], "scales")
        limbs = record(given["limbs"], ["e_forward", "e_backward", "low_bits"], "limbs")
        numbers = [integer(given[name], name) for name in ("index", "first_step", "steps")]
        frac = [integers(scales[name], name) for name in ("fa", "fg")]
        cuts = [integer(limbs[name], name) for name in ("e_forward", "e_backward", "low_bits")]
        ends = [Weights.parse(given[name]) for name in ("w_in", "w_out")]
        return cls(*numbers, *frac, *cuts, *ends, raw=canonical(value))  # type: ignore[arg-type]

    @property
    def from_seed(self) -> bool:
        """The first weights are public: expanded from the seed, not committed."""
        return self.w_in.root == ""

    def check(self, run: Run) -> None:
        """Every rule but those on bounds of weights, which `training.check_bounds` has."""
        within(self.steps, 1, 2**20, "steps of a segment")
        rule(0 <= self.index <= self.first_step < run.steps, "first step of a segment")
        rule((self.index == 0) == (self.first_step == 0), "index 0 exactly at step 0")
        rule(self.first_step + self.steps <= run.steps, "a segment ends behind the run")
        if self.steps * run.batch > LIMITS["TB"] or self.steps * run.depth > LIMITS["TL"]:
            raise malformed("a segment is too large for this verifier", "TOO_LARGE")
        fmt, last = run.format, run.depth
        rule(len(self.fa) == last + 1 and len(self.fg) == last, "number of scales")
        rule(self.fa[0] == fmt.feature_frac and self.fa[last] == fmt.logit_frac, "first or last scale")
        rule(self.fg[-1] == (fmt.gradient_bits - 1 if run.cross_entropy else self.fa[last]), "last gradient scale")
        for scale in self.fa[1:-1]:
            within(scale, *run.activation_frac_interval, "fa")
        for scale in self.fg[:-1]:
            within(scale, *run.gradient_frac_interval, "fg")
        for weights, step in ((self.w_in, self.first_step), (self.w_out, self.first_step + self.steps)):
            rule(len(weights.weight_bound) == len(weights.bias_bound) == last, "number of weight bounds")
            rule(weights.step == step, "step of a weight commitment")
            rule(all(0 <= b < 2**62 for b in weights.weight_bound + weights.bias_bound), "a weight bound is too large")
        rule(is_digest(self.w_out.root), "root of w_out")
        if self.index == 0:
            start = run.init_root or ""
            rule(self.w_in == Weights(start, run.init_weight_bound, run.init_bias_bound, 0), "start of the run")
        else:
            rule(is_digest(self.w_in.root), "root of w_in")


def check_chain(segments: list[Segment]) -> None:
    """Consecutive segments follow each other."""
    for before, segment in zip(segments, segments[1:], strict=False):
        if segment.index != before.index + 1 or segment.w_in != before.w_out:
            raise Invalid("CHAIN", f"segment {segment.index} does not follow segment {before.index}")
