"""What a log's thread does: covers entries, writes them down on this machine, moves them into the dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.lake.logs.shape import Shape
from workbench.lake.logs.spool import Row, Spool, to_lines
from workbench.pii import mask_text

if TYPE_CHECKING:
    from workbench.lake.lake import Lake
    from workbench.lake.logs.place import Place

MOST_WAITING = 10_000  # entries; more means that the disk stands still, and what is logged is worth more than its log
_CAP_BYTES = 64 * 1024 * 1024
_LONGEST_PAUSE_S = 600.0


@dataclass(slots=True)
class LogStats:
    """Entries noted, written down in the spool, moved into the dataset (leftovers of dead processes too), given up.

    ``failures`` counts what went wrong so far.
    """

    noted: int = 0
    spooled: int = 0
    written: int = 0
    dropped: int = 0
    failures: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """An entry in the queue, and its time in seconds since 1970."""

    what: Any
    at: float


class Writer:
    """Acts by turns, without ever raising; others than the thread read only ``stats``, ``is_done`` and ``is_safe``."""

    def __init__(
        self,
        lake: Lake | Callable[[], Lake],
        folder: Path | None,
        shape: Shape,
        to_row: Callable[[Noted], Mapping[str, Any]],
        *,
        every: int,
        seconds: float,
    ) -> None:
        self._lake, self.shape, self.to_row = lake, shape, to_row
        self._place: Place | None = None
        self.spool, self.every, self.seconds = Spool(folder), every, seconds
        self.stats = LogStats()
        self.is_safe = True
        self._waiting: list[Row] = []
        self._size_bytes = 0
        self._due: float | None = None
        self._pause_s = seconds

    @property
    def is_done(self) -> bool:
        """Whether nothing waits that this process noted."""
        return not self._waiting

    def pause_s(self) -> float | None:
        """How long there is nothing to do; None for ever."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def is_due(self) -> bool:
        """Whether it is time to write to the dataset."""
        # While the lake does not take them, more entries are no reason to ask it more often.
        full = len(self._waiting) >= self.every and self._pause_s == self.seconds
        return full or (self._due is not None and time.monotonic() >= self._due)

    def take(self, batch: Sequence[Noted]) -> None:
        """Cover entries and write them down."""
        if not batch:
            return
        if self._size_bytes > _CAP_BYTES or len(self._waiting) > 10 * MOST_WAITING:
            self.stats.dropped += len(batch)
            return
        rows = []
        for noted in batch:
            try:
                rows.append(self.shape.row(self.to_row(noted)))
            except Exception as error:  # noqa: BLE001 - one entry that means nothing must not hold up the others
                self.stats.dropped += 1
                self.failed(error)
        if rows:
            self._due = self._due or time.monotonic() + self.seconds
            self._keep(rows)

    def write(self) -> None:
        """Move what waits into the dataset, and what dead processes left."""
        try:
            place = self._opened()
            for rows in self.spool.left():
                # Theirs becomes ours, so that many short processes make one snapshot and not one each.
                if not place.holds(rows):
                    self._keep(rows, ours=False)
            if self._waiting:
                self.stats.written += place.append(self._waiting)
                self._waiting, self._size_bytes, self.is_safe = [], 0, True
                self.spool.forget()
            self._due, self._pause_s = None, self.seconds
            place.tidy()
        except Exception as error:  # noqa: BLE001 - the log must not break what it logs
            self.failed(error)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._due = time.monotonic() + self._pause_s

    def failed(self, error: Exception) -> None:
        """Count what went wrong."""
        self.stats.failures += 1
        self.stats.last_error = mask_text(f"{type(error).__name__}: {error}")[:500]

    def _keep(self, rows: Sequence[Row], *, ours: bool = True) -> None:
        lines = to_lines(rows)
        self._waiting += rows
        self._size_bytes += len(lines)
        try:
            if not self.spool.append(lines):
                self.is_safe = False
            elif ours:
                self.stats.spooled += len(rows)
        except OSError as error:
            self.is_safe = False
            self.failed(error)
            if not ours:  # their file must stay until ours is written
                raise

    def _opened(self) -> Place:
        if self._place is None:
            # The engines of a lake are heavy, and most processes end before they write.
            from workbench.lake.logs.place import Place

            self._place = Place(self._lake if not callable(self._lake) else self._lake(), self.shape)
        return self._place
