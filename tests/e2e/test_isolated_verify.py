"""A stranger verifies: numpy and the standard library, no network, nothing written, no home."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.running import Finished

# Blocked before anything of zkdl is imported. The hook sees what the interpreter itself is asked to do, below any wrapper.
ALONE = """
import json, os, socket, sys
for name in ("torch", "cupy", "scipy", "zkdl._native", "zkdl.train", "click", "rich", "safetensors"):
    sys.modules[name] = None

def refused(*arguments, **options):
    raise RuntimeError("the network was asked for")

socket.socket = refused
FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "os.mkdir", "os.remove",
             "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "shutil.")
seen = []

def watch(event, arguments):
    if event == "open":
        flags = arguments[2] if isinstance(arguments[2], int) else 0
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append([event, str(arguments[0])])
    elif event.startswith(FORBIDDEN):
        seen.append([event, repr(arguments)])

sys.addaudithook(watch)
assert "HOME" not in os.environ
import zkdl
from zkdl.backend.select import get_backend
{extra}
options = json.loads(sys.argv[2])
if "data" in options:
    import numpy as np
    with np.load(options["data"]) as archive:
        x, y = archive["features"], archive["labels"]
    options["data"] = (x.astype(np.int32), y.astype(np.int32))
    options["data_key"] = bytes.fromhex(options["data_key"])
try:
    found = zkdl.verify(sys.argv[1], **options)
    answer = [found.complete, found.whole_chain, found.checked, found.describe()]
except zkdl.errors.ZkError as error:
    answer = [error.code]
outside = {{name.split(".")[0] for name, module in sys.modules.items() if module is not None}}
print(json.dumps([answer, get_backend().name, seen, sorted(outside)]))
"""


def verify_alone(proof: Path, folder: Path, extra: str = "", **options: Any) -> tuple[list[Any], list[Any]]:
    """Answer of `zkdl.verify` in a read-only folder, and what it tried that a verifier need not do."""
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "USERPROFILE", "TMPDIR")}
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    command = [sys.executable, "-B", "-c", ALONE.format(extra=extra), str(proof.absolute()), json.dumps(options)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    answer, backend, seen, outside = json.loads(done.stdout)
    assert backend == "numpy"
    assert not {"torch", "cupy", "scipy", "click", "rich", "safetensors"} & set(outside)
    return answer, seen


def test_a_stranger_verifies(finished: Finished, tmp_path: Path) -> None:
    answer, seen = verify_alone(finished.proof, tmp_path / "cwd")
    assert answer[:3] == [True, True, []] and "6 steps" in answer[3]
    assert seen == []


def test_an_auditor_verifies(finished: Finished, tmp_path: Path) -> None:
    """With revealed weights and with the data, still alone."""
    options = {"data": str(finished.data), "data_key": finished.data_key.read_bytes().hex()}
    answer, seen = verify_alone(finished.proof, tmp_path / "cwd", weights=str(finished.weights), **options)
    assert sorted(answer[2]) == ["data", "weights"] and seen == []


def test_a_stranger_rejects(finished: Finished, tmp_path: Path) -> None:
    changed = bytearray(finished.proof.read_bytes())
    changed[-100] ^= 1
    (tmp_path / "p").write_bytes(bytes(changed))
    answer, seen = verify_alone(tmp_path / "p", tmp_path / "cwd")
    assert len(answer) == 1 and seen == []


@pytest.mark.parametrize(
    ("extra", "event"),
    [
        ("open(os.devnull, 'w').close()", "open"),
        ("import _socket; _socket.socket().close()", "socket.__new__"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
    ],
)
def test_the_watch_sees(finished: Finished, tmp_path: Path, extra: str, event: str) -> None:
    """The three tests above can fail."""
    assert event in [name for name, _ in verify_alone(finished.proof, tmp_path / "cwd", extra)[1]]
