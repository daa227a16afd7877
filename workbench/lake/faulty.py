"""The SQL of a row against an expectation, and what such rows do, in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import duckdb

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.expectations import Expectation, Value
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Column, Manifest
from workbench.lake.tables.mapping import literal, quote

_NUMBERS = ("int", "uint", "float", "double", "decimal")

Told = tuple[str, str]  # The SQL of a row at fault, and what such rows do


def column_of(manifest: Manifest, name: str, expectation: Expectation) -> Column:
    """The column that an expectation names. Raises NotFoundError."""
    found = manifest.column(name)
    if found is None:
        missing = NotFoundError.named("column", name, (c.name for c in manifest.columns))
        raise NotFoundError(
            f"{expectation.text}: {manifest.name} has no column {name!r}.", hint=missing.hint, details=missing.details
        )
    return found


def _not_null(_: Catalog, __: Expectation, columns: Sequence[Column]) -> Told:
    return f"{plain(columns[0].name)} IS NULL", "have none"


def _unique(_: Catalog, __: Expectation, columns: Sequence[Column]) -> Told:
    known = " AND ".join(f"{plain(c.name)} IS NOT NULL" for c in columns)
    return known, f"share {'a value' if len(columns) == 1 else 'their values'} with another row"


def _pattern(_: Catalog, expectation: Expectation, columns: Sequence[Column]) -> Told:
    column, (pattern,) = columns[0], expectation.values
    held = plain(column.name) + ("" if column.type == "string" else "::VARCHAR")
    text = pattern.text if pattern else ""
    return f"NOT regexp_full_match({held}, {literal(text)})", f"do not match {text}"


def _values(_: Catalog, expectation: Expectation, columns: Sequence[Column]) -> Told:
    column = columns[0]
    allowed = [_bound_sql(column, value, expectation)[1] for value in expectation.values if value]
    # A date among timestamps means that day's beginning, as in SQL: equality is of the whole value.
    return f"{plain(column.name)} NOT IN ({', '.join(allowed)})", "hold another value"


def _range(_: Catalog, expectation: Expectation, columns: Sequence[Column]) -> Told:
    column, (low, high) = columns[0], expectation.values
    for end in (low, high):
        if end and column.type == "string" and not end.quoted:
            raise InvalidError(
                f"{expectation.text}: {column.name} is text, which does not lie between numbers or dates.",
                hint=f"range({column.name}, '…', '…') compares as text; `lh ingest --type` makes it a number.",
            )
    tests = []
    for end, sign in ((low, "<"), (high, ">")):
        if end:
            held, bound = _bound_sql(column, end, expectation)
            tests.append(f"{held} {sign} {bound}")
    if low and high:
        _check_order(low, high, expectation, dates=column.type.startswith(("date32", "timestamp")))
    if column.type in {"float", "double"}:  # NaN is above everything to the engine
        tests.append(f"isnan({plain(column.name)})")
    if low and high:
        return " OR ".join(tests), f"are outside {low} to {high}"
    return " OR ".join(tests), f"are below {low}" if low else f"are above {high}"


def _check_order(low: Value, high: Value, expectation: Expectation, *, dates: bool = False) -> None:
    """Raise InvalidError for ends that stand the wrong way round: nothing lies between them."""
    if low.is_number and high.is_number:
        wrong = Decimal(low.text) > Decimal(high.text)
    elif dates:
        first, last = (dt.datetime.fromisoformat(end.text.strip()) for end in (low, high))
        zoned = first.tzinfo or last.tzinfo
        days = zoned or len(high.text.strip()) <= 10  # a day as the end means the whole day
        wrong = first.date() > last.date() if days else first > last
    else:
        wrong = low.text > high.text
    if wrong:
        turned = replace(expectation, values=(high, low))
        raise InvalidError(f"{expectation.text}: {low} comes after {high}.", hint=f"Write it {turned.text}")


def _reference(catalog: Catalog, expectation: Expectation, columns: Sequence[Column]) -> Told:
    dataset, name = expectation.other or ("", "")
    ref, at, version = dataset.partition("@")
    if at and not version.isdecimal():
        raise InvalidError(f"{expectation.text}: {dataset} is no version.", hint=f"reference(…, {ref}@2.{name})")
    other = catalog.get(ref, int(version) if at else None)
    column, target = columns[0], column_of(other, name, expectation)
    if (column.type == "string") != (target.type == "string"):
        raise InvalidError(
            f"{expectation.text}: {column.name} is {column.type}, {other.name}.{target.name} is {target.type}.",
            hint="Both must be text, or neither: `lh ingest --type column=text` on one side.",
        )
    held, there = plain(column.name), plain(target.name)
    known = f"SELECT {there} FROM {versioned(other)} WHERE {there} IS NOT NULL"
    return f"{held} IS NOT NULL AND {held} NOT IN ({known})", f"name none of {other.name}.{target.name}"


def _rows(_: Catalog, expectation: Expectation, __: Sequence[Column]) -> Told:
    low, high = expectation.values
    if low and high:
        _check_order(low, high, expectation)
    ends = [f"at least {int(low.text):,}"] if low else []
    return "", " and ".join([*ends, *([f"at most {int(high.text):,}"] if high else [])]) + " expected"


TELLS: Mapping[str, Callable[[Catalog, Expectation, Sequence[Column]], Told]] = {
    "not_null": _not_null,
    "unique": _unique,
    "pattern": _pattern,
    "values": _values,
    "range": _range,
    "reference": _reference,
    "rows": _rows,
}


def _bound_sql(column: Column, value: Value, expectation: Expectation) -> tuple[str, str]:
    """SQL of the column and of a value to compare it with. Raises InvalidError for what is none of its type."""
    held = plain(column.name)
    if column.type.startswith(_NUMBERS):
        if not value.is_number:
            raise _unlike(column, value, expectation, "number")
        return held, value.text
    if column.type.startswith(("date32", "timestamp")):
        return _moment_sql(column, value, expectation)
    if column.type == "bool":
        if value.text.casefold() not in {"true", "false"}:
            raise _unlike(column, value, expectation, "true or false")
        return held, value.text.casefold()
    return held, literal(value.text)


def _moment_sql(column: Column, value: Value, expectation: Expectation) -> tuple[str, str]:
    held, text = plain(column.name), value.text.strip()
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise _unlike(column, value, expectation, "date (2026-01-31)") from None
    if len(text) <= 10 and expectation.kind == "range":  # a day as an end means the whole day
        return held if column.type.startswith("date32") else f"{held}::DATE", f"DATE {literal(text)}"
    if column.type.startswith("date32"):
        if moment.time() != dt.time():
            raise _unlike(column, value, expectation, "date (2026-01-31)")
        return held, f"DATE {literal(moment.date().isoformat())}"
    return held, f"{'TIMESTAMPTZ' if 'tz=' in column.type else 'TIMESTAMP'} {literal(text)}"


def _unlike(column: Column, value: Value, expectation: Expectation, kind: str) -> InvalidError:
    return InvalidError(
        f"{expectation.text}: {value} is no {kind}, and {column.name} is {column.type}.",
        hint=f"`lh describe` shows the types; write a {kind}.",
    )


def versioned(manifest: Manifest) -> str:
    """A version of a dataset as SQL names it."""
    return f"{plain(manifest.name)}@{manifest.version}"


def listed(names: Iterable[str]) -> str:
    """Names as people write them in SQL, with commas."""
    return ", ".join(map(plain, names))


def plain(name: str) -> str:
    """A name as people write it in SQL: quoted only where it must be, so that the SQL fits into shell quotes."""
    tokens = duckdb.tokenize(name) if name.isascii() and name.isidentifier() and name.islower() else []
    return name if [str(kind) for _, kind in tokens] == [str(duckdb.token_type.identifier)] else quote(name)
