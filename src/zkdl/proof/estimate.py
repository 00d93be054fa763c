"""What proving will cost, before anything heavy runs: time, memory, proof size and soundness.

Sizes follow from the statement. Times come from a small calibration on this very machine (a fraction of a second): seconds
per element of each kernel, of NumPy and of the interpreter, times how many elements each phase handles. How often a phase
visits an element is counted from the code where it can be, and fitted to measured runs where not: see the constants.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from zkdl.algebra.extension import Ext
from zkdl.backend.base import Backend
from zkdl.backend.leaves import LeafProgram, LeafSpan
from zkdl.backend.scratch import KEPT_CODE_BYTES
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import PARAMETER_SETS, CodeShape, ParameterSet, opening_bytes
from zkdl.proof.data_proof import data_proof_layout
from zkdl.proof.multiplicities import check_multiplicities
from zkdl.proof.plan import INTERPRETER_BYTES, MemoryPlan, allowed_bytes, memory_plan, training_bytes
from zkdl.proof.public import SegmentPublic, segment_public
from zkdl.proof.run_certificates import data_certificate_layout
from zkdl.proof.security import data_proof_report, run_error_bits, segment_report
from zkdl.protocols.lookup import LeafLayout
from zkdl.statement import bounds, requantise, schedule
from zkdl.statement.limits import check_provable
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import ChainState, Scales, SegmentStatement, initial_state

# Fitted: NumPy passes over a weight, a value of a layer and a leaf; passes over a table entry; multiplications in K by the
# interpreter, at last those of a command that starts.
PASSES_PER_WEIGHT, PASSES_PER_UNIT, PASSES_PER_LEAF, PASSES_PER_ENTRY = 4, 40, 6, 40
# Largest side of a matrix whose products are timed.
MOST_SIDE, SLOW_SIDE = 2048, 16
WEIGHT_BITS, VALUE, ONE_LIMB = 26, 500, 31
PYTHON_TO_COMMIT, PYTHON_TO_OPEN, PYTHON_PER_ROUND, PYTHON_PER_STEP_LAYER = 15000, 200000, 300, 300
PYTHON_TO_START = 500000
PYTHON_TO_VERIFY = 240000  # a finished section, before its link is made again
MASK_ROWS = 4
CLOCK = time.perf_counter
LEAST_RUNS, LEAST_TIMED_S = 3, 0.02
# Probed: an eighth of the need, as recently freed pages come first. Only above 32 MiB glibc asks the system for new ones.
LEAST_FRESH_BYTES, MOST_FRESH_BYTES, PAGE = 33 << 20, 512 << 20, 4096
FRESH_PIECES, FRESH_OUTLIER = 32, 4.0
LEAF_BYTES, NODE_BYTES = 64, 128  # hashed per column besides its values: padding and salt; its share of the tree


@dataclass(frozen=True)
class Estimate:
    """A forecast. Times in seconds on this machine, sizes in bytes.

    train_peak_bytes, peak_bytes: memory of `zkdl train` and of proving; disk_bytes: scratch files while proving.
    """

    steps: int
    segments: int
    segment_steps: int
    train_s: float
    prove_s_per_step: float
    prove_s: float
    one_time_s: float
    train_peak_bytes: int
    peak_bytes: int
    disk_bytes: int
    proof_bytes: int
    soundness_bits: float
    run_bits: float

    def to_json(self) -> dict[str, Any]:
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}

    def table(self) -> str:
        """Aligned text, one line per figure."""
        rows = [
            ("steps", f"{self.steps} in {self.segments} segments of at most {self.segment_steps}"),
            ("train, all steps", f"{self.train_s:.1f} s"),
            ("prove, per step", f"{self.prove_s_per_step * 1e3:.0f} ms"),
            ("prove, all steps", f"{self.prove_s:.1f} s"),
            ("once per dataset", f"{self.one_time_s:.1f} s (commitment, certificate, data proof)"),
            ("memory, training", f"{self.train_peak_bytes / 2**30:.2f} GiB"),
            ("memory, proving", f"{self.peak_bytes / 2**30:.2f} GiB"),
            ("scratch on disk", f"{self.disk_bytes / 2**30:.2f} GiB"),
            ("proof", f"{self.proof_bytes / 2**20:.1f} MiB"),
            ("soundness", f"2^-{self.soundness_bits:.1f} per query, 2^-{self.run_bits:.1f} summed over the run"),
        ]
        return "\n".join(f"{name:<18} {value}" for name, value in rows)


def nominal_scales(run: RunStatement) -> Scales:
    """Scales in the middle of the allowed interval, coarser where an update would round to zero: for a forecast before
    calibration."""
    a, g = (sum(interval) // 2 for interval in (run.activation_frac_interval, run.gradient_frac_interval))
    hidden = run.L - 1
    last = run.format.gradient_bits - 1 if run.loss == "ce" else run.format.logit_frac
    fa, fg = (run.format.feature_frac, *(a,) * hidden, run.format.logit_frac), [*(g,) * hidden, last]
    least = min(rate for _, rate in run.schedule)
    for layer in range(1, run.L):
        while fg[layer - 1] > run.gradient_frac_interval[0]:
            numerator, denominator = schedule.update_ratio(run, Scales(fa, tuple(fg)), layer, least)
            if numerator >= denominator:
                break
            fg[layer - 1] -= 1
    return Scales(fa, tuple(fg))


def planned_segment(run: RunStatement, steps: int, scales: Scales | None = None) -> SegmentStatement:
    """The first segment of a run, without roots."""
    scales = scales or nominal_scales(run)
    start = initial_state(run)
    weight_bound, bias_bound = bounds.grow(run, scales, 0, steps, start)
    limbs = requantise.choose_limbs(run, scales, steps)
    return SegmentStatement(0, 0, steps, scales, limbs, start, ChainState("", weight_bound, bias_bound, steps))


@dataclass(frozen=True)
class Rates:
    """Seconds on this machine: per element of a kernel, per multiply-add of a step of training, per int64 of a NumPy
    pass, per byte of memory that the process has not had before, and for one multiplication in K by the interpreter."""

    encoded: float
    hashed_byte: float
    leaf: float
    folded: float
    product: float
    passed: float
    fresh: float
    interpreted: float


def _time(work: Callable[[], object]) -> float:
    """The shortest of a few runs, more of them if they are short: other processes only ever make one longer."""
    work()
    best, total, runs = float("inf"), 0.0, 0
    while runs < LEAST_RUNS or total < LEAST_TIMED_S:
        started = CLOCK()
        work()
        passed = CLOCK() - started
        best, total, runs = min(best, passed), total + passed, runs + 1
    return best


def _fresh(peak: int) -> float:
    """Once only: on a virtual machine the first touch of a page costs far more than any later one.

    In pieces, so that a pause of this process counts as little as the pieces beside it.
    """
    size = min(max(peak >> 3, LEAST_FRESH_BYTES), MOST_FRESH_BYTES)
    pages = np.empty(size, dtype=np.uint8)
    seconds = []
    for piece in np.array_split(pages[::PAGE], FRESH_PIECES):
        started = CLOCK()
        piece[:] = 1
        seconds.append(CLOCK() - started)
    longest = FRESH_OUTLIER * float(np.median(seconds))
    return sum(min(one, longest) for one in seconds) / size


def _product_s(backend: Backend, rows: int, widths: Sequence[int]) -> float:
    """Per multiply-add of the products and updates of one step, in the shapes of the run's own layers."""
    most = SLOW_SIDE if backend.name == "reference" else MOST_SIDE
    shapes = Counter((min(a, most), min(b, most)) for a, b in itertools.pairwise(widths))
    rng = np.random.default_rng(2)
    seconds, count = 0.0, 0
    for (inputs, outputs), layers in shapes.items():
        matrix = rng.integers(-(1 << WEIGHT_BITS), 1 << WEIGHT_BITS, (inputs, outputs)).astype(np.float64)
        left, right = (rng.integers(-VALUE, VALUE, (rows, width)) for width in (inputs, outputs))
        narrow = left.astype(np.int32), right.astype(np.int32)
        seconds += layers * (
            _time(partial(backend.integer_product, left, matrix))
            + _time(partial(backend.integer_product, right, matrix, True))
            + _time(partial(backend.subtract_products, matrix, *narrow, 1))
        )
        count += 3 * layers * rows * matrix.size
    return seconds / count


