"""Opening hidden linear claims on a committed matrix with one fold. [review.md, (c) 1 and (d)], [proof-system.md, 1.5 B]

1. All claims are combined with powers of a challenge; claims with different in-row vectors are joined by a sumcheck over
   the in-row index of  sum_names in_row~(x) * u_name(x),  u_name = combined rows. It ends at one point x*, where the
   in-row vectors are public, so what remains is linear in the fold of the rows.
2. Masked fold: with b = eq(x*, .) and the fold's row weights a, the prover sends <b, mask> hidden, receives gamma and
   sends mask + gamma * sum_i a_i row_i in the clear: a uniform vector. Its value at b gives one linear pad constraint.
3. Low-degree test: the same with a second mask and fresh independent weights on all rows.
4. t columns are opened; both messages, encoded, must agree with them.

Transcript: V -> P: g;  sumcheck;  P -> V: <b, mask> hidden;  V -> P: gamma, u;  P -> V: fold, low-degree message (k elements
    of K each);  (pad proof);  V -> P: positions;  P -> V: salts, columns, tree nodes of the matrix and of the masks.
Soundness error: (#claims - 1)/|K| + 2 per in-row variable/|K| + 1/|K| (gamma), ((1 - rho)/2 * n + 1)/|K| for each message,
    ((1 + rho)/2)^t for the positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zkdl.algebra.extension import ONE, Array, Ext, scalar, to_array
from zkdl.backend.base import Backend
from zkdl.backend.device import to_host
from zkdl.backend.scratch import Shelf, Tables, empty_table
from zkdl.commitment import merkle
from zkdl.commitment.ligero import MASK_ROWS, Committed, Masks, encode_message
from zkdl.commitment.link import Stacked
from zkdl.commitment.parameters import CodeShape
from zkdl.errors import Rejected
from zkdl.hiding.ledger import PadCount, ProverLedger, VerifierLedger
from zkdl.protocols.claims import Claims, batch, vector
from zkdl.protocols.sumcheck import prove_dot, quadratic_pads, verify_dot
from zkdl.transcript.channel import canonical


def pads(shape: CodeShape) -> PadCount:
    """Hidden scalars of one opening: the in-row sumcheck and the masked value."""
    return quadratic_pads(shape.log_row) + PadCount(singles=1)


@dataclass(frozen=True)
class Pending:
    """What the opened columns are checked against.

    Attributes:
        root: of the tree, or of every tree of a stack, one after the other.
        fold_rows, test_rows: (m, 2) row weights. fold, test: the two messages, systematic (ell, 2) and (random, 2).
    """

    shape: CodeShape
    root: bytes
    mask_root: bytes
    gamma: Ext
    fold_rows: Array
    test_rows: Array
    fold: tuple[Array, Array]
    test: tuple[Array, Array]


def _dot(backend: Backend, left: Array, right: Array) -> Ext:
    return scalar(backend.k_sum(backend.k_mul(left, right)))


def prove(
    ledger: ProverLedger,
    backend: Backend,
    committed: Committed | Stacked,
    masks: Masks,
    claims: Claims,
    label: str,
    tables_at: Tables = empty_table,
) -> None:
    """Steps 1 to 3. The claims' values must already be absorbed.

    Args:
        tables_at: makes the place of one combined row and one in-row vector per name; a data proof has many names.
    """
    transcript, shape = ledger.channel.transcript, committed.shape
    batched = batch(backend, claims, shape.rows, transcript.challenge(label + "/batch"))
    tables = batched.tables(backend, committed.matrix, tables_at)
    shelf = Shelf(tables_at, len(tables) * shape.row)
    blocks = [(table, shelf.put(vector(in_row))) for table, in_row in zip(tables, batched.in_rows, strict=True)]
    name = label + "/in-row"
    point, finals, value = prove_dot(ledger, backend, batched.value, blocks, shape.log_row, [], name, tables_at)
    at_point = [b for _, b in finals]
    basis = backend.eq_table(to_array(point).reshape(-1, 2))
    (masked,) = ledger.send(label + "/mask-value", [_dot(backend, basis, masks.fold[0])])
    gamma = transcript.challenge(label + "/gamma")
    test_weights = transcript.challenges(label + "/low-degree", shape.rows)
    row_weights = batched.combined_rows(backend, at_point)
    folded = np.zeros((shape.row, 2), dtype=np.uint64)
    for table, scale in zip(tables, at_point, strict=True):
        folded = backend.k_add(folded, backend.k_mul(table, scale.array()))
    folded_random = backend.vecmat(row_weights, committed.random)
    fold = _masked(backend, masks.fold, (folded, folded_random), gamma)
    ledger.channel.send_elements(label + "/fold", to_host(np.concatenate(fold)))
    tested = (backend.vecmat(test_weights, committed.matrix), backend.vecmat(test_weights, committed.random))
    test = _masked(backend, masks.low_degree, tested, ONE)
    ledger.channel.send_elements(label + "/test", to_host(np.concatenate(test)))
    ledger.require_zero(masked + value * gamma - _dot(backend, basis, fold[0]))


def _masked(backend: Backend, mask: tuple[Array, Array], row: tuple[Array, Array], scale: Ext) -> tuple[Array, Array]:
    """mask + scale * row, for rows in systematic form."""
    values, random = (backend.k_add(m, backend.k_mul(r, scale.array())) for m, r in zip(mask, row, strict=True))
    return values, random


def verify(
    ledger: VerifierLedger,
    backend: Backend,
    shape: CodeShape,
    root: bytes,
    mask_root: bytes,
    claims: Claims,
    label: str,
) -> Pending:
    """Steps 1 to 3 on the verifier's side; root as in `Pending`."""
    transcript = ledger.channel.transcript
    batched = batch(backend, claims, shape.rows, transcript.challenge(label + "/batch"))
    point, value = verify_dot(ledger, batched.value, shape.log_row, [], label + "/in-row")
    basis = backend.eq_table(to_array(point).reshape(-1, 2))
    at_point = [_dot(backend, basis, vector(in_row)) for in_row in batched.in_rows]
    (masked,) = ledger.receive(label + "/mask-value", 1)
    gamma = transcript.challenge(label + "/gamma")
    test_weights = transcript.challenges(label + "/low-degree", shape.rows)
    fold = ledger.channel.receive_elements(label + "/fold", (shape.dimension, 2))
    test = ledger.channel.receive_elements(label + "/test", (shape.dimension, 2))
    ledger.require_zero(masked + value * gamma - _dot(backend, basis, fold[: shape.row]))
    return Pending(
        shape,
        root,
        mask_root,
        gamma,
        batched.combined_rows(backend, at_point),
        test_weights,
        (fold[: shape.row], fold[shape.row :]),
        (test[: shape.row], test[shape.row :]),
    )


