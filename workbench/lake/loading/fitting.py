"""From a file's relation to the columns of a dataset: a SELECT whose every value is right or whose error is loud.

A new dataset takes the types its values allow. An existing one keeps its types, and what does not fit is drift: said
in full, and loaded only in the way that was asked for (evolve, quarantine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import duckdb

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.files.sources import Opened
from workbench.lake.loading import infer
from workbench.lake.loading.drift import Change, compare
from workbench.lake.loading.infer import ColumnPlan
from workbench.lake.sql.parquet import MISFIT
from workbench.lake.sql.relation import engine_type
from workbench.lake.tables.manifest import Column, Manifest
from workbench.lake.tables.mapping import hold, quote

SAMPLE_ROWS = 20_000
_WIDER = {
    ("int8", "int16"), ("int8", "int32"), ("int8", "int64"), ("int16", "int32"), ("int16", "int64"), ("int32", "int64"),
    ("uint8", "int16"), ("uint8", "int32"), ("uint8", "int64"), ("uint16", "int32"), ("uint16", "int64"),
    ("uint32", "int64"), ("int8", "double"), ("int16", "double"), ("int32", "double"), ("float", "double"),
    ("date32[day]", "timestamp[us]"), ("timestamp[s]", "timestamp[us]"), ("timestamp[ms]", "timestamp[us]"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One column of the result: its facts, the SQL of its value and the SQL that says whether the value fits.

    A value that does not fit is null; ``odd`` makes, of the value's name, the SQL that tells it from an absent one.
    """

    column: Column
    value: str
    fits: str = "true"
    odd: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """How a file's relation becomes a dataset's rows. ``plans`` are those of text columns, by output name."""

    relation: str
    cells: tuple[Cell, ...]
    plans: Mapping[str, ColumnPlan] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """Facts of the output columns, in order."""
        return tuple(c.column for c in self.cells)

    @property
    def condition(self) -> str:
        """SQL: this row fits, and holds nothing in columns that the dataset does not have."""
        tests = [c.fits for c in self.cells if c.fits != "true"] + [f"{quote(u)} IS NULL" for u in self.unknown]
        return " AND ".join(f"({t})" for t in tests) or "true"

    def query(self, *, only_fitting: bool = False, not_blank: bool = False) -> str:
        """The SELECT. ``only_fitting`` leaves out rows that do not fit, ``not_blank`` those without any value."""
        made = {i: quote(f"\x1f{i}") for i, cell in enumerate(self.cells) if cell.odd}
        inner = ", ".join(f"{self.cells[i].value} AS {name}" for i, name in made.items())
        relation = f"(SELECT *, {inner} FROM {self.relation})" if made else self.relation
        values = ", ".join(f"{made.get(i, c.value)} AS {quote(c.column.name)}" for i, c in enumerate(self.cells))
        odd = " OR ".join(cell.odd(made[i]) for i, cell in enumerate(self.cells) if cell.odd)
        values += f", CASE WHEN {odd} THEN true END AS {quote(MISFIT)}" if made else ""
        tests = [self.condition] if only_fitting else []
        if not_blank:
            tests.append(f"COALESCE({', '.join(f'{c.value}::VARCHAR' for c in self.cells)}) IS NOT NULL")
        where = f" WHERE {' AND '.join(tests)}" if tests else ""
        return f"SELECT {values} FROM {relation}{where}"


def fresh(
    con: duckdb.DuckDBPyConnection, opened: Opened, *, types: Mapping[str, str], text: bool, sample_rows: int | None
) -> tuple[Fit, bool]:
    """The fit of a new dataset, and whether it can be final; if not, or if a value fails it, ask again with None.

    ``types`` are a user's words by column. ``sample_rows`` None decides over all values.
    """
    if opened.typed:
        check_columns(types, opened.names)
        return _typed_fresh(con, opened, types), True
    plans = infer.plan_columns(con, opened.relation, opened.names, sample_rows=sample_rows, text=text, types=types)
    return _planned(opened.relation, plans), infer.settled(plans) or sample_rows is None


