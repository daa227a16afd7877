"""Types that Delta cannot hold, and what is stored in their place.

Delta has no unsigned integers, no TIME, no INTERVAL, no UUID, no second or millisecond timestamps, and it cuts
nanoseconds to microseconds without a word. Each such type has one declared stand-in; the real type is kept beside the
column and restored when it is read, so a dataset answers with the types it was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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


_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_ENGINE = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "date32[day]": "DATE",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


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
    if engine_type.endswith("]") or engine_type.startswith(("STRUCT(", "MAP(")):
        return _nested(column, engine_type)
    if engine_type.startswith("DECIMAL("):
        return Held(arrow_name(engine_type))
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
    inner = engine_type.removeprefix("MAP(").replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
    if _PLAIN_NESTED.search(_QUOTED.sub("", inner)):
        raise InvalidError(
            f"Column {column!r} has the nested type {engine_type}, part of which a dataset cannot hold.",
            hint="Flatten the column, or write that part as text, before ingest.",
        )
    # A fixed-size array is a list to Delta; the size is not part of the contract.
    stored = re.sub(r"\[\d+\]", "[]", engine_type)
    return Held(arrow_name(stored), stored if stored != engine_type else "")


def arrow_name(engine_type: str) -> str:
    """The Arrow name of an engine type, as it is read back from the log: ``VARCHAR[]`` → ``list<element: string>``.

    Raises InvalidError for a field of a struct whose name no type string can hold.
    """
    if engine_type.endswith("[]"):
        return f"list<element: {arrow_name(engine_type[:-2])}>"
    if engine_type.startswith("STRUCT("):
        fields = (_field(part) for part in split_types(engine_type[7:-1]))
        return f"struct<{', '.join(f'{name}: {arrow_name(kind)}' for name, kind in fields)}>"
    if engine_type.startswith("MAP("):
        return f"map<{', '.join(arrow_name(part) for part in split_types(engine_type[4:-1]))}>"
    if engine_type.startswith("DECIMAL("):
        width, scale = engine_type[8:-1].split(",")
        return f"decimal128({int(width)}, {int(scale)})"
    return _TABLE[engine_type][0]


def engine_name(arrow: str) -> str:
    """The engine type of an Arrow name: ``list<element: string>`` → ``VARCHAR[]``; text for a name it does not know."""
    if arrow.startswith("decimal128("):
        return "DECIMAL" + arrow[10:]
    if arrow.startswith("list<"):
        return engine_name(arrow[5:-1].partition(": ")[2]) + "[]"
    if arrow.startswith("struct<"):
        fields = (part.partition(": ") for part in split_types(arrow[7:-1]))
        return f"STRUCT({', '.join(f'{quote(name)} {engine_name(kind)}' for name, _, kind in fields)})"
    if arrow.startswith("map<"):
        return f"MAP({', '.join(engine_name(part) for part in split_types(arrow[4:-1]))})"
    return _ENGINE.get(arrow, "VARCHAR")


def split_types(text: str) -> Iterator[str]:
    """The parts of a list of types, or of fields with types, split at the commas that are in no bracket or quotes."""
    depth, start, quoted = 0, 0, False
    for i, c in enumerate(text + ","):
        quoted ^= c == '"'
        depth += 0 if quoted else (c in "<([") - (c in ">)]")
        if c == "," and depth == 0 and not quoted:
            yield text[start:i].strip()
            start = i + 1


def _field(part: str) -> tuple[str, str]:
    """A field of a struct, ``name TYPE`` or ``"a name" TYPE``, as (name, type)."""
    found = _QUOTED.match(part)
    name, _, kind = (found[0], "", part[found.end() :]) if found else part.partition(" ")
    plain = name[1:-1].replace('""', '"') if found else name
    if set(plain) & set('<>()[]:,"'):
        raise InvalidError(
            f"A struct has a field named {plain!r}, which a dataset cannot hold.",
            hint="Rename the field in the file, without brackets, quotes, colons and commas.",
        )
    return plain, kind.strip()


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
