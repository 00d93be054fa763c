"""The statement of a segment: some steps of a run, from one state to the next. [protocol.md, 1 and 5]"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from zkdl.errors import NotProvable
from zkdl.statement import bounds, requantise
from zkdl.statement.canonical import Fields, Json, encode, require, require_hex, require_range
from zkdl.statement.limits import MAX_SEGMENT_STEPS
from zkdl.statement.run import RunStatement
from zkdl.statement.state import ChainState, Limbs, Scales

__all__ = ["ChainState", "Limbs", "Scales", "SegmentStatement", "initial_state", "validate_chain"]


def initial_state(run: RunStatement) -> ChainState:
    """The chain state at step 0: the run's initial weights."""
    return ChainState(run.init_root or "", run.init_weight_bound, run.init_bias_bound, 0)


@dataclass(frozen=True)
class SegmentStatement:
    """Steps first_step .. first_step + steps - 1 of a run take the weights w_in to w_out.

    Attributes:
        index: position in the run's chain of segments, 0 first.
        scales, limbs: number formats of this segment.
    """

    index: int
    first_step: int
    steps: int
    scales: Scales
    limbs: Limbs
    w_in: ChainState
    w_out: ChainState

    @property
    def end_step(self) -> int:
        """Steps of the run that are done after this segment; its last step is the one before."""
        return self.first_step + self.steps

    def validate(self, run: RunStatement, *, with_roots: bool = True) -> None:
        """Check everything that the segment alone can be checked for; `run` must be valid.

        Args:
            with_roots: False for a planned segment, whose weights are not committed yet (roots are "").
        Raises NotProvable naming the field, the layer and the numbers.
        """
        require_range(self.index, 0, run.steps - 1, "segment.index")
        require_range(self.first_step, self.index, run.steps - 1, "segment.first_step")
        require_range(self.steps, 1, min(MAX_SEGMENT_STEPS, run.steps - self.first_step), "segment.steps")
        require(
            (self.index == 0) == (self.first_step == 0),
            "segment 0 and only it starts at step 0",
            "segment.index",
        )
        self._validate_scales(run)
        self._validate_limbs(run)
        self._validate_states(run, with_roots)
        # Computed once: a long schedule makes this the most expensive rule.
        grown = bounds.grow(run, self.scales, self.first_step, self.steps, self.w_in)
        require(
            (self.w_out.weight_bound, self.w_out.bias_bound) == grown,
            "is not the growth of w_in",
            "segment.w_out: bounds",
        )
        bounds.check(run, self, grown)

    def _validate_scales(self, run: RunStatement) -> None:
        fa, fg, formats = self.scales.fa, self.scales.fg, run.format
        require(len(fa) == run.L + 1, f"needs {run.L + 1} entries", "segment.scales.fa")
        require(len(fg) == run.L, f"needs {run.L} entries", "segment.scales.fg")
        require(fa[0] == formats.feature_frac, "fa_0 must be feature_frac", "segment.scales.fa[0]")
        require(fa[-1] == formats.logit_frac, "fa_L must be logit_frac", f"segment.scales.fa[{run.L}]")
        last = formats.gradient_bits - 1 if run.loss == "ce" else fa[-1]
        require(fg[-1] == last, f"fg_L must be {last}", f"segment.scales.fg[{run.L - 1}]")
        for i in range(1, run.L):
            require_range(fa[i], *run.activation_frac_interval, f"segment.scales.fa[{i}]")
            require_range(fg[i - 1], *run.gradient_frac_interval, f"segment.scales.fg[{i - 1}]")

    def _validate_limbs(self, run: RunStatement) -> None:
        limbs = self.limbs
        require(limbs.e_forward >= 0, "must not be negative", "segment.limbs.e_forward")
        require(limbs.e_backward >= 0, "must not be negative", "segment.limbs.e_backward")
        require(run.L > 1 or limbs.e_backward == 0, "must be 0 without hidden layers", "segment.limbs.e_backward")
        for layer in range(1, run.L + 1):
            requantise.forward(run, self, layer)
            if layer < run.L:
                requantise.backward(run, self, layer)

    def _validate_states(self, run: RunStatement, with_roots: bool) -> None:
        for name, state in (("w_in", self.w_in), ("w_out", self.w_out)):
            require(len(state.weight_bound) == run.L, f"needs {run.L} entries", f"segment.{name}.weight_bound")
            require(len(state.bias_bound) == run.L, f"needs {run.L} entries", f"segment.{name}.bias_bound")
            for numbers in (state.weight_bound, state.bias_bound):
                require(all(0 <= n < 1 << 62 for n in numbers), "bounds must be below 2^62", f"segment.{name}")
        require(self.w_in.step == self.first_step, "must be first_step", "segment.w_in.step")
        require(
            self.w_out.step == self.end_step,
            "must be first_step + steps",
            "segment.w_out.step",
        )
        if self.index == 0:
            require(self.w_in == initial_state(run), "must be the run's initial weights", "segment.w_in")
        elif with_roots:
            require_hex(self.w_in.root, 64, "segment.w_in.root")
        if with_roots:
            require_hex(self.w_out.root, 64, "segment.w_out.root")

    def to_json(self) -> dict[str, Json]:
        """JSON value of integers, strings, lists and objects."""
        return {
            "index": self.index,
            "first_step": self.first_step,
            "steps": self.steps,
            "scales": self.scales.to_json(),
            "limbs": self.limbs.to_json(),
            "w_in": self.w_in.to_json(),
            "w_out": self.w_out.to_json(),
        }

    @staticmethod
    def from_json(data: object) -> SegmentStatement:
        """Read exactly the fields of `to_json`. Raises MalformedProof; call `validate` for the values."""
        fields = Fields(data, "segment")
        out = SegmentStatement(
            index=fields.integer("index"),
            first_step=fields.integer("first_step"),
            steps=fields.integer("steps"),
            scales=Scales.from_fields(fields.fields("scales")),
            limbs=Limbs.from_fields(fields.fields("limbs")),
            w_in=ChainState.from_fields(fields.fields("w_in")),
            w_out=ChainState.from_fields(fields.fields("w_out")),
        )
        fields.finish()
        return out

    def canonical(self) -> bytes:
        """Canonical JSON bytes."""
        return encode(self.to_json())

    def digest(self) -> bytes:
        """SHA-256 of the canonical bytes."""
        return hashlib.sha256(self.canonical()).digest()


def validate_chain(run: RunStatement, segments: Sequence[SegmentStatement], *, with_roots: bool = True) -> None:
    """Check every segment and that they follow each other from step 0 on without a gap.

    Whether the chain reaches run.steps is for the caller to judge from segments[-1].w_out.step.
    Raises NotProvable(CHAIN) with the segment's index, or what `SegmentStatement.validate` raises.
    """
    if not segments:
        raise NotProvable("a run has at least one segment", code="CHAIN")
    before = initial_state(run)
    for index, segment in enumerate(segments):
        if segment.index != index or segment.w_in != before:
            raise NotProvable("a segment does not start where the one before ends", code="CHAIN", segment=index)
        segment.validate(run, with_roots=with_roots)
        before = segment.w_out
