"""The proof sections of a run that are still missing, one after the other into its directory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.backend.scratch import IN_MEMORY, Storage
from zkdl.commitment.parameters import ParameterSet
from zkdl.commitment.stored import DatasetCommitment, WeightsCommitment, commit_dataset, commit_weights
from zkdl.errors import DeviceError, MalformedProof, Rejected, ResourceError, UsageError
from zkdl.figures import BEFORE, PhaseClock, write_proving
from zkdl.openings import Openings
from zkdl.progress import Progress, ProofProgress, quiet
from zkdl.proof.certificate import CertificateLayout
from zkdl.proof.data_proof import ProverLink, data_proof_layout, statement_bytes
from zkdl.proof.layout import segment_layout
from zkdl.proof.plan import longest_on_device
from zkdl.proof.prove import link_again, prove_data, prove_data_certificate, prove_initial_weights, prove_segment
from zkdl.proof.public import segment_public
from zkdl.proof.run_certificates import data_certificate_layout, initial_certificate_layout
from zkdl.rundir import RunDirectory
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.weights import Weights
from zkdl.workers import Sharing

VALUES_PER_LEAF = 16  # values of the dataset that are opened in the time of one looked-up value

Data = tuple[NDArray[np.int32], NDArray[np.int32]]


def certificate_digest(run: RunStatement, layout: CertificateLayout) -> bytes:
    """Of what a certificate is about, sizes included: other sizes are other positions, so another opening."""
    return hashlib.sha256(layout.statement(run.canonical())).digest()


def start_weights(directory: RunDirectory, run: RunStatement, step: int) -> Weights:
    """The weights after `step` steps of the run."""
    if step == 0 and run.init_seed is not None:
        return initial_weights(run)
    return directory.read_weights(step)


def commit_data(
    directory: RunDirectory,
    run: RunStatement,
    data: Data,
    parameters: ParameterSet,
    backend: Backend,
    storage: Storage = IN_MEMORY,
) -> DatasetCommitment:
    """The dataset under the run's own key."""
    key, kept = directory.key("data"), storage.kept_code_bytes
    return commit_dataset(*data, run.classes, key, run.data_budget, parameters, backend, kept)


def commit_step(
    directory: RunDirectory,
    run: RunStatement,
    step: int,
    weights: Weights,
    parameters: ParameterSet,
    backend: Backend,
    storage: Storage = IN_MEMORY,
) -> WeightsCommitment:
    """The weights after `step` steps under their own key."""
    key, kept = directory.key(f"weights-{step}"), storage.kept_code_bytes
    return commit_weights(weights, key, run.weights_budget, parameters, backend, kept)


def section_file(name: str, segments: int) -> str:
    """Under what name a section of a container of that many segments is stored."""
    return f"dataset-{segments}" if name == "dataset" else name


def section_costs(
    run: RunStatement, segments: list[SegmentStatement], names: list[str], parameters: ParameterSet
) -> dict[str, float]:
    """What each section costs relative to the others: the looked-up values, which everything else follows."""
    costs: dict[str, float] = {}
    for name in names:
        if name == "data":
            costs[name] = data_certificate_layout(run, parameters).leaves.leaves
        elif name == "dataset":
            code = data_proof_layout(run, len(segments), parameters).dataset.code
            costs[name] = code.rows * code.row / VALUES_PER_LEAF
        elif name == "initial":
            costs[name] = initial_certificate_layout(run, parameters).leaves.leaves
        else:
            segment = segments[int(name.removeprefix("segment-"))]
            costs[name] = segment_layout(run, segment, parameters).leaves.leaves
    return costs


