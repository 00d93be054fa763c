"""One finished run for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.e2e.running import Finished, finish


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """64-12-10, six steps in two segments. Read only."""
    return finish(tmp_path_factory.mktemp("finished") / "work")
