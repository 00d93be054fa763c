"""Rounding a product by a power of two, as limbs and a table lookup. [review.md, (a) R3]

For a shift k the low limb has h = k - e bits, the top limb w = e + 1 + range bits + headroom, M = 2^(w-e-1):
    O = 2^(k-1) + M 2^k,   Z + O = 2^h z_hi + z_lo,   0 <= z_lo < 2^h,   0 <= z_hi < 2^w
    round-half-up(Z / 2^k) = (z_hi >> e) - M
e is common to all layers, so one table serves them all. When h > r, the low limb is cut again:
z_lo = 2^r z_mid + z_low. h + w <= 62 keeps the limbs unique in the field, h <= k makes the rounding a
function of the top limb.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdl.errors import NotProvable
from zkdl.statement.limits import MAX_TABLE_BITS
from zkdl.statement.run import RunFormat, RunStatement
from zkdl.statement.state import Limbs, Scales

if TYPE_CHECKING:
    from zkdl.statement.segment import SegmentStatement

MAX_TOTAL_BITS = 62

# Relative prover cost: a leaf of the lookup argument against a committed value. [review.md, (c)]
_LEAF_COST = 3
_VALUE_COST = 1


@dataclass(frozen=True)
class Requant:
    """One layer's limbs.

    Attributes:
        k: rounding shift. h: bits below the top limb. offset: O, added before cutting.
        low_bits, mid_bits: widths below the top limb, together h; mid_bits is 0 with two limbs.
        extra_bits: e. top_bits: w.
    """

    k: int
    h: int
    offset: int
    low_bits: int
    mid_bits: int
    extra_bits: int
    top_bits: int

    @property
    def middle(self) -> int:
        """M: rounded values are in [-M, M)."""
        return 1 << (self.top_bits - self.extra_bits - 1)


def top_bits_forward(formats: RunFormat, limbs: Limbs) -> int:
    """w = e + 1 + a + headroom."""
    return limbs.e_forward + 1 + formats.activation_bits + formats.headroom_bits


def top_bits_backward(formats: RunFormat, limbs: Limbs) -> int:
    """w' = e' + 1 + (g - 1) + headroom."""
    return limbs.e_backward + formats.gradient_bits + formats.headroom_bits


def shift_forward(run: RunStatement, scales: Scales, layer: int) -> int:
    """k_l = fa_{l-1} + fw - fa_l, l = 1..L."""
    return scales.fa[layer - 1] + run.format.weight_frac - scales.fa[layer]


def shift_backward(run: RunStatement, scales: Scales, layer: int) -> int:
    """k'_l = fg_{l+1} + fw - fg_l, l = 1..L-1."""
    return scales.fg[layer] + run.format.weight_frac - scales.fg[layer - 1]


def _requant(k: int, e: int, w: int, r: int, layer: int, direction: str) -> Requant:
    h = k - e
    place = {"layer": layer, "direction": direction, "shift": k}

    def need(condition: bool, message: str, hint: str) -> None:
        if not condition:
            raise NotProvable(message, code="LIMBS", hint=hint, **place)

    need(h >= 1, f"the rounding shift must exceed the {e} extra bits of the top limb", "raise weight_frac")
    need(
        h + w <= MAX_TOTAL_BITS,
        f"the limbs have {h + w} bits, more than {MAX_TOTAL_BITS}",
        "lower weight_frac",
    )
    need(
        1 <= w <= MAX_TABLE_BITS,
        f"a top limb of {w} bits needs too large a table",
        "lower the number formats",
    )
    need(1 <= r <= MAX_TABLE_BITS, f"low limbs of {r} bits are not supported", f"choose 1..{MAX_TABLE_BITS}")
    need(h <= 2 * r, f"{h} low bits do not fit in two limbs of {r}", "raise low_bits")
    offset = (1 << (k - 1)) + (1 << (w - e - 1 + k))
    low, mid = (h, 0) if h <= r else (r, h - r)
    return Requant(k, h, offset, low, mid, e, w)


def forward(run: RunStatement, segment: SegmentStatement, layer: int) -> Requant:
    """Limbs of Z_l, l = 1..L. Raises NotProvable(LIMBS)."""
    limbs, k = segment.limbs, shift_forward(run, segment.scales, layer)
    return _requant(k, limbs.e_forward, top_bits_forward(run.format, limbs), limbs.low_bits, layer, "forward")


