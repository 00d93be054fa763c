"""All backends make the same proof from the same secret, and each verifies it."""

from __future__ import annotations

import pytest

from tests.support.tiny import tiny_run
from zkdl.backend.select import get_backend, is_native_available

NAMES = ["numpy", "reference", *(["native"] if is_native_available() else [])]


@pytest.mark.parametrize("loss", ["ce", "mse"])
def test_backends_give_the_same_bytes(loss: str) -> None:
    proofs = []
    for name in NAMES:
        tiny = tiny_run((3, 2, 2), loss, batch=2, steps=2, backend=get_backend(name))
        public, proof = tiny.prove(*tiny.witness())
        tiny.verify(public, proof)
        proofs.append(proof)
    assert len(set(proofs)) == 1
