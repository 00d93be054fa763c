"""The proof of a segment (docs/spec/segment.md, relations.md)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from itertools import islice

from .field import ONE, ZERO, K, X, dot, eq, eq_table, inner, powers, split, total
from .hidden import Hidden, Product, Session
from .layout import Layout, choose_layout
from .lookup import LeafClaims, equality
from .opening import Claim, Inner, Opening, Part, finish
from .parameters import (
    PARAMETER_SET,
    Code,
    link_code,
    opening_scalars,
    pad_code,
    tree_counts,
    weights_code,
    work_bits,
)
from .soundness import Security
from .statement import Run, Segment
from .training import batches, initial_weights, sampler_seed, tables, update_integers
from .transcript import Section, Transcript, framed


@dataclass
class DataPoint:
    """Where a hidden value of the data is taken: weights of features or classes, and the point of steps and examples."""

    of_labels: bool
    weights: list[K]
    step: list[K]
    example: list[K]


@dataclass
class SegmentResult:
    """What a segment leaves for the data proof."""

    statement: Segment
    link_root: bytes
    state: bytes
    points: list[DataPoint]
    order: list[list[int]]
    security: Security


def low(point: list[K], count: int) -> list[K]:
    """The last `count` coordinates."""
    return point[len(point) - count :]


def seed_values(run: Run, x: list[K], zeta: list[list[K]], pi: list[list[K]]) -> tuple[list[K], list[K]]:
    """W_l at (x, zeta_l) for all l, and W_{l+1} at (pi_l, x) for l < L, of the weights that the seed gives."""
    straight, transposed, v = [], [], run.variables
    for layer in range(run.depth):
        inputs, outputs = eq_table(low(x, v[layer])), eq_table(low(x, v[layer + 1]))[: run.widths[layer + 1]]
        stream, to_zeta, to_x = initial_weights(run, layer), split(zeta[layer]), split(outputs)
        by_zeta, by_pi = ZERO, ZERO
        for i in range(run.widths[layer]):
            row = list(islice(stream, run.widths[layer + 1]))
            by_zeta += inputs[i] * dot(to_zeta, row)
            if layer:
                by_pi += pi[layer - 1][i] * dot(to_x, row)
        straight.append(by_zeta)
        transposed += [by_pi] if layer else []
    return straight, transposed


class SegmentVerifier:
    """One segment; `verify` runs through its messages in order."""

    def __init__(self, run: Run, segment: Segment) -> None:
        self.run, self.segment = run, segment
        self.tables = tables(run, segment)
        self.layout: Layout = choose_layout(run, segment, self.tables)
        self.weights_code = weights_code(run.widths, run.bias, run.weights_budget)
        self.leaves = self.layout.leaves(segment, self.weights_code)
        self.codes: dict[str, Code] = {"witness": self.layout.code, "link": link_code(run.data_budget)}
        if not segment.from_seed:
            self.codes["w_in"] = self.weights_code
        self.codes["w_out"] = self.weights_code
        v = run.variables
        self.unit_variables = max(v[: run.depth] + v[2:])
        self.pads = pad_code(*self.pad_counts())

    def pad_counts(self) -> tuple[int, int]:
        run, last, biases = self.run, self.run.depth, sum(self.run.bias)
        slot = self.layout.log_steps + self.layout.log_batch
        scalars, products = tree_counts(self.leaves.variables)
        scalars += 3 + 2 * slot if run.cross_entropy else 1
        scalars += 2 * (self.unit_variables + self.layout.log_steps) + biases + last + biases + 3 * slot
        scalars += 0 if self.segment.from_seed else 2 * last - 1 + biases
        scalars += 0 if run.cross_entropy else 1 if last == 1 else 3
        scalars += sum(opening_scalars(opened) for opened in self.codes.values())
        return scalars, products + run.cross_entropy + 2 * (2 * last - 1)

    def soundness(self) -> Security:
        """From the sizes alone."""
        run, layout, last = self.run, self.layout, self.run.depth
        slot, found = layout.log_steps + layout.log_batch, Security(f"segment at step {self.segment.first_step}")
        found.lookup(self.leaves.count, self.leaves.variables, round_error=4, child_error=3)
        if run.cross_entropy:
            found.add(2, slot)
        found.add(3, self.unit_variables + layout.log_steps)
        found.add(3 * last - 1 + 2 * sum(run.bias))
        found.add(3, slot)
        found.add(len(layout.columns))
        values = 3 if run.cross_entropy or last == 1 else 5
        claims = {"witness": 6 * last + 4, "link": values, "w_in": 3 * last, "w_out": 3 * last}
        found.finish([(opened, claims[name]) for name, opened in self.codes.items()], self.pads, products=True)
        return found

    def statement_bytes(self, order: list[list[int]], updates: list[list[int]]) -> bytes:
        steps, batch = self.segment.steps, self.run.batch
        indices = b"".join(struct.pack(f"<{batch}q", *used, *[-1] * (batch - len(used))) for used in order)
        sizes = (PARAMETER_SET, self.layout.code, self.codes["link"], self.weights_code, self.pads)
        return framed(
            [
                self.run.raw,
                self.segment.raw,
                b"".join(table.digest() for table in self.tables),
                sampler_seed(self.run),
                hashlib.sha256(b"".join(struct.pack(f"<{steps}q", *row) for row in updates)).digest(),
                hashlib.sha256(indices).digest(),
                repr(sizes).encode(),
            ]
        )

    def verify(self, section: Section) -> SegmentResult:
        run, segment, last = self.run, self.segment, self.run.depth
        security = self.soundness()
        order, self.updates = batches(run, segment), update_integers(run, segment)
        self.sizes = [len(used) for used in order]
        statement = self.statement_bytes(order, self.updates)
        section.need(sum(opened.opened_bytes for opened in [*self.codes.values(), self.pads]))
        session = Session(section, Transcript("zkdl/segment/1", statement), *self.pad_counts())
        roots = {"witness": session.root("root/witness")}
        masks = {name: session.root(f"root/mask/{name}") for name in self.codes}
        pads_root = session.root("root/pads")
        session.transcript.absorb("statement", 0, statement)
        session.work(work_bits(self.leaves.count))
        leaf = LeafClaims(session, self.leaves)
        self.zeta = [leaf.virtual[f"Z{l}"] for l in range(1, last + 1)]
        self.pi = [leaf.virtual[f"P{l}"] for l in range(1, last)]
        tau, beta = leaf.slot[: self.layout.log_steps], leaf.slot[self.layout.log_steps :]

        virtual = session.scalars("virtual-values", 3 if run.cross_entropy else 1)
        denominator = leaf.denominator
        for value in virtual:
            denominator = denominator - value
        division = self.division(session, leaf.slot, virtual[2]) if run.cross_entropy else None
        forward, backward, biases = self.matrix_products(session, virtual[0], tau)
        self.weight_values(session)
        self.unrolling(session, forward, backward, biases)
        label_count = 0 if run.cross_entropy else 1 if last == 1 else 3
        labels = session.scalars("label-values", label_count)

        # The values of the data, which the link holds, and where they are taken.
        x, v = self.x, run.variables
        features = eq_table(low(x, v[0]))[: run.widths[0]]
        classes = eq_table(low(x, v[last]))[: run.classes]
        first, second = (self.t, beta), (self.s, self.b)
        points = [DataPoint(False, features, *first), DataPoint(False, features, *second)]
        values = [forward[0].left, self.unrolled[0].left]
        if run.cross_entropy:
            points.append(DataPoint(True, leaf.virtual["label"], tau, beta))
            values.append(virtual[1])
        elif last == 1:
            points.append(DataPoint(True, self.zeta[-1], *second))
        else:
            points += [DataPoint(True, classes, *first), DataPoint(True, self.zeta[-1], *second)]
            points.append(DataPoint(True, classes, *second))
        values += labels

        roots["link"] = session.root("root/link")
        roots["w_in"], roots["w_out"] = bytes.fromhex(segment.w_in.root), bytes.fromhex(segment.w_out.root)
        zero = session.challenge("zero-pads")
        claims = {"witness": [Claim(denominator, leaf.parts["witness"]), Claim(leaf.numerator, leaf.count_parts["witness"])]}
        claims["witness"] += self.witness_claims(leaf, beta, forward, backward, labels)
        if division:
            claims["witness"] += self.division_claims(leaf, *division)
        claims["witness"] += self.zero_claim(leaf, zero)
        claims["link"] = [link_claim(value, i, 0) for i, value in enumerate(values)]
        claims["w_in"] = self.weight_claims(leaf, self.start, self.start_biases, self.start_transposed)
        claims["w_out"] = self.weight_claims(leaf, self.end, self.end_biases, [])

        openings = [Opening(name, code, [roots[name]], masks[name]) for name, code in self.codes.items()]
        for opening in openings:
            opening.messages(session, claims[opening.name])
        state = finish(session, self.pads, pads_root, openings)
        return SegmentResult(segment, roots["link"], state, points, order, security)

    # ---- reductions, in the order of the messages

    def division(self, session: Session, slot: list[K], share: Hidden) -> tuple[Product, list[K]]:
        claim, point = session.sumcheck("division", share, list(slot))
        (product,) = session.multiply("division-product", 1)
        session.zero(claim - product.value)
        return product, point

    def matrix_products(
        self, session: Session, claim: Hidden, tau: list[K]
    ) -> tuple[list[Product], list[Product], dict[int, Hidden]]:
        """R1 and R2: products (A_{l-1}, Wz_l), products (G_{l+1}, Wp_l), and the biases bz_l by l."""
        run, last, v, vx = self.run, self.run.depth, self.run.variables, self.unit_variables
        claim, point = session.sumcheck("matmul", claim, [None] * vx + list(tau))
        self.x, self.t = point[:vx], point[vx:]
        products = session.multiply("matmul-products", 2 * last - 1)
        forward, backward = products[:last], products[last:]
        with_bias = [l for l in range(1, last + 1) if run.bias[l - 1]]
        biases = dict(zip(with_bias, session.scalars("matmul-biases", len(with_bias)), strict=True))
        for l in range(1, last + 1):
            claim = claim - forward[l - 1].value * self.absent(v[l - 1])
        for l in range(1, last):
            claim = claim - backward[l - 1].value * self.absent(v[l + 1])
        for l, bias in biases.items():
            claim = claim - bias * (self.absent(0) * 2 ** self.segment.fa[l - 1])
        session.zero(claim)
        return forward, backward, biases

    def absent(self, variables: int) -> K:
        """z_m: the product of 1 - x'_i over the coordinates that a table of m variables does not have."""
        product = ONE
        for coordinate in self.x[: len(self.x) - variables]:
            product = product * (ONE - coordinate)
        return product

    def weight_values(self, session: Session) -> None:
        """Values of W_in and W_out at (x', zeta_l), of their biases, and of W_in transposed."""
        last, with_bias = self.run.depth, [l for l in range(1, self.run.depth + 1) if self.run.bias[l - 1]]
        if self.segment.from_seed:
            straight, transposed = seed_values(self.run, self.x, self.zeta, self.pi)
            self.start, self.start_transposed = [Hidden(w) for w in straight], [Hidden(w) for w in transposed]
            self.start_biases = dict.fromkeys(with_bias, Hidden(ZERO))
        else:
            values = session.scalars("w_in-values", 2 * last - 1 + len(with_bias))
            self.start, self.start_transposed = values[:last], values[last + len(with_bias) :]
            self.start_biases = dict(zip(with_bias, values[last : last + len(with_bias)], strict=True))
        values = session.scalars("w_out-values", last + len(with_bias))
        self.end, self.end_biases = values[:last], dict(zip(with_bias, values[last:], strict=True))

    def unrolling(
        self, session: Session, forward: list[Product], backward: list[Product], biases: dict[int, Hidden]
    ) -> None:
        """R7: the weights in the middle and at the end are those at the start less the updates."""
        run, last, fa = self.run, self.run.depth, self.segment.fa
        scale = iter(powers(session.challenge("unroll-rho"), 3 * last - 1 + 2 * len(biases)))
        claim, middle, end, bias_middle, bias_end = Hidden(ZERO), {}, {}, {}, {}
        for l in range(1, last + 1):
            middle[l], end[l] = next(scale), next(scale)
            start = self.start[l - 1]
            claim = claim + (start - forward[l - 1].right) * middle[l] + (start - self.end[l - 1]) * end[l]
            if l in biases:
                bias_middle[l], bias_end[l] = next(scale), next(scale)
                start = self.start_biases[l]
                claim = claim + (start - biases[l]) * bias_middle[l] + (start - self.end_biases[l]) * bias_end[l]
        turned = {l: next(scale) for l in range(1, last)}
        for l in range(1, last):
            claim = claim + (self.start_transposed[l - 1] - backward[l - 1].right) * turned[l]
        log_steps = self.layout.log_steps
        claim, point = session.cubic_sumcheck("unroll", claim, log_steps + self.layout.log_batch)
        self.s, self.b = point[:log_steps], point[log_steps:]
        products = session.multiply("unroll-products", 2 * last - 1)
        self.unrolled, self.turned = products[:last], products[last:]
        # Per layer: sums over the steps of valid(s) c_{l,s}, with and without later(s).
        steps, at_t = self.segment.steps, eq_table(self.t)
        later, rest = [ZERO] * len(at_t), ZERO
        for s in reversed(range(len(at_t))):
            later[s], rest = rest, rest + at_t[s]
        at_s, at_b = eq_table(self.s), eq_table(self.b)
        prefix = {size: total(at_b[:size]) for size in set(self.sizes)}
        valid = [at_s[s] * prefix[self.sizes[s]] for s in range(steps)]
        valid_later = [a * b for a, b in zip(valid, later, strict=False)]
        plain = [dot(split(valid), c) for c in self.updates]
        delayed = [dot(split(valid_later), c) for c in self.updates]
        for l in range(1, last + 1):
            product, now, before = self.unrolled[l - 1], plain[l - 1], delayed[l - 1]
            claim = claim - product.value * (middle[l] * before + end[l] * now)
            if l in biases:
                claim = claim - product.right * ((bias_middle[l] * before + bias_end[l] * now) * 2 ** fa[l - 1])
        for l in range(1, last):
            claim = claim - self.turned[l - 1].value * (turned[l] * delayed[l])
        session.zero(claim)

    # ---- claims

    def column_claim(self, name: str, l: int, value: Hidden, outer: list[K], slot: list[K]) -> Claim:
        """A column with weights on all its unit positions, at a point of steps and examples."""
        column = self.layout.columns[name, l]
        positions = self.layout.column_rows(column.units) << self.layout.log_units
        return Claim(value, [Part(column.first, outer[:positions], len(slot), equality(slot))])

    def witness_claims(
        self, leaf: LeafClaims, beta: list[K], forward: list[Product], backward: list[Product], labels: list[Hidden]
    ) -> list[Claim]:
        """Activations and gradients, items 3 to 5."""
        run, last, v = self.run, self.run.depth, self.run.variables
        products, second = [*self.t, *beta], [*self.s, *self.b]
        at_x = [eq_table(low(self.x, variables)) if l else [] for l, variables in enumerate(v)]
        claims = []

        def gradient(l: int, value: Hidden, label: int, outer: list[K], slot: list[K]) -> Claim:
            if l < last or run.cross_entropy:
                return self.column_claim("G", l, value, outer, slot)
            value = value + labels[label] * 2 ** self.segment.fa[last]
            return self.column_claim("Y", l, value, outer, slot)

        for l in range(1, last):
            claims.append(self.column_claim("A", l, forward[l].left, at_x[l], products))
            claims.append(gradient(l + 1, backward[l - 1].left, 0, at_x[l + 1], products))
        for l in range(1, last + 1):
            label = 0 if last == 1 else 1
            claims.append(gradient(l, self.unrolled[l - 1].right, label, leaf.every[f"Z{l}"], second))
        for l in range(1, last):
            claims.append(self.column_claim("A", l, self.turned[l - 1].left, leaf.every[f"P{l}"], second))
            claims.append(self.column_claim("A", l, self.unrolled[l].left, at_x[l], second))
            claims.append(gradient(l + 1, self.turned[l - 1].right, 2, at_x[l + 1], second))
        return claims

    def division_claims(self, leaf: LeafClaims, product: Product, point: list[K]) -> list[Claim]:
        last, ones = self.run.depth, [ONE] * (self.layout.column_rows(self.run.classes) << self.layout.log_units)
        share = self.column_claim("q", last, product.right, leaf.every["share"], point)
        return [share, self.column_claim("E", last, product.left, ones, point)]

    def zero_claim(self, leaf: LeafClaims, challenge: K) -> list[Claim]:
        """Positions without a unit in the last rows of all columns are zero."""
        parts, scale, units = [], ONE, eq_table(leaf.unit_point)
        for (name, _), column in self.layout.columns.items():
            used = column.units % len(units)
            if name != "mx" and used:
                last_row = column.first + self.layout.column_rows(column.units) - 1
                outer = [ZERO] * used + [unit * scale for unit in units[used:]]
                parts.append(Part(last_row, outer, len(leaf.slot), equality(leaf.slot)))
                scale = scale * challenge
        return [Claim(Hidden(ZERO), parts)] if parts else []

    def weight_claims(
        self, leaf: LeafClaims, values: list[Hidden], biases: dict[int, Hidden], transposed: list[Hidden]
    ) -> list[Claim]:
        """Claims on a weight commitment, layer by layer: weights, biases, weights transposed."""
        run, v, log_units, claims, row = self.run, self.run.variables, self.layout.log_units, [], 0
        for l in range(1, run.depth + 1):
            inputs = self.weights_code.log_row - v[l]
            rows, held = -(-run.widths[l - 1] >> inputs), min(inputs, v[l - 1])
            pad = [ZERO] * ((1 << inputs) - (1 << held))

            def claim(value: Hidden, at_inputs: list[K], at_outputs: list[K], row: int = row) -> Claim:
                outer = []
                for i in range(0, len(at_inputs), 1 << held):  # noqa: B023
                    outer += at_inputs[i : i + (1 << held)] + pad  # noqa: B023
                return Claim(value, [Part(row, outer, v[l], vector(at_outputs))])  # noqa: B023

            at_x = eq_table(low(self.x, v[l - 1]))[: rows << held]
            claims.append(claim(values[l - 1], at_x, self.zeta[l - 1]))
            if l in biases:
                bias = Part(row + rows, [ONE] + [ZERO] * ((1 << inputs) - 1), v[l], vector(self.zeta[l - 1]))
                claims.append(Claim(biases[l], [bias]))
            if l > 1 and transposed:
                first = self.layout.transposed_first[l - 1]
                count = -(-(rows << held) >> log_units)
                units = eq_table(leaf.unit_point)
                at_leaves = [r * unit * leaf.beta_1 for r in leaf.rows_table[first : first + count] for unit in units]
                at_x = eq_table(low(self.x, v[l]))
                claims.append(claim(transposed[l - 2], at_leaves[: rows << held], at_x))
            row += rows + run.bias[l - 1]
        return claims

def vector(values: list[K]) -> Inner:
    """A table, zero behind its end, as an in-row vector."""
    return lambda point: inner(values, eq_table(point)[: len(values)])


def link_claim(value: Hidden, place: int, first_row: int) -> Claim:
    """Value `place` of a link whose two rows start at first_row."""

    def unit(point: list[K]) -> K:
        return eq([ONE if place >> (len(point) - 1 - i) & 1 else ZERO for i in range(len(point))], point)

    return Claim(value, [Part(first_row, [ONE, X], 7, unit)])
