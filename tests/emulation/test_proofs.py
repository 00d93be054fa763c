"""Whole proofs on the emulated device: the same bytes, little that travels, a limit that holds."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.emulation.emulated_device import EmulatedDevice
from tests.support.tiny import tiny_run
from zkdl.api import MLP, FeatureRule, Run
from zkdl.backend.device_backend import DeviceBackend
from zkdl.backend.device_codes import Transforms
from zkdl.backend.select import get_backend
from zkdl.datasets import digits
from zkdl.errors import DeviceError, ResourceError, ZkError
from zkdl.openings import Openings
from zkdl.proof.plan import longest_on_device, on_device
from zkdl.proof.public import segment_public
from zkdl.proof.verify import verify
from zkdl.rundir import RunDirectory
from zkdl.sections import SectionProver
from zkdl.session import Session


def on(device: EmulatedDevice, small: int = 16, code_bytes: int = 1 << 14) -> DeviceBackend:
    return DeviceBackend(device, get_backend(), small=small, transforms=Transforms(device, code_bytes))


@pytest.mark.parametrize("changes", [{}, {"loss": "mse"}, {"seeded": False}, {"bias": (True, False, True)}])
@pytest.mark.parametrize("small", [16])
def test_proofs_are_the_same_bytes(changes: dict[str, object], small: int, device: EmulatedDevice) -> None:
    proofs = []
    for backend in (get_backend("numpy"), on(device, small)):
        tiny = tiny_run(backend=backend, **changes)  # type: ignore[arg-type]  # of several types
        public, proof = tiny.prove(*tiny.witness())
        proofs.append(proof)
    assert proofs[0] == proofs[1]
    tiny.verify(public, proof, get_backend("numpy"))
    assert device.launched


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on the digits, in three segments."""
    folder = tmp_path_factory.mktemp("digits")
    x, y, _, _ = digits()
    made = Run(MLP([64, 24, 10]), batch=16, features=FeatureRule(5, 4), segment_steps=4, directory=folder, device="cpu")
    made.fit(x[:320], y[:320], steps=12)
    return folder


def proven(run: Path, folder: Path, *backends: DeviceBackend) -> bytes:
    """A container, proven from scratch on copies of the run."""
    for path in (run / "sections").glob("*"):
        path.unlink()
    first, *more = backends
    Session(RunDirectory.open(run), first).prove(folder / "run.zkproof", more=more)
    return (folder / "run.zkproof").read_bytes()


def test_devices_share_segments_and_give_the_same_container(run: Path, library: ctypes.CDLL, tmp_path: Path) -> None:
    """Two devices at once; the emulator runs one launch at a time. Rows and layers are longer than what comes back at once."""
    Session(RunDirectory.open(run), get_backend()).prove(tmp_path / "cpu.zkproof")
    devices = [EmulatedDevice(library, block=64, blocks=16) for _ in range(2)]
    found = proven(run, tmp_path, *(on(device, 16, 1 << 20) for device in devices))
    assert found == (tmp_path / "cpu.zkproof").read_bytes()
    verify(tmp_path / "run.zkproof")
    # Both proved segments: each makes the leaves' tables of its own.
    assert all(device.launched["zkdl_leaf_table"] for device in devices)


def test_a_failing_device_stops_the_others_and_keeps_what_is_finished(
    run: Path, library: ctypes.CDLL, tmp_path: Path
) -> None:
    for path in (run / "sections").glob("*"):
        path.unlink()
    working, failing = EmulatedDevice(library), EmulatedDevice(library, limit=1 << 12)
    session = Session(RunDirectory.open(run), on(working, 1 << 10, 1 << 20))
    with pytest.raises(ResourceError) as caught:
        session.prove(tmp_path / "run.zkproof", more=[on(failing, 1 << 10, 1 << 20)])
    assert caught.value.code == "DEVICE_MEMORY"
    kept = {path.name for path in (run / "sections").glob("*.bin")}
    assert "data.bin" in kept and "dataset-3.bin" not in kept
    Session(RunDirectory.open(run), get_backend()).prove(tmp_path / "run.zkproof")
    verify(tmp_path / "run.zkproof")


