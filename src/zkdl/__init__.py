"""Zero-knowledge proofs that a neural network was trained as stated.

Importing this package imports nothing else; names are loaded when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkdl import datasets as datasets
    from zkdl.api import MLP as MLP
    from zkdl.api import FeatureRule as FeatureRule
    from zkdl.api import Run as Run
    from zkdl.proof.verify import Verified as Verified
    from zkdl.proof.verify import verify as verify
    from zkdl.pytorch.entry import fix as fix
    from zkdl.pytorch.entry import make_provable as make_provable

__version__ = "0.1.0"
_WHERE = {
    "MLP": "zkdl.api",
    "FeatureRule": "zkdl.api",
    "Run": "zkdl.api",
    "Verified": "zkdl.proof.verify",
    "verify": "zkdl.proof.verify",
    "make_provable": "zkdl.pytorch.entry",
    "fix": "zkdl.pytorch.entry",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    if name == "datasets":
        return importlib.import_module("zkdl.datasets")
    raise AttributeError(f"module zkdl has no attribute {name}")


def __dir__() -> list[str]:
    return sorted([*_WHERE, "datasets", "__version__"])
