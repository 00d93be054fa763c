"""Integer training reaches the accuracy of float32 on the 8x8 digits (the last 360 come from other writers)."""

import hashlib

import numpy as np
import pytest

from tests.unit.statement.builders import make_run
from zkdl.datasets import DIGITS_RULE, digits, quantise
from zkdl.statement.initialisation import initial_weights
from zkdl.train import formats, rates
from zkdl.train.baseline import float_accuracy, train_float
from zkdl.train.evaluate import evaluate
from zkdl.train.trainer import Trainer


@pytest.mark.parametrize("bits", [8, 10])
def test_five_seeds_against_float32(bits):
    x, y, x_test, y_test = digits()
    x, x_test = (quantise(values, labels, 10, DIGITS_RULE).features for values, labels in ((x, y), (x_test, y_test)))
    differences = []
    for seed in range(5):
        run = make_run(
            widths=(64, 128, 128, 10),
            batch=32,
            examples=len(x),
            steps=450,
            schedule=((0, rates.from_learning_rate(0.1)),),
            format=formats.default_format(bits, bits, feature_bits=5, feature_frac=4),
            activation_frac_interval=formats.ACTIVATION_FRAC_INTERVAL,
            gradient_frac_interval=formats.GRADIENT_FRAC_INTERVAL,
            init_seed=hashlib.sha256(b"accuracy %d" % seed).hexdigest(),
        )
        run.validate()
        *_, (segment, weights) = Trainer(run, x, y, 128)
        integer = evaluate(run, segment.scales, weights, x_test, y_test)
        assert integer.accuracy > 0.92 and integer.loss < 0.3
        reference = float_accuracy(run, train_float(run, initial_weights(run), x, y), x_test, y_test)
        differences.append(integer.accuracy - reference)
    assert abs(np.mean(differences)) <= 0.005
