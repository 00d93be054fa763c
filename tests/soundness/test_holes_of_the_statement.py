"""Holes 6 to 10 of the design review: bias, formats, position, sampler and scales.

Each test runs one attack against a deliberately unmended system, where it is accepted, and against the real one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.support import tiny as tiny_module
from tests.support.attack import accepted, answer
from tests.support.tiny import KEYS, TINY, Tiny, second_segment, tiny_run
from tests.support.trainer import Cheat
from zkdl.commitment.parameters import ParameterSet
from zkdl.commitment.stored import commit_weights
from zkdl.errors import NotProvable, Rejected
from zkdl.proof import data_claims, data_proof
from zkdl.proof import public as public_module
from zkdl.proof.data_claims import SegmentLink
from zkdl.proof.public import SegmentPublic, segment_public
from zkdl.protocols.matmul import MatmulShape
from zkdl.statement import bounds, requantise, sampler, schedule
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import ChainState, Scales, SegmentStatement
from zkdl.statement.weights import Weights


def replayed(tiny: Tiny, proof: bytes) -> str:
    """Code of the refusal of a proof that was made for another statement, "" when it is accepted."""
    try:
        tiny.verify(tiny.public, proof)
    except Rejected as error:
        return error.code
    return ""


def field_of(check: Callable[[], object]) -> tuple[str, object]:
    """Code and place of a statement's refusal."""
    with pytest.raises(NotProvable) as caught:
        check()
    return caught.value.code, caught.value.where.get("field", caught.value.where.get("layer"))


