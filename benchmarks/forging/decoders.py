"""Every reader of files that somebody else may have written, with files that it takes.

A reader refuses with an error of its own, or reads. Anything else that comes out of it is a crash, `InternalError` too. Two of
them also know a truth: weights and data that are not the committed ones must not be taken for them.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from tests.support.container import SMALL, SMALL_SCALES
from tests.support.tiny import KEYS, TINY, Tiny, tiny_run

from benchmarks.forging.base import ACCEPTED, DECODED, READERS, Random, folder, refusal
from benchmarks.forging.mutations import mutated, mutated_text
from zkdl.configuration import read_configuration
from zkdl.datasets import Dataset, FeatureRule, load, quantise
from zkdl.journal import Journal
from zkdl.proof.format import Header
from zkdl.proof.outside import check_data, check_weights
from zkdl.proof.revealed import read_weights
from zkdl.rundir import RunDirectory, weights_bytes

RULE = FeatureRule(bits=2, frac=2)
FEATURES, LABELS = np.array([[0, 1], [2, 3], [3, 0]], dtype=np.uint8), np.array([0, 1, 1], dtype=np.uint8)
CONFIGURATION = b"""[model]
widths = [2, 3, 2]
bias = [true, false]
loss = "ce"
[data]
train = "a.csv"
feature_bits = 2
[schedule]
lr = 0.25
epochs = 2
batch = 2
changes = [[2, 0.125]]
[formats]
weight_frac = 24
[run]
segment_steps = 4
seed = "s"
"""
# A draft of a network whose layers are larger would cost more than reading its configuration.
SMALL_ENOUGH = 64


@dataclass(frozen=True)
class Decoder:
    """Attributes:
    file: the name of the file that is read.
    read: reads it; the result is whether something false was taken for true.
    seeds: files that are read without an error.
    mutate: changes one; its second argument is another of them.
    wrap: makes the file from the bytes that are changed.
    """

    file: str
    read: Callable[[Path], bool]
    seeds: Callable[[], list[bytes]]
    mutate: Callable[[bytes, bytes, Random], bytes] = mutated
    wrap: Callable[[bytes], bytes] = bytes

    def judge(self, data: bytes) -> str:
        """DECODED, the code of the refusal, OK for something false, or CRASH and what was raised."""
        path = folder() / self.file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.wrap(data))
        forged = False

        def read() -> None:
            nonlocal forged
            forged = self.read(path)

        found = refusal(read, READERS)
        return DECODED if found == ACCEPTED and not forged else found


@cache
def _known() -> tuple[Tiny, Header, bytes]:
    """A run, the header of its proof, and its revealed weights."""
    tiny = tiny_run((2, 2, 2), batch=2, steps=2, examples=3, weight_frac=9, formats=SMALL, scales=SMALL_SCALES)
    _, out = tiny.witness()
    header = Header(tiny.run, [tiny.state(tiny.commit_out(out))], [])
    return tiny, header, weights_bytes(out, tiny.run.format.weight_frac, KEYS["w_out"])


def _weights(path: Path) -> bool:
    tiny, header, revealed = _known()
    check_weights(header, path, TINY, tiny.backend, "0" * 64)
    honest = folder() / "honest.safetensors"
    if not honest.exists():
        honest.write_bytes(revealed)
    return not read_weights(path)[0].equal(read_weights(honest)[0])


def _audited(path: Path) -> bool:
    tiny, header, _ = _known()
    data = quantise(*load(path), tiny.run.classes, FeatureRule(tiny.run.format.feature_bits, 2))
    check_data(header, (data.features, data.labels), KEYS["dataset"], TINY, tiny.backend)
    return not (np.array_equal(data.features, tiny.x) and np.array_equal(data.labels, tiny.y))


def _loaded(path: Path) -> bool:
    quantise(*load(path, path), 2, RULE)
    return False


def _journal(path: Path) -> bool:
    journal = Journal(path)
    journal.used("r")
    journal.holds("r", "p")
    return False


def _configuration(path: Path) -> bool:
    configuration = read_configuration(path)
    steps = configuration.total_steps(len(LABELS))
    configuration.schedule(steps)
    if sum(configuration.widths) <= SMALL_ENOUGH:
        rule = configuration.features or RULE
        configuration.draft(Dataset(FEATURES.astype(np.int32), LABELS.astype(np.int32), rule))
    return False


def _statement(path: Path) -> bool:
    RunDirectory(path.parent).read_statement()
    return False


def _archive(features: np.ndarray, labels: np.ndarray, pack: Callable[..., None] = np.savez) -> bytes:
    buffer = io.BytesIO()
    pack(buffer, features=features, labels=labels)
    return buffer.getvalue()


def _member(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def _around(features: bytes, labels: np.ndarray = LABELS) -> bytes:
    """An archive of these features, with check sums that are right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("features.npy", features)
        archive.writestr("labels.npy", _member(labels))
    return buffer.getvalue()


def _idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def _tables() -> list[bytes]:
    rows = b"".join(b"%d,%d,%d\n" % (*row, label) for row, label in zip(FEATURES, LABELS, strict=True))
    return [rows, b"a,b,label\n" + rows, b"a,b,label\n0.25,0.5,1\n0,0.75,0\n"]


def _statement_file() -> bytes:
    RunDirectory(folder()).write_statement(_known()[0].run, 4)
    return (folder() / "run.json").read_bytes()


def _journal_file() -> bytes:
    return b'{"budget": 2, "proof": "p", "root": "r"}\n{"budget": 2, "proof": "q", "root": "r"}\n'


DECODERS: dict[str, Decoder] = {
    "weights file": Decoder("w.safetensors", _weights, lambda: [_known()[2]], mutated_text),
    "data of an auditor": Decoder(
        "audited.npz",
        _audited,
        lambda: [_member(_known()[0].x)],
        wrap=lambda data: _around(data, _known()[0].y),
    ),
    "data file, IDX": Decoder(
        "d-idx2", _loaded, lambda: [_idx(np.zeros((1, 1), np.uint8)), gzip.compress(_idx(np.ones((1, 1), np.uint8)))]
    ),
    "data file, npz": Decoder(
        "d.npz",
        _loaded,
        lambda: [_archive(FEATURES, LABELS), _archive(FEATURES / 4, LABELS, np.savez_compressed)],
    ),
    "array in an npz": Decoder(
        "e.npz", _loaded, lambda: [_member(FEATURES), _member(FEATURES / 4)], mutated_text, _around
    ),
    "data file, CSV": Decoder("d.csv", _loaded, _tables, mutated_text),
    "journal": Decoder("journal.jsonl", _journal, lambda: [_journal_file()], mutated_text),
    "configuration": Decoder("c.toml", _configuration, lambda: [CONFIGURATION], mutated_text),
    "statement of a run directory": Decoder("run.json", _statement, lambda: [_statement_file()], mutated_text),
}
