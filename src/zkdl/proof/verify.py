"""The verifier of a whole run: `verify(path)` returns what was proven or raises. [review.md, (b) 5-11]

Needs neither the data nor the weights, and imports numpy and the standard library only. The container is streamed: one
section at a time. Anything wrong is a typed error: Rejected (a false or unexpected proof), MalformedProof or
VersionError (not a proof of this format), UsageError (the caller's own files or arguments).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import PARAMETER_SETS, ParameterSet
from zkdl.commitment.stored import dataset_root, weights_root
from zkdl.errors import MalformedProof, NotProvable, Rejected, UsageError, VersionError
from zkdl.proof import certificate
from zkdl.proof.certificate import CertificateLayout
from zkdl.proof.description import describe
from zkdl.proof.format import Header, SectionReader, read_header
from zkdl.proof.public import SegmentPublic, segment_public
from zkdl.proof.revealed import read_weights
from zkdl.proof.run_certificates import (
    DATA_PROTOCOL,
    INITIAL_PROTOCOL,
    data_certificate_layout,
    initial_certificate_layout,
)
from zkdl.proof.security import SecurityReport, certificate_report, run_error_bits, segment_report
from zkdl.proof.segment_verifier import verify_segment
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

Progress = Callable[[str, float], None]

# Sizes beyond which this release refuses to start: they bound what a hostile header can make a verifier allocate.
MAX_SIZES = {"examples": 1 << 28, "width": 1 << 16, "layers": 256, "steps": 1 << 40, "batch": 1 << 16, "slots": 1 << 22}


@dataclass(frozen=True)
class Verified:
    """What has been proven.

    Attributes:
        checked: extra checks that were asked for and held: "weights", "data", "expected".
        timings_s: seconds per section.
    """

    run: RunStatement
    segments: list[SegmentStatement]
    reports: list[SecurityReport]
    checked: list[str]
    timings_s: dict[str, float] = field(default_factory=dict)

    @property
    def whole_chain(self) -> bool:
        """The segments start at step 0, so that the weight bound is proven and not assumed."""
        return self.segments[0].first_step == 0

    @property
    def complete(self) -> bool:
        """All planned steps are proven."""
        return self.whole_chain and self.segments[-1].first_step + self.segments[-1].steps == self.run.steps

    @property
    def soundness_bits(self) -> float:
        """Round-by-round soundness of the weakest section."""
        return min(report.bits for report in self.reports)

    @property
    def run_bits(self) -> float:
        """-log2 of the sum of all errors of all sections."""
        return run_error_bits(self.reports)

    def describe(self) -> str:
        """The statement in plain words, including what is not proven and what leaks."""
        return describe(self)

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run.to_json(),
            "segments": [segment.to_json() for segment in self.segments],
            "whole_chain": self.whole_chain,
            "complete": self.complete,
            "soundness_bits": f"{self.soundness_bits:.1f}",
            "run_bits": f"{self.run_bits:.1f}",
            "checked": self.checked,
        }


def _check_sizes(header: Header) -> None:
    run = header.run
    found = {
        "examples": run.examples,
        "width": max(run.widths),
        "layers": len(run.widths) - 1,
        "steps": run.steps,
        "batch": run.batch,
        "slots": max((2 * s.steps * 2 * run.batch for s in header.segments), default=0),
    }
    for name, value in found.items():
        if value > MAX_SIZES[name]:
            raise MalformedProof("the statement is larger than this verifier accepts", code="TOO_LARGE", field=name)


def _check_chain(header: Header) -> None:
    """Positions, roots and bounds of consecutive segments, and the start of the chain. [review.md, holes 5, 7, 8]"""
    run, segments = header.run, header.segments
    if not segments:
        raise Rejected("the proof has no segment", code="CHAIN")
    first = segments[0]
    if first.first_step == 0:
        start = first.w_in
        if start.root != (run.init_root or ""):
            raise Rejected("the first weights are not the declared initial ones", code="CHAIN", segment=0)
        if start.weight_bound != run.init_weight_bound or start.bias_bound != run.init_bias_bound:
            raise Rejected("the first weight bounds are not the declared ones", code="CHAIN", segment=0)
    elif first.w_in.root == "":
        raise Rejected("a later segment cannot start from the seed", code="CHAIN", segment=first.index)
    for before, after in zip(segments[:-1], segments[1:], strict=True):
        if after.w_in != before.w_out or after.index != before.index + 1:
            raise Rejected("a segment does not continue the one before it", code="CHAIN", segment=after.index)
    for segment in segments[1:]:
        if segment.w_in.root == "":
            raise Rejected("a later segment cannot start from the seed", code="CHAIN", segment=segment.index)


@dataclass(frozen=True)
class Plan:
    """Everything derived from a header that passed all public checks."""

    segments: list[SegmentPublic]
    data: CertificateLayout
    initial: CertificateLayout | None

    def reports(self) -> list[SecurityReport]:
        """Error terms of every section, segments first."""
        reports = [segment_report(public) for public in self.segments]
        reports.append(certificate_report("data certificate", self.data))
        if self.initial is not None:
            reports.append(certificate_report("range of the initial weights", self.initial))
        return reports


def plan(header: Header, parameters: ParameterSet) -> Plan:
    """Public checks (formats, scales, static bounds, positions) and all sizes that follow."""
    _check_sizes(header)
    run = header.run
    try:
        run.validate()
        for segment in header.segments:
            segment.validate(run)
        _check_chain(header)
        segments = [segment_public(run, segment, parameters) for segment in header.segments]
        initial = initial_certificate_layout(run, parameters) if run.init_root is not None else None
        return Plan(segments, data_certificate_layout(run, parameters), initial)
    except NotProvable as error:
        raise Rejected(f"the statement breaks a rule: {error.message}", code="STATEMENT").at(error.where) from error


def _matches(expected: Any, found: Any) -> bool:
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(k in found and _matches(v, found[k]) for k, v in expected.items())
    return bool(expected == found) and isinstance(expected, bool) == isinstance(found, bool)


def _check_expected(run: RunStatement, expect: Mapping[str, Any]) -> None:
    found = run.to_json()
    for key, value in expect.items():
        if key not in found:
            raise UsageError("the expected statement names a field that does not exist", code="EXPECT_FIELD", field=key)
        if not _matches(value, found[key]):
            raise Rejected("the proof is for another statement than expected", code="EXPECTED_STATEMENT", field=key)


def _check_weights(header: Header, path: Path | str, parameters: ParameterSet, backend: Backend) -> None:
    """The revealed weights and key must give the proven root."""
    last = header.segments[-1]
    weights, key, weight_frac = read_weights(path)
    run = header.run
    shapes = [w.shape for w in weights.W] == list(zip(run.widths[:-1], run.widths[1:], strict=True))
    if not shapes or [b is not None for b in weights.b] != list(run.bias) or weight_frac != run.format.weight_frac:
        raise Rejected("these are weights of another model", code="WEIGHTS_MODEL", file=str(path))
    if weights_root(weights, key, run.weights_budget, parameters, backend).hex() != last.w_out.root:
        raise Rejected("these are not the proven weights", code="WEIGHTS", file=str(path))


def _check_data(
    header: Header,
    data: tuple[NDArray[np.int32], NDArray[np.int32]],
    key: bytes | None,
    parameters: ParameterSet,
    backend: Backend,
) -> None:
    """The auditor's data and key must give the committed root."""
    if key is None:
        raise UsageError("checking the data needs the dataset key", code="DATA_KEY", hint="Pass --data-key")
    features, labels = data
    run = header.run
    if features.shape != (run.examples, run.widths[0]) or labels.shape != (run.examples,):
        raise Rejected("these are data of another shape", code="DATA_ROOT", got=features.shape)
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) >= run.classes):
        raise Rejected("these data have a label that is not a class of the run", code="DATA_ROOT")
    if dataset_root(features, labels, run.classes, key, run.data_budget, parameters, backend).hex() != run.data_root:
        raise Rejected("these are not the committed data", code="DATA_ROOT")


