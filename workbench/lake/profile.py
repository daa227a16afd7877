"""One look at every column: nulls, distinct values, range, mean, and the most common values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from workbench import pii
from workbench.lake.sql.engine import Watch, connect
from workbench.lake.sql.relation import select_sql
from workbench.lake.tables.manifest import Column, Manifest
from workbench.lake.tables.mapping import quote
from workbench.lake.tables.storage import Storage

TOP = 3
_FACTS = 6  # expressions per column in the first scan


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Facts of one column. ``distinct`` is an estimate (HyperLogLog, within a few per cent).

    ``top``: up to three (value, share of all rows), most common first. Values of a tagged column are masked. ``sql``
    is the statement that finds the facts.
    """

    name: str
    type: str
    pii: str
    rows: int
    nulls: int
    distinct: int
    least: str
    greatest: str
    mean: float | None
    top: tuple[tuple[str, float], ...]
    sql: str

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        out = {k: getattr(self, k) for k in self.__slots__}
        return out | {"top": [{"value": v, "share": round(s, 4)} for v, s in self.top], "pii": self.pii or None}


def profile(
    storage: Storage, manifest: Manifest, *, show_pii: bool = False, watch: Watch | None = None
) -> list[ColumnProfile]:
    """Profile every column of a snapshot in two scans: facts, then how often the common values occur."""
    con = connect(storage)
    seen = watch or Watch(stage="profile")
    try:
        con.execute(f"CREATE VIEW it AS {select_sql(storage, manifest)}")
        facts = _first_scan(con, seen, manifest.columns)
        counts = _second_scan(con, seen, manifest.columns, facts)
    finally:
        con.close()
    return [
        _column(manifest, column, fact, count, show_pii=show_pii)
        for column, fact, count in zip(manifest.columns, facts, counts, strict=True)
    ]


def _first_scan(con: duckdb.DuckDBPyConnection, watch: Watch, columns: Sequence[Column]) -> list[tuple[Any, ...]]:
    wanted = [e for c in columns for e in _expressions(c)]
    row = watch.run(con, lambda: con.execute(f"SELECT {', '.join(wanted)} FROM it").fetchall()[0])
    return [row[i : i + _FACTS] for i in range(0, len(row), _FACTS)]


def _second_scan(
    con: duckdb.DuckDBPyConnection, watch: Watch, columns: Sequence[Column], facts: Sequence[tuple[Any, ...]]
) -> list[list[tuple[Any, int]]]:
    wanted = [
        (quote(c.name), value) for c, fact in zip(columns, facts, strict=True) for value in _common(fact[1], fact[5])
    ]
    counts: tuple[int, ...] = ()
    if wanted:
        sql = f"SELECT {', '.join(f'count(*) FILTER ({q} = ?)' for q, _ in wanted)} FROM it"
        counts = watch.run(con, lambda: con.execute(sql, [v for _, v in wanted]).fetchall()[0])
    left = iter(counts)
    return [sorted(((v, next(left)) for v in _common(fact[1], fact[5])), key=lambda p: -p[1]) for fact in facts]


def _common(known: int, top: Sequence[Any] | None) -> list[Any]:
    return [v for v in (top or []) if v is not None] if known else []


def _expressions(column: Column) -> list[str]:
    q = quote(column.name)
    if column.type.startswith(("list", "struct", "map", "binary", "month")):
        return ["count(*)", f"count({q})", "NULL", "NULL", "NULL", "NULL"]
    top = "NULL" if _number(column) else f"approx_top_k({q}, {TOP})"
    mean = f"avg({q})" if _number(column) else "NULL"
    return [
        "count(*)",
        f"count({q})",
        f"approx_count_distinct({q})",
        f"[min({q})::VARCHAR, max({q})::VARCHAR]",
        mean,
        top,
    ]


def _number(column: Column) -> bool:
    return column.type.startswith(("int", "uint", "float", "double", "decimal"))


def _column(
    manifest: Manifest, column: Column, fact: tuple[Any, ...], counts: Sequence[tuple[Any, int]], *, show_pii: bool
) -> ColumnProfile:
    rows, known, distinct, ends, mean, _ = fact

    def shown(value: Any) -> str:
        text = "" if value is None else str(value)
        if show_pii or not text:
            return text
        return pii.mask_value(text, column.pii) if column.pii else pii.mask_text(text)

    least, greatest = ends or (None, None)
    return ColumnProfile(
        name=column.name,
        type=column.type,
        pii=column.pii,
        rows=rows,
        nulls=rows - known,
        distinct=min(distinct or 0, known),
        least=shown(least),
        greatest=shown(greatest),
        mean=float(mean) if mean is not None else None,
        top=tuple((shown(v), n / rows) for v, n in counts if n),
        sql=f"SELECT {', '.join(_expressions(column))} FROM {quote(manifest.name)}",
    )