def _interpret() -> Ext:
    value = Ext(3, 5)
    for _ in range(1000):
        value = value * value
    return value


def _streamed_s(backend: Backend, size: int) -> float:
    """Everything that is done on leaves, as recipes with two fields, before tables are stored."""
    rng = np.random.default_rng(1)
    fields = [rng.integers(0, 1 << 20, size).astype(np.int32) for _ in range(2)]
    elements = rng.integers(0, 1 << 62, (4, 2)).astype(np.uint64)
    program = LeafProgram([LeafSpan(0, size, size, elements[0], list(elements[1:3]), fields)], size)
    low = min(size.bit_length() - 3, 8)
    high_weights, low_weights = (
        backend.eq_table(np.repeat(elements[:1], v, axis=0)) for v in (size.bit_length() - 3 - low, low)
    )
    one, two, none = elements[:1], elements[:2], elements[:0]

    def work() -> None:
        backend.leaf_table(program, 2)
        for level, bound in ((0, none), (0, one), (1, none)):
            backend.leaf_round(program, level, bound, elements[3], high_weights, low_weights)
        backend.leaf_bind(program, 0, two)
        backend.leaf_bind(program, 1, one)

    return _time(work)


def measure_rates(
    backend: Backend,
    leaves: int = 1 << 16,
    log_domain: int = 14,
    peak: int = 0,
    batch: int = 64,
    widths: Sequence[int] = (256, 256),
) -> Rates:
    """Run each hot kernel on a part of the real size, up to what takes a fraction of a second.

    Args:
        leaves, log_domain: of the proof; larger arrays leave the caches, and longer transforms cost more per element.
        peak: bytes the proof will need. batch, widths: batch and widths of the network.
    """
    rng = np.random.default_rng(0)
    slow = backend.name != "native"
    domain = 1 << min(log_domain, 13 if slow else 16)
    rows = rng.integers(-1000, 1000, (8, domain >> 2)).astype(np.int32)
    random = rng.integers(0, 1 << 62, (8, min(160, domain >> 1))).astype(np.uint64)
    code = backend.encode(rows, random, domain)
    salts = np.zeros((domain, 32), dtype=np.uint8)
    size = 1 << min(max(leaves.bit_length() - 1, 12), 14 if slow else 20)
    table = rng.integers(0, 1 << 62, (size, 2)).astype(np.uint64)
    weights = rng.integers(0, 1 << 62, (64, 2)).astype(np.uint64)
    low = min(size.bit_length() - 3, 8)
    layer = _time(lambda: backend.fraction_layer(table, table))
    high_weights, low_weights = table[: size >> (2 + low)], table[: 1 << low]
    round_ = _time(lambda: backend.fraction_round(table, table, table[0], high_weights, low_weights))
    bind = _time(lambda: backend.fraction_bind(table, table, table[0]))
    wide = rng.integers(-1000, 1000, (64, 1 << 14)).astype(np.int32)
    numbers = rng.permutation(size).astype(np.int64)
    return Rates(
        encoded=_time(lambda: backend.encode(rows, random, domain)) / code.size,
        hashed_byte=_time(lambda: backend.hash_columns(code, salts)) / ((8 * len(code) + LEAF_BYTES) * domain),
        # Stored layers begin with a quarter of the leaves; all layers together have twice the elements of the lowest one,
        # the rounds of a layer twice its elements, and two layers are folded to a quarter before they are stored.
        leaf=_streamed_s(backend, size) / size + (layer / 2 + 2 * (round_ + bind)) / size,
        folded=_time(lambda: backend.vecmat(weights, wide)) / wide.size,
        product=_product_s(backend, batch, widths),
        passed=_time(lambda: numbers + numbers) / size,
        fresh=_fresh(peak),
        interpreted=_time(_interpret) / 1000,
    )