def _verify_sections(
    header: Header, derived: Plan, stream: IO[bytes], backend: Backend, progress: Progress
) -> dict[str, float]:
    """Verify every section in file order; returns seconds per section."""
    run, timings = header.run, {}
    statement = run.canonical()
    initial = initial_weights(run) if any(public.seeded for public in derived.segments) else None
    for k, (name, size) in enumerate(header.sections):
        progress(name, k / len(header.sections))
        started = time.perf_counter()
        source = SectionReader(stream, size)
        if name == "data":
            certificate.verify(backend, DATA_PROTOCOL, statement, derived.data, bytes.fromhex(run.data_root), source)
        elif name == "initial" and derived.initial is not None and run.init_root is not None:
            certificate.verify(
                backend, INITIAL_PROTOCOL, statement, derived.initial, bytes.fromhex(run.init_root), source
            )
        else:
            public = derived.segments[int(name.removeprefix("segment-"))]
            verify_segment(public, source, backend, initial if public.seeded else None)
        timings[name] = time.perf_counter() - started
    if stream.read(1):
        raise MalformedProof("bytes follow the end of the proof", code="PROOF_TRAILING")
    progress("done", 1.0)
    return timings


def _quiet(phase: str, done: float) -> None:
    """No progress."""


def verify(
    path: Path | str,
    *,
    weights: Path | str | None = None,
    data: tuple[NDArray[np.int32], NDArray[np.int32]] | None = None,
    data_key: bytes | None = None,
    expect: Mapping[str, Any] | None = None,
    parameter_sets: Mapping[str, ParameterSet] = PARAMETER_SETS,
    backend: Backend | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Verify a proof container.

    Args:
        weights: safetensors file written by `--reveal-weights`; must be the proven final weights.
        data, data_key: the dataset as quantised integers and its key; must be the committed dataset.
        expect: fields of the run statement that must have these values.
        parameter_sets: names that are accepted; the command line always uses the built-in ones.

    Raises: Rejected, MalformedProof, VersionError, UsageError.
    """
    backend = backend or get_backend()
    path = Path(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UsageError("the proof cannot be read", code="FILE_MISSING", file=str(path)) from error
    with stream:
        header = read_header(stream)
        if header.run.parameter_set not in parameter_sets:
            raise VersionError(
                "the proof uses a parameter set that this verifier does not accept",
                code="PARAMETER_SET",
                name=header.run.parameter_set[:80],
            )
        parameters = parameter_sets[header.run.parameter_set]
        derived = plan(header, parameters)
        if expect is not None:
            _check_expected(header.run, expect)
        reports = derived.reports()
        for report in reports:
            if report.bits < parameters.soundness_bits:
                raise Rejected(
                    "the parameters do not reach the promised soundness", code="SOUNDNESS", section=report.name
                )
        timings = _verify_sections(header, derived, stream, backend, progress or _quiet)
    checked = [] if expect is None else ["expected"]
    if weights is not None:
        _check_weights(header, weights, parameters, backend)
        checked.append("weights")
    if data is not None:
        _check_data(header, data, data_key, parameters, backend)
        checked.append("data")
    return Verified(header.run, header.segments, reports, checked, timings)
