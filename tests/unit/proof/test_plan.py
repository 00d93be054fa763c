"""Memory plans: what goes to disk first, and that no choice changes a proof."""

from __future__ import annotations

import errno
import gc
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from tests.support.tiny import KEYS, SETS, TINY, Tiny, tiny_run
from zkdl.backend import scratch as scratch_module
from zkdl.backend.scratch import IN_MEMORY, Scratch, Storage
from zkdl.backend.select import get_backend, is_native_available
from zkdl.commitment.stored import commit_dataset, commit_weights
from zkdl.configuration import from_values
from zkdl.errors import ResourceError
from zkdl.proof import plan as module
from zkdl.proof.estimate import planned_memory
from zkdl.proof.plan import LEVELS, MemoryPlan
from zkdl.proof.prove import make_witness, prove_data, prove_data_certificate, prove_initial_weights, prove_segment

GIB = 1 << 30
needs_native = pytest.mark.skipif(not is_native_available(), reason="no compiled kernels in this installation")
NAMES = ["numpy", pytest.param("native", marks=needs_native)]


@cache
def wide(limit: int, segment_steps: int = 64, steps: int = 640) -> MemoryPlan:
    """A network whose segments need gigabytes."""
    c = from_values(
        {"widths": [64, 1024, 1024, 1024, 1024, 10], "lr": 2.0**-4, "batch": 64, "steps": steps, "weight_frac": 28}
    )
    return planned_memory(c.draft(c.load_train()), segment_steps, limit)


def test_what_fits_stays_in_memory() -> None:
    plan = wide(64 * GIB)
    assert plan.level == LEVELS[0] and plan.disk_bytes == 0 and plan.window_bytes == 0
    assert wide(plan.memory_bytes).level == LEVELS[0]


def test_levels_come_in_order_as_memory_shrinks() -> None:
    limit, seen, last = 64 * GIB, [], 64 * GIB
    while True:
        plan = wide(limit)
        if plan.memory_bytes > limit:
            break
        seen.append(LEVELS.index(plan.level))
        assert (plan.disk_bytes > 0) == plan.level.tables
        last, limit = limit, int(0.9 * limit)
    assert seen == sorted(seen) and set(seen) == set(range(len(LEVELS)))
    assert wide(limit).level == LEVELS[-1]  # the most frugal one is what is announced when none fits
    assert last < wide(64 * GIB).memory_bytes / 3


def test_longer_segments_go_to_disk_and_not_over_the_limit() -> None:
    short, long = wide(2 * GIB, 64), wide(2 * GIB, 256)
    assert short.memory_bytes <= 2 * GIB and long.memory_bytes <= 2 * GIB
    assert long.disk_bytes > 2 * short.disk_bytes


def test_memory_follows_the_segments_and_not_the_run() -> None:
    one, ten, hundred = (wide(64 * GIB, 64, steps) for steps in (64, 640, 6400))
    assert one.memory_bytes == ten.memory_bytes == hundred.memory_bytes
    # What every segment adds to the data proof goes to disk; a tree of a megabyte stays.
    long = wide(2 * GIB, 64, 64000)
    assert long.memory_bytes <= 2 * GIB and long.sections["dataset"].disk > 10 * wide(2 * GIB).sections["dataset"].disk


def test_the_window_is_what_is_left() -> None:
    tight = wide(2 * GIB, 256)
    assert tight.window_bytes >= module.LEAST_WINDOW_BYTES
    roomy = wide(3 * GIB, 256)
    assert roomy.window_bytes > tight.window_bytes or roomy.level != tight.level


def test_the_memory_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(module, "CONTAINER_LIMIT", limit)
    whole = module.machine_bytes()
    limit.write_text("max\n")
    assert module.machine_bytes() == whole > 0
    limit.write_text("1000000\n")
    assert module.machine_bytes() == 900_000


