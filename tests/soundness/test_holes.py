"""Holes 1 to 5 of the design review, one test each: the mended system rejects, a deliberately unmended one is fooled."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.attack import accepted, answer
from tests.support.tiny import KEYS, SETS, TINY, Tiny, tiny_run
from tests.support.trainer import Cheat
from zkdl.algebra.extension import ONE
from zkdl.commitment.ligero import commit
from zkdl.commitment.stored import commit_dataset, commit_weights
from zkdl.errors import Rejected
from zkdl.hiding.entropy import Entropy
from zkdl.proof import certificate, layout
from zkdl.proof.assembly import Assembly
from zkdl.proof.prove import prove_data_certificate
from zkdl.proof.prover_tables import SegmentWitness
from zkdl.proof.run_certificates import DATA_PROTOCOL, data_certificate_layout
from zkdl.protocols import unroll
from zkdl.protocols.lookup import Source, Term
from zkdl.statement import requantise
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.tables import Table, build_tables
from zkdl.statement.weights import Weights


def test_hole_01_padded_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value on a unit that does not exist, consistent with every lookup because its lookups are off."""
    tiny = tiny_run()
    column = tiny.public.layout.columns["z_hi", 1]
    assert column.units < column.rows << tiny.public.layout.log_units

    def planted() -> tuple[SegmentWitness, Weights]:
        witness, out = tiny.witness()
        h = requantise.forward(tiny.run, tiny.segment, 1).h
        witness.columns["z_hi", 1][column.units, 1, 1] = 1
        witness.columns["z_low", 1][column.units, 1, 1] = -(1 << h)
        return witness, out

    found = answer(tiny, *planted())
    assert found.code == "RELATIONS" and found.broken == {"opening/witness"}
    monkeypatch.setattr(Assembly, "_zero_claims", lambda self, claims, challenge, n_units: None)
    assert accepted(tiny, *planted())


def test_hole_02_offset_as_a_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The offset belongs to the units that exist: as a plain constant, honest proofs fail unless widths fill their rows."""
    original = layout._low_limb

    def constant_offset(*args: object) -> list[Term]:
        return [
            replace(term, source=Source.EVERYWHERE) if term.source is Source.ACTIVE else term
            for term in original(*args)  # type: ignore[arg-type]  # passed through
        ]

    assert accepted(tiny_run((6, 5, 4, 3), "mse"))
    monkeypatch.setattr(layout, "_low_limb", constant_offset)
    ragged = tiny_run((6, 5, 4, 3), "mse")
    assert answer(ragged, *ragged.witness()).code == "RELATIONS"
    assert accepted(tiny_run((8, 4, 4, 4), "mse"))


def test_hole_03_validity_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent examples would act on the weights through biases."""
    ragged = {"batch": 3, "steps": 3}
    full = {"batch": 4, "steps": 4, "examples": 16}
    assert accepted(tiny_run(**ragged)) and accepted(tiny_run(**full))
    original = unroll._masked_table

    def unmasked(schedule: unroll.UpdateSchedule, coefficients: list[unroll.Ext]) -> np.ndarray:
        everyone = np.full_like(schedule.sizes, 1 << schedule.log_batch)
        return original(replace(schedule, sizes=everyone), coefficients)

    monkeypatch.setattr(unroll, "_masked_table", unmasked)
    monkeypatch.setattr(unroll, "eq_prefix", lambda point, count: ONE)
    assert answer(tiny_run(**ragged), *tiny_run(**ragged).witness()).code == "RELATIONS"
    assert accepted(tiny_run(**full))


def _overflowing() -> tuple[Tiny, Cheat]:
    """A dead unit whose back-propagated product leaves the top limb by one table length, and passes its gradient."""
    tiny = tiny_run((6, 4, 4), "mse", seeded=False, batch=2, steps=1)
    weights = Weights(
        [w.copy() for w in tiny.weights_in.W], [None if b is None else b.copy() for b in tiny.weights_in.b]
    )
    bias = weights.b[0]
    assert bias is not None
    bias[0] = -(24 << tiny.run.format.weight_frac)
    top = requantise.top_bits_backward(tiny.run.format, tiny.segment.limbs)
    middle = 1 << (top - tiny.segment.limbs.e_backward - 1)
    shift = requantise.shift_backward(tiny.run, tiny.segment.scales, 1)
    # The other units hardly reach the logits: the gradient is that of the label.
    weights.W[1][1:] >>= 6
    # The label's gradient is close to -2^fa: P is about 1.6 times the range, its rounding in [M, 3M).
    weights.W[1][0, :] = -(8 * middle << shift) // (5 << tiny.segment.scales.fa[-1])
    w_in = commit_weights(weights, KEYS["w_in"], tiny.run.weights_budget, TINY, tiny.backend)
    limit = (1 << 22,) * 2
    run = replace(tiny.run, init_root=w_in.root.hex(), init_weight_bound=limit, init_bias_bound=limit)
    start = replace(tiny.segment.w_in, root=w_in.root.hex(), weight_bound=limit, bias_bound=limit)
    tiny = replace(tiny, run=run, segment=replace(tiny.segment, w_in=start), weights_in=weights, w_in=w_in)
    half = 1 << top
    table = build_tables(run, tiny.segment)["gradient"].columns[2]
    tops: dict[int, np.ndarray] = {}

    def remember(value: tuple[np.ndarray, ...], layer: int, t: int, requant: object) -> tuple[np.ndarray, ...]:
        tops[t] = value[0]
        return value

    def pass_on(value: np.ndarray, layer: int, t: int, passed: np.ndarray) -> np.ndarray:
        over = (tops[t] >= half) & (tops[t] < 2 * half)
        return np.where(over, table[np.clip(tops[t], half, 2 * half - 1)], value)

    return tiny, Cheat({"p-limbs": remember, "gradient": pass_on})


