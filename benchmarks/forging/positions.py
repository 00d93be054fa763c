"""Provers that know the opened positions, or the weights of the tests, before they send a message about rows or triples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from tests.soundness.foretelling import (
    Recording,
    domain_points,
    interpolated,
    spoiled,
    systematic,
    times,
    vanishing,
)
from tests.support.alone import prove_alone, reveal, sample
from tests.support.tiny import TINY
from tests.unit.commitment.test_pads import COUNT as PAD_COUNT
from tests.unit.commitment.test_pads import body, holds
from tests.unit.hiding.test_ledger import COUNT as TRIPLE_COUNT
from tests.unit.hiding.test_ledger import X, Y, bad_pair, false_product

from benchmarks.forging.base import Random
from benchmarks.forging.sides import Attack, error, opened_falsely, verdict
from zkdl.algebra.eq import eq_points
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, P, from_array, scalar
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment import pads as pad_commitment
from zkdl.hiding.ledger import Affine, ProverLedger


def adding(label: str, message: Array) -> Recording:
    """A prover that adds something to one message."""
    return Recording(label, lambda values: get_backend().k_add(values, message))


def noise(rng: Random, domain: int) -> np.ndarray:
    """A word that is no codeword."""
    return rng.integers(1, P, domain, dtype=np.uint64)


def weighted(word: np.ndarray, weight: Ext) -> Array:
    """(t, 2): values over F times an element of K."""
    return get_backend().k_mul(np.stack([word, np.zeros_like(word)], axis=1), weight)


def _fold(rng: Random) -> Callable[[str], str]:
    """Another codeword that agrees with the fold at all positions, which takes up the error of a false claim."""
    case, false, off = opened_falsely(rng)
    shape = case.shape

    def run(forgets: str) -> str:
        dry = Recording()
        prove_alone(case.count, false.parties()[0], forgets, make=dry)
        point, left = dry.scalars("m/in-row")[::-1], off
        for r in point:
            left = left * r
        zero = vanishing(domain_points(dry.drawn["m/positions"][0], shape.log_domain))
        message, at_point = systematic(zero, shape.row, shape.random), ZERO
        for i, value in enumerate(message[: shape.row]):
            corner = [Ext(i >> (len(point) - 1 - k) & 1) for k in range(len(point))]
            at_point = at_point + eq_points(point, corner) * value
        (gamma,) = dry.scalars("m/gamma")
        scale = left * gamma * at_point.inverse()
        return verdict(case.count, false.parties(), forgets, adding("m/fold", times(message, scale)))

    return run


def _low_degree(rng: Random) -> Callable[[str], str]:
    """A committed row that is no codeword and that no claim is about."""
    case, _, _ = opened_falsely(rng)
    shape, row = case.shape, len(case.committed.matrix) - 1
    word = noise(rng, shape.domain)
    wrong = replace(case, committed=spoiled(case.committed, {row: word}))

    def run(forgets: str) -> str:
        dry = Recording()
        prove_alone(case.count, wrong.parties()[0], forgets, make=dry)
        at = dry.drawn["m/positions"][0]
        off = weighted(word[at], dry.drawn["m/low-degree"][0][row])
        message = interpolated(at, shape.log_domain, off, shape.row, shape.random)
        return verdict(case.count, wrong.parties(), forgets, adding("m/test", message))

    return run


def _pad_linear(rng: Random) -> Callable[[str], str]:
    """Another polynomial, with the sum that false constraints need."""
    false = holds(off=error(rng))
    shape = pad_commitment.pad_shape(PAD_COUNT, TINY)

    def run(forgets: str) -> str:
        dry = Recording()
        prove_alone(PAD_COUNT, body(false), forgets, make=dry)
        zero = vanishing(domain_points(dry.drawn["pads/positions"][0], shape.code.log_domain))
        missing = ZERO
        for constraint, weight in zip(false, dry.scalars("pads/constraints"), strict=True):
            missing = missing - reveal(PAD_COUNT, constraint) * weight
        scale = missing * Ext(shape.code.row * sum(zero[:: shape.code.row])).inverse()
        padded = zero + [0] * (shape.message - len(zero))
        return verdict(PAD_COUNT, (body(false), body(false)), forgets, adding("pads/linear", times(padded, scale)))

    return run


def _pad_test(rng: Random) -> Callable[[str], str]:
    """Pads that are no codeword, in a row that no constraint uses."""
    # True, and about the first row alone.
    unused = [Affine(-from_array(sample(PAD_COUNT)[0])[0], {0: ONE})]
    code = pad_commitment.pad_shape(PAD_COUNT, TINY).code
    pad_row, word, honest = int(rng.integers(1, 3)), noise(rng, code.domain), pad_commitment.commit

    def commit(*arguments: object) -> pad_commitment.CommittedPads:
        committed = honest(*arguments)  # type: ignore[arg-type]  # passed through
        return replace(committed, tree=spoiled(committed.tree, {2 * pad_row: word}))

    def run(forgets: str) -> str:
        with patch.object(pad_commitment, "commit", commit):
            dry = Recording()
            prove_alone(PAD_COUNT, body(unused), forgets, make=dry)
            at = dry.drawn["pads/positions"][0]
            off = weighted(word[at], dry.drawn["pads/low-degree"][0][pad_row])
            message = interpolated(at, code.log_domain, off, code.row, code.random)
            return verdict(PAD_COUNT, (body(unused), body(unused)), forgets, adding("pads/test", message))

    return run


def _sacrifice(rng: Random) -> Callable[[str], str]:
    """A bad triple: whoever knows the constraints' weights before sending d trades one constraint's error for another's."""
    off = error(rng)
    sides = false_product(X * Y + off)
    seen: dict[str, list[Ext]] = {}

    def moving(move: Ext) -> type[ProverLedger]:
        class Moving(ProverLedger):
            def sacrifice(self) -> None:
                honest = self.channel.send_elements
                seen["chi"] = [copy.deepcopy(self.channel.transcript).challenge("chi")]

                def send(label: str, values: Array) -> None:
                    values[0, 0] = (scalar(values[0, 0]) + move).array()
                    honest(label, values)

                with patch.object(self.channel, "send_elements", send):
                    super().sacrifice()
                clone = copy.deepcopy(self.channel.transcript)
                clone.challenges("pads/low-degree", pad_commitment.pad_shape(TRIPLE_COUNT, TINY).pad_rows)
                seen["weights"] = from_array(clone.challenges("pads/constraints", len(self.constraints)))

        return Moving

    def run(forgets: str) -> str:
        def attempt(move: Ext) -> str:
            return verdict(TRIPLE_COUNT, sides, forgets, moving(move), lambda pads: bad_pair(pads, ZERO, off))

        attempt(ZERO)
        # Constraints 3, 4, 5 are those of the first triple: moving d by x adds -x to the first and -b x to the third.
        b = from_array(sample(TRIPLE_COUNT)[0])[TRIPLE_COUNT.singles + 1]
        first, third = seen["weights"][3], seen["weights"][5]
        return attempt(third * seen["chi"][0] * off * (first + third * b).inverse())

    return run


def _triples(rng: Random) -> Callable[[str], str]:
    """Two bad triples whose errors cancel for one chi, which is known before the pads are committed."""
    off = error(rng)
    sides = false_product(X * Y + off)

    def run(forgets: str) -> str:
        found: list[Ext] = []

        def watch(ledger: ProverLedger, backend: Backend) -> None:
            sides[0](ledger, backend)
            found.append(copy.deepcopy(ledger.channel.transcript).challenge("chi"))

        # What chi would be with honest pads.
        prove_alone(TRIPLE_COUNT, watch, forgets)
        return verdict(TRIPLE_COUNT, sides, forgets, spoil=lambda pads: bad_pair(pads, found[0], off))

    return run


ATTACKS: dict[str, Attack] = {
    "m/fold": _fold,
    "m/test": _low_degree,
    "pads/linear": _pad_linear,
    "pads/test": _pad_test,
    "sacrifice": _sacrifice,
    "root/pads": _triples,
}
