"""What every stage says of itself: counts that add up, progress, the files it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from workbench.distill.flow import Block
from workbench.distill.records.base import Instant
from workbench.distill.root import Root
from workbench.errors import BusyError, InvalidError

T = TypeVar("T")
_instant: TypeAdapter[str] = TypeAdapter(Instant)

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)`` in bytes of input read; called at most once per block of rows."""


@dataclass(frozen=True)
class Counts:
    """Rows of one stage. ``records_in = records_out + skipped + deduped (+ quarantined where a stage has it)``."""

    records_in: int = 0
    records_out: int = 0
    skipped: int = 0
    deduped: int = 0
    accepted: int = 0
    rejected: int = 0
    quarantined: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)))

    def lost(self) -> int:
        """Rows that came in and are nowhere: 0, or the stage is wrong."""
        return self.records_in - self.records_out - self.skipped - self.deduped - self.quarantined


@dataclass(frozen=True)
class GitState:
    """The commit of the code that ran: 40 hex digits (zeros when unknown) and whether the tree had changes."""

    sha: str
    dirty: bool


@dataclass(frozen=True)
class Collected:
    """What ``collect`` did: counts in all and by stream, skips by reason, the files read and the files there now."""

    counts: Counts
    by_stream: Mapping[str, Counts] = field(default_factory=dict)
    skips: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Scored:
    """What ``score_all`` did; ``categories`` counts the four categories over the rows it judged, written or deduped."""

    counts: Counts
    by_stream: Mapping[str, Counts] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    skips: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()


@dataclass
class Meter:
    """Tells a progress callback how many of ``total`` bytes of a stage are done, block by block."""

    stage: str
    progress: Progress | None
    total: int
    done: int = 0

    def over(self, results: Iterable[tuple[Block, T]]) -> Iterator[T]:
        """The results of blocks, each counted when it has been used."""
        for block, result in results:
            yield result
            self.done += block.stop - block.start
            if self.progress:
                self.progress(self.stage, self.done, self.total)


def check_instant(recorded_at: str) -> None:
    """Raises ``InvalidError`` unless ``recorded_at`` is ISO 8601 with zone."""
    try:
        _instant.validate_python(recorded_at, strict=True)
    except ValidationError:
        raise InvalidError(
            f"recorded_at is {recorded_at!r}.", hint="Give ISO 8601 with zone, as in 2026-04-22T03:11:09Z."
        ) from None


@contextmanager
def alone(root: Root) -> Iterator[None]:
    """One stage at a time writes below a root.

    Raises ``BusyError`` when another process holds the root.
    """
    root.kb.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"Another distillation is at work below {root.path}.", hint="Wait for it, then run this again."
        ) from None
    try:
        yield
    finally:
        lock.release()
