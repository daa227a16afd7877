"""Turns: a lock that many readers share and a writer has alone, writers first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Lock


class ReadWriteLock:
    """Any number of readers or one writer. A waiting writer holds new readers back, so a stream of searches cannot
    starve it; the readers it held back go before the next writer, so writers in a row cannot starve them either. Not
    reentrant; a reader pays about 1 µs.
    """

    def __init__(self) -> None:
        self._free = Condition(Lock())
        self._readers = 0
        self._writing = False
        self._waiting = 0  # writers
        self._queued = 0  # readers
        self._passes = 0  # readers that go before the next writer

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Alone until the end of the block."""
        with self._free:
            self._waiting += 1
            try:
                self._free.wait_for(self._nobody)
                self._writing = True
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            with self._free:
                self._writing = False
                self._passes = self._queued
                self._free.notify_all()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Beside other readers until the end of the block."""
        self.begin_reading()
        try:
            yield
        finally:
            self.end_reading()

    def begin_reading(self) -> None:
        """Wait for the writers; pair with ``end_reading``."""
        with self._free:
            if self._writing or self._waiting:
                self._queue()
            self._readers += 1

    def end_reading(self) -> None:
        """Give back what ``begin_reading`` took."""
        with self._free:
            self._readers -= 1
            if not self._readers:
                self._free.notify_all()

    def _queue(self) -> None:
        self._queued += 1
        try:
            self._free.wait_for(lambda: not self._writing and (not self._waiting or self._passes))
        finally:
            self._queued -= 1
        self._passes = max(self._passes - 1, 0)

    def _nobody(self) -> bool:
        return not (self._writing or self._readers or min(self._passes, self._queued))
