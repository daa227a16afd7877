"""The crash drill: many processes write and read one lake, writers are killed at random points, nothing is lost.

A writer acknowledges a batch only after `Lake.ingest` has returned. Afterwards every acknowledged batch must be there
with all its rows, no batch may be there in part, a new writer must not have to wait for a dead one, and the doctor must
find nothing to repair.
"""

from __future__ import annotations

import csv
import multiprocessing as mp
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from workbench.errors import NotFoundError, WorkbenchError
from workbench.lake.lake import Lake
from workbench.lake.report import Request
from workbench.lake.s3 import open_storage

BATCH_ROWS = 40
SHARED = "drill_shared"
_KILL_WITHIN_S = 0.6  # a batch takes about half of this, so kills fall before, within and after its commit


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
    """What was done and what was found wrong; ``faults`` is empty when the lake kept every promise."""

    acknowledged: int
    batches: int
    kills: int
    reads: int
    stranded_s: float
    elapsed_s: float
    faults: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {k: getattr(self, k) for k in self.__slots__} | {"passed": self.passed}


def drill(
    url: str, plan: Plan, *, environ: Mapping[str, str] | None = None, progress: Callable[[str, float, float], None]
) -> Outcome:
    """Run the drill on an empty lake at ``url``. Leaves the lake as it is, for a look."""
    env = dict(os.environ if environ is None else environ)
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["workbench.lake.lake"])
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lh-drill-") as name:
        stand = _Stand(url, env, Path(name), context)
        faults = stand.together(plan, progress)
        faults += stand.killing(plan, progress)
        stranded_s = stand.one_more()
        acknowledged = stand.acknowledged()
        faults += stand.judge(acknowledged)
        reads = sum(int(p.read_text()) for p in stand.folder.glob("*.reads"))
        batches = len(stand.present())
    return Outcome(
        len(acknowledged), batches, plan.kills, reads, stranded_s, time.monotonic() - began, tuple(faults)
    )


class _Stand:
    """One drill: where it writes, and the processes it starts."""

    def __init__(self, url: str, environ: dict[str, str], folder: Path, context: Any) -> None:
        self.url, self.environ, self.folder, self.context = url, environ, folder, context

    def together(self, plan: Plan, progress: Callable[[str, float, float], None]) -> list[str]:
        """Writers and readers at once, nobody killed."""
        readers = [self._start(_read, i) for i in range(plan.readers)]
        writers = [self._start(_write, i, plan.batches, plan.seed + i) for i in range(plan.writers)]
        for i, process in enumerate(writers):
            process.join()
            progress("write", i + 1, plan.writers)
        (self.folder / "stop").touch()
        for process in readers:
            process.join()
        failed = [p for p in (*writers, *readers) if p.exitcode]
        said = sorted(self.folder.glob("*.fault"))
        return [p.read_text() for p in said] + [f"{p.name} ended with {p.exitcode}" for p in failed if not said]

    def killing(self, plan: Plan, progress: Callable[[str, float, float], None]) -> list[str]:
        """A few writers at a time, each killed at a random moment and replaced."""
        chance = random.Random(plan.seed)
        at_once = max(min(plan.writers, plan.kills, 4), 1)
        for done in range(0, plan.kills, at_once):
            group = min(at_once, plan.kills - done)
            running = [self._start(_write, 1000 + done + i, 1_000_000, plan.seed + done + i) for i in range(group)]
            for process, after in zip(running, sorted(chance.uniform(0, _KILL_WITHIN_S) for _ in running), strict=True):
                self._wait_ready(process)
                time.sleep(after)
                os.kill(process.pid or 0, signal.SIGKILL)
                process.join()
            progress("kill", done + group, plan.kills)
        return [p.read_text() for p in sorted(self.folder.glob("*.fault"))]

    def one_more(self) -> float:
        """Seconds that one more writer needs after all the kills: a stale lock would show here."""
        began = time.monotonic()
        process = self._start(_write, 999_999, 1, 0)
        process.join()
        return time.monotonic() - began

    def acknowledged(self) -> set[str]:
        """Batches whose ingest returned."""
        return {line for p in self.folder.glob("*.acks") for line in p.read_text().split("\n")[:-1]}

    def present(self) -> dict[str, tuple[int, int]]:
        """Batch → (rows, distinct rows), as a fresh process would read them."""
        lake = _open(self.url, self.environ)
        found: dict[str, tuple[int, int]] = {}
        for name in lake.catalog.names():
            rows = lake.sql(f"SELECT batch, count(*), count(DISTINCT row) FROM {name} GROUP BY 1").table.to_pydict()
            found |= {b: (n, d) for b, n, d in zip(*rows.values(), strict=True)}
        return found

    def judge(self, acknowledged: set[str]) -> list[str]:
        """Everything that is not as promised."""
        present = self.present()
        lost = sorted(acknowledged - present.keys())
        torn = sorted(b for b, counts in present.items() if counts != (BATCH_ROWS, BATCH_ROWS))
        sick = [f"doctor: {c.name}: {c.message}" for c in _open(self.url, self.environ).checks() if c.failed]
        return [
            *(["lost: " + ", ".join(lost)] if lost else []),
            *(["torn or doubled: " + ", ".join(torn)] if torn else []),
            *sick,
        ]

    def _start(self, work: Callable[..., None], number: int, *more: Any) -> ForkServerProcess:
        process: ForkServerProcess = self.context.Process(
            target=work, args=(self.url, self.environ, str(self.folder), number, *more), daemon=True
        )
        process.start()
        return process

    def _wait_ready(self, process: ForkServerProcess) -> None:
        while process.is_alive() and not (self.folder / f"{process.pid}.ready").exists():
            time.sleep(0.005)


def _open(url: str, environ: Mapping[str, str]) -> Lake:
    return Lake(open_storage(url, environ=environ), by="drill")


def _write(url: str, environ: dict[str, str], folder: str, number: int, batches: int, seed: int) -> None:
    here, chance = Path(folder), random.Random(seed)
    lake = _open(url, environ)
    (here / f"{os.getpid()}.ready").touch()
    try:
        for n in range(batches):
            batch = f"w{number}-{n}"
            path = here / f"{batch}.csv"
            with path.open("w", encoding="utf-8", newline="") as out:
                csv.writer(out).writerows([["batch", "row", "payload"], *_rows(batch, chance)])
            lake.ingest(Request(path, SHARED if chance.random() < 0.5 else f"drill_{number % 8}"))
            with (here / f"{number}.acks").open("a", encoding="utf-8") as acks:
                acks.write(f"{batch}\n")
    except WorkbenchError as error:
        (here / f"w{number}.fault").write_text(f"writer {number}: {type(error).__name__}: {error.message}")


def _rows(batch: str, chance: random.Random) -> list[Sequence[object]]:
    return [(batch, i, f"{chance.random():.12f}") for i in range(BATCH_ROWS)]


def _read(url: str, environ: dict[str, str], folder: str, number: int) -> None:
    here = Path(folder)
    lake, reads = _open(url, environ), 0
    while not (here / "stop").exists():
        try:
            answer = lake.sql(f"SELECT batch, count(*) AS n FROM {SHARED} GROUP BY 1 HAVING n <> {BATCH_ROWS}")
            if answer.row_count:
                (here / f"r{number}.fault").write_text(f"reader {number} saw part of a batch")
        except NotFoundError:
            pass  # the first writer has not committed yet
        except WorkbenchError as error:
            (here / f"r{number}.fault").write_text(f"reader {number}: {type(error).__name__}: {error.message}")
        reads += 1
    (here / f"r{number}.reads").write_text(str(reads))
