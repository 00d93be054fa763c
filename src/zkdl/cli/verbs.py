"""The verbs of the command line and what each does, in the order of the help text. Needs nothing beside the standard library."""

from __future__ import annotations

VERBS = {
    "doctor": "Check this installation: versions, backends, a known-answer test.",
    "check": "Check a configuration: layers, scales, static bounds, a short trial.",
    "estimate": "Forecast time, memory, proof size and soundness.",
    "train": "Train in exact integer arithmetic; resumes.",
    "prove": "Prove every step of a trained run; resumes.",
    "verify": "Verify a proof.",
    "inspect": "Show what a proof file claims, without verifying it.",
    "report": "Write a page about a run, or a section for a model card.",
    "attest": "Write an in-toto statement about a proof.",
    "demo": "Train, prove, verify and tamper on the bundled digits, in under a minute.",
    "schema": "Print the JSON Schema of what a verb prints with --json.",
    "completion": "Print a completion script for bash, zsh or fish.",
}
