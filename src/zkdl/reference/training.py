"""The training that is proven: sampler, schedule, initial weights, limbs, tables, bounds (docs/spec/training.md)."""

from __future__ import annotations

import hashlib
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from math import isqrt
from typing import NamedTuple

from zkdl.reference.field import P
from zkdl.reference.statement import Run, Segment, rule
from zkdl.reference.transcript import check, u32, u64


def round_div(numerator: int, denominator: int) -> int:
    """The quotient rounded to nearest, ties upwards."""
    return (2 * numerator + denominator) // (2 * denominator)


# ---- sampler and schedule


def sampler_seed(run: Run) -> bytes:
    return hashlib.shake_256(b"zkdl/sampler/seed/1" + run.raw).digest(32)


@lru_cache(maxsize=2)
def permutation(seed: bytes, epoch: int, examples: int) -> array[int]:
    """The order of the examples in an epoch: a stable argsort of 64-bit keys."""
    keys = array("Q", hashlib.shake_256(b"zkdl/sampler/permutation/1" + seed + u64(epoch)).digest(8 * examples))
    if sys.byteorder == "big":
        keys.byteswap()
    return array("q", sorted(range(examples), key=keys.__getitem__))


def batches(run: Run, segment: Segment) -> list[list[int]]:
    """The examples of each step of a segment, in the order of the slots; a partial batch is a shorter list."""
    seed, result = sampler_seed(run), []
    for step in range(segment.first_step, segment.first_step + segment.steps):
        epoch, place = divmod(step, run.epoch_steps)
        order = permutation(seed, epoch, run.examples)
        result.append(list(order[place * run.batch : (place + 1) * run.batch]))
    return result


def rates(run: Run, segment: Segment) -> list[int]:
    """The learning rate lr_q of every step of a segment."""
    # The piece of the first step; a long schedule is not walked through for each segment.
    found, piece = [], bisect_right(run.schedule, (segment.first_step, 2**63)) - 1
    for step in range(segment.first_step, segment.first_step + segment.steps):
        while piece + 1 < len(run.schedule) and run.schedule[piece + 1][0] <= step:
            piece += 1
        found.append(run.schedule[piece][1])
    return found


def update_integers(run: Run, segment: Segment) -> list[list[int]]:
    """c_{l,s}: for each layer one integer per step."""
    by_step, table = rates(run, segment), []
    for layer in range(run.depth):
        shift = run.format.weight_frac - segment.scales.fa[layer] - segment.scales.fg[layer] - 32
        up, down = 1 << max(0, shift), run.batch << max(0, -shift)
        by_rate = {rate: round_div(rate * up, down) for rate in set(by_step)}
        rule(all(1 <= c < 2**62 for c in by_rate.values()), "an update integer is not in 1 .. 2^62 - 1")
        table.append([by_rate[rate] for rate in by_step])
    return table


# ---- initial weights


