"""Range proofs of a stored commitment: the data certificate and the range proof of committed initial weights.
[review.md, hole 5], [proof-system.md, 3]

Every value of the given rows, plus a public offset, is below 2^bits: it is cut into limbs of at most LIMB bits, the upper
ones committed, the lowest one virtual (a linear form in the row and its upper limbs), all looked up in one range table.
The data certificate adds two linear facts: the labels of each example sum to one (to zero behind the last example),
and the features behind the last example are zero.

Transcript: P: root of the limbs and multiplicities, of the masks, of the pads;  statement again;  V: (grinding) alpha, beta;
    LogUp tree;  P: hidden limb part;  V: point z, eta;  openings of both commitments;  sacrifice, pad proof, columns.
Soundness error: 2 * leaves / |K| (fingerprint), the tree, (log_row + rows)/|K| for the linear facts, two openings, pads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.eq import eq_prefix
from zkdl.algebra.extension import ONE, ZERO, Ext, from_array, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.scratch import IN_MEMORY, Storage
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import Committed, Matrix, commit, make_masks
from zkdl.commitment.parameters import CodeShape, ParameterSet, code_shape
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine, Ledger, PadCount, ProverLedger, VerifierLedger, constant
from zkdl.proof import security
from zkdl.protocols import fractions, lookup, opening
from zkdl.protocols.claims import Claims, Part, behind, fold_rows
from zkdl.protocols.lookup import LeafEquation, LeafLayout, Lookup, Source, TableRows, Term
from zkdl.statement.tables import Table
from zkdl.transcript.channel import ProverChannel, VerifierChannel
from zkdl.transcript.channel import Source as ByteSource
from zkdl.transcript.transcript import Transcript

LIMB = 16
AUXILIARY = 1 << 40  # row numbers from here on mean the certificate's own commitment
COUNTED_AT_ONCE = 1 << 22  # values; counting takes ten bytes more for each


@dataclass(frozen=True)
class RowRange:
    """Rows first_row .. first_row + rows hold values with 0 <= value + offset < 2^bits."""

    first_row: int
    rows: int
    offset: int
    bits: int

    @property
    def limbs(self) -> list[int]:
        """Widths from the lowest limb upwards."""
        full, rest = divmod(self.bits, LIMB)
        return [LIMB] * full + ([rest] if rest else [])


@dataclass(frozen=True)
class ZeroBehind:
    """The dataset's linear facts. labels: (first_row, rows, examples) per block; padded: the same for features."""

    labels: tuple[tuple[int, int, int], ...] = ()
    padded: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class CertificateLayout:
    """Sizes of a certificate, from public numbers."""

    target: CodeShape
    code: CodeShape
    ranges: tuple[RowRange, ...]
    facts: ZeroBehind
    leaves: LeafLayout
    parameters: ParameterSet

    def statement(self, about: bytes) -> bytes:
        """What the transcript starts from: the statement that the certificate is about, and all sizes."""
        codes = (self.target, self.code, pad_commitment.pad_shape(self.pad_count(), self.parameters).code)
        parts = (about, repr((self.parameters.name, *codes)).encode())
        return b"".join(len(part).to_bytes(8, "little") + part for part in parts)

    def pad_count(self) -> PadCount:
        count = lookup.pads(self.leaves) + PadCount(singles=1)
        return count + opening.pads(self.target) + opening.pads(self.code)


def _range_table(widths: list[int]) -> Table:
    values = [np.arange(1 << width, dtype=np.int64) for width in widths]
    labels = [np.full(1 << width, width, dtype=np.int64) for width in widths]
    return Table("range", 1, (np.concatenate(values), np.concatenate(labels)))


