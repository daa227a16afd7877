"""Time travel: what differs between two versions, going back to one, and tidying up after many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.loading.drift import Change, compare
from workbench.lake.sql import parquet
from workbench.lake.sql.engine import NO_LIMITS, Limits, Watch, connect
from workbench.lake.sql.relation import select_sql
from workbench.lake.tables import delta
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import DataFile, Manifest, Note
from workbench.lake.tables.mapping import quote
from workbench.lake.tables.stage import stage
from workbench.lake.tables.storage import Entry

ORPHAN_AGE_S = 3600.0  # a file that no snapshot names may still be on its way in
SAMPLE_ROWS = 20
_OLD, _NEW = " (old)", " (new)"


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed from ``old`` to ``new`` (versions of one dataset).

    With a key: rows added, removed, changed, and per column how many values changed. Without one, rows are compared
    whole, so a changed row counts as one removed and one added. ``sample``: up to 20 changed rows, old beside new.
    """

    name: str
    old: int
    new: int
    rows_old: int
    rows_new: int
    key: tuple[str, ...]
    added: int
    removed: int
    changed: int
    columns: tuple[Change, ...]
    changed_by_column: dict[str, int]
    sample: pa.Table

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without the sample's rows."""
        return {
            "name": self.name,
            "old": self.old,
            "new": self.new,
            "rows_old": self.rows_old,
            "rows_new": self.rows_new,
            "key": list(self.key),
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "columns": [c.to_dict() for c in self.columns],
            "changed_by_column": self.changed_by_column,
        }


def diff(
    catalog: Catalog, old: Manifest, new: Manifest, *, key: Sequence[str] = (), watch: Watch | None = None
) -> Diff:
    """Compare two versions. Files that both hold are not read.

    Raises NotFoundError for a key column that is absent, InvalidError for a key that does not name one row each.
    """
    shared = {f.path for f in old.files} & {f.path for f in new.files}
    only_old = [f for f in old.files if f.path not in shared]
    only_new = [f for f in new.files if f.path not in shared]
    con = connect(catalog.storage)
    con.execute(f"CREATE VIEW old_rows AS {select_sql(catalog.storage, old, only_old)}")
    con.execute(f"CREATE VIEW new_rows AS {select_sql(catalog.storage, new, only_new)}")
    chosen = tuple(_check_key(old, new, key)) if key else _guess_key(con, old, new)
    columns = compare({c.name: c.type for c in old.columns}, {c.name: c.type for c in new.columns})
    common = [c.name for c in new.columns if old.column(c.name) and c.name not in chosen]
    work = _Work(con, watch or Watch(stage="diff"))
    if key:
        work.check_unique(chosen, {"old_rows": old, "new_rows": new})
    if chosen:
        added, removed, changed, by_column, sample = work.by_key(chosen, common)
    else:
        added, removed, sample = work.whole([c.name for c in new.columns if old.column(c.name)])
        changed, by_column = 0, {}
    return Diff(
        new.name, old.version, new.version, old.row_count, new.row_count, chosen, added, removed, changed, columns,
        by_column, sample,
    )  # fmt: skip


def sampled_column(name: str) -> str:
    """The dataset's column behind a column of a diff's sample."""
    return name.removesuffix(_OLD).removesuffix(_NEW)