def _commit_s(code: CodeShape, rates: Rates, rows: int | None = None) -> float:
    rows = code.rows if rows is None else rows
    return code.domain * (rows * rates.encoded + (8 * rows + LEAF_BYTES + NODE_BYTES) * rates.hashed_byte)


def _open_s(code: CodeShape, rates: Rates) -> float:
    """Masks, a fold of the rows, and the code once more where it was not kept."""
    again = 0.0 if 8 * code.rows * code.domain <= KEPT_CODE_BYTES else code.rows * code.domain * rates.encoded
    return again + _commit_s(code, rates, MASK_ROWS) + 2 * code.rows * code.dimension * rates.folded


def _lookups_s(leaves: LeafLayout, rates: Rates) -> float:
    """All of a tree of fractions."""
    rounds = leaves.n_vars * (leaves.n_vars + 1) // 2
    python = PYTHON_PER_ROUND * rounds * rates.interpreted
    return leaves.leaves * rates.leaf + python


def _step_s(public: SegmentPublic, rates: Rates) -> float:
    """One step of training."""
    run = public.run
    weights = run.weight_count
    rows = 1 << public.layout.log_batch
    # Forward, update, and backward but in the first layer; a weight that is too wide for one limb is multiplied in two.
    limbs = 1 if run.format.weight_frac <= ONE_LIMB else 2
    first = run.widths[0] * run.widths[1]
    products = rows * (limbs * (2 * weights - first) + weights)
    step = products * rates.product + PASSES_PER_WEIGHT * weights * rates.passed
    step += PASSES_PER_UNIT * rows * sum(run.widths) * rates.passed
    return step + PYTHON_PER_STEP_LAYER * run.L * rates.interpreted


