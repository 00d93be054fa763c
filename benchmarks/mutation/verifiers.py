"""The two verifiers: which modules they are made of, and how a container is given to them."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from pathlib import Path
from traceback import walk_tb
from typing import Any

from benchmarks.mutation.sites import Mutant, module_path, mutants

SOURCE = Path(__file__).resolve().parents[2] / "src"
# Sizes of the stored proofs: small files. What is false in them is refused for that, not for the sizes.
SET, WEAK = "corpus-test", "corpus-weak"
SIZES = {SET: (0, 2.5, 3), WEAK: (8, 2.5, 3)}
"""Parameter sets: bits of soundness, bits bought by columns, log2 of the pads in a row. The second breaks its promise."""
MAIN = [
    *(
        f"zkdl.proof.{name}"
        for name in ("verify", "segment_verifier", "certificate", "data_proof", "data_claims", "flow")
    ),
    *(
        f"zkdl.proof.{name}"
        for name in ("chain", "limits", "outside", "revealed", "run_certificates", "format", "security", "public")
    ),
    *(f"zkdl.proof.{name}" for name in ("assembly", "layout", "source")),
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
    for name in (
        "canonical",
        "certificates",
        "claims",
        "dataset",
        "field",
        "hidden",
        "layout",
        "lookup",
        "opening",
        "parameters",
    )
]
REFERENCE += [
    f"zkdl.reference.{name}"
    for name in ("revealed", "segment", "soundness", "statement", "training", "transcript", "verifier")
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
        *("is_zero", "__eq__", "cross_entropy", "from_seed", "seeded", "three", "whole_chain", "complete", "is_number"),
    }
)


class Pipe(io.BytesIO):
    """A stream of unknown length: of a file the length alone would refuse what the checks of the sections are for."""

    def seekable(self) -> bool:
        return False


Answer = tuple[str, str, frozenset[str]]
"""("accepted", ""), ("refused", code) or ("crash", name of the exception), and the functions that the error came through."""


def refused_in(error: BaseException) -> frozenset[str]:
    """Functions that an error came through, as module:function."""
    found: set[str] = set()
    raised: BaseException | None = error
    while raised is not None:
        for frame, _ in walk_tb(raised.__traceback__):
            code = frame.f_code
            parts = [part for part in code.co_qualname.split(".") if not part.startswith("<")]
            found.add(f"{frame.f_globals.get('__name__', '')}:{'.'.join(parts)}")
        raised = raised.__cause__ or raised.__context__
    return frozenset(found)


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

    sets = {
        name: ParameterSet(name, soundness_bits=bits, query_bits=query_bits, log_pad_row=row, test_only=True)
        for name, (bits, query_bits, row) in SIZES.items()
    }
    backend = get_backend(threads=1)

    def ask(data: bytes, arguments: dict[str, Any], folder: Path) -> Answer:
        try:
            verify(Pipe(data), parameter_sets=sets, backend=backend, **arguments)
        except InternalError as error:
            return "crash", str(error.code), refused_in(error)
        except ZkError as error:
            return "refused", str(error.code), refused_in(error)
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            return "crash", type(error).__name__, refused_in(error)
        return "accepted", "", frozenset()

    return ask


def _reference() -> Callable[[bytes, dict[str, Any], Path], Answer]:
    modules: list[Any] = [importlib.import_module(name) for name in REFERENCE]
    from zkdl.reference.transcript import Invalid
    from zkdl.reference.verifier import verify

    def ask(data: bytes, arguments: dict[str, Any], folder: Path) -> Answer:
        # The stored proofs have the sizes of tests, which this verifier knows nothing of.
        name = next((name for name in SIZES if f'"parameter_set":"{name}"'.encode() in data), SET)
        values = (name, *SIZES[name])
        for key, value in zip(
            ("PARAMETER_SET", "SOUNDNESS_BITS", "QUERY_BITS", "LOG_PADS_PER_ROW"), values, strict=True
        ):
            for module in modules:
                if hasattr(module, key):
                    setattr(module, key, value)
        try:
            verify(Pipe(data), arguments.get("expect"))
        except Invalid as verdict:
            return "refused", verdict.code, refused_in(verdict)
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            return "crash", type(error).__name__, refused_in(error)
        return "accepted", "", frozenset()

    return ask


def load(verifier: str) -> Callable[[bytes, dict[str, Any], Path], Answer]:
    """The verifier as a function of a container, its arguments and a folder for temporary files."""
    return _main() if verifier == "main" else _reference()
