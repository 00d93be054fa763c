"""Byte strings that nobody should have to read for long, and a process that feeds them to the three readers."""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zkdl.proof.format import canonical_json
from zkdl.statement import bounds, initialisation
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

SIZE = 100_000_000
HEADER = 16 << 20
MARKS = 1 << 19

# Forks for every case after the imports: peak memory and time are those of one case, and no interpreter starts anew.
SERVER = """
import contextlib, json, os, sys, tempfile, time
import zkdl.cli.inspect, zkdl.cli.verify
from zkdl.cli.main import cli
from zkdl.reference.verifier import main

def run(program, path):
    if program == "refverify":
        return main([path])
    options = ["--security"] if program == "security" else []
    verb = "verify" if program == "verify" else "inspect"
    try:
        cli.main([verb, path, "--json", *options], standalone_mode=False)
    except SystemExit as done:
        return done.code or 0
    return 0

for line in sys.stdin:
    program, path = json.loads(line)
    out = tempfile.TemporaryFile()
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        status = 99
        try:
            status = run(program, path)
            sys.stdout.flush()
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status, used = os.wait4(child, 0)
    # Of this process alone, wherever other processes take the machine; and no more than it took.
    seconds = min(time.perf_counter() - started, used.ru_utime + used.ru_stime)
    out.seek(0)
    said = out.read(4000).decode(errors="replace")
    print(json.dumps([os.waitstatus_to_exitcode(status), said, seconds, used.ru_maxrss / 1024]), flush=True)
"""


@dataclass(frozen=True)
class Answer:
    """What a reader did with a file."""

    status: int
    said: str
    seconds: float
    megabytes: float


