"""The bytes of a whole proof container: any change of them, and sections put together in another way, is refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.container import Container, container, status
from tests.support.header import HEAD
from tests.support.tiny import SETS, TINY
from zkdl.proof import certificate, data_proof
from zkdl.proof import verify as verify_module
from zkdl.proof.format import read_header
from zkdl.proof.public import segment_public
from zkdl.proof.security import segment_report
from zkdl.proof.verify import verify

REFUSED = (1, 3)


@dataclass(frozen=True)
class Whole:
    """One container, its bytes, and where the header ends."""

    parts: Container
    data: bytes

    @property
    def header_end(self) -> int:
        return HEAD + int.from_bytes(self.data[12:HEAD], "little")

    @property
    def boundaries(self) -> list[int]:
        """Where the header and every section end."""
        lengths = [len(section) for _, section in self.parts.sections]
        return [self.header_end + sum(lengths[:i]) for i in range(len(lengths) + 1)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    parts = container()
    return Whole(parts, parts.write(tmp_path_factory.mktemp("whole") / "proof"))


def _flipped(data: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)


def _all_refused(whole: Whole, positions: Iterable[int], path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    for position in positions:
        bit = int(random.integers(8))
        found, code = status(path, _flipped(whole.data, position, bit))
        assert found in REFUSED and code, (position, bit, found, code)


def _only_changed_sections(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under one header, sections up to the data proof are verified independently of each other, and it depends on the segments
    as a whole: those that are as they were need no second look.

    The public part of the statement is derived once. Both only save time: what is changed goes through the real verifier.
    """
    known = {section for _, section in whole.parts.sections}

    links = {whole.parts.sections[1 + i][1]: link.public for i, link in enumerate(whole.parts.links)}

    def unless_known(check: Callable[..., Any], source: int) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            data = arguments[source].read(len(whole.data))
            if data in known:
                return links.get(data)
            return check(*arguments[:source], io.BytesIO(data), *arguments[source + 1 :])

        return run

    header = read_header(io.BytesIO(whole.data))
    derived = [segment_public(header.run, segment, TINY) for segment in header.segments]
    reports = [segment_report(public) for public in derived]
    monkeypatch.setattr(verify_module, "segment_public", lambda run, segment, parameters: derived[segment.index])
    monkeypatch.setattr(verify_module, "segment_report", lambda public: reports[public.segment.index])
    monkeypatch.setattr(certificate, "verify", unless_known(certificate.verify, 5))
    monkeypatch.setattr(verify_module, "verify_segment", unless_known(verify_module.verify_segment, 1))
    # Changed bytes of a segment are refused before the data proof's turn comes.
    monkeypatch.setattr(data_proof, "verify", unless_known(data_proof.verify, 3))


def test_the_container_is_accepted(whole: Whole, tmp_path: Path) -> None:
    assert status(tmp_path / "p", whole.data) == (0, "")
    (tmp_path / "p").write_bytes(whole.data)
    assert verify(tmp_path / "p", parameter_sets=SETS).complete


def test_every_kind_of_section_is_accepted(tmp_path: Path) -> None:
    parts = container(seeded=False)
    assert [name for name, _ in parts.sections] == ["data", "initial", "segment-0", "segment-1", "dataset"]
    assert status(tmp_path / "p", parts.write(tmp_path / "w")) == (0, "")


def test_every_byte_of_the_header(whole: Whole, tmp_path: Path) -> None:
    """The header is canonical, so another one is another statement; lengths of sections are exact."""
    _all_refused(whole, range(whole.header_end), tmp_path / "p", 2)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [1, 64, 1 << 20])
def test_declared_lengths_are_exact(whole: Whole, tmp_path: Path, place: int, more: int) -> None:
    """A section that claims more bytes than its proof has: of the next section, or behind the end of the file."""
    name, section = whole.parts.sections[place]
    declared = f'["{name}",{len(section)}]'.encode()
    changed = whole.data[HEAD : whole.header_end].replace(declared, f'["{name}",{len(section) + more}]'.encode())
    length = len(changed).to_bytes(4, "little")
    data = whole.data[: HEAD - 4] + length + changed + whole.data[whole.header_end :]
    assert status(tmp_path / "p", data)[0] == 3


