"""Small runs and a small parameter set, for tests only: the command line refuses it."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np

from tests.support.trainer import Cheat, slow_witness
from zkdl.backend.base import Backend
from zkdl.backend.select import get_backend
from zkdl.commitment.parameters import ParameterSet
from zkdl.commitment.stored import DatasetCommitment, WeightsCommitment, commit_dataset, commit_weights
from zkdl.proof import data_proof
from zkdl.proof.data_claims import SegmentLink
from zkdl.proof.data_proof import ProverLink, data_proof_layout
from zkdl.proof.prove import prove_data, prove_with_witness
from zkdl.proof.prover_tables import SegmentWitness
from zkdl.proof.public import SegmentPublic, segment_public
from zkdl.proof.segment_verifier import verify_segment
from zkdl.statement import bounds, initialisation, requantise
from zkdl.statement.initialisation import initial_weights
from zkdl.statement.run import RunFormat, RunStatement
from zkdl.statement.segment import ChainState, Scales, SegmentStatement, initial_state
from zkdl.statement.weights import Weights

# The soundness error of these sizes is about 2^-17: a wrong proof has to be caught by an equation, not by luck.
TINY = ParameterSet("tiny-test", soundness_bits=16, query_bits=20.0, log_pad_row=5, test_only=True)
SETS = {TINY.name: TINY}
KEYS = {name: bytes([i]) * 32 for i, name in enumerate(("dataset", "w_in", "w_out", "secret", "link"), start=1)}

FORMATS = RunFormat(
    activation_bits=5,
    gradient_bits=6,
    weight_frac=12,
    feature_bits=4,
    feature_min=0,
    feature_frac=4,
    logit_bits=6,
    logit_frac=3,
    exp_bits=4,
)


@dataclass
class Tiny:
    """A run with one segment and everything needed to prove it."""

    run: RunStatement
    segment: SegmentStatement
    x: np.ndarray
    y: np.ndarray
    weights_in: Weights
    backend: Backend
    dataset: DatasetCommitment
    w_in: WeightsCommitment | None

    @property
    def public(self) -> SegmentPublic:
        return segment_public(self.run, self.segment, TINY)

    def witness(self, cheat: Cheat | None = None) -> tuple[SegmentWitness, Weights]:
        return slow_witness(self.public, self.weights_in, self.x, self.y, cheat)

    def commit_out(self, weights: Weights) -> WeightsCommitment:
        return commit_weights(weights, KEYS["w_out"], self.run.weights_budget, TINY, self.backend)

    def state(self, w_out: WeightsCommitment) -> SegmentStatement:
        return replace(self.segment, w_out=replace(self.segment.w_out, root=w_out.root.hex()))

    def prove(
        self, witness: SegmentWitness, weights_out: Weights, claimed_out: Weights | None = None
    ) -> tuple[SegmentPublic, bytes]:
        """Proof of a witness whose final weights are (claimed to be) committed in the statement, and a data proof behind it."""
        public, proof, link = self.prove_segment(witness, weights_out, claimed_out)
        return public, proof + self.prove_data([link])

    def prove_segment(
        self, witness: SegmentWitness, weights_out: Weights, claimed_out: Weights | None = None
    ) -> tuple[SegmentPublic, bytes, ProverLink]:
        """The segment's section, and what the data proof needs of it."""
        w_out = self.commit_out(claimed_out or weights_out)
        public = segment_public(self.run, self.state(w_out), TINY)
        proof, link = prove_with_witness(
            public,
            replace(witness, public=public),
            self.weights_in,
            claimed_out or weights_out,
            self.w_in,
            w_out,
            KEYS["secret"],
            KEYS["link"],
            backend=self.backend,
        )
        return public, proof, link

    def prove_data(self, links: list[ProverLink], secret: bytes = KEYS["secret"]) -> bytes:
        """The data proof of these segments of the run."""
        return prove_data(self.run, links, self.dataset, secret, backend=self.backend, parameter_sets=SETS)

    def verify(self, public: SegmentPublic, proof: bytes, backend: Backend | None = None) -> None:
        """A segment and the data proof behind it."""
        source = io.BytesIO(proof)
        self.verify_data([self.verify_segment(public, source, backend)], source, backend)

    def verify_segment(
        self, public: SegmentPublic, source: io.BytesIO, backend: Backend | None = None, *, alone: bool = False
    ) -> SegmentLink:
        """alone: nothing follows."""
        initial = initial_weights(self.run) if public.seeded else None
        return verify_segment(public, source, backend or self.backend, initial, finish_stream=alone)

    def verify_data(self, links: list[SegmentLink], source: io.BytesIO, backend: Backend | None = None) -> None:
        layout = data_proof_layout(self.run, len(links), TINY)
        data_proof.verify(backend or self.backend, layout, links, source)


