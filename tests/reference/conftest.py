"""One folder of proofs for all tests of the second verifier."""

from __future__ import annotations

import pytest

from tests.reference.proofs import Maker


@pytest.fixture(scope="session")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("reference"))
