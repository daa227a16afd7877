"""Facts of a lake for completion: asked in the background, remembered, and nothing rather than late.

A keystroke waits for an answer a few milliseconds and no longer; what comes later is there for the next one. What
belongs to a snapshot never changes and is kept; what may move (names, newest versions) is asked again and its last
answer stands in until the new one is there.
"""

from __future__ import annotations

import bisect
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from workbench import pii
from workbench.errors import QueryTimeoutError
from workbench.lake.sql.completion.complete import Version
from workbench.lake.sql.completion.scope import Field
from workbench.lake.sql.engine import Watch
from workbench.lake.sql.query import Access, Queries
from workbench.lake.sql.versions import moment
from workbench.lake.tables.manifest import Column, Manifest, Snapshot
from workbench.lake.tables.mapping import quote

T = TypeVar("T")
BUDGET_S = 0.03  # what one completion waits for, all its questions together
FOREVER, NOW, SOON_S = float("inf"), 0.0, 3.0  # how old an answer may be
MOST_VALUES = 200  # a column with more distinct texts is no list to choose from
LONGEST_VALUE = 80  # characters
VALUES_TIMEOUT_S = 5.0  # the engine's own limit for finding them, in the background
LONGEST_END_S = 0.5  # what is waited for when a lake is left
MOST_KEPT, MOST_ASKED = 2_000, 4


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any
    at: float


class Memory:
    """Answers by question. A question without a fresh answer is asked on a thread of its own, once at a time."""

    def __init__(self, budget_s: float = BUDGET_S) -> None:
        self.budget_s = budget_s
        self._kept: dict[Hashable, _Answer] = {}
        self._asked: dict[Hashable, threading.Event] = {}
        self._lock = threading.Lock()
        self._begun = self._until = 0.0
        self._closed = False

    def begin(self) -> None:
        """A new completion: its budget starts."""
        self._begun = time.monotonic()
        self._until = self._begun + self.budget_s

    def wait(self, timeout_s: float) -> None:
        """Take no more questions and wait for those under way."""
        with self._lock:
            self._closed = True
            left = list(self._asked.values())
        until = time.monotonic() + timeout_s
        for event in left:
            event.wait(max(0.0, until - time.monotonic()))

    def ask(self, question: Hashable, work: Callable[[], T], otherwise: T, *, age_s: float = FOREVER) -> T:
        """The answer of ``work``, known or found within the budget; else the last one, else ``otherwise``."""
        known = self._kept.get(question)
        if known is None or (known.at < self._begun and time.monotonic() - known.at > age_s):
            event = self._start(question, work)
            if event is not None:
                event.wait(max(0.0, self._until - time.monotonic()))
            known = self._kept.get(question)
        found: T = otherwise if known is None else known.value
        return found

    def _start(self, question: Hashable, work: Callable[[], Any]) -> threading.Event | None:
        with self._lock:
            if question in self._asked:
                return self._asked[question]
            if self._closed or len(self._asked) >= MOST_ASKED:
                return None
            event = self._asked[question] = threading.Event()
        threading.Thread(target=self._answer, args=(question, work, event), name="lh-facts", daemon=True).start()
        return event

    def _answer(self, question: Hashable, work: Callable[[], Any], event: threading.Event) -> None:
        try:
            value = work()
        except Exception:  # noqa: BLE001 - an observer: whoever types must not see why a fact is missing
            value = None
        with self._lock:
            if value is not None:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[question] = _Answer(value, time.monotonic())
            else:
                self._kept.pop(question, None)
            del self._asked[question]
        event.set()


