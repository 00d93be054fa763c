"""Integer training against float32 SGD: same architecture, initial weights and batches, mean over seeds.

python -m benchmarks.accuracy [--data data/mnist] [--json FILE]     (without --data: the digits only)
"""

from __future__ import annotations

from benchmarks import machine

machine.limit_threads()

import argparse  # noqa: E402 - threads are limited before numpy is loaded
import json  # noqa: E402 - as above
from pathlib import Path  # noqa: E402 - as above
from typing import Any  # noqa: E402 - as above

import numpy as np  # noqa: E402 - as above

from benchmarks.mnist import FILES  # noqa: E402 - as above
from zkdl.configuration import Configuration, from_values  # noqa: E402 - as above
from zkdl.statement.initialisation import initial_weights  # noqa: E402 - as above
from zkdl.train.baseline import float_accuracy, train_float  # noqa: E402 - as above
from zkdl.train.evaluate import evaluate  # noqa: E402 - as above
from zkdl.train.trainer import Trainer  # noqa: E402 - as above


def _one(configuration: Configuration) -> tuple[float, float]:
    """Test accuracy in percent, integer and float32."""
    data, test = configuration.load_train(), configuration.load_test()
    if test is None:
        raise SystemExit("the test files are missing")
    run = configuration.draft(data)
    last, weights = list(Trainer(run, data.features, data.labels, configuration.segment_steps))[-1]
    floats = train_float(run, initial_weights(run), data.features, data.labels)
    integer = evaluate(run, last.scales, weights, test.features, test.labels).accuracy
    return 100 * integer, 100 * float_accuracy(run, floats, test.features, test.labels)


def _compare(name: str, values: dict[str, Any], seeds: int) -> dict[str, Any]:
    pairs = np.array([_one(from_values({**values, "seed": f"accuracy {seed}"})) for seed in range(seeds)])
    found = {
        "task": name, "seeds": seeds, "integer": pairs[:, 0].tolist(), "float32": pairs[:, 1].tolist(),
        "integer_mean": float(pairs[:, 0].mean()), "float32_mean": float(pairs[:, 1].mean()),
    }  # fmt: skip
    print(
        f"{name}: {found['integer_mean']:.2f} % integer, {found['float32_mean']:.2f} % float32, mean of {seeds} seeds"
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.data is not None:
        machine.need(arguments.data, "mnist")
    digits = {"widths": [64, 128, 128, 10], "lr": 0.1, "batch": 32, "epochs": 20, "segment_steps": 64}
    found = [_compare("digits 64-128-128-10, 20 epochs", digits, 5)]
    if arguments.data is not None:
        files = {name: str(arguments.data / file) for name, file in FILES.items()}
        mnist = {"widths": [784, 256, 256, 10], "lr": 0.1, "batch": 64, "epochs": 1, "segment_steps": 64, **files}
        found.append(_compare("MNIST 784-256-256-10, 1 epoch", mnist, 3))
    if arguments.json is not None:
        body = {"machine": machine.describe(), "results": found}
        arguments.json.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