class Wrong(EmulatedDevice):
    """From launch number `after` of a kernel on, what it reads is not what was written."""

    kernel, after = "zkdl_leaf_round", 1

    def launch(self, kernel: str, grid: tuple[int, int], block: int, arguments: Sequence[int]) -> None:
        if kernel == self.kernel and self.launched[kernel] >= self.after:
            *most, lam, high, low, low_count, count, partial = arguments
            arguments = [*most, lam ^ 1, high, low, low_count, count, partial]
        super().launch(kernel, grid, block, arguments)


@pytest.mark.parametrize(("kept", "code"), [("segment-*", "DEVICE_WRONG"), ("data.bin", "RUN_DAMAGED")])
def test_false_proofs_of_a_wrong_device_are_kept_from_everybody(
    kept: str, code: str, run: Path, library: ctypes.CDLL, tmp_path: Path
) -> None:
    """A certificate is not even stored; a false segment is found when its link is made again, before the container."""
    Session(RunDirectory.open(run), get_backend()).prove(tmp_path / "right.zkproof")
    for path in set((run / "sections").glob("*")) - set((run / "sections").glob(kept)):
        path.unlink()
    with pytest.raises(ZkError) as caught:
        Session(RunDirectory.open(run), on(Wrong(library), 1 << 10, 1 << 20)).prove(tmp_path / "wrong.zkproof")
    assert caught.value.code == code
    assert not (tmp_path / "wrong.zkproof").exists()
    assert (run / "sections" / "data.bin").exists() == (kept == "data.bin")


def test_another_root_than_the_run_has(run: Path, library: ctypes.CDLL, tmp_path: Path) -> None:
    class Forgetful(EmulatedDevice):
        def launch(self, kernel: str, grid: tuple[int, int], block: int, arguments: Sequence[int]) -> None:
            if kernel != "zkdl_hash_columns":
                super().launch(kernel, grid, block, arguments)

    with pytest.raises(DeviceError) as caught:
        proven(run, tmp_path, on(Forgetful(library), 1 << 10, 1 << 20))
    assert caught.value.code == "DEVICE_WRONG"


def test_memory_of_the_device_within_plan_and_limit(run: Path, library: ctypes.CDLL, tmp_path: Path) -> None:
    """What the plan says is enough, and a device with less says which segments would fit."""
    directory = RunDirectory.open(run)
    statement, _ = directory.read_statement()
    session = Session(directory, get_backend())
    parameters = session._parameters(statement)
    segment = directory.segments()[1]
    public = segment_public(statement, segment, parameters)
    code_bytes = 1 << 18
    planned = on_device(public, code_bytes)
    device = EmulatedDevice(library, limit=planned)
    proven(run, tmp_path, on(device, 1 << 10, code_bytes))
    assert planned / 3 < device.peak <= planned
    steps, needed = longest_on_device(statement, segment, planned - 1, parameters, code_bytes) or (0, 0)
    assert steps == 2 and needed < planned
    assert longest_on_device(statement, segment, 1 << 10, parameters, code_bytes) is None


