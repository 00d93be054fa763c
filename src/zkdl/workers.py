"""Independent pieces of work, shared out among workers that each have a device of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from threading import Event
from typing import Generic, TypeVar

Worker = TypeVar("Worker")
Piece = TypeVar("Piece")
Report = Callable[[str, float], None]


class Interrupted(Exception):
    """Raised inside a piece of work when the main thread was interrupted; it leaves the worker's thread and no more."""


class Sharing(Generic[Worker]):
    """One thread per worker; a single worker works in the calling thread."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._stopped, self._interrupted = Event(), Event()

    def watched(self, report: Report) -> Report:
        """A progress callback that ends its piece of work, at the next call, when the main thread was interrupted."""

        def watch(phase: str, done: float) -> None:
            if self._interrupted.is_set():
                raise Interrupted
            report(phase, done)

        return watch

    def run(self, pieces: Iterable[Piece], work: Callable[[Worker, Piece], None]) -> None:
        """Call work(worker, piece) for every piece; a worker takes the next one when it is free.

        After the first exception no piece is begun any more; it is raised when the pieces that were begun have ended.
        """
        if len(self._workers) == 1:
            for piece in pieces:
                work(self._workers[0], piece)
            return
        waiting: SimpleQueue[Piece] = SimpleQueue()
        for piece in pieces:
            waiting.put(piece)

        def take(worker: Worker) -> None:
            while not self._stopped.is_set():
                try:
                    piece = waiting.get_nowait()
                except Empty:
                    return
                work(worker, piece)

        with ThreadPoolExecutor(len(self._workers), thread_name_prefix="zkdl-device") as pool:
            futures = [pool.submit(take, worker) for worker in self._workers]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                self._interrupted.set()
                raise
            finally:
                self._stopped.set()
        for future in futures:
            future.result()
