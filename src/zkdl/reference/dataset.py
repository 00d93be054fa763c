"""The section `dataset`: the values that all segments take from the data (docs/spec/dataset.md)."""

from __future__ import annotations

from collections.abc import Sequence

from zkdl.reference.claims import DataPoint, link_claim
from zkdl.reference.field import ZERO, K, eq_table, total
from zkdl.reference.hidden import Hidden, Session
from zkdl.reference.opening import Claim, Inner, Opening, Part, finish
from zkdl.reference.parameters import PARAMETER_SET, dataset_code, link_code, opening_scalars, pad_code
from zkdl.reference.segment import SegmentResult
from zkdl.reference.soundness import Security
from zkdl.reference.statement import Run
from zkdl.reference.transcript import Section, Transcript, framed

Selection = dict[int, K]
"""c_n of R6, for the examples n that occur."""


def selection(result: SegmentResult, point: DataPoint, scale: K) -> Selection:
    """`scale` c_n: the sum of eq over the slots that hold example n."""
    steps, examples = eq_table(point.step), eq_table(point.example)
    chosen: Selection = {}
    for at_step, used in zip(steps, result.order, strict=False):
        at_step = at_step * scale
        for at_example, n in zip(examples, used, strict=False):
            weight = at_step * at_example
            chosen[n] = chosen[n] + weight if n in chosen else weight
    return chosen


def data_claims(run: Run, log_row: int, selected: Selection, value: Hidden, point: DataPoint) -> Claim:
    """One value of R6: the same row weights in every block, the block's own in-row vector."""
    height, ell = run.widths[0] + run.classes, 1 << log_row
    first = run.widths[0] if point.of_labels else 0
    by_block: dict[int, list[tuple[int, K]]] = {}
    for n, weight in selected.items():
        by_block.setdefault(n >> log_row, []).append((n % ell, weight))
    parts = [Part(h * height + first, point.weights, log_row, sparse(entries)) for h, entries in by_block.items()]
    return Claim(value, parts)


def sparse(entries: list[tuple[int, K]]) -> Inner:
    """An in-row vector that is zero but for some positions."""

    def extension(point: Sequence[K]) -> K:
        at = eq_table(point)
        return total(at[position] * weight for position, weight in entries)

    return extension


def verify_dataset(run: Run, section: Section, results: list[SegmentResult]) -> Security:
    """The last section, about the segments that were verified; returns its soundness."""
    per_segment, count = len(results[0].points), len(results)
    links = link_code(run.data_budget, count)
    target = dataset_code(run.examples, run.widths[0], run.classes, run.data_budget)
    scalars = per_segment * count + opening_scalars(links) + opening_scalars(target)
    pads = pad_code(scalars, 0)
    security = Security(section.name)
    security.add(1)
    security.finish([(links, count * per_segment), (target, count * (per_segment - 1))], pads, products=False)
    section.need(links.opened_bytes + target.opened_bytes + pads.opened_bytes)
    parts = [run.raw, repr((PARAMETER_SET, links, target, pads)).encode()]
    for result in results:
        parts += [result.statement.raw, result.link_root, result.state]
    statement = framed(parts)
    session = Session(section, Transcript("zkdl/dataset/1", statement), scalars, 0)
    masks = [session.root(f"root/mask/{name}") for name in ("links", "dataset")]
    pads_root = session.root("root/pads")
    session.transcript.absorb("statement", 0, statement)
    values = session.scalars("data-values", per_segment * count)
    merge = session.challenge("merge-features")
    link_claims = [link_claim(value, i % per_segment, 2 * (i // per_segment)) for i, value in enumerate(values)]
    claims = []
    for s, result in enumerate(results):
        own = values[s * per_segment : (s + 1) * per_segment]
        merged = selection(result, result.points[0], K(1))
        for n, weight in selection(result, result.points[1], merge).items():
            merged[n] = merged.get(n, ZERO) + weight
        claims.append(data_claims(run, target.log_row, merged, own[0] + own[1] * merge, result.points[0]))
        for value, point in zip(own[2:], result.points[2:], strict=True):
            claims.append(data_claims(run, target.log_row, selection(result, point, K(1)), value, point))
    openings = [
        Opening("links", links, [result.link_root for result in results], masks[0]),
        Opening("dataset", target, [bytes.fromhex(run.data_root)], masks[1]),
    ]
    openings[0].messages(session, link_claims)
    openings[1].messages(session, claims)
    finish(session, pads, pads_root, openings)
    return security
