"""No salt, mask, pad or random coefficient is used twice; the same inputs repeat the same proof."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from tests.support.tiny import KEYS, SETS, TINY, Tiny, second_segment, tiny_run
from tests.support.trainer import Cheat
from tests.zero_knowledge.fixed import RecordingEntropy, words
from zkdl.algebra.extension import Ext
from zkdl.backend.select import get_backend, is_native_available
from zkdl.commitment.ligero import Committed
from zkdl.commitment.link import commit_link, link_shape
from zkdl.commitment.stored import commit_dataset, commit_weights
from zkdl.hiding.entropy import Entropy, fresh_key
from zkdl.openings import PROVER_REVISION
from zkdl.proof.prove import prove_data_certificate, prove_with_witness
from zkdl.proof.prover_tables import SegmentWitness
from zkdl.proof.public import segment_public
from zkdl.proof.segment_prover import SegmentProver, StoredCommitments, prove_witness
from zkdl.statement.weights import Weights

PINNED = "d0683886ec274bf4670c9e6ae42ec2778c55e36b875de96c112ef99375c14fd6"


def _prove(
    tiny: Tiny, secret: bytes, given: tuple[SegmentWitness, Weights] | None = None, link_key: bytes = KEYS["link"]
) -> bytes:
    witness, weights = given or tiny.witness()
    w_out = tiny.commit_out(weights)
    public = segment_public(tiny.run, tiny.state(w_out), TINY)
    proof, link = prove_with_witness(
        public,
        replace(witness, public=public),
        tiny.weights_in,
        weights,
        tiny.w_in,
        w_out,
        secret,
        link_key,
        backend=tiny.backend,
    )
    return proof + tiny.prove_data([link], secret)


def _prover(tiny: Tiny, entropy: Entropy) -> SegmentProver:
    witness, weights = tiny.witness()
    w_out = tiny.commit_out(weights)
    public = segment_public(tiny.run, tiny.state(w_out), TINY)
    stored = StoredCommitments(None if tiny.w_in is None else tiny.w_in.committed, w_out.committed)
    both = (tiny.weights_in, weights)
    return SegmentProver(tiny.backend, public, replace(witness, public=public), both, stored, entropy, KEYS["link"])


def _stored_words(tiny: Tiny, committed: list[Committed]) -> set[bytes]:
    """Everything of a stored commitment that an opening may show: it is the same tree in every proof."""
    out: set[bytes] = set()
    for c in committed:
        out |= set(words(c.code.astype("<u8").tobytes())) | set(words(c.salts.tobytes()))
        for level in c.levels:
            out |= set(words(level.tobytes()))
    return out


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("seeded", [True, False])
def test_two_proofs_of_one_statement_share_nothing_but_the_stored_trees(loss: str, seeded: bool) -> None:
    tiny = tiny_run(loss=loss, seeded=seeded)
    _, weights = tiny.witness()
    stored = [tiny.dataset.committed, tiny.commit_out(weights).committed]
    stored += [] if tiny.w_in is None else [tiny.w_in.committed]
    known = _stored_words(tiny, stored)
    one, two = (set(words(_prove(tiny, secret * 32))) for secret in (b"1", b"2"))
    assert not (one & two) - known


def test_the_same_secret_repeats_the_same_bytes() -> None:
    """A retry after a crash must not spend a second opening."""
    tiny = tiny_run(seeded=False)
    assert _prove(tiny, b"s" * 32) == _prove(tiny, b"s" * 32)
    certificates = [
        prove_data_certificate(tiny.run, tiny.dataset, b"s" * 32, backend=tiny.backend, parameter_sets=SETS)
        for _ in range(2)
    ]
    assert certificates[0] == certificates[1]


@pytest.mark.skipif(not is_native_available(), reason="the compiled kernels are not installed")
def test_backends_agree_on_the_bytes() -> None:
    """A retry on another machine repeats the proof as well."""
    one, two = (_prove(tiny_run(backend=get_backend(name)), b"s" * 32) for name in ("numpy", "native"))
    assert one == two


def _lie(value: np.ndarray, layer: int, t: int) -> np.ndarray:
    return value + (layer == 1 and t == 0)


def test_another_witness_or_statement_under_one_secret_shares_nothing() -> None:
    """Pads used for two values would show the difference of the values."""
    tiny = tiny_run()
    other = tiny_run(steps=2)
    stored = [tiny.dataset.committed, other.dataset.committed]
    runs = [
        (tiny, tiny.witness()),
        (tiny, tiny.witness(Cheat({"activation": _lie}))),
        (other, other.witness()),
    ]
    stored += [run.commit_out(given[1]).committed for run, given in runs]
    known = _stored_words(tiny, stored)
    found = [set(words(_prove(run, b"s" * 32, given))) for run, given in runs]
    for i in range(len(found)):
        for j in range(i):
            assert not (found[i] & found[j]) - known


def test_another_link_key_under_one_secret_shares_nothing() -> None:
    """It gives another link, so other challenges, whatever the segment's own secret is."""
    tiny = tiny_run()
    given = tiny.witness()
    known = _stored_words(tiny, [tiny.dataset.committed, tiny.commit_out(given[1]).committed])
    one, two = (set(words(_prove(tiny, b"s" * 32, given, key))) for key in (KEYS["link"], b"k" * 32))
    assert not (one & two) - known


