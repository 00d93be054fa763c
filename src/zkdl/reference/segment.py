"""The proof of a segment: sizes, messages, reductions (docs/spec/segment.md, relations.md)."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice

from zkdl.reference import parameters
from zkdl.reference.claims import DataPoint, data_values, link_claim, low, weight_claims, witness_claims
from zkdl.reference.field import ONE, ZERO, K, dot, eq_table, powers, split, total
from zkdl.reference.hidden import Hidden, Session
from zkdl.reference.layout import choose_layout
from zkdl.reference.lookup import LeafClaims
from zkdl.reference.opening import Opening, finish
from zkdl.reference.soundness import Security
from zkdl.reference.statement import Run, Segment
from zkdl.reference.training import batches, initial_weights, sampler_seed, tables, update_integers
from zkdl.reference.transcript import Section, Transcript, framed


@dataclass
class SegmentResult:
    """What a segment leaves for the data proof."""

    statement: Segment
    link_root: bytes
    state: bytes
    points: list[DataPoint]
    order: list[list[int]]
    security: Security


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
        self.layout = choose_layout(run, segment, self.tables)
        self.weights_code = parameters.weights_code(run.widths, run.bias, run.weights_budget)
        self.leaves = self.layout.leaves(segment, self.weights_code)
        self.codes: dict[str, parameters.Code] = {
            "witness": self.layout.code,
            "link": parameters.link_code(run.data_budget),
        }
        if not segment.from_seed:
            self.codes["w_in"] = self.weights_code
        self.codes["w_out"] = self.weights_code
        v = run.variables
        self.unit_variables = max(v[: run.depth] + v[2:])
        self.pads = parameters.pad_code(*self.pad_counts())

    def pad_counts(self) -> tuple[int, int]:
        run, last, biases = self.run, self.run.depth, sum(self.run.bias)
        slot = self.layout.log_steps + self.layout.log_batch
        scalars, products = parameters.tree_counts(self.leaves.variables)
        scalars += 3 + 2 * slot if run.cross_entropy else 1
        scalars += 2 * (self.unit_variables + self.layout.log_steps) + biases + last + biases + 3 * slot
        scalars += 0 if self.segment.from_seed else 2 * last - 1 + biases
        scalars += 0 if run.cross_entropy else 1 if last == 1 else 3
        scalars += sum(parameters.opening_scalars(opened) for opened in self.codes.values())
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
        sizes = (parameters.PARAMETER_SET, self.layout.code, self.codes["link"], self.weights_code, self.pads)
        packed = b"".join(struct.pack(f"<{steps}q", *row) for row in updates)
        digests = b"".join(table.digest() for table in self.tables)
        parts = [self.run.raw, self.segment.raw, digests, sampler_seed(self.run)]
        return framed([*parts, hashlib.sha256(packed).digest(), hashlib.sha256(indices).digest(), repr(sizes).encode()])

    def verify(self, section: Section) -> SegmentResult:
        run, segment, last = self.run, self.segment, self.run.depth
        security = self.soundness()
        section.need(sum(opened.opened_bytes for opened in [*self.codes.values(), self.pads]))
        order, self.updates = batches(run, segment), update_integers(run, segment)
        self.sizes = [len(used) for used in order]
        statement = self.statement_bytes(order, self.updates)
        session = Session(section, Transcript("zkdl/segment/1", statement), *self.pad_counts())
        roots = {"w_in": bytes.fromhex(segment.w_in.root), "w_out": bytes.fromhex(segment.w_out.root)}
        roots["witness"] = session.root("root/witness")
        masks = {name: session.root(f"root/mask/{name}") for name in self.codes}
        pads_root = session.root("root/pads")
        session.transcript.absorb("statement", 0, statement)
        session.work(parameters.work_bits(self.leaves.count))
        self.leaf = leaf = LeafClaims(session, self.leaves)
        self.zeta = [leaf.virtual[f"Z{l}"] for l in range(1, last + 1)]
        self.pi = [leaf.virtual[f"P{l}"] for l in range(1, last)]
        self.tau, self.beta = leaf.slot[: self.layout.log_steps], leaf.slot[self.layout.log_steps :]
        self.virtual = session.scalars("virtual-values", 3 if run.cross_entropy else 1)
        if run.cross_entropy:
            self.division(session)
        self.matrix_products(session)
        self.weight_values(session)
        self.unrolling(session)
        self.labels = session.scalars("label-values", 0 if run.cross_entropy else 1 if last == 1 else 3)
        values, points = data_values(self)
        roots["link"] = session.root("root/link")
        self.zero_challenge = session.challenge("zero-pads")
        claims = {
            "witness": witness_claims(self),
            "link": [link_claim(value, i, 0) for i, value in enumerate(values)],
            "w_in": weight_claims(self, self.start, self.start_biases, self.start_transposed),
            "w_out": weight_claims(self, self.end, self.end_biases, []),
        }
        openings = [Opening(name, code, [roots[name]], masks[name]) for name, code in self.codes.items()]
        for opening in openings:
            opening.messages(session, claims[opening.name])
        state = finish(session, self.pads, pads_root, openings)
        return SegmentResult(segment, roots["link"], state, points, order, security)

    # ---- reductions, in the order of the messages

    def division(self, session: Session) -> None:
        """The shares of softmax: Sum times the folded quotients, at the slot of the leaves."""
        claim, point = session.sumcheck("division", self.virtual[2], list(self.leaf.slot))
        (product,) = session.multiply("division-product", 1)
        session.zero(claim - product.value)
        self.division_end = product, point

    def matrix_products(self, session: Session) -> None:
        """R1 and R2: products (A_{l-1}, Wz_l), products (G_{l+1}, Wp_l), and the biases bz_l by l."""
        run, last, v, vx = self.run, self.run.depth, self.run.variables, self.unit_variables
        claim, point = session.sumcheck("matmul", self.virtual[0], [None] * vx + self.tau)
        self.x, self.t = point[:vx], point[vx:]
        products = session.multiply("matmul-products", 2 * last - 1)
        self.forward, self.backward = products[:last], products[last:]
        with_bias = [l for l in range(1, last + 1) if run.bias[l - 1]]
        self.biases = dict(zip(with_bias, session.scalars("matmul-biases", len(with_bias)), strict=True))
        for l in range(1, last + 1):
            claim = claim - self.forward[l - 1].value * self.absent(v[l - 1])
        for l in range(1, last):
            claim = claim - self.backward[l - 1].value * self.absent(v[l + 1])
        for l, bias in self.biases.items():
            claim = claim - bias * (self.absent(0) * 2 ** self.segment.scales.fa[l - 1])
        session.zero(claim)

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
            expanded = cache(partial(seed_values, self.run, self.x, self.zeta, self.pi))

            def from_seed(transposed: int, i: int) -> Hidden:
                return session.later(lambda: expanded()[transposed][i])

            self.start = [from_seed(0, i) for i in range(last)]
            self.start_transposed = [from_seed(1, i) for i in range(last - 1)]
            self.start_biases = dict.fromkeys(with_bias, Hidden(ZERO))
        else:
            values = session.scalars("w_in-values", 2 * last - 1 + len(with_bias))
            self.start, self.start_transposed = values[:last], values[last + len(with_bias) :]
            self.start_biases = dict(zip(with_bias, values[last : last + len(with_bias)], strict=True))
        values = session.scalars("w_out-values", last + len(with_bias))
        self.end, self.end_biases = values[:last], dict(zip(with_bias, values[last:], strict=True))

    def unrolling(self, session: Session) -> None:
        """R7: the weights in the middle and at the end are those at the start less the updates."""
        last, biases, forward, backward = self.run.depth, self.biases, self.forward, self.backward
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
                claim = claim - product.right * (
                    (bias_middle[l] * before + bias_end[l] * now) * 2 ** self.segment.scales.fa[l - 1]
                )
        for l in range(1, last):
            claim = claim - self.turned[l - 1].value * (turned[l] * delayed[l])
        session.zero(claim)