def test_storage_of_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with wide(64 * GIB).storage(tmp_path / "never looked at") as storage:
        assert storage == IN_MEMORY
    plan = wide(2 * GIB, 256)
    monkeypatch.setattr(Scratch, "check", lambda *_: None)
    with plan.storage(tmp_path) as storage:
        assert storage.scratch is not None and storage.scratch.window == plan.window_bytes
        assert (storage.columns, storage.tables) == (plan.level.columns, plan.level.tables)


def test_too_small_a_disk_is_refused_before_proving(tmp_path: Path) -> None:
    plan = wide(2 * GIB, 256)
    huge = replace(plan, sections={"segment": module.Need(GIB, 1 << 60)})
    with pytest.raises(ResourceError) as caught, huge.storage(tmp_path):
        pass
    assert caught.value.code == "DISK_FULL" and os.listdir(tmp_path) == []


def sections(tiny: Tiny, storage: Storage) -> list[bytes]:
    """Every kind of section of a tiny run."""
    run, kept, backend = tiny.run, storage.kept_code_bytes, tiny.backend
    _, out = make_witness(tiny.public, tiny.weights_in, tiny.x, tiny.y, backend, storage)
    w_out = commit_weights(out, KEYS["w_out"], run.weights_budget, TINY, backend, kept)
    dataset = commit_dataset(tiny.x, tiny.y, run.classes, KEYS["dataset"], 2, TINY, backend, kept)
    secret = KEYS["secret"]
    options: dict[str, Any] = {"backend": backend, "parameter_sets": SETS}
    found = [prove_data_certificate(run, dataset, secret, storage=storage, **options)]
    if tiny.w_in is not None:
        found.append(prove_initial_weights(run, tiny.w_in, secret, storage=storage, **options))
    proof, link = prove_segment(
        run, tiny.state(w_out), tiny.w_in, w_out, tiny.weights_in, tiny.x, tiny.y, secret, KEYS["link"],
        storage=storage, **options,
    )  # fmt: skip
    whole = dataset.tree_only().with_values(tiny.x, tiny.y, KEYS["dataset"])
    return [*found, proof, prove_data(run, [link], whole, secret, storage=storage, **options)]


@pytest.mark.parametrize("seeded", [True, False], ids=["seeded", "committed"])
@pytest.mark.parametrize("loss", ["ce", "mse"])
@pytest.mark.parametrize("name", NAMES)
def test_proofs_do_not_depend_on_where_arrays_are(tmp_path: Path, name: str, loss: str, seeded: bool) -> None:
    tiny = tiny_run(loss=loss, seeded=seeded, backend=get_backend(name, 2))
    expected = sections(tiny, IN_MEMORY)
    scratch = Scratch(tmp_path, window=0, small=0)
    with scratch.watched():
        for columns, tables, kept in ((False, False, 0), (False, True, 0), (True, True, 0), (True, False, 1 << 31)):
            assert sections(tiny, Storage(scratch, columns, tables, kept)) == expected
    gc.collect()
    assert scratch.used_bytes == 0 and os.listdir(tmp_path) == []


@pytest.mark.skipif(not is_native_available(), reason="the other backends build all leaves in memory")
def test_tables_really_go_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, ...]] = []
    real = Scratch.zeros

    def zeros(self: Scratch, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        made.append(shape)
        return real(self, shape, dtype)

    monkeypatch.setattr(Scratch, "zeros", zeros)
    tiny = tiny_run(backend=get_backend("native", 2))
    sections(tiny, Storage(Scratch(tmp_path, 0, small=0), True, True, 0))
    layout = tiny.public.layout
    leaves = layout.leaves.leaves
    assert (layout.code.rows, layout.code.row) in made
    assert {(-(-leaves >> k), 2) for k in (2, 3, 4)} <= set(made)


def test_a_disk_that_fills_while_proving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(scratch_module, "_reserve", full)
    with pytest.raises(ResourceError) as caught:
        sections(tiny_run(), Storage(Scratch(tmp_path, 0, small=0), True, True, 0))
    assert caught.value.code == "DISK_FULL" and os.listdir(tmp_path) == []
