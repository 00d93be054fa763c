"""Independent pieces of work, shared out among workers that each have a device of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from threading import Event
from typing import TypeVar

Worker = TypeVar("Worker")
Piece = TypeVar("Piece")


def share_out(workers: Sequence[Worker], pieces: Iterable[Piece], work: Callable[[Worker, Piece], None]) -> None:
    """Call work(worker, piece) for every piece; a worker takes the next one when it is free.

    One worker works in the calling thread. After the first exception, or an interrupt, no piece is begun any more; the
    exception is raised when all pieces that were begun have ended.
    """
    if len(workers) == 1:
        for piece in pieces:
            work(workers[0], piece)
        return
    waiting: SimpleQueue[Piece] = SimpleQueue()
    for piece in pieces:
        waiting.put(piece)
    stopped = Event()

    def run(worker: Worker) -> None:
        while not stopped.is_set():
            try:
                piece = waiting.get_nowait()
            except Empty:
                return
            work(worker, piece)

    with ThreadPoolExecutor(len(workers), thread_name_prefix="zkdl-device") as pool:
        futures = [pool.submit(run, worker) for worker in workers]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stopped.set()
    for future in futures:
        future.result()