def test_hole_06_the_constant_of_a_bias_is_2_to_the_fa(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the constant 1, biases count 2^fa times less and learn 2^2fa times slower: other weights come out."""
    tiny = tiny_run()
    honest, honest_out = tiny.witness()
    witness, out = tiny.witness(Cheat({"bias-unit": lambda value, layer: 1}))
    assert not out.equal(honest_out)
    found = answer(tiny, witness, out)
    assert found.code == "RELATIONS" and found.broken == {"opening/witness", "unroll"}
    slow = Cheat({"bias-rate": lambda value, layer, t: value >> 1})
    assert answer(tiny, *tiny.witness(slow)).code == "RELATIONS"

    def unmended(**fields: object) -> MatmulShape:
        return MatmulShape(**{**fields, "bias_units": (1,) * tiny.run.L})  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(public_module, "MatmulShape", unmended)
    assert accepted(tiny, witness, out)
    assert answer(tiny, honest, honest_out).code == "RELATIONS"


def _reinterpreted(tiny: Tiny) -> Tiny:
    """The same integers read at another scale: weights half as large, features 2^L larger, the rate a quarter."""
    run, scales, layers = tiny.run, tiny.segment.scales, tiny.run.L
    formats = replace(run.format, weight_frac=run.format.weight_frac + 1, feature_frac=run.format.feature_frac - layers)
    rates = tuple((start, rate // 4) for start, rate in run.schedule)
    fa = tuple(frac - (layers - l) for l, frac in enumerate(scales.fa))
    fg = tuple(frac + (layers - l) for l, frac in enumerate(scales.fg, start=1))
    other = replace(run, format=formats, schedule=rates)
    segment = replace(tiny.segment, scales=Scales(fa, fg))
    other.validate()
    segment.validate(other, with_roots=False)
    return replace(tiny, run=other, segment=segment)


def _links_only(layout: data_proof.DataProofLayout, links: list[SegmentLink]) -> bytes:
    """A data proof that binds no statements."""
    return b"".join(link.root + link.digest for link in links)


def test_hole_07_formats_are_bound_to_the_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof that does not bind the number formats also proves another training, with weights of another scale."""
    tiny = tiny_run((6, 5, 3), "mse", bias=(False, False), seeded=False)
    public, proof = tiny.prove(*tiny.witness())
    done = replace(tiny, segment=public.segment)
    other = _reinterpreted(done)
    assert replayed(done, proof) == "" and replayed(other, proof) == "MERKLE"

    def roots_only(self: SegmentPublic) -> bytes:
        return f"{self.run.data_root} {self.segment.w_in.root} {self.segment.w_out.root}".encode()

    # The sampler hashes the run statement too: without the mend it knows the run's name alone.
    monkeypatch.setattr(sampler, "seed", lambda run: hashlib.sha256(run.run_id.encode()).digest())
    monkeypatch.setattr(SegmentPublic, "statement_bytes", roots_only)
    monkeypatch.setattr(data_proof, "statement_bytes", _links_only)
    done = replace(tiny, segment=public.segment)
    public, proof = tiny.prove(*tiny.witness())
    done = replace(tiny, segment=public.segment)
    assert replayed(done, proof) == "" and replayed(_reinterpreted(done), proof) == ""


@pytest.mark.parametrize("field", ["weight_frac", "activation_bits", "feature_frac"])
def test_hole_07_every_format_is_bound(field: str) -> None:
    tiny = tiny_run()
    public, proof = tiny.prove(*tiny.witness())
    changed = replace(tiny.run.format, **{field: getattr(tiny.run.format, field) + 1})
    with pytest.raises(Rejected) as caught:
        tiny.verify(replace(public, run=replace(public.run, format=changed)), proof)
    assert caught.value.code == "MERKLE"


def _without_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the statement nor schedule and sampler know where in the run a segment is."""
    indices, updates, statement = sampler.batch_indices, schedule.update_integers, SegmentPublic.statement_bytes

    def placeless(self: SegmentPublic) -> bytes:
        def at_start(state: ChainState) -> ChainState:
            return replace(state, step=0, weight_bound=(), bias_bound=())

        segment = self.segment
        moved = replace(segment, index=0, first_step=0, w_in=at_start(segment.w_in), w_out=at_start(segment.w_out))
        return statement(replace(self, segment=moved))

    monkeypatch.setattr(SegmentPublic, "statement_bytes", placeless)
    monkeypatch.setattr(data_proof, "statement_bytes", _links_only)
    monkeypatch.setattr(sampler, "batch_indices", lambda run, seed, first, steps: indices(run, seed, 0, steps))
    monkeypatch.setattr(schedule, "update_integers", lambda run, scales, first, steps: updates(run, scales, 0, steps))


def _third_segment(second: Tiny) -> Tiny:
    """The same roots, claimed to be the segment after the second one."""
    run, segment, steps = second.run, second.segment, second.segment.steps
    start = replace(segment.w_in, step=2 * steps, weight_bound=segment.w_out.weight_bound)
    start = replace(start, bias_bound=segment.w_out.bias_bound)
    weight_bound, bias_bound = bounds.grow(run, segment.scales, 2 * steps, steps, start)
    end = replace(segment.w_out, step=3 * steps, weight_bound=weight_bound, bias_bound=bias_bound)
    moved = replace(segment, index=2, first_step=2 * steps, w_in=start, w_out=end)
    moved.validate(run)
    return replace(second, segment=moved)


def test_hole_08_position_in_the_run_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, one proof counts at two places, and schedule and sampler can be started again."""
    first = tiny_run(steps=3, examples=12)
    _, weights = first.witness()
    second = second_segment(first, weights, steps=9, schedule=((0, 1 << 31), (3, 1 << 30)))

    def replay() -> tuple[str, str]:
        public, proof = second.prove(*second.witness())
        done = replace(second, segment=public.segment)
        return replayed(done, proof), replayed(_third_segment(done), proof)

    at_start = segment_public(second.run, first.segment, TINY)
    restart = Cheat(
        {
            "rows": lambda value, t: at_start.indices[t],
            "rate": lambda value, layer, t: int(at_start.schedule.updates[layer - 1, t]),
        }
    )
    witness, out = second.witness(restart)
    assert not out.equal(second.witness()[1])
    assert replay() == ("", "MERKLE")
    assert answer(second, witness, out).code == "RELATIONS"
    _without_position(monkeypatch)
    assert accepted(second, witness, out)
    assert replay() == ("", "")


@pytest.mark.parametrize("change", [{"first_step": 1}, {"index": 1}])
def test_hole_08_positions_follow_each_other(change: dict[str, int]) -> None:
    segment = replace(tiny_run().segment, **change)
    code, _ = field_of(lambda: segment.validate(tiny_run().run))
    assert code == "STATEMENT_FIELD"


def _by_root(run: RunStatement, segment: SegmentStatement, parameters: ParameterSet) -> SegmentPublic:
    """Hole 9: the batches of a segment follow from the root that it starts from."""
    public = segment_public(run, segment, parameters)
    seed = hashlib.sha256(segment.w_in.root.encode()).digest()
    indices, sizes = sampler.batch_indices(run, seed, segment.first_step, segment.steps)
    return replace(public, indices=indices, schedule=replace(public.schedule, sizes=sizes))


def test_hole_09_new_salts_give_no_new_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prover may commit the same weights under any key; the order of the examples must not move with the root."""
    first = tiny_run()
    _, weights = first.witness()
    second = second_segment(first, weights)
    wanted, honest = {0, 1, 2}, second.public.indices
    assert set(honest[0].tolist()) != wanted
    ground = None
    for number in range(500):
        key = hashlib.sha256(bytes([number % 256, number // 256])).digest()
        w_in = commit_weights(weights, key, second.run.weights_budget, TINY, second.backend)
        start = replace(second.segment.w_in, root=w_in.root.hex())
        tried = replace(second, w_in=w_in, segment=replace(second.segment, w_in=start))
        found = _by_root(tried.run, tried.segment, TINY).indices
        assert number > 5 or np.array_equal(tried.public.indices, honest)
        if set(found[0].tolist()) == wanted:
            ground = tried, Cheat({"rows": lambda value, t, order=found: order[t]})
            break
    assert ground is not None
    tiny, cheat = ground
    witness, out = tiny.witness(cheat)
    assert answer(tiny, witness, out).code == "RELATIONS"
    monkeypatch.setattr(tiny_module, "segment_public", _by_root)
    # The data proof has to believe the same.
    drawn = _by_root(tiny.run, tiny.segment, TINY).indices, second.public.schedule.sizes
    monkeypatch.setattr(data_claims.sampler, "batch_indices", lambda run, seed, first, steps: drawn)
    assert accepted(tiny, *tiny.witness())
    assert np.array_equal(tiny.witness()[0].matrix, witness.matrix)


def test_hole_09_one_seed_per_run() -> None:
    """Batches depend on the global step, on the roots and the beacon, not on how the run is cut."""
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


# The methods that hold a segment's scales to what the run allows; the unmended variant has none of them.
SCALE_RULES = ("_validate_scales",)


def _with_scales(tiny: Tiny, fg: tuple[int, ...]) -> Tiny:
    """The same run with other fractions of the gradients; everything that follows from them is recomputed."""
    scales, segment = Scales(tiny.segment.scales.fa, fg), tiny.segment
    limbs = requantise.choose_limbs(tiny.run, scales, segment.steps)
    weight_bound, bias_bound = bounds.grow(tiny.run, scales, 0, segment.steps, segment.w_in)
    end = replace(segment.w_out, weight_bound=weight_bound, bias_bound=bias_bound)
    return replace(tiny, segment=replace(segment, scales=scales, limbs=limbs, w_out=end))


def test_hole_10_a_freezing_scale_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small gradients at a coarse scale round to zero: the first layer would stand still in a proof that is accepted."""
    tiny = tiny_run((6, 4, 3), "mse", bias=(False, False), seeded=False, weight_frac=16)
    weights = Weights([tiny.weights_in.W[0] >> 1, tiny.weights_in.W[1] >> 9], tiny.weights_in.b)
    w_in = commit_weights(weights, KEYS["w_in"], tiny.run.weights_budget, TINY, tiny.backend)
    run = replace(tiny.run, init_root=w_in.root.hex(), gradient_frac_interval=(4, 8), schedule=((0, 1 << 29),))
    start = replace(tiny.segment.w_in, root=w_in.root.hex())
    tiny = replace(tiny, run=run, segment=replace(tiny.segment, w_in=start), weights_in=weights, w_in=w_in)
    honest, frozen = _with_scales(tiny, (7, 3)), _with_scales(tiny, (0, 3))
    honest.segment.validate(run)
    assert not np.array_equal(honest.witness()[1].W[0], weights.W[0])
    code, field = field_of(lambda: frozen.segment.validate(run))
    assert code == "STATEMENT_FIELD" and str(field).startswith("segment.scales.fg")
    for rule in SCALE_RULES:
        monkeypatch.setattr(SegmentStatement, rule, lambda self, run: None)
    frozen.segment.validate(run)
    witness, out = frozen.witness()
    assert accepted(frozen, witness, out)
    assert np.array_equal(out.W[0], weights.W[0]) and not np.array_equal(out.W[1], weights.W[1])


def test_hole_10_scales_stay_in_the_declared_interval() -> None:
    tiny = tiny_run()
    fa, fg = tiny.segment.scales.fa, tiny.segment.scales.fg
    for scales in (Scales((fa[0], 9, *fa[2:]), fg), Scales(fa, (9, *fg[1:])), Scales((fa[0] + 1, *fa[1:]), fg)):
        segment = replace(tiny.segment, scales=scales)
        assert field_of(lambda segment=segment: segment.validate(tiny.run))[0] == "STATEMENT_FIELD"
    public, proof = tiny.prove(*tiny.witness())
    changed = Scales((fa[0], fa[1] - 1, *fa[2:]), fg)
    with pytest.raises(Rejected) as caught:
        tiny.verify(replace(public, segment=replace(public.segment, scales=changed)), proof)
    assert caught.value.code == "MERKLE"