def certificate_layout(
    target: CodeShape, ranges: list[RowRange], facts: ZeroBehind, parameters: ParameterSet
) -> CertificateLayout:
    """Place limbs, multiplicities and leaves."""
    table = _range_table(sorted({width for r in ranges for width in r.limbs}))
    lookups: list[Lookup] = []
    row = leaf = 0
    for k, r in enumerate(ranges):
        lowest = [Term(1, Source.COLUMN, "value", r.first_row, r.rows), Term(r.offset, Source.EVERYWHERE)]
        for i, width in enumerate(r.limbs[1:], start=1):
            first = AUXILIARY + row
            lowest.append(Term(-(1 << (LIMB * i)), Source.COLUMN, f"limb{i}", first, r.rows))
            fields = ((Term(1, Source.COLUMN, f"limb{i}", first, r.rows),), (Term(width, Source.EVERYWHERE),))
            lookups.append(Lookup(f"{k}/{i}", "range", leaf, r.rows, r.rows, fields))
            row, leaf = row + r.rows, leaf + r.rows
        width_field = (Term(r.limbs[0], Source.EVERYWHERE),)
        lookups.append(Lookup(f"{k}/0", "range", leaf, r.rows, r.rows, (tuple(lowest), width_field)))
        leaf += r.rows
    table_rows = -(-len(table.columns[0]) >> target.log_row)
    tables = (TableRows(table, leaf, table_rows, AUXILIARY + row),)
    leaves = LeafLayout(target.log_row, 0, tuple(lookups), tables, leaf + table_rows)
    code = code_shape(row + table_rows, target.log_row, 1, parameters.once_rate, parameters.query_bits)
    return CertificateLayout(target, code, tuple(ranges), facts, leaves, parameters)