def test_sampled_bytes_of_the_sections(whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _only_changed_sections(whole, monkeypatch)
    places = np.arange(whole.header_end, len(whole.data))
    positions = np.random.default_rng(3).choice(places, size=1200, replace=False).tolist()
    edges = [edge + shift for edge in whole.boundaries for shift in (-1, 0) if edge + shift < len(whole.data)]
    _all_refused(whole, [*edges, *positions], tmp_path / "p", 4)


@pytest.mark.slow
def test_every_byte_of_the_sections(whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _only_changed_sections(whole, monkeypatch)
    _all_refused(whole, range(whole.header_end, len(whole.data)), tmp_path / "p", 6)


def test_truncated_at_every_boundary(whole: Whole, tmp_path: Path) -> None:
    ends = [0, 8, 12, HEAD, *(edge + shift for edge in whole.boundaries for shift in (-1, 0, 1))]
    for end in ends:
        if end < len(whole.data):
            assert status(tmp_path / "p", whole.data[:end])[0] == 3, end


def test_extended(whole: Whole, tmp_path: Path) -> None:
    last = whole.parts.sections[-1][1]
    for more in (b"\0", b"\xff" * 100, last, whole.data):
        assert status(tmp_path / "p", whole.data + more) == (3, "PROOF_TRAILING")
    for place in range(len(whole.parts.sections)):
        for change in (lambda section: section + b"\0", lambda section: section[:-1], lambda section: b""):
            sections = [
                (name, change(section) if i == place else section)
                for i, (name, section) in enumerate(whole.parts.sections)
            ]
            data = whole.parts.write(tmp_path / "w", sections=sections)
            assert status(tmp_path / "p", data)[0] == 3, place


def _bytes_moved(whole: Whole, path: Path) -> Iterable[bytes]:
    """The border between two sections moved in both directions: the same bytes, other lengths."""
    names = [name for name, _ in whole.parts.sections]
    for place in range(len(names) - 1):
        left, right = whole.parts.sections[place][1], whole.parts.sections[place + 1][1]
        for cut in (len(left) - 8, len(left) + 8):
            both = left + right
            bodies = [section for _, section in whole.parts.sections]
            bodies[place], bodies[place + 1] = both[:cut], both[cut:]
            yield whole.parts.write(path, sections=list(zip(names, bodies, strict=True)))


def test_borders_between_sections_are_bound(whole: Whole, tmp_path: Path) -> None:
    for data in _bytes_moved(whole, tmp_path / "w"):
        assert status(tmp_path / "p", data)[0] in REFUSED


def test_sections_of_two_runs(whole: Whole, tmp_path: Path) -> None:
    """Runs that differ in their name alone: same data, same weights, same sizes."""
    other = container(run_id="ef" * 32)
    assert status(tmp_path / "p", other.write(tmp_path / "w")) == (0, "")
    for place, (name, section) in enumerate(other.sections):
        sections = list(whole.parts.sections)
        sections[place] = (name, section)
        found = status(tmp_path / "p", whole.parts.write(tmp_path / "w", sections=sections))
        assert found[0] in REFUSED, name
    mixed = [whole.parts.segments[0], other.segments[1]]
    data = whole.parts.write(tmp_path / "w", segments=mixed, sections=[*whole.parts.sections[:2], *other.sections[2:]])
    assert status(tmp_path / "p", data)[0] in REFUSED


def test_segments_in_another_order(whole: Whole, tmp_path: Path) -> None:
    data, first, second, dataset = (section for _, section in whole.parts.sections)
    one, two = whole.parts.segments
    last = ("dataset", dataset)
    exchanged = [("data", data), ("segment-0", second), ("segment-1", first), last]
    assert status(tmp_path / "p", whole.parts.write(tmp_path / "w", sections=exchanged))[0] in REFUSED
    for segments, proofs in (
        ([two, one], [second, first]),
        ([one, one], [first, first]),
        ([two, two], [second, second]),
        ([one, two, two], [first, second, second]),
        ([one, one, two], [first, first, second]),
        ([], []),
    ):
        sections = [("data", data), *((f"segment-{i}", proof) for i, proof in enumerate(proofs)), last]
        spliced = whole.parts.write(tmp_path / "w", segments=segments, sections=sections)
        assert status(tmp_path / "p", spliced) == (1, "CHAIN"), len(segments)


def test_without_its_data_proof_nothing_is_accepted(whole: Whole, tmp_path: Path) -> None:
    """Left out, empty, before the segments, or of other segments."""
    *front, last = whole.parts.sections
    assert status(tmp_path / "p", whole.parts.write(tmp_path / "w", sections=front)) == (3, "HEADER")
    assert status(tmp_path / "p", whole.parts.write(tmp_path / "w", sections=[front[0], last, *front[1:]]))[0] == 3
    others = [b"", *(whole.parts.data_proof(*places)[1] for places in [(0,), (1,), (1, 0), (0, 0), (0, 1, 1)])]
    for other in others:
        data = whole.parts.write(tmp_path / "w", sections=[*front, ("dataset", other)])
        assert status(tmp_path / "p", data)[0] in REFUSED
    assert whole.parts.data_proof(0, 1) == last
    for place in (0, 1):
        sections = [front[0], ("segment-0", front[1 + place][1]), last]
        data = whole.parts.write(tmp_path / "w", segments=[whole.parts.segments[place]], sections=sections)
        assert status(tmp_path / "p", data)[0] in REFUSED


def test_parts_of_a_chain_say_so(whole: Whole, tmp_path: Path) -> None:
    """One segment alone is a true statement about fewer steps, and the verifier's answer names what is missing."""
    data, *proofs, _ = (section for _, section in whole.parts.sections)
    for place, proof in enumerate(proofs):
        sections = [("data", data), ("segment-0", proof), whole.parts.data_proof(place)]
        whole.parts.write(tmp_path / "p", segments=[whole.parts.segments[place]], sections=sections)
        found = verify(tmp_path / "p", parameter_sets=SETS)
        assert not found.complete and found.whole_chain == (place == 0)
        assert ("is an assumption" in found.describe()) == (place == 1)
