"""Provers that know a challenge before they commit: to a matrix, to a segment's witness, to a certificate's counts, to a link."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import ModuleType
from unittest.mock import patch

import numpy as np
from tests.soundness.foretelling import Recording, repair, solve, spoiled
from tests.support.alone import Deaf, foretell, prove_alone, random_elements
from tests.support.container import SMALL, SMALL_SCALES
from tests.support.opened import ENTROPY, opened
from tests.support.tiny import KEYS, TINY, Tiny, tiny_run
from tests.support.trainer import Cheat

from benchmarks.forging.base import FIRST, Random, refusal
from benchmarks.forging.positions import noise
from benchmarks.forging.sides import Attack, error, verdict
from zkdl.algebra.extension import Ext, P
from zkdl.backend.base import Backend
from zkdl.backend.leaves import leaves
from zkdl.backend.select import get_backend
from zkdl.commitment import link as link_commitment
from zkdl.commitment.ligero import commit, make_masks
from zkdl.commitment.link import link_shape
from zkdl.commitment.parameters import code_shape
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import PadCount, ProverLedger, VerifierLedger
from zkdl.proof import certificate, flow, prove, segment_prover, segment_verifier
from zkdl.proof.certificate import RowRange, ZeroBehind, certificate_layout
from zkdl.proof.data_claims import link_claims
from zkdl.protocols import lookup, opening

Fingerprint = tuple[Ext, list[Ext]]


def _matrix(rng: Random) -> Callable[[str], str]:
    """Three rows of noise that cancel under the low-degree test's weights."""
    rows = int(rng.integers(4, 8))
    case = opened(rows, int(rng.integers(2, 5)), layout=[[("a", 0, 1)]])
    word = noise(rng, case.shape.domain)
    one, two, three = (int(row) for row in 1 + rng.permutation(rows - 1)[:3])

    def run(forgets: str) -> str:
        dry = Recording()
        prove_alone(case.count, case.parties()[0], forgets, make=dry)
        weights = dry.scalars("m/low-degree")
        first, second = solve(weights[one], weights[two], -weights[three])
        scales = {one: first % P, two: second % P, three: 1}
        errors = {row: get_backend().f_mul(word, np.array([s], dtype=np.uint64)) for row, s in scales.items()}
        wrong = replace(case, committed=spoiled(case.committed, errors))
        return verdict(case.count, wrong.parties(), forgets)

    return run


def _link(rng: Random) -> Callable[[str], str]:
    """A link that holds other values with the same combination."""
    shape, claimed, off = link_shape(1, TINY), random_elements(rng, int(rng.integers(2, 6))), error(rng)
    count = PadCount(singles=len(claimed)) + opening.pads(shape)

    def prover(ledger: ProverLedger, backend: Backend) -> None:
        masks = make_masks(backend, shape, ENTROPY, "mask")
        ledger.channel.send_bytes("root/mask/link", masks.tree.root)
        hidden = ledger.send("values", claimed)
        g = foretell(ledger, "link/batch")
        held = [claimed[0] - g * off, claimed[1] + off, *claimed[2:]]
        committed = link_commitment.commit_link(backend, held, shape, KEYS["link"], b"")
        ledger.channel.send_bytes("root/link", committed.root)
        opening.prove(ledger, backend, committed, masks, link_claims(backend, [hidden]), "link")
        ledger.channel.send_last(opening.prove_columns(ledger, backend, committed, masks, "link"))

    def verifier(ledger: VerifierLedger, backend: Backend) -> None:
        mask_root = ledger.channel.receive_bytes("root/mask/link", 32)
        hidden = ledger.receive("values", len(claimed))
        root = ledger.channel.receive_bytes("root/link", 32)
        pending = opening.verify(ledger, backend, shape, root, mask_root, link_claims(backend, [hidden]), "link")
        opening.verify_columns(ledger, backend, pending, opening.draw_positions(ledger, shape, "link"), "link")

    return lambda forgets: verdict(count, (prover, verifier), forgets)


@contextmanager
def _deaf(forgets: str, *modules: ModuleType) -> Iterator[None]:
    """Provers and verifiers whose transcripts forget a label, or nothing."""
    with ExitStack() as stack:
        for module in modules if forgets else ():
            stack.enter_context(
                patch.object(module, "Transcript", lambda protocol, data: Deaf(forgets, protocol, data))
            )
        yield


