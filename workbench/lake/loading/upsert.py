"""Upsert by key: rows of the file replace those with the same key and add those without, as one new snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.loading import rejects
from workbench.lake.loading.fitting import old_rows_sql
from workbench.lake.loading.loaded import Loaded
from workbench.lake.loading.report import Report, Request
from workbench.lake.sql import parquet
from workbench.lake.sql.relation import select_sql
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Manifest, Note
from workbench.lake.tables.mapping import literal, quote


def upsert(
    catalog: Catalog, con: duckdb.DuckDBPyConnection, folder: Path, request: Request, base: Manifest, loaded: Loaded
) -> Report:
    """Merge, or on a dry run only count what the merge would do.

    Raises NotFoundError for a key column that is absent and InvalidError for a key that is null or twice in the file.
    A file that changes nothing makes no snapshot.
    """
    columns = loaded.written.columns
    key = [_key_column(name, [c.name for c in columns]) for name in request.key]
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW new_rows AS SELECT * FROM read_parquet({literal(str(loaded.written.path))})"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW old_rows AS {old_rows_sql(base, columns, select_sql(catalog.storage, base))}"
    )
    _check_unique(con, key, loaded.source.file)
    names = [c.name for c in columns]
    plan = _count(con, key, names)
    merged_rows = base.row_count + plan["inserted"]
    changed = bool(plan["inserted"] or plan["updated"] or loaded.evolved)
    version = base.version + 1 if changed else base.version
    if request.dry_run or not changed:
        done = loaded.report(request, version, merged_rows, columns, "upserted" if changed else "unchanged")
        return replace(done, plan=plan)
    merged = parquet.write(con, _merge_sql(key, names), folder / "merged.parquet", columns=columns)
    note = Note(
        operation="upserted",
        message=request.message,
        by=request.by,
        added=plan["inserted"],
        source=loaded.source,
        rejected=loaded.rejects.num_rows,
        rejects_key=rejects.save(catalog.storage, request.name, loaded.rejects),
    )
    file = parquet.adopt(catalog.storage, request.name, merged)
    manifest = catalog.commit(base, request.name, columns, [file], note, mode="rewrite")
    done = loaded.report(request, manifest.version, manifest.row_count, manifest.columns, "upserted")
    return replace(done, plan=plan, parquet_bytes=merged.size_bytes)


def _key_column(name: str, names: Sequence[str]) -> str:
    found = next((n for n in names if n.casefold() == name.casefold()), None)
    if found is None:
        raise NotFoundError.named("column", name, names)
    return found


def _check_unique(con: duckdb.DuckDBPyConnection, key: Sequence[str], file: str) -> None:
    for side, where in (("new_rows", file), ("old_rows", "the dataset")):
        by = ", ".join(quote(k) for k in key)
        empty = " OR ".join(f"{quote(k)} IS NULL" for k in key)
        nulls, twice = con.execute(
            f"SELECT (SELECT count(*) FROM {side} WHERE {empty}), "
            f"(SELECT count(*) FROM (SELECT 1 FROM {side} GROUP BY {by} HAVING count(*) > 1))"
        ).fetchall()[0]
        if nulls or twice:
            what = f"{nulls:,} rows without it" if nulls else f"{twice:,} of its values more than once"
            raise InvalidError(
                f"{', '.join(key)} is no key: {where} has {what}.",
                hint="Name more columns (--key worker_id,client_id), or mend the rows first.",
            )


def _count(con: duckdb.DuckDBPyConnection, key: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    on = ", ".join(quote(k) for k in key)
    differs = " OR ".join(f"(o.{quote(n)} IS DISTINCT FROM n.{quote(n)})" for n in names if n not in key) or "false"
    both, updated = con.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {differs}) FROM new_rows n JOIN old_rows o USING ({on})"
    ).fetchall()[0]
    total = con.execute("SELECT count(*) FROM new_rows").fetchall()[0][0]
    return {"inserted": total - both, "updated": updated, "same": both - updated}


def _merge_sql(key: Sequence[str], names: Sequence[str]) -> str:
    """Old rows in their order with new values, then the rows that are new."""
    on = " AND ".join(f"o.{quote(k)} = n.{quote(k)}" for k in key)
    values = ", ".join(f"CASE WHEN n.hit THEN n.{quote(c)} ELSE o.{quote(c)} END AS {quote(c)}" for c in names)
    plain = ", ".join(f"n.{quote(c)}" for c in names)
    return (
        f"SELECT {values} FROM old_rows o LEFT JOIN (SELECT *, true AS hit FROM new_rows) n ON {on} "
        f"UNION ALL SELECT {plain} FROM new_rows n ANTI JOIN old_rows o ON {on}"
    )
