"""A relation becomes a dataset: its rows unmasked, in a stream, with what they came from; all or nothing.

The statement runs on an engine that may open the files of the snapshots it reads, and one file more: the draft in the
writer's own workplace. What was personal data in a dataset that was read stays so under its new name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from workbench import pii
from workbench.errors import ConflictError, InvalidError, QueryError, SchemaDriftError
from workbench.lake.loading.drift import Change, compare
from workbench.lake.sql import carriers, compose, guard, parquet, taint
from workbench.lake.sql.engine import NO_LIMITS, Limits, Watch, scrub
from workbench.lake.sql.lazy import Relation
from workbench.lake.sql.query import Queries
from workbench.lake.sql.relation import select_sql, uris
from workbench.lake.sql.shape import DERIVED
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Column, DataFile, Manifest, Note, check_name
from workbench.lake.tables.mapping import engine_name, hold, quote
from workbench.lake.tables.stage import stage

MODES = ("new", "replace", "append")
PII_SAMPLE_ROWS = 2_000
_INTEGERS = ("int8", "int16", "int32", "int64")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save made.

    ``outcome``: created | replaced | appended. ``rows`` were written, ``total`` is the dataset after it, ``was`` before
    it (None: it is new). ``lineage``: ``dataset@version`` of everything read, and ``sql:`` the statement.
    """

    name: str
    version: int
    outcome: str
    rows: int
    total: int
    was: int | None
    columns: tuple[Column, ...]
    lineage: tuple[str, ...]
    parquet_bytes: int
    notes: tuple[str, ...] = ()
    elapsed_s: float = 0.0

    @property
    def pii(self) -> dict[str, str]:
        """Tagged columns: name → kind; ``derived`` is computed from personal data and hidden whole."""
        return {c.name: c.pii for c in self.columns if c.pii}

    @property
    def says(self) -> str:
        """One line: what there is now, and how many rows more or fewer than in the version before."""
        wide, reads = len(self.columns), [part for part in self.lineage if not part.startswith("sql:")]
        parts = [
            f"{self.name}@{self.version} {self.outcome}",
            f"{self.rows:,} row{'s'[: self.rows != 1]} × {wide} column{'s'[: wide != 1]}",
            "" if self.was is None else f"{self.was:,} → {self.total:,} rows ({self.total - self.was:+,})",
            f"from {' '.join(reads)}" if reads else "",
            f"PII: {' '.join(self.pii)}" if self.pii else "",
            f"{self.elapsed_s:.1f} s" if self.elapsed_s >= 0.9995 else f"{max(round(self.elapsed_s * 1000), 1)} ms",
        ]
        return " · ".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return said | {
            "columns": [c.to_dict() for c in self.columns],
            "lineage": list(self.lineage),
            "notes": list(self.notes),
            "elapsed_s": round(self.elapsed_s, 3),
        }


def save(
    queries: Queries,
    relation: Relation,
    name: str,
    *,
    note: Note,
    mode: str = "new",
    limits: Limits = NO_LIMITS,
    watch: Watch | None = None,
) -> Saved:
    """All rows of a relation as a dataset, or as the next version of one. Safe to kill at any time.

    ``mode``: 'new' (the dataset must not exist), 'replace', 'append' (the columns must be those there are). Raises
    ConflictError for a dataset that exists, SchemaDriftError for other columns, and what a query raises.
    """
    started = time.perf_counter()
    if mode not in MODES:
        raise InvalidError(f"{mode!r} is no way to save.", hint=f"One of: {', '.join(MODES)}.")
    catalog = queries.catalog
    base = _base(catalog, check_name(name), mode)
    work = _Work(queries, relation, watch or Watch(stage="save"))
    if work.watch.on_progress:
        work.watch.on_progress("save", 0, 0)
    with stage(catalog.storage) as folder:
        written = work.write(folder, limits, base if mode == "append" else None)
        files: list[DataFile] = []
        step = partial(_commit, catalog, name, written, replace(note, lineage=_lineage(relation)), mode, files)
        saved: Saved = catalog.decide(step)
    return replace(saved, notes=(*relation.notes, *written.notes), elapsed_s=time.perf_counter() - started)


