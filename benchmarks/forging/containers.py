"""Small runs of random shape, and whole containers of honest and dishonest witnesses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tests.support.attack import recount
from tests.support.container import SMALL
from tests.support.tiny import FORMATS, KEYS, SETS, Tiny, tiny_run

from benchmarks.forging.base import Random, Tried, both
from zkdl.errors import NotProvable
from zkdl.proof.format import FORMAT_VERSION, MAGIC, PROTOCOL, canonical_json
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights
from zkdl.proof.prover_tables import SegmentWitness
from zkdl.proof.public import SegmentPublic
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import Scales, SegmentStatement
from zkdl.statement.weights import Weights

Sections = Sequence[tuple[str, bytes]]


def header_bytes(run: RunStatement, segments: Sequence[SegmentStatement], sections: Sections) -> bytes:
    return canonical_json(
        {
            "protocol": PROTOCOL,
            "run": run.to_json(),
            "segments": [segment.to_json() for segment in segments],
            "sections": [[name, len(data)] for name, data in sections],
        }
    )


def pack(header: bytes, sections: Sections) -> bytes:
    """A container of any header and any sections."""
    start = MAGIC + FORMAT_VERSION.to_bytes(4, "little") + len(header).to_bytes(4, "little")
    return b"".join([start, header, *(data for _, data in sections)])


def container(run: RunStatement, segments: Sequence[SegmentStatement], sections: Sections) -> bytes:
    return pack(header_bytes(run, segments, sections), sections)


@lru_cache(maxsize=512)
def _shape(key: tuple[int, ...]) -> Tiny | None:
    """The small run of these numbers; None when it has no honest proof. fine: fraction bits of hidden activations, 0 for few."""
    seed, depth, loss, batch, steps, examples, seeded, narrow, drop, fine, *rest = key
    widths, bias = tuple(rest[: depth + 1]), tuple(bool(flag) for flag in rest[depth + 1 :])
    scales = Scales((2, *(1,) * depth), (*(2,) * (depth - 1), 1 if loss else 2)) if narrow else None
    if fine:
        hidden = depth - 1
        scales = Scales((4, *(fine,) * hidden, 3), (*(4,) * hidden, 3 if loss else 5))
    try:
        tiny = tiny_run(
            widths,
            ("ce", "mse")[loss],
            batch,
            steps,
            examples,
            bias,
            bool(seeded),
            9 if narrow else 12,
            last_batch=("keep", "drop")[drop],
            formats=SMALL if narrow else FORMATS,
            scales=scales,
            seed=seed,
        )
    except NotProvable:
        return None
    # Honest training that leaves a table has no proof: the trainer refuses it (OUT_OF_RANGE).
    return None if recount(tiny.witness()[0]) else tiny


def random_tiny(
    rng: Random, *, depth: int | None = None, loss: int | None = None, seeded: bool | None = None, clamped: bool = False
) -> Tiny:
    """A small run: one to three layers, both losses, biases or not, weights from a seed or committed.

    Sixteen shapes per depth and loss, so that what does not depend on the forgery is made once. clamped: two or three layers
    whose activations have so many fraction bits that units saturate.
    """
    while True:
        layers = depth or int(rng.integers(1 + clamped, 4))
        chosen = int(rng.integers(2)) if loss is None else loss
        from_seed = int(rng.integers(2)) if seeded is None else int(seeded)
        fine = int(rng.integers(5, 7)) if clamped else 0
        here = type(rng)(type(rng.bit_generator)([layers, chosen, from_seed, int(rng.integers(16)), *[fine] * clamped]))
        batch = int(here.integers(1, 5))
        examples = int(here.integers(max(2, batch), 9))
        widths = [int(here.integers(2, 7)), *(int(here.integers(1, 6)) for _ in range(layers - 1))]
        key = (
            *(int(here.integers(1000)), layers, chosen, batch, int(here.integers(1, 5)), examples, from_seed),
            *(
                int(here.integers(4) > 0 and not clamped),
                int(here.integers(2)),
                fine,
                *widths,
                int(here.integers(2, 5)),
            ),
            *(int(here.integers(4) > 0) for _ in range(layers)),
        )
        tiny = _shape(key)
        if tiny is not None:
            return tiny


class Memory(dict[bytes, Any]):
    """Remembers the last results: shapes repeat, and what does not depend on the forgery is made once."""

    def get_or_make(self, key: bytes, make: Callable[[], Any]) -> Any:
        if key not in self:
            if len(self) >= 256:
                self.clear()
            self[key] = make()
        return self[key]


_certificates, _honest = Memory(), Memory()


def certificates(tiny: Tiny) -> list[tuple[str, bytes]]:
    """The sections before the segments."""

    def make() -> list[tuple[str, bytes]]:
        given = KEYS["secret"], tiny.backend
        data = prove_data_certificate(tiny.run, tiny.dataset, given[0], backend=given[1], parameter_sets=SETS)
        if tiny.w_in is None or tiny.run.init_root is None:
            return [("data", data)]
        initial = prove_initial_weights(tiny.run, tiny.w_in, given[0], backend=given[1], parameter_sets=SETS)
        return [("data", data), ("initial", initial)]

    key = tiny.run.canonical() + tiny.dataset.committed.matrix.tobytes() + tiny.dataset.root
    if tiny.w_in is not None:
        key += tiny.w_in.committed.matrix.tobytes() + tiny.w_in.root
    return _certificates.get_or_make(key, make)


def forget_certificates() -> None:
    """Before and after the prover is changed."""
    _certificates.clear()


def prove(tiny: Tiny, witness: SegmentWitness, out: Weights, claimed: Weights | None = None) -> bytes:
    """A whole container with one segment, made by the honest prover from any witness."""
    public, proof, link = tiny.prove_segment(witness, out, claimed)
    return with_data_proof(tiny, public, proof, tiny.prove_data([link]))


def with_data_proof(tiny: Tiny, public: SegmentPublic, proof: bytes, data_proof: bytes) -> bytes:
    """A container with one segment."""
    sections = [*certificates(tiny), ("segment-0", proof), ("dataset", data_proof)]
    return container(tiny.run, [public.segment], sections)


def honest(tiny: Tiny) -> tuple[bytes, tuple[str, str]]:
    """The honest container of a run, and the verdicts on it."""

    def make() -> tuple[bytes, tuple[str, str]]:
        data = prove(tiny, *tiny.witness())
        return data, both(data)

    return _honest.get_or_make(tiny.run.canonical() + tiny.segment.canonical(), make)


def tried(tiny: Tiny, data: bytes) -> Tried:
    """A forged container about a run, judged by both verifiers, with the honest one as control."""
    honest_data, controls = honest(tiny)
    return Tried(both(data), controls, data, honest_data)
