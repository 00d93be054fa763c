"""The PyTorch entry where PyTorch is not installed."""

from __future__ import annotations

import sys

import pytest

import zkdl
from zkdl.errors import UsageError


@pytest.mark.parametrize("call", [lambda: zkdl.make_provable(None, None, None, None), lambda: zkdl.fix(None)])
def test_the_error_says_what_to_install(call: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UsageError) as caught:
        call()  # type: ignore[operator]  # a lambda
    assert caught.value.code == "TORCH_MISSING" and 'pip install "zkdl[torch]"' in caught.value.hint
