"""One run in its directory: train, prove, resume. The command line and the Python API both work through this.

Order of what reaches the disk: the master secret before anything made with it, the run statement last of what `begin` writes;
a segment's weights before its statement, which is the commit point of training; a section's reserved openings before its
proof. Whatever is interrupted is repeated from the last commit point and ends in the same bytes. The data proof is about all
segments that are there, so it is stored under their number.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zkdl.allowance import Allowance, too_much_memory
from zkdl.backend.base import Backend
from zkdl.commitment.parameters import PARAMETER_SETS, ParameterSet
from zkdl.commitment.stored import WeightsCommitment
from zkdl.errors import UsageError
from zkdl.figures import write_training
from zkdl.given_weights import check_shapes, start_from
from zkdl.memory import keep_freed_memory
from zkdl.openings import Openings
from zkdl.progress import Progress as Progress
from zkdl.progress import quiet as quiet
from zkdl.proof.estimate import Estimate, estimate, planned_memory
from zkdl.proof.format import container_digest, section_names, write_container
from zkdl.proof.multiplicities import check_multiplicities
from zkdl.proof.plan import MemoryPlan, allowed_bytes
from zkdl.proof.revealed import PROOF_FIELD, STATEMENT_FIELD
from zkdl.proof.run_certificates import data_certificate_layout
from zkdl.publishing import DATA_BUDGET, milestones, publishable
from zkdl.rundir import RunDirectory, weights_bytes
from zkdl.sections import SectionProver, certificate_digest, commit_data, commit_step, section_file, start_weights
from zkdl.statement.limits import check_provable
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.state import Scales
from zkdl.statement.weights import Weights
from zkdl.storage import disk_errors, exclusive, write_atomic
from zkdl.train.segment import SegmentResult
from zkdl.train.trainer import Trainer


def check_target(path: Path) -> None:
    """Raises UsageError(FILE_WRITE) now rather than after hours of proving when no file can be written at `path`."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError("the file cannot be written", code="FILE_WRITE", file=str(path))


def _not_this_run(directory: RunDirectory) -> UsageError:
    if directory.has_statement:
        return UsageError(
            "this directory holds another run",
            code="RUN_OTHER",
            hint="Choose another directory, or the configuration that this run was started with",
            file=str(directory.path),
        )
    return UsageError(
        "the run statement of these segments is missing",
        code="RUN_DAMAGED",
        hint="Restore run.json, or start again in a new directory",
        file=str(directory.path / "run.json"),
    )


