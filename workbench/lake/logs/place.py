"""Where a log ends up: its dataset in the lake."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from workbench.errors import ConflictError
from workbench.lake.lake import Lake
from workbench.lake.logs.shape import Shape
from workbench.lake.logs.spool import Row, to_lines
from workbench.lake.logs.widening import fits, fitted, old_batches, schema_of, source_name
from workbench.lake.sql.parquet import Written, adopt
from workbench.lake.tables.manifest import Column, DataFile, Manifest, Note, Source
from workbench.lake.tables.stage import stage

_MANY_FILES = 64


class Place:
    """The dataset of one log; made by the first rows."""

    def __init__(self, lake: Lake, shape: Shape) -> None:
        self.lake, self.shape = lake, shape

    def holds(self, rows: Sequence[Row]) -> bool:
        """Whether these rows, as one batch, went into it before."""
        return self._is_in(self._source(rows))

    def append(self, waiting: Sequence[Row]) -> int:
        """One snapshot with these rows more, unless they are in it already; how many were written.

        Raises ConflictError for a dataset of that name that is no log of ours.
        """
        catalog, source = self.lake.catalog, self._source(waiting)
        if self._is_in(source):
            return 0
        # Who died while taking over has left the same rows twice.
        rows = list({self.shape.key(row): row for row in waiting}.values())
        note = Note("appended", message=self.shape.title, by=self.lake.by, added=len(rows), source=source)
        files: dict[tuple[Column, ...], DataFile] = {}
        with stage(catalog.storage) as folder:

            def step() -> None:
                base = catalog.find(self.shape.dataset)
                if base and not fits(self.lake, self.shape, base):
                    raise ConflictError(
                        f"The dataset {self.shape.dataset} has other columns than the {self.shape.title}.",
                        hint="Nothing in it was changed; what is noted waits on this machine.",
                    )
                columns = fitted(self.shape, base)
                wider = base is not None and len(columns) > len(base.columns)
                # Old rows move under the new columns, so such a file belongs to this base only.
                if wider or columns not in files:
                    files[columns] = self._file(folder, columns, rows, base if wider else None)
                mode = "rewrite" if wider else "append"
                catalog.commit(base, self.shape.dataset, columns, [files[columns]], note, mode=mode)

            catalog.decide(step)
        return len(rows)

    def tidy(self) -> None:
        """Many small files become one."""
        base = self.lake.catalog.find(self.shape.dataset)
        if base and len(base.files) > _MANY_FILES and fits(self.lake, self.shape, base):
            self.lake.compact(self.shape.dataset)

    def _source(self, rows: Sequence[Row]) -> Source:
        body = to_lines(rows)
        return Source(source_name(self.shape), hashlib.sha256(body).hexdigest(), len(body))

    def _is_in(self, source: Source) -> bool:
        base = self.lake.catalog.find(self.shape.dataset)
        return base is not None and self.lake.catalog.ingested(base, source.key) is not None

    def _file(self, folder: Path, columns: tuple[Column, ...], rows: Sequence[Row], old: Manifest | None) -> DataFile:
        """A file of the dataset with these rows, after those of ``old``."""
        path = folder / f"part-{len(columns)}.parquet"
        schema, count = schema_of(columns), len(rows)
        with pq.ParquetWriter(path, schema) as file:
            for batch in old_batches(self.lake, old, schema) if old else ():
                file.write_batch(batch)
                count += batch.num_rows
            file.write_table(self.shape.table(rows, schema))
        return adopt(self.lake.storage, self.shape.dataset, Written(path, columns, count, path.stat().st_size, {}))
