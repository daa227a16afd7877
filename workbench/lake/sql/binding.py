"""Parameters of a statement and their values, and the running of one statement on a connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from workbench.errors import QueryError
from workbench.lake.sql import guard

BATCH_ROWS = 10_000

Params = Mapping[str, Any] | Sequence[Any] | None


def bound(con: duckdb.DuckDBPyConnection, sql: str, params: Params) -> duckdb.DuckDBPyRelation:
    """The statement with its values, bound and not run. Raises QueryError for what is not one SELECT."""
    statement = guard.only_select(con, sql)
    check_params(statement.named_parameters, params or ())
    return con.sql(statement, params=params or None)


def fetch(con: duckdb.DuckDBPyConnection, sql: str, params: Params, cap: int | None) -> tuple[pa.Table, bool]:
    """All rows, or the first ``cap`` and whether there are more."""
    relation = bound(con, sql, params)
    if cap is None:
        return relation.to_arrow_table(), False
    reader = relation.to_arrow_reader(min(BATCH_ROWS, cap + 1))
    batches, rows = [], 0
    with reader:  # closed before the connection goes to the next statement
        for batch in reader:
            batches.append(batch)
            rows += batch.num_rows
            if rows > cap:
                break
    table = pa.Table.from_batches(batches, reader.schema)
    return table.slice(0, cap), rows > cap


def check_params(wanted: Collection[str], params: Mapping[str, Any] | Sequence[Any]) -> None:
    """Raise QueryError for parameters of a statement that have no value, and for values that no parameter takes."""
    given = list(params) if isinstance(params, Mapping) else [str(i + 1) for i in range(len(params))]
    missing = sorted(set(wanted) - set(given), key=lambda name: (len(name), name))
    if missing:
        named = [name for name in missing if not name.isdecimal()] or ["name"]
        raise QueryError(
            f"No value was given for {_counted(missing)}.",
            hint=f'--param {named[0]}=… on the command line, params={{"{named[0]}": …}} in Python'
            + ("." if named == missing else "; for ? a list: params=[…]."),
            details={"missing": missing},
        )
    unused = [name for name in given if name not in wanted]
    if unused:
        known = ", ".join(f"${name}" for name in sorted(wanted)) or "none"
        raise QueryError(
            f"The statement has no place for {_counted(unused)}.", hint=f"Its parameters: {known}. Drop the value."
        )


def _counted(names: Sequence[str]) -> str:
    return f"parameter{'s'[: len(names) != 1]} {', '.join(names)}"
