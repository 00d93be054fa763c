"""The statement of a run: everything public that is the same in all segments. [protocol.md, 1 and 5]"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from zkdl.errors import NotProvable
from zkdl.statement import initialisation, sampler
from zkdl.statement.canonical import Fields, Json, encode, require, require_hex, require_range
from zkdl.statement.limits import (
    MAX_BATCH,
    MAX_BUDGET,
    MAX_EXAMPLES,
    MAX_LAYERS,
    MAX_STEPS,
    MAX_TABLE_BITS,
    MAX_WIDTH,
)

BEACON_DIGITS = 128


@dataclass(frozen=True)
class RunFormat:
    """Number formats, in bits. A value v with f fraction bits stands for v * 2^-f.

    Attributes:
        activation_bits: a; hidden activations are in [0, 2^a).
        gradient_bits: g; gradients are in (-2^(g-1), 2^(g-1)).
        weight_frac: fw, fraction bits of all weights and biases.
        feature_bits, feature_min, feature_frac: features are in [feature_min, feature_min + 2^feature_bits).
        logit_bits, logit_frac: logits are in (-2^(logit_bits-1), 2^(logit_bits-1)), fraction bits fa_L.
        exp_bits: eb; the exponential table holds round(2^eb exp(-d)).
        headroom_bits: how far a value may leave its range, and be clamped, before training must stop.
    """

    activation_bits: int
    gradient_bits: int
    weight_frac: int
    feature_bits: int
    feature_min: int
    feature_frac: int
    logit_bits: int
    logit_frac: int
    exp_bits: int
    headroom_bits: int = 3

    @property
    def activation_max(self) -> int:
        return (1 << self.activation_bits) - 1

    @property
    def gradient_max(self) -> int:
        return (1 << (self.gradient_bits - 1)) - 1

    @property
    def logit_max(self) -> int:
        return (1 << (self.logit_bits - 1)) - 1

    @property
    def feature_max_abs(self) -> int:
        return max(abs(self.feature_min), self.feature_min + (1 << self.feature_bits) - 1)

    def validate(self) -> None:
        """Raises NotProvable naming the field."""
        require_range(self.activation_bits, 2, 16, "format.activation_bits")
        require_range(self.gradient_bits, 2, 16, "format.gradient_bits")
        require_range(self.weight_frac, 4, 40, "format.weight_frac")
        require_range(self.feature_bits, 1, 16, "format.feature_bits")
        allowed = (0, -(1 << (self.feature_bits - 1)))
        require(self.feature_min in allowed, "must be 0 or -2^(feature_bits-1)", "format.feature_min")
        require_range(self.feature_frac, 0, 32, "format.feature_frac")
        require_range(self.logit_bits, 2, 16, "format.logit_bits")
        require_range(self.logit_frac, 0, self.logit_bits - 1, "format.logit_frac")
        require_range(self.exp_bits, 1, 20, "format.exp_bits")
        require_range(self.headroom_bits, 1, 8, "format.headroom_bits")

    def to_json(self) -> dict[str, Json]:
        return dict(vars(self))

    @staticmethod
    def from_fields(fields: Fields) -> RunFormat:
        names = RunFormat.__dataclass_fields__
        out = RunFormat(**{name: fields.integer(name) for name in names})
        fields.finish()
        return out


@dataclass(frozen=True)
class RunStatement:
    """Everything public about a run.

    Attributes:
        run_id: 64 hexadecimal digits, chosen once.
        widths: d_0 .. d_L. bias: per layer. loss: "ce" or "mse".
        batch: examples per step, at most. examples: N. steps: of the whole run.
        last_batch: what happens to the last, partial batch of an epoch, "keep" or "drop".
        schedule: (first step, lr_q) with learning rate lr_q * 2^-32 from that step on.
        activation_frac_interval, gradient_frac_interval: what calibration may choose, ends included.
        init_seed, init_root: exactly one is set; 64 hexadecimal digits.
        init_weight_bound, init_bias_bound: of |W_l| and |b_l| at step 0, per layer (0 without bias).
        data_root: commitment of the dataset. data_budget, weights_budget: openings each commitment survives.
        beacon: public randomness that appeared after the roots, or None.
    """

    run_id: str
    widths: tuple[int, ...]
    bias: tuple[bool, ...]
    loss: str
    batch: int
    examples: int
    steps: int
    last_batch: str
    schedule: tuple[tuple[int, int], ...]
    format: RunFormat
    activation_frac_interval: tuple[int, int]
    gradient_frac_interval: tuple[int, int]
    init_seed: str | None
    init_root: str | None
    init_weight_bound: tuple[int, ...]
    init_bias_bound: tuple[int, ...]
    data_root: str
    data_budget: int
    weights_budget: int
    parameter_set: str
    beacon: str | None

    @property
    def L(self) -> int:  # noqa: N802 - paper symbol
        """Number of linear layers."""
        return len(self.widths) - 1

    @property
    def weight_count(self) -> int:
        """Entries of all weight matrices, biases not counted."""
        return sum(a * b for a, b in zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def classes(self) -> int:
        return self.widths[-1]

    def activation_max(self, layer: int) -> int:
        """max |A_l|; layer 0 is the data."""
        return self.format.feature_max_abs if layer == 0 else self.format.activation_max

    def gradient_max(self, layer: int) -> int:
        """max |G_l|. The squared error's G_L = Y - 2^fa_L y is not clamped to g bits."""
        if self.loss == "mse" and layer == self.L:
            return self.format.logit_max + (1 << self.format.logit_frac)
        return self.format.gradient_max

    def validate(self) -> None:
        """Check every field. Raises NotProvable with the field's name."""
        require_hex(self.run_id, 64, "run_id")
        self._validate_model()
        self.format.validate()
        self._validate_schedule()
        for name in ("activation_frac_interval", "gradient_frac_interval"):
            low, high = getattr(self, name)
            # A bias enters Z with the integer factor 2^fa, so no fraction may be negative.
            require_range(low, 0, 40, f"{name}[0]")
            require_range(high, low, 40, f"{name}[1]")
        self._validate_initial_weights()
        require_hex(self.data_root, 64, "data_root")
        for name in ("data_budget", "weights_budget"):
            # Every opening lengthens the rows: this bounds what a verifier encodes for a link of a few values.
            require_range(getattr(self, name), 1, MAX_BUDGET, name)
        name = self.parameter_set
        require(0 < len(name) <= 64 and name.isascii() and name.isprintable(), "must be a name", "parameter_set")
        if self.beacon is not None:
            require(0 < len(self.beacon) <= BEACON_DIGITS, f"must have 1..{BEACON_DIGITS} digits", "beacon")
            require_hex(self.beacon, len(self.beacon), "beacon")

    def _validate_model(self) -> None:
        require_range(self.L, 1, MAX_LAYERS, "widths: number of layers")
        for i, width in enumerate(self.widths):
            require_range(width, 1, MAX_WIDTH, f"widths[{i}]")
        require(len(self.bias) == self.L, f"needs {self.L} entries, one per layer", "bias")
        require(self.loss in ("ce", "mse"), 'must be "ce" or "mse"', "loss")
        if self.loss == "ce":
            require(self.classes >= 2, "cross-entropy needs two classes", "widths[-1]")
            bits = (2 * self.classes - 1).bit_length() + self.format.exp_bits
            hint = f"2 * classes * 2^exp_bits may be at most 2^{MAX_TABLE_BITS}"
            require(
                bits <= MAX_TABLE_BITS,
                "the softmax's remainders need too large a table",
                "format.exp_bits",
                hint=hint,
            )

    def _validate_schedule(self) -> None:
        require_range(self.batch, 1, MAX_BATCH, "batch")
        require_range(self.examples, 1, MAX_EXAMPLES, "examples")
        require_range(self.steps, 1, MAX_STEPS, "steps")
        require(self.last_batch in ("keep", "drop"), 'must be "keep" or "drop"', "last_batch")
        require(sampler.steps_per_epoch(self) > 0, "one batch is larger than the dataset and dropped", "batch")
        starts = [start for start, _ in self.schedule]
        require(len(starts) > 0 and starts[0] == 0, "must begin at step 0", "schedule")
        ascending = all(left < right for left, right in zip(starts, starts[1:], strict=False))
        require(ascending and starts[-1] < self.steps, "first steps must ascend and be below `steps`", "schedule")
        for i, (_, rate) in enumerate(self.schedule):
            require_range(rate, 1, 1 << 48, f"schedule[{i}]: learning rate times 2^32")

    def _validate_initial_weights(self) -> None:
        require(
            (self.init_seed is None) != (self.init_root is None),
            "exactly one of the two is set",
            "init_seed, init_root",
        )
        for name, bounds in (
            ("init_weight_bound", self.init_weight_bound),
            ("init_bias_bound", self.init_bias_bound),
        ):
            require(len(bounds) == self.L, f"needs {self.L} entries, one per layer", name)
            for i, bound in enumerate(bounds):
                require_range(bound, 0, (1 << 62) - 1, f"{name}[{i}]")
        without = all(bound == 0 for bound, has in zip(self.init_bias_bound, self.bias, strict=True) if not has)
        require(without, "must be 0 for a layer without bias", "init_bias_bound")
        if self.init_root is not None:
            require_hex(self.init_root, 64, "init_root")
            self._validate_committed_bounds()
            return
        require_hex(self.init_seed, 64, "init_seed")
        require(
            self.init_weight_bound == initialisation.bound(self),
            "is not the generator's bound",
            "init_weight_bound",
        )
        require(not any(self.init_bias_bound), "seeded biases start at 0", "init_bias_bound")

    def _validate_committed_bounds(self) -> None:
        """The certificate of committed initial weights proves ranges of whole bits."""
        for name, bounds, present in (
            ("init_weight_bound", self.init_weight_bound, (True,) * self.L),
            ("init_bias_bound", self.init_bias_bound, self.bias),
        ):
            for layer, (bound, has) in enumerate(zip(bounds, present, strict=True), start=1):
                if has and (bound < 1 or bound & (bound - 1)):
                    raise NotProvable(
                        "a bound of committed initial weights must be a power of two",
                        code="INITIAL_BOUND",
                        layer=layer,
                        field=name,
                    )

    def to_json(self) -> dict[str, Json]:
        """JSON value without floats and booleans (bias as 0 and 1)."""
        out: dict[str, Json] = {}
        for name, value in vars(self).items():
            if name == "format":
                out[name] = self.format.to_json()
            elif name == "schedule":
                out[name] = [list(entry) for entry in self.schedule]
            elif isinstance(value, tuple):
                out[name] = [int(entry) for entry in value]
            else:
                out[name] = value
        return out

    @staticmethod
    def from_json(data: object) -> RunStatement:
        """Read exactly the fields of `to_json`. Raises MalformedProof; call `validate` for the values."""
        fields = Fields(data, "run")
        out = RunStatement(
            run_id=fields.text("run_id"),
            widths=fields.integers("widths"),
            bias=fields.flags("bias"),
            loss=fields.text("loss"),
            batch=fields.integer("batch"),
            examples=fields.integer("examples"),
            steps=fields.integer("steps"),
            last_batch=fields.text("last_batch"),
            schedule=fields.pairs("schedule"),
            format=RunFormat.from_fields(fields.fields("format")),
            activation_frac_interval=fields.pair("activation_frac_interval"),
            gradient_frac_interval=fields.pair("gradient_frac_interval"),
            init_seed=fields.optional_text("init_seed"),
            init_root=fields.optional_text("init_root"),
            init_weight_bound=fields.integers("init_weight_bound"),
            init_bias_bound=fields.integers("init_bias_bound"),
            data_root=fields.text("data_root"),
            data_budget=fields.integer("data_budget"),
            weights_budget=fields.integer("weights_budget"),
            parameter_set=fields.text("parameter_set"),
            beacon=fields.optional_text("beacon"),
        )
        fields.finish()
        return out

    def canonical(self) -> bytes:
        """Canonical JSON bytes."""
        return encode(self.to_json())

    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes."""
        return hashlib.sha256(self.canonical()).digest()
