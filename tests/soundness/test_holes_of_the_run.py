"""Holes 9 to 16 of the design review: sampler, scales, budgets, optimiser, challenges, limbs, rates, table padding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny import TINY, tiny_run
from zkdl.algebra.extension import Ext, P
from zkdl.commitment.parameters import STANDARD
from zkdl.commitment.stored import dataset_layout, weights_layout
from zkdl.errors import MalformedProof, NotProvable, Rejected, ResourceError
from zkdl.journal import Journal
from zkdl.protocols import lookup
from zkdl.statement import requantise, sampler, schedule
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import Scales
from zkdl.transcript.transcript import Transcript


def test_hole_09_sampler_cannot_be_reground_at_segment_boundaries() -> None:
    """One seed per run: batches depend on the global step, on the roots and the beacon, not on how the run is cut."""
    run = replace(tiny_run(examples=40, batch=3).run, steps=20)
    seed = sampler.seed(run)
    whole, _ = sampler.batch_indices(run, seed, 0, 20)
    for cut in (1, 7, 13):
        first, _ = sampler.batch_indices(run, seed, 0, cut)
        second, _ = sampler.batch_indices(run, seed, cut, 20 - cut)
        assert np.array_equal(np.concatenate([first, second]), whole)
    others = [
        replace(run, data_root="11" * 32),
        replace(run, init_seed="22" * 32),
        replace(run, beacon="33"),
        replace(run, schedule=((0, 5),)),
        replace(run, run_id="44" * 32),
    ]
    assert len({sampler.seed(other) for other in [run, *others]}) == len(others) + 1


def test_hole_10_scales_stay_in_the_declared_interval() -> None:
    """A silly scale would freeze a layer; the interval is in the run statement."""
    tiny = tiny_run()
    fa, fg = tiny.segment.scales.fa, tiny.segment.scales.fg
    for scales in (Scales((fa[0], 9, *fa[2:]), fg), Scales(fa, (9, *fg[1:])), Scales((fa[0] + 1, *fa[1:]), fg)):
        with pytest.raises(NotProvable):
            replace(tiny.segment, scales=scales).validate(tiny.run)
    public, proof = tiny.prove(*tiny.witness())
    changed = Scales((fa[0], fa[1] - 1, *fa[2:]), fg)
    with pytest.raises(Rejected):
        tiny.verify(replace(public, segment=replace(public.segment, scales=changed)), proof)


def test_hole_11_opening_budget_is_counted_and_paid_for(tmp_path: Path) -> None:
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
        with pytest.raises(MalformedProof):
            RunStatement.from_json({**fields, name: 0})


def test_hole_13_every_field_has_its_own_challenge() -> None:
    """With one challenge for all fields, swapping two fields of a tuple would keep the fingerprint."""
    alpha, betas = lookup.draw_fingerprint(Transcript("test", b"").challenges)
    assert len({alpha, *betas}) == lookup.FIELDS + 2

    def fingerprint(weights: list[Ext], fields: tuple[int, int, int]) -> Ext:
        return sum((w * f for w, f in zip(weights[1:], fields, strict=True)), alpha + weights[0])

    assert fingerprint(betas, (7, 3, 1)) != fingerprint(betas, (3, 7, 1))
    shared = [betas[0]] * (lookup.FIELDS + 1)
    assert fingerprint(shared, (7, 3, 1)) == fingerprint(shared, (3, 7, 1))
    # Leaf counts beyond 2^27 need work before the challenges are drawn.
    from zkdl.proof.security import grinding_bits

    assert grinding_bits(1 << 20, 100) == 0 and grinding_bits(1 << 28, 100) >= 2


def test_hole_14_limbs_of_64_bits_have_two_meanings() -> None:
    """2^32 - 1 field elements have two decompositions when the limbs cover 64 bits; 62 is the limit."""
    for value in (0, 5, 2**32 - 2):
        assert sum(value + q * P < 2**64 for q in range(2)) == 2
        assert sum(value + q * P < 2**62 for q in range(2)) == 1
    tiny = tiny_run()
    limbs = replace(tiny.segment.limbs, e_forward=0, low_bits=22)
    wide = replace(tiny.run, format=replace(tiny.run.format, weight_frac=40, activation_bits=16, headroom_bits=8))
    scales = Scales((8, 0, 0, 3), tiny.segment.scales.fg)
    with pytest.raises(NotProvable):
        requantise.forward(wide, replace(tiny.segment, limbs=limbs, scales=scales), 1)


def test_hole_14_low_limb_is_no_wider_than_the_shift() -> None:
    """A top limb cut above the rounding bit would leave the rounding open."""
    k, h = 6, 7
    assert any(len({((top << h) + low) >> k for low in range(1 << h)}) > 1 for top in range(4))
    tiny = tiny_run()
    for layer in range(1, tiny.run.L + 1):
        found = requantise.forward(tiny.run, tiny.segment, layer)
        assert found.h <= found.k
    with pytest.raises(NotProvable):
        requantise.forward(tiny.run, replace(tiny.segment, limbs=replace(tiny.segment.limbs, e_forward=40)), 1)


def test_hole_15_a_rate_that_rounds_to_zero_is_refused() -> None:
    """It would freeze the layer silently."""
    tiny = tiny_run()
    slow = replace(tiny.run, schedule=((0, 1),))
    with pytest.raises(NotProvable) as caught:
        schedule.update_integers(slow, tiny.segment.scales, 0, 3)
    assert caught.value.code == "UPDATE_ZERO" and caught.value.where["layer"] == 1


def test_hole_16_table_padding_repeats_the_last_entry() -> None:
    """Counts behind a table's end belong to its last entry: moving them there changes nothing, adding one is caught."""
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
        public, proof = tiny.prove(witness, out)
        if added:
            with pytest.raises(Rejected):
                tiny.verify(public, proof)
        else:
            tiny.verify(public, proof)