def test_the_bytes_of_a_proof_are_those_of_this_revision() -> None:
    """Other bytes for the same secret would use its pads twice: then raise openings.PROVER_REVISION, and pin the new ones."""
    proof = _prove(tiny_run(), b"s" * 32)
    assert (PROVER_REVISION, hashlib.sha256(proof).hexdigest()) == (2, PINNED)


def test_other_weights_than_the_committed_ones_do_not_reuse_pads() -> None:
    """The witness may be the same for two slightly different weights, the messages are not."""
    tiny = tiny_run()
    given = tiny.witness()
    changed = tiny.weights_in.copy()
    changed.W[0][0, 0] += 1
    known = _stored_words(tiny, [tiny.dataset.committed, tiny.commit_out(given[1]).committed])
    one, two = (
        set(words(_prove(replace(tiny, weights_in=weights), b"s" * 32, given)))
        for weights in (tiny.weights_in, changed)
    )
    assert not (one & two) - known


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_data_proofs_share_nothing_but_the_stored_trees(loss: str) -> None:
    """One link is opened by its segment's proof and by every data proof that speaks of it."""
    tiny = tiny_run(loss=loss)
    public, segment, link = tiny.prove_segment(*(given := tiny.witness()))
    second = second_segment(replace(tiny, run=replace(tiny.run, steps=2 * tiny.run.steps)), given[1])
    other = second.prove_segment(*second.witness())[2]
    proofs = [tiny.prove_data([link], secret * 32) for secret in (b"1", b"2")]
    # Under one secret, of one segment and of two.
    proofs.append(tiny.prove_data([link, other], b"1" * 32))
    assert proofs[0] == tiny.prove_data([link], b"1" * 32)
    known = _stored_words(tiny, [tiny.dataset.committed, link.committed, other.committed])
    found = [set(words(proof)) for proof in (segment, *proofs)]
    for i in range(len(found)):
        for j in range(i):
            assert not (found[i] & found[j]) - known


def test_links_bind_their_randomness_to_values_statement_and_budget() -> None:
    tiny = tiny_run()
    values, shape = [Ext(1, 2), Ext(3, 4)], tiny.public.link
    budget = link_shape(5, TINY)
    made = [
        commit_link(tiny.backend, values, shape, KEYS["link"], b"statement"),
        commit_link(tiny.backend, [Ext(1, 2), Ext(3, 5)], shape, KEYS["link"], b"statement"),
        commit_link(tiny.backend, values, shape, KEYS["link"], b"another"),
        commit_link(tiny.backend, values, budget, KEYS["link"], b"statement"),
        commit_link(tiny.backend, values, shape, KEYS["secret"], b"statement"),
    ]
    assert made[0].root == commit_link(tiny.backend, values, shape, KEYS["link"], b"statement").root
    for i in range(len(made)):
        for j in range(i):
            assert not set(made[i].random.reshape(-1).tolist()) & set(made[j].random.reshape(-1).tolist())
            assert not set(words(made[i].salts.tobytes())) & set(words(made[j].salts.tobytes()))


