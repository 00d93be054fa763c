"""Zero knowledge of the composition: all sections' randomness -> all sections' revealed values, as one map.

Commitments are opened in several sections: a link by its segment and by the data proof, the dataset by its certificate and by the
data proof. For fixed challenges the rank of the joint map must be what the equations of the sections leave free when they
are counted one by one: a deficit would be a relation between sections that no equation explains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from tests.zero_knowledge.fixed import FixedTranscript, GivenEntropy, rank
from tests.zero_knowledge.test_rank import _columns, _integers, _linear_rank
from zkdl.algebra.extension import Array, Ext, P
from zkdl.backend.select import get_backend
from zkdl.commitment import link as link_commitment
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import MASK_ROWS, Committed, commit, make_masks
from zkdl.commitment.link import Stacked, stack
from zkdl.commitment.pads import PadShape
from zkdl.commitment.parameters import CodeShape, ParameterSet
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine, PadCount, ProverLedger
from zkdl.proof import certificate
from zkdl.proof.certificate import CertificateLayout, RowRange, ZeroBehind, certificate_layout
from zkdl.proof.data_claims import link_claims
from zkdl.protocols import opening
from zkdl.protocols.claims import Claims, Part
from zkdl.transcript.channel import ProverChannel

BACKEND = get_backend()
BUDGET, VALUES = 2, 2
LINK = CodeShape(2, 1, BUDGET, 1, BUDGET, 5)
DATASET = CodeShape(2, 1, BUDGET, 1, BUDGET, 5)
Opened = tuple[str, Committed | Stacked, Callable[[list[Affine]], Claims]]


@dataclass(frozen=True)
class Section:
    """What one section shows, and how many equations over F its verifier checks."""

    shown: list[int]
    equations: int


def _pad_shape(count: PadCount) -> PadShape:
    rows = -(-count.pads >> 1)
    return PadShape(CodeShape(2 * rows + 4, 1, 1, 1, 1, 5), rows)


def _section(entropy: Entropy, oracle: int, values: list[Ext], opened: list[Opened], pads: Array | None) -> Section:
    """Hidden values, their openings and the pad proof, as the sections of a container have them.

    Args:
        pads: of another section, which is the mistake that must show; None draws fresh ones.
    """
    count = PadCount(singles=len(values))
    for _, committed, _ in opened:
        count += opening.pads(committed.shape)
    masks = [make_masks(BACKEND, committed.shape, entropy, name) for name, committed, _ in opened]
    if pads is None:
        pads = pad_commitment.sample_pads(BACKEND, count, entropy)
    shape = _pad_shape(count)
    committed_pads = pad_commitment.commit(BACKEND, pads[: count.pads], shape, entropy)
    channel = ProverChannel(FixedTranscript(oracle))
    ledger = ProverLedger(count, channel, pads[: count.pads])
    hidden = ledger.send("values", values)
    for (name, committed, claims), mask in zip(opened, masks, strict=True):
        opening.prove(ledger, BACKEND, committed, mask, claims(hidden), name)
    ledger.check_used_up()
    pad_commitment.prove(BACKEND, channel, committed_pads, ledger.constraints)
    shown = _integers(channel.proof())
    for (name, committed, _), mask in zip(opened, masks, strict=True):
        code = committed.shape
        at = channel.transcript.indices(f"{name}/positions", code.domain, code.queries)
        parts = committed.parts if isinstance(committed, Stacked) else (committed,)
        for part in parts:
            shown += _columns(part.columns(BACKEND, at), code.queries, part.shape.rows)
        shown += _columns(mask.tree.columns(BACKEND, at), code.queries, MASK_ROWS)
    at = channel.transcript.indices("pads/positions", shape.code.domain, shape.code.queries)
    shown += _columns(committed_pads.tree.columns(BACKEND, at), shape.code.queries, shape.code.rows)
    queries = sum(committed.shape.queries for _, committed, _ in opened) + shape.code.queries
    return Section(shown, 4 * queries + 2)


def _dataset_claims(hidden: list[Affine]) -> Claims:
    claims = Claims({"a": np.array([[3, 1], [4, 1]], dtype=np.uint64)})
    for i, value in enumerate(hidden):
        weights = np.array([[5 + i, 9], [2, 6]], dtype=np.uint64)
        claims.add(value, [Part("a", 0, weights)])
    return claims


def _whole(randomness: Array, data_proofs: int, shared_pads: bool) -> tuple[list[Section], int]:
    """A certificate of the dataset, two segments, and data proofs over both links; returns what was drawn besides."""
    entropy = GivenEntropy(randomness)
    values = [[Ext(3, 4), Ext(5, 6)], [Ext(7, 8), Ext(9, 10)]]
    links = []
    for held in values:
        matrix = np.array([[value.a for value in held], [value.b for value in held]], dtype=np.uint64)
        links.append(commit(BACKEND, matrix, LINK, entropy, "link"))
    dataset = commit(BACKEND, np.array([[1, 2], [3, 4]], dtype=np.int64), DATASET, entropy, "dataset")
    sections = [_section(entropy, 1, [], [("target", dataset, lambda _: _dataset_claims([Affine(Ext(1))]))], None)]
    first_pads: Array | None = None
    for i, (held, link) in enumerate(zip(values, links, strict=True)):
        if shared_pads and i == 0:
            first_pads = pad_commitment.sample_pads(BACKEND, PadCount(singles=64), entropy)
        claims: Opened = ("link", link, lambda hidden: link_claims(BACKEND, [hidden]))
        sections.append(_section(entropy, 2 + i, held, [claims], first_pads if i == 0 else None))
    both = [*values[0], *values[1]]
    for k in range(data_proofs):
        opened: list[Opened] = [
            ("links", stack(links), lambda hidden: link_claims(BACKEND, [hidden[:VALUES], hidden[VALUES:]])),
            ("dataset", dataset, _dataset_claims),
        ]
        sections.append(_section(entropy, 4 + k, both, opened, first_pads))
    return sections, entropy.used


def _deficit(monkeypatch: pytest.MonkeyPatch, data_proofs: int, shared_pads: bool) -> int:
    """Relations between revealed values beyond the equations of the sections."""
    monkeypatch.setattr(link_commitment, "LOG_ROW", 1)
    equations: list[int] = []

    def reveal(randomness: Array) -> list[int]:
        sections, _ = _whole(randomness, data_proofs, shared_pads)
        equations[:] = [section.equations for section in sections]
        return [value for section in sections for value in section.shown]

    _, inputs = _whole(np.zeros(4096, dtype=np.uint64), data_proofs, shared_pads)
    found, revealed = _linear_rank(reveal, inputs)
    return revealed - sum(equations) - found


def test_sections_over_shared_commitments_reveal_only_what_their_equations_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _deficit(monkeypatch, 1, False) == 0


def test_one_data_proof_more_than_the_budget_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third opening of a row with random coefficients for two: one relation for each row of both links and the dataset."""
    assert _deficit(monkeypatch, 2, False) == 3 * 2