@dataclass
class Session:
    """A run directory with the backend that works on it."""

    directory: RunDirectory
    backend: Backend
    parameter_sets: dict[str, ParameterSet] | None = None

    def _parameters(self, run: RunStatement) -> ParameterSet:
        """The run's sizes. Raises UsageError(RUN_DAMAGED) when it was begun by a release that has others."""
        sets = self.parameter_sets or PARAMETER_SETS
        if run.parameter_set not in sets:
            raise UsageError(
                "the run has a parameter set that this release does not know",
                code="RUN_DAMAGED",
                hint="Go on with the release that began this run, or start again in a new directory",
                file=str(self.directory.path / "run.json"),
                name=run.parameter_set[:80],
            )
        return sets[run.parameter_set]

    def _commit_weights(self, run: RunStatement, step: int, weights: Weights) -> WeightsCommitment:
        return commit_step(self.directory, run, step, weights, self._parameters(run), self.backend)

    def begin(
        self,
        draft: RunStatement,
        features: NDArray[np.int32],
        labels: NDArray[np.int32],
        segment_steps: int,
        initial: Weights | None = None,
    ) -> RunStatement:
        """Commit data and initial weights, fix the run statement. A run that is already there must be the same one.

        Args:
            draft: run_id, data_root, init_seed and init_root are filled in here; a draft with init_seed keeps it.
            initial: weights to commit to instead of a public seed.
        """
        with exclusive(self.directory.path):
            if self.directory.has_statement:
                run = self._same_run(draft, features, labels, segment_steps, initial)
                if run is not None:
                    return run
            if self.directory.has_results:
                raise _not_this_run(self.directory)
            # Before the first segment nothing depends on the statement: a corrected configuration may replace it, under
            # new secrets, because a copy of this directory may go on with the old statement.
            run = replace(draft, data_budget=DATA_BUDGET)
            check_provable(run, segment_steps)
            check_multiplicities(run, segment_steps, self._parameters(run))
            self.directory.new_secrets()
            if initial is not None:
                check_shapes(run, initial)
            self.directory.write_data(features, labels)
            dataset = commit_data(self.directory, run, (features, labels), self._parameters(run), self.backend)
            run = replace(run, data_root=dataset.root.hex(), run_id=self.directory.key("run-id").hex())
            if initial is not None:
                committed = self._commit_weights(run, 0, initial)
                self.directory.write_weights(0, initial, run.format.weight_frac)
                run = start_from(run, initial, committed.root)
            run.validate()
            self.directory.write_statement(run, segment_steps)
            return run

    def _same_run(
        self,
        draft: RunStatement,
        features: NDArray[np.int32],
        labels: NDArray[np.int32],
        segment_steps: int,
        initial: Weights | None,
    ) -> RunStatement | None:
        """The stored statement if it is the draft's, else None."""
        run, steps = self.directory.read_statement()
        roots = ("run_id", "data_root", "data_budget", "init_root", "init_seed")
        same = replace(draft, **{name: getattr(run, name) for name in roots}) == run and steps == segment_steps
        stored = self.directory.read_data()
        same = same and np.array_equal(stored[0], features) and np.array_equal(stored[1], labels)
        if initial is None:
            same = same and run.init_seed == draft.init_seed
        else:
            same = same and run.init_seed is None and self.directory.read_weights(0).equal(initial)
        return run if same else None

    def train(self) -> Iterator[tuple[SegmentStatement, SegmentResult]]:
        """Train what is left, one segment at a time; each is on disk when it is yielded.

        Raises: NotProvable, OutOfRange; ResourceError(BUDGET) before a segment that could no longer be proven.
        """
        with exclusive(self.directory.path):
            run, segment_steps = self.directory.read_statement()
            features, labels = self.directory.read_data()
            openings = Openings(self.directory, run)
            trainer = Trainer(run, features, labels, segment_steps)
            done = self.directory.segments()
            after = done[-1] if done else None
            step = 0 if after is None else after.end_step
            weights = start_weights(self.directory, run, step)
            root = (run.init_root or "") if after is None else after.w_out.root
            trained = trainer.segments(weights, after)
            certificate = certificate_digest(run, data_certificate_layout(run, self._parameters(run)))
            while step < run.steps:
                openings.check_next_segment(step, certificate)
                started = time.perf_counter()
                segment, out = next(trained)
                seconds = time.perf_counter() - started
                step = segment.end_step
                committed = self._commit_weights(run, step, out)
                segment = replace(
                    segment,
                    w_in=replace(segment.w_in, root=root),
                    w_out=replace(segment.w_out, root=committed.root.hex()),
                )
                self.directory.write_weights(step, out, run.format.weight_frac)
                write_training(self.directory, segment, trainer.results[-1], seconds)
                self.directory.write_segment(segment)
                done.append(segment)
                root = segment.w_out.root
                yield segment, trainer.results[-1]

    def _scales(self) -> Scales | None:
        """Those of the first segment when it has been trained."""
        done = self.directory.segments()
        return done[0].scales if done else None

    def forecast(self, max_memory: int | None = None) -> Estimate:
        """Cost of proving this run; max_memory as of `prove`."""
        run, segment_steps = self.directory.read_statement()
        return estimate(
            run, segment_steps,
            scales=self._scales(), backend=self.backend, parameters=self._parameters(run), max_memory=max_memory,
        )  # fmt: skip

    def plan(self, max_memory: int | None = None) -> MemoryPlan:
        """What goes to disk while this run is proven. Raises: ResourceError(MEMORY)."""
        run, segment_steps = self.directory.read_statement()
        limit = allowed_bytes(max_memory)
        parameters = self._parameters(run)
        plan = planned_memory(run, segment_steps, limit, scales=self._scales(), parameters=parameters)
        if plan.memory_bytes > limit:
            raise too_much_memory(run, segment_steps, plan.memory_bytes, limit, self._scales(), parameters)
        return plan

    def prove(
        self,
        output: Path,
        *,
        max_memory: int | None = None,
        max_time: float | None = None,
        scratch: Path | None = None,
        progress: Progress = quiet,
        more: Sequence[Backend] = (),
    ) -> None:
        """Prove the segments up to the latest milestone that have no proof yet and write the container.

        Args:
            max_memory: bytes; what needs more goes to disk. None for most of what this machine has.
            max_time: seconds that the missing sections may take by the forecast; None for any.
            scratch: folder for that, on a disk; None for the run directory.
            more: backends, each with a device of its own, that prove segments at the same time. As many of them work
                as the memory has room for; where the proof needs the disk none does.
        Raises: ResourceError(MEMORY, TIME, BUDGET, DISK_FULL, DEVICE_MEMORY), DeviceError, UsageError when no milestone
            has been reached.
        """
        check_target(output)
        keep_freed_memory()
        with exclusive(self.directory.path):
            run, segments = self._published()
            plan = self.plan(max_memory)
            names = section_names(run, len(segments))
            openings = Openings(self.directory, run)
            files = [self.directory.section(section_file(name, len(segments))) for name in names]
            if not all(file.exists() for file in files):
                if max_time is not None:
                    self._check_time(segments, files, max_memory, max_time)
                parameters, sets = self._parameters(run), self.parameter_sets
                with plan.storage(scratch or self.directory.path) as storage:
                    prover = SectionProver(
                        self.directory, run, parameters, self.backend, openings, sets, storage,
                        self._beside(more, plan, max_memory),
                    )  # fmt: skip
                    prover.prove(segments, names, progress)
            with disk_errors(output):
                write_container(output, run, segments, list(zip(names, files, strict=True)))
            progress("done", 1.0)

    @staticmethod
    def _beside(more: Sequence[Backend], plan: MemoryPlan, max_memory: int | None) -> Sequence[Backend]:
        """As many of the other backends as the memory has room for: each holds a segment of its own."""
        limit = allowed_bytes(max_memory)
        return () if plan.disk_bytes else more[: max(0, limit // max(1, plan.memory_bytes) - 1)]

    def _check_time(
        self, segments: list[SegmentStatement], files: list[Path], max_memory: int | None, max_time: float
    ) -> None:
        """Raises ResourceError(TIME) when the sections that are not in `files` yet take longer."""
        found = self.forecast(max_memory)
        there = {file.name for file in files if file.exists()}
        missing = [segment for segment in segments if f"segment-{segment.index}.bin" not in there]
        steps = sum(segment.steps for segment in missing)
        Allowance(max_time=max_time).check_time(found.one_time_s + found.prove_s * steps / found.steps, 0.0, steps)

    def _published(self) -> tuple[RunStatement, list[SegmentStatement]]:
        """The run, and its segments up to the latest milestone: what a container holds."""
        run, _ = self.directory.read_statement()
        segments = self.directory.segments()
        if not segments:
            raise UsageError(
                "nothing has been trained yet",
                code="RUN_EMPTY",
                hint="Run zkdl train first",
                file=str(self.directory.path),
            )
        count = publishable(run, segments)
        if count == 0:
            first = milestones(run)[0]
            raise UsageError(
                "the run has not reached the first point at which it may be proven",
                code="RUN_UNFINISHED",
                hint=f"Train on to step {first}; containers are made at every eighth of a run, in all its copies alike",
                file=str(self.directory.path),
            )
        return run, segments[:count]

    def proof_digests(self) -> dict[str, str]:
        """SHA-256 of the run statement and, when every section is there, of the finished container, hexadecimal."""
        run, segments = self._published()
        found = {STATEMENT_FIELD: run.digest().hex()}
        names = section_names(run, len(segments))
        sections = [(name, self.directory.section(section_file(name, len(segments)))) for name in names]
        if all(file.exists() for _, file in sections):
            found[PROOF_FIELD] = container_digest(run, segments, sections).hex()
        return found

    def reveal_weights(self, output: Path) -> None:
        """Write the weights that a container ends in with the key of their commitment, readable by the owner only.

        The metadata name the run statement and, behind a finished proof, the container, by their digests.
        """
        run, segments = self._published()
        step = segments[-1].end_step
        weights = self.directory.read_weights(step)
        key = self.directory.key(f"weights-{step}")
        data = weights_bytes(weights, run.format.weight_frac, key, self.proof_digests())
        write_atomic(output, data, secret=True)
