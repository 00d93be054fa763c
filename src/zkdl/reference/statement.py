"""Run and segment statements: canonical form, rules, limits, chain (docs/spec/statement.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

from zkdl.reference.canonical import canonical
from zkdl.reference.transcript import Invalid, check, malformed

LIMITS = {
    "width": 2**16,
    "weights": 2**28,
    "examples": 2**26,
    "entries": 2**38,
    "steps": 2**31,
    "pieces": 2**16,
    "TB": 2**20,
    "TL": 2**21,
}
HEX = set("0123456789abcdef")


def rule(holds: bool, what: str) -> None:
    check(holds, "STATEMENT", what)


def within(value: int, low: int, high: int, what: str) -> None:
    rule(low <= value <= high, f"{what} = {value} is not in {low} .. {high}")


def limited(name: str, value: int) -> None:
    if value > LIMITS[name]:
        raise malformed(f"the statement is too large for a verifier: {name} {value}", "TOO_LARGE")


def is_digest(value: str | None) -> bool:
    """64 hexadecimal digits in lower case."""
    return value is not None and len(value) == 64 and set(value) <= HEX


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
        return (1 << self.activation_bits) - 1

    @property
    def gmax(self) -> int:
        return (1 << self.gradient_bits - 1) - 1

    @property
    def ymax(self) -> int:
        return (1 << self.logit_bits - 1) - 1


@dataclass(frozen=True)
class Run:
    """The run statement: its fields, under their names."""

    run_id: str
    widths: list[int]
    bias: list[Literal[0, 1]]
    loss: str
    batch: int
    examples: int
    steps: int
    last_batch: str
    schedule: list[tuple[int, int]]
    format: Format
    activation_frac_interval: tuple[int, int]
    gradient_frac_interval: tuple[int, int]
    init_seed: str | None
    init_root: str | None
    init_weight_bound: list[int]
    init_bias_bound: list[int]
    data_root: str
    data_budget: int
    weights_budget: int
    parameter_set: str
    beacon: str | None

    @cached_property
    def raw(self) -> bytes:
        return canonical(asdict(self))

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

    @cached_property
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
        """The limits on numbers alone; what is not positive is left to the rules."""
        if not self.widths or min(self.widths) < 1 or self.examples < 1:
            return
        weights = sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))
        limited("width", max(self.widths))
        limited("weights", weights)
        limited("examples", self.examples)
        limited("entries", self.examples * (self.widths[0] + self.classes))
        limited("steps", self.steps)
        limited("pieces", len(self.schedule))

    def check(self) -> None:
        """Every rule of a run."""
        within(self.depth, 1, 256, "number of layers")
        rule(min(self.widths) >= 1 and self.examples >= 1, "a width or the number of examples is not positive")
        rule(len(self.bias) == self.depth, "bias")
        self.format.check()
        rule(self.loss in ("ce", "mse"), "loss")
        rule(self.loss == "mse" or self.classes >= 2 and self.remainder_bits <= 21, "classes or exp_bits")
        within(self.batch, 1, 2**16, "batch")
        rule(self.steps >= 1, "steps")
        rule(self.last_batch in ("keep", "drop") and self.epoch_steps > 0, "last_batch")
        starts = [step for step, _ in self.schedule]
        rule(starts[:1] == [0] and starts[-1] < self.steps, "the schedule's first or last step")
        rule(all(a < b for a, b in zip(starts, starts[1:], strict=False)), "schedule steps must ascend")
        for _, rate in self.schedule:
            within(rate, 1, 2**48, "learning rate")
        for low, high in (self.activation_frac_interval, self.gradient_frac_interval):
            rule(0 <= low <= high <= 40, "interval of fraction bits")
        rule((self.init_seed is None) != (self.init_root is None), "exactly one of init_seed and init_root")
        start = self.init_seed if self.init_root is None else self.init_root
        rule(all(map(is_digest, (self.run_id, self.data_root, start))), "a root, seed or identifier is no digest")
        bounds = self.init_weight_bound + self.init_bias_bound
        rule(len(self.init_weight_bound) == len(self.init_bias_bound) == self.depth, "number of initial bounds")
        rule(all(0 <= bound < 2**62 for bound in bounds), "an initial bound is out of range")
        for bound, has_bias in zip(self.init_bias_bound, self.bias, strict=True):
            rule(bound == 0 or bool(has_bias) and self.init_seed is None, "a bias bound without bias, or of a seed")
        if self.init_root is not None:
            needed = self.init_weight_bound + [
                b for b, has_bias in zip(self.init_bias_bound, self.bias, strict=True) if has_bias
            ]
            rule(all(map(is_power_of_two, needed)), "an initial bound is no power of two")
        within(self.data_budget, 1, 2**12, "data_budget")
        within(self.weights_budget, 1, 2**12, "weights_budget")
        rule(self.beacon is None or 1 <= len(self.beacon) <= 128 and set(self.beacon) <= HEX, "beacon")


@dataclass(frozen=True)
class Scales:
    """Fraction bits: fa_0 .. fa_L and fg_1 .. fg_L."""

    fa: list[int]
    fg: list[int]


@dataclass(frozen=True)
class Limbs:
    """How products are cut, see training.Requant."""

    e_forward: int
    e_backward: int
    low_bits: int


@dataclass(frozen=True)
class Weights:
    """A weight commitment in a segment's statement."""

    root: str
    weight_bound: list[int]
    bias_bound: list[int]
    step: int


