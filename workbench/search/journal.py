"""The search log: what was looked for, who was shown, who was chosen. An append-only dataset, ``searches``.

No search waits for it. ``note`` puts an entry into a queue; one background thread covers personal data, appends the
entry to a spool on this machine (a killed process loses only what was still in the queue) and now and then moves the
spool into the dataset, where SQL finds it. What a dead process left in its spool the next one moves. A batch that was
moved just before its process died is known by the hash of its bytes and not moved twice.

Nothing here raises into a search: when the lake is read-only or gone, the entries wait and ``stats`` counts it.
"""

from __future__ import annotations

import atexit
import datetime as dt
import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import ConflictError
from workbench.lake.lake import Lake
from workbench.lake.sql.parquet import Written, adopt
from workbench.lake.tables.manifest import Column, Note, Source, fingerprint
from workbench.lake.tables.stage import stage
from workbench.pii import mask_text
from workbench.search.spool import Row, Spool, to_lines

DATASET = "searches"
SCHEMA = pa.schema(
    [
        ("event", pa.string()),  # search | choice
        ("search_id", pa.string()),
        ("happened_at", pa.timestamp("us", tz="UTC")),
        ("position", pa.string()),
        ("dataset", pa.string()),
        ("snapshot", pa.int64()),
        ("query", pa.string()),
        ("filters", pa.string()),
        ("criteria", pa.string()),
        ("shown", pa.list_(pa.field("element", pa.string()))),
        ("chosen", pa.list_(pa.field("element", pa.string()))),
    ]
)
COLUMNS = tuple(Column(field.name, str(field.type)) for field in SCHEMA)
FINGERPRINT = fingerprint((c.name, c.type) for c in COLUMNS)
_MOST_WAITING = 10_000  # entries; more means that the disk stands still, and a search is worth more than its log
_SPOOL_CAP_BYTES = 64 * 1024 * 1024
_MANY_FILES = 64
_LONGEST_PAUSE_S = 600.0


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One search. ``snapshot``: the dataset's version; ``shown``: ids in the order of the answer; ``filters``: the SQL
    condition; ``criteria``: whatever else narrowed it, JSON-ready; ``position``: the job it was made for, if known.
    """

    query: str
    dataset: str
    snapshot: int
    shown: Sequence[str | int]
    filters: str = ""
    position: str = ""
    criteria: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """The ids that were chosen of those a search showed."""

    chosen: Sequence[str | int]


@dataclass(slots=True)
class JournalStats:
    """Entries noted, written down in the spool, moved into the dataset (leftovers of dead processes too), given up.

    ``failures`` counts what went wrong so far.
    """

    noted: int = 0
    spooled: int = 0
    written: int = 0
    dropped: int = 0
    failures: int = 0
    last_error: str = ""


class Journal:
    """The search log of one lake. ``spool`` is a private folder of this machine, one per lake, shared by its processes.

    Entries go into the dataset when ``every`` have come, ``seconds`` after the first, and at ``close``.
    """

    def __init__(self, lake: Lake, spool: Path, *, every: int = 200, seconds: float = 30.0) -> None:
        self._queue: SimpleQueue[_Noted | Event | None] = SimpleQueue()
        self._writer = _Writer(lake, Spool(spool), every=every, seconds=seconds)
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed = False

    def note(self, entry: SearchEntry) -> str:
        """Remember a search, in microseconds; returns its id. Never raises and never waits."""
        search_id = secrets.token_hex(12)
        self._put(_Noted(search_id, time.time(), entry))
        return search_id

    def choose(self, search_id: str, ids: Sequence[str | int]) -> None:
        """Remember which of the ids that a search showed were chosen. Never raises and never waits."""
        self._put(_Noted(search_id, time.time(), Choice(tuple(ids))))

    def stats(self) -> JournalStats:
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

        What remains stays in the spool for the next process; when many have left something, it is written all the same.
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

    def _put(self, noted: _Noted) -> None:
        with self._lock:
            if self._closed or self._queue.qsize() >= _MOST_WAITING:
                self._writer.stats.dropped += 1
                return
            self._writer.stats.noted += 1
            self._start()
            self._queue.put(noted)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="search-log", daemon=True)
            self._thread.start()
            atexit.register(self._at_exit)

    def _run(self) -> None:
        ended = False
        while not ended:
            batch, asked, ended = self._wait()
            self._writer.take(batch)
            if asked or (self._writer.is_due() and not ended):
                self._writer.write()
            for event in asked:
                event.set()
        self._writer.spool.leave()

    def _wait(self) -> tuple[list[_Noted], list[Event], bool]:
        """All that is in the queue, after a wait for the first of it or until something is due; and whether to end."""
        batch: list[_Noted] = []
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


@dataclass(frozen=True, slots=True)
class _Noted:
    search_id: str
    at: float
    what: SearchEntry | Choice


class _Writer:
    """What the thread does, by turns, without ever raising; others read only ``stats`` and ``is_done``."""

    def __init__(self, lake: Lake, spool: Spool, *, every: int, seconds: float) -> None:
        self.lake, self.spool, self.every, self.seconds = lake, spool, every, seconds
        self.stats = JournalStats()
        self._waiting: list[Row] = []
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

    def take(self, batch: Sequence[_Noted]) -> None:
        """Cover entries and write them down."""
        if not batch:
            return
        if self.spool.size_bytes > _SPOOL_CAP_BYTES or len(self._waiting) > 10 * _MOST_WAITING:
            self.stats.dropped += len(batch)
            return
        rows = []
        for noted in batch:
            try:
                rows.append(_to_row(noted))
            except Exception as error:  # noqa: BLE001 - one entry that means nothing must not hold up the others
                self.stats.dropped += 1
                self._failed(error)
        if not rows:
            return
        self._waiting += rows
        self._due = self._due or time.monotonic() + self.seconds
        try:
            self.spool.append(rows)
            self.stats.spooled += len(rows)
        except OSError as error:
            self._failed(error)

    def write(self) -> None:
        """Move what waits into the dataset, and what dead processes left."""
        try:
            for rows in self.spool.left():
                self._take_over(rows)
            if self._waiting:
                self._append(self._waiting)
                self._waiting = []
                self.spool.forget()
            self._due, self._pause_s = None, self.seconds
            if len(self.lake.get(DATASET).files) > _MANY_FILES:
                self.lake.compact(DATASET)
        except Exception as error:  # noqa: BLE001 - the log must not break what it logs
            self._failed(error)
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._due = time.monotonic() + self._pause_s

    def _take_over(self, rows: Sequence[Row]) -> None:
        """What a dead process left becomes ours, so that many short processes make one snapshot and not one each."""
        if not self._is_in(_source(rows)):
            self.spool.append(rows)
            self._waiting += rows

    def _is_in(self, source: Source) -> bool:
        base = self.lake.catalog.find(DATASET)
        return base is not None and self.lake.catalog.ingested(base, source.key) is not None

    def _append(self, waiting: Sequence[Row]) -> None:
        """One snapshot with these rows more, unless they are in it already."""
        catalog, source = self.lake.catalog, _source(waiting)
        if self._is_in(source):
            return
        # Who died while taking over has left the same rows twice.
        rows = list({(row["event"], row["search_id"], row["happened_at"]): row for row in waiting}.values())
        note = Note("appended", message="search log", by=self.lake.by, added=len(rows), source=source)
        with stage(catalog.storage) as folder:
            path = folder / "part.parquet"
            pq.write_table(pa.Table.from_pylist([_to_record(row) for row in rows], SCHEMA), path)
            file = adopt(catalog.storage, DATASET, Written(path, COLUMNS, len(rows), path.stat().st_size, {}))

        def step() -> None:
            base = catalog.find(DATASET)
            if base and base.fingerprint != FINGERPRINT:
                raise ConflictError(f"The dataset {DATASET} has other columns than the search log.")
            catalog.commit(base, DATASET, COLUMNS, [file], note)

        catalog.decide(step)
        self.stats.written += len(rows)

    def _failed(self, error: Exception) -> None:
        self.stats.failures += 1
        self.stats.last_error = mask_text(f"{type(error).__name__}: {error}")[:500]


def _to_row(noted: _Noted) -> Row:
    row: Row = dict.fromkeys(SCHEMA.names)
    row |= {"search_id": _text(noted.search_id), "happened_at": noted.at}
    if isinstance(noted.what, Choice):
        return row | {"event": "choice", "chosen": [_text(i) for i in noted.what.chosen]}
    entry = noted.what
    texts = {"position": entry.position, "query": entry.query, "filters": entry.filters}
    return (
        row
        | {"event": "search", "dataset": _text(entry.dataset), "snapshot": int(entry.snapshot)}
        | {name: mask_text(_text(text)) if text else None for name, text in texts.items()}
        | {"criteria": json.dumps(_covered(entry.criteria), ensure_ascii=False) if entry.criteria else None}
        | {"shown": [_text(i) for i in entry.shown]}
    )


def _text(value: object) -> str:
    """Text that every format takes: half a character would hold up all that waits beside it."""
    return str(value).encode("utf-8", "replace").decode()


def _covered(value: Any) -> Any:
    """A JSON value with personal data in its texts covered."""
    if isinstance(value, Mapping):
        return {_text(k): _covered(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_covered(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float) else mask_text(_text(value))


def _source(rows: Sequence[Row]) -> Source:
    body = to_lines(rows)
    return Source(f"{DATASET}.jsonl", hashlib.sha256(body).hexdigest(), len(body))


def _to_record(row: Row) -> Row:
    return row | {"happened_at": dt.datetime.fromtimestamp(row["happened_at"], dt.UTC)}
