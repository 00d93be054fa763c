"""How much memory a run's proofs need, and what goes to disk when that is more than there may be.

Sizes follow from the statement; constants count what the code holds at once, see each function. The steps of the plan are
tried in order, cheapest first: everything in memory; codes of commitments encoded again when they are opened; the large
tables of the fraction trees on disk; the columns of the witness on disk as well. Proofs are the same bytes in every case.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from zkdl.backend.device_codes import CODE_BYTES
from zkdl.backend.scratch import KEPT_CODE_BYTES, SMALL_TABLE_BYTES, Scratch, Storage
from zkdl.commitment.parameters import CodeShape, ParameterSet
from zkdl.proof.certificate import CertificateLayout
from zkdl.proof.data_proof import DataProofLayout, data_proof_layout
from zkdl.proof.public import SegmentPublic, segment_public
from zkdl.proof.run_certificates import data_certificate_layout, initial_certificate_layout
from zkdl.protocols.lookup import LeafLayout
from zkdl.statement.run import RunStatement
from zkdl.statement.segment import SegmentStatement

# Stored layers begin with a quarter of the leaves, 32 bytes each, and halve.
TREE_BYTES_PER_LEAF = 16
INTERPRETER_BYTES = 72 << 20  # Python, NumPy, the modules, and what small objects take
STREAMED_BYTES = 240  # per position of a code that is not kept: sixteen rows of it, and a hash state
DIGESTS_BYTES = 160  # per position: salts, leaves, inner nodes; masks and their tree
SMALL_CODE_BYTES = 64 << 20  # kept in any case
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
LEAST_WINDOW_BYTES = 64 << 20
# Measured: what lies between freed blocks and cannot be used again; what kernels map between two looks at the window.
FRAGMENTED, OVERSHOOT_BYTES = 1.1, 48 << 20
# Measured, of training: bytes of the process; the data in units of themselves, while they are written and while steps run;
# bytes per weight and per value of a layer.
TRAINER_BYTES, DATA_WRITTEN, DATA_KEPT, PER_WEIGHT, PER_VALUE = 58 << 20, 2.5, 2.0, 68, 78


@dataclass(frozen=True)
class Level:
    """One choice of what is in memory. Attributes as of `scratch.Storage`."""

    columns: bool
    tables: bool
    kept_code_bytes: int


LEVELS = (
    Level(False, False, KEPT_CODE_BYTES),
    Level(False, False, SMALL_CODE_BYTES),
    Level(False, True, SMALL_CODE_BYTES),
    Level(True, True, SMALL_CODE_BYTES),
)


@dataclass(frozen=True)
class Need:
    """Bytes in memory and in scratch files while something is proven."""

    memory: int
    disk: int


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything goes.

    Attributes:
        level: the choice; sections: what each kind of section then needs, without the window.
        window_bytes: pages of scratch files that may be in memory, in addition; 0 without such files.
    """

    level: Level
    sections: dict[str, Need]
    window_bytes: int

    @property
    def memory_bytes(self) -> int:
        """At most, with the window as far as it is used."""
        return max(_resident(need) + min(self.window_bytes, need.disk) for need in self.sections.values())

    @property
    def disk_bytes(self) -> int:
        """Of scratch files, at most."""
        return max(need.disk for need in self.sections.values())

    @contextmanager
    def storage(self, folder: Path) -> Iterator[Storage]:
        """For the time of proving; scratch files are in `folder`. Raises: ResourceError(DISK_FULL), UsageError(FILE_WRITE)."""
        if not self.disk_bytes:
            yield Storage(kept_code_bytes=self.level.kept_code_bytes)
            return
        scratch = Scratch(folder, self.window_bytes)
        scratch.check(self.disk_bytes)
        with scratch.watched():
            yield Storage(scratch, self.level.columns, self.level.tables, self.level.kept_code_bytes)


