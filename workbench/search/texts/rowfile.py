"""Row files: the columns that a hit shows and the text it was found by, readable row by row in microseconds.

A Parquet file is made to be read by columns: twenty rows of it cost as much as twenty thousand. These are Arrow IPC
files, not compressed and mapped, in the order in which a corpus took its rows in. Derived like all that lies beside
them; a file appears whole or not at all, and what cannot be read counts as absent.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.search.vectors.segment import PARTIAL, disk_errors, sync_folder

SUFFIX = ".rows"
_NARROW = 8  # choices of columns


class RowWriter:
    """Writes what passes through ``through`` to a new file in ``folder``; ``keep`` makes it last, else it goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"{time.time_ns():019}-{uuid4().hex[:8]}{SUFFIX}"
        self.rows = 0
        self._partial = folder / f"{self.name}{PARTIAL}"
        self._file: Any = None

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches; each is written before it is handed on. Raises ConfigError for the disk."""
        try:
            for batch in batches:
                self._write(batch)
                yield batch
        except BaseException:
            self._partial.unlink(missing_ok=True)
            raise
        finally:
            if self._file is not None:
                self._file.close()

    def _write(self, batch: pa.RecordBatch) -> None:
        with disk_errors(self.folder):
            if self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = pa.ipc.new_file(str(self._partial), batch.schema)
            self._file.write_batch(batch)
        self.rows += batch.num_rows

    def keep(self) -> tuple[tuple[str, int], ...]:
        """(name, rows) of the file, which is there from now on; nothing when no row came."""
        if not self.rows:
            self._partial.unlink(missing_ok=True)
            return ()
        with disk_errors(self.folder):
            self._partial.replace(self.folder / self.name)
            sync_folder(self.folder)
        return ((self.name, self.rows),)


class RowFiles:
    """Rows of several files, numbered through them; every row has the ``columns``. Safe for threads."""

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._batches = [batch for batch in batches if batch.num_rows]
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])
        names = [set(batch.schema.names) for batch in self._batches]
        self.columns = frozenset(set.intersection(*names)) if names else frozenset()
        self._narrow: dict[tuple[str, ...], list[pa.RecordBatch]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def take(self, places: NDArray[np.int64], columns: Sequence[str]) -> pa.Table | None:
        """The rows at ``places``, in that order, with ``columns``; None for no rows."""
        if not len(places):
            return None
        owners = np.searchsorted(self._starts, places, side="right") - 1
        inside, batches = places - self._starts[owners], self._with(tuple(columns))
        picked = [batches[owner].slice(place, 1) for owner, place in zip(owners.tolist(), inside.tolist(), strict=True)]
        return pa.Table.from_batches([pa.concat_batches(picked)])

    def _with(self, columns: tuple[str, ...]) -> list[pa.RecordBatch]:
        """The batches with ``columns`` alone, remembered: most searches show the same ones."""
        found = self._narrow.get(columns)
        if found is None:
            found = [batch.select(list(columns)) for batch in self._batches]
            if len(self._narrow) >= _NARROW:
                self._narrow.clear()
            self._narrow[columns] = found
        return found


def open_rows(folder: Path, files: Iterable[tuple[str, int]]) -> RowFiles | None:
    """The rows of ``files`` (name, rows) in ``folder``, mapped; None when one is absent, damaged or of other length."""
    batches: list[pa.RecordBatch] = []
    for name, rows in files:
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(folder / name)))
            found = [reader.get_batch(at) for at in range(reader.num_record_batches)]
        except (OSError, pa.ArrowException):
            return None
        if sum(batch.num_rows for batch in found) != rows:
            return None
        batches += found
    return RowFiles(batches)


def sweep_rows(folder: Path, wanted: Iterable[str], older_than_s: float) -> None:
    """Remove row files that are not ``wanted`` and have not been touched for ``older_than_s`` seconds."""
    keep = set(wanted)
    for path in folder.glob(f"*{SUFFIX}*"):
        try:
            if path.name not in keep and time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()
        except OSError:  # another process was faster
            continue