def prove_columns(
    ledger: ProverLedger, backend: Backend, committed: Committed | Stacked, masks: Masks, label: str
) -> bytes:
    """Step 4: the bytes that open this commitment and its masks at fresh positions."""
    shape = committed.shape
    indices = ledger.channel.transcript.indices(label + "/positions", shape.domain, shape.queries)
    return committed.columns(backend, indices) + masks.tree.columns(backend, indices)


def draw_positions(ledger: VerifierLedger, shape: CodeShape, label: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return ledger.channel.transcript.indices(label + "/positions", shape.domain, shape.queries)


def receive_columns(
    ledger: VerifierLedger,
    root: bytes,
    rows: int,
    log_domain: int,
    indices: np.ndarray[tuple[int], np.dtype[np.int64]],
    label: str,
) -> Array:
    """Read and authenticate opened columns: (t, rows) canonical uint64."""
    t = len(indices)
    salts = np.frombuffer(ledger.channel.receive_last(label + "/salts", 32 * t), dtype=np.uint8).reshape(t, 32)
    columns = canonical(label, ledger.channel.receive_last(label + "/columns", 8 * t * rows), (t, rows))
    nodes = ledger.channel.receive_last(label + "/nodes", 32 * merkle.path_nodes(indices, log_domain))
    merkle.verify_multiproof(root, merkle.leaf_digests(indices, salts, columns), indices, log_domain, nodes)
    return columns


def verify_columns(
    ledger: VerifierLedger,
    backend: Backend,
    pending: Pending,
    indices: np.ndarray[tuple[int], np.dtype[np.int64]],
    label: str,
) -> None:
    """Step 4 on the verifier's side. Raises Rejected."""
    shape = pending.shape
    roots = [pending.root[i : i + 32] for i in range(0, len(pending.root), 32)]
    rows = shape.rows // len(roots)
    trees = [receive_columns(ledger, root, rows, shape.log_domain, indices, label) for root in roots]
    columns = np.concatenate(trees, axis=1)
    masks = receive_columns(ledger, pending.mask_root, MASK_ROWS, shape.log_domain, indices, label + "/mask")
    for name, message, weights, scale, mask in (
        ("fold", pending.fold, pending.fold_rows, pending.gamma, masks[:, 0:2]),
        ("test", pending.test, pending.test_rows, ONE, masks[:, 2:4]),
    ):
        sent = encode_message(backend, *message, shape.domain, indices)
        combined = backend.matvec(columns, weights.reshape(1, shape.rows, 2))
        expected = backend.k_add(np.ascontiguousarray(mask), backend.k_mul(combined, scale.array()))
        if not np.array_equal(sent, expected):
            raise Rejected("a row message disagrees with the opened columns", code="OPENING", step=f"{label}/{name}")
