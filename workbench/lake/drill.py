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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.lake import leftovers
from workbench.lake.drill_crew import (
    ALL_ROWS,
    BATCH_ROWS,
    PHASES,
    STOP,
    Opener,
    Post,
    acknowledged,
    read,
    unlike,
    write,
)
from workbench.lake.lake import Lake
from workbench.lake.sql.engine import Progress
from workbench.lake.tables.s3 import open_storage
from workbench.lake.tables.stage import dead, place
from workbench.lake.tables.storage import Storage

_AT_RANDOM_S = 0.5  # half of the kills come after a random time up to this,
_AIM_S = 2.0  # the other half when a writer is seen in a chosen phase, waited for at most this long
_END_S = 180.0  # who takes longer than this for its last batch waits for something that will not come
_LOOK_S = 0.0005
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
    ``left``: files that the dead left in the lake, swept at the end as `lh doctor --sweep` would an hour later.
    """

    acknowledged: int
    batches: int
    rows: int
    versions: int
    kills: int
    killed_in: Mapping[str, int]
    reads: int
    stranded_s: float
    left: int
    elapsed_s: float
    faults: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {k: getattr(self, k) for k in self.__slots__} | {"passed": self.passed}


def open_by_url(url: str, environ: Mapping[str, str], *, secrets_file: Path | None = None) -> Storage:
    """The storage behind an address, as every other command opens it."""
    return open_storage(url, environ=environ, secrets_file=secrets_file)


def drill(
    url: str,
    plan: Plan,
    *,
    environ: Mapping[str, str] | None = None,
    opener: Opener = open_by_url,
    progress: Progress,
) -> Outcome:
    """Run the drill on an empty lake at ``url``. Leaves the lake as it is, for a look."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lh-drill-") as name:
        post = Post(url, dict(os.environ if environ is None else environ), name, opener)
        crew = _Crew(post, plan, progress)
        try:
            crew.work()
        finally:
            crew.dismiss()
        found = judge(post)
        return Outcome(
            sum(map(len, acknowledged(post.here).values())), found.batches, found.batches * BATCH_ROWS, found.versions,
            sum(crew.killed.values()), dict(crew.killed), sum(int(p.read_text()) for p in post.here.glob("*.reads")),
            crew.stranded_s, found.left, time.monotonic() - began, (*crew.faults(), *found.faults),
        )  # fmt: skip