def _resident(need: Need) -> int:
    """Of the process, without the window."""
    return int(FRAGMENTED * need.memory) + (OVERSHOOT_BYTES if need.disk else 0)


def machine_bytes() -> int:
    """Memory that proofs may take when nobody says: most of the machine's, or of the container's where that has a limit."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        whole = min(whole, int(CONTAINER_LIMIT.read_bytes()))
    except (OSError, ValueError):
        pass  # no such file, or the word "max"
    return whole * 9 // 10


def training_bytes(run: RunStatement) -> int:
    """Memory of `zkdl train`: the caller's data and those of the run directory, then the weights in all their forms."""
    data = _data(run)
    steps = DATA_KEPT * data + PER_WEIGHT * run.weight_count + PER_VALUE * run.batch * sum(run.widths)
    return int(TRAINER_BYTES + max(DATA_WRITTEN * data, steps))


def allowed_bytes(max_memory: int | None) -> int:
    """What proofs may take: the user's limit, or most of what this machine has."""
    return machine_bytes() if max_memory is None else max_memory


def code_bytes(code: CodeShape, level: Level) -> int:
    """What a commitment holds besides its matrix."""
    whole = 8 * code.rows * code.domain
    kept = whole if whole <= level.kept_code_bytes else STREAMED_BYTES * code.domain
    return kept + 8 * code.rows * code.random + DIGESTS_BYTES * code.domain


def tree(leaves: LeafLayout, level: Level) -> Need:
    """A tree of fractions. Tables that are small stay in memory: one layer's with its folds, and all layers above."""
    whole = TREE_BYTES_PER_LEAF * leaves.leaves
    if not level.tables:
        return Need(whole, 0)
    small = min(whole, 4 * SMALL_TABLE_BYTES)
    return Need(small, whole - small)


def _data(run: RunStatement) -> int:
    """Features and labels, int32."""
    return 4 * run.examples * (run.widths[0] + 1)


def segment(public: SegmentPublic, level: Level) -> Need:
    """One segment from committed weights."""
    run, layout = public.run, public.layout
    code, weights = layout.code, layout.weights.code
    row = 4 * code.row
    virtual = sum(row * column.rows for (name, _), column in layout.columns.items() if name in ("z_hi", "p_hi", "q"))
    columns = row * code.rows + virtual
    # Both ends as integers, their matrices, their codes.
    held = 16 * run.weight_count + 16 * weights.rows * weights.row + 2 * code_bytes(weights, level)
    slots = 4 * run.widths[0] << (layout.log_steps + layout.log_batch)
    fractions = tree(layout.leaves, level)
    # While steps run: float64 copies of the weights, in one limb or two; the features once more in the other order.
    running = 16 * run.weight_count + slots
    proving = code_bytes(code, level) + fractions.memory
    memory = INTERPRETER_BYTES + _data(run) + held + slots + max(running, proving)
    disk = fractions.disk
    if level.columns:
        disk += columns
    else:
        memory += columns
    return Need(memory, disk)


# Half as much again as the stored layers while one of them is padded. Per position of the code: salts, the tree's nodes, hash
# states, powers.
ON_DEVICE_BYTES_PER_LEAF, ON_DEVICE_BYTES = 24, 256


def on_device(public: SegmentPublic, code_bytes: int = CODE_BYTES) -> int:
    """Bytes of a GPU's memory while a segment is proven: what is looked up, the fraction tree, folds, a block of the code."""
    layout, run = public.layout, public.run
    slots = 1 << (layout.log_steps + layout.log_batch)
    # What is committed, and what is looked up besides: leaves are made of both.
    code, row = layout.code, 4 * layout.code.row
    looked_up = sum(row * lookup.rows * len(lookup.fields) for lookup in layout.leaves.lookups)
    looked_up += sum(row * table.rows * len(table.table.columns) for table in layout.leaves.tables)
    columns = row * code.rows + 4 * run.widths[0] * slots + ON_DEVICE_BYTES * code.domain
    tree_bytes = ON_DEVICE_BYTES_PER_LEAF * layout.leaves.leaves + looked_up
    # Activations and weights of both directions at every step, and what the first round of their sumcheck makes of them.
    folds = 6 * 16 * sum(run.widths) << layout.log_steps
    return int(FRAGMENTED * (columns + max(tree_bytes, folds) + 3 * max(code_bytes, 64 * code.domain)))


