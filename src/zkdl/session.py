"""One run in its directory: train, prove, resume. The command line and the Python API both work through this.

Order of what reaches the disk: keys before anything made with them; a segment's weights before its statement, which is the
commit point of training; a segment's secret and its reserved openings before its proof. Whatever is interrupted is
repeated from the last commit point and ends in the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zkdl.backend.base import Backend
from zkdl.commitment.parameters import PARAMETER_SETS, ParameterSet
from zkdl.commitment.stored import DatasetCommitment, WeightsCommitment, commit_dataset, commit_weights
from zkdl.errors import InternalError, ResourceError, UsageError
from zkdl.given_weights import check_shapes, start_from
from zkdl.proof.estimate import Estimate, estimate
from zkdl.proof.format import section_names, write_container
from zkdl.proof.prove import prove_data_certificate, prove_initial_weights, prove_segment
from zkdl.rundir import RunDirectory, weights_bytes
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.weights import Weights
from zkdl.storage import disk_errors, exclusive, write_atomic
from zkdl.train.segment import SegmentResult
from zkdl.train.trainer import Trainer

Progress = Callable[[str, float], None]
RETRIES = 8


def quiet(phase: str, done: float) -> None:
    """No progress."""


@dataclass
class Session:
    """A run directory with the backend that works on it."""

    directory: RunDirectory
    backend: Backend
    parameter_sets: dict[str, ParameterSet] | None = None

    def _parameters(self, run: RunStatement) -> ParameterSet:
        return (self.parameter_sets or PARAMETER_SETS)[run.parameter_set]

    def _commit_data(
        self, run_budget: int, classes: int, parameters: ParameterSet, data: tuple[NDArray[np.int32], NDArray[np.int32]]
    ) -> DatasetCommitment:
        return commit_dataset(*data, classes, self.directory.key("data"), run_budget, parameters, self.backend)

    def _commit_weights(self, run: RunStatement, step: int, weights: Weights) -> WeightsCommitment:
        key = self.directory.key(f"weights-{step}")
        return commit_weights(weights, key, run.weights_budget, self._parameters(run), self.backend)

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
            # Before the first segment nothing depends on the statement: a corrected configuration may replace it.
            if self.directory.has_statement and self.directory.segments():
                return self._same_run(draft, features, labels, segment_steps, initial)
            segments = -(-draft.steps // segment_steps)
            run = replace(draft, data_budget=segments + RETRIES)
            if initial is not None:
                check_shapes(run, initial)
            self.directory.write_data(features, labels)
            parameters = self._parameters(run)
            dataset = self._commit_data(run.data_budget, run.classes, parameters, (features, labels))
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
    ) -> RunStatement:
        run, steps = self.directory.read_statement()
        roots = ("run_id", "data_root", "data_budget", "init_root", "init_seed", "init_weight_bound", "init_bias_bound")
        same = replace(draft, **{name: getattr(run, name) for name in roots}) == run and steps == segment_steps
        stored = self.directory.read_data()
        same = same and np.array_equal(stored[0], features) and np.array_equal(stored[1], labels)
        if initial is None:
            same = same and run.init_seed == draft.init_seed
        else:
            same = same and run.init_seed is None and self.directory.read_weights(0).equal(initial)
        if not same:
            raise UsageError(
                "this directory holds another run",
                code="RUN_OTHER",
                hint="Choose another directory, or the configuration that this run was started with",
                file=str(self.directory.path),
            )
        return run

    def start_weights(self, run: RunStatement, step: int) -> Weights:
        """The weights after `step` steps of the run."""
        if step == 0 and run.init_seed is not None:
            return initial_weights(run)
        return self.directory.read_weights(step)

    def train(self) -> Iterator[tuple[SegmentStatement, SegmentResult]]:
        """Train what is left, one segment at a time; each is on disk when it is yielded."""
        with exclusive(self.directory.path):
            run, segment_steps = self.directory.read_statement()
            features, labels = self.directory.read_data()
            trainer = Trainer(run, features, labels, segment_steps)
            done = self.directory.segments()
            after = done[-1] if done else None
            state_step = 0 if after is None else after.first_step + after.steps
            weights = self.start_weights(run, state_step)
            root = (run.init_root or "") if after is None else after.w_out.root
            for segment, out in trainer.segments(weights, after):
                step = segment.first_step + segment.steps
                committed = self._commit_weights(run, step, out)
                segment = replace(
                    segment,
                    w_in=replace(segment.w_in, root=root),
                    w_out=replace(segment.w_out, root=committed.root.hex()),
                )
                self.directory.write_weights(step, out, run.format.weight_frac)
                self.directory.write_segment(segment)
                root = segment.w_out.root
                yield segment, trainer.results[-1]

    def forecast(self) -> Estimate:
        """Cost of proving this run, with the scales of its first segment when it has been trained."""
        run, segment_steps = self.directory.read_statement()
        done = self.directory.segments()
        scales = done[0].scales if done else None
        return estimate(run, segment_steps, scales=scales, backend=self.backend, parameters=self._parameters(run))

    def prove(self, output: Path, *, max_memory: int | None = None, progress: Progress = quiet) -> None:
        """Prove every finished segment that has no proof yet and write the container.

        Raises: ResourceError(MEMORY, BUDGET, DISK_FULL), UsageError when nothing has been trained.
        """
        # Found out now rather than after the proof is made.
        if output.is_dir() or not output.absolute().parent.is_dir():
            raise UsageError("the file cannot be written", code="FILE_WRITE", file=str(output))
        with exclusive(self.directory.path):
            run, _ = self.directory.read_statement()
            segments = self.directory.segments()
            if not segments:
                raise UsageError("nothing has been trained yet", code="RUN_EMPTY", file=str(self.directory.path))
            self._check_memory(max_memory)
            names = section_names(run, len(segments))
            if not all(self.directory.section(name).exists() for name in names):
                self._prove_sections(run, segments, names, progress)
            with disk_errors(output):
                write_container(output, run, segments, [(name, self.directory.section(name)) for name in names])
            progress("done", 1.0)

    def _check_memory(self, limit: int | None) -> None:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        limit = available if limit is None else limit
        needed = self.forecast().peak_bytes
        if needed > limit:
            raise ResourceError(
                f"proving needs about {needed / 2**30:.1f} GiB, the limit is {limit / 2**30:.1f} GiB",
                code="MEMORY",
                hint="Train with fewer steps per segment, or raise --max-memory",
            )

    def _prove_sections(
        self, run: RunStatement, segments: list[SegmentStatement], names: list[str], progress: Progress
    ) -> None:
        features, labels = self.directory.read_data()
        progress("dataset", 0.0)
        dataset = self._commit_data(run.data_budget, run.classes, self._parameters(run), (features, labels))
        if dataset.root.hex() != run.data_root:
            raise UsageError("the run's data have changed since training", code="RUN_DAMAGED", file="data.npz")
        before: WeightsCommitment | None = None
        for k, name in enumerate(names):

            def report(phase: str, done: float, name: str = name, k: int = k) -> None:
                progress(f"{name}: {phase}", (k + done) / len(names))

            if name == "data":
                self._data_section(run, dataset, report)
            elif name == "initial":
                before = self._commit_weights(run, 0, self.start_weights(run, 0))
                self._initial_section(run, before, report)
            else:
                segment = segments[int(name.removeprefix("segment-"))]
                before = self._segment_section(name, run, segment, dataset, before, (features, labels), report)

    def _section(
        self,
        name: str,
        run: RunStatement,
        openings: list[tuple[str, int]],
        digest: bytes,
        prove: Callable[[bytes], bytes],
    ) -> None:
        """Reserve the openings, store the secret, prove, store the proof."""
        if self.directory.section(name).exists():
            return
        secret = self.directory.key(f"section-{name}")
        proof_id = hashlib.sha256(name.encode() + digest + hashlib.sha256(secret).digest()).hexdigest()
        journal = self.directory.journal()
        for root, budget in openings:
            journal.reserve(root, proof_id, budget)
        self.directory.write_section(name, prove(secret))

    def _data_section(self, run: RunStatement, dataset: DatasetCommitment, report: Progress) -> None:
        def prove(secret: bytes) -> bytes:
            return prove_data_certificate(
                run, dataset, secret, backend=self.backend, progress=report, parameter_sets=self.parameter_sets
            )

        self._section("data", run, [(run.data_root, run.data_budget)], run.digest(), prove)

    def _initial_section(self, run: RunStatement, committed: WeightsCommitment, report: Progress) -> None:
        def prove(secret: bytes) -> bytes:
            return prove_initial_weights(
                run, committed, secret, backend=self.backend, progress=report, parameter_sets=self.parameter_sets
            )

        self._section("initial", run, [(committed.root.hex(), run.weights_budget)], run.digest(), prove)

    def _segment_section(
        self,
        name: str,
        run: RunStatement,
        segment: SegmentStatement,
        dataset: DatasetCommitment,
        before: WeightsCommitment | None,
        data: tuple[NDArray[np.int32], NDArray[np.int32]],
        report: Progress,
    ) -> WeightsCommitment | None:
        """Returns the commitment of the segment's last weights, for the next segment; None when it was not needed."""
        if self.directory.section(name).exists():
            return None
        weights_in = self.start_weights(run, segment.first_step)
        last_step = segment.first_step + segment.steps
        w_in = None
        if segment.w_in.root:
            w_in = before or self._commit_weights(run, segment.first_step, weights_in)
        w_out = self._commit_weights(run, last_step, self.directory.read_weights(last_step))
        if w_out.root.hex() != segment.w_out.root:
            raise InternalError("the weights on disk are not the committed ones", step=last_step)

        def prove(secret: bytes) -> bytes:
            return prove_segment(
                run,
                segment,
                dataset,
                w_in,
                w_out,
                weights_in,
                *data,
                secret,
                backend=self.backend,
                progress=report,
                parameter_sets=self.parameter_sets,
            )

        openings = [(run.data_root, run.data_budget), (segment.w_out.root, run.weights_budget)]
        if w_in is not None:
            openings.append((segment.w_in.root, run.weights_budget))
        self._section(name, run, openings, segment.digest(), prove)
        return w_out

    def reveal_weights(self, output: Path) -> None:
        """Write the final weights together with the key of their commitment."""
        run, _ = self.directory.read_statement()
        segments = self.directory.segments()
        if not segments:
            raise UsageError("nothing has been trained yet", code="RUN_EMPTY", file=str(self.directory.path))
        step = segments[-1].first_step + segments[-1].steps
        weights = self.directory.read_weights(step)
        key = self.directory.key(f"weights-{step}")
        write_atomic(output, weights_bytes(weights, run.format.weight_frac, key))
