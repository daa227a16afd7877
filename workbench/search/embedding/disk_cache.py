"""Vectors on disk by key: the persistent tier of the embedding cache, one SQLite file shared by processes.

Derived data: the file can be deleted at any time. It holds no text, only SHA-256 keys and vectors. Write-ahead logging
keeps it whole when a process is killed; a damaged file is set aside (``…damaged``) and made anew. A disk that is full
or read-only never fails an embedding: the cache then misses, and ``trouble`` says why.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from workbench.errors import ConfigError

FORMAT = 1
GIB = 1 << 30
_CHUNK = 500
# An entry's time of use is written at most this often: a hit must not cost a write.
_USED_STEP_S = 60
_TOUCHES = 256
# Result codes of SQLite (sqlite.org/rescode.html) for a file that is damaged or is no database.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, crc INTEGER NOT NULL, used INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used);
PRAGMA user_version = {FORMAT};
COMMIT;
"""

Result = TypeVar("Result")


class DiskCache:
    """float32 vectors by 32-byte key in ``folder``, at most about ``max_count`` of them in ``max_bytes``.

    Beyond a bound the least recently used go, in batches (time of use to the minute; the bounds are overshot by 2 % at
    most between two looks). Another process that holds the file is waited for ``busy_s`` seconds at most. Safe for
    threads, processes and forks. Raises ConfigError when ``folder`` cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_count: int = 1_000_000,
        max_bytes: int = 4 * GIB,
        busy_s: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = folder / f"embeddings-{FORMAT}.sqlite"
        self.max_count, self.max_bytes, self._clock = max_count, max_bytes, clock
        self._busy_s = busy_s
        self.trouble = ""
        self._lock = threading.Lock()
        self._touched: set[int] = set()
        self._unlooked = max_count  # so that the first addition looks at the bounds
        self._inherited: list[sqlite3.Connection | None] = []
        self._inode = 0
        self._base: sqlite3.Connection | None = None
        self._finalizer: weakref.finalize[[sqlite3.Connection | None], DiskCache] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"The cache folder {folder} cannot be made: {error.strerror}.") from error
        self._open()

    def __len__(self) -> int:
        """Vectors in the file; 0 when it cannot be read."""
        return self._guarded(lambda base: int(base.execute("SELECT count(*) FROM vectors").fetchone()[0]), 0)

    def get(self, keys: Sequence[bytes], dimension: int) -> dict[bytes, NDArray[np.float32]]:
        """The vectors of those ``keys`` that are here, each of length ``dimension``, read-only."""
        return self._guarded(lambda base: self._get(base, keys, dimension), {})

    def put(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keep ``vectors`` by key: one transaction, which a killed process leaves done or undone."""
        self._guarded(lambda base: self._put(base, vectors), None)

    def close(self) -> None:
        """Write what is outstanding and close the file."""
        self._guarded(self._write_touched, None)
        with self._lock:
            _close(self._base)
            self._base = None

    def _get(self, base: sqlite3.Connection, keys: Sequence[bytes], dimension: int) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        wanted = frozenset(keys)
        stale = int(self._clock()) - _USED_STEP_S
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            rows = base.execute(
                f"SELECT id, key, crc, used, vector FROM vectors WHERE id IN ({marks})", [_row_id(key) for key in chunk]
            )
            for row_id, key, crc, used, vector in rows:
                if key not in wanted or not _is_whole(vector, crc, dimension):
                    continue  # a miss: it is written over when it comes again
                found[key] = np.frombuffer(vector, "<f4")
                if used <= stale:
                    self._touched.add(row_id)
        if len(self._touched) >= _TOUCHES:
            self._write_touched(base)
        return found

    def _put(self, base: sqlite3.Connection, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:
        now = int(self._clock())
        blobs = ((key, np.ascontiguousarray(vector, "<f4").tobytes()) for key, vector in vectors.items())
        rows = [(_row_id(key), key, zlib.crc32(blob), now, blob) for key, blob in blobs]
        base.execute("BEGIN IMMEDIATE")
        base.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)", rows)
        self._touch(base)
        self._unlooked += len(rows)
        if self._unlooked >= max(1, self.max_count // 50):
            self._evict(base)
            self._unlooked = 0
        base.execute("COMMIT")

    def _evict(self, base: sqlite3.Connection) -> None:
        """Bring both bounds back, with 5 % to spare so that it is not needed at every addition."""
        count = int(base.execute("SELECT count(*) FROM vectors").fetchone()[0])
        pages, free, size = (
            int(base.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
        )
        used_bytes = (pages - free) * size
        kept = min(self.max_count, count * self.max_bytes // max(used_bytes, 1))
        if count > kept:
            gone = count - kept * 19 // 20
            base.execute("DELETE FROM vectors WHERE id IN (SELECT id FROM vectors ORDER BY used LIMIT ?)", (gone,))

    def _write_touched(self, base: sqlite3.Connection) -> None:
        if self._touched:
            base.execute("BEGIN IMMEDIATE")
            self._touch(base)
            base.execute("COMMIT")

    def _touch(self, base: sqlite3.Connection) -> None:
        now = int(self._clock())
        base.executemany("UPDATE vectors SET used = ? WHERE id = ?", [(now, row_id) for row_id in self._touched])
        self._touched.clear()

    def _guarded(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Do ``work`` on the file; ``otherwise`` when the disk does not let us. A damaged file is replaced."""
        with self._lock:
            base = self._connection()
            if base is None:
                return otherwise
            try:
                return work(base)
            except sqlite3.Error as error:
                self._recover(base, error)
                return otherwise

    def _connection(self) -> sqlite3.Connection | None:
        if self._process != os.getpid():
            # A connection must not be used, nor closed, on the other side of a fork (sqlite.org/howtocorrupt.html).
            if self._finalizer:
                self._finalizer.detach()
            self._inherited.append(self._base)
            self._open()
        return self._base

    def _recover(self, base: sqlite3.Connection, error: sqlite3.Error) -> None:
        self.trouble = f"{self.path.name}: {error}"
        if _code(error) in _DAMAGED:
            base.close()
            self._open(damaged=True)
        elif base.in_transaction:
            with suppress(sqlite3.Error):  # the engine may have taken it back already
                base.execute("ROLLBACK")

    def _open(self, *, damaged: bool = False) -> None:
        self._process = os.getpid()
        self._base = None
        try:
            with FileLock(f"{self.path}.lock"):
                if damaged and _inode(self.path) == self._inode:  # else another process replaced it already
                    _set_aside(self.path)
                self._base = _connect_or_replace(self.path, self._busy_s)
            self._inode = _inode(self.path)
        except (sqlite3.Error, OSError) as error:  # no file can be had: embedding goes on without
            self.trouble = f"{self.path.name}: {error}"
        self._finalizer = weakref.finalize(self, _close, self._base)


def _connect_or_replace(path: Path, busy_s: float) -> sqlite3.Connection:
    try:
        return _connect(path, busy_s)
    except sqlite3.Error as error:
        if _code(error) not in _DAMAGED:
            raise
        _set_aside(path)
        return _connect(path, busy_s)


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        _check_format(base)
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing; a power cut at most the last additions
        base.executescript(_SCHEMA)
    except BaseException:
        base.close()
        raise
    return base


def _check_format(base: sqlite3.Connection) -> None:
    """Another format under this format's name is as good as damaged."""
    version = int(base.execute("PRAGMA user_version").fetchone()[0])
    tables = int(base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if version != FORMAT and (version or tables):
        error = sqlite3.DatabaseError(f"format {version}, not {FORMAT}")
        error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        raise error


def _close(base: sqlite3.Connection | None) -> None:
    if base is not None:
        base.close()


def _is_whole(vector: object, crc: object, dimension: int) -> bool:
    return isinstance(vector, bytes) and len(vector) == 4 * dimension and zlib.crc32(vector) == crc


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF  # the low byte is the primary code


def _row_id(key: bytes) -> int:
    return int.from_bytes(key[:8], "big", signed=True)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _set_aside(path: Path) -> None:
    """Keep one damaged file for a look at it; its log belongs to it and must not meet the new file."""
    if path.exists():
        path.replace(path.with_name(f"{path.name}.damaged"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
