"""One named vector index in memory: it follows its log, answers searches, writes, and merges its files.

Two locks. ``_writing`` lets one writer of this process commit at a time; ``_reading`` guards what is in memory and is
held only while it changes. A search takes neither unless it has a condition, so it never waits for a commit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import BusyError, LostRaceError, NotFoundError, WorkbenchError
from workbench.search.named import rows as vector_rows
from workbench.search.named.items import Value, normal
from workbench.search.named.log import State, VectorFile, VectorLog, VectorSpec
from workbench.search.named.rows import VectorRows
from workbench.search.vectors.index import ExactIndex, GrowingIndex

Decide = Callable[[Callable[[], Any]], Any]

_MANY_FILES = 64  # more are merged: a fresh process opens each of them
_STALE_ROWS = 256  # fewer are not worth a rewrite, whatever their share
_LOOKS = 8  # at a table whose files others merge and remove meanwhile
_ORPHAN_AGE_S = 3600.0


def _make_index(spec: VectorSpec) -> GrowingIndex:
    """What searches the vectors in memory."""
    return ExactIndex(spec.dimension, spec.distance)


class Memory:
    """The rows of an index at some state. ``ids`` by label; a label is never given to another id."""

    def __init__(self, spec: VectorSpec) -> None:
        self.index = _make_index(spec)
        self.ids: list[str] = []
        self.labels: dict[str, int] = {}
        self.metadata: dict[int, str] = {}
        self._postings: dict[str, dict[Value, set[int]]] = {}

    def apply(self, rows: VectorRows) -> None:
        """Take in rows that came after all others."""
        gone = [self.labels.pop(rows.ids[i], -1) for i in np.flatnonzero(~rows.there).tolist()]
        present = np.flatnonzero(rows.there).tolist()
        labels = [self._label(rows.ids[i]) for i in present]
        self.index.remove([label for label in gone if label >= 0])
        self.index.add(labels, rows.vectors)
        for label in gone:
            self._say(label, None)
        for label, i in zip(labels, present, strict=True):
            if (text := rows.metadata[i]) is not None:
                self._say(label, text)

    def matching(self, where: Mapping[str, frozenset[Value]]) -> NDArray[np.int64]:
        """Labels of the rows whose metadata meets every one of these conditions (at least one)."""
        found = [set().union(*(self._posting(key).get(v, ()) for v in values)) for key, values in where.items()]
        met = set.intersection(*sorted(found, key=len))
        return np.fromiter(met, np.int64, len(met))

    def _label(self, key: str) -> int:
        label = self.labels.get(key)
        if label is None:
            label = self.labels[key] = len(self.ids)
            self.ids.append(key)
        return label

    def _posting(self, key: str) -> dict[Value, set[int]]:
        """Labels by value for one key: made at the first condition on it, kept up from then on."""
        if key not in self._postings:
            made: dict[Value, set[int]] = {}
            for label, text in self.metadata.items():
                said = json.loads(text)
                if key in said:
                    made.setdefault(normal(said[key]), set()).add(label)
            self._postings[key] = made
        return self._postings[key]

    def _say(self, label: int, text: str | None) -> None:
        old = self.metadata.pop(label, None)
        if text is not None:
            self.metadata[label] = text
        if not self._postings:
            return
        before, now = json.loads(old or "{}"), json.loads(text or "{}")
        for key, posting in self._postings.items():
            if key in before:
                posting[normal(before[key])].discard(label)
            if key in now:
                posting.setdefault(normal(now[key]), set()).add(label)


class VectorTable:
    """One index: its log, the state of it that was read last, and the rows of that state."""

    def __init__(self, log: VectorLog) -> None:
        self.log = log
        self._reading, self._writing, self._tidying = Lock(), Lock(), Lock()
        self._now: tuple[State, Memory] | None = None

    def __len__(self) -> int:
        return len(self._open()[1].labels)

    @property
    def spec(self) -> VectorSpec:
        """What was fixed when the index was made."""
        return _spec(self._open()[0])

    def refresh(self) -> bool:
        """Read what was committed since the last look; returns whether there is such an index."""
        now = self._now
        if now is not None and self.log.is_newest(now[0]):
            return True
        with self._reading:
            for look in range(_LOOKS):
                with suppress(NotFoundError):  # a file that somebody merged into another one this moment
                    return self._follow(None if look else self._now)
        raise BusyError(f"The vector index {self.log.name!r} is being rewritten all the time.", hint="Try again.")

    def present(self, ids: Sequence[str]) -> list[str]:
        """Those of ``ids`` that are there."""
        labels = self._open()[1].labels
        return [key for key in ids if key in labels]

    def search(
        self, vector: ArrayLike, k: int, where: Mapping[str, frozenset[Value]], exclude: set[str]
    ) -> list[tuple[str, float, dict[str, Any]]]:
        """(id, distance, metadata) of the ``k`` nearest, ties by id."""
        memory = self._open()[1]
        allowed = None
        if where:
            with self._reading:
                allowed = memory.matching(where)
        skipped = {label for key in exclude if (label := memory.labels.get(key)) is not None}
        # Ties in full: they are ordered by id here and by label there.
        found = memory.index.search(vector, k + len(skipped), allowed=allowed, ties=True)
        near = [
            (far, memory.ids[label], label)
            for label, far in zip(found.ids.tolist(), found.distances.tolist(), strict=True)
            if label not in skipped
        ]
        return [
            (key, far, json.loads(memory.metadata.get(label, vector_rows.CLEARED)))
            for far, key, label in sorted(near)[:k]
        ]

    def write(self, files: Sequence[VectorFile], rows: VectorRows, operation: str) -> int:
        """Commit ``files``, which hold ``rows``, on the state that is in memory. Raises LostRaceError.

        Returns how many ids are new (add), or how many were there (remove).
        """
        with self._writing:
            state, memory = self._open()
            known = sum(key in memory.labels for key in rows.ids)
            there = len(memory.labels)
            told, count = (known, there - known) if operation == "remove" else (len(rows) - known, 0)
            count = count if operation == "remove" else there + told
            later = self.log.commit(state, operation, files, (), count)
            with self._reading:
                if self._now == (state, memory):  # else a search has read the commit already
                    memory.apply(rows)
                    self._now = later, memory
        return told

    def content(self) -> tuple[State, VectorRows]:
        """Every row that counts, as it is in the lake, and the state it is of. Raises LostRaceError if it moves."""
        state = self._open()[0]
        try:
            parts = [self._read(state, file) for file in state.files]
        except NotFoundError:
            raise LostRaceError(f"The vector index {self.log.name!r} was rewritten meanwhile.") from None
        return state, vector_rows.folded(parts, whole=True) if parts else VectorRows.removed([], _spec(state).dimension)

    def clear(self, state: State) -> None:
        """Empty exactly ``state``. Raises LostRaceError."""
        self.log.commit(state, "clear", (), state.files, 0)
        vector_rows.drop(self.log, state.files)

    def tidy(self, decide: Decide) -> None:
        """Merge files when too many rows or files are of no more use. Failing to is no failure: nothing is lost."""
        if not self._tidying.acquire(blocking=False):
            return
        try:
            old = _worth_merging(*self._live())
            if len(old) > 0:
                self._merge(old, decide)
        except (WorkbenchError, OSError):
            return  # the next write tries again
        finally:
            self._tidying.release()

    def _live(self) -> tuple[State, int]:
        state, memory = self._open()
        return state, len(memory.labels)

    def _merge(self, old: Sequence[VectorFile], decide: Decide) -> None:
        state = self._open()[0]
        rows = vector_rows.folded([self._read(state, f) for f in old], whole=old[0] == state.files[0])
        made = [replace(f, seq=old[-1].seq) for f in (vector_rows.save(self.log, rows) if len(rows) else ())]

        def step() -> bool:
            if not self.refresh():
                return False
            state, memory = self._open()
            if not set(old) <= set(state.files):
                return False  # another process was faster
            self.log.commit(state, "compact", made, old, len(memory.labels))
            return True

        vector_rows.drop(self.log, old if decide(step) else made)
        self._sweep()

    def _sweep(self) -> None:
        """Remove files that a dead writer left: no commit names them, and they are too old to be on their way in."""
        self.refresh()
        named = {f"{self.log.key}/{f.path}" for f in self._open()[0].files}
        for entry in self.log.storage.entries(f"{self.log.key}/part-"):
            if entry.key not in named and time.time() - entry.modified_s > _ORPHAN_AGE_S:
                self.log.storage.delete(entry.key)

    def _open(self) -> tuple[State, Memory]:
        now = self._now
        if now is None:
            raise NotFoundError(f"The vector index {self.log.name!r} was deleted this moment.")
        return now

    def _follow(self, now: tuple[State, Memory] | None) -> bool:
        """Bring ``now`` to the newest state by what was committed since, or load all."""
        while now is not None and not self.log.is_newest(now[0]):
            found = self.log.after(now[0])
            if found is None:
                now = None
                break
            later, new = found
            for part in [self._read(later, file) for file in new]:
                now[1].apply(part)
            now = self._now = later, now[1]
        self._now = now or self._load()
        return self._now is not None

    def _load(self) -> tuple[State, Memory] | None:
        state = self.log.load()
        if state is None or state.spec is None:
            return None
        memory = Memory(state.spec)
        for file in state.files:
            memory.apply(self._read(state, file))
        return state, memory

    def _read(self, state: State, file: VectorFile) -> VectorRows:
        return vector_rows.load(self.log.storage, self.log.key, file, _spec(state).dimension)


def _spec(state: State) -> VectorSpec:
    assert state.spec is not None
    return state.spec


def _worth_merging(state: State, live: int) -> Sequence[VectorFile]:
    """The newest files that should become one; all of them when a third of the rows no longer counts."""
    files, stale = state.files, state.rows - live
    if stale > _STALE_ROWS and 3 * stale > state.rows:
        return files
    if len(files) <= _MANY_FILES:
        return ()
    first, rows = len(files) - 1, files[-1].rows
    while first and files[first - 1].rows <= 2 * rows:  # sizes stay geometric, so a row is rewritten log n times
        first -= 1
        rows += files[first].rows
    return files[first:] if len(files) - first > 1 else ()