class Server:
    """Feeds files to `verify`, `refverify`, `inspect` and `security` (inspect --security)."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __call__(self, program: str, path: Path) -> Answer:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([program, str(path)]) + "\n")
        self.process.stdin.flush()
        return Answer(*json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.communicate()


def start(header: bytes, version: int = 1, length: int | None = None) -> bytes:
    return b"ZKDLPROF" + struct.pack("<II", version, len(header) if length is None else length) + header


def filled(before: bytes, unit: bytes, after: bytes, marks: int = MARKS, size: int = HEADER) -> bytes:
    """As many units, separated by commas, as a header may hold."""
    each = 1 + unit.count(b",") + unit.count(b"[") + unit.count(b"{")
    count = min((size - len(before) - len(after)) // (len(unit) + 1), (marks - 40) // each)
    return start(before + b",".join([unit] * count) + after)


FIELDS = b'{"protocol":"zkdl/run/1","run":'
END = b',"sections":[],"segments":[]}'

# Without a proof to start from.
BARE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "zeros": lambda: bytes(SIZE),
    "ones": lambda: b"\xff" * SIZE,
    "random": lambda: os.urandom(SIZE),
    "text": lambda: (b"{" * 10 + b'"a":1,') * (SIZE // 16),
    "gzip": lambda: gzip.compress(bytes(1 << 20)) * 1000,
    "magic-zeros": lambda: b"ZKDLPROF" + bytes(SIZE),
    "magic-random": lambda: start(os.urandom(SIZE), length=HEADER),
    "longest-length": lambda: start(bytes(SIZE), length=2**32 - 1),
    "truncated": lambda: start(b"{", length=HEADER),
    "version": lambda: start(bytes(SIZE), version=2**32 - 1),
    "deep-lists": lambda: start(b"[" * MARKS),
    "deep-closed": lambda: start(b"[" * (MARKS // 2) + b"]" * (MARKS // 2)),
    "deep-objects": lambda: start(b'{"a":' * MARKS),
    "deep-brackets-beyond": lambda: start(b"[" * HEADER),
    "nested-below-the-recursion-limit": lambda: start(FIELDS + b"[" * 900 + b"]" * 900 + END),
    "huge-integer": lambda: start(b"1" * 1_000_000),
    "huge-negative": lambda: start(FIELDS + b"-" + b"9" * (HEADER - 200) + END),
    "long-integers": lambda: filled(FIELDS + b"[", b"9" * 79, b"]" + END),
    "integers-of-4000-digits": lambda: filled(FIELDS + b"[", b"9" * 4000, b"]" + END),
    "integers": lambda: filled(FIELDS + b"[", b"0", b"]" + END),
    "integers-beyond": lambda: filled(FIELDS + b"[", b"0", b"]" + END, HEADER),
    "pairs": lambda: filled(FIELDS + b'{"schedule":[', b"[0,1]", b"]}" + END),
    "empty-objects": lambda: filled(FIELDS + b"[", b"{}", b"]" + END),
    "empty-lists": lambda: filled(FIELDS + b"[", b"[]", b"]" + END),
    "strings": lambda: filled(FIELDS + b"[", b'"' + b"a" * 13 + b'"', b"]" + END),
    "long-string": lambda: start(FIELDS + b'"' + b"a" * (HEADER - 200) + b'"' + END),
    "escapes": lambda: start(FIELDS + b'"' + b"\\u0000" * 2_700_000 + b'"' + END),
    "many-keys": lambda: start(b"{" + b",".join(b'"%d":0' % i for i in range(MARKS - 10)) + b"}"),
    "one-key-often": lambda: filled(b"{", b'"protocol":0', b"}"),
    "objects-of-one-key": lambda: filled(FIELDS + b"[", b'{"a":0}', b"]" + END),
    "tiny-sections": lambda: filled(b'{"protocol":"zkdl/run/1","run":{},"sections":[', b'["",0]', b'],"segments":[]}'),
    "white-space": lambda: start(b" " * (HEADER - 2) + b"{}"),
    "not-a-number": lambda: start(FIELDS + b"NaN" + END),
    "infinity": lambda: start(FIELDS + b"-Infinity" + END),
    "exponent": lambda: start(FIELDS + b"1e999999999" + END),
    "long-float": lambda: start(FIELDS + b"0." + b"3" * (HEADER - 200) + END),
    "minus-zero": lambda: start(FIELDS + b"-0" + END),
    "not-utf8": lambda: start(b'{"\xff\xfe":0}'),
    "utf16": lambda: start(b"\xff\xfe" + "{}".encode("utf-16-le") * 1_000_000),
    "lone-surrogate": lambda: start(FIELDS + b'"\\ud800"' + END),
    "null-bytes": lambda: start(bytes(HEADER)),
}


def _split(proof: bytes) -> tuple[dict[str, Any], bytes]:
    end = 16 + int.from_bytes(proof[12:16], "little")
    found = json.loads(proof[16:end])
    assert isinstance(found, dict)
    return found, proof[end:]


def _many_segments(header: dict[str, Any], first_steps: Callable[[int], int], count: int) -> None:
    """So many segments, each as expensive as the rules allow, under a schedule of the greatest length."""
    run, segment = header["run"], header["segments"][0]
    layers = len(run["widths"]) - 1
    run["steps"], run["schedule"], run["batch"] = 1 << 30, [[i, (1 << 28) + i] for i in range(1 << 16)], 16
    header["segments"] = [
        {**segment, "index": i, "first_step": first_steps(i), "steps": (1 << 16) // layers} for i in range(count)
    ]
    header["sections"] = [
        header["sections"][0], *([f"segment-{i}", 0] for i in range(count)), ["dataset", 0]
    ]  # fmt: skip


def large_data(header: dict[str, Any], examples: int, features: int, classes: int) -> dict[str, Any]:
    """A statement that keeps every rule of a run, about data as large as a verifier looks at."""
    run = header["run"]
    run["examples"], run["widths"] = examples, [features, *run["widths"][1:-1], classes]
    run["init_weight_bound"] = list(initialisation.bound(RunStatement.from_json(run)))
    header["segments"][0]["w_in"]["weight_bound"] = run["init_weight_bound"]
    header["segments"] = header["segments"][:1]
    header["sections"] = [header["sections"][0], header["sections"][-2], header["sections"][-1]]
    return header


def many_large_sizes(header: dict[str, Any], count: int) -> bytes:
    """Segments that keep every rule, each of another size and with tables of the greatest length."""
    run, first = header["run"], header["segments"][0]
    layers, form = len(run["widths"]) - 1, run["format"]
    run["batch"], run["steps"], run["schedule"], form["headroom_bits"] = 1, 1 << 20, [[0, 1 << 28]], 8
    first["limbs"] = {
        "e_forward": 12 - form["activation_bits"],
        "e_backward": 13 - form["gradient_bits"] if layers > 1 else 0,
        "low_bits": 21,
    }
    before, step, segments = {**first["w_in"]}, 0, []
    for i in range(count):
        statement = {**first, "index": i, "first_step": step, "steps": 1000 - i, "w_in": before}
        after = SegmentStatement.from_json(statement).w_in
        scales = SegmentStatement.from_json(statement).scales
        weights, biases = bounds.grow(RunStatement.from_json(run), scales, step, 1000 - i, after)
        step += 1000 - i
        before = {"root": "ab" * 32, "weight_bound": list(weights), "bias_bound": list(biases), "step": step}
        segments.append({**statement, "w_out": before})
    header["segments"] = segments
    header["sections"] = [["data", 1], *([f"segment-{i}", 1] for i in range(count)), ["dataset", 1]]
    return start(canonical_json(header)) + bytes(count + 2)


def derived(proof: bytes) -> Iterator[tuple[str, bytes]]:
    """Hostile relatives of a true proof. No header is the true one, except where garbage follows it or stands in its place."""
    header, body = _split(proof)
    whole = len(proof) - len(body)
    yield "garbage-for-sections", proof[:whole] + os.urandom(SIZE - whole)
    yield "zeros-for-sections", proof[:whole] + bytes(SIZE - whole)
    yield "garbage-behind", proof + os.urandom(SIZE - len(proof))
    yield "truncated-section", proof[:-1]
    (first, size), *others = header["sections"]
    yield "garbage-behind-the-first-section", proof[: whole + size] + os.urandom(SIZE - whole - size)
    changed = {**header, "sections": [[name, (1 << 48) - 1] for name, _ in header["sections"]]}
    yield "endless-sections", start(canonical_json(changed)) + os.urandom(SIZE)
    changed = {**header, "sections": [[first, 0], *others]}
    yield "empty-section", start(canonical_json(changed)) + os.urandom(SIZE)
    raw = proof[16:whole]
    yield "key-twice", start(raw[:-1] + b',"protocol":"zkdl/run/1"}') + body
    yield "unsorted", start(json.dumps(dict(reversed(header.items())), separators=(",", ":")).encode()) + body
    count = (MARKS - 3 * (1 << 16)) // 50
    for name, steps, number in (
        ("overlapping-segments", lambda i: 0, 4000),
        ("segments-of-one-step-apart", lambda i: i, 4000),
        ("as-many-segments-as-fit", lambda i: 16 * i, count),
    ):
        changed = json.loads(raw)
        _many_segments(changed, steps, number)
        yield name, start(canonical_json(changed))
    changed = json.loads(raw)
    _many_segments(changed, lambda i: 0, 1)
    yield "one-long-segment", start(canonical_json(changed)) + body
    yield "many-large-sizes", many_large_sizes(json.loads(raw), 20)
    for examples, features, classes in ((1 << 26, 4080, 16), (1 << 10, 60000, 16), (1 << 22, 1, 2)):
        changed = large_data(json.loads(raw), examples, features, classes)
        changed["sections"] = [["data", SIZE], *([name, 1] for name, _ in header["sections"][1:])]
        garbage = os.urandom(SIZE + len(header["sections"]) - 1)
        yield f"garbage-for-{examples}-x-{features}", start(canonical_json(changed)) + garbage
    changed = json.loads(raw)
    changed["run"]["widths"] = [2] * 257
    changed["run"]["bias"] = [1] * 256
    yield "deep-network", start(canonical_json(changed)) + body
