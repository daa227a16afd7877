"""``--plot``: what a chart needs is computed in the engine, so that some hundred points travel, whatever the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel_ext.result import counted
from workbench.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    import pyarrow as pa

    from kernel_ext.session import Session
    from workbench.lake.sql.engine import Watch
    from workbench.lake.sql.lazy import Relation
    from workbench.lake.sql.query import Answer

BARS = 30
BUCKETS = 200
BINS = 30
POINTS = 5_000  # a browser draws and hovers these at once
GRID = (60, 40)
_ROWS = "lh_rows"  # the relation that is drawn, by the name that our statements give it


@dataclass(frozen=True, slots=True)
class Axis:
    """A column that is drawn. ``kind``: number, time or text."""

    name: str
    kind: str

    @property
    def sql(self) -> str:
        """The column as SQL names it."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def number(self) -> str:
        """The column as a DOUBLE: times as seconds since 1970."""
        return f"epoch({self.sql}::TIMESTAMP)" if self.kind == "time" else f"{self.sql}::DOUBLE"


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be drawn: the points (columns x and y, by ``kind`` more), what they are of, and how they came about.

    ``kind``: bar, line, scatter, bins (a scatter's cells, with n) or hist (x, width, y).
    """

    kind: str
    points: pa.Table
    x: Axis
    y: str
    caption: str


def prepare(session: Session, relation: Relation, words: Sequence[str], *, watch: Watch) -> Drawing:
    """The points of ``--plot KIND X [Y]``.

    Raises InvalidError for another kind or a column that it cannot draw, NotFoundError for a column that is not there.
    """
    kind, names = words[0], words[1:]
    if kind not in _KINDS:
        raise InvalidError(f"--plot {kind}: no such chart.", hint=f"--plot {'|'.join(_KINDS)} X [Y]")
    least, most, make = _KINDS[kind]
    if not least <= len(names) <= most:
        wanted = "X" if most == 1 else "X Y" if least == 2 else "X [Y]"
        raise InvalidError(f"--plot {kind} takes {wanted}, not {len(names)} columns.", hint=f"--plot {kind} {wanted}")
    source = _Source(session, relation, watch)
    return make(source, *_axes(source, names))


class _Source:
    """The relation that is drawn, to ask of."""

    def __init__(self, session: Session, relation: Relation, watch: Watch) -> None:
        self._session = session
        self._relation = relation
        self._watch = watch
        head = self._answer(f"SELECT * FROM {_ROWS} WHERE false")
        self.schema: pa.Schema = head.table.schema
        self.masked = frozenset(head.masked)
        self.snapshots = head.snapshots

    def ask(self, sql: str) -> pa.Table:
        """The rows of one statement over the relation, masked as it is."""
        return self._answer(sql).table

    def _answer(self, sql: str) -> Answer:
        asked = self._session.wb.relation(sql, frames={_ROWS: self._relation}, show_pii=self._relation.show_pii)
        return asked.fetch(None, watch=self._watch)


def _axes(source: _Source, names: Sequence[str]) -> list[Axis]:
    import pyarrow as pa

    axes = []
    by_fold = {field.name.casefold(): field for field in source.schema}
    for name in names:
        field = by_fold.get(name.casefold())
        if field is None:
            raise NotFoundError.named("column of the result", name, source.schema.names)
        if field.name in source.masked:
            raise InvalidError(
                f"--plot: the values of {field.name} are masked, as they are personal data.",
                hint="Another column, or --show-pii.",
            )
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        time = pa.types.is_date(field.type) or pa.types.is_timestamp(field.type)
        axes.append(Axis(field.name, "number" if number else "time" if time else "text"))
    return axes


def _need(chart: str, axis: Axis, kinds: Sequence[str], hint: str) -> None:
    if axis.kind not in kinds:
        raise InvalidError(f"--plot {chart}: {axis.name} is no {' or '.join(kinds)}.", hint=hint)


def _bar(source: _Source, x: Axis, y: Axis | None = None) -> Drawing:
    """Sums by x: the largest 30, the rest in one bar; times in their order."""
    if y is not None:
        _need("bar", y, ["number"], f"--plot bar {x.name} counts the rows")
    value = f"sum({y.sql})" if y else "count(*)"
    order = "x" if x.kind == "time" else "y DESC NULLS LAST, x"
    points = source.ask(
        f"WITH sums AS (SELECT {x.sql} AS x, {value}::DOUBLE AS y FROM {_ROWS} GROUP BY 1), "
        f"ranked AS (SELECT x, y, row_number() OVER (ORDER BY {order}) AS place FROM sums) "
        f"SELECT x::VARCHAR AS x, y, place, false AS rest FROM ranked WHERE place <= {BARS} UNION ALL "
        f"SELECT NULL, sum(y), count(*), true FROM ranked WHERE place > {BARS} HAVING count(*) > 0 ORDER BY rest, place"
    )
    if not points.num_rows:
        raise InvalidError("--plot: there are no rows to draw.", hint="Look at the rows without --plot.")
    said = f"{y.name} summed by {x.name}" if y else f"rows by {x.name}"
    rest = [row for row in points.to_pylist() if row["rest"]]
    if rest:
        first = "first" if x.kind == "time" else "largest"
        said += f" · the {first} {BARS}, and {rest[0]['place']:,} more as one"
    return Drawing("bar", points, x, y.name if y else "rows", said)


def _line(source: _Source, x: Axis, y: Axis | None = None) -> Drawing:
    """The mean of y, or the count of rows, along x; in 200 buckets where x has more values than that."""
    _need("line", x, ["number", "time"], f"--plot bar {x.name}")
    if y is not None:
        _need("line", y, ["number"], f"--plot line {x.name} counts the rows")
    value = f"avg({y.sql})" if y else "count(*)"
    at, low, high, values = _range(source, x)
    if values <= 2 * BUCKETS:
        bucket, many = x.number, 0
    else:
        bucket, many = _bucket(x, low, high, BUCKETS), BUCKETS
    points = source.ask(
        f"SELECT avg({x.number}) AS x, {value}::DOUBLE AS y FROM {_ROWS} WHERE {at} GROUP BY {bucket} ORDER BY 1"
    )
    of_y = f"mean {y.name}" if y else "rows"
    said = f"{of_y} in {many} buckets of {x.name}" if many else f"{of_y} by {x.name}"
    return Drawing("line", points, x, y.name if y else "rows", said)


def _scatter(source: _Source, x: Axis, y: Axis) -> Drawing:
    """Every row as a point; beyond 5,000 rows how many fall into each cell of a grid."""
    for axis in (x, y):
        _need("scatter", axis, ["number", "time"], f"--plot bar {x.name}")
    at, low, high, _ = _range(source, x)
    also, y_low, y_high, _ = _range(source, y)
    where = f"{at} AND {also}"
    rows = source.ask(f"SELECT count(*) AS n FROM {_ROWS} WHERE {where}")["n"][0].as_py()
    if rows <= POINTS:
        points = source.ask(f"SELECT {x.number} AS x, {y.number} AS y FROM {_ROWS} WHERE {where}")
        return Drawing("scatter", points, x, y.name, counted(rows, "row"))
    across, up = GRID
    points = source.ask(
        f"SELECT avg({x.number}) AS x, avg({y.number}) AS y, count(*)::DOUBLE AS n FROM {_ROWS} WHERE {where} "
        f"GROUP BY {_bucket(x, low, high, across)}, {_bucket(y, y_low, y_high, up)} ORDER BY n"
    )
    said = f"{counted(rows, 'row')} in a grid of {across} × {up}: the larger a point, the more rows"
    return Drawing("bins", points, x, y.name, said)


def _hist(source: _Source, x: Axis) -> Drawing:
    """How many rows fall into each of 30 equal bins."""
    _need("hist", x, ["number", "time"], f"--plot bar {x.name}")
    at, low, high, values = _range(source, x)
    many = max(min(BINS, values), 1)
    width = (high - low) / many if high > low else 1.0
    points = source.ask(
        f"SELECT ({low!r} + bin * {width!r})::DOUBLE AS x, {width!r}::DOUBLE AS width, n::DOUBLE AS y FROM "
        f"(SELECT {_bucket(x, low, high, many)} AS bin, count(*) AS n FROM {_ROWS} WHERE {at} GROUP BY 1) ORDER BY 1"
    )
    rows = int(sum(points["y"].to_pylist()))
    return Drawing("hist", points, x, "rows", f"{counted(rows, 'row')} in {many} bins of {x.name}")


def _range(source: _Source, x: Axis) -> tuple[str, float, float, int]:
    """The condition under which x can be drawn, its bounds and how many values it has. Raises InvalidError for none."""
    at = f"{x.sql} IS NOT NULL" + (f" AND isfinite({x.number})" if x.kind == "number" else "")
    found = source.ask(
        f"SELECT min({x.number}) AS low, max({x.number}) AS high, count(DISTINCT {x.number}) AS n "
        f"FROM {_ROWS} WHERE {at}"
    ).to_pylist()[0]
    if found["low"] is None:
        raise InvalidError(f"--plot: {x.name} holds no value to draw.", hint="Look at the rows without --plot.")
    return at, found["low"], found["high"], found["n"]


def _bucket(x: Axis, low: float, high: float, many: int) -> str:
    """Which of ``many`` equal parts of a range a value is in."""
    if high <= low:
        return "0"
    return f"least(floor(({x.number} - {low!r}) / {(high - low) / many!r}), {many - 1})"


_KINDS: dict[str, tuple[int, int, Callable[..., Drawing]]] = {
    "bar": (1, 2, _bar),
    "line": (1, 2, _line),
    "scatter": (2, 2, _scatter),
    "hist": (1, 1, _hist),
}