def backward(run: RunStatement, segment: SegmentStatement, layer: int) -> Requant:
    """Limbs of P_l, l = 1..L-1. Raises NotProvable(LIMBS)."""
    limbs, k = segment.limbs, shift_backward(run, segment.scales, layer)
    return _requant(k, limbs.e_backward, top_bits_backward(run.format, limbs), limbs.low_bits, layer, "backward")


def remainder_bits(run: RunStatement) -> int:
    """rw: smallest with 2^rw >= 2 C 2^eb, the range of the softmax division's remainders."""
    return (2 * run.classes - 1).bit_length() + run.format.exp_bits


def used_widths(run: RunStatement, segment: SegmentStatement) -> list[int]:
    """Sorted widths that the range table must hold."""
    requants = [forward(run, segment, layer) for layer in range(1, run.L + 1)]
    requants += [backward(run, segment, layer) for layer in range(1, run.L)]
    widths = {bits for x in requants for bits in (x.low_bits, x.mid_bits) if bits}
    return sorted(widths | ({remainder_bits(run)} if run.loss == "ce" else set()))


def _candidates(shifts: list[int], range_bits: int) -> range:
    """Values of e that leave at least one low bit, a table of supported size and at most 62 bits."""
    if not shifts:
        return range(1)
    if min(shifts) < 1 or max(shifts) + range_bits > MAX_TOTAL_BITS:
        return range(0)
    return range(max(0, min(min(shifts) - 1, MAX_TABLE_BITS - range_bits) + 1))


@dataclass(frozen=True)
class _CostModel:
    """Lookups, values and table entries that depend on the limbs. slots: padded steps times examples."""

    run: RunStatement
    forward_shifts: list[int]
    backward_shifts: list[int]
    forward_bits: int
    backward_bits: int
    slots: int

    def low_limbs(self, limbs: Limbs) -> tuple[int, set[int]]:
        """(units with a middle limb, widths); widths is empty when the low limbs do not fit."""
        lows = [(k - limbs.e_forward, d) for k, d in zip(self.forward_shifts, self.run.widths[1:], strict=True)]
        lows += [(k - limbs.e_backward, d) for k, d in zip(self.backward_shifts, self.run.widths[1:-1], strict=True)]
        r = limbs.low_bits
        if any(h > 2 * r for h, _ in lows):
            return 0, set()
        cut = [(h, d) for h, d in lows if h > r]
        widths = {h for h, _ in lows if h <= r} | {h - r for h, _ in cut} | ({r} if cut else set())
        return sum(d for _, d in cut), widths

    def cost(self, limbs: Limbs) -> int | None:
        """Cost of what depends on the limbs; None when they do not fit."""
        middle, widths = self.low_limbs(limbs)
        if not widths:
            return None
        if self.run.loss == "ce":
            widths.add(remainder_bits(self.run))
        top = 1 << (limbs.e_forward + self.forward_bits)
        entries = top + sum(1 << width for width in widths)
        if self.run.L > 1:
            entries += top + (2 << (limbs.e_backward + self.backward_bits))
        return (middle * self.slots + entries) * (_LEAF_COST + _VALUE_COST)


def _limb_choices(model: _CostModel) -> Iterator[tuple[int, int, int, int]]:
    for e in _candidates(model.forward_shifts, model.forward_bits):
        for e_back in _candidates(model.backward_shifts, model.backward_bits):
            for r in range(1, MAX_TABLE_BITS + 1):
                cost = model.cost(Limbs(e, e_back, r))
                if cost is not None:
                    yield cost, r, e, e_back


def choose_limbs(run: RunStatement, scales: Scales, steps: int) -> Limbs:
    """The cheapest limbs for a segment of `steps` steps. Raises NotProvable(LIMBS) when no choice fits."""
    formats = run.format
    slots = (1 << (steps - 1).bit_length()) * (1 << (run.batch - 1).bit_length())
    model = _CostModel(
        run=run,
        forward_shifts=[shift_forward(run, scales, layer) for layer in range(1, run.L + 1)],
        backward_shifts=[shift_backward(run, scales, layer) for layer in range(1, run.L)],
        forward_bits=1 + formats.activation_bits + formats.headroom_bits,
        backward_bits=formats.gradient_bits + formats.headroom_bits,
        slots=slots,
    )
    best = min(_limb_choices(model), default=None)
    if best is None:
        raise NotProvable(
            "no limbs fit these scales",
            code="LIMBS",
            hint="change weight_frac or the number formats",
            forward_shifts=model.forward_shifts,
            backward_shifts=model.backward_shifts,
        )
    return Limbs(e_forward=best[2], e_backward=best[3], low_bits=best[1])
