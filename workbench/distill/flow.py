"""Large files as blocks of whole lines, worked on in order, on one core or on several."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from workbench.errors import WorkbenchError

BLOCK_BYTES = 1 << 20
PARALLEL_BYTES = 64 << 20  # some seconds of work; below it, starting processes costs more CPU than it saves time
AHEAD = 2  # blocks waiting for each worker: enough to keep it busy, few enough to keep memory flat
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file: bytes ``start`` to ``stop``; ``first`` is the number of its first line, from 0."""

    path: Path
    start: int
    stop: int
    first: int


class Crew(Protocol):
    """Maps a picklable turn over blocks; the results come in the blocks' order."""

    def __call__(self, turn: Callable[[Block], T], todo: Iterable[Block], /) -> Iterator[tuple[Block, T]]:
        """The blocks with their results."""
        ...


def blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """A file in blocks of about ``size`` bytes that end at line ends. What is appended meanwhile is not in them."""
    total = path.stat().st_size
    start = line = 0
    with path.open("rb") as file:
        while start < total:
            stop = _line_end(file.fileno(), min(start + size, total), total)
            yield Block(path, start, stop, line)
            file.seek(start)
            line += file.read(stop - start).count(b"\n")
            start = stop


@contextmanager
def crew(workers: int, total_bytes: int) -> Iterator[Crew]:
    """Workers that map a turn over blocks.

    One process, this one, unless ``workers`` > 1 and there is enough to do.
    Raises ``WorkbenchError`` when a worker dies.
    """
    if workers < 2 or total_bytes < PARALLEL_BYTES:
        yield _here
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield partial(_in_order, pool, workers * AHEAD)
    except BrokenProcessPool as problem:
        raise WorkbenchError(
            "A worker process of the distillation died, perhaps for memory.",
            hint="Run it again with one worker; what was done stays done.",
        ) from problem
    finally:
        pool.shutdown(cancel_futures=True)


def _here(turn: Callable[[Block], T], todo: Iterable[Block]) -> Iterator[tuple[Block, T]]:
    for block in todo:
        yield block, turn(block)


def _in_order(
    pool: ProcessPoolExecutor, ahead: int, turn: Callable[[Block], T], todo: Iterable[Block]
) -> Iterator[tuple[Block, T]]:
    left = iter(todo)
    waiting: deque[tuple[Block, Future[T]]] = deque((each, pool.submit(turn, each)) for each in islice(left, ahead))
    while waiting:
        block, future = waiting.popleft()
        result = future.result()
        waiting.extend((each, pool.submit(turn, each)) for each in islice(left, 1))
        yield block, result


def _line_end(descriptor: int, position: int, total: int) -> int:
    """The first line end at or after ``position``, as the position behind it; else the file's end."""
    position -= 1  # a block that already ends in a line end is whole
    while position < total:
        found = os.pread(descriptor, BLOCK_BYTES, position).find(b"\n")
        if found >= 0:
            return min(position + found + 1, total)
        position += BLOCK_BYTES
    return total