def _witness_s(public: SegmentPublic, rates: Rates) -> float:
    """Re-execution of the steps, and the multiplicities."""
    leaves = public.layout.leaves
    entries = sum(len(rows_.table.columns[0]) for rows_ in leaves.tables)
    counted = (PASSES_PER_ENTRY * entries + PASSES_PER_LEAF * leaves.leaves) * rates.passed
    return public.segment.steps * _step_s(public, rates) + counted


def _segment_s(public: SegmentPublic, rates: Rates) -> dict[str, float]:
    """By phase of the progress reports."""
    layout = public.layout
    witness, weights, pads = layout.code, layout.weights.code, public.pad_shape().code
    opened = [public.code(name) for name in public.openings]
    return {
        "witness": _witness_s(public, rates),
        "commit": sum(_commit_s(code, rates) for code in (witness, public.link, weights, pads))
        + PYTHON_TO_COMMIT * rates.interpreted,
        "lookups": _lookups_s(layout.leaves, rates) + 8 * witness.rows * witness.row * rates.folded,
        "open": sum(_open_s(code, rates) for code in opened) + PYTHON_TO_OPEN * rates.interpreted,
    }


def planned_memory(
    run: RunStatement,
    segment_steps: int,
    limit: int,
    *,
    scales: Scales | None = None,
    parameters: ParameterSet | None = None,
) -> MemoryPlan:
    """Where everything goes while the run is proven, within `limit` bytes of memory if that is possible.

    Raises NotProvable(TOO_LARGE) for a run that no verifier accepts.
    """
    check_provable(run, segment_steps)
    parameters = parameters or PARAMETER_SETS[run.parameter_set]
    check_multiplicities(run, segment_steps, parameters)
    steps = min(segment_steps, run.steps)
    public = segment_public(run, planned_segment(run, steps, scales), parameters)
    return memory_plan(run, public, -(-run.steps // steps), limit, parameters)


def estimate(
    run: RunStatement,
    segment_steps: int,
    *,
    threads: int | None = None,
    scales: Scales | None = None,
    backend: Backend | None = None,
    parameters: ParameterSet | None = None,
    max_memory: int | None = None,
) -> Estimate:
    """Forecast the proof of a whole run cut into segments of `segment_steps` steps.

    Args:
        backend: times are those of its processor, also where a device would prove.
        max_memory: bytes the proofs may take; None for most of what this machine has.
    Raises NotProvable(TOO_LARGE) for a run that no verifier accepts.
    """
    check_provable(run, segment_steps)
    backend = (backend or get_backend(None, threads)).local
    parameters = parameters or PARAMETER_SETS[run.parameter_set]
    check_multiplicities(run, segment_steps, parameters)
    steps = min(segment_steps, run.steps)
    segments = -(-run.steps // steps)
    public = segment_public(run, planned_segment(run, steps, scales), parameters)
    certificate = data_certificate_layout(run, parameters)
    data_proof = data_proof_layout(run, segments, parameters)
    limit = allowed_bytes(max_memory)
    plan = memory_plan(run, public, segments, limit, parameters)
    peak, certificate_peak = plan.memory_bytes, plan.sections["data"].memory
    leaves, log_domain = public.layout.leaves.leaves, public.layout.code.log_domain
    rates = measure_rates(backend, leaves, log_domain, peak, run.batch, run.widths)
    # The dataset is committed to when training begins and again when proving begins, each time in a fresh process; its code
    # is encoded once more for the data proof.
    data = public.dataset.code
    committed = _commit_s(data, rates) + 8 * data.rows * data.domain * rates.fresh
    one_time = 2 * (committed + _open_s(data, rates)) + data.rows * data.domain * rates.encoded
    one_time += (segments * PYTHON_TO_VERIFY + 2 * PYTHON_TO_START) * rates.interpreted
    one_time += _lookups_s(certificate.leaves, rates) + (PYTHON_TO_COMMIT + PYTHON_TO_OPEN) * rates.interpreted
    pads = public.pad_shape().code
    codes = [public.layout.code, public.link, public.layout.weights.code, public.layout.weights.code, pads]
    size = segments * sum(opening_bytes(code) for code in codes)
    size += opening_bytes(public.dataset.code) + opening_bytes(certificate.code) + opening_bytes(pads)
    size += segments * opening_bytes(public.link) + opening_bytes(public.dataset.code)
    size += opening_bytes(data_proof.pad_shape().code)
    reports = [segment_report(public), data_proof_report(data_proof)]
    per_segment = sum(_segment_s(public, rates).values())
    # The certificate comes first, so it meets the fresh memory; segments reuse it as far as it goes.
    one_time += (certificate_peak - INTERPRETER_BYTES) * rates.fresh
    first = (peak - certificate_peak) * rates.fresh
    return Estimate(
        steps=run.steps,
        segments=segments,
        segment_steps=steps,
        # The weights are committed after every segment.
        train_s=run.steps * _step_s(public, rates) + segments * _commit_s(public.layout.weights.code, rates),
        prove_s_per_step=per_segment / steps,
        prove_s=segments * per_segment + first,
        one_time_s=one_time,
        train_peak_bytes=training_bytes(run),
        peak_bytes=peak,
        disk_bytes=plan.disk_bytes,
        proof_bytes=size,
        soundness_bits=min(report.bits for report in reports),
        run_bits=run_error_bits([reports[0]] * segments + reports[1:]),
    )