def _base(catalog: Catalog, name: str, mode: str) -> Manifest | None:
    base = catalog.find(name)
    if base is not None and mode == "new":
        raise ConflictError(
            f"There is a dataset {name} already ({base.row_count:,} rows at version {base.version}).",
            hint=f"these rows in place of those there are   --save {name} --replace   or mode='replace'\n"
            f"these rows after those there are         --save {name} --append    or mode='append'\n"
            f"a dataset of its own                     --save {name}_2",
            details={"dataset": name, "version": base.version},
        )
    return base


def _commit(
    catalog: Catalog, name: str, written: parquet.Written, note: Note, mode: str, files: list[DataFile]
) -> Saved:
    base = _base(catalog, name, mode)
    columns = written.columns
    if base is not None:
        columns = _tagged(base, columns, mode)
        if mode == "append" and (changes := _changes(base, columns)):
            raise _drift(base, changes)
    if written.rows and not files:  # a file without rows is not worth an object; on a second try it is there
        files.append(parquet.adopt(catalog.storage, name, written))
    outcome = "created" if base is None else f"{mode}d" if mode == "replace" else "appended"
    said = replace(note, operation=outcome, added=written.rows)
    done = catalog.commit(base, name, columns, files, said, mode="append" if mode == "append" else "replace")
    was = None if base is None else base.row_count
    return Saved(
        name, done.version, outcome, written.rows, done.row_count, was, done.columns, note.lineage, written.size_bytes
    )


def _tagged(base: Manifest, columns: Sequence[Column], mode: str) -> tuple[Column, ...]:
    """The columns with the tags of both: what a person tagged stays so, what was read as personal data too.

    Raises ConflictError for rows to append whose column is personal data and is not tagged yet: a tag of its own commit
    would be half of the work.
    """
    held = base.pii
    made = []
    for column in columns:
        old = held.get(column.name, "")
        if mode == "append" and column.pii and old not in {column.pii, DERIVED}:
            kind = column.pii if column.pii != DERIVED else "name"
            raise ConflictError(
                f"{column.name} is personal data in these rows ({column.pii}), and in {base.name} it is "
                f"{f'tagged {old}' if old else 'not tagged'}.",
                hint=f"lh describe {base.name} --pii {column.name}={kind}   or leave the column out",
            )
        made.append(replace(column, pii=column.pii or old))
    return tuple(made)


@dataclass(frozen=True)
class _Work:
    """One statement on its way into a file."""

    queries: Queries
    relation: Relation
    watch: Watch

    def write(self, folder: Path, limits: Limits, onto: Manifest | None) -> parquet.Written:
        """The rows as a finished local file, tagged; ``onto``: the dataset whose columns they must have."""
        target = folder / "rows.parquet"
        parts = self.relation.part.all()
        text = compose.with_ctes(parts[-1].text, parts[:-1]).text
        params = {key: value for part in parts for key, value in part.params.items()}
        con = self._engine(folder, target, limits)
        try:
            guard.only_select(con, text)
            query = f"SELECT * FROM (\n{text}\n)"  # the statement may end in a comment
            query = _onto(con, query, params, onto) if onto else query
            written = parquet.write(con, query, target, watch=self.watch, params=params)
        except duckdb.Error as error:
            words, hint = scrub(str(error).strip(), self.relation.typed, show=self.relation.show_pii)
            raise QueryError(f"Nothing was saved. {words}", hint=hint) from None
        finally:
            con.close()
        return self._tag(written, text, {name: f.table for part in parts for name, f in part.frames.items()})

    def _engine(self, folder: Path, target: Path, limits: Limits) -> duckdb.DuckDBPyConnection:
        catalog, storage = self.queries.catalog, self.queries.catalog.storage
        parts = self.relation.part.all()
        tables = {alias: manifest for part in parts for alias, manifest in part.tables.items()}
        for manifest in tables.values():
            if catalog.get(manifest.name, manifest.version).files != manifest.files:
                raise InvalidError(
                    "This relation reads another lake.", hint="Its rows can be saved: wb.relation over its .arrow()"
                )
        con = guard.guarded_connection(
            {alias: uris(storage, m) for alias, m in tables.items()} | {"": [str(target)]},
            {alias: select_sql(storage, m) for alias, m in tables.items()},
            filesystem=storage.filesystem(),
            threads=limits.threads or None,
            memory_limit=f"{limits.memory_mb}MB" if limits.memory_mb else None,
            spill=str(folder),
        )
        for part in parts:
            for name, frame in part.frames.items():
                con.register(name, frame.table)
        return con

    def _tag(self, written: parquet.Written, text: str, frames: Mapping[str, pa.Table]) -> parquet.Written:
        """With the kind of personal data in each column: by what was read, and of tables without tags by content."""
        manifests = {alias: m for part in self.relation.part.all() for alias, m in part.tables.items()}
        tables = carriers.kinds(self.queries.catalog, manifests, frames)
        known = {guard.fold(name) for name in tables}
        judged = guard.judge(self.queries.parser, text, known=lambda name: guard.fold(name) in known)
        names = [c.name for c in written.columns]
        carried = taint.tainted_columns(judged, tables=tables, outputs=names)
        kinds = {names[i]: kind for i, kind in carried.items()}
        guesses = pii.tag_table(_sample(written)) if frames else {}
        columns = tuple(replace(c, pii=kinds.get(c.name) or guesses.get(c.name) or "") for c in written.columns)
        return replace(written, columns=columns)


