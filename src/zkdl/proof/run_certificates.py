"""The two certificates of a run: data in range with one-hot labels, and committed initial weights in range."""

from __future__ import annotations

from zkdl.commitment.parameters import ParameterSet
from zkdl.commitment.stored import dataset_layout, weights_layout
from zkdl.proof.certificate import CertificateLayout, RowRange, ZeroBehind, certificate_layout
from zkdl.statement.run import RunStatement

DATA_PROTOCOL = "zkdl/data/1"
INITIAL_PROTOCOL = "zkdl/initial/1"


def data_certificate_layout(run: RunStatement, parameters: ParameterSet) -> CertificateLayout:
    """Features in [feature_min, feature_min + 2^feature_bits), labels one-hot, nothing behind the last example."""
    layout = dataset_layout(run.examples, run.widths[0], run.classes, run.data_budget, parameters)
    ranges, labels, padded = [], [], []
    for block in range(layout.blocks):
        first = block * layout.block_rows
        present = min(layout.code.row, run.examples - block * layout.code.row)
        ranges.append(RowRange(first, layout.features, -run.format.feature_min, run.format.feature_bits))
        ranges.append(RowRange(first + layout.features, layout.classes, 0, 1))
        labels.append((first + layout.features, layout.classes, present))
        if present < layout.code.row:
            padded.append((first, layout.features, present))
    return certificate_layout(layout.code, ranges, ZeroBehind(tuple(labels), tuple(padded)), parameters)


def initial_certificate_layout(run: RunStatement, parameters: ParameterSet) -> CertificateLayout:
    """-bound <= value < bound for every weight and bias, whose bounds a valid run has as powers of two, so at least 1."""
    layout = weights_layout(run.widths, run.bias, run.weights_budget, parameters)
    ranges = []
    for l, place in enumerate(layout.layers):
        log_bound = run.init_weight_bound[l].bit_length() - 1
        ranges.append(RowRange(place.first_row, place.rows, 1 << log_bound, log_bound + 1))
        if place.bias_row is not None:
            log_bound = run.init_bias_bound[l].bit_length() - 1
            ranges.append(RowRange(place.bias_row, 1, 1 << log_bound, log_bound + 1))
    return certificate_layout(layout.code, ranges, ZeroBehind(), parameters)
