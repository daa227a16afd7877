"""A log: entries are noted in microseconds, and a thread of its own puts them into a dataset, where SQL finds them.

``note`` puts an entry into a queue; the thread covers personal data, appends the entry to a spool on this machine (a
killed process loses only what was still in the queue) and now and then moves the spool into the dataset. What a dead
process left in its spool the next one moves. A batch that was moved just before its process died is known by the hash
of its bytes and not moved twice.

Nothing here raises into what is logged: when the lake is read-only or gone, the entries wait and ``stats`` counts it.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any

from workbench.lake.logs.shape import Shape
from workbench.lake.logs.writer import MOST_WAITING, LogStats, Noted, Writer

if TYPE_CHECKING:
    from workbench.lake.lake import Lake


def as_it_is(noted: Noted) -> Mapping[str, Any]:
    """The row of an entry that is a mapping of columns; when it happened is when it was noted, unless it says so."""
    row: Mapping[str, Any] = {"happened_at": noted.at, **noted.what}
    return row


class Log:
    """One log of one lake, which a function may open when there is something to write.

    ``spool`` is a private folder of this machine, shared by its processes; without one the entries wait in memory, and
    closing writes them.

    Entries go into the dataset when ``every`` have come, ``seconds`` after the first, and at ``close``. ``to_row``
    makes an entry into values by column, in the thread. Threads may share one.
    """

    def __init__(
        self,
        lake: Lake | Callable[[], Lake],
        spool: Path | None,
        shape: Shape,
        *,
        to_row: Callable[[Noted], Mapping[str, Any]] = as_it_is,
        every: int = 200,
        seconds: float = 30.0,
    ) -> None:
        self.shape = shape
        self._queue: SimpleQueue[Noted | Event | None] = SimpleQueue()
        self._writer = Writer(lake, spool, shape, to_row, every=every, seconds=seconds)
        # Tidying memory may end an abandoned stream, and note it, in the midst of noting.
        self._lock = RLock()
        self._thread: Thread | None = None
        self._closed = False

    def note(self, entry: Any) -> None:
        """Remember an entry, in microseconds. Never raises and never waits."""
        with self._lock:
            stats = self._writer.stats
            if self._closed or self._queue.qsize() >= MOST_WAITING:
                stats.dropped += 1
                return
            stats.noted += 1
            self._queue.put(Noted(entry, time.time()))
            try:
                self._start()
            except RuntimeError as error:  # no thread is left on this machine; the next entry may have one
                self._writer.failed(error)

    def stats(self) -> LogStats:
        """What has become of the entries."""
        return replace(self._writer.stats)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until all that was noted, and what dead processes left, is in the dataset; False when it is not."""
        with self._lock:
            if self._closed:
                return self._writer.is_done
            self._start()
            done = Event()
            self._queue.put(done)
        return done.wait(timeout_s) and self._writer.is_done

    def close(self, *, write: bool = True, timeout_s: float = 10.0) -> None:
        """End it. With ``write`` the dataset gets what waits, if it takes it within ``timeout_s``.

        What remains stays in the spool for the next process; when many have left something, or this machine has no
        place for a spool, it is written all the same.
        """
        if self._thread is not None and (write or self._writer.spool.is_crowded):
            self.flush(timeout_s)
        with self._lock:
            self._closed = True
            self._queue.put(None)
        atexit.unregister(self._at_exit)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _at_exit(self) -> None:
        self.close(write=False)

    def _start(self) -> None:
        if self._thread is None:
            thread = Thread(target=self._run, name=f"{self.shape.dataset}-log", daemon=True)
            thread.start()
            self._thread = thread
            atexit.register(self._at_exit)

    def _run(self) -> None:
        ended = False
        while not ended:
            batch, asked, ended = self._wait()
            self._writer.take(batch)
            # What is nowhere written down would end with the process.
            if asked or (self._writer.is_due() and not ended) or (ended and not self._writer.is_safe):
                self._writer.write()
            for event in asked:
                event.set()
        self._writer.spool.leave()

    def _wait(self) -> tuple[list[Noted], list[Event], bool]:
        """All that is in the queue, after a wait for the first of it or until something is due; and whether to end."""
        batch: list[Noted] = []
        asked: list[Event] = []
        try:
            found = self._queue.get(timeout=self._writer.pause_s())
            while found is not None:
                if isinstance(found, Event):
                    asked.append(found)
                else:
                    batch.append(found)
                found = self._queue.get_nowait()
        except Empty:
            return batch, asked, False
        return batch, asked, True
