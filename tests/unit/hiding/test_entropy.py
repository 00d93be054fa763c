"""Secret randomness: fresh keys, independent streams, uniform elements."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from zkdl.algebra.extension import P
from zkdl.hiding import entropy as entropy_module
from zkdl.hiding.entropy import Entropy, fresh_key

KEY = bytes(range(32))


def test_streams_of_all_labels_contexts_keys_and_children_differ() -> None:
    """No two of them share their first 16 bytes, and none is a shifted other."""
    sources = {
        "plain": Entropy(KEY),
        "context": Entropy(KEY, b"x"),
        "longer context": Entropy(KEY, b"xx"),
        "key": Entropy(KEY[::-1]),
        "child": Entropy(KEY).child("a"),
        "child of child": Entropy(KEY).child("a").child("a"),
    }
    streams = [s.stream(label, 64) for s in sources.values() for label in ("", "a", "aa", "b", "a/b", "child/a")]
    pieces = [stream[i : i + 16] for stream in streams for i in range(49)]
    assert len(set(pieces)) == len(pieces)


def test_label_and_key_do_not_run_into_each_other() -> None:
    """The end of the key moved into the context, or of one label into a longer one, gives unrelated output."""
    one = Entropy(KEY, b"")
    assert one.stream("ab", 32) != one.stream("a", 32) != one.child("a").stream("b", 32)
    assert Entropy(bytes(32), b"\0").stream("a", 32) != Entropy(bytes(32), b"").stream("a", 32)


def test_the_same_inputs_repeat_and_a_longer_read_extends() -> None:
    """A retry must repeat the same proof."""
    assert Entropy(KEY, b"c").stream("a", 80) == Entropy(KEY, b"c").stream("a", 80)
    assert Entropy(KEY).stream("a", 80)[:40] == Entropy(KEY).stream("a", 40)
    assert np.array_equal(Entropy(KEY).elements("a", (3, 2)), Entropy(KEY).elements("a", (3, 2)))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    """A short key would be guessable."""
    with pytest.raises(ValueError, match="32 bytes"):
        Entropy(bytes(length))


def test_elements_are_uniform_and_reduced() -> None:
    """Every bit is one half of the time, and no element is p or more."""
    drawn = Entropy(KEY).elements("uniform", (100, 100, 2))
    assert drawn.shape == (100, 100, 2) and drawn.dtype == np.uint64 and int(drawn.max()) < P
    for bit in range(64):
        ones = int((drawn >> np.uint64(bit) & np.uint64(1)).sum())
        # Five and a half standard deviations of 20000 fair coins.
        assert abs(ones - 10_000) < 390, bit
    assert len(np.unique(drawn)) == drawn.size
    assert Entropy(KEY).elements("none", (0, 2)).shape == (0, 2)


def test_words_at_or_above_p_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not reduced, and the stream is read again when too few words are left."""
    words = [P, 2**64 - 1, 3] + [P] * 16 + [4] + [P + 1] * 100
    asked = []

    def stream(self: Entropy, label: str, n_bytes: int) -> bytes:
        asked.append(n_bytes)
        return np.array(words, dtype="<u8").tobytes()[:n_bytes]

    monkeypatch.setattr(Entropy, "stream", stream)
    assert Entropy(KEY).elements("a", (2,)).tolist() == [3, 4]
    assert len(asked) == 2 and asked[0] < asked[1]


def test_salts_are_distinct() -> None:
    """32 bytes each, none used twice, of one label or of two."""
    salts = np.concatenate([Entropy(KEY).salts(label, 500) for label in ("a", "b")])
    assert salts.shape == (1000, 32) and salts.dtype == np.uint8
    assert len(np.unique(salts, axis=0)) == 1000


def test_fresh_keys_differ() -> None:
    """A thousand keys, no repetition."""
    assert len({fresh_key() for _ in range(1000)}) == 1000 and len(fresh_key()) == 32


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.skipif(sys.platform == "darwin", reason="forking a threaded process is unsafe there")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_keys_differ_across_a_fork() -> None:
    """Parent and child hold the same memory, and still draw different keys: nothing is buffered."""
    fresh_key()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, fresh_key())
        finally:
            # Without the cleanup of the test runner, which belongs to the parent.
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    assert len(theirs) == 32 and theirs != fresh_key()


def test_the_operating_system_is_the_only_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is what os.urandom returns, all of it and unchanged."""
    monkeypatch.setattr(entropy_module.os, "urandom", lambda n: b"u" * n)
    assert fresh_key() == b"u" * 32
