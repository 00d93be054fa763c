"""Which linear claims a segment's reductions leave on each commitment: written once, used by prover and verifier.

All weights here are public; only the values are hidden. See `protocols/claims.py` for the form of a claim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zkdl.algebra.extension import ONE, Array, Ext, to_array
from zkdl.backend.base import Backend
from zkdl.hiding.ledger import Affine, constant
from zkdl.proof.data_claims import LEAF, MATMUL, UNROLL, DataPoints, Place
from zkdl.proof.public import SegmentPublic
from zkdl.protocols.claims import Claims, Part, vector
from zkdl.protocols.lookup import LeafEquation
from zkdl.protocols.loss import DivisionClaims
from zkdl.protocols.matmul import MatmulClaims
from zkdl.protocols.unroll import UnrollClaims, WeightValues


@dataclass(frozen=True)
class Reduced:
    """Everything the reductions ended in."""

    equation: LeafEquation
    columns_claim: Affine
    multiplicities_claim: Affine
    beta: Ext
    division: DivisionClaims | None
    matmul: MatmulClaims
    unroll: UnrollClaims
    start: WeightValues | None
    end: WeightValues
    label: Affine | None
    labels: list[Affine]


class Assembly:
    """Builds the claims of one segment."""

    def __init__(self, backend: Backend, public: SegmentPublic, reduced: Reduced) -> None:
        self.backend = backend
        self.public = public
        self.reduced = reduced
        self.layout = public.layout
        point = reduced.equation.point
        self.units = point[: self.layout.log_units]
        self.slot = point[self.layout.log_units :]

    def _eq(self, point: list[Ext]) -> Array:
        return self.backend.eq_table(to_array(point).reshape(-1, 2))

    def _unit_weights(self, point: list[Ext], layer: int) -> tuple[Array, list[Ext]]:
        """Row weights of a column at a unit point, and the part of the point that stays inside the row."""
        cut = len(point) - self.layout.log_units
        rows = -(-self.public.run.widths[layer] >> self.layout.log_units)
        return self._eq(point[:cut])[:rows], point[cut:]

    def _column(self, in_row: str, name: str, layer: int, weights: Array) -> Part:
        return Part(in_row, self.layout.columns[name, layer].first_row, weights)

    def witness(self, zero_challenge: Ext) -> Claims:
        """Claims on the segment's own columns."""
        claims, reduced = Claims(), self.reduced
        equation = reduced.equation
        claims.in_rows["row"] = self._eq(equation.point)
        slot_eq = self._eq(self.slot)
        n_units = 1 << self.layout.log_units
        if self.public.cross_entropy:
            first = np.zeros((n_units, 2), dtype=np.uint64)
            first[0, 0] = 1
            claims.in_rows["first"] = self.backend.outer(first, slot_eq)
            claims.in_rows["ones"] = self.backend.outer(_ones(n_units), slot_eq)
        claims.add(reduced.columns_claim, equation.parts)
        claims.add(reduced.multiplicities_claim, equation.numerator_parts)
        self._matmul_claims(claims)
        self._unroll_claims(claims)
        if reduced.division is not None:
            self._division_claims(claims, reduced.division, n_units)
        self._zero_claims(claims, zero_challenge, n_units)
        return claims

    def _output_gradient(
        self, value: Affine, in_row: str, weights: Array, label: Affine | None
    ) -> tuple[Affine, list[Part]]:
        """G_L is a column for cross-entropy and Y - 2^fa label for the squared error."""
        last = self.public.run.L
        if label is None:
            return value, [self._column(in_row, "G", last, weights)]
        scale = 1 << self.public.segment.scales.fa[-1]
        return value + label * scale, [self._column(in_row, "Y", last, weights)]

    def _labels(self) -> tuple[Affine | None, Affine | None, Affine | None]:
        """Label values at (x', t', beta), (zeta_L, s', b') and (x', s', b')."""
        if self.public.cross_entropy:
            return None, None, None
        labels = self.reduced.labels
        if self.public.run.L == 1:
            return None, labels[0], None
        return labels[0], labels[1], labels[2]

    def _matmul_claims(self, claims: Claims) -> None:
        """A_l and G_{l+1} at (x', t', beta)."""
        m, last = self.reduced.matmul, self.public.run.L
        beta = self.slot[self.layout.log_steps :]
        for l in range(1, last):
            weights, inside = self._unit_weights(m.low(self.public.shape.log_widths[l]), l)
            claims.in_rows["matmul"] = self._eq([*inside, *m.step_point, *beta])
            claims.add(m.activations[l], [self._column("matmul", "A", l, weights)])
            weights, _ = self._unit_weights(m.low(self.public.shape.log_widths[l + 1]), l + 1)
            value = m.gradients[l - 1]
            if l + 1 < last:
                claims.add(value, [self._column("matmul", "G", l + 1, weights)])
            else:
                claims.add(*self._output_gradient(value, "matmul", weights, self._labels()[0]))

    def _unroll_claims(self, claims: Claims) -> None:
        """A_l and G_{l+1} at (x', s', b'), G_l at (zeta_l, s', b'), A_l at (pi_l, s', b')."""
        m, u, last = self.reduced.matmul, self.reduced.unroll, self.public.run.L
        rows = self.reduced.equation.virtual_rows
        here = [*u.step_point, *u.example_point]
        claims.in_rows["folded"] = self._eq([*self.units, *here])
        for l in range(1, last + 1):
            value = u.folded_gradients[l - 1]
            if l < last:
                claims.add(value, [self._column("folded", "G", l, rows[f"Z{l}"])])
            else:
                claims.add(*self._output_gradient(value, "folded", rows[f"Z{l}"], self._labels()[1]))
        for l in range(1, last):
            claims.add(u.folded_activations[l - 1], [self._column("folded", "A", l, rows[f"P{l}"])])
            weights, inside = self._unit_weights(m.low(self.public.shape.log_widths[l]), l)
            claims.in_rows["unroll"] = self._eq([*inside, *here])
            claims.add(u.activations[l], [self._column("unroll", "A", l, weights)])
            weights, _ = self._unit_weights(m.low(self.public.shape.log_widths[l + 1]), l + 1)
            value = u.gradients[l - 1]
            if l + 1 < last:
                claims.add(value, [self._column("unroll", "G", l + 1, weights)])
            else:
                claims.add(*self._output_gradient(value, "unroll", weights, self._labels()[2]))

    def _division_claims(self, claims: Claims, division: DivisionClaims, n_units: int) -> None:
        last = self.public.run.L
        claims.in_rows["division"] = self._eq([*self.units, *division.point])
        claims.in_rows["division-ones"] = self.backend.outer(_ones(n_units), self._eq(division.point))
        shares = self.reduced.equation.virtual_rows["share"]
        claims.add(division.quotients, [self._column("division", "q", last, shares)])
        rows = self.layout.columns["E", last].rows
        claims.add(division.sums, [self._column("division-ones", "E", last, _ones(rows))])

    def _zero_claims(self, claims: Claims, challenge: Ext, n_units: int) -> None:
        """What pads the last row of a column is zero: one random combination, at the lookup's random in-row point."""
        power, parts = ONE, []
        for column in self.layout.columns.values():
            present = column.units % n_units
            if present == 0 or column.name == "mx":
                continue
            name = f"pad-{present}"
            if name not in claims.in_rows:
                whole = vector(claims.in_rows["row"])
                first = present * (len(whole) // n_units)
                claims.in_rows[name] = np.concatenate([np.zeros((first, 2), dtype=np.uint64), whole[first:]])
            parts.append(Part(name, column.first_row + column.rows - 1, power.array().reshape(1, 2)))
            power = power * challenge
        if parts:
            claims.add(constant(0), parts)

    def data(self) -> tuple[list[Affine], DataPoints]:
        """The hidden values of the data, and where they are taken: A_0 at (x', t', beta) and (x', s', b'), then labels."""
        reduced, public = self.reduced, self.public
        m, u, virtual = reduced.matmul, reduced.unroll, reduced.equation.virtual
        steps, beta = self.slot[: self.layout.log_steps], self.slot[self.layout.log_steps :]
        units = self._eq(m.low(public.shape.log_widths[0]))[: public.run.widths[0]]
        values = [m.activations[0], u.activations[0]]
        places: list[Place] = [(m.step_point, beta), (u.step_point, u.example_point)]
        if public.cross_entropy:
            if reduced.label is None:
                raise ValueError("cross-entropy has a label value")
            places.append((steps, beta))
            return [*values, reduced.label], DataPoints(tuple(places), units, ((LEAF, virtual["label"]),))
        classes = self._eq(m.low(public.shape.log_widths[-1]))[: public.run.classes]
        zeta, last = virtual[f"Z{public.run.L}"], public.run.L
        labels = ((MATMUL, classes), (UNROLL, zeta), (UNROLL, classes)) if last > 1 else ((UNROLL, zeta),)
        return [*values, *reduced.labels], DataPoints(tuple(places), units, labels)

    def weights(self, values: WeightValues, with_transposed: bool) -> Claims:
        """W at (x', zeta_l), biases at zeta_l and, for W_in, W_{l+1} at (pi_l, x')."""
        claims, public, m = Claims(), self.public, self.reduced.matmul
        for l, place in enumerate(self.layout.weights.layers):
            outputs = 1 << place.log_outputs
            zeta = np.zeros((outputs, 2), dtype=np.uint64)
            zeta[: public.run.widths[l + 1]] = self.reduced.equation.virtual[f"Z{l + 1}"]
            units = m.low(public.shape.log_widths[l])
            inside = min(place.log_inputs, len(units))
            in_row = self._inputs(units[len(units) - inside :], place.log_inputs)
            rows = self._eq(units[: len(units) - inside])[: place.rows]
            claims.in_rows[f"weights-{l}"] = self.backend.outer(in_row, zeta)
            claims.add(values.weights[l], [Part(f"weights-{l}", place.first_row, rows)])
            bias = values.biases[l]
            if bias is not None and place.bias_row is not None:
                vector = np.zeros((self.layout.weights.code.row, 2), dtype=np.uint64)
                vector[:outputs] = zeta
                claims.in_rows[f"bias-{l}"] = vector
                claims.add(bias, [Part(f"bias-{l}", place.bias_row, _ones(1))])
            if with_transposed and l > 0:
                self._transposed_claim(claims, l, values.transposed[l - 1])
        return claims

    def _inputs(self, point: list[Ext], log_inputs: int) -> Array:
        """eq of the inputs inside one row, zero for inputs that the layer is too narrow to have."""
        table = np.zeros((1 << log_inputs, 2), dtype=np.uint64)
        table[: 1 << len(point)] = self._eq(point)
        return table

    def _transposed_claim(self, claims: Claims, l: int, value: Affine) -> None:
        """W_{l+1} (0-based l) at (pi_l, x'): pi_l are weights of consecutive leaf units, aligned to what a row holds."""
        place, m = self.layout.weights.layers[l], self.reduced.matmul
        lookup = next(x for x in self.layout.leaves.lookups if x.name == f"p_low{l}")
        unit_point = [*self.reduced.equation.row_point, *self.units]
        inside = min(place.log_inputs, self.public.shape.log_widths[l])
        in_row = self._inputs(unit_point[len(unit_point) - inside :], place.log_inputs)
        first = (lookup.first_leaf_row << self.layout.log_units) >> inside
        rows = self._eq(unit_point[: len(unit_point) - inside])[first : first + place.rows]
        scaled = self.backend.k_mul(rows, self.reduced.beta.array())
        outputs = self._eq(m.low(self.public.shape.log_widths[l + 1]))
        claims.in_rows[f"transposed-{l}"] = self.backend.outer(in_row, outputs)
        claims.add(value, [Part(f"transposed-{l}", place.first_row, scaled)])


def _ones(count: int) -> Array:
    out = np.zeros((count, 2), dtype=np.uint64)
    out[:, 0] = 1
    return out
