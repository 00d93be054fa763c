"""A proof whose work before the lookup's challenges is missing, in each section that needs some.

Small tables need no work at the promised soundness, and larger ones make files too large for the stored corpus. Here the
promise is raised above what the other messages reach, and is not itself checked.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import container as container_module
from tests.support import tiny
from tests.support.container import container, status
from zkdl.proof.verify import _Sections
from zkdl.reference import dataset as reference_dataset
from zkdl.reference import parameters
from zkdl.reference import verifier as reference_verifier
from zkdl.reference.transcript import Invalid
from zkdl.reference.verifier import verify as reference_verify
from zkdl.transcript.channel import ProverChannel

PROMISE = 130
SECTIONS = ["segment-0", "segment-1", "data", "initial"]
"""In the order in which `container` proves them."""


def reference_verdict(data: bytes) -> str:
    try:
        reference_verify(io.BytesIO(data))
    except Invalid as verdict:
        return verdict.code
    return ""


@pytest.mark.parametrize("lazy", [None, *range(len(SECTIONS))], ids=["all the work", *SECTIONS])
def test_missing_work_is_refused(lazy: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    high = replace(tiny.TINY, soundness_bits=PROMISE)
    monkeypatch.setattr(tiny, "TINY", high)
    monkeypatch.setitem(container_module.SETS, high.name, high)
    monkeypatch.setattr(_Sections, "_report", lambda self, report: None)
    for module in (parameters, reference_verifier, reference_dataset):
        monkeypatch.setattr(module, "PARAMETER_SET", high.name)
    monkeypatch.setattr(parameters, "SOUNDNESS_BITS", PROMISE)
    monkeypatch.setattr(parameters, "QUERY_BITS", high.query_bits)
    monkeypatch.setattr(parameters, "LOG_PADS_PER_ROW", high.log_pad_row)
    # The second verifier compares with its own copy of the promise, which is left low.
    monkeypatch.setattr("zkdl.reference.soundness.SOUNDNESS_BITS", 0)
    grind, asked = ProverChannel.grind, []

    def sometimes(self: ProverChannel, label: str, bits: int) -> None:
        asked.append(bits)
        if len(asked) - 1 == lazy:
            self.send_bytes(label, bytes(8))
        else:
            grind(self, label, bits)

    monkeypatch.setattr(ProverChannel, "grind", sometimes)
    made = container(seeded=False)
    assert [name for name, _ in made.sections[:-1]] == ["data", "initial", "segment-0", "segment-1"]
    assert len(asked) == len(SECTIONS) and min(asked) >= 8
    data = made.write(tmp_path / "proof")
    wanted = "" if lazy is None else "GRIND"
    assert status(tmp_path / "candidate", data)[1] == wanted
    assert reference_verdict(data) == wanted
