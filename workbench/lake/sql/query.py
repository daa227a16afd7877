"""SQL over the datasets of a lake: versions resolved, read-only by construction, cancellable, PII masked.

Two doors. The *guarded* one, for every text that a door hands over: one SELECT, judged on its parse tree, run on an
engine that can open nothing but the files of the datasets it names. The *open* one, for the product's own statements
and for an analyst who asked for the whole engine.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from workbench import pii
from workbench.errors import InvalidError, NotFoundError, QueryError
from workbench.lake.sql import carriers, guard, taint, versions
from workbench.lake.sql.binding import BATCH_ROWS, Params, bound, fetch
from workbench.lake.sql.clauses import clauses
from workbench.lake.sql.engine import NO_LIMITS, Limits, Watch, connect, scrub
from workbench.lake.sql.engines import Engines
from workbench.lake.sql.paging import limited
from workbench.lake.sql.parser import Parser
from workbench.lake.sql.plan import render
from workbench.lake.sql.typed.placeholders import Filled
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote


@dataclass(frozen=True, slots=True)
class Access:
    """What a door allows. ``row_cap`` None: all rows. ``show_pii``: tagged columns and shapes are not masked."""

    row_cap: int | None = 10_000
    show_pii: bool = False
    guarded: bool = True


@dataclass(frozen=True)
class Answer:
    """Rows and where they came from.

    ``truncated``: the row cap cut it, there are more. ``snapshots``: dataset → version read. ``masked``: columns whose
    values were masked whole. ``notes``: what the reader should know besides. Times are seconds.
    """

    table: pa.Table
    sql: str
    params: Params = None
    truncated: bool = False
    snapshots: Mapping[str, int] = ()  # type: ignore[assignment]
    masked: tuple[str, ...] = ()
    elapsed_s: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def row_count(self) -> int:
        """Rows returned."""
        return int(self.table.num_rows)

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return self.table

    def df(self) -> Any:
        """The rows as a pandas DataFrame."""
        return carriers.to_attrs(self.table, self.table.to_pandas())

    def pl(self) -> Any:
        """The rows as a polars DataFrame."""
        import polars as pl  # heavy, and only for who asks

        return pl.from_arrow(self.table)

    def to_dict(self) -> dict[str, Any]:
        """The wire form: columns (name, type), rows, row_count (substrate.md, SQL: fixed), and what was cut."""
        return {
            "columns": [{"name": f.name, "type": str(f.type)} for f in self.table.schema],
            "rows": [list(row) for row in zip(*(c.to_pylist() for c in self.table.columns), strict=True)],
            "row_count": self.row_count,
            "truncated": self.truncated,
            "snapshots": dict(self.snapshots),
            "masked": list(self.masked),
        }


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement ready to run: rewritten text, the manifests behind its tables, and what may carry PII.

    ``frames``: further tables that it reads, by their names in lower case; they live in memory.
    """

    sql: str
    tables: Mapping[str, Manifest]
    judged: guard.Judged
    frames: Mapping[str, pa.Table] = field(default_factory=dict)