@dataclass(frozen=True, slots=True)
class _Work:
    con: duckdb.DuckDBPyConnection
    watch: Watch

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.watch.run(self.con, lambda: self.con.execute(sql).fetchall())

    def check_unique(self, key: Sequence[str], sides: Mapping[str, Manifest]) -> None:
        """Raise InvalidError for a key that is null or twice: each such row would be compared with many others."""
        by = ", ".join(quote(k) for k in key)
        empty = " OR ".join(f"{quote(k)} IS NULL" for k in key)
        for side, version in sides.items():
            nulls, twice, rows = self.rows(
                f"SELECT (SELECT count(*) FROM {side} WHERE {empty}), count(*), coalesce(sum(n), 0)::BIGINT FROM "
                f"(SELECT count(*) AS n FROM {side} WHERE NOT ({empty}) GROUP BY {by} HAVING count(*) > 1)"
            )[0]
            what = [f"{nulls:,} row{'s'[: nulls != 1]} without it"] if nulls else []
            what += [f"{twice:,} of its values more than once (in {rows:,} rows)"] if twice else []
            if what:
                raise InvalidError(
                    f"{', '.join(key)} is no key: {version.name}@{version.version} has {' and '.join(what)}.",
                    hint="--key takes the columns that name one row each; without --key, whole rows are compared.",
                    details={"without": nulls, "repeated": twice, "rows": rows},
                )

    def by_key(self, key: Sequence[str], common: Sequence[str]) -> tuple[int, int, int, dict[str, int], pa.Table]:
        on = " AND ".join(f"o.{quote(k)} IS NOT DISTINCT FROM n.{quote(k)}" for k in key)
        tests = [f"(o.{quote(c)} IS DISTINCT FROM n.{quote(c)})" for c in common]
        first = quote(key[0])
        pairs = f"(SELECT *, 1 AS in_old FROM old_rows) o FULL JOIN (SELECT *, 1 AS in_new FROM new_rows) n ON {on}"
        any_test = " OR ".join(tests) or "false"
        counts = "".join(f", count(*) FILTER (in_old = 1 AND in_new = 1 AND {t})" for t in tests)
        row = self.rows(
            f"SELECT count(*) FILTER (in_old IS NULL), count(*) FILTER (in_new IS NULL), "
            f"count(*) FILTER (in_old = 1 AND in_new = 1 AND ({any_test})){counts} FROM {pairs}"
        )[0]
        shown = "".join(f", o.{quote(c)} AS {quote(c + _OLD)}, n.{quote(c)} AS {quote(c + _NEW)}" for c in common)
        keys = ", ".join(f"n.{quote(k)}" for k in key)
        sample = self.con.sql(
            f"SELECT {keys}{shown} FROM {pairs} WHERE in_old = 1 AND in_new = 1 AND ({any_test}) "
            f"ORDER BY n.{first} LIMIT {SAMPLE_ROWS}"
        ).to_arrow_table()
        by_column = {c: n for c, n in zip(common, row[3:], strict=True) if n}
        return row[0], row[1], row[2], by_column, sample

    def whole(self, common: Sequence[str]) -> tuple[int, int, pa.Table]:
        names = ", ".join(quote(c) for c in common)
        gone = f"SELECT {names} FROM old_rows EXCEPT ALL SELECT {names} FROM new_rows"
        came = f"SELECT {names} FROM new_rows EXCEPT ALL SELECT {names} FROM old_rows"
        added = self.rows(f"SELECT count(*) FROM ({came})")[0][0]
        removed = self.rows(f"SELECT count(*) FROM ({gone})")[0][0]
        sample = self.con.sql(
            f"(SELECT '-' AS diff, * FROM ({gone}) LIMIT 10) UNION ALL (SELECT '+' AS diff, * FROM ({came}) LIMIT 10)"
        ).to_arrow_table()
        return added, removed, sample


def _check_key(old: Manifest, new: Manifest, key: Sequence[str]) -> list[str]:
    found = []
    for k in key:
        column = new.column(k)
        if column is None or old.column(k) is None:
            both = [c.name for c in new.columns if old.column(c.name)]
            raise NotFoundError.named("column in both versions", k, both)
        found.append(column.name)
    return found


def _guess_key(con: duckdb.DuckDBPyConnection, old: Manifest, new: Manifest) -> tuple[str, ...]:
    """The first id-like column that is unique and never null on both sides, if any."""
    for c in new.columns:
        if (c.name.casefold() == "id" or c.name.casefold().endswith("_id")) and old.column(c.name):
            unique = all(
                con.execute(f"SELECT count(DISTINCT {quote(c.name)}) = count(*) FROM {side}").fetchall()[0][0]
                for side in ("old_rows", "new_rows")
            )
            if unique:
                return (c.name,)
    return ()


