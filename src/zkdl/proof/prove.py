"""Entry points of the prover. Each returns the bytes of one section of the proof container.

All randomness derives from the given 32-byte secret together with the protocol version, the statement, the roots and a
digest of everything that the messages depend on: a retry with the same inputs repeats the same proof and spends no
opening; other inputs give unrelated randomness. (One pad under two values would show their difference.)
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkdl.algebra.extension import to_array
from zkdl.backend.base import Backend
from zkdl.backend.scratch import IN_MEMORY, Storage
from zkdl.backend.select import get_backend
from zkdl.commitment.ligero import Committed
from zkdl.commitment.link import commit_link
from zkdl.commitment.parameters import PARAMETER_SETS, ParameterSet
from zkdl.commitment.stored import DatasetCommitment, WeightsCommitment
from zkdl.errors import DeviceError, InternalError, MalformedProof, Rejected, UsageError
from zkdl.hiding.entropy import Entropy
from zkdl.proof import certificate, data_proof
from zkdl.proof.certificate import CertificateLayout
from zkdl.proof.data_claims import data_values
from zkdl.proof.data_proof import DATASET_PROTOCOL, ProverLink, data_proof_layout
from zkdl.proof.prover_tables import SegmentWitness, empty_columns, fill_multiplicities
from zkdl.proof.public import PROTOCOL, SegmentPublic, segment_public
from zkdl.proof.run_certificates import (
    DATA_PROTOCOL,
    INITIAL_PROTOCOL,
    data_certificate_layout,
    initial_certificate_layout,
)
from zkdl.proof.segment_prover import Progress, SegmentProver, StoredCommitments, prove_witness, silent
from zkdl.proof.segment_verifier import verify_segment
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement
from zkdl.statement.weights import Weights


def parameters_of(run: RunStatement, sets: dict[str, ParameterSet] | None = None) -> ParameterSet:
    """The named parameter set. Raises UsageError for a name that this release does not know."""
    known = sets or PARAMETER_SETS
    if run.parameter_set not in known:
        raise UsageError("unknown parameter set", code="PARAMETER_SET", name=run.parameter_set)
    return known[run.parameter_set]


def _context(protocol: str, statement: bytes, bound: bytes) -> bytes:
    """What a proof's randomness is bound to; every part has its length in front."""
    return b"".join(len(part).to_bytes(8, "little") + part for part in (protocol.encode(), statement, bound))