def initial_deviation(run: Run, layer: int) -> int:
    """sigma_l for layer = l - 1."""
    gain = 3 if layer == run.depth - 1 else 6
    return isqrt(gain * 4**run.format.weight_frac // run.widths[layer])


def initial_bounds(run: Run) -> list[int]:
    return [(131070 * initial_deviation(run, layer) + 2**15) >> 16 for layer in range(run.depth)]


def initial_weights(run: Run, layer: int) -> Iterator[int]:
    """The weights of layer l = layer + 1 from the seed, row by row."""
    sigma, left, block = initial_deviation(run, layer), run.widths[layer] * run.widths[layer + 1], 0
    while left:
        count = min(left, 2**18)
        label = b"zkdl/initial-weights/2" + bytes.fromhex(run.init_seed or "")
        stream = hashlib.shake_256(label + u32(layer + 1) + u32(block)).digest(8 * count)
        for a, b, c, d in struct.iter_unpack("<4H", stream):
            yield ((a + b + c + d - 131070) * sigma + 2**15) >> 16
        left, block = left - count, block + 1


# ---- requantisation


class Requant(NamedTuple):
    """How one layer's products are cut into limbs."""

    shift: int
    """k: the value is divided by 2^k."""
    below: int
    """e: bits of the top limb below the rounding point."""
    top: int
    """w: bits of the top limb."""
    cut: int
    """r: width of a cut low limb."""

    @property
    def low(self) -> int:
        """h: bits below the top limb."""
        return self.shift - self.below

    @property
    def middle(self) -> int:
        return 1 << (self.top - self.below - 1)

    @property
    def offset(self) -> int:
        return (1 << (self.shift - 1)) + (self.middle << self.shift)

    @property
    def three(self) -> bool:
        """Whether there are three limbs."""
        return self.low > self.cut

    @property
    def low_width(self) -> int:
        return self.cut if self.three else self.low

    @property
    def mid_width(self) -> int:
        return self.low - self.cut

    def check(self) -> None:
        rule(self.below >= 0 and self.low >= 1 and self.low + self.top <= 62, "limbs: cut")
        rule(1 <= self.top <= 21 and 1 <= self.cut <= 21 and self.low <= 2 * self.cut, "limbs: width")


def forward_limbs(run: Run, segment: Segment, l: int) -> Requant:
    """Of Z_l."""
    fmt = run.format
    shift = segment.scales.fa[l - 1] + fmt.weight_frac - segment.scales.fa[l]
    top = segment.limbs.e_forward + 1 + fmt.activation_bits + fmt.headroom_bits
    return Requant(shift, segment.limbs.e_forward, top, segment.limbs.low_bits)


def backward_limbs(run: Run, segment: Segment, l: int) -> Requant:
    """Of P_l, l < L."""
    fmt = run.format
    shift = segment.scales.fg[l] + fmt.weight_frac - segment.scales.fg[l - 1]
    top = segment.limbs.e_backward + fmt.gradient_bits + fmt.headroom_bits
    return Requant(shift, segment.limbs.e_backward, top, segment.limbs.low_bits)


# ---- static bounds


def check_bounds(run: Run, segment: Segment) -> None:
    """The limbs' rules, the growth of the weight bounds, and that no product wraps around."""
    fmt, last = run.format, run.depth
    amax = [max(abs(fmt.feature_min), abs(fmt.feature_min + 2**fmt.feature_bits - 1))] + [fmt.amax] * (last - 1)
    gmax = [fmt.gmax] * last
    if not run.cross_entropy:
        gmax[-1] = fmt.ymax + 2 ** segment.scales.fa[last]
    if run.init_seed is not None:
        rule(run.init_weight_bound == initial_bounds(run), "initial bounds are not the generator's")
        rule(not any(run.init_bias_bound), "initial bias bounds of a seed")
    if last == 1:
        rule(segment.limbs.e_backward == 0, "e_backward of one layer")
    updates = update_integers(run, segment)
    w_in, w_out = segment.w_in, segment.w_out
    for l in range(1, last + 1):
        limbs = forward_limbs(run, segment, l)
        limbs.check()
        moved = run.batch * gmax[l - 1] * sum(updates[l - 1])
        wmax = w_in.weight_bound[l - 1] + amax[l - 1] * moved
        bmax = w_in.bias_bound[l - 1] + run.bias[l - 1] * (moved << segment.scales.fa[l - 1])
        rule(w_out.weight_bound[l - 1] == wmax and w_out.bias_bound[l - 1] == bmax, "growth of a weight bound")
        product = run.widths[l - 1] * amax[l - 1] * wmax + (bmax << segment.scales.fa[l - 1])
        check(product < min(2**62, P - 2 ** (limbs.low + limbs.top)), "STATEMENT", f"forward bound of layer {l}")
        if l > 1:
            limbs = backward_limbs(run, segment, l - 1)
            limbs.check()
            product = run.widths[l] * gmax[l - 1] * wmax
            check(
                product < min(2**62, P - 2 ** (limbs.low + limbs.top)), "STATEMENT", f"backward bound of layer {l - 1}"
            )


# ---- tables


class Table(NamedTuple):
    """A public table: its columns, one entry per row."""

    name: str
    tag: int
    columns: list[array[int]]

    @property
    def rows(self) -> int:
        return len(self.columns[0])

    def digest(self) -> bytes:
        head = u64(len(self.name)) + u64(self.tag) + u64(len(self.columns)) + u64(self.rows) + self.name.encode()
        digest = hashlib.sha256(head)
        for column in self.columns:
            little = array("q", column)
            if sys.byteorder == "big":
                little.byteswap()
            digest.update(little)
        return digest.digest()


def exponential(d: int, frac: int, bits: int) -> int:
    """round(2^bits exp(-d 2^-frac)). Sixty digits decide it: the value is an integer for d = 0 and irrational otherwise."""
    context = Context(prec=60)
    value = context.multiply(context.exp(context.divide(Decimal(-d), Decimal(2**frac))), Decimal(2**bits))
    return int(value.to_integral_value(ROUND_HALF_UP))


def clip(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def range_table(widths: set[int], tag: int) -> Table:
    pairs = [(width, range(1 << width)) for width in sorted(widths)]
    values = array("q", (x for _, xs in pairs for x in xs))
    return Table("range", tag, [values, array("q", (width for width, xs in pairs for _ in xs))])


def tables(run: Run, segment: Segment) -> list[Table]:
    """All tables of a segment in the order of their tags."""
    fmt, last = run.format, run.depth
    forward = [forward_limbs(run, segment, l) for l in range(1, last + 1)]
    backward = [backward_limbs(run, segment, l) for l in range(1, last)]
    e, middle, found = forward[0].below, forward[0].middle, []
    tops = range(1 << forward[0].top)
    if last > 1:
        clipped = array("q", (clip((x >> e) - middle, 0, fmt.amax) for x in tops))
        positive = array("q", (int(v > 0) for v in clipped))
        found.append(Table("activation", 1, [array("q", tops), clipped, positive]))
    logits = array("q", (clip((x >> e) - middle, -fmt.ymax, fmt.ymax) for x in tops))
    found.append(Table("logit", 2, [array("q", tops), logits]))
    if last > 1:
        e, middle, tops = backward[0].below, backward[0].middle, range(1 << backward[0].top)
        zero, one = array("q", bytes(8 * len(tops))), array("q", [1]) * len(tops)
        clipped = array("q", (clip((x >> e) - middle, -fmt.gmax, fmt.gmax) for x in tops))
        found.append(Table("gradient", 3, [array("q", tops) + array("q", tops), zero + one, zero + clipped]))
    widths = {limbs.low_width for limbs in forward + backward}
    widths |= {limbs.mid_width for limbs in forward + backward if limbs.three}
    if run.cross_entropy:
        widths.add(run.remainder_bits)
    found.append(range_table(widths, 4))
    if run.cross_entropy:
        gaps, fg = range(2 * fmt.ymax + 1), segment.scales.fg[-1]
        values = array("q", (exponential(d, fmt.logit_frac, fmt.exp_bits) for d in gaps))
        found.append(Table("exp", 5, [array("q", gaps), values, array("q", (int(d == 0) for d in gaps))]))
        shares = array("q", range(2**fg + 1))
        label = array("q", bytes(8 * len(shares))) + array("q", [1]) * len(shares)
        gradient = array("q", (clip(q - (y << fg), -fmt.gmax, fmt.gmax) for y in (0, 1) for q in shares))
        found.append(Table("probability", 6, [shares + shares, label, gradient]))
        found.append(Table("max_count", 7, [array("q", range(1, run.classes + 1))]))
    return found
