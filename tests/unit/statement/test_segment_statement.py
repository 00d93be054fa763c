import json
from dataclasses import replace

import pytest

from tests.unit.statement.builders import make_run, make_scales, make_segment
from zkdl.errors import MalformedProof, NotProvable
from zkdl.statement import bounds, requantise
from zkdl.statement.segment import ChainState, Limbs, Scales, SegmentStatement, validate_chain


def test_round_trip_and_digest():
    run = make_run()
    segment = make_segment(run)
    segment.validate(run)
    assert SegmentStatement.from_json(json.loads(segment.canonical())) == segment
    assert replace(segment, index=1).digest() != segment.digest()
    data = segment.to_json()
    for broken in (data | {"x": 1}, data | {"w_in": []}, data | {"steps": True}, data | {"scales": {"fa": []}}):
        with pytest.raises(MalformedProof):
            SegmentStatement.from_json(broken)


def _next(run, before, steps, scales):
    state = before.w_out
    end = ChainState("e5" * 32, *bounds.grow(run, scales, state.step, steps, state), state.step + steps)
    limbs = requantise.choose_limbs(run, scales, steps)
    return SegmentStatement(before.index + 1, state.step, steps, scales, limbs, state, end)


def test_chain():
    run = make_run()
    first = make_segment(run)
    second = _next(run, first, 6, make_scales(run, 4, 8))
    validate_chain(run, [first, second])
    for broken in ([], [second], [first, first], [first, replace(second, index=2)]):
        with pytest.raises(NotProvable, match="segment"):
            validate_chain(run, broken)
    other_root = replace(second, w_in=replace(second.w_in, root="f6" * 32))
    other_bound = replace(second, w_in=replace(second.w_in, weight_bound=(1, 1, 1)))
    for segment in (other_root, other_bound):
        with pytest.raises(NotProvable, match="does not start"):
            validate_chain(run, [first, segment])


def _changes(segment):
    scales, limbs, w_in, w_out = segment.scales, segment.limbs, segment.w_in, segment.w_out
    yield "index", {"index": -1}
    yield "first_step", {"first_step": -1}
    yield "steps", {"steps": 10}
    yield "steps", {"steps": 0}
    yield "fa", {"scales": replace(scales, fa=scales.fa[:-1])}
    yield "fa[0]", {"scales": replace(scales, fa=(7, *scales.fa[1:]))}
    yield "fa[1]", {"scales": replace(scales, fa=(8, 13, *scales.fa[2:]))}
    yield "fa[3]", {"scales": replace(scales, fa=(*scales.fa[:-1], 5))}
    yield "fg", {"scales": replace(scales, fg=(*scales.fg, 7))}
    yield "fg[0]", {"scales": replace(scales, fg=(21, *scales.fg[1:]))}
    yield "fg[2]", {"scales": replace(scales, fg=(*scales.fg[:-1], 8))}
    yield "e_forward", {"limbs": replace(limbs, e_forward=-1)}
    yield "e_backward", {"limbs": replace(limbs, e_backward=-1)}
    yield "w_in", {"w_in": replace(w_in, root="0" * 64)}
    yield "w_in", {"w_in": replace(w_in, weight_bound=(1, 1, 1))}
    yield "w_in.step", {"w_in": replace(w_in, step=1)}
    yield "w_out.step", {"w_out": replace(w_out, step=4)}
    yield "w_out.root", {"w_out": replace(w_out, root="")}
    yield "w_out", {"w_out": replace(w_out, weight_bound=tuple(b + 1 for b in w_out.weight_bound))}
    yield "w_out", {"w_out": replace(w_out, bias_bound=tuple(b - 1 for b in w_out.bias_bound))}
    yield "w_out", {"w_out": replace(w_out, weight_bound=())}
    yield "w_out", {"w_out": replace(w_out, weight_bound=(-1, 0, 0))}


def test_validation_names_the_field():
    run = make_run()
    segment = make_segment(run)
    for field, change in _changes(segment):
        with pytest.raises(NotProvable) as caught:
            replace(segment, **change).validate(run)
        assert field in str(caught.value.where["field"]), (field, caught.value)


@pytest.mark.parametrize("limbs", [Limbs(30, 0, 14), Limbs(1, 0, 4), Limbs(12, 0, 14), Limbs(1, 0, 23), Limbs(1, 0, 0)])
def test_validation_of_limbs(limbs):
    run = make_run()
    with pytest.raises(NotProvable) as caught:
        make_segment(run, limbs=limbs).validate(run)
    assert caught.value.code == "LIMBS"


def test_a_planned_segment_needs_no_roots():
    run = make_run()
    first = make_segment(run)
    planned = replace(first, w_out=replace(first.w_out, root=""))
    planned.validate(run, with_roots=False)
    validate_chain(run, [planned, _next(run, planned, 2, first.scales)], with_roots=False)
    with pytest.raises(NotProvable):
        _next(run, planned, 2, first.scales).validate(run)


def test_committed_initial_weights_and_mse():
    run = make_run(
        init_seed=None, init_root="07" * 32, init_weight_bound=(1 << 28,) * 3, init_bias_bound=(4, 8, 16), loss="mse"
    )
    run.validate()
    segment = make_segment(run)
    assert segment.w_in.root == "07" * 32
    assert segment.scales.fg[-1] == segment.scales.fa[-1]
    segment.validate(run)
    with pytest.raises(NotProvable, match="fg"):
        replace(segment, scales=Scales(segment.scales.fa, (9, 9, 7))).validate(run)


def test_no_hidden_layer_has_no_backward_limbs():
    run = make_run(widths=(6, 3))
    segment = make_segment(run)
    segment.validate(run)
    with pytest.raises(NotProvable, match="e_backward"):
        replace(segment, limbs=replace(segment.limbs, e_backward=1)).validate(run)