@dataclass
class SectionProver:
    """Proves sections of one run; the directory must be locked.

    Args:
        sets: parameter sets to look up names in; None for the built-in ones.
        storage: where the large arrays of each proof go.
        more: backends beside `backend` that prove segments at the same time.
    """

    directory: RunDirectory
    run: RunStatement
    parameters: ParameterSet
    backend: Backend
    openings: Openings
    sets: dict[str, ParameterSet] | None = None
    storage: Storage = IN_MEMORY
    more: Sequence[Backend] = ()
    _before: tuple[int, WeightsCommitment] | None = field(default=None, init=False)

    def prove(self, segments: list[SegmentStatement], names: list[str], progress: Progress) -> None:
        """Prove those of the sections `names` that are not there.

        Raises: ResourceError(BUDGET, DISK_FULL), UsageError(RUN_DAMAGED); every finished section stays.
        """
        for i in range(len(segments)):
            if not self.directory.section(f"segment-{i}").exists():
                # Another release would prove it in other bytes, of which the old data proof does not speak.
                self.directory.forget_data_proofs(i)
        stored = {name: self.directory.section(section_file(name, len(segments))) for name in names}
        missing = [name for name in names if not stored[name].exists()]
        costs = section_costs(self.run, segments, names, self.parameters)
        shown = ProofProgress(progress, costs, [name for name in names if name not in missing])
        shown.say("dataset")
        data = self.directory.read_data()
        with self._remembered("commitment", quiet, "commit"):
            dataset = commit_data(self.directory, self.run, data, self.parameters, self.backend, self.storage)
        self._same(dataset.root, self.run.data_root, "data.npz")
        if "data" in missing:
            with self._remembered("data", shown.section("data")) as report:
                self._data(dataset, report)
            shown.finish("data")
        # Segments need no more than this of it, and they are what needs the memory.
        dataset = dataset.tree_only()

        def prove_one(prover: SectionProver, name: str) -> None:
            with prover._remembered(name, sharing.watched(shown.section(name))) as report:
                if name == "initial":
                    prover._initial(report)
                else:
                    prover._segment(name, segments[int(name.removeprefix("segment-"))], data, report)
            shown.finish(name)

        provers = [self, *(replace(self, backend=backend, more=()) for backend in self.more)]
        sharing = Sharing(provers)
        sharing.run([name for name in missing if name not in ("data", "dataset")], prove_one)
        for prover in provers:
            prover._before = None
        if "dataset" in missing:
            with self._remembered(section_file("dataset", len(segments)), shown.section("dataset")) as report:
                whole = dataset.with_values(*data, self.directory.key("data"))
                self._dataset(segments, whole, data, report)
            shown.finish("dataset")

    @contextmanager
    def _remembered(self, name: str, report: Progress, first: str = BEFORE) -> Iterator[Progress]:
        """Time what is done inside, by phases, and remember it when it is finished."""
        clock = PhaseClock(report, first)
        yield clock
        clock.stop()
        write_proving(self.directory, name, clock, self.backend.name)

    def _same(self, root: bytes, stated: str, file: str) -> None:
        if root.hex() != stated:
            if self.backend.local is not self.backend:
                raise DeviceError(
                    "the GPU computed another root than the run has",
                    code="DEVICE_WRONG",
                    hint="Test it with zkdl doctor --device cuda; if --device cpu refuses too, restore the run directory",
                    file=str(self.directory.path / file),
                )
            raise UsageError(
                "this is not what the run committed to",
                code="RUN_DAMAGED",
                hint="Restore the run directory as it was after training",
                file=str(self.directory.path / file),
            )

    def _store(self, name: str, digest: bytes, roots: list[tuple[str, int]], prove: Callable[[bytes], bytes]) -> None:
        """Reserve the openings, prove, store the proof."""
        self.openings.reserve(name, digest, roots)
        self.directory.write_section(name, prove(self.openings.secret(name)))

    def _weights(self, step: int, stated: str) -> WeightsCommitment:
        """The commitment of a step's weights; the last one is kept, because the next segment starts from it."""
        if self._before is None or self._before[0] != step:
            weights = start_weights(self.directory, self.run, step)
            committed = commit_step(
                self.directory, self.run, step, weights, self.parameters, self.backend, self.storage
            )
            self._same(committed.root, stated, f"weights/step-{step}.safetensors")
            self._before = (step, committed)
        return self._before[1]

    def _data(self, dataset: DatasetCommitment, report: Progress) -> None:
        def prove(secret: bytes) -> bytes:
            return prove_data_certificate(
                self.run, dataset, secret,
                backend=self.backend, progress=report, parameter_sets=self.sets, storage=self.storage,
            )  # fmt: skip

        digest = certificate_digest(self.run, data_certificate_layout(self.run, self.parameters))
        self._store("data", digest, [(self.run.data_root, self.run.data_budget)], prove)

    def _initial(self, report: Progress) -> None:
        root = self.run.init_root or ""
        committed = self._weights(0, root)

        def prove(secret: bytes) -> bytes:
            return prove_initial_weights(
                self.run, committed, secret,
                backend=self.backend, progress=report, parameter_sets=self.sets, storage=self.storage,
            )  # fmt: skip

        digest = certificate_digest(self.run, initial_certificate_layout(self.run, self.parameters))
        self._store("initial", digest, [(root, self.run.weights_budget)], prove)

    def _segment(self, name: str, segment: SegmentStatement, data: Data, report: Progress) -> None:
        run, budget = self.run, self.run.weights_budget
        w_in = self._weights(segment.first_step, segment.w_in.root) if segment.w_in.root else None
        w_out = self._weights(segment.end_step, segment.w_out.root)
        weights_in = start_weights(self.directory, run, segment.first_step)
        # With all sizes: other sizes are other positions, so another opening.
        statement = segment_public(run, segment, self.parameters).statement_bytes()
        digest = hashlib.sha256(statement).digest()

        def prove(secret: bytes) -> bytes:
            proof, link = prove_segment(
                run, segment, w_in, w_out, weights_in, *data, secret, self.openings.link_key(name),
                backend=self.backend, progress=report, parameter_sets=self.sets, storage=self.storage,
            )  # fmt: skip
            # The root of the link is known only now; the proof is not yet on disk.
            self.openings.reserve(name, digest, [(link.public.root.hex(), run.data_budget)])
            return proof

        roots = [(segment.w_out.root, budget)]
        if w_in is not None:
            roots.append((segment.w_in.root, budget))
        with self._told_what_fits(segment):
            self._store(name, digest, roots, prove)

    @contextmanager
    def _told_what_fits(self, segment: SegmentStatement) -> Iterator[None]:
        """A GPU that is too small: say which segments would fit."""
        try:
            yield
        except ResourceError as error:
            limit = error.where.get("limit_bytes")
            if error.code != "DEVICE_MEMORY" or not isinstance(limit, int):
                raise
            fits = longest_on_device(self.run, segment, limit, self.parameters)
            hint = "Use --device cpu; finished segments are kept"
            if fits is not None and fits[0] < segment.steps:
                steps, needed = fits
                size = f"{needed / 2**30:.1f} GiB"
                hint = f"Segments of {steps} steps need about {size}: train with segment_steps = {steps}, or use --device cpu"
            raise ResourceError(error.message, code=error.code, hint=hint, **error.where) from error

    def _link(self, i: int, segment: SegmentStatement, data: Data) -> ProverLink:
        """The link of a finished segment, made again from its section, which is thereby verified."""
        name = f"segment-{i}"
        path = self.directory.section(name)
        try:
            return link_again(
                self.run, segment, path.read_bytes(), *data, self.openings.link_key(name),
                backend=self.backend.local, parameter_sets=self.sets,
            )  # fmt: skip
        except (OSError, Rejected, MalformedProof) as error:
            raise UsageError(
                "a finished section is not a proof of its segment",
                code="RUN_DAMAGED",
                hint="Restore it, or delete it and prove again",
                file=str(path),
            ) from error

    def _dataset(
        self, segments: list[SegmentStatement], dataset: DatasetCommitment, data: Data, report: Progress
    ) -> None:
        run, count = self.run, len(segments)
        report("links", 0.0)
        links = [self._link(i, segment, data) for i, segment in enumerate(segments)]

        def prove(secret: bytes) -> bytes:
            return prove_data(
                run, links, dataset, secret,
                backend=self.backend, progress=report, parameter_sets=self.sets, storage=self.storage,
            )  # fmt: skip

        public = [link.public for link in links]
        statement = statement_bytes(data_proof_layout(run, count, self.parameters), public)
        roots = [(root, run.data_budget) for root in (run.data_root, *(link.root.hex() for link in public))]
        self._store(section_file("dataset", count), hashlib.sha256(statement).digest(), roots, prove)
