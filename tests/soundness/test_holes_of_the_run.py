"""Holes 11, 12, 15 and 16 of the design review: budgets, optimiser, rates and table padding.

Each test runs one attack against a deliberately unmended system, where it is accepted, and against the real one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.attack import accepted, answer
from tests.support.tiny import KEYS, TINY, tiny_run
from tests.support.trainer import Cheat
from tests.zero_knowledge.fixed import rank
from zkdl.algebra.extension import Array, P
from zkdl.commitment.ligero import commit
from zkdl.commitment.parameters import STANDARD, CodeShape
from zkdl.commitment.stored import dataset_layout, weights_layout, weights_matrix
from zkdl.errors import MalformedProof, NotProvable, ResourceError
from zkdl.hiding.entropy import Entropy
from zkdl.journal import Journal
from zkdl.proof import layout
from zkdl.statement import bounds, schedule
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.state import Scales
from zkdl.statement.tables import Table, build_tables
from zkdl.transcript.transcript import Transcript


def _opened(shape: CodeShape, row: np.ndarray, random: Array, positions: np.ndarray) -> list[int]:
    """One row's values at the opened positions."""
    code = tiny_run().backend.encode(row.reshape(1, -1), random.reshape(1, -1), shape.domain)
    return [int(value) for value in code[0, positions]]


def _distinguishable(shape: CodeShape, positions: np.ndarray) -> bool:
    """Two weight matrices differ in a combination of opened values that no randomness touches."""
    tiny = tiny_run()
    _, out = tiny.witness()
    place = tiny.public.layout.weights
    left, right = weights_matrix(place, tiny.weights_in)[0], weights_matrix(place, out)[0]
    assert not np.array_equal(left, right)
    free = np.zeros(shape.random, dtype=np.uint64)
    rows = []
    for i in range(shape.random):
        free[i] = 1
        rows.append(_opened(shape, np.zeros_like(left), free, positions))
        free[i] = 0
    return rank([*rows, _opened(shape, left - right, free, positions)]) > rank(rows)


def test_hole_11_every_opening_is_paid_for_in_every_row() -> None:
    """Two proofs open W_out at 2t positions. With t coefficients for both, what they show depends on the weights."""
    tiny = tiny_run()
    shape = tiny.public.layout.weights.code
    assert tiny.run.weights_budget == 2 and shape.random == 2 * shape.queries
    first, second = (
        Transcript("test", name).indices("w_out/positions", shape.domain, shape.queries) for name in (b"1", b"2")
    )
    both = np.union1d(first, second)
    unmended = replace(shape, random=shape.queries)
    assert not _distinguishable(shape, first) and not _distinguishable(unmended, first)
    assert not _distinguishable(shape, both)
    assert _distinguishable(unmended, both)


def test_hole_11_a_row_without_spare_randomness_is_read_off() -> None:
    """With t coefficients for two openings and a short row, 2t values are the whole polynomial."""
    tiny = tiny_run()
    full = tiny.public.layout.weights.code
    shape = CodeShape(1, 2, 2, full.queries, full.queries, full.log_domain)
    secret = np.array([[11, 22, 33, 44]], dtype=np.int64)
    committed = commit(tiny.backend, secret, shape, Entropy(KEYS["w_out"]), "weights")
    known = np.arange(2 * shape.queries)[: shape.dimension]
    basis = []
    for i in range(shape.dimension):
        unit = np.zeros(shape.dimension, dtype=np.uint64)
        unit[i] = 1
        basis.append(_opened(shape, unit[: shape.row], unit[shape.row :], known))
    # Gauss: basis^T * coefficients = opened values.
    system = [
        [basis[j][i] for j in range(shape.dimension)] + [int(committed.code[0, known[i]])] for i in range(len(known))
    ]
    for column in range(shape.dimension):
        pivot = next(i for i in range(column, len(system)) if system[i][column])
        system[column], system[pivot] = system[pivot], system[column]
        scale = pow(system[column][column], P - 2, P)
        system[column] = [x * scale % P for x in system[column]]
        for i in range(len(system)):
            if i != column and system[i][column]:
                factor = system[i][column]
                system[i] = [(a - factor * b) % P for a, b in zip(system[i], system[column], strict=True)]
    assert [line[-1] for line in system[: shape.row]] == secret[0].tolist()


