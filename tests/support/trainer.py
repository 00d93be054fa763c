"""A slow integer trainer, written from review.md (a) and independent of `zkdl.train`, with hooks for cheating.

A cheat changes one thing and lets everything downstream follow from it, so that the resulting witness is wrong in exactly
one place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zkdl.backend.select import get_backend
from zkdl.proof.prover_tables import SegmentWitness, empty_columns, fill_multiplicities
from zkdl.proof.public import SegmentPublic
from zkdl.statement import requantise
from zkdl.statement.tables import build_tables
from zkdl.statement.weights import Weights

Hook = Callable[..., Any]


@dataclass
class Cheat:
    """Hooks by place; each takes the honest value and returns what is used instead."""

    hooks: dict[str, Hook] = field(default_factory=dict)

    def __call__(self, place: str, value: Any, **where: Any) -> Any:
        hook = self.hooks.get(place)
        return value if hook is None else hook(value, **where)


def cut(total: np.ndarray, requant: requantise.Requant) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """top, middle and low limb of Z + O."""
    shifted = total + requant.offset
    top = shifted >> requant.h
    rest = shifted - (top << requant.h)
    if not requant.mid_bits:
        return top, np.zeros_like(rest), rest
    middle = rest >> requant.low_bits
    return top, middle, rest - (middle << requant.low_bits)


class SlowTrainer:
    """One segment, step by step."""

    def __init__(self, public: SegmentPublic, weights: Weights, x: np.ndarray, y: np.ndarray, cheat: Cheat) -> None:
        self.public, self.run, self.segment = public, public.run, public.segment
        self.W = [w.copy() for w in weights.W]
        self.b = [None if b is None else b.copy() for b in weights.b]
        self.x, self.y, self.cheat = x, y, cheat
        self.matrix, self.columns = empty_columns(public.layout)
        self.tables = build_tables(self.run, self.segment)
        steps, batch = 1 << public.layout.log_steps, 1 << public.layout.log_batch
        self.features = np.zeros((self.run.widths[0], steps, batch), dtype=np.int32)
        self.labels = np.full((steps, batch), -1, dtype=np.int64)

    def write(self, name: str, layer: int, t: int, values: np.ndarray) -> None:
        """values: (B', units)."""
        values = self.cheat("column", values, name=name, layer=layer, t=t)
        if (name, layer) in self.columns:
            self.columns[name, layer][: values.shape[1], t] = values.T

    def bias_unit(self, layer: int) -> int:
        """What the constant one is at the input of a layer."""
        return int(self.cheat("bias-unit", 1 << self.segment.scales.fa[layer - 1], layer=layer))

    def forward(self, t: int, a: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        run = self.run
        activations, signs = [a], []
        for l in range(1, run.L + 1):
            z = activations[-1] @ self.W[l - 1]
            if self.b[l - 1] is not None:
                z = z + self.b[l - 1] * self.bias_unit(l)
            requant = requantise.forward(run, self.segment, l)
            top, middle, low = self.cheat("z-limbs", cut(z, requant), layer=l, t=t, requant=requant)
            self.write("z_hi", l, t, top)
            self.write("z_mid", l, t, middle)
            self.write("z_low", l, t, low)
            table = self.tables["activation" if l < run.L else "logit"]
            out = table.columns[1][np.clip(top, 0, len(table.columns[1]) - 1)]
            out = self.cheat("activation", out.copy(), layer=l, t=t)
            if l < run.L:
                sign = self.cheat("sign", (out > 0).astype(np.int64), layer=l, t=t)
                self.write("A", l, t, out)
                self.write("S", l, t, sign)
                signs.append(sign)
            else:
                self.write("Y", l, t, out)
            activations.append(out)
        return activations, signs

    def output_gradient(self, t: int, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        run, last = self.run, self.run.L
        one_hot = (labels[:, None] == np.arange(run.classes)).astype(np.int64)
        if run.loss == "mse":
            return logits - (one_hot << self.segment.scales.fa[-1])
        fg = self.segment.scales.fg[-1]
        mx = self.cheat("mx", logits.max(axis=1), t=t)
        self.columns["mx", last][t] = mx
        exp = self.tables["exp"].columns[1]
        d = mx[:, None] - logits
        e = exp[np.clip(d, 0, len(exp) - 1)]
        sums = e.sum(axis=1, keepdims=True)
        q = self.cheat("quotient", ((e << (fg + 1)) + sums) // (2 * sums), t=t)
        gmax = run.format.gradient_max
        g = np.clip(q - (one_hot << fg), -gmax, gmax)
        for name, values in (
            ("E", e),
            ("I0", (d == 0).astype(np.int64)),
            ("q", q),
            ("R", (e << (fg + 1)) + sums - 2 * sums * q),
        ):
            self.write(name, last, t, values)
        return g

    def backward(self, t: int, g: np.ndarray, signs: list[np.ndarray]) -> list[np.ndarray]:
        run = self.run
        gradients = [g]
        for l in range(run.L - 1, 0, -1):
            p = gradients[0] @ self.W[l].T
            requant = requantise.backward(run, self.segment, l)
            top, middle, low = self.cheat("p-limbs", cut(p, requant), layer=l, t=t, requant=requant)
            self.write("p_hi", l, t, top)
            self.write("p_mid", l, t, middle)
            self.write("p_low", l, t, low)
            table = self.tables["gradient"]
            half = len(table.columns[0]) // 2
            inside = np.clip(top, 0, half - 1)
            out = table.columns[2][inside + half * signs[l - 1]]
            out = self.cheat("gradient", out.copy(), layer=l, t=t, passed=table.columns[2][inside + half])
            self.write("G", l, t, out)
            gradients.insert(0, out)
        return gradients

    def execute(self) -> tuple[SegmentWitness, Weights]:
        run, public = self.run, self.public
        for t in range(1 << public.layout.log_steps):
            batch = 1 << public.layout.log_batch
            a, labels = np.zeros((batch, run.widths[0]), dtype=np.int64), np.full(batch, -1)
            if t < self.segment.steps:
                rows = self.cheat("rows", public.indices[self.cheat("step", t)], t=t)
                present = rows >= 0
                a[: len(rows)][present] = self.x[rows[present]]
                labels[: len(rows)][present] = self.y[rows[present]]
            a = self.cheat("features", a, t=t)
            labels = self.cheat("labels", labels, t=t)
            self.features[:, t], self.labels[t] = a.T, labels
            activations, signs = self.forward(t, a)
            g = self.cheat("output-gradient", self.output_gradient(t, activations[-1], labels), t=t)
            if run.loss == "ce":
                self.write("G", run.L, t, g)
            gradients = self.backward(t, g, signs)
            if t < self.segment.steps:
                self.update(t, activations, gradients)
        witness = SegmentWitness(public, self.matrix, self.columns, self.features, self.labels, self.y)
        fill_multiplicities(get_backend(), witness)
        return witness, Weights(self.W, self.b)

    def update(self, t: int, activations: list[np.ndarray], gradients: list[np.ndarray]) -> None:
        size = int(self.public.schedule.sizes[t])
        for l in range(1, self.run.L + 1):
            c = int(self.cheat("rate", int(self.public.schedule.updates[l - 1, t]), layer=l, t=t))
            a, g = activations[l - 1][:size], gradients[l - 1][:size]
            self.W[l - 1] -= c * (a.T @ g)
            if self.b[l - 1] is not None:
                c = int(self.cheat("bias-rate", c, layer=l, t=t))
                self.b[l - 1] -= c * self.bias_unit(l) * g.sum(axis=0)


def slow_witness(
    public: SegmentPublic, weights: Weights, x: np.ndarray, y: np.ndarray, cheat: Cheat | None = None
) -> tuple[SegmentWitness, Weights]:
    """Witness and final weights of a segment, honest or with one cheat."""
    return SlowTrainer(public, weights, x, y, cheat or Cheat()).execute()
