"""The search drill: processes load, index, add vectors and search in one lake; they are killed at random points.

After every kill a new process opens the lake as it was left and must find everything that was acknowledged: each row by
a search, each vector with the very bits of its distance, each answer equal to brute force, and nothing for the doctor
to mend. At the end what the dead left must be bounded, and go away by ordinary use.
"""

from __future__ import annotations

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

from workbench.lake.sql.engine import Progress
from workbench.search.drill_crew import DATASET, GRAPH_TEXTS, PHASES, STOP, Place, Post, acknowledged, check, work
from workbench.search.vectors.segment import PARTIAL

_AT_RANDOM_S = 1.0  # half of the kills come after a random time up to this,
_AIM_S = 2.0  # the other half when a worker is seen in a chosen phase, waited for at most this long
_END_S = 180.0
_LOOK_S = 0.0005
_DAY_S = 2 * 86_400
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to do."""

    workers: int = 3
    kills: int = 100
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done and what was found wrong; ``faults`` is empty when search kept every promise.

    ``killed_in``: kills by what the worker was doing; ``checks`` that a new process made after them; ``left``: files
    that the dead left half-written, ``stayed``: those of them that ordinary use did not sweep up two days later.
    """

    batches: int
    vectors: int
    rows: int
    graph_texts: int
    kills: int
    killed_in: Mapping[str, int]
    checks: int
    left: int
    stayed: int
    elapsed_s: float
    faults: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {k: getattr(self, k) for k in self.__slots__} | {"passed": self.passed}


def drill(lake: Path, plan: Plan, *, progress: Progress) -> Outcome:
    """Run the drill on an empty lake in the folder ``lake``. Leaves the lake as it is, for a look."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lh-drill-") as name:
        post = Post(str(lake), name)
        crew = _Crew(post, plan, progress)
        try:
            crew.work()
        finally:
            crew.dismiss()
        batches, vectors = acknowledged(post.here)
        rows, texts, left, stayed = _left_over(post)
        return Outcome(
            batches, vectors, rows, texts, sum(crew.killed.values()), dict(crew.killed),
            len(list(post.here.glob("*.checked"))), left, len(stayed), time.monotonic() - began,
            (*crew.faults(), *(f"left for good: {path}" for path in stayed[:_SHOWN])),
        )  # fmt: skip


class _Crew:
    """The processes of one drill."""

    def __init__(self, post: Post, plan: Plan, progress: Progress) -> None:
        self.post, self.plan, self.progress = post, plan, progress
        self.chance = random.Random(plan.seed)
        self.killed: Counter[str] = Counter()
        self._started = 0
        self._hung: list[str] = []
        self._alive: list[ForkServerProcess] = []
        self._context = mp.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["__main__", "workbench.search.drill_crew", "workbench.search.drill_stock"]
        )

    def work(self) -> None:
        """Kill a worker, let a new process look at what is there, start another; at the end let all of them end."""
        for _ in range(self.plan.workers):
            self._start(work, "worker")
        for done in range(self.plan.kills):
            victim = self._aimed() if done % 2 else self._anyone()
            os.kill(victim.pid or 0, signal.SIGKILL)
            victim.join()
            self._alive.remove(victim)
            self._tell(victim, killed=True)
            self._ended(self._start(check, "checker"))
            self._start(work, "worker")
            self.progress("kill", done + 1, self.plan.kills)
        (self.post.here / STOP).touch()
        for process in [*self._alive]:
            self._ended(process)
        self._ended(self._start(check, "checker"))

    def faults(self) -> list[str]:
        """What the processes said, and which of them did not end by themselves."""
        said = [line for p in sorted(self.post.here.glob("*.fault")) for line in p.read_text("utf-8").splitlines()]
        more = [f"and {len(said) - 4 * _SHOWN:,} more"] if len(said) > 4 * _SHOWN else []
        return [*said[: 4 * _SHOWN], *more, *self._hung]

    def dismiss(self) -> None:
        """Nobody is left behind, whatever happened."""
        for process in self._alive:
            process.kill()
            process.join()

    def _anyone(self) -> ForkServerProcess:
        time.sleep(self.chance.uniform(0, _AT_RANDOM_S))
        return self.chance.choice(self._alive)

    def _aimed(self) -> ForkServerProcess:
        """A worker in a phase that chance names, however short that phase is; anyone when none is seen in it."""
        phase, until = self.chance.choice(PHASES[1:]), time.monotonic() + _AIM_S
        while time.monotonic() < until:
            for process in self._alive:
                if self.post.phase(process.pid or 0) == phase:
                    time.sleep(self.chance.uniform(0, 20 * _LOOK_S))  # into the phase, not only at its door
                    return process
            time.sleep(_LOOK_S)
        return self._anyone()

    def _start(self, task: Callable[..., None], kind: str) -> ForkServerProcess:
        self._started += 1
        process: ForkServerProcess = self._context.Process(
            target=task,
            args=(self.post, self._started, self.plan.seed + self._started),
            name=f"{kind} {self._started}",
            daemon=True,
        )
        process.start()
        self._alive.append(process)
        return process

    def _ended(self, process: ForkServerProcess) -> None:
        process.join(_END_S)
        if process.is_alive():
            self._hung.append(f"{process.name} did not end; it was at: {self.post.phase(process.pid or 0)}")
            process.kill()
            process.join()
        self._alive.remove(process)
        self._tell(process, killed=False)

    def _tell(self, process: ForkServerProcess, *, killed: bool) -> None:
        if killed and process.exitcode == -signal.SIGKILL:
            self.killed[self.post.phase(process.pid or 0)] += 1
        elif process.exitcode:
            self._hung.append(f"{process.name} ended with exit code {process.exitcode}")


def _left_over(post: Post) -> tuple[int, int, int, list[Path]]:
    """Rows, texts in the graph, half-written files, and those that are still there after some ordinary use."""
    place = Place(post)
    if DATASET not in place.lake.catalog.names():
        return 0, 0, 0, []
    left = list(_half_written(post.cache_dir))
    past = time.time() - _DAY_S
    for path in left:
        os.utime(path, (past, past))
    manifest = place.lake.get(DATASET)
    made = place.searcher.corpora.index(manifest, graph_texts=GRAPH_TEXTS)
    return manifest.row_count, made.graph_texts, len(left), [path for path in left if path.exists()]


def _half_written(folder: Path) -> Iterator[Path]:
    """What a writer of derived files leaves when it dies: partial files, and generations that never became current."""
    yield from folder.rglob(f"*{PARTIAL}")
    for current in folder.glob("words/*/current"):
        name = current.read_text("utf-8")
        yield from (path for path in current.parent.glob("v*-*") if path.name != name)
