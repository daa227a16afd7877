"""Guarded engines, one for each set of snapshots that statements read, and connections to them."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from workbench.lake.sql import guard
from workbench.lake.sql.engine import Limits
from workbench.lake.sql.relation import select_sql, uris
from workbench.lake.tables.manifest import DataFile, Manifest
from workbench.lake.tables.storage import Storage

KEPT = 8


class Engines:
    """Opens engines over the files of ``storage`` and keeps the last few. Safe for threads."""

    def __init__(self, storage: Storage, limits: Limits) -> None:
        self.storage = storage
        self.limits = limits
        self._kept: OrderedDict[tuple[tuple[str, str, int], ...], _Engine] = OrderedDict()
        self._lock = threading.Lock()
        self._spill: Path | None = None

    @contextmanager
    def connection(
        self, tables: Mapping[str, Manifest], frames: Mapping[str, Any]
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one statement: it sees these snapshots by these names, and ``frames``, which no other sees.

        Raises what the engine raises when a file of a snapshot is gone or damaged.
        """
        engine = self._engine(tables)
        con = engine.take()
        try:
            for name, frame in frames.items():
                con.register(name, frame)
            yield con
        finally:
            for name in frames:
                con.unregister(name)
            engine.give_back(con)

    def over(self, views: Mapping[str, tuple[Manifest, Sequence[DataFile]]], **more: Any) -> duckdb.DuckDBPyConnection:
        """A new guarded engine with one view for each snapshot, or some of its files."""
        return guard.guarded_connection(
            {name: uris(self.storage, manifest, files) for name, (manifest, files) in views.items()},
            {name: select_sql(self.storage, manifest, files) for name, (manifest, files) in views.items()},
            filesystem=self.storage.filesystem(),
            threads=self.limits.threads or None,
            memory_limit=f"{self.limits.memory_mb}MB" if self.limits.memory_mb else None,
            spill=str(self._spill_folder()),
            **more,
        )

    def close(self) -> None:
        """Close every engine."""
        with self._lock:
            while self._kept:
                self._kept.popitem()[1].close()

    def _engine(self, tables: Mapping[str, Manifest]) -> _Engine:
        """The engine that sees exactly these snapshots; a new version makes a new one."""
        key = tuple(sorted((alias, m.name, m.version) for alias, m in tables.items()))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            cursors: list[duckdb.DuckDBPyConnection] = []
            con = self.over({alias: (m, m.files) for alias, m in tables.items()}, cursors=cursors)
            made = self._kept[key] = _Engine(con, tuple(cursors), cursors)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return made

    def _spill_folder(self) -> Path:
        """Where big sorts go: a private folder, gone with this object, never the reader's current folder."""
        if self._spill is None:
            self._spill = Path(tempfile.mkdtemp(prefix="lh-spill-"))
            weakref.finalize(self, shutil.rmtree, self._spill, ignore_errors=True)
        return self._spill


@dataclass(frozen=True, slots=True)
class _Engine:
    """A guarded engine and its idle cursors, which tell how far a statement is; when all are out, one that does not."""

    con: duckdb.DuckDBPyConnection
    telling: tuple[duckdb.DuckDBPyConnection, ...]
    idle: list[duckdb.DuckDBPyConnection]

    def take(self) -> duckdb.DuckDBPyConnection:
        try:
            return self.idle.pop()
        except IndexError:
            return self.con.cursor()

    def give_back(self, cursor: duckdb.DuckDBPyConnection) -> None:
        if any(cursor is one for one in self.telling):
            self.idle.append(cursor)
        else:
            cursor.close()

    def close(self) -> None:
        for cursor in self.telling:
            cursor.close()
        self.con.close()
