"""A file that has been read, fitted and written to a private Parquet file, and waits for its commit."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from workbench.lake.drift import Change
from workbench.lake.fitting import Fit
from workbench.lake.manifest import Column, DataFile, Source
from workbench.lake.mapping import quote
from workbench.lake.parquet import Written, adopt
from workbench.lake.report import Report, Request
from workbench.lake.rows import Reject
from workbench.lake.sources import Opened
from workbench.lake.storage import Storage


@dataclass(frozen=True)
class Loaded:
    """What the commit needs. ``evolved`` says that its columns are more or wider than the dataset's."""

    source: Source
    written: Written
    findings: tuple[str, ...]
    rejects: pa.Table
    changes: tuple[Change, ...] = ()
    evolved: bool = False

    def adopted(self, storage: Storage, name: str) -> Sequence[DataFile]:
        """The file, moved into its dataset's folder. A file without rows is not worth an object."""
        return [adopt(storage, name, self.written)] if self.written.rows else []

    def report(self, request: Request, version: int, total: int, columns: Sequence[Column], outcome: str) -> Report:
        """What is said of it."""
        return Report(
            name=request.name,
            version=version,
            outcome=outcome,
            rows=self.written.rows,
            total=total,
            columns=tuple(columns),
            source=self.source,
            parquet_bytes=self.written.size_bytes,
            rejects=self.rejects,
            findings=self.findings,
            changes=self.changes,
            dry_run=request.dry_run,
        )