@contextmanager
def _fingerprints(module: ModuleType) -> Iterator[list[Fingerprint]]:
    """Every alpha and beta that the provers draw."""
    drawn: list[Fingerprint] = []
    honest = lookup.draw_fingerprint

    def draw(challenges: object) -> Fingerprint:
        drawn.append(honest(challenges))  # type: ignore[arg-type]  # passed through
        return drawn[-1]

    with patch.object(module, "draw_fingerprint", draw):
        yield drawn


def segment(tiny: Tiny, at: int, by: int, forgets: str, *, fudged: bool = True) -> str:
    """A segment with activations that are not in the table, moved by `by` at one place of every step; the multiplicities fit
    the foretold alpha and beta if `fudged`. Needs a backend that stores its leaves: multiplicities are any field elements."""

    def moved(value: np.ndarray, layer: int, t: int) -> np.ndarray:
        return value + by * (np.arange(value.size) == at % value.size).reshape(value.shape)

    witness, out = tiny.witness(Cheat({"activation": moved}))
    witness = replace(witness, matrix=witness.matrix.astype(np.int64))
    # Masks and pads must not depend on the multiplicities, which come last.
    fixed = patch.object(prove, "_digest", lambda arrays: bytes(32))
    with fixed, _fingerprints(flow) as drawn, _deaf(forgets, segment_prover, segment_verifier):
        tiny.prove(witness, out)
        layout = tiny.public.layout
        program = lookup.leaf_program(layout.leaves, layout.tags, witness.fields, witness.multiplicities, *drawn[0])
        p, q = leaves(tiny.backend, program, program.count)
        if fudged:
            place = layout.leaves.tables[0]
            leaf = place.first_leaf_row << layout.log_row
            witness.matrix[place.first_row, :2] += np.array(repair(p, q, leaf, leaf + 1))
        public, proof = tiny.prove(witness, out)
        return refusal(lambda: tiny.verify(public, proof), FIRST)


def small_run(seed: int) -> Tiny:
    """With small tables, on the backend that stores its leaves."""
    return tiny_run(
        (2, 2, 2),
        batch=2,
        steps=2,
        examples=4,
        weight_frac=9,
        backend=get_backend("numpy"),
        formats=SMALL,
        scales=SMALL_SCALES,
        seed=seed,
    )


def _witness(rng: Random) -> Callable[[str], str]:
    tiny = small_run(int(rng.integers(1000)))
    at, by = int(rng.integers(4)), int(rng.integers(1, 4))
    return lambda forgets: segment(tiny, at, by, forgets)


def range_certificate(values: list[int], forgets: str) -> str:
    """Of a row of eight values, said to be below 8, with multiplicities that fit the foretold alpha and beta."""
    backend, entropy = get_backend("numpy"), Entropy(bytes(32), b"certificate")
    matrix = np.array([values], dtype=np.int32)
    target = commit(backend, matrix, code_shape(1, 3, 1, TINY.rate, TINY.query_bits), entropy, "target")
    layout = certificate_layout(target.shape, [RowRange(0, 1, 0, 3)], ZeroBehind(), TINY)
    limbs = certificate._limbs

    def made() -> bytes:
        arguments = ("zkdl/test", b"statement", layout, target, entropy, lambda phase, done: None)
        return certificate.prove(backend, *arguments)

    def check(proof: bytes) -> None:
        certificate.verify(backend, "zkdl/test", b"statement", layout, target.root, io.BytesIO(proof))

    with _fingerprints(lookup) as drawn, _deaf(forgets, certificate):
        made()
        own, flat = limbs(layout, matrix)
        own = own.astype(np.int64)
        looked_up = [flat["0/0"], np.full(8, 3, dtype=np.int32)]
        counts = own.reshape(-1)
        program = lookup.leaf_program(layout.leaves, {"range": 1}, lambda _: looked_up, lambda _: counts, *drawn[0])
        p, q = leaves(backend, program, program.count)
        own[0, :2] += np.array(repair(p, q, 8, 9))
        with patch.object(certificate, "_limbs", lambda layout, matrix: (own, flat)):
            proof = made()
        return refusal(lambda: check(proof), FIRST)


def _counts(rng: Random) -> Callable[[str], str]:
    """A value out of its range."""
    values = rng.integers(0, 8, 8).tolist()
    values[int(rng.integers(8))] = int(rng.integers(8, 16))
    return lambda forgets: range_certificate(values, forgets)


ATTACKS: dict[str, Attack] = {
    "root/m": _matrix,
    "root/witness": _witness,
    "root/own": _counts,
    "root/link": _link,
}
