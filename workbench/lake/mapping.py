"""Types that Delta cannot hold, and what is stored in their place.

Delta has no unsigned integers, no TIME, no INTERVAL, no UUID, no second or millisecond timestamps, and it cuts
nanoseconds to microseconds without a word. Each such type has one declared stand-in; the real type is kept beside the
column and restored when it is read, so a dataset answers with the types it was given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.errors import InvalidError

# engine type → (Arrow canonical name, stored SQL type, Arrow name of the stored type); '' = stored as it is.
_TABLE: dict[str, tuple[str, str]] = {
    "BOOLEAN": ("bool", ""),
    "TINYINT": ("int8", ""),
    "SMALLINT": ("int16", ""),
    "INTEGER": ("int32", ""),
    "BIGINT": ("int64", ""),
    "UTINYINT": ("uint8", "SMALLINT"),
    "USMALLINT": ("uint16", "INTEGER"),
    "UINTEGER": ("uint32", "BIGINT"),
    "UBIGINT": ("uint64", "DECIMAL(20,0)"),
    "HUGEINT": ("decimal128(38, 0)", "DECIMAL(38,0)"),
    "UHUGEINT": ("decimal128(38, 0)", "DECIMAL(38,0)"),
    "FLOAT": ("float", ""),
    "DOUBLE": ("double", ""),
    "VARCHAR": ("string", ""),
    "JSON": ("string", "VARCHAR"),
    "BLOB": ("binary", ""),
    "BIT": ("string", "VARCHAR"),
    "UUID": ("string", "VARCHAR"),
    "DATE": ("date32[day]", ""),
    "TIME": ("time64[us]", "VARCHAR"),
    "TIME_NS": ("time64[ns]", "VARCHAR"),
    "TIME WITH TIME ZONE": ("string", "VARCHAR"),
    "TIMESTAMP": ("timestamp[us]", ""),
    "TIMESTAMP WITH TIME ZONE": ("timestamp[us, tz=UTC]", ""),
    "TIMESTAMP_S": ("timestamp[s]", "TIMESTAMP"),
    "TIMESTAMP_MS": ("timestamp[ms]", "TIMESTAMP"),
    "TIMESTAMP_NS": ("timestamp[ns]", "BIGINT"),
    "INTERVAL": ("month_day_nano_interval", "VARCHAR"),
    "NULL": ("string", "VARCHAR"),
    '"NULL"': ("string", "VARCHAR"),
}
_RESTORED = {"TIME", "TIME_NS", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "INTERVAL", "UUID", "BIT"} | {
    t for t in _TABLE if t.startswith("U") and t.endswith("INT") and t != "UHUGEINT"
}
_PLAIN_NESTED = re.compile(r"\b(U\w*INT|HUGEINT|TIME|TIME_NS|TIMESTAMP_\w+|INTERVAL|UUID|BIT|JSON|ENUM|UNION|MAP)\b")


@dataclass(frozen=True, slots=True)
class Held:
    """How one engine type is held: ``type`` (Arrow name shown), ``stored`` and ``restore`` (SQL types, '' = as is)."""

    type: str
    stored: str = ""
    restore: str = ""
    note: str = ""


def hold(column: str, engine_type: str) -> Held:
    """How a column of DuckDB's ``engine_type`` is stored and restored.

    Raises InvalidError for a type that has no lossless stand-in, naming the cast that gives it one.
    """
    if engine_type.startswith("ENUM("):
        return Held("string", "VARCHAR")
    if engine_type.startswith("DECIMAL("):
        width, scale = engine_type[8:-1].split(",")
        return Held(f"decimal128({int(width)}, {int(scale)})")
    if engine_type.endswith("]") or engine_type.startswith(("STRUCT(", "MAP(")):
        return _nested(column, engine_type)
    if engine_type not in _TABLE:
        raise InvalidError(
            f"Column {column!r} has the type {engine_type}, which a dataset cannot hold.",
            hint="Cast it in the file first, for example to text.",
        )
    arrow, stored = _TABLE[engine_type]
    restore = engine_type if engine_type in _RESTORED else ""
    note = f"{column}: {engine_type} is stored as {stored} and read back as {engine_type}" if restore else ""
    return Held(arrow, stored, restore, note)


def _nested(column: str, engine_type: str) -> Held:
    inner = engine_type.removeprefix("MAP(")
    if _PLAIN_NESTED.search(inner):
        raise InvalidError(
            f"Column {column!r} has the nested type {engine_type}, part of which a dataset cannot hold.",
            hint="Flatten the column, or write that part as text, before ingest.",
        )
    # A fixed-size array is a list to Delta; the size is not part of the contract.
    stored = re.sub(r"\[\d+\]", "[]", engine_type)
    return Held(stored.lower(), stored if stored != engine_type else "")


def store_sql(quoted: str, held: Held) -> str:
    """SQL that turns a value of the source type into the stored one. Raises in the engine when it does not fit."""
    if held.restore == "TIMESTAMP_NS":
        return f"epoch_ns({quoted})"
    return f"CAST({quoted} AS {held.stored})" if held.stored else quoted


def restore_sql(quoted: str, restore: str) -> str:
    """SQL that turns a stored value into the type the dataset shows; ``restore`` is `Column.restore`."""
    if restore == "TIMESTAMP_NS":
        return f"make_timestamp_ns({quoted})"
    return f"CAST({quoted} AS {restore})" if restore else quoted


def quote(identifier: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal, quoted."""
    return "'" + text.replace("'", "''") + "'"