def _split(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    """Parts on the target and on the certificate's own commitment."""
    own = [Part(p.in_row, p.first_row - AUXILIARY, p.weights) for p in parts if p.first_row >= AUXILIARY]
    return [p for p in parts if p.first_row < AUXILIARY], own


def _fact_claims(backend: Backend, layout: CertificateLayout, claims: Claims, z: list[Ext], eta: Ext) -> None:
    """Label sums and zero padding, each one random combination at the point z."""
    eq = backend.eq_table(to_array(z).reshape(-1, 2))
    power, value, parts = ONE, ZERO, []
    for first, rows, examples in layout.facts.labels:
        value = value + power * eq_prefix(z, examples)
        parts.append(Part("fact", first, np.tile(power.array(), (rows, 1))))
        power = power * eta
    if parts:
        claims.in_rows["fact"] = eq
        claims.add(constant(value), parts)
    power, parts = ONE, []
    for first, rows, examples in layout.facts.padded:
        claims.in_rows[f"behind-{first}"] = behind(eq, examples)
        weights = np.empty((rows, 2), dtype=np.uint64)
        for i in range(rows):
            weights[i] = power.array()
            power = power * eta
        parts.append(Part(f"behind-{first}", first, weights))
    if parts:
        claims.add(constant(0), parts)


def _all_claims(
    backend: Backend,
    layout: CertificateLayout,
    leaf: LeafEquation,
    numerator: Affine,
    denominator: Affine,
    own: Affine,
    z: list[Ext],
    eta: Ext,
) -> tuple[Claims, Claims]:
    """Claims on the target and on the certificate's commitment."""
    on_target, on_own = _split(leaf.parts)
    _, multiplicities = _split(leaf.numerator_parts)
    row = backend.eq_table(to_array(leaf.point).reshape(-1, 2))
    target, auxiliary = Claims({"row": row}), Claims({"row": row})
    target.add(denominator - leaf.known - own, on_target)
    auxiliary.add(numerator - leaf.numerator_known, multiplicities)
    auxiliary.add(own, on_own)
    _fact_claims(backend, layout, target, z, eta)
    return target, auxiliary


def _shifted(r: RowRange, matrix: Matrix) -> Matrix:
    """The rows of a range plus its offset: the rows themselves where nothing is to be added or cut."""
    rows = matrix[r.first_row : r.first_row + r.rows]
    if len(r.limbs) > 1 or rows.dtype != np.int32:
        return rows.astype(np.int64) + r.offset
    return rows + np.int32(r.offset) if r.offset else rows


def _limbs(layout: CertificateLayout, matrix: Matrix) -> tuple[NDArray[np.int32], dict[str, NDArray[np.int32]]]:
    """The certificate's matrix, and for every lookup its looked-up values, flat."""
    own = np.zeros((layout.code.rows, layout.code.row), dtype=np.int32)
    values: dict[str, NDArray[np.int32]] = {}
    row = 0
    for k, r in enumerate(layout.ranges):
        shifted = _shifted(r, matrix)
        for i in range(len(r.limbs) - 1, 0, -1):
            limb = shifted >> (LIMB * i)
            shifted = shifted - (limb << (LIMB * i))
            values[f"{k}/{i}"] = limb.astype(np.int32).reshape(-1)
        values[f"{k}/0"] = shifted.astype(np.int32, copy=False).reshape(-1)
        for i in range(1, len(r.limbs)):
            own[row : row + r.rows] = values[f"{k}/{i}"].reshape(r.rows, -1)
            row += r.rows
    _count(layout, values, own[row:].reshape(-1))
    return own, values


def _count(layout: CertificateLayout, values: dict[str, NDArray[np.int32]], counts: NDArray[np.int32]) -> None:
    """Multiplicities of the range table; values outside their width are not counted and make the proof fail."""
    columns = layout.leaves.tables[0].table.columns
    start = {int(width): int(np.argmax(columns[1] == width)) for width in np.unique(columns[1])}
    for k, r in enumerate(layout.ranges):
        for i, width in enumerate(r.limbs):
            found, here = values[f"{k}/{i}"], counts[start[width] : start[width] + (1 << width)]
            for first in range(0, len(found), COUNTED_AT_ONCE):
                part = found[first : first + COUNTED_AT_ONCE]
                inside = part[(part >= 0) & (part < (1 << width))]
                here += np.bincount(inside, minlength=1 << width).astype(np.int32)


def prove(
    backend: Backend,
    protocol: str,
    statement: bytes,
    layout: CertificateLayout,
    target: Committed,
    entropy: Entropy,
    progress: Callable[[str, float], None],
    storage: Storage = IN_MEMORY,
) -> bytes:
    """Prove the ranges and facts of a committed matrix."""
    progress("certificate", 0.0)
    own_matrix, values = _limbs(layout, target.matrix)
    own = commit(backend, own_matrix, layout.code, entropy, "certificate", storage.kept_code_bytes)
    masks = [make_masks(backend, c.shape, entropy, f"mask/{name}") for name, c in (("target", target), ("own", own))]
    count = layout.pad_count()
    pads = pad_commitment.sample_pads(backend.local, count, entropy)
    committed = pad_commitment.commit(backend.local, pads, pad_commitment.pad_shape(count, layout.parameters), entropy)
    statement = layout.statement(statement)
    channel = ProverChannel(Transcript(protocol, statement))
    ledger = ProverLedger(count, channel, pads)
    for label, root in (
        ("root/own", own.root),
        ("root/mask/target", masks[0].tree.root),
        ("root/mask/own", masks[1].tree.root),
        ("root/pads", committed.tree.root),
    ):
        channel.send_bytes(label, root)
    channel.public("statement", statement)
    channel.grind("grind", security.grinding_bits(layout.leaves.leaves, layout.parameters.soundness_bits))
    alpha, betas = lookup.draw_fingerprint(channel.transcript.challenges)

    def fields(found: Lookup) -> list[NDArray[np.int32]]:
        flat = values[found.name]
        return [flat, np.broadcast_to(np.int32(found.fields[1][0].coefficient), flat.shape)]

    def counts(rows: TableRows) -> NDArray[np.int32]:
        first = rows.first_row - AUXILIARY
        return own_matrix[first : first + rows.rows].reshape(-1)

    program = lookup.leaf_program(layout.leaves, {"range": 1}, fields, counts, alpha, betas)
    progress("certificate", 0.3)
    claim = fractions.prove(ledger, backend.with_tables(storage.table), program, layout.leaves.n_vars)
    progress("certificate", 0.7)
    leaf = lookup.equation(backend, layout.leaves, {"range": 1}, claim.point, alpha, betas)
    row = backend.eq_table(to_array(leaf.point).reshape(-1, 2))
    limb_value = ZERO
    for part in _split(leaf.parts)[1]:
        used = np.ones(len(part.weights), dtype=np.bool_)
        folded = fold_rows(backend, part.weights, used, own_matrix[part.first_row : part.first_row + len(part.weights)])
        limb_value = limb_value + scalar(backend.k_sum(backend.k_mul(folded, row)))
    (hidden,) = ledger.send("limb-value", [limb_value])
    z, eta = _fact_challenges(ledger, layout)
    on_target, on_own = _all_claims(backend, layout, leaf, claim.numerator, claim.denominator, hidden, z, eta)
    opening.prove(ledger, backend, target, masks[0], on_target, "target")
    opening.prove(ledger, backend, own, masks[1], on_own, "own")
    ledger.sacrifice()
    ledger.check_used_up()
    pad_commitment.prove(backend.local, channel, committed, ledger.constraints)
    opened = [
        opening.prove_columns(ledger, backend, target, masks[0], "target"),
        opening.prove_columns(ledger, backend, own, masks[1], "own"),
    ]
    code = committed.tree.shape
    indices = channel.transcript.indices("pads/positions", code.domain, code.queries)
    for data in [*opened, committed.tree.columns(backend, indices)]:
        channel.send_last(data)
    progress("certificate", 1.0)
    return channel.proof()


def _fact_challenges(ledger: Ledger, layout: CertificateLayout) -> tuple[list[Ext], Ext]:
    transcript = ledger.channel.transcript  # type: ignore[attr-defined]  # both ledgers have a channel
    drawn = from_array(transcript.challenges("facts", layout.target.log_row + 1))
    return drawn[:-1], drawn[-1]


def verify(
    backend: Backend, protocol: str, statement: bytes, layout: CertificateLayout, root: bytes, source: ByteSource
) -> None:
    """Check a certificate of the commitment with this root. Raises Rejected or MalformedProof."""
    statement = layout.statement(statement)
    channel = VerifierChannel(Transcript(protocol, statement), source)
    count = layout.pad_count()
    ledger = VerifierLedger(count, channel)
    own_root, *mask_roots = (
        channel.receive_bytes(label, 32) for label in ("root/own", "root/mask/target", "root/mask/own")
    )
    pad_root = channel.receive_bytes("root/pads", 32)
    channel.public("statement", statement)
    channel.check_grind("grind", security.grinding_bits(layout.leaves.leaves, layout.parameters.soundness_bits))
    alpha, betas = lookup.draw_fingerprint(channel.transcript.challenges)
    claim = fractions.verify(ledger, layout.leaves.n_vars)
    leaf = lookup.equation(backend, layout.leaves, {"range": 1}, claim.point, alpha, betas)
    (hidden,) = ledger.receive("limb-value", 1)
    z, eta = _fact_challenges(ledger, layout)
    on_target, on_own = _all_claims(backend, layout, leaf, claim.numerator, claim.denominator, hidden, z, eta)
    pending = [
        opening.verify(ledger, backend, layout.target, root, mask_roots[0], on_target, "target"),
        opening.verify(ledger, backend, layout.code, own_root, mask_roots[1], on_own, "own"),
    ]
    ledger.sacrifice()
    ledger.check_used_up()
    pad_shape = pad_commitment.pad_shape(count, layout.parameters)
    pads = pad_commitment.verify(backend, channel, pad_shape, pad_root, ledger.constraints)
    pad_commitment.verify_sum(backend, pads)
    names = ("target", "own")
    positions = [opening.draw_positions(ledger, p.shape, name) for p, name in zip(pending, names, strict=True)]
    pad_positions = opening.draw_positions(ledger, pad_shape.code, "pads")
    for p, indices, name in zip(pending, positions, names, strict=True):
        opening.verify_columns(ledger, backend, p, indices, name)
    code = pad_shape.code
    columns = opening.receive_columns(ledger, pad_root, code.rows, code.log_domain, pad_positions, "pads")
    pad_commitment.verify_columns(backend, pads, columns, pad_positions)
    channel.finish()
