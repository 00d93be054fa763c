"""Error terms against hand-computed and published numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.support.tiny import TINY, tiny_run
from zkdl.commitment.pads import PadShape, pad_shape
from zkdl.commitment.parameters import STANDARD, CodeShape, ParameterSet, code_shape
from zkdl.errors import Rejected
from zkdl.hiding.ledger import PadCount
from zkdl.proof import security
from zkdl.proof.data_proof import data_proof_layout
from zkdl.proof.public import SegmentPublic, segment_public
from zkdl.proof.run_certificates import data_certificate_layout
from zkdl.proof.security import ErrorTerm, SecurityReport
from zkdl.protocols import opening
from zkdl.protocols.claims import Claims
from zkdl.statement import requantise
from zkdl.statement.state import Scales

# Columns to open in unique decoding, no grinding: rate -> (100 bits, 128 bits).
PUBLISHED = {1 / 2: (241, 309), 1 / 4: (148, 189), 1 / 6: (129, 165), 1 / 8: (121, 155), 1 / 16: (110, 141)}


def _code(rate: float, queries: int, log_domain: int = 12) -> CodeShape:
    """A shape of exactly this rate (up to one position)."""
    dimension = round(rate * (1 << log_domain))
    log_row = (dimension - 1).bit_length() - 1
    return CodeShape(1, log_row, 1, queries, dimension - (1 << log_row), log_domain)


@pytest.mark.parametrize("rate", list(PUBLISHED))
@pytest.mark.parametrize("column", [0, 1])
def test_query_counts_are_the_published_ones(rate: float, column: int) -> None:
    target, queries = (100, 128)[column], PUBLISHED[rate][column]
    # At rate 1/6 no domain of size 2^12 is exact, and 165 columns fall short by 1 part in 1000.
    assert _code(rate, queries).query_error_bits >= target - 0.3
    assert _code(rate, queries - 1).query_error_bits < target


@pytest.mark.parametrize("openings", [1, 2, 9])
@pytest.mark.parametrize("log_row", [0, 4, 9, 14])
def test_code_shape_is_exact_and_smallest(log_row: int, openings: int) -> None:
    shape = code_shape(10, log_row, openings, 0.3, 103.0)
    assert shape.dimension == (1 << log_row) + shape.queries * openings and shape.rate <= 0.3
    assert shape.query_error_bits >= 103.0
    fewer = replace(shape, queries=shape.queries - 1, random=(shape.queries - 1) * openings)
    assert fewer.query_error_bits < 103.0
    bits = -shape.queries * math.log2((1 + ((1 << log_row) + shape.random) / shape.domain) / 2)
    assert shape.query_error_bits == pytest.approx(bits)


def test_logup_with_2_27_leaves_has_100_bits() -> None:
    assert security.over_field(2 * (1 << 27)) == pytest.approx(100.0, abs=1e-6)
    assert security.over_field(2 * (1 << 25)) == pytest.approx(102.0, abs=1e-6)


@pytest.mark.parametrize(("log_leaves", "bits"), [(20, 0), (26, 0), (27, 1), (28, 2), (30, 4), (33, 7)])
def test_grinding_is_required_when_leaves_are_many(log_leaves: int, bits: int) -> None:
    assert security.grinding_bits(1 << log_leaves, 100) == bits
    term = security._tree_terms(1 << log_leaves, log_leaves, bits)[0]
    assert term.bits >= 100


def test_fold_error_of_the_recommended_parameters() -> None:
    """N = 2^24 at rate 1/4: (.374 n + 1) / |K| = 2^-112.4."""
    code = CodeShape(520, 15, 1, 148, 148, 17)
    fold = next(t for t in security._opening_terms("x", code, 4) if t.name == "x: fold")
    assert fold.bits == pytest.approx(112.4, abs=0.05)
    assert fold.bits == pytest.approx(128 - math.log2((1 - code.rate) / 2 * code.domain + 1), abs=1e-6)


def test_opening_terms_by_hand() -> None:
    code = CodeShape(3, 3, 2, 5, 10, 6)  # k = 18, n = 64
    terms = {t.name: t for t in security._opening_terms("x", code, 7)}
    assert terms["x: batching of claims"].bits == pytest.approx(128 - math.log2(7), abs=1e-6)
    assert terms["x: in-row sumcheck round"].bits == pytest.approx(127, abs=1e-6)
    assert terms["x: in-row sumcheck round"].times == 3
    assert terms["x: low-degree test"].bits == pytest.approx(128 - math.log2((1 - 18 / 64) / 2 * 64 + 1), abs=1e-6)
    assert terms["x: positions"].bits == pytest.approx(-5 * math.log2((1 + 18 / 64) / 2))


def test_untested_mask_by_hand() -> None:
    """Rate 1/6 with 2 rho = 1/3: agreement 7/12, so at most (7/12 - 1/3) / (49/144 - 1/3) = 36 candidates."""
    code = CodeShape(4, 9, 1, 0, 0, 12)
    thin = PadShape(replace(code, log_domain=12), 1)
    assert thin.message == 2 * 512 - 1
    agreement, rate = (1 + 1 / 8) / 2, 1022 / 4096
    assert security.mask_candidates(thin) == pytest.approx((agreement - rate) / (agreement**2 - rate))
    limit = ((7 / 12) - 1 / 3) / ((7 / 12) ** 2 - 1 / 3)
    assert limit == pytest.approx(36)
    for pads in (1, 100, 3000, 200_000):
        shape = pad_shape(PadCount(pads, pads), STANDARD)
        assert shape.code.rate <= 1 / 6
        assert 1 <= security.mask_candidates(shape) <= limit


def test_untested_mask_needs_a_low_rate() -> None:
    with pytest.raises(ValueError, match="rate"):
        security.mask_candidates(PadShape(CodeShape(6, 9, 1, 100, 100, 11), 1))


def test_pad_rate_is_capped_whatever_the_parameters_say() -> None:
    loose = ParameterSet("loose", soundness_bits=16, query_bits=20.0, pad_rate=0.5, log_pad_row=5, test_only=True)
    assert pad_shape(PadCount(100, 10), loose).code.rate <= 1 / 6


def test_messages_of_one_group_are_added_and_runs_are_summed() -> None:
    terms = (
        ErrorTerm("a", "", 103.0, "positions"),
        ErrorTerm("b", "", 103.0, "positions"),
        ErrorTerm("c", "", 102.5),
        ErrorTerm("d", "", 110.0, times=4),
    )
    report = SecurityReport("x", terms, 0)
    assert report.bits == pytest.approx(102.0) and report.binding == "positions"
    assert report.total_error == pytest.approx(2**-102 + 2**-102.5 + 2**-108)
    assert security.run_error_bits([report] * 8) == pytest.approx(-math.log2(8 * report.total_error))


def _public(widths: tuple[int, ...], batch: int, steps: int, loss: str = "ce") -> SegmentPublic:
    """A segment of realistic size at the built-in parameter set; only its sizes are used."""
    tiny = tiny_run(loss=loss)
    layers = len(widths) - 1
    formats = replace(
        tiny.run.format,
        activation_bits=8,
        gradient_bits=10,
        weight_frac=30,
        feature_bits=8,
        feature_frac=8,
        logit_bits=10,
        logit_frac=5,
        exp_bits=10,
    )
    run = replace(
        tiny.run,
        widths=widths,
        bias=(True,) * layers,
        batch=batch,
        steps=steps,
        examples=4096,
        format=formats,
        parameter_set=STANDARD.name,
        weights_budget=4,
        data_budget=12,
    )
    scales = Scales(fa=(8, *(5,) * (layers - 1), 5), fg=(*(9,) * (layers - 1), 9 if loss == "ce" else 5))
    segment = replace(tiny.segment, steps=steps, scales=scales, limbs=requantise.choose_limbs(run, scales, steps))
    return segment_public(run, segment, STANDARD)


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize(
    ("widths", "batch", "steps"),
    [((64, 10), 32, 4), ((784, 128, 10), 64, 16), ((784, 1024, 1024, 10), 64, 64)],
)
def test_realistic_segments_have_100_bits(widths: tuple[int, ...], batch: int, steps: int, loss: str) -> None:
    public = _public(widths, batch, steps, loss)
    report = security.segment_report(public)
    assert report.bits >= STANDARD.soundness_bits
    # Five commitments at 103 bits each are the weakest message unless the leaves need work.
    assert 100 <= report.bits < 102
    assert report.grinding_bits == security.grinding_bits(public.layout.leaves.leaves, 100)
    names = {term.name for term in report.terms}
    for name in public.openings:
        assert {f"{name}: {what}" for what in ("fold", "low-degree test", "positions")} <= names


def test_certificates_have_100_bits() -> None:
    public = _public((784, 128, 10), 64, 16)
    layout = data_certificate_layout(public.run, STANDARD)
    report = security.certificate_report("data certificate", layout)
    assert report.bits >= 100
    assert "labels and padding" in {term.name for term in report.terms}


@pytest.mark.parametrize("segments", [1, 40, 5000])
def test_data_proofs_have_100_bits(segments: int) -> None:
    public = _public((784, 128, 10), 64, 16)
    report = security.data_proof_report(data_proof_layout(public.run, segments, STANDARD))
    assert 100 <= report.bits < 102
    claims = next(term for term in report.terms if term.name == "links: batching of claims")
    assert claims.bits == pytest.approx(128 - math.log2(3 * segments), abs=1e-6)


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("layers", [1, 3])
def test_claims_of_a_data_proof_are_counted(loss: str, layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, int] = {}
    original = opening.prove

    def counting(ledger: object, backend: object, committed: object, masks: object, claims: Claims, *rest: Any) -> None:
        made[rest[0]] = len(claims.claims)
        original(ledger, backend, committed, masks, claims, *rest)  # type: ignore[arg-type]  # passed through

    tiny = tiny_run(widths=(6, 5, 4, 3) if layers == 3 else (6, 3), loss=loss)
    link = tiny.prove_segment(*tiny.witness())[2]
    monkeypatch.setattr(opening, "prove", counting)
    tiny.prove_data([link])
    terms = {t.name: t for t in security.data_proof_report(data_proof_layout(tiny.run, 1, TINY)).terms}
    assert set(made) == {"links", "dataset"}
    for name, count in made.items():
        assert 2 ** (security.FIELD_BITS - terms[f"{name}: batching of claims"].bits) == pytest.approx(count)


@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("layers", [1, 3])
def test_claims_counted_are_at_least_those_made(loss: str, layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of batching is claims / |K|: the count in the report must not be too small."""
    from zkdl.proof.segment_prover import SegmentProver

    made: dict[str, int] = {}
    original = SegmentProver.open

    def counting(self: SegmentProver, name: str, claims: object) -> None:
        made[name] = len(claims.claims)  # type: ignore[attr-defined]  # the spy takes any claims
        original(self, name, claims)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(SegmentProver, "open", counting)
    tiny = tiny_run(widths=(6, 5, 4, 3) if layers == 3 else (6, 3), loss=loss, seeded=False)
    public, _ = tiny.prove(*tiny.witness())
    terms = {t.name: t for t in security.segment_report(public).terms}
    for name, count in made.items():
        assert 2 ** (security.FIELD_BITS - terms[f"{name}: batching of claims"].bits) >= count - 1 - 1e-6


def test_a_proof_without_its_work_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verifier computes the bits itself; a nonce that was not searched for fails at once."""
    tiny = tiny_run()
    monkeypatch.setattr(security, "segment_grinding_bits", lambda public: 9)
    public, proof = tiny.prove(*tiny.witness())
    tiny.verify(public, proof)
    nonce = 32 * (len(public.openings) + 2)
    refused = 0
    for changed in range(1, 9):
        forged = proof[:nonce] + bytes([proof[nonce] ^ changed]) + proof[nonce + 1 :]
        with pytest.raises(Rejected) as caught:
            tiny.verify(public, forged)
        refused += caught.value.code == "GRIND"
    assert refused >= 7
