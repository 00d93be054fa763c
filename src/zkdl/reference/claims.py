"""The claims that a segment leaves on its commitments (docs/spec/relations.md, from "Values of the data" on)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkdl.reference.field import ONE, ZERO, K, X, eq_table
from zkdl.reference.hidden import Hidden
from zkdl.reference.lookup import equality, vector
from zkdl.reference.opening import Claim, Part
from zkdl.reference.parameters import LOG_LINK

if TYPE_CHECKING:
    from zkdl.reference.segment import SegmentVerifier


@dataclass
class DataPoint:
    """Where a hidden value of the data is taken: weights of features or classes, and the point of steps and examples."""

    of_labels: bool
    weights: list[K]
    step: list[K]
    example: list[K]


def low(point: list[K], count: int) -> list[K]:
    """The last `count` coordinates."""
    return point[len(point) - count :]


def data_values(proof: SegmentVerifier) -> tuple[list[Hidden], list[DataPoint]]:
    """The values of the data that the segment uses, and where they are taken."""
    run, x, v = proof.run, proof.x, proof.run.variables
    features = eq_table(low(x, v[0]))[: run.widths[0]]
    classes = eq_table(low(x, v[-1]))[: run.classes]
    products, unrolling = (proof.t, proof.beta), (proof.s, proof.b)
    values = [proof.forward[0].left, proof.unrolled[0].left]
    points = [DataPoint(False, features, *products), DataPoint(False, features, *unrolling)]
    if run.cross_entropy:
        values.append(proof.virtual[1])
        points.append(DataPoint(True, proof.leaf.virtual["label"], proof.tau, proof.beta))
        return values, points
    folded = DataPoint(True, proof.zeta[-1], *unrolling)
    if run.depth == 1:
        return values + proof.labels, [*points, folded]
    points += [DataPoint(True, classes, *products), folded, DataPoint(True, classes, *unrolling)]
    return values + proof.labels, points


def link_claim(value: Hidden, place: int, first_row: int) -> Claim:
    """Value `place` of the link whose two rows start at first_row."""
    bits = [ONE if place >> i & 1 else ZERO for i in reversed(range(LOG_LINK))]
    return Claim(value, [Part(first_row, [ONE, X], LOG_LINK, equality(bits))])


def column_claim(proof: SegmentVerifier, name: str, l: int, value: Hidden, weights: list[K], slot: list[K]) -> Claim:
    """A column with weights on all its unit positions, at a point of steps and examples."""
    column, log_units = proof.layout.columns[name, l], proof.layout.log_units
    positions = -(-column.units >> log_units) << log_units
    return Claim(value, [Part(column.first, weights[:positions], len(slot), equality(slot))])


def witness_claims(proof: SegmentVerifier) -> list[Claim]:
    """Claims on the witness, items 1 to 7."""
    run, last, leaf = proof.run, proof.run.depth, proof.leaf
    products, unrolling = proof.t + proof.beta, proof.s + proof.b
    at_x = [eq_table(low(proof.x, variables)) if l else [] for l, variables in enumerate(run.variables)]

    def activation(l: int, value: Hidden, weights: list[K], slot: list[K]) -> Claim:
        return column_claim(proof, "A", l, value, weights, slot)

    def gradient(l: int, value: Hidden, label: int, weights: list[K], slot: list[K]) -> Claim:
        """The last gradient of the squared error is no column: G_L = Y - 2^fa_L y, with the label value y."""
        if l < last or run.cross_entropy:
            return column_claim(proof, "G", l, value, weights, slot)
        value = value + proof.labels[label] * 2 ** proof.segment.scales.fa[last]
        return column_claim(proof, "Y", l, value, weights, slot)

    denominators = leaf.denominator
    for virtual in proof.virtual:
        denominators = denominators - virtual
    claims = [Claim(denominators, leaf.parts["witness"]), Claim(leaf.numerator, leaf.count_parts["witness"])]
    for l in range(1, last):
        claims.append(activation(l, proof.forward[l].left, at_x[l], products))
        claims.append(gradient(l + 1, proof.backward[l - 1].left, 0, at_x[l + 1], products))
    for l in range(1, last + 1):
        label = 0 if last == 1 else 1
        claims.append(gradient(l, proof.unrolled[l - 1].right, label, leaf.every[f"Z{l}"], unrolling))
    for l in range(1, last):
        claims.append(activation(l, proof.turned[l - 1].left, leaf.every[f"P{l}"], unrolling))
        claims.append(activation(l, proof.unrolled[l].left, at_x[l], unrolling))
        claims.append(gradient(l + 1, proof.turned[l - 1].right, 2, at_x[l + 1], unrolling))
    if run.cross_entropy:
        product, point = proof.division_end
        claims.append(column_claim(proof, "q", last, product.right, leaf.every["share"], point))
        claims.append(column_claim(proof, "E", last, product.left, [ONE] * len(leaf.every["share"]), point))
    padding = zero_parts(proof)
    return claims + ([Claim(Hidden(ZERO), padding)] if padding else [])


def zero_parts(proof: SegmentVerifier) -> list[Part]:
    """Positions without a unit in the last rows of all columns, at the in-row point of the leaves."""
    parts, scale, leaf, log_units = [], ONE, proof.leaf, proof.layout.log_units
    units = eq_table(leaf.unit_point)
    for (name, _), column in proof.layout.columns.items():
        used = column.units % len(units)
        if name != "mx" and used:
            weights = [ZERO] * used + [unit * scale for unit in units[used:]]
            parts.append(Part(column.first + (column.units >> log_units), weights, len(leaf.slot), equality(leaf.slot)))
            scale = scale * proof.zero_challenge
    return parts


def weight_claims(
    proof: SegmentVerifier, values: list[Hidden], biases: dict[int, Hidden], transposed: list[Hidden]
) -> list[Claim]:
    """Claims on a weight commitment, layer by layer: weights, biases, weights transposed (the last on W_in only)."""
    run, v, leaf, claims, row = proof.run, proof.run.variables, proof.leaf, [], 0
    for l in range(1, run.depth + 1):
        log_inputs = proof.weights_code.log_row - v[l]
        rows, held = -(-run.widths[l - 1] >> log_inputs), min(log_inputs, v[l - 1])
        count, zeta = rows << held, vector(proof.zeta[l - 1])

        def per_row(weights: list[K], held: int = held, log_inputs: int = log_inputs) -> list[K]:
            """Weights of inputs, laid on rows that hold 2^log_inputs inputs, zero behind 2^held of them."""
            padding, found = [ZERO] * ((1 << log_inputs) - (1 << held)), []
            for i in range(0, len(weights), 1 << held):
                found += weights[i : i + (1 << held)] + padding
            return found

        at_x = per_row(eq_table(low(proof.x, v[l - 1]))[:count])
        claims.append(Claim(values[l - 1], [Part(row, at_x, v[l], zeta)]))
        if l in biases:
            first_only = [ONE] + [ZERO] * ((1 << log_inputs) - 1)
            claims.append(Claim(biases[l], [Part(row + rows, first_only, v[l], zeta)]))
        if l > 1 and transposed:
            # The inputs have the weights of the leaves that p_low<l-1> starts at, whether or not such a unit exists.
            first, units = proof.layout.transposed_first[l - 1], eq_table(leaf.unit_point)
            leaf_rows = leaf.rows_table[first : first + (-(-count // len(units)))]
            at_leaves = [at_row * unit * leaf.beta_1 for at_row in leaf_rows for unit in units][:count]
            outputs = equality(low(proof.x, v[l]))
            claims.append(Claim(transposed[l - 2], [Part(row, per_row(at_leaves), v[l], outputs)]))
        row += rows + run.bias[l - 1]
    return claims