def _planned(relation: str, plans: Sequence[ColumnPlan]) -> Fit:
    cells = tuple(_cell(p, _column(p), p.name) for p in plans)
    return Fit(relation, cells, {p.name: p for p in plans}, tuple(p.note for p in plans if p.note))


def _column(plan: ColumnPlan) -> Column:
    return Column(plan.name, plan.type, unit=plan.unit, order=infer.order_of(plan))


def _cell(plan: ColumnPlan, column: Column, source: str) -> Cell:
    name = quote(source)
    odd = partial(infer.odd_sql, plan, name) if infer.can_misfit(plan) else None
    return Cell(column, infer.value_sql(plan, name), infer.fits_sql(plan, name), odd)


def _cast(column: Column, name: str, target: str) -> Cell:
    """A column that has a type already, under another."""
    value = f"TRY_CAST({name} AS {target})"
    fits = f"{name} IS NULL OR {value} IS NOT NULL"
    return Cell(column, value, fits, lambda made: f"({made} IS NULL AND {name} IS NOT NULL)")


def check_columns(wanted: Iterable[str], names: Sequence[str]) -> None:
    """Raise NotFoundError, naming near matches, for a wanted column that is not among the names."""
    for name in wanted:
        if name not in names:
            raise NotFoundError.named("column", name, names)


def _typed_fresh(con: duckdb.DuckDBPyConnection, opened: Opened, types: Mapping[str, str]) -> Fit:
    cells, findings = [], []
    for name, engine in describe(con, opened.relation).items():
        value = quote(name)
        if name in types:
            target = infer.engine_word(types[name])
            cells.append(_cast(Column(name, hold(name, target).type), value, target))
            continue
        if engine == "TIMESTAMP_NS" and _whole_microseconds(con, opened.relation, name):
            value = f"CAST({value} AS TIMESTAMP)"
            findings.append(f"{name}: nanosecond times hold whole microseconds and are stored as those")
        cells.append(Cell(Column(name, hold(name, engine).type), value))
    return Fit(opened.relation, tuple(cells), findings=tuple(findings))


def _whole_microseconds(con: duckdb.DuckDBPyConnection, relation: str, name: str) -> bool:
    q = quote(name)
    return not con.execute(f"SELECT 1 FROM {relation} WHERE epoch_ns({q}) % 1000 <> 0 LIMIT 1").fetchall()