def test_hole_04_packed_lookup_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """One slot for p_hi + 2^w S would let an overflowing dead unit read the table's other half."""
    tiny, cheat = _overflowing()
    witness, out = tiny.witness(cheat)
    top = requantise.top_bits_backward(tiny.run.format, tiny.segment.limbs)
    over = witness.columns["p_hi", 1] >= 1 << top
    assert over.any() and not witness.columns["S", 1][over].any() and witness.columns["G", 1][over].any()
    found = answer(tiny, witness, out)
    assert found.code == "RELATIONS" and found.broken == {"fractions"}

    def packed_tables(run: object, segment: SegmentStatement) -> dict[str, Table]:
        tables = build_tables(tiny.run, segment)
        x, sign, gradient = tables["gradient"].columns
        tables["gradient"] = Table("gradient", tables["gradient"].tag, (x + (sign << top), gradient))
        return tables

    add, fields = layout._LeafBuilder.add, SegmentWitness.fields

    def packed_add(self: layout._LeafBuilder, name: str, table: str, units: int, *terms: list[Term]) -> None:
        if table == "gradient":
            (key,), (sign,), gradient = terms
            terms = ([key, replace(sign, coefficient=1 << top)], gradient)
        add(self, name, table, units, *terms)

    def packed_fields(self: SegmentWitness, lookup: layout.Lookup) -> list[np.ndarray]:
        found = fields(self, lookup)
        return [found[0] + (found[1] << top), found[2]] if lookup.table == "gradient" else found

    monkeypatch.setattr(layout, "build_tables", packed_tables)
    monkeypatch.setattr(layout._LeafBuilder, "add", packed_add)
    monkeypatch.setattr(SegmentWitness, "fields", packed_fields)
    assert accepted(tiny, *tiny.witness(cheat))


@pytest.mark.parametrize("what", ["feature", "two labels", "label of two", "example behind the last"])
def test_hole_05_data_are_not_range_proven(what: str) -> None:
    """A segment alone accepts any committed numbers; the data certificate is what bounds them."""
    tiny = tiny_run(loss="mse")
    x = tiny.x.copy()
    if what == "feature":
        x[0, 0] = 16
    dataset = commit_dataset(x, tiny.y, 3, KEYS["dataset"], 2, TINY, tiny.backend)
    matrix = dataset.committed.matrix
    first, label = tiny.run.widths[0], int(tiny.y[0])
    if what == "two labels":
        matrix[first + (label + 1) % 3, 0] = 1
    elif what == "label of two":
        matrix[first + label, 0] = 2
    elif what == "example behind the last":
        matrix[0, tiny.run.examples] = 1
    committed = commit(tiny.backend, matrix, dataset.layout.code, Entropy(KEYS["dataset"]), "dataset")
    dataset = replace(dataset, committed=committed)
    run = replace(tiny.run, data_root=dataset.root.hex())
    changed = replace(tiny, run=run, dataset=dataset, x=x)
    if what in ("feature", "example behind the last"):
        assert accepted(changed)
    proof = prove_data_certificate(run, dataset, KEYS["secret"], backend=tiny.backend, parameter_sets=SETS)
    plan = data_certificate_layout(run, TINY)
    with pytest.raises(Rejected) as caught:
        certificate.verify(tiny.backend, DATA_PROTOCOL, run.canonical(), plan, dataset.root, io.BytesIO(proof))
    assert caught.value.code == "RELATIONS"


def test_every_hole_is_documented_with_its_tests() -> None:
    """docs/security/holes.md names a test for each hole, and every test that it names is there."""
    folder = Path(__file__).parent
    text = (folder.parents[1] / "docs" / "security" / "holes.md").read_text(encoding="utf-8")
    table = text[text.index("## Which test") :]
    assert re.findall(r"^\| (\d+) \|", table, flags=re.MULTILINE) == [str(hole) for hole in range(1, 17)]
    for row in table.splitlines():
        for group in re.findall(r"`(test_\w+\.py)`: ((?:`\w+`(?:, )?)+)", row):
            source = (folder / group[0]).read_text(encoding="utf-8")
            for name in re.findall(r"`(\w+)`", group[1]):
                assert f"def {name}(" in source, name
