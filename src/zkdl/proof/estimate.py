"""What proving will cost, before anything heavy runs: time, memory, proof size and soundness.

Sizes are exact, because they follow from the statement. Times come from a small calibration of the kernels on this very
machine (a fraction of a second) times the number of elements each phase handles.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import PARAMETER_SETS, CodeShape, ParameterSet, opening_bytes
from zkdl.proof.public import SegmentPublic, segment_public
from zkdl.proof.run_certificates import data_certificate_layout
from zkdl.proof.security import run_error_bits, segment_report
from zkdl.statement import bounds, requantise
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import ChainState, Scales, SegmentStatement, initial_state

BYTES_PER_LEAF = 72  # two K arrays of leaves, all layers above them, and one copy while a layer is folded
INTERPRETER_BYTES = 120 << 20


@dataclass(frozen=True)
class Estimate:
    """A forecast. Times in seconds on this machine, sizes in bytes."""

    steps: int
    segments: int
    segment_steps: int
    prove_s_per_step: float
    prove_s: float
    one_time_s: float
    peak_bytes: int
    proof_bytes: int
    soundness_bits: float
    run_bits: float

    def to_json(self) -> dict[str, Any]:
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}

    def table(self) -> str:
        """Aligned text, one line per figure."""
        rows = [
            ("steps", f"{self.steps} in {self.segments} segments of at most {self.segment_steps}"),
            ("prove, per step", f"{self.prove_s_per_step * 1e3:.0f} ms"),
            ("prove, all steps", f"{self.prove_s:.1f} s"),
            ("once per dataset", f"{self.one_time_s:.1f} s (commitment and certificate)"),
            ("peak memory", f"{self.peak_bytes / 2**30:.2f} GiB"),
            ("proof", f"{self.proof_bytes / 2**20:.1f} MiB"),
            ("soundness", f"2^-{self.soundness_bits:.1f} per query, 2^-{self.run_bits:.1f} summed over the run"),
        ]
        return "\n".join(f"{name:<18} {value}" for name, value in rows)


def nominal_scales(run: RunStatement) -> Scales:
    """Scales in the middle of the allowed interval, for a forecast before calibration."""
    a, g = (sum(interval) // 2 for interval in (run.activation_frac_interval, run.gradient_frac_interval))
    hidden = run.L - 1
    last = run.format.gradient_bits - 1 if run.loss == "ce" else run.format.logit_frac
    return Scales(fa=(run.format.feature_frac, *(a,) * hidden, run.format.logit_frac), fg=(*(g,) * hidden, last))


def planned_segment(run: RunStatement, steps: int, scales: Scales | None = None) -> SegmentStatement:
    """The first segment of a run, without roots."""
    scales = scales or nominal_scales(run)
    start = initial_state(run)
    weight_bound, bias_bound = bounds.grow(run, scales, 0, steps, start)
    limbs = requantise.choose_limbs(run, scales, steps)
    return SegmentStatement(0, 0, steps, scales, limbs, start, ChainState("", weight_bound, bias_bound, steps))


@dataclass(frozen=True)
class Rates:
    """Seconds per element on this machine."""

    encoded: float
    hashed_byte: float
    leaf: float
    folded: float


def _time(work: Callable[[], object]) -> float:
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure_rates(backend: Backend) -> Rates:
    """Run each hot kernel once on a small input."""
    rng = np.random.default_rng(0)
    rows = rng.integers(-1000, 1000, (32, 4096)).astype(np.int32)
    random = rng.integers(0, 1 << 62, (32, 160)).astype(np.uint64)
    code = backend.encode(rows, random, 1 << 14)
    salts = np.zeros((1 << 14, 32), dtype=np.uint8)
    table = rng.integers(0, 1 << 62, (1 << 16, 2)).astype(np.uint64)
    weights = rng.integers(0, 1 << 62, (64, 2)).astype(np.uint64)
    one = table[:1]
    layer = _time(lambda: backend.fraction_layer(table, table))
    round_ = _time(lambda: backend.fraction_round(table, table, table[0], table[: 1 << 4], table[: 1 << 10]))
    bind = _time(lambda: backend.fraction_bind(table, table, one[0]))
    wide = rng.integers(-1000, 1000, (64, 1 << 14)).astype(np.int32)
    return Rates(
        encoded=_time(lambda: backend.encode(rows, random, 1 << 14)) / code.size,
        hashed_byte=_time(lambda: backend.hash_columns(code, salts)) / (8 * code.size),
        # Each leaf is built once (three folds of a field), combined once, and folded in two sumchecks of halving length.
        leaf=2 * (layer + round_ + bind) / len(table),
        folded=_time(lambda: backend.vecmat(weights, wide)) / wide.size,
    )


def _commit_s(code: CodeShape, rates: Rates) -> float:
    values = code.rows * code.domain
    return values * (rates.encoded + 8 * rates.hashed_byte)


def _open_s(code: CodeShape, rates: Rates) -> float:
    return 2 * code.rows * code.dimension * rates.folded


def _segment_s(public: SegmentPublic, rates: Rates) -> float:
    witness, weights, data = public.layout.code, public.layout.weights.code, public.dataset.code
    folds = 3 * public.layout.leaves.leaves * rates.folded + 8 * witness.rows * witness.row * rates.folded
    opened = sum(_open_s(code, rates) for code in (witness, weights, weights, data))
    leaves = public.layout.leaves.leaves * rates.leaf
    return _commit_s(witness, rates) + _commit_s(weights, rates) + opened + leaves + folds


def _code_bytes(code: CodeShape) -> int:
    return code.rows * (8 * code.domain + 8 * code.random + 8 * code.row) + 160 * code.domain


def _peak_bytes(public: SegmentPublic) -> int:
    stored = _code_bytes(public.dataset.code) + 2 * _code_bytes(public.layout.weights.code)
    weights = sum(a * b for a, b in zip(public.run.widths[:-1], public.run.widths[1:], strict=True))
    segment = _code_bytes(public.layout.code) + BYTES_PER_LEAF * public.layout.leaves.leaves
    features = 8 * public.run.widths[0] * (public.segment.steps * public.run.batch + public.run.examples)
    return INTERPRETER_BYTES + stored + segment + 32 * weights + features


def estimate(
    run: RunStatement,
    segment_steps: int,
    *,
    threads: int | None = None,
    scales: Scales | None = None,
    backend: Backend | None = None,
    parameters: ParameterSet | None = None,
) -> Estimate:
    """Forecast the proof of a whole run cut into segments of `segment_steps` steps."""
    backend = backend or get_backend(None, threads)
    parameters = parameters or PARAMETER_SETS[run.parameter_set]
    steps = min(segment_steps, run.steps)
    segments = -(-run.steps // steps)
    public = segment_public(run, planned_segment(run, steps, scales), parameters)
    rates = measure_rates(backend)
    certificate = data_certificate_layout(run, parameters)
    leaves = certificate.leaves.leaves
    one_time = _commit_s(public.dataset.code, rates) + _open_s(public.dataset.code, rates)
    one_time += leaves * (rates.leaf + 3 * rates.folded)
    pads = public.pad_shape().code
    codes = [public.layout.code, public.dataset.code, public.layout.weights.code, public.layout.weights.code, pads]
    size = segments * sum(opening_bytes(code) for code in codes)
    size += opening_bytes(public.dataset.code) + opening_bytes(certificate.code) + opening_bytes(pads)
    certificate_peak = _code_bytes(public.dataset.code) + BYTES_PER_LEAF * leaves + INTERPRETER_BYTES
    report = segment_report(public)
    per_segment = _segment_s(public, rates)
    return Estimate(
        steps=run.steps,
        segments=segments,
        segment_steps=steps,
        prove_s_per_step=per_segment / steps,
        prove_s=segments * per_segment,
        one_time_s=one_time,
        peak_bytes=max(_peak_bytes(public), certificate_peak),
        proof_bytes=size,
        soundness_bits=report.bits,
        run_bits=run_error_bits([report] * segments),
    )