def longest_on_device(
    run: RunStatement, segment: SegmentStatement, limit: int, parameters: ParameterSet, code_bytes: int = CODE_BYTES
) -> tuple[int, int] | None:
    """Steps and bytes of the longest segment of a power of two of steps that fits; None when one step does not."""
    steps = 1 << max(0, segment.steps - 1).bit_length()
    while steps >= 1:
        needed = on_device(segment_public(run, replace(segment, steps=steps), parameters), code_bytes)
        if needed <= limit:
            return steps, needed
        steps //= 2
    return None


def certificate(run: RunStatement, layout: CertificateLayout, level: Level, item: int) -> Need:
    """The certificate of a commitment whose matrix has `item` bytes per value; every looked-up value as int32."""
    target, own, leaves = layout.target, layout.code, layout.leaves
    fractions = tree(leaves, level)
    # One range without an offset is looked up where it lies.
    copied = sum(len(r.limbs) * r.rows for r in layout.ranges if r.offset or len(r.limbs) > 1 or item != 4)
    values = item * target.rows * target.row + 4 * (copied + own.rows) * target.row
    memory = values + code_bytes(target, level) + code_bytes(own, level) + fractions.memory
    return Need(INTERPRETER_BYTES + _data(run) + memory, fractions.disk)


def data_proof(layout: DataProofLayout, level: Level) -> Need:
    """The dataset, and for every segment its vectors over the examples, each with a folded row, half of both bound."""
    vectors = 2 if layout.values == 3 else 3
    folded = 48 * layout.segments * vectors * layout.dataset.padded_examples
    code, links = layout.dataset.code, layout.links
    matrix = 4 * code.rows * code.row
    # The dataset's code is not kept between sections. Every link has a tree of its own.
    streamed = Level(level.columns, level.tables, 0)
    trees = layout.segments * DIGESTS_BYTES * links.domain + 8 * links.rows * (links.row + links.random + links.domain)
    memory = INTERPRETER_BYTES + _data(layout.run) + matrix + code_bytes(code, streamed) + trees
    on_disk = level.tables and folded > SMALL_TABLE_BYTES
    return Need(memory, folded) if on_disk else Need(memory + folded, 0)


def memory_plan(
    run: RunStatement, public: SegmentPublic, segments: int, limit: int, parameters: ParameterSet
) -> MemoryPlan:
    """The first level that fits into `limit` bytes; when none does the last one, which then exceeds the limit.

    Args:
        public: the largest segment. segments: how many there will be.
    """
    found = [_at(run, public, segments, limit, parameters, level) for level in LEVELS]
    return next((plan for plan in found if plan.memory_bytes <= limit), found[-1])


def _at(
    run: RunStatement, public: SegmentPublic, segments: int, limit: int, parameters: ParameterSet, level: Level
) -> MemoryPlan:
    sections = {
        "data": certificate(run, data_certificate_layout(run, parameters), level, 4),
        "segment": segment(public, level),
        "dataset": data_proof(data_proof_layout(run, segments, parameters), level),
    }
    if run.init_root is not None:
        sections["initial"] = certificate(run, initial_certificate_layout(run, parameters), level, 8)
    on_disk = [need for need in sections.values() if need.disk]
    # What is left of the limit saves faults: pages that are still mapped need not be fetched again.
    spare = min((limit - _resident(need) for need in on_disk), default=0)
    window = max(LEAST_WINDOW_BYTES, spare) if on_disk else 0
    return MemoryPlan(level, sections, window)
