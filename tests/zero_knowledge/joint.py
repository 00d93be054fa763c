"""The simulator of a whole container: all sections over the same commitments, no data, no weights.

The dataset is opened by its certificate and by the data proof, weights by the sections before and after them, a link by its
segment and by the data proof. All challenges are fixed before, so a first pass finds the positions that each
section opens. Then every shared tree is made once, with uniform columns at all of its positions, and its root goes into the
statement. A second pass makes the sections, for this statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tests.zero_knowledge.fixed import FixedTranscript, InventingChannel
from tests.zero_knowledge.simulator import CertificateSimulator, DataSimulator, Inventor, Simulator, Tree, invented_tree
from zkdl.backend.base import Backend
from zkdl.commitment.parameters import CodeShape, ParameterSet
from zkdl.proof.data_claims import SegmentLink
from zkdl.proof.data_proof import data_proof_layout
from zkdl.proof.public import segment_public
from zkdl.proof.run_certificates import data_certificate_layout, initial_certificate_layout
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.transcript.transcript import Transcript

Place = tuple[str, str]


class Oracle:
    """Stands for `Transcript`: the transcript of every section is programmed, each another one, in file order."""

    def __init__(self) -> None:
        self.sections = 0

    def __call__(self, protocol: str, statement: bytes) -> Transcript:
        self.sections += 1
        return FixedTranscript(self.sections)


@dataclass
class Joint:
    """A simulated container. trees: by the commitment's name; opened: the commitments of every (section, opening)."""

    run: RunStatement
    segments: list[SegmentStatement]
    sections: list[tuple[str, bytes]]
    trees: dict[str, Tree]
    opened: dict[Place, list[str]]
    parts: dict[str, Inventor] = field(default_factory=dict)


def shared(run: RunStatement, segments: int) -> dict[Place, list[str]]:
    """Which commitments, by name, are opened in more than one section, and where."""
    found: dict[Place, list[str]] = {("data", "target"): ["dataset"], ("dataset", "dataset"): ["dataset"]}
    found["dataset", "links"] = [f"link-{i}" for i in range(segments)]
    if run.init_root is not None:
        found["initial", "target"] = ["weights-0"]
    for i in range(segments):
        found[f"segment-{i}", "link"] = [f"link-{i}"]
        found[f"segment-{i}", "w_out"] = [f"weights-{i + 1}"]
        if i or run.init_root is not None:
            found[f"segment-{i}", "w_in"] = [f"weights-{i}"]
    return found


def _sections(
    backend: Backend,
    run: RunStatement,
    segments: Sequence[SegmentStatement],
    parameters: ParameterSet,
    seed: int,
    trees: dict[str, Tree],
) -> dict[str, Inventor]:
    """Every section up to its columns."""
    places, parts = shared(run, len(segments)), dict[str, Inventor]()

    def more(section: str) -> tuple[int, int, dict[str, list[Tree]]]:
        number = len(parts) + 1
        given = {name: [trees[t] for t in found] for (at, name), found in places.items() if trees and at == section}
        return seed + number, number, given

    parts["data"] = CertificateSimulator(backend, data_certificate_layout(run, parameters), *more("data"))
    if run.init_root is not None:
        layout = initial_certificate_layout(run, parameters)
        parts["initial"] = CertificateSimulator(backend, layout, *more("initial"))
    links = []
    for i, segment in enumerate(segments):
        public = segment_public(run, segment, parameters)
        initial = initial_weights(run) if public.seeded else None
        simulator = Simulator(backend, public, initial, *more(f"segment-{i}"))
        parts[f"segment-{i}"] = simulator
        assert simulator.points is not None
        root = trees[f"link-{i}"].root if trees else bytes(32)
        links.append(SegmentLink(segment, root, bytes(32), simulator.points))
    layout_of_all = data_proof_layout(run, len(segments), parameters)
    parts["dataset"] = DataSimulator(backend, layout_of_all, links, *more("dataset"))
    return parts


def _make_trees(
    backend: Backend, parts: dict[str, Inventor], places: dict[Place, list[str]], seed: int
) -> dict[str, Tree]:
    channel, codes, positions = InventingChannel(seed), dict[str, CodeShape](), dict[str, list[np.ndarray]]()
    for (section, name), found in places.items():
        part = parts[section]
        shape = part.pending[name].shape
        for commitment in found:
            codes[commitment] = replace(shape, rows=shape.rows // len(found))
            positions.setdefault(commitment, []).append(part.positions[name])
    return {
        name: invented_tree(backend, channel, code, code.rows, np.unique(np.concatenate(positions[name])))
        for name, code in codes.items()
    }


def simulate_container(
    backend: Backend, run: RunStatement, segments: Sequence[SegmentStatement], parameters: ParameterSet, seed: int
) -> Joint:
    """A container that the programmed oracle makes true; the roots in the statement are replaced by invented ones."""
    places = shared(run, len(segments))
    trees = _make_trees(backend, _sections(backend, run, segments, parameters, seed, {}), places, seed)
    roots = {name: tree.root.hex() for name, tree in trees.items()}
    run = replace(run, data_root=roots["dataset"], init_root=run.init_root and roots["weights-0"])
    states = [segments[0].w_in, *(segment.w_out for segment in segments)]
    states = [replace(s, root=roots[f"weights-{i}"]) if s.root else s for i, s in enumerate(states)]
    here = [replace(s, w_in=states[i], w_out=states[i + 1]) for i, s in enumerate(segments)]
    parts = _sections(backend, run, here, parameters, seed + 1000, trees)
    for part in parts.values():
        part.invent_columns()
    return Joint(run, here, [(name, part.channel.proof()) for name, part in parts.items()], trees, places, parts)
