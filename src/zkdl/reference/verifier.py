"""The whole container: header, order of checks, report (docs/spec/container.md, report.md). Entry point `zkdl-refverify`."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import struct
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from math import log2
from typing import Any, BinaryIO, get_type_hints

from zkdl.reference.canonical import build, canonical, parse_canonical
from zkdl.reference.certificates import verify_certificate
from zkdl.reference.dataset import verify_dataset
from zkdl.reference.parameters import PARAMETER_SET
from zkdl.reference.revealed import InputError, check_data, check_weights, read_data, read_key, read_weights
from zkdl.reference.segment import SegmentResult, SegmentVerifier
from zkdl.reference.soundness import Security
from zkdl.reference.statement import Run, Segment, check_chain
from zkdl.reference.training import check_bounds, rates, update_integers
from zkdl.reference.transcript import Invalid, Section, malformed

MAGIC, VERSION, MAX_HEADER = b"ZKDLPROF", 1, 2**24
PROTOCOL = "zkdl/run/1"
COMPLETE, EVERY_EXAMPLE = "complete", "every_example"


@dataclass
class Verified:
    """An accepted container."""

    run: Run
    segments: list[Segment]
    sections: list[Security]
    checked: list[str] = field(default_factory=list)

    @property
    def bits(self) -> float:
        """Soundness of the weakest message."""
        return min(section.weakest for section in self.sections)

    @property
    def total_bits(self) -> float:
        """Of the sum of the errors of all messages."""
        return -log2(sum(section.error for section in self.sections))


@dataclass(frozen=True)
class Header:
    """The header of a container: its fields, under their names."""

    protocol: str
    run: Run
    segments: list[Segment]
    sections: list[tuple[str, int]]


def read_header(source: BinaryIO) -> Header:
    """Step 1 of the order of checks."""
    start = source.read(16)
    if start[:8] != MAGIC:
        raise malformed("the file is no zkdl proof", "PROOF_MAGIC")
    if len(start) < 16:
        raise malformed("the file ends inside its header", "PROOF_TRUNCATED")
    version, length = struct.unpack("<II", start[8:])
    if version != VERSION:
        raise malformed(f"format version {version}", "VERSION")
    if length > MAX_HEADER:
        raise malformed("the header is too long", "HEADER")
    data = source.read(length)
    if len(data) < length:
        raise malformed("the file ends inside its header", "PROOF_TRUNCATED")
    header: Header = build(Header, parse_canonical(data), "the header")
    if header.protocol != PROTOCOL:
        raise malformed("another protocol", "VERSION")
    names = ["data"] + ["initial"] * (header.run.init_root is not None)
    names += [f"segment-{i}" for i in range(len(header.segments))] + ["dataset"]
    sizes = [size for _, size in header.sections]
    if [name for name, _ in header.sections] != names or not 0 <= min(sizes) <= max(sizes) < 2**48:
        raise malformed("the sections are not those of the statement", "HEADER")
    return header


def check_length(source: BinaryIO, header: Header) -> None:
    """A file that is shorter or longer than its header says is refused before anything is verified."""
    if source.seekable():
        start = source.tell()
        missing = start + sum(size for _, size in header.sections) - source.seek(0, 2)
        source.seek(start)
        if missing:
            code = "PROOF_TRUNCATED" if missing > 0 else "PROOF_TRAILING"
            raise malformed("the file has another length than its header says", code)


def used_in_full(run: Run, segments: list[Segment]) -> bool:
    """Whether one whole epoch is among the steps of the chain, and its batches hold all examples."""
    start, end = segments[0].first_step, segments[-1].first_step + segments[-1].steps
    missed = (-start) % run.epoch_steps
    return end - start - missed >= run.epoch_steps and run.epoch_steps * run.batch >= run.examples


def coverage(run: Run, segments: list[Segment]) -> dict[str, bool]:
    """How much of the run is in the chain, under the names that a caller may expect."""
    proven = sum(segment.steps for segment in segments)
    return {COMPLETE: proven == run.steps, EVERY_EXAMPLE: used_in_full(run, segments)}


def expect(run: Run, segments: list[Segment], wanted: dict[str, Any]) -> None:
    """What the caller knows of the run statement, and how much of the run is to be proven."""
    if not contains({**json.loads(run.raw), **coverage(run, segments)}, wanted):
        raise Invalid("EXPECTED_STATEMENT", "the proof is for another statement than expected")


def contains(actual: Any, wanted: Any) -> bool:
    """Whether objects in `wanted` are subsets of those in `actual`, and everything else is equal, byte for byte."""
    if isinstance(actual, dict) and isinstance(wanted, dict):
        return all(key in actual and contains(actual[key], value) for key, value in wanted.items())
    return canonical(actual) == canonical(wanted)


def verify(source: BinaryIO, wanted: dict[str, Any] | None = None) -> Verified:
    """Verify a container from a stream that stands at its start; raises `Invalid` unless all of it holds."""
    header = read_header(source)
    run, segments, sections = header.run, header.segments, header.sections
    if run.parameter_set != PARAMETER_SET:
        raise malformed("unknown parameter set", "PARAMETER_SET")
    run.check_size()
    for segment in segments:
        segment.check_size(run)
    run.check()
    check_chain(run, segments)
    expect(run, segments, wanted or {})
    check_length(source, header)
    found: list[Security] = []
    results: list[SegmentResult] = []
    for name, size in sections:
        section = Section(source, name, size)
        if name in ("data", "initial"):
            found.append(verify_certificate(run, section))
        elif name == "dataset":
            found.append(verify_dataset(run, section, results))
        else:
            # The rules of a segment cost more than those of the run: they wait until the sections before have held.
            segment = segments[len(results)]
            segment.check(run)
            check_bounds(run, segment)
            results.append(SegmentVerifier(run, segment).verify(section))
            found.append(results[-1].security)
    if source.read(1):
        raise malformed("bytes follow the last section", "PROOF_TRAILING")
    return Verified(run, segments, found)


def rate_error(run: Run, segments: list[Segment], layer: int) -> float:
    """How far the learning rate that is taken is from the stated one, at most."""
    worst = 0.0
    for segment in segments:
        shift = run.format.weight_frac - segment.scales.fa[layer] - segment.scales.fg[layer] - 32
        for rate, taken in set(zip(rates(run, segment), update_integers(run, segment)[layer], strict=True)):
            exact = Fraction(rate, run.batch) * Fraction(2) ** shift
            worst = max(worst, float(abs(taken - exact) / exact))
    return worst


def report(verified: Verified) -> str:
    """What an accepted proof says, and what it does not."""
    run, segments, fmt = verified.run, verified.segments, verified.run.format
    first, last = segments[0], segments[-1]
    end = last.first_step + last.steps
    start = f"seed {run.init_seed}" if first.from_seed else f"weights {first.w_in.root}"
    lines = [
        f"network {'-'.join(map(str, run.widths))}, biases {run.bias}, loss {run.loss}, batch {run.batch}",
        f"{run.examples} examples, features in {fmt.feature_min} .. {fmt.feature_min + 2**fmt.feature_bits - 1}",
        f"bits of activations {fmt.activation_bits}, of gradients {fmt.gradient_bits}; weight fraction {fmt.weight_frac}",
        f"steps {first.first_step} .. {end - 1} of {run.steps} planned, in {len(segments)} segments",
        f"data      {run.data_root}",
        f"start     {start}",
        f"result    {last.w_out.root}",
    ]
    if first.index:
        lines.append(
            "ASSUMED: the bound on the weights at the first step shown. The start of the run is not in this proof."
        )
    if end < run.steps:
        lines.append("Not all planned steps are in this proof.")
    if not used_in_full(run, segments):
        lines.append("Some of the committed examples may have been used in none of these steps.")
    if run.beacon is None:
        lines.append("No beacon: the prover could have searched for a favourable order of the examples.")
    else:
        before = hashlib.sha256(canonical({**json.loads(run.raw), "beacon": None})).hexdigest()
        lines.append(f"beacon {run.beacon}; this digest must have been published before it appeared: {before}")
    for l in range(1, run.depth + 1):
        fa, fg = [segment.scales.fa[l] for segment in segments], [segment.scales.fg[l - 1] for segment in segments]
        error = rate_error(run, segments, l - 1)
        lines.append(
            f"layer {l}: fa {min(fa)} .. {max(fa)}, fg {min(fg)} .. {max(fg)}, learning rate within {error:.2e}"
        )
    lines += [
        "Scales are the prover's choice; gradients below half a step of their scale count as zero, and gradients pass",
        "where activations were clamped. Nothing is said about the data's quality, origin or licence, about accuracy,",
        "about floating-point training, or about other runs that were made and thrown away.",
        f"soundness {verified.bits:.2f} bits (weakest message), {verified.total_bits:.2f} bits (sum of all errors)",
    ]
    if verified.checked:
        lines.append(f"checked besides, and held: {', '.join(verified.checked)}")
    return "\n".join(lines)


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("zkdl-refverify", description="Verify a zkdl proof. Exit status: 0 valid, 1 rejected, "
        "2 wrong arguments or files, 3 no proof of a supported format.")  # fmt: skip
    parser.add_argument("proof", metavar="PROOF", help="the proof; - reads a pipe")
    parser.add_argument(
        "--expect", metavar="FILE", help="JSON object: fields of the statement, complete, every_example"
    )
    parser.add_argument("--weights", metavar="FILE", help="revealed weights that must be the proven ones")
    parser.add_argument("--data", metavar="FILE", help=".npz or .csv file that must hold the committed data")
    parser.add_argument("--data-key", metavar="FILE", help="key of the commitment to the data")
    options = parser.parse_args(arguments)
    if (options.data is None) != (options.data_key is None):
        parser.error("--data and --data-key belong together")
    return options


def read_expected(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        wanted = json.load(file)
    if not isinstance(wanted, dict) or set(wanted) - {*get_type_hints(Run), COMPLETE, EVERY_EXAMPLE}:
        raise InputError(f"{path} holds something else than fields of a run statement")
    return wanted


def checked(options: argparse.Namespace) -> Verified:
    """Everything that was asked for. Raises `Invalid`, and errors of the caller's files."""
    wanted = read_expected(options.expect) if options.expect else {}
    weights = read_weights(options.weights) if options.weights else None
    data = (*read_data(options.data), read_key(options.data_key)) if options.data else None
    if options.proof == "-" and sys.stdin is None:
        raise OSError("standard input is closed")
    with nullcontext(sys.stdin.buffer) if options.proof == "-" else open(options.proof, "rb") as source:
        verified = verify(source, wanted)
    if weights is not None:
        check_weights(verified.run, verified.segments[-1], weights)
        verified.checked.append("weights")
    if data is not None:
        check_data(verified.run, *data)
        verified.checked.append("data")
    if wanted:
        verified.checked.append("expected statement")
    return verified


def main(arguments: list[str] | None = None) -> int:
    """Verify a file and what else is asked for; returns the exit status."""
    try:
        verified = checked(options_of(arguments))
    except SystemExit as done:
        # argparse has printed help (0) or what is wrong with the arguments (2).
        return int(done.code or 0)
    except Invalid as verdict:
        print(("REJECTED " if verdict.status == 1 else "UNREADABLE ") + str(verdict))
        return verdict.status
    except (OSError, ValueError, RecursionError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    try:
        print("VALID\n" + report(verified), flush=True)
    except BrokenPipeError:
        # The reader went away, as in `| head`: the proof is valid all the same. Python flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