def describe(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Column name → the engine's type, of any relation."""
    return {row[0]: row[1] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}


@dataclass(frozen=True, slots=True)
class Match:
    """A file's columns beside a dataset's. ``pairs``: dataset column → file column; ``changes``: what differs."""

    pairs: Mapping[str, str]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    changes: tuple[Change, ...]


def match(con: duckdb.DuckDBPyConnection, opened: Opened, base: Manifest, rename: Mapping[str, str]) -> Match:
    """Pair columns by name, without case, after renames (file's name → dataset's name).

    Raises NotFoundError for a rename of or to a column that is not there.
    """
    for new, old in rename.items():
        check_columns([new], opened.names)
        if base.column(old) is None:
            raise NotFoundError.named("column", old, (c.name for c in base.columns))
    called = {n: rename.get(n, n) for n in opened.names}
    by_name = {c.casefold(): n for n, c in called.items()}
    pairs = {c.name: by_name[c.name.casefold()] for c in base.columns if c.name.casefold() in by_name}
    unknown = tuple(n for n in opened.names if n not in pairs.values())
    incoming = {called[n]: t for n, t in _incoming_types(con, opened, base, pairs).items()}
    held = {c.name: c.type for c in base.columns}
    changes = tuple(c for c in compare(held, incoming) if (c.was, c.now) not in {(b, a) for a, b in _WIDER})
    missing = tuple(c.name for c in base.columns if c.name not in pairs)
    return Match(pairs, unknown, missing, changes)


def _incoming_types(
    con: duckdb.DuckDBPyConnection, opened: Opened, base: Manifest, pairs: Mapping[str, str]
) -> dict[str, str]:
    if opened.typed:
        return {n: hold(n, t).type for n, t in describe(con, opened.relation).items()}
    # Text fits any column until a value says otherwise; only columns the dataset lacks need types of their own.
    types = {source: column.type for name, source in pairs.items() if (column := base.column(name))}
    unknown = [n for n in opened.names if n not in types]
    if unknown:
        plans = infer.plan_columns(con, opened.relation, unknown, sample_rows=SAMPLE_ROWS)
        types |= {p.name: p.type for p in plans}
    return {n: types[n] for n in opened.names}


def onto(opened: Opened, base: Manifest, found: Match) -> Fit:
    """The fit of a file onto a dataset as it is: its columns, its types; a column the file lacks is null."""
    cells, plans = [], {}
    for column in base.columns:
        source = found.pairs.get(column.name)
        if source is None:
            cells.append(Cell(column, f"CAST(NULL AS {engine_type(column)})"))
        elif opened.typed:
            target = engine_type(column)
            cells.append(_cast(column, quote(source), target))
        else:
            plan = infer.plan_for(column.name, column.type, unit=column.unit, order=column.order)
            plans[column.name] = plan
            cells.append(_cell(plan, column, source))
    return Fit(opened.relation, tuple(cells), plans, unknown=found.unknown)


def widened(con: duckdb.DuckDBPyConnection, opened: Opened, base: Manifest, found: Match, odd: Sequence[str]) -> Fit:
    """The fit of a file onto a dataset that takes its new columns and wider types.

    ``odd`` are the dataset's columns that must widen.
    """
    wanted = [found.pairs[n] for n in odd] + list(found.unknown)
    if opened.typed:
        types = {n: Column(n, hold(n, t).type) for n, t in describe(con, opened.relation).items() if n in wanted}
        plans: dict[str, ColumnPlan] = {}
    else:
        made = infer.plan_columns(con, opened.relation, wanted, sample_rows=None) if wanted else ()
        plans = {p.name: p for p in made}
        types = {p.name: _column(p) for p in made}
    cells = []
    for cell in onto(opened, base, found).cells:
        name = cell.column.name
        if name not in odd:
            cells.append(cell)
            continue
        source = found.pairs[name]
        merged = widest(cell.column.type, types[source].type)
        column = replace(cell.column, type=merged, order=cell.column.order if merged == cell.column.type else "")
        if opened.typed:
            cells.append(_cast(column, quote(source), engine_type(column)))
        else:
            cells.append(_cell(infer.plan_for(name, merged, unit=column.unit, order=column.order), column, source))
    for name in found.unknown:
        column = types[name]
        cells.append(Cell(column, quote(name)) if opened.typed else _cell(plans[name], column, name))
    return Fit(opened.relation, tuple(cells), plans)


def widest(a: str, b: str) -> str:
    """The type that holds every value of both (Arrow names): the wider number, else text."""
    if a == b or (b, a) in _WIDER:
        return a
    if (a, b) in _WIDER:
        return b
    numbers = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float", "double"}
    return "double" if {a, b} <= numbers else "string"


def old_rows_sql(base: Manifest, columns: Sequence[Column], relation: str) -> str:
    """The rows a dataset has already, under wider columns."""
    values = []
    for column in columns:
        held = base.column(column.name)
        kind = engine_type(column)
        value = f"CAST(NULL AS {kind})" if held is None else f"CAST({quote(held.name)} AS {kind})"
        values.append(f"{value} AS {quote(column.name)}")
    if not values:
        raise InvalidError(f"Dataset {base.name} has no columns.", hint=f"lh describe {base.name}")
    return f"SELECT {', '.join(values)} FROM ({relation})"
