"""Verifying in a container that allows nothing: no writable file system, no network, no home, an unknown user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import Finished

ROOT = Path(__file__).resolve().parents[2]
VERIFIERS = {
    "zkdl verify": ["-m", "zkdl.cli.main", "verify", "-"],
    "zkdl.proof": ["-m", "zkdl.proof", "-"],
    "zkdl-refverify": ["-m", "zkdl.reference.verifier", "-"],
}
UNKNOWN_USER = 64321
# Mounts are private to the namespace. What cannot be remounted is not a file system of files; the writes must then fail.
READ_ONLY = """
while read -r _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null; done < /proc/self/mounts
for place in "$@"; do
  if touch "$place/zkdl-probe" 2>/dev/null; then echo "still writable: $place"; rm "$place/zkdl-probe"; exit 99; fi
  [ "$place" = -- ] && break
done
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
# No module that a verifier has no use for; any socket, write or child process ends the process with status 98.
ALONE = """
import os, runpy, sys
for name in {blocked!r}:
    sys.modules[name] = None
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event.startswith(("socket.", "subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.mkdir")):
        os.write(2, f"forbidden: {{event}} {{arguments}}".encode())
        os._exit(98)
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
HEAVY = ["torch", "cupy", "scipy", "safetensors", "zkdl.train", "zkdl.session"]
POSIX = ["fcntl", "resource", "pwd", "grp", "termios"]


def environment(**more: str) -> dict[str, str]:
    """No home, no place for temporary files, no cache."""
    path = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": path, "TMPDIR": os.devnull + "/none", **more}


def run(command: list[str], proof: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    with proof.open("rb") as stream:
        return subprocess.run(
            command, stdin=stream, env=environment(), cwd=cwd, capture_output=True, text=True, check=False, timeout=120
        )


def accepted(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout.lower()


def altered(finished: Finished, tmp_path: Path) -> Path:
    changed = bytearray(finished.proof.read_bytes())
    changed[-100] ^= 1
    (tmp_path / "changed").write_bytes(bytes(changed))
    return tmp_path / "changed"


def namespaces(*more: str) -> list[str]:
    """A command that runs its arguments without network and with its own mounts, or a skip where that is not allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare here")
    own = [unshare, "-mn"] if os.getuid() == 0 else [unshare, "-rmn"]
    if subprocess.run([*own, "true"], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip("no namespaces here")
    return [*own, "sh", "-c", READ_ONLY, "sh", *more, "--"]


@pytest.mark.parametrize("name", VERIFIERS)
def test_a_read_only_file_system_without_network(finished: Finished, tmp_path: Path, name: str) -> None:
    places = [str(tmp_path), "/tmp", "/", "/dev/shm", str(ROOT)]
    inside = namespaces(*(place for place in places if os.access(place, os.W_OK)))
    command = [*inside, sys.executable, *VERIFIERS[name]]
    accepted(run(command, finished.proof, tmp_path))
    assert run(command, altered(finished, tmp_path), tmp_path).returncode == 1


def test_the_probe_of_the_file_system_can_fail(finished: Finished, tmp_path: Path) -> None:
    """A mount made after the others were closed is writable, and the script says so."""
    inside = namespaces(str(tmp_path))
    script = READ_ONLY.replace("for place", f"mount -t tmpfs none {tmp_path}\nfor place", 1)
    command = [script if part == READ_ONLY else part for part in inside]
    done = run([*command, "true"], finished.proof, Path("/"))
    assert done.returncode == 99 and "still writable" in done.stdout


@pytest.mark.parametrize("name", VERIFIERS)
def test_a_user_without_an_entry(finished: Finished, name: str) -> None:
    """Not root, no line in passwd, no home; the proof comes from the pipe."""
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0 or setpriv is None:
        pytest.skip("only root can become somebody else")
    become = [setpriv, f"--reuid={UNKNOWN_USER}", f"--regid={UNKNOWN_USER}", "--clear-groups", "--no-new-privs"]
    seen = subprocess.run(
        [*become, sys.executable, "-c", "import zkdl.reference"], env=environment(), cwd="/", capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    if seen.returncode:
        pytest.skip("this installation can be read by its owner only")
    accepted(run([*become, sys.executable, *VERIFIERS[name]], finished.proof, Path("/")))


@pytest.mark.parametrize("name", VERIFIERS)
def test_nothing_is_asked_of_the_system(finished: Finished, tmp_path: Path, name: str) -> None:
    """No write, socket or child process, and no module that only Unix has: so also where no namespaces can be made."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    folder.chmod(0o500)
    blocked = [*HEAVY, *POSIX] if name == "zkdl verify" else [*HEAVY, *POSIX, "click", "rich", "zkdl._native"]
    blocked = [*blocked, "numpy"] if name == "zkdl-refverify" else blocked
    command = [sys.executable, "-B", "-c", ALONE.format(blocked=blocked), *VERIFIERS[name][1:]]
    accepted(run(command, finished.proof, folder))
    assert run(command, altered(finished, tmp_path), folder).returncode == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("code", ["import socket; socket.socket()", "open('x', 'w')", "import os; os.fork()"])
def test_the_watch_sees(tmp_path: Path, code: str) -> None:
    (tmp_path / "busy.py").write_text(code)
    script = ALONE.format(blocked=[])
    done = subprocess.run([sys.executable, "-B", "-c", script, "busy"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 98 and b"forbidden" in done.stderr
