"""Small valid statements to vary in tests."""

from dataclasses import replace
from typing import Any

from zkdl.statement import bounds, initialisation, requantise
from zkdl.statement.run import RunFormat, RunStatement
from zkdl.statement.segment import ChainState, Scales, SegmentStatement, initial_state

FORMAT = RunFormat(
    activation_bits=8,
    gradient_bits=8,
    weight_frac=26,
    feature_bits=8,
    feature_min=0,
    feature_frac=8,
    logit_bits=10,
    logit_frac=4,
    exp_bits=8,
)


def make_run(**changes: Any) -> RunStatement:
    """A seeded run 6-5-4-3 with 7 examples, batch 3; initial bounds follow unless given."""
    fields: dict[str, Any] = {
        "run_id": "a1" * 32,
        "widths": (6, 5, 4, 3),
        "loss": "ce",
        "batch": 3,
        "examples": 7,
        "steps": 9,
        "last_batch": "keep",
        "schedule": ((0, 1 << 28), (4, 1 << 27)),
        "format": FORMAT,
        "activation_frac_interval": (0, 12),
        "gradient_frac_interval": (0, 20),
        "init_seed": "b2" * 32,
        "init_root": None,
        "data_root": "c3" * 32,
        "data_budget": 4,
        "weights_budget": 4,
        "parameter_set": "zkdl-100",
        "beacon": None,
    }
    fields |= changes
    layers = len(fields["widths"]) - 1
    fields.setdefault("bias", (True,) * layers)
    fields.setdefault("init_weight_bound", (0,) * layers)
    fields.setdefault("init_bias_bound", (0,) * layers)
    run = RunStatement(**fields)
    if run.init_seed is not None and "init_weight_bound" not in changes:
        run = replace(run, init_weight_bound=initialisation.bound(run))
    return run


def make_scales(run: RunStatement, activation: int = 5, gradient: int = 9) -> Scales:
    last = run.format.gradient_bits - 1 if run.loss == "ce" else run.format.logit_frac
    fa = (run.format.feature_frac, *[activation] * (run.L - 1), run.format.logit_frac)
    return Scales(fa, (*[gradient] * (run.L - 1), last))


def make_segment(run: RunStatement, steps: int = 3, **changes: Any) -> SegmentStatement:
    """Segment 0 of `steps` steps."""
    scales = changes.pop("scales", make_scales(run))
    state = initial_state(run)
    end = ChainState("d4" * 32, *bounds.grow(run, scales, 0, steps, state), steps)
    limbs = requantise.choose_limbs(run, scales, steps)
    return replace(SegmentStatement(0, 0, steps, scales, limbs, state, end), **changes)
