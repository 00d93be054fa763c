"""What `make_provable` returns: a `zkdl.Run` that knows its data, its start and the names of the module's parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from zkdl.api import Run
from zkdl.checking import CheckReport
from zkdl.datasets import quantise
from zkdl.errors import NotProvable, UsageError
from zkdl.proof.estimate import Estimate
from zkdl.pytorch import weights as conversion
from zkdl.pytorch.data import Columns, fitting, integers, read_examples
from zkdl.pytorch.network import Layer
from zkdl.pytorch.problems import Differences, refuse
from zkdl.session import Progress, quiet
from zkdl.statement.weights import Weights
from zkdl.train.evaluate import Evaluation, evaluate
from zkdl.train.formats import WEIGHT_FRAC, choose_weight_frac
from zkdl.train.segment import SegmentResult


class TorchRun:
    """A training of a PyTorch model that can be proven. Made by `zkdl.make_provable`.

    It holds copies: the model, the optimiser and the loader are not touched, before `load_into` is called.

    Attributes:
        run: the `zkdl.Run` underneath. x, y: examples as read from the loader's dataset, (N, ...) and (N,).
        differences: how this training differs from the user's own loop.
    """

    def __init__(
        self,
        run: Run,
        x: NDArray[Any],
        y: NDArray[Any],
        layers: list[Layer],
        template: dict[str, Any],
        differences: Differences,
        *,
        from_model: bool,
        columns: Columns | None,
    ) -> None:
        self.run: Run = run
        self.x: NDArray[Any] = x
        self.y: NDArray[Any] = y
        self.differences: Differences = differences
        self._layers, self._template = layers, template
        self._from_model, self._columns = from_model, columns
        self._weight_frac = run.configuration.weight_frac

    def _start(self, steps: int | None, epochs: int | None) -> Weights | None:
        """Initial weights in integers, None for a seeded run; fixes the run's fraction bits."""
        if not self._from_model:
            return None
        fraction = self._weight_frac
        if fraction is None:
            draft = replace(self.run.configuration, steps=steps, epochs=epochs, weight_frac=WEIGHT_FRAC)
            data = quantise(self.x, self.y, draft.widths[-1], draft.features)
            start = conversion.to_integers(self._template, self._layers, WEIGHT_FRAC)
            try:
                fraction = choose_weight_frac(draft.draft(data), data.features, data.labels, start)
            except NotProvable as error:
                if error.code == "WEIGHT_FRAC":
                    # Bounds grow with the declared range of the features, which the default leaves wide.
                    error.hint = f"Often enough: {fitting(self.x, data.rule)}, which is public. Otherwise: {error.hint}"
                raise
        self.run.configuration = replace(self.run.configuration, weight_frac=fraction)
        return conversion.to_integers(self._template, self._layers, fraction)

    def check(self, *, steps: int | None = None, epochs: int | None = None) -> CheckReport:
        """As `zkdl.Run.check`, on the loader's examples. Without steps and epochs, one epoch."""
        epochs = 1 if steps is None and epochs is None else epochs
        return self.run.check(self.x, self.y, steps=steps, epochs=epochs, initial=self._start(steps, epochs))

    def estimate(
        self, *, steps: int | None = None, epochs: int | None = None, max_memory: int | None = None
    ) -> Estimate:
        """As `zkdl.Run.estimate`, on the loader's examples."""
        epochs = 1 if steps is None and epochs is None else epochs
        start = self._start(steps, epochs)
        return self.run.estimate(self.x, self.y, steps=steps, epochs=epochs, initial=start, max_memory=max_memory)

    def fit(
        self,
        *,
        steps: int | None = None,
        epochs: int | None = None,
        on_segment: Callable[[SegmentResult], None] | None = None,
    ) -> Weights:
        """Train in exact integers; returns the final integers. Called again in the same directory, it resumes."""
        start = self._start(steps, epochs)
        return self.run.fit(self.x, self.y, steps=steps, epochs=epochs, initial=start, on_segment=on_segment)

    def prove(
        self,
        path: Path | str,
        *,
        max_memory: int | None = None,
        scratch: Path | str | None = None,
        progress: Progress = quiet,
    ) -> Path:
        """As `zkdl.Run.prove`."""
        return self.run.prove(path, max_memory=max_memory, scratch=scratch, progress=progress)

    def reveal_weights(self, path: Path | str) -> Path:
        """As `zkdl.Run.reveal_weights`."""
        return self.run.reveal_weights(path)

    def _trained(self) -> tuple[Any, Weights, Any]:
        """Run statement, latest weights and their scales. Raises UsageError(RUN_EMPTY)."""
        session = self.run.session
        done = [] if session is None else session.directory.segments()
        if session is None or not done:
            raise UsageError("nothing has been trained yet", code="RUN_EMPTY", hint="Call fit(epochs=...) first")
        last = done[-1]
        statement, _ = session.directory.read_statement()
        return statement, session.directory.read_weights(last.end_step), last.scales

    def state_dict(self, dtype: Any = None) -> dict[str, Any]:
        """The trained weights under the model's own names, on its devices and in its types.

        Args:
            dtype: another type for the trained entries; torch.float64 holds every integer below 2^53 exactly.
        Raises: UsageError(RUN_EMPTY) before `fit`.
        """
        statement, trained, _ = self._trained()
        return conversion.to_state(self._template, self._layers, trained, statement.format.weight_frac, dtype)

    def load_into(self, model: Any) -> None:
        """Write the trained weights into `model`, in place: the one call that changes an object of the user's.

        Raises: UsageError(WEIGHTS_SHAPE) for a module with other parameters, which is left as it was.
        """
        conversion.load(model, self.state_dict())

    def evaluate(self, data: Any) -> Evaluation:
        """Accuracy and mean loss of the trained integers on a DataLoader or a map-style dataset, read in its order.

        Raises: UsageError(RUN_EMPTY), Unsupported when the examples cannot be read.
        """
        statement, trained, scales = self._trained()
        dataset = data.dataset if isinstance(data, torch.utils.data.DataLoader) else data
        examples = read_examples(dataset, self._columns, "data")
        found, problems = integers(examples, statement.classes, self.run.configuration.features, "data")
        refuse([*examples.problems, *problems])
        if found is None or found.features.shape[1] != statement.widths[0]:
            raise UsageError(
                "these examples have another number of features",
                code="DATA_SHAPE",
                hint=f"Give examples of {statement.widths[0]} features",
            )
        return evaluate(statement, scales, trained, found.features, found.labels)
