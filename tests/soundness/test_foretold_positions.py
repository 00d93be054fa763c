"""T3: a prover that is told the opened positions or the weights of the tests before it commits or sends a row message.

Each test is one attack, run twice: against a transcript that forgets the message, where it must succeed, and against the
real one, where it must be rejected.
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from tests.soundness.foretelling import (
    Recording,
    domain_points,
    repair,
    solve,
    systematic,
    through,
    times,
    vanishing,
)
from tests.soundness.test_foretold_challenges import ERROR, false_opening
from tests.support.alone import Deaf, accepted, prove_alone, reveal, sample
from tests.support.opened import opened
from tests.support.tiny import TINY, Tiny, tiny_run
from tests.support.trainer import Cheat
from tests.unit.commitment.test_pads import COUNT as PAD_COUNT
from tests.unit.commitment.test_pads import body as pad_body
from tests.unit.commitment.test_pads import holds
from zkdl.algebra.eq import eq_points
from zkdl.algebra.extension import ONE, ZERO, Array, Ext, P, from_array
from zkdl.backend.leaves import leaves
from zkdl.backend.select import get_backend
from zkdl.commitment import merkle
from zkdl.commitment import pads as pad_commitment
from zkdl.commitment.ligero import Committed, commit
from zkdl.commitment.parameters import code_shape
from zkdl.errors import Rejected
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import Affine
from zkdl.proof import certificate, flow, prove, segment_prover, segment_verifier
from zkdl.proof.certificate import RowRange, ZeroBehind, certificate_layout
from zkdl.protocols import lookup

Fingerprint = tuple[Ext, list[Ext]]


def test_fold_message() -> None:
    """Positions known before the fold: another codeword that agrees with it at all of them."""
    case = opened(layout=[[("a", 0, 3)]])
    shape = case.shape
    for forgets in ("m/fold", ""):
        dry = Recording()
        prove_alone(case.count, false_opening(case).parties()[0], forgets, make=dry)
        point = dry.scalars("m/in-row")[::-1]
        error = ERROR
        for r in point:
            error = error * r
        zero = vanishing(domain_points(dry.drawn["m/positions"][0], shape.log_domain))
        message = systematic(zero, shape.row, shape.random)
        at_point = ZERO
        for i, value in enumerate(message[: shape.row]):
            corner = [Ext(i >> (len(point) - 1 - k) & 1) for k in range(len(point))]
            at_point = at_point + eq_points(point, corner) * value
        (gamma,) = dry.scalars("m/gamma")
        scale = error * gamma * at_point.inverse()

        def change(values: Array, message: list[int] = message, scale: Ext = scale) -> Array:
            return get_backend().k_add(values, times(message, scale))

        fooled = accepted(case.count, *false_opening(case).parties(), forgets, make=Recording("m/fold", change))
        assert fooled == bool(forgets)


def spoiled(committed: Committed, errors: dict[int, np.ndarray]) -> Committed:
    """The same matrix with errors added to the committed words of some rows."""
    backend, code = get_backend(), committed.code.copy()
    for row, error in errors.items():
        code[row] = backend.f_add(code[row], error)
    levels = merkle.build(backend, backend.hash_columns(code, committed.salts))
    return replace(committed, code=code, levels=levels)


def noise(domain: int) -> np.ndarray:
    return np.random.default_rng(3).integers(1, P, domain, dtype=np.uint64)


def interpolated(indices: Array, log_domain: int, off: Array, row: int, random: int) -> Array:
    """Message that is off by `off` (t, 2) at the opened positions, in systematic form (row + random, 2)."""
    points = domain_points(indices, log_domain)
    parts = [systematic(through(points, off[:, c].tolist()), row, random) for c in range(2)]
    return np.ascontiguousarray(np.array(parts, dtype=np.uint64).T)


def test_low_degree_message() -> None:
    """Positions known before the test message: a committed row that is no codeword at all."""
    case = opened(layout=[[("a", 0, 3)]])
    shape, error = case.shape, noise(case.shape.domain)
    wrong = replace(case, committed=spoiled(case.committed, {4: error}))
    for forgets in ("m/test", ""):
        dry = Recording()
        prove_alone(case.count, wrong.parties()[0], forgets, make=dry)
        at, weight = dry.drawn["m/positions"][0], dry.drawn["m/low-degree"][0][4]
        embedded = np.stack([error[at], np.zeros_like(error[at])], axis=1)
        off = get_backend().k_mul(embedded, weight)
        message = interpolated(at, shape.log_domain, off, shape.row, shape.random)

        def change(values: Array, message: Array = message) -> Array:
            return get_backend().k_add(values, message)

        assert accepted(case.count, *wrong.parties(), forgets, make=Recording("m/test", change)) == bool(forgets)


def test_root_of_the_matrix() -> None:
    """The low-degree test's weights known before the root: three rows of noise that cancel in the combination."""
    case = opened(layout=[[("a", 0, 1)]])
    error = noise(case.shape.domain)
    for forgets in ("root/m", ""):
        dry = Recording()
        prove_alone(case.count, case.parties()[0], forgets, make=dry)
        weights = dry.scalars("m/low-degree")
        first, second = solve(weights[1], weights[2], -weights[3])
        scales = {1: first % P, 2: second % P, 3: 1}
        errors = {row: get_backend().f_mul(error, np.array([s], dtype=np.uint64)) for row, s in scales.items()}
        wrong = replace(case, committed=spoiled(case.committed, errors))
        assert accepted(case.count, *wrong.parties(), forgets) == bool(forgets)


