"""Expectations put to the rows of a dataset: what holds, what does not, and the SQL that finds the rows at fault.

All that is asked of single rows is counted in one scan; ``unique`` and ``reference`` are statements of their own. Each
goes through the guarded door like any SELECT, pinned to one version of every dataset.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from workbench.errors import InvalidError, NotFoundError, QueryCancelledError, QueryError, QueryTimeoutError
from workbench.lake.expectations import FORMS, Expectation, Value
from workbench.lake.faulty import TELLS, column_of, listed, versioned
from workbench.lake.sql.engine import Watch
from workbench.lake.sql.query import Access, Queries
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Column, Manifest

EXAMPLES = 5
_COUNTED = Access(row_cap=None, show_pii=True)  # nothing but numbers comes out


@dataclass(frozen=True, slots=True)
class Example:
    """Values at fault, and in how many rows they stand. Personal data is masked unless it was asked for."""

    values: Mapping[str, Any]
    rows: int = 1

    def __str__(self) -> str:
        said = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        return said if self.rows == 1 else f"{said} ({self.rows:,} rows)"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one expectation.

    ``failed``: rows against it, counted exactly, of ``rows`` (for ``rows(…)``: how many are missing or too many).
    ``says``: one sentence. ``sql``: the SELECT that finds the rows at fault, as ``lh sql`` takes it; '' for what cannot
    be checked any more, where ``hint`` says what to do.
    """

    expectation: Expectation
    columns: tuple[str, ...]
    failed: int
    rows: int
    says: str
    examples: tuple[Example, ...]
    sql: str
    hint: str = ""

    @property
    def severity(self) -> Literal["ok", "failed"]:
        """Whether it holds."""
        return "failed" if self.failed else "ok"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "expectation": self.expectation.text,
            "columns": list(self.columns),
            "severity": self.severity,
            "failed": self.failed,
            "rows": self.rows,
            "says": self.says,
            "examples": [{"values": dict(e.values), "rows": e.rows} for e in self.examples],
            "sql": self.sql,
            **({"hint": self.hint} if self.hint else {}),
        }


@dataclass(frozen=True, slots=True)
class _Bound:
    """An expectation on the columns that it means. ``fails``: SQL, true in a row against it ('' for unique, rows)."""

    expectation: Expectation
    columns: tuple[Column, ...]
    fails: str
    what: str  # what rows at fault do, for the sentence
    place: str  # the version of the dataset, as SQL

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def sql(self) -> str:
        """The SELECT that finds the rows at fault."""
        if self.expectation.kind == "unique":
            by = listed(self.names)
            return (
                f"SELECT * FROM {self.place} WHERE {self.fails} "
                f"QUALIFY count(*) OVER (PARTITION BY {by}) > 1 ORDER BY {by}"
            )
        return f"SELECT * FROM {self.place}" + (f" WHERE {self.fails}" if self.fails else "")


def check(
    queries: Queries,
    manifest: Manifest,
    expectations: Sequence[Expectation],
    *,
    show_pii: bool = False,
    watch: Watch | None = None,
) -> tuple[Finding, ...]:
    """What holds of one version of a dataset, a finding for each expectation and column, in their order.

    Raises NotFoundError for a column or dataset that is not there, InvalidError for a value that the column cannot be
    compared with, QueryCancelledError and QueryTimeoutError as a query does.
    """
    bound = [bind(queries.catalog, manifest, single) for whole in expectations for single in whole.single()]
    work = _Work(queries, watch or Watch(stage="check"), len(bound) + 1)
    total, failed = work.counts(versioned(manifest), bound)
    return tuple(
        work.found(one, count, total, show_pii=show_pii, key=_key_names(manifest, one.names))
        for one, count in zip(bound, failed, strict=True)
    )


def check_kept(
    queries: Queries,
    manifest: Manifest,
    expectations: Sequence[Expectation],
    *,
    show_pii: bool = False,
    watch: Watch | None = None,
) -> tuple[Finding, ...]:
    """`check` of what was kept with a dataset, whose columns may have changed since.

    What cannot be checked any more is a finding that failed, with the reason. Raises only as a query does.
    """
    ask = partial(check, queries, manifest, show_pii=show_pii, watch=watch)
    try:
        return ask(expectations)
    except (QueryCancelledError, QueryTimeoutError):
        raise
    except (NotFoundError, InvalidError) as error:
        if len(expectations) == 1:
            return (_uncheckable(manifest, expectations[0], error),)
    again = partial(check_kept, queries, manifest, show_pii=show_pii, watch=watch)
    return tuple(finding for one in expectations for finding in again([one]))


def _uncheckable(manifest: Manifest, one: Expectation, error: InvalidError | NotFoundError) -> Finding:
    says = f"cannot be checked: {error.message.removeprefix(f'{one.text}: ')}"
    drop = f"lh check {manifest.name} --expect {shlex.quote(one.text)} --drop   expects it no longer"
    return Finding(one, one.columns, max(manifest.row_count, 1), manifest.row_count, says, (), "", drop)


def check_columns(catalog: Catalog, manifest: Manifest, expectations: Sequence[Expectation]) -> None:
    """Raise what `check` would raise before it reads a row."""
    for whole in expectations:
        for single in whole.single():
            bind(catalog, manifest, single)


