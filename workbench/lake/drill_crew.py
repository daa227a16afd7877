"""The processes of the crash drill: what a writer and a reader do, and the notes by which they are judged.

Notes are files in one folder: a line per acknowledged batch, the phase that each writer is in, faults in plain words.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import Any, cast

import pyarrow as pa

from workbench.errors import NotFoundError, WorkbenchError
from workbench.lake.lake import Lake
from workbench.lake.loading.report import Request
from workbench.lake.sql.query import Access
from workbench.lake.tables.storage import Entry, Storage

BATCH_ROWS = 40
SHARED = "drill_shared"
OWN = 8  # beside the shared dataset, each writer has one of so many
STOP = "stop"
PHASES = ("start", "file", "read", "write", "adopt", "commit", "acknowledge", "compact")
ALL_ROWS = Access(row_cap=None, show_pii=True)
_COMPACT_SHARE = 0.1

Opener = Callable[[str, Mapping[str, str]], Storage]
"""Address and environment → the storage under test; a function that another process can import."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a process works: the lake's address, how to open it, and the folder for files and notes."""

    url: str
    environ: Mapping[str, str]
    folder: str
    opener: Opener

    @property
    def here(self) -> Path:
        """The folder for files and notes."""
        return Path(self.folder)

    def lake(self, note: Callable[[str], None] | None = None) -> Lake:
        """The lake, newly opened; ``note`` is told where its writes are."""
        storage = self.opener(self.url, self.environ)
        return Lake(cast(Storage, _Noted(storage, note)) if note else storage, by="drill")

    def phase(self, pid: int) -> str:
        """What a process was doing last."""
        try:
            return (self.here / f"{pid}.phase").read_text().strip() or PHASES[0]
        except FileNotFoundError:
            return PHASES[0]

    def fault(self, who: str, what: str) -> None:
        """Note a broken promise."""
        (self.here / f"{who}.fault").write_text(f"{who}: {what}", encoding="utf-8")


class _Noted:
    """A storage that notes the phase of the one write that goes through it."""

    def __init__(self, storage: Storage, note: Callable[[str], None]) -> None:
        self._storage, self._note, self._reading = storage, note, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def stat(self, key: str) -> Entry | None:
        """The catalog is first looked at when the file has been read."""
        if self._reading:
            self._reading = False
            self._note("write")
        return self._storage.stat(key)

    def adopt(self, local: Path, key: str) -> Entry:
        """After it comes the commit."""
        self._note("adopt")
        entry = self._storage.adopt(local, key)
        self._note("commit")
        return entry

    def begin(self) -> None:
        """An ingest begins."""
        self._reading = True
        self._note("read")


def end_with_parent() -> None:
    """From now on this process ends when the one that started it does, however that ends."""
    if (parent := parent_process()) is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, name="end with parent", daemon=True).start()


def write(post: Post, number: int, batches: int, seed: int) -> None:
    """Load ``batches`` batches (or fewer when told to stop), acknowledging each after its ingest has returned."""
    end_with_parent()
    tempfile.tempdir = post.folder  # what a dead writer leaves there is the drill's to look at
    who, chance = f"writer {number}", random.Random(seed)
    handle = os.open(post.here / f"{os.getpid()}.phase", os.O_CREAT | os.O_WRONLY)

    def note(phase: str) -> None:
        os.pwrite(handle, phase.ljust(12).encode(), 0)

    try:
        lake = post.lake(note)
        for n in range(batches):
            if batches > 1 and (post.here / STOP).exists():
                return
            note("file")
            name = SHARED if chance.random() < 0.5 else f"drill_{number % OWN}"
            if said := _one(post, lake, number, n, name, note):
                post.fault(who, said)
            if chance.random() < _COMPACT_SHARE:
                note("compact")
                lake.compact(name)
    except WorkbenchError as error:
        post.fault(who, f"{type(error).__name__}: {error.message}")


def _one(post: Post, lake: Lake, number: int, n: int, name: str, note: Callable[[str], None]) -> str:
    batch = f"w{number}-{n}"
    path = post.here / f"{batch}.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([["batch", "line", "mark"], *rows(batch)])
    cast(_Noted, lake.storage).begin()
    done = lake.ingest(Request(path, name))
    note("acknowledge")
    with (post.here / f"{number}.acks").open("a", encoding="utf-8") as acks:
        acks.write(f"{name} {batch}\n")
    path.unlink()
    right = (done.rows, done.rejected) == (BATCH_ROWS, 0) and done.outcome in {"created", "appended"}
    return "" if right else f"{batch} was {done.outcome} with {done.rows} rows and {done.rejected} rejected"


def rows(batch: str) -> Iterator[tuple[str, int, str]]:
    """The rows of a batch, computed from its name: (batch, line, mark)."""
    return ((batch, i, _mark(batch, i)) for i in range(BATCH_ROWS))


def _mark(batch: str, line: int) -> str:
    return "m" + hashlib.blake2b(f"{batch}/{line}".encode(), digest_size=8).hexdigest()


def read(post: Post, number: int) -> None:
    """Read the shared dataset until told to stop; what is acknowledged must be in the next answer, whole."""
    end_with_parent()
    tempfile.tempdir = post.folder
    lake, reads, seen = post.lake(), 0, 0
    while not (post.here / STOP).exists():
        expected = acknowledged(post.here)[SHARED]
        try:
            answer = lake.sql(f"SELECT batch, line, mark FROM {SHARED}", access=ALL_ROWS)
            torn, present = unlike(answer.table)
            lost = sorted(expected - present)
            if torn or lost or len(present) < seen:
                post.fault(
                    f"reader {number}", f"torn {torn[:3]}, not seen {lost[:3]}, {seen} then {len(present)} batches"
                )
            seen = len(present)
        except NotFoundError as error:
            if expected:  # else the first writer has not committed yet
                post.fault(f"reader {number}", error.message)
        except WorkbenchError as error:
            post.fault(f"reader {number}", f"{type(error).__name__}: {error.message}")
        reads += 1
    (post.here / f"{number}.reads").write_text(str(reads))


def acknowledged(folder: Path) -> dict[str, set[str]]:
    """Dataset → batches whose ingest has returned."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in folder.glob("*.acks"):
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
            name, _, batch = line.partition(" ")
            found[name].add(batch)
    return found


def unlike(table: pa.Table) -> tuple[list[str], set[str]]:
    """Batches in ``table`` (batch, line, mark) that are not exactly as they were written, and all that are there."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for batch, line, mark in zip(*(column.to_pylist() for column in table.columns), strict=True):
        found[str(batch)].append((line, mark))
    torn = [b for b, got in found.items() if sorted(got) != [(i, m) for _, i, m in rows(b)]]
    return sorted(torn), set(found)