def test_pad_linear_message() -> None:
    """Positions known before y: another polynomial, with the sum over H' that false constraints need."""
    false = holds(off=ERROR)
    shape = pad_commitment.pad_shape(PAD_COUNT, TINY)
    for forgets in ("pads/linear", ""):
        dry = Recording()
        prove_alone(PAD_COUNT, pad_body(false), forgets, make=dry)
        zero = vanishing(domain_points(dry.drawn["pads/positions"][0], shape.code.log_domain))
        missing = ZERO
        for constraint, weight in zip(false, dry.scalars("pads/constraints"), strict=True):
            missing = missing - reveal(PAD_COUNT, constraint) * weight
        scale = missing * Ext(shape.code.row * sum(zero[:: shape.code.row])).inverse()
        padded = zero + [0] * (shape.message - len(zero))

        def change(values: Array, padded: list[int] = padded, scale: Ext = scale) -> Array:
            return get_backend().k_add(values, times(padded, scale))

        fooled = accepted(PAD_COUNT, *[pad_body(false)] * 2, forgets, make=Recording("pads/linear", change))
        assert fooled == bool(forgets)


def test_pad_test_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions known before the pads' test message: pads that are no codeword, in a row that no constraint uses."""
    # True, and about the first row alone.
    unused = [Affine(-from_array(sample(PAD_COUNT)[0])[0], {0: ONE})]
    shape = pad_commitment.pad_shape(PAD_COUNT, TINY)
    error = noise(shape.code.domain)
    honest = pad_commitment.commit

    def commit(*arguments: object) -> pad_commitment.CommittedPads:
        committed = honest(*arguments)
        return replace(committed, tree=spoiled(committed.tree, {4: error}))

    assert shape.pad_rows == 3
    monkeypatch.setattr(pad_commitment, "commit", commit)
    for forgets in ("pads/test", ""):
        dry = Recording()
        prove_alone(PAD_COUNT, pad_body(unused), forgets, make=dry)
        at, weight = dry.drawn["pads/positions"][0], dry.drawn["pads/low-degree"][0][2]
        embedded = np.stack([error[at], np.zeros_like(error[at])], axis=1)
        off = get_backend().k_mul(embedded, weight)
        message = interpolated(at, shape.code.log_domain, off, shape.code.row, shape.code.random)

        def change(values: Array, message: Array = message) -> Array:
            return get_backend().k_add(values, message)

        fooled = accepted(PAD_COUNT, *[pad_body(unused)] * 2, forgets, make=Recording("pads/test", change))
        assert fooled == bool(forgets)