def _sample(written: parquet.Written) -> pa.Table:
    with duckdb.connect(":memory:") as con:
        return parquet.sample(con, written, PII_SAMPLE_ROWS)


def _onto(con: duckdb.DuckDBPyConnection, query: str, params: Mapping[str, Any], base: Manifest) -> str:
    """The query with the columns of ``base`` in their order, narrower integers widened. Raises SchemaDriftError."""
    rows = con.execute(f"DESCRIBE {query}", params or None).fetchall()
    found = {name.casefold(): (name, kind) for name, kind, *_ in rows}
    incoming = [Column(name, hold(name, kind).type) for name, kind, *_ in rows]
    if changes := _changes(base, incoming):
        raise _drift(base, changes)
    select = ", ".join(
        f"CAST({quote(found[c.name.casefold()][0])} AS {c.restore or engine_name(c.type)}) AS {quote(c.name)}"
        for c in base.columns
    )
    return f"SELECT {select} FROM ({query})"


def _changes(base: Manifest, columns: Sequence[Column]) -> tuple[Change, ...]:
    """What keeps rows of these columns from being appended."""
    changes = compare({c.name: c.type for c in base.columns}, {c.name: c.type for c in columns})
    return tuple(c for c in changes if not (c.kind == "retyped" and _widens(c.now, c.was)))


def _widens(now: str, was: str) -> bool:
    return now in _INTEGERS and was in _INTEGERS and _INTEGERS.index(now) < _INTEGERS.index(was)


def _drift(base: Manifest, changes: Sequence[Change]) -> SchemaDriftError:
    cast = next((f"CAST({c.column} AS {engine_name(c.was)}) AS {c.column}" for c in changes if c.kind == "retyped"), "")
    ways = [f"in the SELECT: {cast}" if cast else f"give the SELECT the columns of lh describe {base.name}"]
    ways += [f"--save {base.name} --replace   or mode='replace'", f"--save {base.name}_2"]
    return SchemaDriftError(
        f"These rows do not have the columns of {base.name}: {' · '.join(map(str, changes))}",
        hint="\n".join(ways),
        details={"dataset": base.name, "changes": [c.to_dict() for c in changes], "ways_out": ways},
    )


def _lineage(relation: Relation) -> tuple[str, ...]:
    """Everything read, then the statement; what in its text looks like personal data is covered, as all may read it."""
    parts = relation.part.all()
    reads = [name if "@" in name else f"{name}@{version}" for name, version in relation.snapshots.items()]
    frames = [f"frame:{name.partition('·')[0]}" for part in parts for name in part.frames]
    text = relation.sql if len(parts) == 1 else compose.with_ctes(parts[-1].text, parts[:-1]).text
    return (*reads, *frames, f"sql:{pii.mask_text(text)}")
