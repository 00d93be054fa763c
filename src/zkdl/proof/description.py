"""The proven statement in plain words: what is proven, what is not, what leaks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from zkdl.statement import schedule

if TYPE_CHECKING:
    from zkdl.proof.verify import Verified
    from zkdl.statement.run import RunStatement
    from zkdl.statement.segment import SegmentStatement

LOSSES = {"ce": "softmax cross-entropy", "mse": "squared error"}


def describe(verified: Verified) -> str:
    """Several lines of ASCII text."""
    lines = proven(verified)
    lines += ["", "Not proven or only assumed:"]
    lines += [f"  - {line}" for line in caveats(verified)]
    lines += ["", *chosen(verified)]
    lines += ["", *leakage(verified.run, verified.segments)]
    lines += ["", *soundness(verified)]
    return "\n".join(lines)


def paragraphs(lines: list[str]) -> list[str]:
    """The lines as paragraphs: a line that begins with two spaces goes on with the one before."""
    out: list[str] = []
    for line in lines:
        if line.startswith("  ") and out:
            out[-1] += " " + line.strip()
        elif line:
            out.append(line)
    return out


def proven(verified: Verified) -> list[str]:
    """The proven sentences, in lines; a line that goes on begins with two spaces."""
    run, segments = verified.run, verified.segments
    first, last = segments[0], segments[-1]
    steps = last.end_step - first.first_step
    network = "-".join(str(width) for width in run.widths)
    lines = [
        f"Proven: {steps} steps of mini-batch SGD (steps {first.first_step} to {last.end_step - 1}"
        f" of {run.steps}, batch {run.batch}, {LOSSES[run.loss]}) of the network {network},",
        f"  in exact integer arithmetic with {run.format.activation_bits}-bit activations,"
        f" {run.format.gradient_bits}-bit gradients and {run.format.weight_frac} fraction bits of the weights,",
        f"  on batches that the public sampler drew from the {run.examples} examples committed as {run.data_root},",
        f"  starting from {_start(verified)},",
        f"  gave the weights committed as {last.w_out.root}.",
        f"The committed features lie in [{run.format.feature_min}, {run.format.feature_min + (1 << run.format.feature_bits) - 1}]"
        " and every example has exactly one label.",
    ]
    if "weights" in verified.checked:
        lines.append("The given weights file holds exactly these weights.")
    if "data" in verified.checked:
        lines.append("The given data are exactly the committed examples, in this order.")
    return lines


def soundness(verified: Verified) -> list[str]:
    """How likely a false proof is to be accepted."""
    return [
        f"Soundness: 2^-{verified.soundness_bits:.1f} per random-oracle query in the weakest section,"
        f" 2^-{verified.run_bits:.1f} for the sum of all errors; no conjecture."
    ]


def leakage(run: RunStatement, segments: Sequence[SegmentStatement]) -> list[str]:
    """What everybody learns from a proof of these segments, and what stays hidden (SECURITY.md, "What leaks")."""
    start = (
        "bounds of the initial weights" if run.init_seed is None else "the initial weights, which follow from the seed"
    )
    return [
        "Public besides the proof: network, schedule, number formats and scales of every segment (they tell the largest",
        "  activation and gradient of each layer up to a factor of two), the number of steps per segment"
        f" ({len(segments)} in all; one",
        f"  cut short tells that a value left its range), all commitments, the number of examples, {start},",
        f"  and that the commitments may be opened {run.data_budget} (data) and {run.weights_budget} (weights) times.",
        "Hidden: data, labels, weights, activations, gradients, loss and accuracy.",
    ]


def chosen(verified: Verified) -> list[str]:
    """What the prover chose per segment: scales, and how far the steps taken are from the stated learning rate."""
    run, segments = verified.run, verified.segments
    lines = ["Chosen by the prover within the run's intervals, per layer (lowest to highest over the segments):"]
    for layer in range(1, run.L + 1):
        activations = [segment.scales.fa[layer] for segment in segments]
        gradients = [segment.scales.fg[layer - 1] for segment in segments]
        rates = {
            (segment.scales, rate)
            for segment in segments
            for rate, _ in schedule.rate_spans(run, segment.first_step, segment.steps)
        }
        error = max(schedule.rate_error(run, scales, layer, rate) for scales, rate in rates)
        lines.append(
            f"  layer {layer}: activations 2^-{min(activations)} to 2^-{max(activations)}, gradients 2^-{min(gradients)} to"
            f" 2^-{max(gradients)}; learning rate as stated to {float(100 * error):.2g} %"
        )
    return lines


def _start(verified: Verified) -> str:
    run, first = verified.run, verified.segments[0]
    if first.first_step > 0:
        return f"the weights committed as {first.w_in.root}"
    if run.init_seed is not None:
        return f"the initial weights expanded from the public seed {run.init_seed}"
    return f"the initial weights committed as {run.init_root}, proven to be in range"


def caveats(verified: Verified) -> list[str]:
    """What is not proven or only assumed, one clause each."""
    run = verified.run
    lines = []
    if not verified.whole_chain:
        lines.append(
            "the bound on the weights at the first step shown is an assumption: the chain does not start at step 0"
        )
    if not verified.complete:
        lines.append(f"the run was planned for {run.steps} steps; not all of them are in this proof")
    if not verified.every_example:
        lines.append("some of the committed examples may have been used in none of the steps shown")
    if run.beacon is None:
        lines.append(
            "the sampler's seed had no beacon: the prover could have searched for a favourable order of the examples"
        )
    else:
        before = hashlib.sha256(replace(run, beacon=None).canonical()).hexdigest()
        lines.append(
            "the order of the examples was out of the prover's hands only if the digest of the run statement without"
            f" beacon, {before}, had been published before the beacon {run.beacon} appeared"
        )
    lines.append("scales are the prover's choice: gradients smaller than half the step listed below count as zero")
    lines += [
        "nothing is said about the quality, origin or licence of the data",
        "the computation is the integer training that ran; no floating-point training is claimed",
        "other runs may have been made and thrown away",
        "gradients pass where activations were clamped (straight-through)",
    ]
    return lines
