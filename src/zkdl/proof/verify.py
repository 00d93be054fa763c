"""The verifier of a whole run: `verify(path)` returns what was proven or raises. [review.md, (b) 5-11]

Needs neither the data nor the weights, and imports numpy and the standard library only. The container is streamed: what a
section needs is derived when its turn comes and dropped after it; a segment leaves a few points for the data proof, which is
the last section and without which nothing is accepted. Memory hardly grows with the number of segments, and
nothing large is derived for a proof whose first section is false. Anything wrong is a typed error: Rejected (a false or
unexpected proof), MalformedProof or VersionError (not a proof of this format), UsageError (the caller's own files or
arguments), ResourceError (this machine is too small for the statement).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import PARAMETER_SETS, ParameterSet
from zkdl.errors import MalformedProof, NotProvable, Rejected, ResourceError, VersionError
from zkdl.proof import certificate, data_proof
from zkdl.proof.certificate import CertificateLayout
from zkdl.proof.chain import check_chain, complete, every_example
from zkdl.proof.data_claims import SegmentLink
from zkdl.proof.data_proof import data_proof_layout
from zkdl.proof.description import describe
from zkdl.proof.format import HashedStream, Header, SectionReader, check_length, read_header, read_some
from zkdl.proof.limits import check_sizes
from zkdl.proof.outside import check_data, check_expected, check_weights
from zkdl.proof.public import segment_public, segment_sizes
from zkdl.proof.run_certificates import (
    DATA_PROTOCOL,
    INITIAL_PROTOCOL,
    data_certificate_layout,
    initial_certificate_layout,
)
from zkdl.proof.security import SecurityReport, certificate_report, data_proof_report, run_error_bits, segment_report
from zkdl.proof.segment_verifier import verify_segment
from zkdl.proof.source import open_proof
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

Progress = Callable[[str, float], None]
Data = tuple[NDArray[np.int32], NDArray[np.int32]]
# Of segments whose error terms are shown before anything has been verified: different sizes, and entries of their tables.
MAX_SIZES, MAX_ENTRIES = 16, 1 << 22
DATA_NAME, INITIAL_NAME = "data certificate", "range of the initial weights"


@dataclass(frozen=True)
class Verified:
    """What has been proven.

    Attributes:
        reports: error terms of every section, in file order.
        checked: extra checks that were asked for and held: "weights", "data", "expected".
        timings_s: seconds per section.
        proof_sha256, proof_bytes: digest (hexadecimal) and size of the container that was verified.
    """

    run: RunStatement
    segments: list[SegmentStatement]
    reports: list[SecurityReport]
    checked: list[str]
    timings_s: dict[str, float] = field(default_factory=dict)
    proof_sha256: str = ""
    proof_bytes: int = 0

    @property
    def whole_chain(self) -> bool:
        """The segments start at step 0, so that the weight bound is proven and not assumed."""
        return self.segments[0].first_step == 0

    @property
    def complete(self) -> bool:
        """All planned steps are proven."""
        return complete(self.run, self.segments)

    @property
    def every_example(self) -> bool:
        """By the statement, each committed example was used in a proven step at least once."""
        return every_example(self.run, self.segments)

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


@contextmanager
def _rules() -> Iterator[None]:
    """A rule that a planned run would break makes a finished one false."""
    try:
        yield
    except NotProvable as error:
        raise Rejected(f"the statement breaks a rule: {error.message}", code="STATEMENT").at(error.where) from error


def check_statement(header: Header) -> None:
    """Sizes, the rules of the run, the chain. Raises MalformedProof, Rejected.

    The rules of each segment are checked when its section comes: their cost grows with steps and layers, and a header has
    room for thousands of segments, which a file whose first section is false must not make anybody work through.
    """
    check_sizes(header)
    with _rules():
        header.run.validate()
    check_chain(header.run, header.segments)


def _checked(run: RunStatement, segment: SegmentStatement) -> SegmentStatement:
    """The segment, which keeps every rule for itself. Raises NotProvable."""
    segment.validate(run)
    return segment


def section_reports(header: Header, parameters: ParameterSet) -> Iterator[SecurityReport]:
    """Error terms of every section of a header that passed `check_statement`, in file order, without any proof.

    Segments of further sizes are left out behind MAX_SIZES sizes or MAX_ENTRIES entries of tables: nothing has been verified,
    and each size costs tables.
    Raises Rejected for a segment that breaks a rule.
    """
    run = header.run
    known: dict[object, SecurityReport] = {}
    entries = 0
    with _rules():
        yield certificate_report(DATA_NAME, data_certificate_layout(run, parameters))
        if run.init_root is not None:
            yield certificate_report(INITIAL_NAME, initial_certificate_layout(run, parameters))
        for segment in header.segments:
            # Segments of one size share their terms; what else differs between them is no part of any error.
            size = (segment.steps, segment.limbs, segment.scales, segment.w_in.root == "")
            if size not in known:
                if len(known) == MAX_SIZES or entries >= MAX_ENTRIES:
                    continue
                public = segment_sizes(run, _checked(run, segment), parameters)
                entries += sum(map(len, public.layout.tables.values()))
                known[size] = segment_report(public)
            yield replace(known[size], name=f"segment {segment.index}")
        yield data_proof_report(data_proof_layout(run, len(header.segments), parameters))


class _Sections:
    """Verifies the sections of one container, one after the other."""

    def __init__(self, header: Header, parameters: ParameterSet, backend: Backend) -> None:
        self.run = header.run
        self.segments = header.segments
        self.parameters = parameters
        self.backend = backend
        self.reports: list[SecurityReport] = []
        self.links: list[SegmentLink] = []

    def _report(self, report: SecurityReport) -> None:
        """Sizes that do not reach the promised soundness are refused before a byte of the section is read."""
        if report.bits < self.parameters.soundness_bits:
            raise Rejected("the parameters do not reach the promised soundness", code="SOUNDNESS", section=report.name)
        self.reports.append(report)

    def verify(self, name: str, source: SectionReader) -> None:
        if name == "data":
            layout = data_certificate_layout(self.run, self.parameters)
            self._certificate(DATA_NAME, DATA_PROTOCOL, layout, self.run.data_root, source)
        elif name == "initial" and self.run.init_root is not None:
            layout = initial_certificate_layout(self.run, self.parameters)
            self._certificate(INITIAL_NAME, INITIAL_PROTOCOL, layout, self.run.init_root, source)
        elif name == "dataset":
            proof = data_proof_layout(self.run, len(self.links), self.parameters)
            self._report(data_proof_report(proof))
            data_proof.verify(self.backend, proof, self.links, source)
        else:
            self._segment(self.segments[int(name.removeprefix("segment-"))], source)

    def _certificate(
        self, name: str, protocol: str, layout: CertificateLayout, root: str, source: SectionReader
    ) -> None:
        self._report(certificate_report(name, layout))
        certificate.verify(self.backend, protocol, self.run.canonical(), layout, bytes.fromhex(root), source)

    def _segment(self, segment: SegmentStatement, source: SectionReader) -> None:
        public = segment_public(self.run, _checked(self.run, segment), self.parameters)
        self._report(segment_report(public))
        initial = partial(initial_weights, self.run) if public.seeded else None
        self.links.append(verify_segment(public, source, self.backend, initial))


def _verify_sections(header: Header, sections: _Sections, stream: IO[bytes], progress: Progress) -> dict[str, float]:
    """All sections in file order; returns seconds per section."""
    timings = {}
    for k, (name, size) in enumerate(header.sections):
        progress(name, k / len(header.sections))
        started = time.perf_counter()
        source = SectionReader(stream, size)
        try:
            with _rules():
                sections.verify(name, source)
            source.finish(name)
        except (MalformedProof, Rejected) as error:
            error.where.setdefault("section", name)
            raise
        timings[name] = time.perf_counter() - started
    if read_some(stream, 1):
        raise MalformedProof("bytes follow the end of the proof", code="PROOF_TRAILING")
    progress("done", 1.0)
    return timings


def _quiet(phase: str, done: float) -> None:
    """No progress."""


def verify(
    path: Path | str | IO[bytes],
    *,
    weights: Path | str | None = None,
    data: Data | Callable[[RunStatement], Data] | None = None,
    data_key: bytes | None = None,
    expect: Mapping[str, Any] | None = None,
    parameter_sets: Mapping[str, ParameterSet] = PARAMETER_SETS,
    backend: Backend | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Verify a proof container.

    Args:
        path: file name, or a binary stream such as a pipe. It is read once, forwards, and never further than the statement
            in its header allows.
        weights: safetensors file written by `--reveal-weights`; must be the proven final weights.
        data, data_key: the dataset as quantised integers and its key; must be the committed dataset. A function gets the
            statement, once its rules have been checked, and returns the dataset.
        expect: fields of the run statement that must have these values; also `complete` and `every_example`, as of `Verified`.
        parameter_sets: names that are accepted; the command line always uses the built-in ones.

    Raises: Rejected, MalformedProof, VersionError, UsageError, ResourceError.
    """
    backend = backend or get_backend()
    checked = []
    with open_proof(path) as stream:
        hashed = HashedStream(stream)
        source = cast(IO[bytes], hashed)  # it has the part of the interface that is used
        header = read_header(source)
        name = header.run.parameter_set
        if name not in parameter_sets:
            message = "the proof uses a parameter set that this verifier does not accept"
            raise VersionError(message, code="PARAMETER_SET", name=name[:80])
        parameters = parameter_sets[name]
        check_statement(header)
        if expect:
            check_expected(header, expect)
            checked.append("expected")
        check_length(stream, header)
        sections = _Sections(header, parameters, backend)
        try:
            given = data(header.run) if callable(data) else data
            timings = _verify_sections(header, sections, source, progress or _quiet)
            if weights is not None:
                check_weights(header, weights, parameters, backend, hashed.sha256)
                checked.append("weights")
            if given is not None:
                check_data(header, given, data_key, parameters, backend)
                checked.append("data")
        except MemoryError as error:
            raise ResourceError(
                "this machine has too little memory to verify the statement", code="MEMORY", file=hashed.name
            ) from error
    return Verified(header.run, header.segments, sections.reports, checked, timings, hashed.sha256, hashed.size)
