"""The pad commitment and the proof of all linear constraints on pads. [proof-system.md, 1.5 A and section 9]

Pads are elements of K in rows of ell' = 2^log_pad_row; each is a pair of rows over F, encoded like any other matrix. All
constraints are combined with independent challenges into one linear form  sum_i A_i pad_i = b. Row by row, with A_r(X)
the interpolant of that row's coefficients on H', the prover sends  y = mask + sum_r A_r * P_r  (degree below 2 ell' + t),
whose sum over H' must be b: the mask is uniform of that degree with sum zero.

Transcript: P -> V: root;  (everything else);  V -> P: u', alpha';  P -> V: low-degree message, y;  V -> P: positions;
    P -> V: columns.
Soundness error: constraints, with independent weights, Lst/|K| (lemma 6: at most 36 candidates for the mask);
    low-degree test ((1 - rho')/2 n' + 1)/|K|;
    positions ((1 + rho')/2)^t. The mask of y is not low-degree tested, which is covered at rates up to 1/6 (SECURITY.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zkdl.algebra.extension import Array, Ext, P, from_array, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.commitment import merkle
from zkdl.commitment.ligero import Committed
from zkdl.commitment.parameters import CodeShape, ParameterSet, code_shape
from zkdl.errors import InternalError, Rejected
from zkdl.hiding.entropy import Entropy
from zkdl.hiding.ledger import TRIPLE, Affine, PadCount
from zkdl.transcript.channel import ProverChannel, VerifierChannel

if TYPE_CHECKING:
    from collections.abc import Sequence

GENERATOR = 7


@dataclass(frozen=True)
class PadShape:
    """Sizes of a pad commitment. code.rows counts base rows: two per row of pads, then two low-degree mask rows and two
    rows of the mask of y."""

    code: CodeShape
    pad_rows: int

    @property
    def message(self) -> int:
        """Coefficients of y."""
        return 2 * self.code.row + self.code.random - 1


def pad_shape(count: PadCount, parameters: ParameterSet) -> PadShape:
    pad_rows = max(1, -(-count.pads >> parameters.log_pad_row))
    code = code_shape(
        2 * pad_rows + 4, parameters.log_pad_row, 1, min(parameters.pad_rate, 1 / 6), parameters.query_bits
    )
    return PadShape(code, pad_rows)


def sample_pads(backend: Backend, count: PadCount, entropy: Entropy) -> Array:
    """(count.pads, 2): uniform singles and triples (a, b, a*b, a', b', a'*b')."""
    pads = entropy.elements("pads", (count.pads, 2))
    if count.products:
        triples = pads[count.singles :].reshape(count.products, TRIPLE, 2)
        for first in (0, 3):
            a, b = (np.ascontiguousarray(triples[:, first + i]) for i in range(2))
            triples[:, first + 2] = backend.k_mul(a, b)
    return pads


@dataclass(frozen=True)
class CommittedPads:
    """Prover's side: the tree, and the rows it was made of."""

    shape: PadShape
    tree: Committed
    values: Array
    random: Array
    test_mask: tuple[Array, Array]

    @property
    def code(self) -> Array:
        """(base rows, n'), always in memory."""
        if self.tree.code is None:
            raise InternalError("a pad commitment keeps its code")
        return self.tree.code


def _power_column(n: int, base: int) -> Array:
    powers, out = 1, np.empty(n, dtype=np.uint64)
    for i in range(n):
        out[i] = powers
        powers = powers * base % P
    return out


def commit(backend: Backend, pads: Array, shape: PadShape, entropy: Entropy) -> CommittedPads:
    """Commit pads (count, 2) and both masks."""
    code, row = shape.code, shape.code.row
    values = np.zeros((shape.pad_rows * row, 2), dtype=np.uint64)
    values[: len(pads)] = pads
    # Unused positions are uniform as well: no constraint touches them, and no row is special.
    values[len(pads) :] = entropy.elements("pad-fill", (len(values) - len(pads), 2))
    base = np.ascontiguousarray(values.reshape(shape.pad_rows, row, 2).transpose(0, 2, 1)).reshape(-1, row)
    random = entropy.elements("pad-random", (2 * shape.pad_rows + 2, code.random))
    test_values = entropy.elements("pad-test-mask", (2, row))
    body = backend.encode(np.concatenate([base, test_values]), random, code.domain)
    mask = entropy.elements("pad-linear-mask", (2, shape.message))
    # Sum over H' is row * (sum of the coefficients at multiples of row): choose the constant term to make it zero.
    for coefficients in mask:
        coefficients[0] = -sum(int(c) for c in coefficients[row::row]) % P
    full = np.concatenate([body, backend.evaluate_coset(mask, code.domain)])
    salts = entropy.salts("pad-salts", code.domain)
    levels = merkle.build(backend, backend.hash_columns(full, salts))
    tree = Committed(code, base, random, salts, levels, full)
    test_mask = (np.ascontiguousarray(test_values.T), np.ascontiguousarray(random[-2:].T))
    return CommittedPads(shape, tree, values, random, test_mask)


def _linear_form(backend: Backend, shape: PadShape, constraints: Sequence[Affine], weights: Array) -> tuple[Array, Ext]:
    """Codewords (pad_rows, n', 2) of the row interpolants, and the required sum but for public values that come later."""
    row = shape.code.row
    form: dict[int, Ext] = {}
    required = Ext(0)
    for constraint, weight in zip(constraints, from_array(weights), strict=True):
        required = required - constraint.known * weight
        for pad, coefficient in constraint.terms.items():
            if pad < 0:  # a public value
                continue
            scaled = coefficient * weight
            form[pad] = form[pad] + scaled if pad in form else scaled
    values = np.zeros((shape.pad_rows * row, 2), dtype=np.uint64)
    if form:
        values[np.fromiter(form.keys(), dtype=np.int64)] = to_array(list(form.values()))
    base = np.ascontiguousarray(values.reshape(shape.pad_rows, row, 2).transpose(0, 2, 1)).reshape(-1, row)
    codes = backend.evaluate_coset(backend.interpolate(base), shape.code.domain)
    return np.ascontiguousarray(codes.reshape(shape.pad_rows, 2, -1).transpose(0, 2, 1)), required


