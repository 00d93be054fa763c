"""The emulator is built once; without a C++ compiler these tests are left out."""

from __future__ import annotations

import ctypes

import pytest

from tests.emulation.emulated_device import EmulatedDevice, compiler, emulator


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if compiler() is None:
        pytest.skip("no C++ compiler builds the emulator")
    return emulator(tmp_path_factory.mktemp("emulator"))


@pytest.fixture(params=[0, 1], ids=["forwards", "backwards"])
def device(request: pytest.FixtureRequest, library: ctypes.CDLL) -> EmulatedDevice:
    return EmulatedDevice(library, request.param)