def test_a_device_that_is_too_small_names_what_fits(run: Path, library: ctypes.CDLL, tmp_path: Path) -> None:
    Session(RunDirectory.open(run), get_backend()).prove(tmp_path / "run.zkproof")

    def limited(limit: int) -> ResourceError:
        for path in (run / "sections").glob("segment*"):
            path.unlink()
        device = EmulatedDevice(library, limit=limit)
        with pytest.raises(ResourceError) as caught:
            Session(RunDirectory.open(run), on(device, 1 << 10, 1 << 18)).prove(tmp_path / "run.zkproof")
        return caught.value

    # Not one step fits beside a block of the code.
    error = limited(3 << 20)
    assert error.exit_status == 5
    assert error.hint.startswith("Use --device cpu")

    directory = RunDirectory.open(run)
    statement, _ = directory.read_statement()
    session = Session(directory, get_backend())
    parameters, segment = session._parameters(statement), directory.segments()[1]
    openings = Openings(directory, statement)
    prover = SectionProver(directory, statement, parameters, get_backend(), openings)
    for limit, expected in (
        (on_device(segment_public(statement, segment, parameters)) - 1, "segment_steps = 2"),
        ("?", ""),
    ):
        with pytest.raises(ResourceError) as caught, prover._told_what_fits(segment):
            raise ResourceError("full", code="DEVICE_MEMORY", limit_bytes=limit)
        assert expected in caught.value.hint


def test_only_messages_and_openings_come_back(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """The witness goes to the device once. Back come messages, opened columns, and tables that have become small."""
    device = EmulatedDevice(library, blocks=64)
    sizes: list[int] = []
    read: Callable[..., None] = EmulatedDevice.read

    def counted(self: EmulatedDevice, memory: object, offset: int, out: np.ndarray) -> None:
        sizes.append(out.nbytes)
        read(self, memory, offset, out)

    monkeypatch.setattr(EmulatedDevice, "read", counted)
    small = 64
    tiny = tiny_run(widths=(20, 30, 24, 10), batch=16, steps=16, examples=64, backend=on(device, small, 1 << 22))
    witness, weights = tiny.witness()
    _, proof, _ = tiny.prove_segment(witness, weights)
    columns = witness.matrix.nbytes
    assert columns > 20 * small * 16
    # No table, code or column: of larger pieces only the two messages of an opening and the opened columns.
    large = [size for size in sizes if size > 16 * small]
    assert sum(large) < 2 * len(proof)
    assert device.read_bytes < 4 * len(proof)


def test_the_witness_travels_once(library: ctypes.CDLL) -> None:
    device = EmulatedDevice(library)
    written: list[tuple[int, int]] = []
    backend = on(device, 64, 1 << 22)
    tiny = tiny_run(widths=(20, 30, 24, 10), batch=16, steps=16, examples=64, backend=backend)
    witness, weights = tiny.witness()
    write = device.write

    def recorded(memory: object, offset: int, values: np.ndarray) -> None:
        written.append((values.ctypes.data, values.nbytes))
        write(memory, offset, values)  # type: ignore[arg-type]  # the emulator's own memory

    device.write = recorded  # type: ignore[method-assign]  # on this one
    tiny.prove_segment(witness, weights)
    start, stop = witness.matrix.ctypes.data, witness.matrix.ctypes.data + witness.matrix.nbytes
    inside = sum(size for address, size in written if start <= address < stop)
    assert inside == witness.matrix.nbytes


def test_numpy_never_reads_a_device_silently(device: EmulatedDevice) -> None:
    from zkdl.backend.device import DeviceArray

    there = DeviceArray.of(device, np.arange(6, dtype=np.uint64).reshape(3, 2))
    for attempt in (np.asarray, np.sum, lambda x: np.stack([x, x]), lambda x: x[::2], lambda x: x[3]):
        with pytest.raises((TypeError, IndexError)):
            attempt(there)
    with pytest.raises(ValueError, match=re.escape("has no shape")):
        there.reshape(4, 2)
    with pytest.raises(ValueError, match="does not fit"):
        there[0:2] = np.zeros((3, 2), dtype=np.uint64)
    with pytest.raises(ValueError, match="only arrays of one dtype"):
        np.concatenate([there, np.zeros((1, 3), dtype=np.uint64)])
    there[1:2] = np.array([[8, 9]], dtype=np.uint64)
    joined = np.concatenate([there[1:], np.ones((1, 2), dtype=np.uint64)])
    assert joined.to_host().tolist() == [[8, 9], [4, 5], [1, 1]]
    assert [row.to_host().tolist() for row in there][0] == [0, 1]
