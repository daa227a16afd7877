"""Writing a relation to one Parquet file, and reading back what came of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import InvalidError
from workbench.lake.sql.engine import Watch, execute
from workbench.lake.tables.manifest import Column, DataFile
from workbench.lake.tables.mapping import hold, literal, quote, store_sql
from workbench.lake.tables.storage import Storage

MISFIT = "\x1fmisfit"  # a column of a query: true in rows with a value that did not fit; no dataset has it
ROW_GROUP = 30_720  # rows: a quarter of the engine's default, and a third of the memory while loading
_GROUP_BYTES = 18_000_000  # of text: the engine holds a few groups per thread, whatever its memory limit
_VECTOR = 2_048  # rows that the engine handles at once


@dataclass(frozen=True, slots=True)
class Written:
    """A finished local Parquet file: its columns as the dataset will have them, rows, bytes, nulls per column.

    With ``misfits`` (rows with a value that did not fit and is null now) it must not be used. The column that marked
    them stays in the file, all null, and nobody reads it.
    """

    path: Path
    columns: tuple[Column, ...]
    rows: int
    size_bytes: int
    nulls: Mapping[str, int]
    notes: tuple[str, ...] = ()
    misfits: int = 0


def write(
    con: duckdb.DuckDBPyConnection,
    query: str,
    path: Path,
    *,
    columns: Sequence[Column] = (),
    watch: Watch | None = None,
    params: Mapping[str, Any] | None = None,
    row_group: int = ROW_GROUP,
) -> Written:
    """``query``'s rows into ``path``, each type in the form a dataset can hold.

    ``columns`` gives units, tags and restored types of columns that are known already. ``row_group``: rows of a Parquet
    row group, and what the engine must hold of them at once (`group_rows`). Raises InvalidError for a
    column no dataset can hold, and whatever the engine raises for a value that does not fit.
    """
    described = execute(con, f"DESCRIBE {query}", params).fetchall()
    if not described:
        raise InvalidError("There are no columns to store.", hint="Select at least one column.")
    names = unique_names([row[0] for row in described])
    held = [hold(name, row[1]) for name, row in zip(names, described, strict=True)]
    select = ", ".join(
        f"{store_sql(quote(row[0]), h)} AS {quote(name)}" for row, name, h in zip(described, names, held, strict=True)
    )
    plain = all(h.stored == "" for h in held) and names == [row[0] for row in described]
    body = query if plain else f"SELECT {select} FROM ({query})"
    form = f"FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE {row_group}, RETURN_STATS true"
    copy = f"COPY ({body}) TO {literal(str(path))} ({form})"
    (watch or Watch()).run(con, lambda: con.execute(copy, params) if params else con.execute(copy))
    _, rows, size_bytes, _, stats, *_ = con.fetchall()[0]
    schema = pq.read_schema(path)
    known = {c.name: c for c in columns}
    made = tuple(
        Column(
            name=name,
            type=h.type if h.restore or h.type.endswith(">") else str(schema.field(name).type),
            pii=known[name].pii if name in known else "",
            unit=known[name].unit if name in known else "",
            order=known[name].order if name in known else "",
            stored=str(schema.field(name).type) if h.restore else "",
            restore=h.restore,
        )
        for name, h in zip(names, held, strict=True)
        if name != MISFIT
    )
    nulls = {name: int(stats.get(quote(name), {}).get("null_count", 0)) for name in names}
    misfits = int(rows) - nulls.pop(MISFIT) if MISFIT in nulls else 0
    notes = tuple(h.note for h in held if h.note)
    return Written(path, made, int(rows), int(size_bytes), nulls, notes, misfits)


def group_rows(row_bytes: float) -> int:
    """Rows of a row group that bound what the engine holds while it writes rows of so many bytes (0: not known)."""
    fitting = int(_GROUP_BYTES / max(row_bytes, 1)) // _VECTOR * _VECTOR
    return min(max(fitting, _VECTOR), ROW_GROUP)


def sample(con: duckdb.DuckDBPyConnection, written: Written, rows: int) -> pa.Table:
    """Up to ``rows`` rows, half from the beginning and half from the middle, of columns that Parquet holds as they are.

    Whole columns are never read, so it costs nearly the same whatever the file's size.
    """
    names = ", ".join(quote(c.name) for c in written.columns if not c.restore)
    if not names:
        return pa.table({})
    part = f"SELECT {names} FROM read_parquet({literal(str(written.path))}, file_row_number=true) WHERE file_row_number"
    middle = written.rows // 2
    beginning = f"({part} < {min(rows // 2, middle)})"
    return con.sql(f"{beginning} UNION ALL ({part} BETWEEN {middle} AND {middle + rows // 2 - 1})").to_arrow_table()


def adopt(storage: Storage, name: str, written: Written) -> DataFile:
    """Move a finished file into its dataset's folder under a name of its own; invisible until a commit names it."""
    entry_name = f"part-{secrets.token_hex(12)}.parquet"
    entry = storage.adopt(written.path, f"datasets/{name}/{entry_name}")
    return DataFile(entry_name, written.rows, entry.size_bytes)


def unique_names(names: Sequence[str]) -> list[str]:
    """Names made unique as SQL compares them (without case): 'Id', 'ID' become 'Id', 'ID_2'."""
    seen: set[str] = set()
    out = []
    for name in names:
        candidate, n = name, 1
        while candidate.casefold() in seen:
            n += 1
            candidate = f"{name}_{n}"
        seen.add(candidate.casefold())
        out.append(candidate)
    return out
