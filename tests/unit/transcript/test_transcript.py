"""The hash-chain transcript: what is absorbed decides every challenge, and challenges are uniform."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zkdl.algebra.extension import P
from zkdl.transcript.transcript import BYTES, ELEMENTS, PUBLIC, Transcript

Message = tuple[str, int, bytes]
LABELS = st.sampled_from(["", "a", "ab", "b", "fold", "fol", "d"])
MESSAGES = st.tuples(LABELS, st.sampled_from([PUBLIC, BYTES, ELEMENTS]), st.binary(max_size=12))


def after(messages: list[Message]) -> bytes:
    """State after these messages."""
    transcript = Transcript("zkdl/test", b"statement")
    for label, kind, data in messages:
        transcript.absorb(label, kind, data)
    return transcript.fork_digest()


class Scripted(Transcript):
    """Squeezes given words instead of hashes."""

    def __init__(self, *words: list[int]) -> None:
        super().__init__("zkdl/test", b"")
        self.script: Iterator[list[int]] = iter(words)

    def squeeze(self, label: str, n_bytes: int) -> bytes:
        data = np.array(next(self.script), dtype="<u8").tobytes()
        assert len(data) == n_bytes
        return data


@given(st.binary(min_size=1, max_size=40), st.integers(1, 255), st.integers(1, 4))
@settings(deadline=None, max_examples=50)
def test_the_last_absorbed_byte_changes_every_later_challenge(data: bytes, flip: int, later: int) -> None:
    """Also after more squeezes and equal messages."""
    one, two = Transcript("zkdl/test", b""), Transcript("zkdl/test", b"")
    one.absorb("message", BYTES, data)
    two.absorb("message", BYTES, data[:-1] + bytes([data[-1] ^ flip]))
    for i in range(later):
        assert one.challenge("r") != two.challenge("r")
        assert not np.array_equal(one.indices("p", 1 << 20, 8), two.indices("p", 1 << 20, 8))
        one.absorb("same", ELEMENTS, bytes([i]))
        two.absorb("same", ELEMENTS, bytes([i]))
    assert one.fork_digest() != two.fork_digest()


@given(st.lists(MESSAGES, max_size=4), st.lists(MESSAGES, max_size=4))
@settings(deadline=None, max_examples=200)
def test_states_are_equal_exactly_when_the_messages_are(one: list[Message], two: list[Message]) -> None:
    """Any two different sequences differ, whatever their bytes are."""
    assert (after(one) == after(two)) == (one == two)


@given(st.binary(min_size=2, max_size=30), st.data())
@settings(deadline=None, max_examples=100)
def test_equal_concatenated_bytes_cut_differently(data: bytes, draw: st.DataObject) -> None:
    """The same bytes as one message, as two, with an empty one, with a byte moved into the label."""
    cut = draw.draw(st.integers(1, len(data) - 1))
    versions: list[list[Message]] = [
        [("m", BYTES, data)],
        [("m", BYTES, data[:cut]), ("m", BYTES, data[cut:])],
        [("m", BYTES, b""), ("m", BYTES, data)],
        [("m", BYTES, data), ("m", BYTES, b"")],
        [("m", ELEMENTS, data)],
        [("m", PUBLIC, data)],
        [("ma", BYTES, data)],
        [("", BYTES, b"m" + data)],
    ]
    assert len({after(version) for version in versions}) == len(versions)


def test_a_label_cannot_swallow_the_length_behind_it() -> None:
    """A label with the bytes of a length field in it, whose message ends where the other one does."""
    inner = b"y" + (1).to_bytes(8, "little") + b"z"
    longer = "m" + len(inner).to_bytes(8, "little").decode("ascii") + "y"
    assert b"m" + len(inner).to_bytes(8, "little") + inner == longer.encode() + (1).to_bytes(8, "little") + b"z"
    assert after([("m", BYTES, inner)]) != after([(longer, BYTES, b"z")])


def test_protocol_and_statement_do_not_run_into_each_other() -> None:
    """A byte moved from one argument to the other gives another transcript."""
    assert Transcript("zkdl/a", b"b").fork_digest() != Transcript("zkdl/ab", b"").fork_digest()
    assert Transcript("zkdl/a", b"b").fork_digest() != Transcript("zkdl/a", b"c").fork_digest()


def test_squeezes_are_bound_to_label_and_length_and_move_the_state() -> None:
    """Two squeezes never repeat, and one of another label or length gives another state and other bytes."""

    def fresh() -> Transcript:
        return Transcript("zkdl/test", b"")

    base = fresh()
    first = base.squeeze("r", 64)
    assert first != base.squeeze("r", 64)
    seen = {first}
    states = set()
    for label, length in (("r", 64), ("s", 64), ("r", 65), ("rr", 64)):
        transcript = fresh()
        seen.add(transcript.squeeze(label, length)[:64])
        states.add(transcript.fork_digest())
    assert len(seen) == 4 and len(states) == 4
    # A squeeze is not an absorb of the same bytes, and its output does not show the state.
    absorbed = fresh()
    absorbed.absorb("r", BYTES, (64).to_bytes(8, "little"))
    assert absorbed.fork_digest() not in states
    assert all(state not in first for state in states)


def test_both_coordinates_have_all_64_bits() -> None:
    """Top and bottom bits of both coordinates are ones half of the time, and the coordinates differ."""
    drawn = Transcript("zkdl/test", b"bits").challenges("r", 20_000)
    assert drawn.shape == (20_000, 2) and drawn.dtype == np.uint64 and int(drawn.max()) < P
    for coordinate in range(2):
        for bit in (*range(8), *range(28, 36), *range(56, 64)):
            ones = int((drawn[:, coordinate] >> np.uint64(bit) & np.uint64(1)).sum())
            # Five and a half standard deviations of 20000 fair coins.
            assert abs(ones - 10_000) < 390, (coordinate, bit, ones)
    assert not np.any(drawn == 0) and not np.any(drawn[:, 0] == drawn[:, 1])
    assert len(np.unique(drawn)) == drawn.size


def test_one_challenge_is_the_first_of_many() -> None:
    """A single challenge has both coordinates too."""
    challenge = Transcript("zkdl/test", b"one").challenge("r")
    assert challenge.b >> 32 and challenge.a >> 32


def test_words_at_or_above_p_are_skipped() -> None:
    """Never reduced: p and 2^64 - 1 must not become 0 and 2^32 - 2."""
    words = [P, 5, 2**64 - 1, P - 1, P + 1, 7, 0, 0, 0, 0]
    assert Scripted(words).challenges("r", 1).tolist() == [[5, P - 1]]
    # Too few words are left of the first squeeze: a second one supplies the rest, in order.
    assert Scripted([P] * 9 + [3], [P] + [4] * 8).challenges("r", 1).tolist() == [[3, 4]]


def test_indices_are_distinct_ascending_and_in_range() -> None:
    """For every size and number of positions, all positions included."""
    for log_size in range(8):
        size = 1 << log_size
        for count in {1, size // 2 or 1, size}:
            found = Transcript("zkdl/test", bytes([log_size])).indices("p", size, count)
            assert len(found) == count and found.dtype == np.int64
            assert np.all(np.diff(found) > 0) and found[0] >= 0 and found[-1] < size
    with pytest.raises(ValueError, match="more positions"):
        Transcript("zkdl/test", b"").indices("p", 4, 5)


def test_repeated_index_words_are_drawn_once() -> None:
    """A repetition is no second position; the first `count` distinct words in stream order count."""
    words = [3, 3, 3 + 8, 1, 5, 7]
    assert Scripted(words).indices("p", 8, 3).tolist() == [1, 3, 5]
    assert Scripted([3, 3, 3, 3], [3, 2, 0, 0]).indices("p", 8, 2).tolist() == [2, 3]


def test_indices_are_uniform_over_the_whole_domain() -> None:
    """Chi-square over 64 positions, with the first and the last one in reach."""
    transcript = Transcript("zkdl/test", b"uniform")
    counts = np.zeros(64)
    for _ in range(2000):
        counts[transcript.indices("p", 64, 8)] += 1
    expected = 2000 * 8 / 64
    statistic = float(((counts - expected) ** 2 / expected).sum())
    # 63 degrees of freedom: 120 is exceeded with probability 2e-5 (less, as positions are drawn without replacement).
    assert statistic < 120 and counts.min() > 0