def bind(catalog: Catalog, manifest: Manifest, expectation: Expectation) -> _Bound:
    """The expectation on the columns of this version. Raises NotFoundError and InvalidError; reads no rows."""
    columns = tuple(column_of(manifest, name, expectation) for name in expectation.columns)
    bind_one = partial(_Bound, expectation, columns, place=versioned(manifest))
    fails, what = TELLS[expectation.kind](catalog, expectation, columns)
    return bind_one(fails, what)


@dataclass
class _Work:
    """Statements one after another under one watch."""

    queries: Queries
    watch: Watch
    steps: int
    done: int = 0

    def rows(self, sql: str, access: Access = _COUNTED) -> list[dict[str, Any]]:
        shown, before = self.watch.on_progress, self.done * 100.0

        def said(_: str, done: float, total: float) -> None:
            if shown:
                shown("check", before + done / (total or 1) * 100.0, self.steps * 100.0)

        said("", 0.0, 1.0)
        watch = replace(self.watch, on_progress=said)
        answer = self.queries.run(sql, access=access, watch=watch)
        self.done = min(self.done + 1, self.steps - 1)
        return list(answer.table.to_pylist())

    def counts(self, place: str, bound: Sequence[_Bound]) -> tuple[int, list[int]]:
        """Rows of the table, and per expectation the rows against it."""
        scanned = [b for b in bound if b.expectation.kind not in {"unique", "reference", "rows"}]
        total, *found = self._scan(place, scanned)
        counted = dict(zip(map(id, scanned), found, strict=True))
        return total, [counted[id(b)] if id(b) in counted else self._alone(b, total) for b in bound]

    def _scan(self, place: str, bound: Sequence[_Bound]) -> list[int]:
        counts = "".join(f", count(*) FILTER ({b.fails}) AS n{i}" for i, b in enumerate(bound))
        try:
            return list(self.rows(f"SELECT count(*) AS n{counts} FROM {place}")[0].values())
        except (QueryCancelledError, QueryTimeoutError):
            raise
        except QueryError as error:  # a pattern that is none, a value that is none of the column's type: which one?
            if len(bound) > 1:
                for one in bound:
                    self._scan(place, [one])
            if len(bound) == 1:
                raise _refused(bound[0].expectation, error) from None
            raise

    def _alone(self, bound: _Bound, total: int) -> int:
        if bound.expectation.kind == "rows":
            return _beyond(total, bound.expectation.values)
        if bound.expectation.kind == "reference":
            return int(self.rows(f"SELECT count(*) AS n FROM {bound.place} WHERE {bound.fails}")[0]["n"])
        twice = f"SELECT count(*) AS n {_groups(bound)}"
        return int(self.rows(f"SELECT coalesce(sum(n), 0)::BIGINT AS n FROM ({twice})")[0]["n"])

    def found(self, bound: _Bound, failed: int, total: int, *, show_pii: bool, key: Sequence[str]) -> Finding:
        """The finding, with examples when it failed."""
        examples: tuple[Example, ...] = ()
        if failed and bound.columns:
            access = Access(row_cap=None, show_pii=show_pii)
            rows = self.rows(_examples_sql(bound, key), access)
            examples = tuple(Example(dict(list(row.items())[:-1]), list(row.values())[-1]) for row in rows)
        said = _sentence(bound, failed, total)
        return Finding(bound.expectation, bound.names, failed, total, said, examples, bound.sql)


def _refused(expectation: Expectation, error: QueryError) -> InvalidError:
    hint = f"Patterns are RE2's: {FORMS['pattern']}" if expectation.kind == "pattern" else error.hint
    return InvalidError(f"{expectation.text}: {error.message}", hint=hint)


def _examples_sql(bound: _Bound, key: Sequence[str]) -> str:
    """Values at fault with their number of rows, most rows first; of rows without a value what names the row."""
    if bound.expectation.kind == "unique":
        head, order = f"SELECT {listed(bound.names)}, count(*) {_groups(bound)}", listed(bound.names)
        return f"{head} ORDER BY count(*) DESC, {order} LIMIT {EXAMPLES}"
    where = f"FROM {bound.place} WHERE {bound.fails}"
    if bound.expectation.kind == "not_null":
        return f"SELECT {listed(key)}{', ' if key else ''}1 {where} LIMIT {EXAMPLES}"
    by = listed(bound.names)
    return f"SELECT {by}, count(*) {where} GROUP BY {by} ORDER BY count(*) DESC, {by} LIMIT {EXAMPLES}"


def _groups(bound: _Bound) -> str:
    return f"FROM {bound.place} WHERE {bound.fails} GROUP BY {listed(bound.names)} HAVING count(*) > 1"


def _sentence(bound: _Bound, failed: int, total: int) -> str:
    rows = f"{total:,} row{'s'[: total != 1]}"
    if bound.expectation.kind == "rows":
        return rows if not failed else f"{rows}: {bound.what}"
    return f"{failed:,} of {rows} {bound.what}" if failed else f"holds for {rows}"


def _beyond(total: int, ends: Sequence[Value | None]) -> int:
    low, high = (None if end is None else int(end.text) for end in ends)
    if low is not None and total < low:
        return low - total
    return total - high if high is not None and total > high else 0


def _key_names(manifest: Manifest, beside: Sequence[str]) -> list[str]:
    """What names a row to people: its first id, else the first two columns."""
    names = [c.name for c in manifest.columns if c.name not in beside]
    ids = [n for n in names if n.casefold() == "id" or n.casefold().endswith("_id")]
    return ids[:1] or names[:2]