def tiny_run(
    widths: tuple[int, ...] = (6, 5, 4, 3),
    loss: str = "ce",
    batch: int = 3,
    steps: int = 3,
    examples: int = 7,
    bias: tuple[bool, ...] | None = None,
    seeded: bool = True,
    weight_frac: int = 12,
    limbs: requantise.Limbs | None = None,
    backend: Backend | None = None,
    last_batch: str = "keep",
    rate: int = 1 << 31,
    formats: RunFormat = FORMATS,
    scales: Scales | None = None,
    seed: int = 7,
) -> Tiny:
    """A run of one segment on random data; rate: learning rate times 2^32. seed: of the data."""
    backend = backend or get_backend()
    rng = np.random.default_rng(seed)
    layers = len(widths) - 1
    x = rng.integers(0, 1 << formats.feature_bits, (examples, widths[0])).astype(np.int32)
    y = rng.integers(0, widths[-1], examples).astype(np.int32)
    dataset = commit_dataset(x, y, widths[-1], KEYS["dataset"], 2, TINY, backend)
    run = RunStatement(
        run_id="ab" * 32,
        widths=widths,
        bias=bias or (True,) * layers,
        loss=loss,
        batch=batch,
        examples=examples,
        steps=steps,
        last_batch=last_batch,
        schedule=((0, rate),),
        format=replace(formats, weight_frac=weight_frac),
        activation_frac_interval=(0, 8),
        gradient_frac_interval=(0, 8),
        init_seed="cd" * 32,
        init_root=None,
        init_weight_bound=(0,) * layers,
        init_bias_bound=(0,) * layers,
        data_root=dataset.root.hex(),
        data_budget=2,
        weights_budget=2,
        parameter_set=TINY.name,
        beacon=None,
    )
    run = replace(run, init_weight_bound=initialisation.bound(run))
    weights = initial_weights(run)
    w_in = None
    if not seeded:
        w_in = commit_weights(weights, KEYS["w_in"], run.weights_budget, TINY, backend)
        limit = tuple(1 << int(b).bit_length() for b in run.init_weight_bound)
        run = replace(
            run,
            init_seed=None,
            init_root=w_in.root.hex(),
            init_weight_bound=limit,
            init_bias_bound=tuple(int(has) for has in run.bias),
        )
    hidden = max(0, layers - 1)
    last = 5 if loss == "ce" else 3
    scales = scales or Scales(fa=(4, *(3,) * hidden, 3), fg=(*(4,) * hidden, last))
    start = initial_state(run)
    weight_bound, bias_bound = bounds.grow(run, scales, 0, steps, start)
    segment = SegmentStatement(
        0,
        0,
        steps,
        scales,
        limbs or requantise.choose_limbs(run, scales, steps),
        start,
        ChainState("00" * 32, weight_bound, bias_bound, steps),
    )
    run.validate()
    segment.validate(run)
    return Tiny(run, segment, x, y, weights, backend, dataset, w_in)


def second_segment(tiny: Tiny, weights: Weights, key: bytes = KEYS["w_in"], **changes: object) -> Tiny:
    """The segment after `tiny`'s, of as many steps, starting from `weights`; `changes` are fields of the run."""
    steps = tiny.segment.steps
    run = replace(tiny.run, **{"steps": 2 * tiny.run.steps, **changes})  # type: ignore[arg-type]  # fields of the run
    w_in = commit_weights(weights, key, run.weights_budget, TINY, tiny.backend)
    start = replace(tiny.segment.w_out, root=w_in.root.hex())
    weight_bound, bias_bound = bounds.grow(run, tiny.segment.scales, steps, steps, start)
    end = ChainState("00" * 32, weight_bound, bias_bound, 2 * steps)
    segment = replace(tiny.segment, index=1, first_step=steps, w_in=start, w_out=end)
    run.validate()
    segment.validate(run)
    return replace(tiny, run=run, segment=segment, weights_in=weights, w_in=w_in)