def _pairs(rows: Array) -> Array:
    """(2 r, n) rows over F as (r, n, 2) rows over K."""
    return np.ascontiguousarray(rows.reshape(-1, 2, rows.shape[1]).transpose(0, 2, 1))


def prove(backend: Backend, channel: ProverChannel, committed: CommittedPads, constraints: Sequence[Affine]) -> None:
    """Send the low-degree message and y."""
    shape, row = committed.shape, committed.shape.code.row
    transcript = channel.transcript
    test_weights = transcript.challenges("pads/low-degree", shape.pad_rows)
    weights = transcript.challenges("pads/constraints", len(constraints))
    rows_random = _pairs(committed.random[: 2 * shape.pad_rows])
    values, random = committed.test_mask
    for r, weight in enumerate(test_weights):
        values = backend.k_add(values, backend.k_mul(committed.values[r * row : (r + 1) * row], weight))
        random = backend.k_add(random, backend.k_mul(rows_random[r], weight))
    channel.send_elements("pads/test", np.concatenate([values, random]))
    forms, _ = _linear_form(backend, shape, constraints, weights)
    code = committed.code
    codes, product = _pairs(code[: 2 * shape.pad_rows]), _pairs(code[-2:])[0]
    for form, code in zip(forms, codes, strict=True):
        product = backend.k_add(product, backend.k_mul(form, code))
    coefficients = backend.interpolate(np.ascontiguousarray(product.T))
    unshift = _power_column(shape.message, pow(GENERATOR, P - 2, P))
    y = backend.f_mul(coefficients[:, : shape.message], unshift[np.newaxis, :])
    channel.send_elements("pads/linear", np.ascontiguousarray(y.T))


@dataclass(frozen=True)
class PendingPads:
    """What the opened pad columns are checked against.

    Attributes:
        required: sum of y over H', but for public: what the public values -1, -2, .. of `VerifierLedger.later` add, by number.
    """

    shape: PadShape
    root: bytes
    test_weights: Array
    forms: Array
    test: Array
    y: Array
    required: Ext
    public: dict[int, Ext]


def public_terms(constraints: Sequence[Affine], weights: Array) -> dict[int, Ext]:
    """What each public value of `VerifierLedger.later` adds to the required sum, per unit."""
    found: dict[int, Ext] = {}
    for constraint, weight in zip(constraints, from_array(weights), strict=True):
        for pad, coefficient in constraint.terms.items():
            if pad < 0:
                found[pad] = found.get(pad, Ext(0)) - coefficient * weight
    return found


def verify(
    backend: Backend, channel: VerifierChannel, shape: PadShape, root: bytes, constraints: Sequence[Affine]
) -> PendingPads:
    """Read both messages. Nothing is checked before `verify_sum` and `verify_columns`."""
    transcript = channel.transcript
    test_weights = transcript.challenges("pads/low-degree", shape.pad_rows)
    weights = transcript.challenges("pads/constraints", len(constraints))
    test = channel.receive_elements("pads/test", (shape.code.dimension, 2))
    y = channel.receive_elements("pads/linear", (shape.message, 2))
    forms, required = _linear_form(backend, shape, constraints, weights)
    return PendingPads(shape, root, test_weights, forms, test, y, required, public_terms(constraints, weights))


def verify_sum(backend: Backend, pending: PendingPads, public: Sequence[Ext] = ()) -> None:
    """Check the sum of y over H', with the public values -1, -2, ... Raises Rejected."""
    row, required = pending.shape.code.row, pending.required
    for pad, coefficient in pending.public.items():
        required = required + coefficient * public[-1 - pad]
    on_subgroup = scalar(backend.k_sum(np.ascontiguousarray(pending.y[::row]))) * row
    if on_subgroup != required:
        raise Rejected("the hidden values do not satisfy the relations", code="RELATIONS")


def verify_columns(
    backend: Backend, pending: PendingPads, columns: Array, indices: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    """Check opened columns (t, base rows) against both messages. Raises Rejected."""
    shape, row, domain = pending.shape, pending.shape.code.row, pending.shape.code.domain
    opened = _pairs(np.ascontiguousarray(columns.T))
    pads, test_mask, linear_mask = opened[: shape.pad_rows], opened[shape.pad_rows], opened[shape.pad_rows + 1]
    test, linear = test_mask, linear_mask
    for r in range(shape.pad_rows):
        test = backend.k_add(test, backend.k_mul(pads[r], pending.test_weights[r]))
        form = np.ascontiguousarray(pending.forms[r][indices])
        linear = backend.k_add(linear, backend.k_mul(form, pads[r]))
    sent_test = backend.encode(
        np.ascontiguousarray(pending.test[:row].T), np.ascontiguousarray(pending.test[row:].T), domain
    )
    sent_linear = backend.evaluate_coset(np.ascontiguousarray(pending.y.T), domain)
    for name, sent, expected in (("test", sent_test, test), ("linear", sent_linear, linear)):
        if not np.array_equal(np.ascontiguousarray(sent[:, indices].T), expected):
            raise Rejected("a pad message disagrees with the opened columns", code="PADS", step=f"pads/{name}")