def restore(catalog: Catalog, name: str, version: int, note: Note, *, limits: Limits = NO_LIMITS) -> Manifest:
    """Make an older version the newest, as a new snapshot; nothing is lost. Raises NotFoundError.

    PII tags and what people said of the dataset stay as they are now: a column does not become public by going back.
    """

    def step() -> Manifest:
        base, target = catalog.get(name), catalog.get(name, version)
        if version == base.version:
            raise InvalidError(f"{name} is at snapshot {version} already.", hint=f"lh snapshots {name}")
        # Files that the target held count as ingested again, so loading one of them once more does not double it.
        sources = [s.source.key for s in catalog.history(name) if s.version <= version and s.source]
        held = tuple(s for s in dict.fromkeys(sources) if catalog.ingested(target, s))
        said = replace(note, operation="restore", restored=held, lineage=(f"{name}@{version}",))
        if target.fingerprint == base.fingerprint:
            return catalog.commit(base, name, base.columns, target.files, said, mode="swap")
        tags = base.pii
        columns = [replace(c, pii=tags.get(c.name, c.pii)) for c in target.columns]
        with stage(catalog.storage) as folder:
            file = rewrite(catalog, target, folder, limits, None)
        return catalog.commit(base, name, columns, [file], said, mode="replace")

    return catalog.decide(step)


def compact(
    catalog: Catalog, name: str, note: Note, *, limits: Limits = NO_LIMITS, watch: Watch | None = None
) -> Manifest:
    """Rewrite many files as one; the rows, their order and what counts as ingested stay."""

    def step() -> Manifest:
        base = catalog.get(name)
        if len(base.files) < 2:
            return base
        with stage(catalog.storage) as folder:
            file = rewrite(catalog, base, folder, limits, watch)
        return catalog.commit(base, name, base.columns, [file], replace(note, operation="compact"), mode="rewrite")

    return catalog.decide(step)


def rewrite(catalog: Catalog, base: Manifest, folder: Path, limits: Limits, watch: Watch | None) -> DataFile:
    """All rows of ``base`` in one new file of its folder, not yet committed."""
    con = connect(catalog.storage, replace(limits, spill=folder))
    query = select_sql(catalog.storage, base)
    written = parquet.write(con, query, folder / "part.parquet", columns=base.columns, watch=watch)
    return parquet.adopt(catalog.storage, base.name, written)


def expire(catalog: Catalog, name: str, *, keep: int, note: Note, now: dt.datetime | None = None) -> tuple[int, int]:
    """Give up all but the newest ``keep`` states of the rows; returns (files removed, bytes freed).

    The snapshots are declared expired first and their files removed after, so a crash between leaves only files that
    the next call removes.
    """
    if keep < 1:
        raise InvalidError(f"--keep {keep} would give up every snapshot.", hint="--keep 1 keeps the newest.")
    base = catalog.get(name)
    # What only says something of a dataset (owner, tags, this very act) is no state that anyone goes back to.
    states = [s.version for s in catalog.history(name) if s.operation not in {"annotate", "expire"}]
    horizon = max(base.about.expired_before, states[keep - 1] if keep <= len(states) else 1)
    if horizon > max(base.about.expired_before, 1):
        message = f"snapshots before {horizon} expired"
        base = catalog.annotate(
            name,
            about=lambda a: replace(a, expired_before=horizon),
            note=replace(note, operation="expire", message=note.message or message),
        )
    return sweep(catalog, base, now or dt.datetime.now(dt.UTC))


def orphans(catalog: Catalog, base: Manifest, now: dt.datetime) -> list[Entry]:
    """Data files that no kept snapshot names: those of expired snapshots, and others older than an hour."""
    first = max(base.about.expired_before, 1)
    kept = {f.path for version in range(first, base.version + 1) for f in catalog.get(base.name, version).files}
    expired = {f.path for v in range(1, first) for f in delta.load(catalog.storage, base.name, v).files}
    prefix = f"{delta.folder(base.name)}/"
    return [
        entry
        for entry in catalog.storage.entries(prefix + "part-")
        if (path := entry.key.removeprefix(prefix)) not in kept
        and (path in expired or now.timestamp() - entry.modified_s > ORPHAN_AGE_S)
    ]


def sweep(catalog: Catalog, base: Manifest, now: dt.datetime) -> tuple[int, int]:
    """Remove `orphans`; returns (files, bytes)."""
    gone = orphans(catalog, base, now)
    for entry in gone:
        catalog.storage.delete(entry.key)
    return len(gone), sum(entry.size_bytes for entry in gone)
