"""What `benchmarks.headline --device cuda` measures and prints, on the emulated device and at small sizes."""

from __future__ import annotations

import ctypes

import pytest
from benchmarks import gpu, headline

from tests.emulation.emulated_device import EmulatedDevice
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.select import get_backend

RUN = {
    "phases": {"open": 0.5, "lookups": 0.25, "commit": 2.0},
    "ns_per_unit": {},
    "committed_values": 1000,
    "k_products_per_unit": 50.0,
    "units": 10,
    "hashed_bytes": 6000,
    "steps": 1,
}


def test_ceilings_are_measured(library: ctypes.CDLL) -> None:
    device = EmulatedDevice(library)
    found = gpu.ceilings(DeviceBackend(device, get_backend()), elements=64, rows=8, columns=16)
    assert set(found) == set(gpu.NAMES)
    assert all(value > 0 for value in found.values())
    assert device.launched["zkdl_k_mul"] == device.launched["zkdl_hash_columns"] == gpu.REPEATS


def test_what_a_proof_got_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    got = gpu.achieved(RUN)
    assert got == {"copied_bytes_per_s": 16000.0, "k_products_per_s": 2000.0, "hashed_bytes_per_s": 3000.0}
    monkeypatch.setattr(headline, "ROWS", ())
    ceilings = dict.fromkeys(gpu.NAMES, 32000.0)
    text = headline.table([{**RUN, "achieved": got, "ceilings": ceilings, "device_bytes": 1 << 30}])
    assert "| open, bytes read per second | 1.60e+04 of 3.20e+04, 50 % |" in text
    assert "| GPU memory held | 1.07e+09 B |" in text