class _Crew:
    """The processes of one drill."""

    def __init__(self, post: Post, plan: Plan, progress: Progress) -> None:
        self.post, self.plan, self.progress = post, plan, progress
        self.chance = random.Random(plan.seed)
        self.killed: Counter[str] = Counter()
        self.stranded_s = 0.0
        self._started = 0
        self._hung: list[str] = []
        self._alive: list[ForkServerProcess] = []
        self._context = mp.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", "workbench.lake.drill_crew"])

    def work(self) -> None:
        """Readers all along; writers that nobody kills; writers that are killed and replaced; one more writer."""
        readers = [self._start(read, "reader", i + 1) for i in range(self.plan.readers)]
        writers = [self._writer(self.plan.batches) for _ in range(self.plan.writers)]
        for i, process in enumerate(writers):
            self._ended(process)
            self.progress("write", i + 1, len(writers))
        self._kill()
        (self.post.here / STOP).touch()
        for process in [*self._alive]:
            self._ended(process)
        began = time.monotonic()
        self._ended(self._writer(1))
        self.stranded_s = time.monotonic() - began
        self._hung += [f"{p.name} ended with exit code {p.exitcode}" for p in (*readers, *writers) if p.exitcode]

    def faults(self) -> list[str]:
        """What the processes said, and which of them did not end by themselves."""
        said = [p.read_text(encoding="utf-8") for p in sorted(self.post.here.glob("*.fault"))]
        return [*_short(said), *self._hung]

    def dismiss(self) -> None:
        """Nobody is left behind, whatever happened."""
        for process in self._alive:
            process.kill()
            process.join()

    def _kill(self) -> None:
        for _ in range(self.plan.writers if self.plan.kills else 0):
            self._writer(1_000_000)
        for done in range(self.plan.kills):
            victim = self._aimed() if done % 2 else self._anyone()
            os.kill(victim.pid or 0, signal.SIGKILL)
            victim.join()
            self._alive.remove(victim)
            self.killed[self.post.phase(victim.pid or 0)] += 1
            self._writer(1_000_000)
            self.progress("kill", done + 1, self.plan.kills)

    def _anyone(self) -> ForkServerProcess:
        time.sleep(self.chance.uniform(0, _AT_RANDOM_S))
        return self.chance.choice(self._writers())

    def _aimed(self) -> ForkServerProcess:
        """A writer in a phase that chance names, however short that phase is; anyone when none is seen in it."""
        phase, until = self.chance.choice(PHASES), time.monotonic() + _AIM_S
        while time.monotonic() < until:
            for process in self._writers():
                if self.post.phase(process.pid or 0) == phase:
                    return process
            time.sleep(_LOOK_S)
        return self._anyone()

    def _writers(self) -> list[ForkServerProcess]:
        return [p for p in self._alive if p.name.startswith("writer")]

    def _writer(self, batches: int) -> ForkServerProcess:
        self._started += 1
        return self._start(write, "writer", self._started, batches, self.plan.seed + self._started)

    def _start(self, work: Callable[..., None], kind: str, number: int, *more: int) -> ForkServerProcess:
        process: ForkServerProcess = self._context.Process(
            target=work, args=(self.post, number, *more), name=f"{kind} {number}", daemon=True
        )
        process.start()
        self._alive.append(process)
        return process

    def _ended(self, process: ForkServerProcess) -> None:
        process.join(_END_S)
        if process.is_alive():
            doing = self.post.phase(process.pid or 0)
            self._hung.append(f"{process.name} did not end within {_END_S:.0f} s; it was at: {doing}")
            process.kill()
            process.join()
        self._alive.remove(process)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the lake holds after a drill: batches, versions, files that were swept, and every broken promise."""

    batches: int
    versions: int
    left: int
    faults: tuple[str, ...]


def judge(post: Post) -> Judgement:
    """Compare the lake with what was acknowledged, then sweep and compare again."""
    now = dt.datetime.now(dt.UTC)
    promised = acknowledged(post.here)
    batches, faults = _contents(post.lake(), promised)
    versions, broken = _versions(post.lake())
    faults += broken
    faults += [f"doctor: {c.name}: {c.message}" for c in post.lake().checks() if c.failed or c.state == "warning"]
    faults += [f"stale workplace: {name}" for name in dead(_workplaces(post))]
    # An hour from now the files of the dead may go. Taking them must change nothing that anybody reads.
    later = now + dt.timedelta(seconds=2 * leftovers.AGE_S)
    swept = leftovers.sweep(post.lake().catalog, later)
    again, lost = _contents(post.lake(), promised)
    faults += [f"after the sweep: {fault}" for fault in lost if fault not in faults]
    if again != batches:
        faults.append(f"after the sweep: {again:,} batches instead of {batches:,}")
    still = leftovers.find(post.lake().catalog, later)
    faults += [f"left after the sweep: {len(one.keys)} {one.kind} in {one.where}" for one in still]
    return Judgement(batches, versions, sum(len(one.keys) for one in swept), tuple(faults))


def _contents(lake: Lake, promised: Mapping[str, Iterable[str]]) -> tuple[int, list[str]]:
    """How many batches there are, and those that are lost, torn, doubled or where they do not belong."""
    faults: list[str] = []
    where: dict[str, str] = {}
    for name in sorted({*lake.catalog.names(), *promised}):
        try:
            torn, present = unlike(lake.sql(f"SELECT batch, line, mark FROM {name}", access=ALL_ROWS).table)
        except WorkbenchError as error:
            faults.append(f"{name} cannot be read: {error.message}")
            torn, present = [], set()
        faults += [f"{name}: torn or doubled: {_few(torn)}"] if torn else []
        lost = sorted(set(promised.get(name, ())) - present)
        faults += [f"{name}: acknowledged and lost: {_few(lost)}"] if lost else []
        faults += [f"{batch} is in {where[batch]} and in {name}" for batch in sorted(present & where.keys())]
        where |= dict.fromkeys(present, name)
    return len(where), faults


def _versions(lake: Lake) -> tuple[int, list[str]]:
    """How many versions there are, and those that are not whole: each must have its files and only whole batches."""
    count, faults = 0, []
    for name in lake.catalog.names():
        try:
            history = lake.snapshots(name)
            count += len(history)
            faults += list(_history(lake, name))
        except WorkbenchError as error:
            faults.append(f"{name}: its history cannot be read: {error.message}")
    return count, faults


def _history(lake: Lake, name: str) -> Iterator[str]:
    prefix = f"datasets/{name}/"
    there = {e.key.removeprefix(prefix): e.size_bytes for e in lake.storage.entries(prefix + "part-")}
    before = 0
    for snapshot in reversed(lake.snapshots(name)):
        manifest = lake.get(f"{name}@{snapshot.version}")
        rows = manifest.row_count
        if rows % BATCH_ROWS or rows < before or rows != snapshot.rows:
            yield f"{name}@{snapshot.version} has {rows:,} rows after {before:,}, its commit says {snapshot.rows}"
        gone = [f.path for f in manifest.files if there.get(f.path) != f.size_bytes]
        if gone:
            yield f"{name}@{snapshot.version}: files gone or cut: {_few(gone)}"
        before = rows


def _workplaces(post: Post) -> Path:
    storage = post.opener(post.url, post.environ)
    return place(storage) if storage.filesystem() is None else post.here / place(storage).name


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _short(said: Sequence[str]) -> list[str]:
    return [*said[:_SHOWN], *([f"and {len(said) - _SHOWN:,} more processes with faults"] if said[_SHOWN:] else [])]
