"""The sections `data` and `initial`: stored rows are in their ranges (docs/spec/certificates.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zkdl.reference import parameters
from zkdl.reference.field import ZERO, K, eq_prefix, eq_table, inner, powers
from zkdl.reference.hidden import Hidden, Session
from zkdl.reference.lookup import Column, LeafClaims, Leaves, Lookup, equality
from zkdl.reference.opening import Claim, Opening, Part, finish
from zkdl.reference.soundness import Security
from zkdl.reference.statement import Run
from zkdl.reference.training import range_table
from zkdl.reference.transcript import Section, Transcript, framed

LIMB_BITS = 16


class Range(NamedTuple):
    """Rows of the target whose entries, plus an offset, are below 2^bits."""

    rows: Column
    offset: int
    bits: int

    @property
    def widths(self) -> list[int]:
        """Of the limbs, from the lowest."""
        whole, rest = divmod(self.bits, LIMB_BITS)
        return [LIMB_BITS] * whole + [rest] * (rest > 0)


def data_ranges(run: Run, target: parameters.Code) -> list[Range]:
    ranges, row = [], 0
    for _ in range(blocks(run, target)):
        ranges.append(Range(Column("target", row, run.widths[0]), -run.format.feature_min, run.format.feature_bits))
        row += run.widths[0]
        ranges.append(Range(Column("target", row, run.classes), 0, 1))
        row += run.classes
    return ranges


def blocks(run: Run, target: parameters.Code) -> int:
    return -(-run.examples >> target.log_row)


def initial_ranges(run: Run, target: parameters.Code) -> list[Range]:
    ranges, row = [], 0
    for layer in range(run.depth):
        rows = parameters.weight_rows(run.widths[layer : layer + 2], [0], target.log_row)
        for units, bound in ((rows, run.init_weight_bound[layer]), (run.bias[layer], run.init_bias_bound[layer])):
            if units:
                ranges.append(Range(Column("target", row, units), bound, bound.bit_length()))
                row += units
    return ranges


def place(ranges: list[Range], target: parameters.Code) -> tuple[Leaves, parameters.Code]:
    """The leaves, and the code of the certificate's own rows: upper limbs, then multiplicities."""
    lookups, own, leaf = [], 0, 0
    for rows, offset, bits in ranges:
        widths, units = Range(rows, offset, bits).widths, rows.units
        lowest = Lookup("limb", 1, units, columns=[(0, 1, rows)], everywhere=[(0, offset), (1, widths[0])])
        group = []
        for i, width in enumerate(widths[1:], start=1):
            limb = Column("own", own, units)
            own += units
            group.append(Lookup("limb", 1, units, columns=[(0, 1, limb)], everywhere=[(1, width)]))
            lowest.columns.append((0, -(1 << LIMB_BITS * i), limb))
        for lookup in [*group, lowest]:
            lookup.first = leaf
            leaf += units
            lookups.append(lookup)
    table = range_table({width for one in ranges for width in one.widths}, 1)
    counts = Column("own", own, table.rows)
    own += -(-table.rows >> target.log_row)
    leaves = Leaves(target.log_row, 0, lookups, [table], leaf, [counts])
    return leaves, parameters.code(own, target.log_row, 1, parameters.ONCE_RATE)


def data_facts(run: Run, target: parameters.Code, point: list[K], eta: K) -> list[Claim]:
    """The label sums, and zeros behind the last example."""
    count, ell = blocks(run, target), target.ell
    examples = [min(ell, run.examples - h * ell) for h in range(count)]
    height, value, parts = run.widths[0] + run.classes, ZERO, []
    for h, scale in enumerate(powers(eta, count)):
        value += scale * eq_prefix(point, examples[h])
        parts.append(Part(h * height + run.widths[0], [scale] * run.classes, target.log_row, equality(point)))
    claims = [Claim(Hidden(value), parts)]
    if examples[-1] < ell:

        def behind(other: Sequence[K]) -> K:
            return inner(eq_table(point)[examples[-1] :], eq_table(other)[examples[-1] :])

        row = (count - 1) * height
        claims.append(Claim(Hidden(ZERO), [Part(row, powers(eta, run.widths[0]), target.log_row, behind)]))
    return claims


def verify_certificate(run: Run, section: Section) -> Security:
    """The section `data` or `initial`; returns its soundness."""
    of_data = section.name == "data"
    if of_data:
        target = parameters.dataset_code(run.examples, run.widths[0], run.classes, run.data_budget)
        root, ranges = run.data_root, data_ranges(run, target)
    else:
        target = parameters.weights_code(run.widths, run.bias, run.weights_budget)
        root, ranges = run.init_root or "", initial_ranges(run, target)
    leaves, own = place(ranges, target)
    tree_scalars, products = parameters.tree_counts(leaves.variables)
    scalars = tree_scalars + 1 + parameters.opening_scalars(target) + parameters.opening_scalars(own)
    pads = parameters.pad_code(scalars, products)
    security = Security(section.name)
    security.lookup(leaves.count, leaves.variables, round_error=2, child_error=1)
    if of_data:
        partial = run.examples % target.ell != 0
        security.add(target.log_row + blocks(run, target) + (run.widths[0] if partial else 0))
    security.finish([(target, 3), (own, 2)], pads, products=True)
    section.need(target.opened_bytes + own.opened_bytes + pads.opened_bytes)
    statement = framed([run.raw, repr((parameters.PARAMETER_SET, target, own, pads)).encode()])
    session = Session(section, Transcript(f"zkdl/{section.name}/1", statement), scalars, products)
    roots = {"own": session.root("root/own"), "target": bytes.fromhex(root)}
    masks = {name: session.root(f"root/mask/{name}") for name in ("target", "own")}
    pads_root = session.root("root/pads")
    session.transcript.absorb("statement", 0, statement)
    session.work(parameters.work_bits(leaves.count))
    leaf = LeafClaims(session, leaves)
    (limb_value,) = session.scalars("limb-value", 1)
    *point, eta = session.challenges("facts", target.log_row + 1)
    claims = {
        "target": [Claim(leaf.denominator - limb_value, leaf.parts["target"])],
        "own": [Claim(leaf.numerator, leaf.count_parts["own"]), Claim(limb_value, leaf.parts.get("own", []))],
    }
    if of_data:
        claims["target"] += data_facts(run, target, point, eta)
    openings = [Opening(name, shape, [roots[name]], masks[name]) for name, shape in (("target", target), ("own", own))]
    for opening in openings:
        opening.messages(session, claims[opening.name])
    finish(session, pads, pads_root, openings)
    return security
