"""The self-test of `zkdl doctor`: it reaches every kernel, and notices one that is wrong."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import pytest

from tests.emulation.emulated_device import EmulatedDevice
from tests.emulation.test_kernels import KERNELS
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.select import get_backend
from zkdl.backend.self_test import check_device
from zkdl.errors import DeviceError

# What they write is another kernel's input, or is written by another launch.
OUTPUT = {"zkdl_k_sums": 3, "zkdl_row_sums": 2}


def emulated(library: ctypes.CDLL) -> EmulatedDevice:
    return EmulatedDevice(library, block=32, blocks=4)


def test_every_kernel_is_tested(library: ctypes.CDLL) -> None:
    device = emulated(library)
    check_device(DeviceBackend(device, get_backend()))
    assert KERNELS - set(device.launched) == set()


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_a_kernel_that_does_nothing_is_noticed(kernel: str, library: ctypes.CDLL) -> None:
    class Lazy(EmulatedDevice):
        def launch(self, name: str, grid: tuple[int, int], block: int, arguments: Sequence[int]) -> None:
            if name != kernel:
                super().launch(name, grid, block, arguments)

    with pytest.raises(DeviceError) as caught:
        check_device(DeviceBackend(Lazy(library, block=32, blocks=4), get_backend()))
    assert caught.value.code == "KNOWN_ANSWER"