def test_labels_and_words_of_one_proof_never_repeat() -> None:
    entropy = RecordingEntropy(b"e" * 32)
    prove_witness(_prover(tiny_run(seeded=False), entropy))
    labels = [label for label, _ in entropy.drawn]
    assert len(set(labels)) == len(labels)
    found = [word for _, data in entropy.drawn for word in words(data)]
    assert len(set(found)) == len(found)


def test_stored_commitments_bind_their_randomness_to_content_and_budget() -> None:
    """One key for two contents or two budgets: equal coefficients would show differences of the data."""
    tiny = tiny_run()
    x, y = tiny.x.copy(), tiny.y
    first = commit_dataset(x, y, 3, KEYS["dataset"], 2, TINY, tiny.backend).committed
    again = commit_dataset(x, y, 3, KEYS["dataset"], 2, TINY, tiny.backend).committed
    x[0, 0] ^= 1
    data = commit_dataset(x, y, 3, KEYS["dataset"], 2, TINY, tiny.backend).committed
    budget = commit_dataset(tiny.x, y, 3, KEYS["dataset"], 3, TINY, tiny.backend).committed
    assert first.root == again.root
    for other in (data, budget):
        assert not set(first.random.reshape(-1).tolist()) & set(other.random.reshape(-1).tolist())
        assert not set(words(first.salts.tobytes())) & set(words(other.salts.tobytes()))
    changed = tiny.weights_in.copy()
    changed.W[1][0, 0] += 1
    one, two = (commit_weights(w, KEYS["w_out"], 2, TINY, tiny.backend).committed for w in (tiny.weights_in, changed))
    assert not set(one.random.reshape(-1).tolist()) & set(two.random.reshape(-1).tolist())


def test_entropy_separates_keys_contexts_labels_and_children() -> None:
    streams = [
        Entropy(b"a" * 32).stream("x", 32),
        Entropy(b"b" * 32).stream("x", 32),
        Entropy(b"a" * 32).stream("y", 32),
        Entropy(b"a" * 32, b"c").stream("x", 32),
        Entropy(b"a" * 32).child("x").stream("x", 32),
        Entropy(b"a" * 32).child("y").stream("x", 32),
    ]
    assert len(set(streams)) == len(streams)
    assert Entropy(b"a" * 32, b"c").stream("x", 32) == streams[3]
    assert fresh_key() != fresh_key()
    with pytest.raises(ValueError, match="32"):
        Entropy(b"short")


def test_random_elements_are_canonical_and_look_uniform() -> None:
    values = Entropy(b"u" * 32).elements("x", (1 << 14,))
    assert int(values.max()) < 2**64 - 2**32 + 1
    counts = np.bincount((values >> np.uint64(58)).astype(np.int64), minlength=64)
    # 64 cells of 256 expected: chi-squared with 63 degrees of freedom is below 130 but for one key in 10^6.
    assert float(((counts - 256) ** 2 / 256).sum()) < 130
    low = np.bincount((values & np.uint64(63)).astype(np.int64), minlength=64)
    assert float(((low - 256) ** 2 / 256).sum()) < 130


def test_other_sizes_of_a_certificate_have_other_pads() -> None:
    """Under other sizes the challenges differ: the same pads would hide two values each."""
    tiny = tiny_run()
    roots = set()
    for rate in (0.55, 0.3):
        sets = {TINY.name: replace(TINY, once_rate=rate)}
        proof = prove_data_certificate(
            tiny.run, tiny.dataset, KEYS["secret"], backend=tiny.backend, parameter_sets=sets
        )
        # Four roots come first: limbs, both masks, pads. The pads' own sizes are the same.
        roots.add(proof[96:128])
    assert len(roots) == 2