@dataclass(frozen=True)
class Segment:
    """A segment's statement: its fields, under their names."""

    index: int
    first_step: int
    steps: int
    scales: Scales
    limbs: Limbs
    w_in: Weights
    w_out: Weights

    @cached_property
    def raw(self) -> bytes:
        return canonical(asdict(self))

    @property
    def from_seed(self) -> bool:
        """The first weights are public: expanded from the seed, not committed."""
        return self.w_in.root == ""

    def check_size(self, run: Run) -> None:
        """The limits on numbers alone."""
        limited("TB", self.steps * run.batch)
        limited("TL", self.steps * run.depth)

    def check(self, run: Run) -> None:
        """Every rule but those on bounds of weights, which `training.check_bounds` has."""
        within(self.steps, 1, 2**20, "steps of a segment")
        rule(0 <= self.index <= self.first_step < run.steps, "first step of a segment")
        rule((self.index == 0) == (self.first_step == 0), "index 0 exactly at step 0")
        rule(self.first_step + self.steps <= run.steps, "a segment ends behind the run")
        fmt, last, fa, fg = run.format, run.depth, self.scales.fa, self.scales.fg
        rule(len(fa) == last + 1 and len(fg) == last, "number of scales")
        rule(fa[0] == fmt.feature_frac and fa[last] == fmt.logit_frac, "first or last scale")
        rule(fg[-1] == (fmt.gradient_bits - 1 if run.cross_entropy else fa[last]), "last gradient scale")
        intervals = (fa[1:-1], run.activation_frac_interval), (fg[:-1], run.gradient_frac_interval)
        for scales, (low, high) in intervals:
            rule(all(low <= scale <= high for scale in scales), "a scale is outside its interval")
        for weights, step in ((self.w_in, self.first_step), (self.w_out, self.first_step + self.steps)):
            rule(len(weights.weight_bound) == len(weights.bias_bound) == last, "number of weight bounds")
            rule(weights.step == step, "step of a weight commitment")
            rule(all(0 <= b < 2**62 for b in weights.weight_bound + weights.bias_bound), "a weight bound is too large")
        start = Weights(run.init_root or "", run.init_weight_bound, run.init_bias_bound, 0)
        rule(self.w_in == start if self.index == 0 else is_digest(self.w_in.root), "w_in")
        rule(is_digest(self.w_out.root), "root of w_out")


def check_chain(run: Run, segments: list[Segment]) -> None:
    """The first segment starts where the run says, and each other one where the one before it ends."""
    if not segments:
        raise Invalid("CHAIN", "there is no segment")
    first = segments[0]
    declared = (run.init_root or "", run.init_weight_bound, run.init_bias_bound)
    if first.first_step == 0 and (first.w_in.root, first.w_in.weight_bound, first.w_in.bias_bound) != declared:
        raise Invalid("CHAIN", "the first segment does not start from the declared weights")
    if any(segment.from_seed and segment.first_step for segment in segments):
        raise Invalid("CHAIN", "a later segment cannot start from the seed")
    for before, segment in zip(segments, segments[1:], strict=False):
        if segment.index != before.index + 1 or segment.w_in != before.w_out:
            raise Invalid("CHAIN", f"segment {segment.index} does not follow segment {before.index}")
