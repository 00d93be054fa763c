"""The emulator notices what a GPU would not forgive."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from tests.emulation.emulated_device import ROOT, EmulatedDevice, emulator
from zkdl.backend.device import DeviceArray

SOURCE = ROOT / "native" / "tests" / "emulator.cpp"
WRONG_KERNELS = """
extern "C" __global__ void zkdl_apart(zkdl::u64* out, zkdl::u64 count) {
    if (threadIdx.x < 3) __syncthreads();
    out[0] = count;
}
extern "C" __global__ void zkdl_behind(zkdl::u64* out, zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i <= count) out[i] = i;
}
extern "C" __global__ void zkdl_race(zkdl::u64* out, zkdl::u64 count) {
    const zkdl::u64 i = zkdl::thread_index();
    if (i < count) out[i] = i + 1 < count ? out[i + 1] : 0;
}
"""


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory, library: ctypes.CDLL) -> Path:
    """An emulator with kernels that are wrong on purpose."""
    folder = tmp_path_factory.mktemp("wrong")
    text = SOURCE.read_text()
    text = text.replace("\nnamespace {\n", WRONG_KERNELS + "\nnamespace {\n", 1)
    names = ("zkdl_apart", "zkdl_behind", "zkdl_race")
    text = text.replace("kKernels = {\n", "kKernels = {\n" + "".join(f"    ENTRY({name}),\n" for name in names), 1)
    (folder / "emulator.cpp").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("kernel", "complaint"), [("zkdl_apart", "part at a barrier"), ("zkdl_behind", "wrote outside its arrays")]
)
def test_wrong_kernels_are_caught(kernel: str, complaint: str, wrong: Path) -> None:
    device = EmulatedDevice(emulator(wrong, wrong / "emulator.cpp"))
    out = DeviceArray.of(device, np.zeros(8, dtype=np.uint64))
    with pytest.raises(AssertionError, match=complaint):
        device.launch(kernel, (2, 1), 8, [out.address, 8])


def test_a_race_shows_when_threads_run_backwards(wrong: Path) -> None:
    results = []
    for order in (0, 1):
        device = EmulatedDevice(emulator(wrong, wrong / "emulator.cpp"), order)
        out = DeviceArray.of(device, np.arange(8, dtype=np.uint64))
        device.launch("zkdl_race", (1, 1), 8, [out.address, 8])
        results.append(out.to_host().tolist())
    assert results[0] != results[1]


def test_wrong_launches_are_caught(device: EmulatedDevice) -> None:
    with pytest.raises(AssertionError, match="no such kernel"):
        device.launch("zkdl_absent", (1, 1), 8, [])
    with pytest.raises(AssertionError, match="another number of parameters"):
        device.launch("zkdl_bind", (1, 1), 8, [0])
