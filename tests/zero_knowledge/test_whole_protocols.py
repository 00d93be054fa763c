"""Zero knowledge, exactly, of whole interactive protocols over tiny fields: the code of the prover with two witnesses.

Over K = F_9 all randomness of the prover is enumerated. The protocol with commitments, over F_17, has too much of it: there
the view is an affine function of the randomness, which is checked, so it is uniform on a coset, and cosets are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from tests.zero_knowledge.fixed import FixedTranscript, GivenEntropy
from tests.zero_knowledge.test_rank import _columns, _integers
from zkdl.algebra import extension
from zkdl.algebra.extension import Array, Ext, scalar, to_array
from zkdl.backend.reference import ReferenceBackend
from zkdl.backend.reference_field import Field
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import MASK_ROWS, commit, make_masks
from zkdl.commitment.pads import PadShape
from zkdl.commitment.parameters import CodeShape
from zkdl.hiding.ledger import PadCount, ProverLedger
from zkdl.protocols import opening
from zkdl.protocols.claims import Claims, Part
from zkdl.protocols.sumcheck import prove_dot, quadratic_pads
from zkdl.transcript.channel import ProverChannel

# 2 is no square modulo 3; 3 is none modulo 17 and generates its units.
THREE, SEVENTEEN = Field(p=3, non_residue=2, generator=2), Field(p=17, non_residue=3, generator=3)
ALL = [(a, b) for a in range(3) for b in range(3)]
View = tuple[int, ...]


class TinyTranscript(FixedTranscript):
    """Challenges in the tiny field; `first` are answered first."""

    def __init__(self, p: int, seed: int, first: tuple[Ext, ...] = ()) -> None:
        super().__init__(seed)
        self.p, self.first = p, list(first)

    def challenges(self, label: str, count: int) -> Array:
        if self.first and count == 1:
            return to_array([self.first.pop(0)])
        return np.frombuffer(self.squeeze(label, 16 * count), dtype="<u8").reshape(count, 2) % np.uint64(self.p)


@pytest.fixture
def field(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReferenceBackend]:
    """The backend over a tiny field; scalars are of the same."""
    chosen: Field = request.param
    monkeypatch.setattr(extension, "P", chosen.p)
    monkeypatch.setattr(extension, "NON_RESIDUE", chosen.non_residue)
    monkeypatch.setattr(pad_commitment, "P", chosen.p)
    monkeypatch.setattr(pad_commitment, "GENERATOR", chosen.generator)
    yield ReferenceBackend(chosen)


def _array(elements: tuple[tuple[int, int], ...]) -> Array:
    return np.array(elements, dtype=np.uint64).reshape(-1, 2)


# ---- a hidden claim and a masked sumcheck


def _sumcheck_views(
    backend: ReferenceBackend, witness: tuple[int, int], r: Ext, one_pad: bool = False
) -> Counter[View]:
    """Hidden sum of two entries times public weights, one round, for every value of all pads."""
    count = quadratic_pads(1) + PadCount(singles=1)
    table = np.array([[witness[0], 1], [witness[1], 2]], dtype=np.uint64)
    weights = np.array([[1, 1], [2, 1]], dtype=np.uint64)
    value = scalar(backend.k_sum(backend.k_mul(table, weights)))
    views: Counter[View] = Counter()
    for pads in product(ALL, repeat=count.pads):
        used = (pads[0],) * 3 if one_pad else pads
        channel = ProverChannel(TinyTranscript(3, 0, (r,)))
        ledger = ProverLedger(count, channel, _array(used))
        (claim,) = ledger.send("claim", [value])
        point, ((at_point, public),), last = prove_dot(ledger, backend, claim, [(table, weights)], 1, [], "round")
        assert point == [r] and ledger.reveal(last) == at_point * public
        views[tuple(_integers(channel.proof()))] += 1
    return views


@pytest.mark.parametrize("field", [THREE], indirect=True)
def test_a_hidden_sumcheck_is_distributed_alike_for_all_witnesses(field: ReferenceBackend) -> None:
    for r in (Ext(0), Ext(1), Ext(2, 1)):
        views = [_sumcheck_views(field, witness, r) for witness in ((0, 0), (1, 2))]
        assert views[0] == views[1]
        assert len(views[0]) == 9**3 and set(views[0].values()) == {1}


@pytest.mark.parametrize("field", [THREE], indirect=True)
def test_one_pad_for_all_messages_would_leak(field: ReferenceBackend) -> None:
    """The test above is sharp."""
    assert _sumcheck_views(field, (0, 0), Ext(1), True) != _sumcheck_views(field, (1, 2), Ext(1), True)


# ---- a hidden product and its sacrifice


def _product_views(backend: ReferenceBackend, x: Ext, y: Ext, chi: Ext, same_triple: bool = False) -> Counter[View]:
    """Both factors masked, the product from a triple, the triple checked by sacrifice: for every value of both triples."""
    count = PadCount(products=1)
    views: Counter[View] = Counter()
    times = {(a, b): backend.field.multiply(a, b) for a in ALL for b in ALL}
    for a, b, c, d in product(ALL, repeat=4):
        second, third = (a, b) if same_triple else (c, d)
        pads = _array((a, b, times[a, b], second, third, times[second, third]))
        channel = ProverChannel(TinyTranscript(3, 0, (chi,)))
        ledger = ProverLedger(count, channel, pads)
        ((_, _, hidden),) = ledger.send_products("product", [(x, y)])
        ledger.sacrifice()
        shown = _integers(channel.proof())
        # What the proof about pads shows besides: the constraints, which are zero.
        assert all(ledger.reveal(constraint).is_zero() for constraint in ledger.constraints)
        assert ledger.reveal(hidden) == x * y
        views[tuple(shown)] += 1
    return views


@pytest.mark.parametrize("field", [THREE], indirect=True)
def test_a_hidden_product_is_distributed_alike_for_all_factors(field: ReferenceBackend) -> None:
    views = [_product_views(field, x, y, Ext(2, 1)) for x, y in ((Ext(0), Ext(0)), (Ext(1, 2), Ext(2)))]
    assert views[0] == views[1]
    assert len(views[0]) == 9**4 and set(views[0].values()) == {1}


@pytest.mark.parametrize("field", [THREE], indirect=True)
def test_a_triple_that_is_sacrificed_for_itself_would_leak(field: ReferenceBackend) -> None:
    chi = Ext(2, 1)
    assert _product_views(field, Ext(0), Ext(0), chi, True) != _product_views(field, Ext(1, 2), Ext(2), chi, True)


# ---- commitment, hidden claim, opening, proof about pads, columns

CODE = CodeShape(1, 1, 1, 1, 1, 3)
PADS = opening.pads(CODE) + PadCount(singles=1)
PAD_ROWS = PADS.pads // 2
PAD_SHAPE = PadShape(CodeShape(2 * PAD_ROWS + 4, 1, 1, 1, 1, 3), PAD_ROWS)


def _opened(backend: ReferenceBackend, row: tuple[int, int], seed: int, randomness: Array) -> tuple[list[int], int]:
    """Every value that a verifier of one hidden claim on one row sees, and how much randomness was drawn."""
    entropy = GivenEntropy(randomness)
    committed = commit(backend, np.array([row], dtype=np.int64), CODE, entropy, "row")
    masks = make_masks(backend, CODE, entropy, "mask")
    pads = pad_commitment.sample_pads(backend, PADS, entropy)
    committed_pads = pad_commitment.commit(backend, pads, PAD_SHAPE, entropy)
    channel = ProverChannel(TinyTranscript(17, seed))
    ledger = ProverLedger(PADS, channel, pads)
    weights = np.array([[3, 1], [4, 1]], dtype=np.uint64)
    (hidden,) = ledger.send("claim", [Ext(3, 1) * row[0] + Ext(4, 1) * row[1]])
    claims = Claims({"w": weights})
    claims.add(hidden, [Part("w", 0, np.array([[1, 0]], dtype=np.uint64))])
    opening.prove(ledger, backend, committed, masks, claims, "row")
    ledger.check_used_up()
    assert all(ledger.reveal(constraint).is_zero() for constraint in ledger.constraints)
    pad_commitment.prove(backend, channel, committed_pads, ledger.constraints)
    shown = _integers(channel.proof())
    at = channel.transcript.indices("row/positions", CODE.domain, CODE.queries)
    shown += _columns(committed.columns(backend, at), 1, 1) + _columns(masks.tree.columns(backend, at), 1, MASK_ROWS)
    code = PAD_SHAPE.code
    at = channel.transcript.indices("pads/positions", code.domain, code.queries)
    return shown + _columns(committed_pads.tree.columns(backend, at), 1, code.rows), entropy.used


def _basis(rows: list[list[int]], p: int) -> dict[int, list[int]]:
    """Echelon form by pivot."""
    found: dict[int, list[int]] = {}
    for row in rows:
        left = _rest(row, found, p)
        pivot = next((i for i, value in enumerate(left) if value), None)
        if pivot is not None:
            scale = pow(left[pivot], p - 2, p)
            found[pivot] = [value * scale % p for value in left]
    return found


def _rest(row: list[int], basis: dict[int, list[int]], p: int) -> list[int]:
    """What the basis does not span of a row."""
    left = [value % p for value in row]
    for column in range(len(left)):
        if left[column] and column in basis:
            factor = left[column]
            left = [(a - factor * b) % p for a, b in zip(left, basis[column], strict=True)]
    return left


@pytest.mark.parametrize("field", [SEVENTEEN], indirect=True)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_whole_opening_is_distributed_alike_for_all_rows(field: ReferenceBackend, seed: int) -> None:
    p, rows = 17, ((0, 0), (5, 11))
    _, inputs = _opened(field, rows[0], seed, np.zeros(256, dtype=np.uint64))
    start, spans = [], []
    for row in rows:
        zero, _ = _opened(field, row, seed, np.zeros(inputs, dtype=np.uint64))
        columns = []
        for i in range(inputs):
            unit = np.zeros(inputs, dtype=np.uint64)
            unit[i] = 1
            columns.append([a - b for a, b in zip(_opened(field, row, seed, unit)[0], zero, strict=True)])
        # Affine: a random point is where the unit vectors say.
        point = np.random.default_rng(seed).integers(0, p, inputs, dtype=np.uint64)
        expected = [
            (z + sum(int(x) * c[j] for x, c in zip(point, columns, strict=True))) % p for j, z in enumerate(zero)
        ]
        assert _opened(field, row, seed, point)[0] == expected
        start.append(zero)
        spans.append(_basis(columns, p))
    # The same directions, and a difference of the starts that they span: one coset, so one distribution.
    assert all(not any(_rest(row, spans[1], p)) for row in spans[0].values()) and len(spans[0]) == len(spans[1])
    assert not any(_rest([a - b for a, b in zip(*start, strict=True)], spans[0], p))
    assert start[0] != start[1]
    # Free but for the equations of the two openings' columns (4 each) and of the sum of y (2).
    assert len(spans[0]) == len(start[0]) - 4 - 4 - 2
