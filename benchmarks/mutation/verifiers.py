"""The two verifiers: which modules they are made of, and how a container is given to them."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.mutation.sites import Mutant, module_path, mutants

SOURCE = Path(__file__).resolve().parents[2] / "src"
# Sizes of the stored proofs: small files. What is false in them is refused for that, not for the sizes.
SET, BITS, QUERY_BITS, LOG_PAD_ROW = "corpus-test", 8, 12, 4
MAIN = [
    *(
        f"zkdl.proof.{name}"
        for name in ("verify", "segment_verifier", "certificate", "data_proof", "data_claims", "flow")
    ),
    *(
        f"zkdl.proof.{name}"
        for name in ("chain", "limits", "outside", "run_certificates", "format", "security", "public")
    ),
    *(f"zkdl.proof.{name}" for name in ("assembly", "layout")),
    *(f"zkdl.protocols.{name}" for name in ("claims", "fractions", "gather", "lookup", "loss", "matmul", "opening")),
    *(f"zkdl.protocols.{name}" for name in ("sumcheck", "unroll")),
    *(f"zkdl.commitment.{name}" for name in ("ligero", "link", "merkle", "pads", "parameters", "stored")),
    "zkdl.hiding.ledger",
    *(f"zkdl.transcript.{name}" for name in ("channel", "transcript")),
    *(f"zkdl.statement.{name}" for name in ("bounds", "canonical", "initialisation", "requantise", "run", "sampler")),
    *(f"zkdl.statement.{name}" for name in ("schedule", "segment", "state", "tables")),
    "zkdl.algebra.extension",
    "zkdl.algebra.eq",
]
"""What `zkdl.proof.verify` imports, but for the arithmetic of the backends, which has its own tests, and the report."""
REFERENCE = [
    f"zkdl.reference.{name}"
    for name in ("certificates", "claims", "dataset", "field", "hidden", "layout", "lookup", "opening", "parameters")
]
REFERENCE += [
    f"zkdl.reference.{name}" for name in ("segment", "soundness", "statement", "training", "transcript", "verifier")
]
LEFT_OUT = frozenset(
    {
        # The prover's side.
        *("prove", "prove_dot", "prove_columns", "ProverLedger", "ProverChannel", "ProverLink", "_prove_layer"),
        *("_Tree", "_Stored", "_Recomputed", "CommittedPads", "data_values", "_limbs", "_count"),
        *(
            "choose_limbs",
            "product_limb_bits",
            "_CostModel",
            "write_container",
            "write_weights",
            "validate_chain",
            "_best",
        ),
        *("dataset_matrix", "weights_matrix", "main", "with_values", "stack", "Stacked", "_is_constant"),
        # Plain questions, not checks.
        *("is_zero", "__eq__", "cross_entropy", "from_seed", "seeded", "three", "whole_chain", "complete"),
    }
)


class Pipe(io.BytesIO):
    """A stream of unknown length: of a file the length alone would refuse what the checks of the sections are for."""

    def seekable(self) -> bool:
        return False


Answer = tuple[str, str]
"""("accepted", ""), ("refused", code) or ("crash", name of the exception)."""


def all_mutants(verifier: str) -> list[Mutant]:
    found = []
    for module in MAIN if verifier == "main" else REFERENCE:
        found += mutants(module, module_path(SOURCE, module).read_text(encoding="utf-8"), LEFT_OUT)
    return found


def _main() -> Callable[[bytes, dict[str, Any], Path], Answer]:
    from zkdl.backend.select import get_backend
    from zkdl.commitment.parameters import ParameterSet
    from zkdl.errors import InternalError, ZkError
    from zkdl.proof.verify import verify

    tiny = ParameterSet(SET, soundness_bits=BITS, query_bits=QUERY_BITS, log_pad_row=LOG_PAD_ROW, test_only=True)
    backend = get_backend(threads=1)

    def ask(data: bytes, arguments: dict[str, Any], folder: Path) -> Answer:
        try:
            verify(Pipe(data), parameter_sets={tiny.name: tiny}, backend=backend, **arguments)
        except InternalError as error:
            return "crash", str(error.code)
        except ZkError as error:
            return "refused", str(error.code)
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            return "crash", type(error).__name__
        return "accepted", ""

    return ask


def _reference() -> Callable[[bytes, dict[str, Any], Path], Answer]:
    parameters: Any = importlib.import_module("zkdl.reference.parameters")
    # The stored proofs have the sizes of tests, which this verifier knows nothing of.
    parameters.PARAMETER_SET, parameters.SOUNDNESS_BITS, parameters.QUERY_BITS = SET, BITS, QUERY_BITS
    parameters.LOG_PADS_PER_ROW = LOG_PAD_ROW
    from zkdl.reference.transcript import Invalid
    from zkdl.reference.verifier import verify

    def ask(data: bytes, arguments: dict[str, Any], folder: Path) -> Answer:
        try:
            verify(Pipe(data), arguments.get("expect"))
        except Invalid as verdict:
            return "refused", verdict.code
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            return "crash", type(error).__name__
        return "accepted", ""

    return ask


def load(verifier: str) -> Callable[[bytes, dict[str, Any], Path], Answer]:
    """The verifier as a function of a container, its arguments and a folder for temporary files."""
    return _main() if verifier == "main" else _reference()
