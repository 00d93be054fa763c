"""Small parts of a segment's statement: scales, limbs, the state that is handed from segment to segment."""

from __future__ import annotations

from dataclasses import dataclass

from zkdl.statement.canonical import Fields, Json


@dataclass(frozen=True)
class Scales:
    """Fraction bits. fa: fa_0 (data) .. fa_L (logits) of activations; fg: fg_1 .. fg_L of gradients."""

    fa: tuple[int, ...]
    fg: tuple[int, ...]

    def to_json(self) -> dict[str, Json]:
        return {"fa": list(self.fa), "fg": list(self.fg)}

    @staticmethod
    def from_fields(fields: Fields) -> Scales:
        out = Scales(fields.integers("fa"), fields.integers("fg"))
        fields.finish()
        return out


@dataclass(frozen=True)
class Limbs:
    """How products are cut. e_forward, e_backward: bits below the point kept in the top limb; low_bits: r."""

    e_forward: int
    e_backward: int
    low_bits: int

    def to_json(self) -> dict[str, Json]:
        return dict(vars(self))

    @staticmethod
    def from_fields(fields: Fields) -> Limbs:
        out = Limbs(fields.integer("e_forward"), fields.integer("e_backward"), fields.integer("low_bits"))
        fields.finish()
        return out


@dataclass(frozen=True)
class ChainState:
    """Weights between two segments.

    Attributes:
        root: commitment of the weights, 64 hexadecimal digits; "" when they come from the initial seed.
        weight_bound, bias_bound: proven max |W_l|, |b_l| per layer.
        step: steps done so far in the run.
    """

    root: str
    weight_bound: tuple[int, ...]
    bias_bound: tuple[int, ...]
    step: int

    def to_json(self) -> dict[str, Json]:
        return {
            "root": self.root,
            "weight_bound": list(self.weight_bound),
            "bias_bound": list(self.bias_bound),
            "step": self.step,
        }

    @staticmethod
    def from_fields(fields: Fields) -> ChainState:
        out = ChainState(
            root=fields.text("root"),
            weight_bound=fields.integers("weight_bound"),
            bias_bound=fields.integers("bias_bound"),
            step=fields.integer("step"),
        )
        fields.finish()
        return out
