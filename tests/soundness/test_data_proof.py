"""The data proof: what segments use of the data is what the dataset's commitment holds, whoever lies where."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.support.tiny import KEYS, TINY, Tiny, second_segment, tiny_run
from zkdl.algebra.extension import ONE, Ext
from zkdl.backend.base import Backend
from zkdl.commitment.link import commit_link
from zkdl.commitment.stored import commit_dataset
from zkdl.errors import MalformedProof, Rejected
from zkdl.proof import segment_prover
from zkdl.proof.data_claims import SegmentLink, data_values
from zkdl.proof.data_proof import ProverLink

SHAPES = [
    dict(loss="ce"),
    dict(loss="mse"),
    dict(loss="ce", seeded=False),
    dict(loss="mse", seeded=False),
    dict(widths=(4, 3), loss="ce"),
    dict(widths=(4, 3), loss="mse"),
    # Two blocks of examples, the last one not full; batches with empty slots.
    dict(widths=(4, 3, 2), loss="ce", examples=90, batch=4, steps=5),
    dict(widths=(4, 3, 2), loss="mse", examples=9, batch=4, steps=6),
]
Link = tuple[Tiny, ProverLink]


@dataclass(frozen=True)
class Chain:
    """Two segments of one run, their links, and what the verifier has of them after both sections."""

    first: Tiny
    second: Tiny
    links: list[ProverLink]
    seen: list[SegmentLink]


def chain(change: Callable[[Tiny], Tiny] = lambda tiny: tiny, **shape: object) -> Chain:
    """change: what the second segment is trained and proven with."""
    first = tiny_run(**shape)  # type: ignore[arg-type]  # named as there
    first = replace(first, run=replace(first.run, steps=2 * first.run.steps))
    witness, middle = first.witness()
    second = change(second_segment(first, middle, KEYS["w_out"], steps=first.run.steps))
    links, seen = [], []
    for tiny, given in ((first, (witness, middle)), (second, second.witness())):
        public, proof, link = tiny.prove_segment(*given)
        links.append(link)
        seen.append(tiny.verify_segment(public, io.BytesIO(proof), alone=True))
    return Chain(first, second, links, seen)


@pytest.fixture(scope="module", params=["ce", "mse"])
def two(request: pytest.FixtureRequest) -> Chain:
    return chain(loss=request.param)


def code(tiny: Tiny, seen: list[SegmentLink], proof: bytes) -> str:
    """Of the refusal, "" when the data proof is accepted."""
    try:
        tiny.verify_data(seen, io.BytesIO(proof))
    except (Rejected, MalformedProof) as error:
        return error.code
    return ""


@pytest.mark.parametrize("shape", SHAPES)
def test_true_values_are_accepted(shape: dict[str, object]) -> None:
    """Of one segment and of two; links hold what the public points make of the data."""
    done = chain(**shape)
    tiny = done.first
    for tiny_, link in zip((done.first, done.second), done.links, strict=True):
        indices = tiny_.public.indices
        assert link.values == data_values(tiny.backend, link.public.points, indices, tiny.x, tiny.y)
    for chosen in (slice(0, 1), slice(1, 2), slice(0, 2)):
        assert code(tiny, done.seen[chosen], tiny.prove_data(done.links[chosen])) == ""


@pytest.mark.parametrize("at", range(5))
def test_a_link_that_holds_another_value_is_refused_with_the_segment(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = tiny_run(loss="mse")

    def shifted(backend: Backend, values: list[Ext], *rest: object) -> object:
        changed = [value + ONE * (i == at) for i, value in enumerate(values)]
        return commit_link(backend, changed, *rest)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(segment_prover, "commit_link", shifted)
    public, proof, _ = tiny.prove_segment(*tiny.witness())
    with pytest.raises(Rejected) as caught:
        tiny.verify_segment(public, io.BytesIO(proof), alone=True)
    assert caught.value.code == "RELATIONS"


def test_values_that_the_links_do_not_hold_are_refused(two: Chain) -> None:
    """Each value of each segment, plus one."""
    for s, link in enumerate(two.links):
        for at in range(len(link.values)):
            values = [value + ONE * (i == at) for i, value in enumerate(link.values)]
            links = [*two.links[:s], replace(link, values=values), *two.links[s + 1 :]]
            assert code(two.first, two.seen, two.first.prove_data(links)) == "RELATIONS", (s, at)


def test_values_that_cancel_each_other_are_refused(two: Chain) -> None:
    """Errors of opposite sign in the two values of A_0, and in one value of two segments."""
    first, second = two.links
    both = replace(first, values=[first.values[0] + ONE, first.values[1] - ONE, *first.values[2:]])
    assert code(two.first, two.seen, two.first.prove_data([both, second])) == "RELATIONS"
    up = replace(first, values=[first.values[0] + ONE, *first.values[1:]])
    down = replace(second, values=[second.values[0] - ONE, *second.values[1:]])
    assert code(two.first, two.seen, two.first.prove_data([up, down])) == "RELATIONS"


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("place", ["features", "labels"])
def test_data_that_change_between_segments(place: str, loss: str) -> None:
    """One row of the dataset is replaced before the second segment: true as a segment, but not about the dataset."""

    def change(tiny: Tiny) -> Tiny:
        x, y, used = tiny.x.copy(), tiny.y.copy(), int(tiny.public.indices[0, 0])
        if place == "features":
            x[used, 0] ^= 1
        else:
            y[used] = (y[used] + 1) % 3
        return replace(tiny, x=x, y=y)

    done = chain(change, loss=loss)
    # The first segment alone is true, and the second is accepted as far as its own proof goes.
    assert code(done.first, done.seen[:1], done.first.prove_data(done.links[:1])) == ""
    assert code(done.first, done.seen, done.first.prove_data(done.links)) == "RELATIONS"
    # A data proof that hides the true values does not fit the link.
    indices, link = done.second.public.indices, done.links[1]
    true = data_values(done.first.backend, link.public.points, indices, done.first.x, done.first.y)
    assert true != link.values
    repaired = [done.links[0], replace(link, values=true)]
    assert code(done.first, done.seen, done.first.prove_data(repaired)) == "RELATIONS"
    # Nor does a link that holds them: its root is not the one that the segment sent.
    other = commit_link(done.first.backend, true, link.committed.shape, KEYS["link"], b"")
    repaired[1] = replace(repaired[1], committed=other)
    assert code(done.first, done.seen, done.first.prove_data(repaired)) in ("OPENING", "MERKLE")


def test_another_dataset_is_refused(two: Chain) -> None:
    x = two.first.x.copy()
    x[0, 0] ^= 1
    other = commit_dataset(x, two.first.y, 3, KEYS["dataset"], 2, TINY, two.first.backend)
    forged = replace(two.first, dataset=other)
    assert code(two.first, two.seen, forged.prove_data(two.links)) != ""


def _exchanged(two: Chain) -> list[ProverLink]:
    """Each segment with the link of the other."""
    first, second = two.links
    return [
        ProverLink(replace(here.public, root=there.public.root), there.values, there.committed)
        for here, there in ((first, second), (second, first))
    ]


FORGERIES: dict[str, Callable[[Chain], list[ProverLink]]] = {
    "segments in another order": lambda two: two.links[::-1],
    "one segment of two": lambda two: two.links[:1],
    "one segment twice": lambda two: [two.links[0]] * 2,
    "one more": lambda two: [*two.links, two.links[0]],
    "links exchanged": _exchanged,
    "the link of the other segment": lambda two: [_exchanged(two)[0], two.links[1]],
    "another transcript": lambda two: [
        replace(two.links[0], public=replace(two.links[0].public, digest=bytes(32))), two.links[1]
    ],
    "points of the other segment": lambda two: [
        replace(two.links[0], public=replace(two.links[0].public, points=two.links[1].public.points)), two.links[1]
    ],
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_data_proofs_about_something_else_are_refused(two: Chain, forgery: str) -> None:
    links = FORGERIES[forgery](two)
    proof = two.first.prove_data(links)
    assert code(two.first, two.seen, proof) != ""
    # A verifier that saw other segments refuses the true one.
    assert code(two.first, [link.public for link in links], two.first.prove_data(two.links)) != ""


def test_exchanged_links_do_not_hold_the_values(two: Chain) -> None:
    """Even a verifier that mixed them up would see that the values are not the dataset's."""
    links = _exchanged(two)
    assert code(two.first, [link.public for link in links], two.first.prove_data(links)) == "RELATIONS"


def test_a_data_proof_of_another_run_is_refused(two: Chain) -> None:
    renamed = replace(two.first, run=replace(two.first.run, run_id="ef" * 32))
    assert code(two.first, two.seen, renamed.prove_data(two.links)) != ""
    assert code(renamed, two.seen, two.first.prove_data(two.links)) != ""


def test_every_changed_word_is_refused(two: Chain) -> None:
    """About two hundred bytes of a data proof of two segments."""
    proof = two.first.prove_data(two.links)
    random = np.random.default_rng(5)
    for position in [0, len(proof) - 1, *random.choice(len(proof), size=200, replace=False).tolist()]:
        changed = bytearray(proof)
        changed[position] ^= 1 << int(random.integers(8))
        assert code(two.first, two.seen, bytes(changed)) != "", position
    for other in (b"", proof[:-1], proof + b"\0", proof[:100]):
        assert code(two.first, two.seen, other) != ""
