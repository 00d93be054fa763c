"""What attacks on single protocols share: how one is run, and what its verifier says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.support.alone import Prover, Verifier, prove_alone, random_elements, verify_alone
from tests.support.opened import Opened, opened

from benchmarks.forging.base import FIRST, Random, refusal
from zkdl.algebra.extension import Array, Ext
from zkdl.hiding.ledger import PadCount, ProverLedger

Sides = tuple[Prover[object], Verifier[object]]
Attack = Callable[[Random], Callable[[str], str]]
"""Draws the parameters; the result runs the attack against a transcript that forgets a label, or nothing."""


def error(rng: Random) -> Ext:
    return random_elements(rng, 1)[0]


def verdict(
    count: PadCount,
    sides: Sides,
    forgets: str,
    make: Callable[..., ProverLedger] = ProverLedger,
    spoil: Callable[[Array], None] | None = None,
) -> str:
    """What a verifier of one protocol says to a dishonest prover; see `prove_alone`."""
    proof, _ = prove_alone(count, sides[0], forgets, make=make, spoil=spoil)
    return refusal(lambda: verify_alone(count, proof, sides[1], forgets), FIRST)


def opened_falsely(rng: Random) -> tuple[Opened, Opened, Ext]:
    """A matrix with one claim, the same with a false claim, and by how much it is off."""
    rows, off = int(rng.integers(3, 8)), error(rng)
    case = opened(rows, int(rng.integers(2, 5)), layout=[[("a", 0, int(rng.integers(1, rows)))]])
    return case, replace(case, values=[case.values[0] + off, *case.values[1:]]), off
