"""A snapshot as SQL: the explicit list of its files, with types that Delta cannot hold restored."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.lake.tables.delta import folder
from workbench.lake.tables.manifest import Column, DataFile, Manifest
from workbench.lake.tables.mapping import engine_name, literal, quote, restore_sql
from workbench.lake.tables.storage import Storage


def uris(storage: Storage, manifest: Manifest, files: Sequence[DataFile] | None = None) -> list[str]:
    """Addresses of a snapshot's files, in the order their rows went in."""
    return [storage.uri(f"{folder(manifest.name)}/{f.path}") for f in (manifest.files if files is None else files)]


def select_sql(storage: Storage, manifest: Manifest, files: Sequence[DataFile] | None = None) -> str:
    """``SELECT … FROM read_parquet([…])`` over a snapshot, or over some of its files; no files give no rows."""
    addresses = uris(storage, manifest, files)
    if not addresses:
        blank = ", ".join(f"CAST(NULL AS {engine_type(c)}) AS {quote(c.name)}" for c in manifest.columns)
        return f"SELECT {blank} WHERE false"
    names = ", ".join(
        f"{restore_sql(quote(c.name), c.restore)} AS {quote(c.name)}" if c.restore else quote(c.name)
        for c in manifest.columns
    )
    return f"SELECT {names} FROM read_parquet([{', '.join(literal(a) for a in addresses)}])"


def engine_type(column: Column) -> str:
    """The DuckDB type of a column as the dataset shows it."""
    if column.restore:
        return column.restore
    return engine_name(column.type)