def test_pads_of_a_segment_in_the_data_proof_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values of a segment are sent twice, so two masked values with one pad are equal: two relations for each."""
    assert _deficit(monkeypatch, 1, True) >= 2 * VALUES


ONE_QUERY = ParameterSet("one-query", soundness_bits=0, query_bits=0.3, log_pad_row=1, test_only=True)


def _certificate_layout() -> CertificateLayout:
    """Two rows of bits, no limbs above the lowest; a fact on the second."""
    target = CodeShape(2, 1, 1, 1, 1, 5)
    return certificate_layout(target, [RowRange(0, 2, 0, 1)], ZeroBehind(((1, 1, 1),), ((0, 1, 1),)), ONE_QUERY)


def _reveal_certificate(monkeypatch: pytest.MonkeyPatch, layout: CertificateLayout, entropy: GivenEntropy) -> list[int]:
    """Everything but roots, salts and tree nodes. The bits are those of two examples, the second of them absent."""
    target = commit(BACKEND, np.array([[1, 0], [1, 0]], dtype=np.int32), layout.target, entropy, "target")
    kept: list[ProverChannel] = []

    def channel(transcript: FixedTranscript) -> ProverChannel:
        kept.append(ProverChannel(transcript))
        return kept[-1]

    monkeypatch.setattr(certificate, "Transcript", lambda protocol, statement: FixedTranscript(7))
    monkeypatch.setattr(certificate, "ProverChannel", channel)
    certificate.prove(BACKEND, "zkdl/test", b"", layout, target, entropy, lambda phase, done: None)
    chunks = kept[-1].chunks
    # Four roots, then elements, then three pieces of columns.
    shown = _integers(b"".join(chunks[4:-3]))
    pad_code = pad_commitment.pad_shape(layout.pad_count(), layout.parameters).code
    for chunk, code in zip(chunks[-3:-1], (layout.target, layout.code), strict=True):
        shown += _columns(chunk, code.queries, code.rows)
        rest = chunk[32 * code.queries + 8 * code.queries * code.rows + 32 * _nodes(code) :]
        shown += _columns(rest, code.queries, MASK_ROWS)
    return shown + _columns(chunks[-1], pad_code.queries, pad_code.rows)


def _nodes(code: CodeShape) -> int:
    assert code.queries == 1
    return code.log_domain


def test_a_certificate_reveals_only_what_its_equations_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triples make the map quadratic, but linear in every single coordinate: differences are its derivative, exactly.

    At a random point of the randomness the derivative has the rank that the equations leave.
    """
    layout = _certificate_layout()
    pads = pad_commitment.pad_shape(layout.pad_count(), layout.parameters).code
    queries = layout.target.queries + layout.code.queries + pads.queries
    probe = GivenEntropy(np.zeros(8192, dtype=np.uint64))
    _reveal_certificate(monkeypatch, layout, probe)
    here = np.random.default_rng(11).integers(0, P - 1, probe.used, dtype=np.uint64)
    at = _reveal_certificate(monkeypatch, layout, GivenEntropy(here))
    rows = []
    for i in range(probe.used):
        beside = here.copy()
        beside[i] += np.uint64(1)
        there = _reveal_certificate(monkeypatch, layout, GivenEntropy(beside))
        rows.append([(a - b) % P for a, b in zip(there, at, strict=True)])
    assert rank(rows) == len(at) - (4 * queries + 2)
