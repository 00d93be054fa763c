"""docs/policy.md agrees with the release, the configuration of the wheels and the workflows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import zkdl
from zkdl.proof.format import FORMAT_VERSION

ROOT = Path(__file__).resolve().parents[2]
POLICY = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_this_release_is_in_the_table() -> None:
    release = ".".join(zkdl.__version__.split(".")[:2])
    row = re.search(rf"^\| {re.escape(release)} \| (\d+) \| ([\d, ]+) \|$", POLICY, re.MULTILINE)
    assert row is not None and int(row[1]) == FORMAT_VERSION
    assert FORMAT_VERSION in [int(number) for number in row[2].split(",")]
    assert PROJECT["project"]["version"] == zkdl.__version__


def test_public_names_exist() -> None:
    line = next(line for line in POLICY.splitlines() if line.startswith("| Python |"))
    names = re.findall(r"`zkdl\.(\w+)`", line)
    assert {"Run", "MLP", "verify"} <= set(names)
    assert all(name == "errors" or hasattr(zkdl, name) for name in names)


def test_paths_exist() -> None:
    for name in re.findall(r"`((?:src|tests|docs|\.github)/[\w./-]+)`", POLICY):
        assert (ROOT / name).exists(), name


def test_wheels_are_what_the_policy_says() -> None:
    wheels = PROJECT["tool"]["cibuildwheel"]
    assert wheels["build"] == ["cp311-*", "cp312-*"] and PROJECT["tool"]["scikit-build"]["wheel"]["py-api"] == "cp312"
    assert "glibc 2.28" in POLICY and wheels["manylinux-x86_64-image"] == "manylinux_2_28"
    assert "musl 1.2" in POLICY and wheels["musllinux-x86_64-image"] == "musllinux_1_2"
    target = wheels["macos"]["environment"]["MACOSX_DEPLOYMENT_TARGET"]
    assert f"macOS {target.removesuffix('.0')} or later" in POLICY
    for command in wheels["test-command"]:
        for path in re.findall(r"\{project\}/(\S+)", command):
            assert (ROOT / path).exists()


def test_the_wheel_for_every_machine_is_built_as_it_is_tested() -> None:
    workflow = (ROOT / ".github" / "workflows" / "wheels.yml").read_text(encoding="utf-8")
    tested = (ROOT / "tests" / "e2e" / "test_fallback_install.py").read_text(encoding="utf-8")
    for option in ("cmake.define.NATIVE=OFF", "wheel.py-api=py3", "wheel.platlib=false"):
        assert option in workflow and option in tested


def test_no_secret_is_needed_to_publish() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert "secrets." not in text and "contents: read" in text
    assert (ROOT / "src" / "zkdl" / "py.typed").exists()