def _digest(arrays: Iterable[NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _prove_certificate(
    protocol: str,
    run: RunStatement,
    layout: CertificateLayout,
    target: Committed,
    secret: bytes,
    backend: Backend,
    progress: Progress,
    storage: Storage,
) -> bytes:
    about = run.canonical()
    # Sizes included: under other sizes the challenges differ, and the same pads would then hide two values each.
    entropy = Entropy(secret, _context(protocol, layout.statement(about), target.root))
    proof = certificate.prove(backend, protocol, about, layout, target, entropy, progress, storage)
    with _checked(backend) as local:
        if local is not None:
            certificate.verify(local, protocol, about, layout, target.root, io.BytesIO(proof))
    return proof


@contextmanager
def _checked(backend: Backend) -> Iterator[Backend | None]:
    """Inside, a proof that a device has made is verified by the backend that this yields, before anybody gets it.

    A device that computed one wrong value would send messages which, beside those of a right proof under the same pads, show
    what the pads hide. Segments are verified when their links are made again. Raises: DeviceError(DEVICE_WRONG).
    """
    local = backend.local
    if local is backend:
        yield None
        return
    try:
        yield local
    except (Rejected, MalformedProof) as error:
        raise DeviceError(
            "the GPU computed a false proof, which was not stored",
            code="DEVICE_WRONG",
            hint="Test it with zkdl doctor --device cuda, or prove with --device cpu",
            reason=str(error),
        ) from error


def prove_data_certificate(
    run: RunStatement,
    dataset: DatasetCommitment,
    secret: bytes,
    *,
    backend: Backend,
    progress: Progress = silent,
    parameter_sets: dict[str, ParameterSet] | None = None,
    storage: Storage = IN_MEMORY,
) -> bytes:
    """Section "data": once per dataset root."""
    layout = data_certificate_layout(run, parameters_of(run, parameter_sets))
    return _prove_certificate(DATA_PROTOCOL, run, layout, dataset.committed, secret, backend, progress, storage)


def prove_initial_weights(
    run: RunStatement,
    weights: WeightsCommitment,
    secret: bytes,
    *,
    backend: Backend,
    progress: Progress = silent,
    parameter_sets: dict[str, ParameterSet] | None = None,
    storage: Storage = IN_MEMORY,
) -> bytes:
    """Section "initial": only when the run starts from committed weights."""
    layout = initial_certificate_layout(run, parameters_of(run, parameter_sets))
    return _prove_certificate(INITIAL_PROTOCOL, run, layout, weights.committed, secret, backend, progress, storage)


def make_witness(
    public: SegmentPublic,
    weights_in: Weights,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    backend: Backend | None = None,
    storage: Storage = IN_MEMORY,
) -> tuple[SegmentWitness, Weights]:
    """Re-execute the segment and write down its witness. Returns it with the weights at the end."""
    layout = public.layout
    from zkdl.train.segment import run_segment

    matrix, columns = empty_columns(layout, storage)
    result = run_segment(
        public.run,
        public.segment,
        weights_in,
        features,
        labels,
        public.indices,
        public.schedule.sizes,
        views=columns,
        backend=backend,
    )
    steps, batch = 1 << layout.log_steps, 1 << layout.log_batch
    present = public.indices >= 0
    slot_labels = np.full((steps, batch), -1, dtype=np.int64)
    inputs = np.zeros((steps, batch, features.shape[1]), dtype=np.int32)
    t, b = np.nonzero(present)
    slot_labels[t, b] = labels[public.indices[t, b]]
    inputs[t, b] = features[public.indices[t, b]]
    witness = SegmentWitness(
        public, matrix, columns, np.ascontiguousarray(inputs.transpose(2, 0, 1)), slot_labels, labels
    )
    fill_multiplicities(backend or get_backend(), witness)
    return witness, result.weights_out


def prove_segment(
    run: RunStatement,
    segment: SegmentStatement,
    w_in: WeightsCommitment | None,
    w_out: WeightsCommitment,
    weights_in: Weights,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    secret: bytes,
    link_key: bytes,
    *,
    backend: Backend,
    progress: Progress = silent,
    parameter_sets: dict[str, ParameterSet] | None = None,
    storage: Storage = IN_MEMORY,
) -> tuple[bytes, ProverLink]:
    """Section "segment-i": re-executes the segment from weights_in and proves every step of it. Returns its link as well.

    Args:
        link_key: 32 secret bytes; with them and the data the link can be made again from the section.
        w_in: None exactly when the segment starts from the public seed.
        features (N, d_0) int32, labels (N,) int32: the committed dataset.
    Raises: InternalError when a root differs from the statement's.
    """
    public = segment_public(run, segment, parameters_of(run, parameter_sets))
    roots = {"w_out": (w_out.root.hex(), segment.w_out.root)}
    roots["w_in"] = ("" if w_in is None else w_in.root.hex(), segment.w_in.root)
    for name, (found, stated) in roots.items():
        if found != stated:
            raise InternalError("a commitment is not the one in the statement", commitment=name)
    progress("witness", 0.0)
    witness, weights_out = make_witness(public, weights_in, features, labels, backend, storage)
    progress("witness", 1.0)
    return prove_with_witness(
        public, witness, weights_in, weights_out, w_in, w_out, secret, link_key,
        backend=backend, progress=progress, storage=storage,
    )  # fmt: skip


def prove_with_witness(
    public: SegmentPublic,
    witness: SegmentWitness,
    weights_in: Weights,
    weights_out: Weights,
    w_in: WeightsCommitment | None,
    w_out: WeightsCommitment,
    secret: bytes,
    link_key: bytes,
    *,
    backend: Backend,
    progress: Progress = silent,
    storage: Storage = IN_MEMORY,
) -> tuple[bytes, ProverLink]:
    """The proof of a given witness; it is accepted only if the witness is right."""
    # Weights, features and labels are in the roots already, unless a caller passes others than were committed.
    secrets: list[NDArray[Any]] = [witness.matrix, witness.features, witness.slot_labels, witness.labels]
    for weights in (weights_in, weights_out):
        secrets += [*weights.W, *(b for b in weights.b if b is not None)]
    # The link's key as well: another one gives other challenges, and the same pads would then hide two values each.
    bound = _digest(secrets) + hashlib.sha256(link_key).digest()
    entropy = Entropy(secret, _context(PROTOCOL, public.statement_bytes(), bound))
    stored = StoredCommitments(None if w_in is None else w_in.committed, w_out.committed)
    both = (weights_in, weights_out)
    prover = SegmentProver(backend, public, witness, both, stored, entropy, link_key, progress, storage)
    return prove_witness(prover), prover.prover_link()


def link_again(
    run: RunStatement,
    segment: SegmentStatement,
    proof: bytes,
    features: NDArray[np.int32],
    labels: NDArray[np.int32],
    link_key: bytes,
    *,
    backend: Backend,
    parameter_sets: dict[str, ParameterSet] | None = None,
) -> ProverLink:
    """The link of a finished section: the section says where its values are taken, the data say what they are.

    Raises: Rejected, MalformedProof when the section is not a proof of the segment from these data under this key.
    """
    public = segment_public(run, segment, parameters_of(run, parameter_sets))
    found = verify_segment(public, io.BytesIO(proof), backend, initial_weights(run) if public.seeded else None)
    values = data_values(backend, found.points, public.indices, features, labels)
    committed = commit_link(backend, values, public.link, link_key, public.statement_bytes())
    if committed.root != found.root:
        raise Rejected("the data or the key are not those of the section", code="OPENING", step="root/link")
    return ProverLink(found, values, committed)


def prove_data(
    run: RunStatement,
    links: Sequence[ProverLink],
    dataset: DatasetCommitment,
    secret: bytes,
    *,
    backend: Backend,
    progress: Progress = silent,
    parameter_sets: dict[str, ParameterSet] | None = None,
    storage: Storage = IN_MEMORY,
) -> bytes:
    """Section "dataset": the values in the links of all segments, in order, are those of the committed dataset."""
    layout = data_proof_layout(run, len(links), parameters_of(run, parameter_sets))
    statement = data_proof.statement_bytes(layout, [link.public for link in links])
    # The roots bind the values and the dataset already, unless a caller passes others than were committed.
    values = [to_array(link.values) for link in links]
    entropy = Entropy(secret, _context(DATASET_PROTOCOL, statement, _digest([*values, dataset.committed.matrix])))
    proof = data_proof.prove(backend, layout, links, dataset.committed, entropy, progress, storage)
    with _checked(backend) as local:
        if local is not None:
            data_proof.verify(local, layout, [link.public for link in links], io.BytesIO(proof))
    return proof
