"""A whole proof container of a tiny run, with all kinds of sections, and what a verifier says to its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.tiny import FORMATS, KEYS, SETS, Tiny, second_segment, tiny_run
from zkdl.errors import ZkError
from zkdl.proof.data_proof import ProverLink
from zkdl.proof.format import write_container
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights
from zkdl.proof.verify import verify
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import Scales, SegmentStatement

# Small tables: a container is verified thousands of times.
SMALL = replace(
    FORMATS,
    activation_bits=2,
    gradient_bits=3,
    feature_bits=2,
    feature_frac=2,
    logit_bits=3,
    logit_frac=1,
    exp_bits=2,
    headroom_bits=2,
)
SMALL_SCALES = Scales((2, 1, 1), (2, 2))


@dataclass(frozen=True)
class Container:
    """A container's parts; `write` puts them, or others, together."""

    run: RunStatement
    segments: list[SegmentStatement]
    sections: list[tuple[str, bytes]]
    tiny: Tiny
    links: list[ProverLink]

    def data_proof(self, *places: int) -> tuple[str, bytes]:
        """The last section of a container of other segments."""
        return "dataset", self.tiny.prove_data([self.links[place] for place in places])

    def write(
        self,
        path: Path,
        segments: Sequence[SegmentStatement] | None = None,
        sections: Sequence[tuple[str, bytes]] | None = None,
    ) -> bytes:
        chosen = self.segments if segments is None else list(segments)
        write_container(path, self.run, chosen, list(self.sections if sections is None else sections))
        return path.read_bytes()


def container(run_id: str = "ab" * 32, seeded: bool = True) -> Container:
    """Two segments of two steps each, from the public seed or from committed weights."""
    first = tiny_run(
        (2, 2, 2), batch=2, steps=2, examples=4, seeded=seeded, weight_frac=9, formats=SMALL, scales=SMALL_SCALES
    )
    first = replace(first, run=replace(first.run, run_id=run_id, steps=4))
    witness, middle = first.witness()
    public, proof, link = first.prove_segment(witness, middle)
    second = second_segment(first, middle, KEYS["w_out"], steps=4)
    last_public, last_proof, last_link = second.prove_segment(*second.witness())
    secret, sets, backend = KEYS["secret"], SETS, first.backend
    data = prove_data_certificate(first.run, first.dataset, secret, backend=backend, parameter_sets=sets)
    sections = [("data", data)]
    if first.w_in is not None:
        initial = prove_initial_weights(first.run, first.w_in, secret, backend=backend, parameter_sets=sets)
        sections.append(("initial", initial))
    sections += [("segment-0", proof), ("segment-1", last_proof)]
    links = [link, last_link]
    sections.append(("dataset", first.prove_data(links)))
    return Container(first.run, [public.segment, last_public.segment], sections, first, links)


def status(path: Path, data: bytes) -> tuple[int, str]:
    """Exit status and code of the verifier's answer, (0, "") when it accepts; any other exception is a bug."""
    path.write_bytes(data)
    try:
        verify(path, parameter_sets=SETS)
    except ZkError as error:
        return error.exit_status, error.code
    return 0, ""
