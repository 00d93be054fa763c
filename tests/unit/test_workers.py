"""Sharing pieces of work among workers."""

from __future__ import annotations

import threading

import pytest

from zkdl import workers
from zkdl.workers import Interrupted, Sharing


def test_every_piece_is_done_once() -> None:
    for names in (["a"], ["a", "b"], ["a", "b", "c"]):
        done: list[tuple[str, int]] = []
        Sharing(names).run(range(20), lambda worker, piece, done=done: done.append((worker, piece)))  # type: ignore[misc]  # bound now
        assert sorted(piece for _, piece in done) == list(range(20))
        assert {worker for worker, _ in done} <= set(names)


def test_two_workers_work_at_once() -> None:
    both = threading.Barrier(2, timeout=20)
    Sharing(["a", "b"]).run(range(2), lambda worker, piece: both.wait() and None)


def test_one_worker_works_in_the_calling_thread() -> None:
    Sharing(["a"]).run([1], lambda worker, piece: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()]


threads: list[threading.Thread] = []


def test_a_failure_stops_the_others_after_their_piece() -> None:
    begun, both = [], threading.Barrier(2, timeout=20)

    def work(worker: str, piece: int) -> None:
        begun.append(piece)
        both.wait()
        if piece == 0:
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Sharing(["a", "b"]).run(range(2), work)
    assert sorted(begun) == [0, 1]


def test_an_interrupt_ends_pieces_at_their_next_report(monkeypatch: pytest.MonkeyPatch) -> None:
    sharing, begun, ended = Sharing(["a", "b"]), threading.Barrier(3, timeout=20), []
    report = sharing.watched(lambda phase, done: None)

    def work(worker: str, piece: int) -> None:
        begun.wait()
        try:
            while True:
                report("open", 0.5)
        except Interrupted:
            ended.append(piece)
            raise

    def interrupted(*_: object, **__: object) -> None:
        begun.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sharing.run(range(9), work)
    assert sorted(ended) == [0, 1]
