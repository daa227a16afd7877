"""A file that has been read, fitted and written to a private Parquet file, and waits for its commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from workbench.lake.files.rows import LINE, OFFSET, Reject
from workbench.lake.files.sources import Opened
from workbench.lake.loading.drift import Change
from workbench.lake.loading.fitting import Fit
from workbench.lake.loading.report import Report, Request
from workbench.lake.sql.parquet import Written, adopt
from workbench.lake.tables.manifest import Column, DataFile, Source
from workbench.lake.tables.mapping import literal, quote
from workbench.lake.tables.storage import Storage


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


def set_aside(con: duckdb.DuckDBPyConnection, opened: Opened, fit: Fit) -> list[Reject]:
    """The rows of a file that do not fit, with their place, the first column at fault and their text."""
    faults = [(c.column.name, f"does not fit {c.column.type}", c.fits) for c in fit.cells if c.fits != "true"]
    faults += [(name, "column is not in the dataset", f"{quote(name)} IS NULL") for name in fit.unknown]
    if not faults:
        return []
    at_fault = " ".join(f"WHEN NOT ({fits}) THEN {literal(name)}" for name, _, fits in faults)
    why = " ".join(f"WHEN NOT ({fits}) THEN {literal(f'{name} {what}')}" for name, what, fits in faults)
    place = f"{quote(LINE)}, {quote(OFFSET)}" if opened.positions else "NULL, NULL"
    rows = con.execute(
        f"SELECT {place}, CASE {at_fault} END, CASE {why} END, {_text_sql(opened)} FROM {fit.relation} "
        f"WHERE NOT ({fit.condition})"
    ).fetchall()
    return [Reject(line or 0, offset or 0, column, reason, raw) for line, offset, column, reason, raw in rows]


def located(opened: Opened, aside: Sequence[Reject]) -> list[Reject]:
    """Rejects with their places in the file as it came, whatever it was in."""
    if opened.offsets is None:
        return list(aside)
    places = opened.offsets([reject.byte_offset for reject in aside])
    return [replace(reject, byte_offset=places[reject.byte_offset]) for reject in aside]


def _text_sql(opened: Opened) -> str:
    """SQL: a row of the file as delimited text again."""
    cells = ", ".join(f"COALESCE({quote(n)}::VARCHAR, '')" for n in opened.names)
    mark = literal(opened.delimiter)
    quoted = "'\"' || replace(c, '\"', '\"\"') || '\"'"
    special = f"contains(c, {mark}) OR contains(c, '\"') OR contains(c, chr(10))"
    return f"array_to_string(list_transform([{cells}], lambda c: CASE WHEN {special} THEN {quoted} ELSE c END), {mark})"