def segment_is_accepted(tiny: Tiny, fudge: bool, patch: pytest.MonkeyPatch) -> bool:
    """A segment with one activation that is not in the table; the multiplicities fit alpha and beta if `fudge`."""
    wrong = Cheat({"activation": lambda value, layer, t: value + (np.arange(value.size) == 0).reshape(value.shape)})
    witness, out = tiny.witness(wrong)
    witness = replace(witness, matrix=witness.matrix.astype(np.int64))
    drawn: list[Fingerprint] = []

    def draw(challenges: object) -> Fingerprint:
        drawn.append(lookup.draw_fingerprint(challenges))
        return drawn[-1]

    # Masks and pads must not depend on the multiplicities, which come last.
    patch.setattr(prove, "_digest", lambda arrays: bytes(32))
    patch.setattr(flow, "draw_fingerprint", draw)
    tiny.prove(witness, out)
    layout = tiny.public.layout
    program = lookup.leaf_program(layout.leaves, layout.tags, witness.fields, witness.multiplicities, *drawn[0])
    p, q = leaves(tiny.backend, program, program.count)
    if fudge:
        place = layout.leaves.tables[0]
        leaf = place.first_leaf_row << layout.log_row
        x, y = repair(p, q, leaf, leaf + 1)
        witness.matrix[place.first_row, :2] += np.array([x, y])
    public, proof = tiny.prove(witness, out)
    try:
        tiny.verify(public, proof)
    except Rejected:
        return False
    return True


def test_root_of_a_segment_s_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """alpha and beta known before the multiplicities are committed: an activation that no table holds."""
    # Multiplicities of the attack are arbitrary field elements, which only a backend that stores its leaves takes.
    tiny = tiny_run((3, 2, 2), batch=2, steps=2, backend=get_backend("numpy"))
    assert not segment_is_accepted(tiny, True, monkeypatch)
    for module in (segment_prover, segment_verifier):
        monkeypatch.setattr(module, "Transcript", lambda protocol, data: Deaf("root/witness", protocol, data))
    assert segment_is_accepted(tiny, True, monkeypatch)
    assert not segment_is_accepted(tiny, False, monkeypatch)


def certificate_is_accepted(values: list[int], patch: pytest.MonkeyPatch) -> bool:
    """Of a row of eight values below 8, with multiplicities that fit alpha and beta."""
    backend, entropy = get_backend("numpy"), Entropy(bytes(32), b"certificate")
    matrix = np.array([values], dtype=np.int32)
    target = commit(backend, matrix, code_shape(1, 3, 1, TINY.rate, TINY.query_bits), entropy, "target")
    layout = certificate_layout(target.shape, [RowRange(0, 1, 0, 3)], ZeroBehind(), TINY)
    drawn: list[Fingerprint] = []
    honest, limbs = lookup.draw_fingerprint, certificate._limbs

    def draw(challenges: object) -> Fingerprint:
        drawn.append(honest(challenges))
        return drawn[-1]

    def run() -> bytes:
        arguments = ("zkdl/test", b"statement", layout, target, entropy, lambda phase, done: None)
        return certificate.prove(backend, *arguments)

    with patch.context() as here:
        here.setattr(lookup, "draw_fingerprint", draw)
        run()
        own, flat = limbs(layout, matrix)
        own = own.astype(np.int64)
        looked_up = [flat["0/0"], np.full(8, 3, dtype=np.int32)]
        counts = own.reshape(-1)
        program = lookup.leaf_program(layout.leaves, {"range": 1}, lambda _: looked_up, lambda _: counts, *drawn[0])
        p, q = leaves(backend, program, program.count)
        own[0, :2] += np.array(repair(p, q, 8, 9))
        here.setattr(certificate, "_limbs", lambda layout, matrix: (own, flat))
        proof = run()
    try:
        certificate.verify(backend, "zkdl/test", b"statement", layout, target.root, io.BytesIO(proof))
    except Rejected:
        return False
    return True


def test_root_of_a_certificate_s_multiplicities(monkeypatch: pytest.MonkeyPatch) -> None:
    """alpha and beta known before the multiplicities: a value out of its range."""
    good, bad = [0, 7, 3, 3, 5, 1, 0, 7], [0, 7, 9, 3, 5, 1, 0, 7]
    assert certificate_is_accepted(good, monkeypatch) and not certificate_is_accepted(bad, monkeypatch)
    monkeypatch.setattr(certificate, "Transcript", lambda protocol, data: Deaf("root/own", protocol, data))
    assert certificate_is_accepted(bad, monkeypatch)
