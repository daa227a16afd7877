"""Tables of the reader's own memory, captured as they are at that moment: pandas, polars, Arrow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from workbench.errors import InvalidError
from workbench.lake.sql import carriers

NO_TABLE = "A table is a pandas or polars DataFrame, an Arrow table, or a relation."


@dataclass(frozen=True, slots=True)
class Captured:
    """Rows that no later change of the DataFrame reaches. ``kept`` keeps alive what the rows lie in.

    The metadata of ``table`` says which columns hold personal data; see `carriers`.
    """

    table: pa.Table
    kept: object = None
    notes: tuple[str, ...] = ()


def is_frame(value: object) -> bool:
    """Whether `capture` knows this kind of table; nothing is imported to find out."""
    return _kind(value) in _CAPTURE


def capture(name: str, value: Any) -> Captured:
    """The rows of a DataFrame or Arrow table as they are now.

    Raises InvalidError for another kind, for columns that hold values of several types, and for two columns of one
    name (as the engine compares them, without case).
    """
    how = _CAPTURE.get(_kind(value))
    if how is None:
        raise InvalidError(f"{name} is a {type(value).__name__}, which SQL cannot read.", hint=_hint(name, value))
    try:
        captured = how(name, value)
    except InvalidError:
        raise
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidError(
            f"The DataFrame {name} cannot be read: {_reason(value, error)}",
            hint=f'Make it one type: {name}["…"] = {name}["…"].astype(str)',
        ) from None
    twice = [n for n, count in Counter(n.lower() for n in captured.table.column_names).items() if count > 1]
    if not captured.table.num_columns:
        raise InvalidError(f"The table {name} has no columns.", hint="Give it one first; SQL reads columns.")
    if twice:
        raise InvalidError(
            f"The table {name} has several columns named {twice[0]!r}.",
            hint="Rename them; SQL does not tell `Id` from `ID`.",
        )
    attributes = getattr(value, "attrs", {}).get(carriers.ATTRIBUTE)
    return replace(captured, table=carriers.looked_at(captured.table, attributes))


def _kind(value: object) -> tuple[str, str]:
    return type(value).__module__.partition(".")[0], type(value).__name__


def _hint(name: str, value: object) -> str:
    kind = type(value).__name__
    if kind == "LazyFrame":
        return f"{name} = {name}.collect()"
    if kind == "RecordBatchReader":
        return f"A reader can be read once: {name} = {name}.read_all()"
    if kind in {"Series", "ChunkedArray", "ndarray", "list", "dict"}:
        return f'Make it a table: pandas.DataFrame({{"value": {name}}})'
    return NO_TABLE


def _from_pandas(name: str, value: Any) -> Captured:
    import pandas as pd  # the value is one of its own

    # Copy-on-write (always on from 3.0) makes the copy one when somebody writes, as long as this copy is alive.
    copied = value.copy(deep=int(pd.__version__.partition(".")[0]) < 3)
    copied.columns = [str(column) for column in copied.columns]
    if len(set(copied.columns)) < len(copied.columns):
        raise InvalidError(f"The DataFrame {name} has two columns of one name.", hint="Rename one of them.")
    periods = [place for place, kind in enumerate(copied.dtypes) if isinstance(kind, pd.PeriodDtype)]
    for place in periods:  # Arrow would give their bare numbers
        copied.isetitem(place, copied.iloc[:, place].astype("string"))
    table = pa.Table.from_pandas(copied, preserve_index=False).replace_schema_metadata(None)
    index = [str(part) for part in value.index.names if part is not None]
    notes = [f"{name}: the index ({', '.join(index)}) is not read; {name}.reset_index() makes it a column"] * bool(
        index
    )
    for column in (copied.columns[place] for place in periods):
        notes.append(
            f'{name}: {column} holds periods, read as text; {name}["{column}"].dt.to_timestamp() makes it times'
        )
    return Captured(table, copied, tuple(notes))


def _from_polars(_name: str, value: Any) -> Captured:
    # Its buffers are never written in place: a change makes a new column.
    return Captured(value.to_arrow(), value)


def _from_arrow(_name: str, value: Any) -> Captured:
    return Captured(value if isinstance(value, pa.Table) else pa.Table.from_batches([value]))


_CAPTURE = {
    ("pandas", "DataFrame"): _from_pandas,
    ("polars", "DataFrame"): _from_polars,
    ("pyarrow", "Table"): _from_arrow,
    ("pyarrow", "RecordBatch"): _from_arrow,
}


def _reason(value: Any, error: Exception) -> str:
    """Which column holds what, for pandas; else the words of Arrow."""
    for column, items in value.items() if hasattr(value, "items") else ():
        kinds = sorted({type(item).__name__ for item in items.dropna()} if str(items.dtype) == "object" else ())
        if len(kinds) > 1:
            return f"its column {str(column)!r} holds values of several types: {', '.join(kinds[:4])}."
    # Words of Arrow may quote a value.
    return f"a column holds values that have no common type ({type(error).__name__})."
