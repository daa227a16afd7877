"""The crash drill: many processes write and read one lake, writers are killed at random points, nothing is lost.

A writer acknowledges a batch only after `Lake.ingest` has returned. Every row of a batch can be computed from its name,
so what is read is compared with what was written, value by value: by the readers while writers die, and at the end.
Then every version must have its files, a new writer must not have to wait for a dead one, the doctor must find nothing
to repair, and sweeping up what the dead left must take nothing that anybody needs.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing as mp
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.lake import leftovers
from workbench.lake.drill_crew import BATCH_ROWS, PHASES, STOP, Opener, Post, acknowledged, read, unlike, write
from workbench.lake.engine import Progress
from workbench.lake.lake import Lake
from workbench.lake.query import Access
from workbench.lake.s3 import open_storage
from workbench.lake.stage import dead, place

_AT_RANDOM_S = 0.5  # half of the kills come after a random time up to this,
_AIM_S = 2.0  # the other half when a writer is seen in a given phase, waited for at most this long
_END_S = 180.0  # who takes longer than this to finish its last batch waits for something that will not come
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to do. ``batches``: per writer in the first part, where nobody is killed."""

    writers: int = 8
    readers: int = 4
    batches: int = 5
    kills: int = 200
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done and what was found wrong; ``faults`` is empty when the lake kept every promise.

    ``killed_in``: kills by what the writer was doing. ``stranded_s``: seconds one more writer needed after all of them.
    ``swept``: files that the dead left in the lake, removed at the end as an hour later `lh doctor --sweep` would.
    """

    acknowledged: int
    batches: int
    rows: int
    versions: int
    kills: int
    killed_in: Mapping[str, int]
    reads: int
    stranded_s: float
    swept: int
    elapsed_s: float
    faults: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {k: getattr(self, k) for k in self.__slots__} | {"passed": self.passed}


def open_by_url(url: str, environ: Mapping[str, str]) -> Lake:
    """The lake as every other command opens it."""
    return Lake(open_storage(url, environ=environ), by="drill")


def drill(
    url: str,
    plan: Plan,
    *,
    environ: Mapping[str, str] | None = None,
    progress: Progress,
    opener: Opener = open_storage_by_url if False else None,  # type: ignore[assignment]
) -> Outcome:
    raise SystemExit
