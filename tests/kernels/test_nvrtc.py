"""Every kernel header compiles for GPUs, on machines without one: NVRTC through ctypes."""

from __future__ import annotations

import ctypes
import importlib.util
import re
from pathlib import Path

import pytest

from zkdl.backend.cupy_device import OPTIONS
from zkdl.backend.kernel_source import kernel_source

HEADERS = Path(__file__).resolve().parents[2] / "native" / "include" / "zkdl"
KERNELS = sorted(HEADERS.glob("*.kernel.h"))


def _libraries() -> list[Path]:
    """The builtins and the library that opens them, from the nvidia-cuda-nvrtc wheel (CUDA 12 or 13)."""
    spec = importlib.util.find_spec("nvidia")
    if spec is None or spec.submodule_search_locations is None:
        return []
    found = [path for root in spec.submodule_search_locations for path in Path(root).glob("**/libnvrtc*.so*")]
    usable = [path for path in found if ".alt." not in path.name]
    return sorted(usable, key=lambda path: "builtins" not in path.name)


@pytest.fixture(scope="module")
def nvrtc() -> ctypes.CDLL:
    libraries = _libraries()
    if not libraries:
        pytest.skip("nvidia-cuda-nvrtc is not installed")
    # Loaded first and globally: NVRTC opens its builtins by name and the wheel is in no search path.
    loaded = [ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL) for path in libraries]
    return loaded[-1]


def launchers_of(text: str) -> list[str]:
    """Names of the kernels in a header; a name that a macro ends is left out."""
    return [name for name in re.findall(r"__global__ void (zkdl_\w+)\(", text)]


def _compile(nvrtc: ctypes.CDLL, header: str, architecture: str) -> tuple[int, str, bytes]:
    names = [path.name for path in HEADERS.glob("*.h")]
    return _build(nvrtc, f'#include "{header}"\n'.encode(), names, architecture)


def _build(nvrtc: ctypes.CDLL, source: bytes, names: list[str], architecture: str) -> tuple[int, str, bytes]:
    program = ctypes.c_void_p()
    sources = [(HEADERS / name).read_bytes() for name in names]
    count = len(names)
    status = nvrtc.nvrtcCreateProgram(
        ctypes.byref(program),
        source,
        b"kernel.cu",
        count,
        (ctypes.c_char_p * count)(*sources),
        (ctypes.c_char_p * count)(*(name.encode() for name in names)),
    )
    assert status == 0
    # What CuPy adds.
    options = [*(option.encode() for option in OPTIONS), b"-ftz=true", b"--device-as-default-execution-space"]
    options.append(f"-arch={architecture}".encode())
    status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    binary = b""
    if status == 0:
        nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetCUBIN(program, buffer)
        binary = buffer.raw
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return status, log.value.decode(), binary


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("header", [path.name for path in KERNELS])
def test_kernels_compile_for_gpus(nvrtc: ctypes.CDLL, header: str, architecture: str) -> None:
    status, log, binary = _compile(nvrtc, header, architecture)
    assert status == 0, log
    assert "warning" not in log, log
    launchers = launchers_of((HEADERS / header).read_text())
    assert launchers
    for launcher in launchers:
        assert launcher.encode() in binary


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_text_that_the_backend_compiles(nvrtc: ctypes.CDLL, architecture: str) -> None:
    """All kernels of this installation in one program, with the options that CuPy passes on."""
    source = kernel_source()
    status, log, binary = _build(nvrtc, source.encode(), [], architecture)
    assert status == 0, log
    assert "warning" not in log, log
    for launcher in launchers_of("".join(path.read_text() for path in KERNELS)):
        assert launcher.encode() in binary


def test_a_wrong_kernel_does_not_compile(nvrtc: ctypes.CDLL) -> None:
    """The test above can fail."""
    status, log, _ = _compile(nvrtc, "absent.kernel.h", "sm_80")
    assert status != 0
    assert "absent.kernel.h" in log