def test_hole_11_opening_budget_is_counted(tmp_path: Path) -> None:
    """Every opening has its t random coefficients in every row, and the journal refuses one opening too many."""
    for parameters in (STANDARD, TINY):
        for openings in (1, 4, 20):
            for code in (
                dataset_layout(500, 12, 10, openings, parameters).code,
                weights_layout((12, 9, 10), (True, False), openings, parameters).code,
            ):
                assert code.random == code.queries * openings and code.dimension == code.row + code.random
                assert code.query_error_bits >= parameters.query_bits
    journal = Journal(tmp_path / "journal.jsonl")
    for proof in ("a", "b", "a", "b"):
        journal.reserve("root", proof, 2)
    with pytest.raises(ResourceError) as caught:
        Journal(tmp_path / "journal.jsonl").reserve("root", "c", 2)
    assert caught.value.code == "BUDGET"


def test_hole_12_momentum_and_weight_decay_cannot_slip_in() -> None:
    """The statement knows plain SGD only: another optimiser's field is refused, not ignored."""
    fields = tiny_run().run.to_json()
    for name in ("momentum", "weight_decay", "optimizer"):
        with pytest.raises(MalformedProof) as malformed:
            RunStatement.from_json({**fields, name: 0})
        assert malformed.value.code == "STATEMENT_FORMAT"
    # An update that adds a share of the step before is no update of plain SGD.
    tiny, kept = tiny_run(), {}

    def momentum(value: np.ndarray, layer: int, t: int, passed: np.ndarray) -> np.ndarray:
        kept[layer, t] = value
        return value + kept.get((layer, t - 1), 0) // 2

    assert answer(tiny, *tiny.witness(Cheat({"gradient": momentum}))).code == "RELATIONS"


def test_hole_15_a_rate_that_rounds_to_zero_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would freeze the layer silently: the statement still says that this rate was used."""
    with pytest.raises(NotProvable) as caught:
        tiny_run((6, 4, 3), "mse", rate=1 << 27)
    assert caught.value.code == "UPDATE_ZERO" and caught.value.where["layer"] == 1

    def rounded(run: RunStatement, scales: Scales, layer: int, rate: int) -> int:
        numerator, denominator = schedule.update_ratio(run, scales, layer, rate)
        return (2 * numerator + denominator) // (2 * denominator)

    with monkeypatch.context() as patch:
        patch.setattr(schedule, "update_integer", rounded)
        patch.setattr(bounds, "update_integer", rounded)
        tiny = tiny_run((6, 4, 3), "mse", rate=1 << 27)
        witness, out = tiny.witness()
        assert accepted(tiny, witness, out)
        assert np.array_equal(out.W[0], tiny.weights_in.W[0]) and not np.array_equal(out.W[1], tiny.weights_in.W[1])
    # With a rate that does not round to zero, a frozen layer is another training.
    tiny = tiny_run((6, 4, 3), "mse", rate=1 << 31)
    frozen = Cheat({"rate": lambda value, layer, t: 0 if layer == 1 else value})
    assert answer(tiny, *tiny.witness(frozen)).code == "RELATIONS"


def test_hole_16_table_padding_is_no_new_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Padded with zeros, the table of counts of the maximum would hold 0: a maximum that nobody has is accepted."""
    tiny = tiny_run()
    cheat = Cheat({"mx": lambda value, t: value + 1})
    witness, out = tiny.witness(cheat)
    assert not out.equal(tiny.witness()[1])
    found = answer(tiny, witness, out)
    assert found.code == "RELATIONS" and found.broken == {"fractions"}

    def zero_padded(run: RunStatement, segment: SegmentStatement) -> dict[str, Table]:
        """The last entry is what fills a row: with a zero row at the end, a table is padded by zeros."""
        found = build_tables(run, segment)
        table = found["max_count"]
        found["max_count"] = replace(table, columns=tuple(np.append(column, 0) for column in table.columns))
        return found

    monkeypatch.setattr(layout, "build_tables", zero_padded)
    assert accepted(tiny) and accepted(tiny, *tiny.witness(cheat))


def test_hole_16_counts_behind_the_end_belong_to_the_last_entry() -> None:
    """Moving them there changes nothing, adding one is caught."""
    tiny = tiny_run()
    rows = next(
        rows
        for rows in tiny.public.layout.leaves.tables
        if len(rows.table) < rows.rows << tiny.public.layout.log_row and rows.table.name == "max_count"
    )
    last = len(rows.table) - 1
    for moved, added in ((1, 0), (0, 1)):
        witness, out = tiny.witness()
        counts = witness.multiplicities(rows)
        counts[last] -= moved
        counts[last + 1] += moved + added
        assert answer(tiny, witness, out).broken == ({"fractions"} if added else set())