class Facts:
    """What `complete` asks of a lake (`Known`, but for frames and names, which are the notebook's)."""

    def __init__(self, queries: Queries, *, budget_s: float = BUDGET_S) -> None:
        self._queries = queries
        self._catalog = queries.catalog
        self._memory = Memory(budget_s)
        self._watches: dict[int, Watch] = {}
        # An engine that works on while the interpreter goes down aborts the process.
        self._end = weakref.finalize(self, _stop, self._memory, self._watches)

    def begin(self) -> None:
        """A new completion begins: call it before each."""
        self._memory.begin()

    def close(self) -> None:
        """Stop what still runs, and wait for it; nothing is known any more."""
        self._end()

    def datasets(self) -> Sequence[str]:
        """Names of all datasets, at most a few seconds old."""
        return self._memory.ask("names", self._catalog.names, (), age_s=SOON_S)

    def fields(self, name: str, version: str) -> Sequence[Field] | None:
        """Columns of a dataset at a version as written; those of the newest when that version is not known in time."""
        newest = self._newest(name)
        if newest is None:
            return None
        manifest = self._at(newest, version) if version else newest
        return [Field(c.name, c.type, (newest.name, version, c.name)) for c in manifest.columns]

    def matching(self, prefix: str) -> Sequence[Field]:
        """Columns of any dataset by the beginning of their names."""
        nothing: tuple[list[str], dict[str, Column]] = ([], {})
        names, by_name = self._memory.ask("columns", self._all_columns, nothing, age_s=SOON_S)
        i = bisect.bisect_left(names, prefix)
        found = []
        while i < len(names) and names[i].startswith(prefix):
            found.append(Field(by_name[names[i]].name, by_name[names[i]].type))
            i += 1
        return found

    def values(self, dataset: str, version: str, column: str) -> Sequence[str]:
        """Distinct texts of a column, most common first: none for a tagged column, a long text or more than a few."""
        newest = self._newest(dataset, age_s=NOW)  # so that a tag counts at once
        manifest = self._at(newest, version) if newest and version else newest
        about = manifest.column(column) if manifest else None
        if manifest is None or about is None or about.pii or about.type != "string":
            return ()
        said = newest.column(column) if newest else None
        if said is not None and said.pii:  # tagged since
            return ()
        key = ("values", manifest.name, manifest.version, column)
        at = manifest
        return self._memory.ask(key, lambda: self._distinct(at, column), ())

    def versions(self, dataset: str) -> Sequence[Version]:
        """Snapshots of a dataset that are still kept, newest first."""
        newest = self._newest(dataset)
        if newest is None:
            return ()
        key = ("versions", newest.name, newest.version)
        kept = newest.about.expired_before
        return self._memory.ask(
            key, lambda: [_version(s) for s in self._catalog.history(newest.name) if s.version >= kept], ()
        )

    def _newest(self, name: str, *, age_s: float = SOON_S) -> Manifest | None:
        folded = name.lower()
        return self._memory.ask(("newest", folded), lambda: self._catalog.find(folded), None, age_s=age_s)

    def _at(self, newest: Manifest, version: str) -> Manifest:
        def load() -> Manifest:
            if version.isdecimal():
                return self._catalog.get(newest.name, int(version))
            return self._catalog.at(newest.name, moment(version))

        return self._memory.ask(("at", newest.name, newest.version, version), load, newest)

    def _all_columns(self) -> tuple[list[str], dict[str, Column]]:
        found: dict[str, Column] = {}
        for manifest in self._catalog.all():
            for column in manifest.columns:
                found.setdefault(column.name.lower(), column)
        return sorted(found), found

    def _distinct(self, manifest: Manifest, column: str) -> list[str]:
        """The values to choose from; an empty list when there are too many. Runs in the background."""
        watch = Watch(timeout_s=VALUES_TIMEOUT_S)
        self._watches[id(watch)] = watch
        name, table = quote(column), f"{quote(manifest.name)}@{manifest.version}"
        sql = (
            f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL GROUP BY ALL "
            f"ORDER BY count(*) DESC, {name} LIMIT {MOST_VALUES + 1}"
        )
        try:
            answer = self._queries.run(sql, access=Access(row_cap=None, show_pii=True), watch=watch)
        except QueryTimeoutError:  # remembered, so that no keystroke starts it again
            return []
        finally:
            del self._watches[id(watch)]
        found: list[str] = answer.table.column(0).to_pylist()
        if len(found) > MOST_VALUES:
            return []
        # A column may hold what looks like PII without a tag; such a value is shown to nobody unasked.
        return [v for v in found if 0 < len(v) <= LONGEST_VALUE and "\n" not in v and pii.mask_text(v) == v]


def _stop(memory: Memory, watches: dict[int, Watch]) -> None:
    for watch in tuple(watches.values()):
        watch.cancel()
    memory.wait(LONGEST_END_S)


def _version(snapshot: Snapshot) -> Version:
    when = snapshot.created_at.astimezone()
    words = " ".join((snapshot.message or snapshot.operation).split())
    return Version(snapshot.version, f"{when:%Y-%m-%d}", f"{when:%Y-%m-%d %H:%M} {words[:60]}")