class Queries:
    """Runs SQL for one lake. Threads may share one; each statement gets a cursor of its own."""

    def __init__(self, catalog: Catalog, limits: Limits = NO_LIMITS) -> None:
        self.catalog = catalog
        self.limits = limits
        self.parser = Parser(connect(limits=Limits(threads=1)))
        self._engines = Engines(catalog.storage, limits)

    def run(
        self, sql: str, params: Params = None, *, access: Access | None = None, watch: Watch | None = None
    ) -> Answer:
        """One statement. Raises QueryError (the engine's words), NotFoundError for a dataset or version that is not."""
        started = time.perf_counter()
        allowed = access or Access()
        with self.advised(sql):
            prepared = self.prepare(sql)
            answer = self.answer(prepared, sql, params, access=allowed, watch=watch, show_errors=allowed.show_pii)
        return replace(answer, elapsed_s=time.perf_counter() - started)

    def answer(
        self,
        prepared: Prepared,
        sql: str,
        params: Params = None,
        *,
        access: Access,
        watch: Watch | None = None,
        show_errors: bool = False,
    ) -> Answer:
        """Run a prepared statement, ``sql`` as it was written. Raises QueryError in the engine's words."""
        started = time.perf_counter()
        # One row more than is wanted says whether there are more.
        text = prepared.sql if access.row_cap is None else limited(self.parser, prepared.sql, access.row_cap + 1)
        with self._cursor(prepared, sql, show=show_errors) as con:
            table, truncated = (watch or Watch()).run(con, lambda: fetch(con, text, params, access.row_cap))
        masked: tuple[str, ...] = ()
        found = self._carriers(prepared, table.column_names)
        if access.show_pii:
            # Read again as a frame, it is masked as what it came from.
            table = carriers.with_kinds(table, {table.column_names[i]: kind for i, kind in found.items()})
        else:
            masked = tuple(table.column_names[i] for i in sorted(found))
            table = _mask(table, found)
        snapshots = snapshots_of(prepared.tables.values())
        return Answer(table, sql, params, truncated, snapshots, masked, time.perf_counter() - started)

    def stream(
        self, sql: str, params: Params = None, *, show_pii: bool = False
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """All rows in Arrow batches, masked like `run`'s. Raises as `run` does, before the first batch."""
        with self.advised(sql):
            return self.batches(self.prepare(sql), sql, params, show_pii=show_pii)

    def batches(
        self, prepared: Prepared, sql: str, params: Params = None, *, show_pii: bool = False
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """`stream` of a prepared statement, ``sql`` as it was written."""
        held = ExitStack()
        con = held.enter_context(self._cursor(prepared, sql, show=show_pii))
        try:
            reader = bound(con, prepared.sql, params).to_arrow_reader(BATCH_ROWS)
            held.callback(reader.close)  # before the connection goes to the next statement
            found = None if show_pii else self._carriers(prepared, reader.schema.names)
            schema = _mask(pa.Table.from_batches([], reader.schema), found).schema
        except BaseException as error:
            held.close()
            if isinstance(error, duckdb.Error):
                raise self._error(error, sql, show=show_pii) from None
            raise

        def masked() -> Iterator[pa.RecordBatch]:
            try:
                yield pa.record_batch([], names=[])  # taken below
                for batch in reader:
                    yield from _mask(pa.Table.from_batches([batch]), found).cast(schema).to_batches()
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise self._error(error, sql, show=show_pii) from None
            finally:
                held.close()

        batches = masked()
        next(batches)  # from here on it cleans up, also when nobody reads it
        return schema, batches

    def read(
        self, manifest: Manifest, select: str, *, files: Collection[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The expressions ``select`` over the rows of a snapshot, or over those of some of its ``files`` (paths).

        For the product's own reading: the expressions are not judged and nothing is masked. Raises QueryError.
        """
        chosen = [f for f in manifest.files if files is None or f.path in files]
        con = self._engines.over({"rows": (manifest, chosen)})
        try:
            yield from con.sql(f"SELECT {select} FROM rows").to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            raise self._error(error, select, show=False) from None
        finally:
            con.close()

    def matching(self, manifest: Manifest, key: str, condition: str) -> pa.Array:
        """Values of ``key`` in the rows of a snapshot that match a condition, whose text passes the guard.

        Raises QueryError for a text that is more than a condition.
        """
        with self.advised(condition, of=manifest):
            guard.check_text(condition)
            rewritten = versions.rewrite_versions(condition)
            known = _Known(self.catalog, {guard.fold(ref.alias) for ref in rewritten.tables})
            try:
                guard.judge_condition(self.parser, rewritten.sql, table=manifest.name, known=known)
            except NotFoundError as error:
                raise self._unknown(error) from None
            name = quote(manifest.name)
            sql = f"SELECT {quote(key)} FROM {name}@{manifest.version} AS {name} WHERE (\n{condition}\n)"
            # Values of the key are for the caller's own look-up, but an error's words are for people.
            return self.answer(self.prepare(sql), sql, access=Access(row_cap=None, show_pii=True)).table.column(0)

    def clauses(self, manifest: Manifest, condition: str) -> tuple[str, ...]:
        """A condition at its outermost ANDs. Raises QueryError for a text that is more than a condition."""
        known = _Known(self.catalog, ())
        with self.advised(condition, of=manifest):
            guard.judge_condition(self.parser, condition, table=manifest.name, known=known)
        return clauses(self.parser, condition, table=manifest.name)

    def prepare(self, sql: str) -> Prepared:
        """Resolve versions, judge the statement, find its datasets. Nothing runs."""
        guard.check_text(sql)
        if not sql.strip():
            raise InvalidError("There is no SQL to run.", hint='lh sql "SELECT * FROM workers LIMIT 5"')
        rewritten = versions.rewrite_versions(sql)
        pinned = {guard.fold(ref.alias): ref for ref in rewritten.tables}
        known = _Known(self.catalog, pinned)
        try:
            judged = guard.judge(self.parser, rewritten.sql, known=known)
        except NotFoundError as error:
            raise self._unknown(error) from None
        tables = {}
        for name in judged.tables:
            ref = pinned.get(name)
            if ref is None:
                tables[name] = known.found[name]
            elif ref.version is not None:
                tables[name] = self.catalog.get(guard.fold(ref.name), ref.version)
            else:
                tables[name] = self.catalog.at(guard.fold(ref.name), versions.moment(ref.at or ""))
        return Prepared(rewritten.sql, tables, judged)

    @contextmanager
    def advised(
        self, sql: str | Filled, frames: Mapping[str, Any] | None = None, *, of: Manifest | None = None
    ) -> Iterator[None]:
        """Errors inside leave with a caret and advice for the text as typed. ``frames``: other tables by name.

        ``of``: the dataset of a text that is a condition.
        """
        try:
            yield
        except (QueryError, NotFoundError) as error:
            from workbench.lake.sql.advising import advice  # nobody waits for it when all goes well

            advice.explain(sql, error, self.catalog, frames or {}, of=of)
            raise

    def close(self) -> None:
        """Close every engine."""
        self._engines.close()
        self.parser.close()

    def explain(
        self, prepared: Prepared, sql: str, params: Params = None, *, analyze: bool, show_pii: bool, watch: Watch | None
    ) -> str:
        """The engine's plan of a prepared statement; with ``analyze`` it runs, and the plan has rows and times."""
        with self._cursor(prepared, sql, show=show_pii) as con:
            bound(con, prepared.sql, params)
            asked = f"EXPLAIN ({'ANALYZE, ' * analyze}FORMAT JSON) {prepared.sql}"
            rows = (watch or Watch()).run(con, lambda: con.execute(asked, params or None).fetchall())
        said = " ".join([sql, *(str(v) for v in (params.values() if isinstance(params, Mapping) else params or ()))])
        return render(str(rows[0][1]), said=said, show_values=show_pii)

    @contextmanager
    def _cursor(self, prepared: Prepared, sql: str, *, show: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one statement; what the engine raises leaves as QueryError."""
        opened = False
        try:
            with self._engines.connection(prepared.tables, prepared.frames) as con:
                opened = True
                yield con
        except duckdb.Error as error:
            # Before it was open: a file of the dataset is gone or damaged.
            raise self._error(error, sql, show=show and opened) from None

    def _carriers(self, prepared: Prepared, outputs: Sequence[str]) -> dict[int, str]:
        """Output position → the PII kind that its values may be."""
        columns = carriers.kinds(self.catalog, prepared.tables, prepared.frames)
        return taint.tainted_columns(prepared.judged, tables=columns, outputs=outputs)

    def _unknown(self, error: NotFoundError) -> NotFoundError:
        return self.catalog.unknown(str(error.details.get("table", ""))[:80])

    @staticmethod
    def _error(error: Exception, sql: str, *, show: bool) -> QueryError:
        words, hint = scrub(str(error).strip(), sql, show=show)
        return QueryError(words, hint=hint, details={"engine": type(error).__name__})


@dataclass(frozen=True, slots=True)
class _Known:
    """Says whether a name in a statement is a dataset, and remembers the newest manifests that it looked up."""

    catalog: Catalog
    pinned: Collection[str]
    found: dict[str, Manifest] = field(default_factory=dict)

    def __call__(self, name: str) -> bool:
        folded = guard.fold(name)
        if folded in self.pinned or folded in self.found:
            return True
        newest = self.catalog.find(folded)
        if newest is not None:
            self.found[folded] = newest
        return newest is not None


def snapshots_of(tables: Iterable[Manifest]) -> dict[str, int]:
    """Dataset → version read; ``name@version`` → version where a statement reads several of one dataset."""
    pairs = {(m.name, m.version) for m in tables}
    names = [name for name, _ in pairs]
    return {n if names.count(n) == 1 else f"{n}@{v}": v for n, v in sorted(pairs)}


def _mask(table: pa.Table, kinds: Mapping[int, str] | None) -> pa.Table:
    """Carriers by their kind and every other column by what stands in it; None: as it is."""
    if kinds is None:
        return table
    arrays = [pii.mask_array(table.column(i), kinds.get(i)) for i in range(table.num_columns)]
    return pa.table(arrays, names=table.column_names)
