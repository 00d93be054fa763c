"""What the sections of a run open: their secrets, their entries in the journal, and how many openings are left.

A section's secret follows from the run's master secret, its name, the protocol and the release. The same release repeats
the same section byte for byte, in every copy of the run directory; another release, whose messages may differ, gets
unrelated masks and counts as one more opening.
"""

from __future__ import annotations

import hashlib
from threading import Lock

from zkdl import __version__
from zkdl.errors import ResourceError, UsageError
from zkdl.proof.data_proof import DATASET_PROTOCOL
from zkdl.proof.public import PROTOCOL
from zkdl.proof.run_certificates import DATA_PROTOCOL, INITIAL_PROTOCOL
from zkdl.rundir import RunDirectory
from zkdl.statement.run import RunStatement

PROTOCOLS = {"data": DATA_PROTOCOL, "initial": INITIAL_PROTOCOL, "dataset": DATASET_PROTOCOL}

# To be raised whenever the bytes of a proof change for the same secret and statement: other challenges under the same pads
# would show what the pads hide. `test_reuse.py` pins the bytes of a proof.
PROVER_REVISION = 2


def _prover() -> str:
    return f"{__version__}+{PROVER_REVISION}"


def _protocol(name: str) -> str:
    """Of a section; data proofs are called dataset-<number of segments>."""
    return PROTOCOLS.get(name.partition("-")[0], PROTOCOL)


class Openings:
    """The journal of one run, read when this is made; the directory must be locked.

    Raises: UsageError(RUN_DAMAGED) without a journal, UsageError(JOURNAL) when it is shorter than what was proven.
    """

    def __init__(self, directory: RunDirectory, run: RunStatement) -> None:
        self._directory = directory
        self._run = run
        self._journal = directory.journal()
        self._lock = Lock()
        proven = sum(path.stem.startswith("data") for path in (directory.path / "sections").glob("*.bin"))
        if self._journal.used(run.data_root) < proven:
            raise UsageError(
                "the record of spent openings lacks openings of finished sections",
                code="JOURNAL",
                hint="Restore it; without it nothing may be opened, so otherwise start again in a new directory",
                file=str(directory.path / "journal.jsonl"),
            )

    def secret(self, name: str) -> bytes:
        """The secret of a section: all its masks, pads and salts derive from it."""
        return self._directory.key(f"section-{name}/{_protocol(name)}/{_prover()}")

    def link_key(self, name: str) -> bytes:
        """The secret of a segment's link: the same in every release, because a later one may prove the data."""
        return self._directory.key(f"link-{name}")

    def proof_id(self, name: str, digest: bytes) -> str:
        """What the journal calls the proof of a section whose statement has this digest."""
        place = f"{name}\0{_protocol(name)}\0{_prover()}\0".encode()
        return hashlib.sha256(place + digest + hashlib.sha256(self.secret(name)).digest()).hexdigest()

    def reserve(self, name: str, digest: bytes, roots: list[tuple[str, int]]) -> None:
        """Spend one opening of each (root, budget) on a section. Raises ResourceError(BUDGET)."""
        with self._lock:
            for root, budget in roots:
                self._journal.reserve(root, self.proof_id(name, digest), budget)

    def _is_paid(self, name: str, digest: bytes) -> bool:
        done = self._directory.section(name).exists()
        return done or self._journal.holds(self._run.data_root, self.proof_id(name, digest))

    def check_next_segment(self, step: int, certificate: bytes) -> None:
        """Raises ResourceError(BUDGET) when a segment that begins after `step` steps could not be proven.

        certificate: digest of the data certificate's statement.

        One data proof covers all segments, so a run may be cut into any number of them. But every container with other
        segments than the ones before has a data proof of its own, and opens the dataset once more.
        """
        run = self._run
        owed = 2 - self._is_paid("data", certificate)
        if self._journal.used(run.data_root) + owed > run.data_budget:
            raise ResourceError(
                f"the dataset may be opened {run.data_budget} times, too few to prove another segment",
                code="BUDGET",
                hint="What was proven stays proven; for more steps begin a new run, and prove it less often",
                step=step,
            )
