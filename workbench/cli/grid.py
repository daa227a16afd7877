"""Tables in a terminal: as many columns as fit, numbers aligned, and a word on what is not shown."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

NULL = "NULL"
RIGHT = b"lakehouse.right"  # metadata of a column of texts that is aligned as numbers are
_GAP = 2
_LEAST = 8  # columns of a cell below which it says nothing
_WIDEST = (60, 40, 28, 20)  # widths that cells are cut to, until all columns fit
_PIPED = 200
_MANY = 2_000  # rows above which the library's drawing takes seconds
_DECIMALS = 4
_TINY, _HUGE = 1e-3, 1e15
# Control characters would drive the reader's terminal; the direction marks would show a cell as what it is not.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells as text. ``right`` are the numbers of the right-aligned columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a grid was left out to make it fit: how many columns, and how many cells are shown in part."""

    columns: int = 0
    cells: int = 0


def clean(text: str) -> str:
    """Text without characters that would drive or deceive a terminal."""
    return _UNSEEN.sub("�", text)


def grid(columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Iterable[str] = ()) -> Grid:
    """A grid of any values."""
    numeric = set(right)
    cells = tuple(tuple(cell(value) for value in row) for row in rows)
    return Grid(tuple(map(cell, columns)), cells, frozenset(i for i, n in enumerate(columns) if n in numeric))


def told(shown: Grid) -> Grid:
    """A grid without the columns in which no row says anything."""
    kept = [i for i in range(len(shown.columns)) if not shown.rows or any(row[i] for row in shown.rows)]
    return _columns(shown, kept)


def parts(shown: Grid, width: int | None) -> list[Grid]:
    """A grid as several that each fit, the first column in all of them; one grid where it fits or is a pipe."""
    out, rest = [], shown
    while (fit := len(_fitting(rest, width))) < len(rest.columns) and fit > 1:
        out.append(_columns(rest, range(fit)))
        rest = _columns(rest, [0, *range(fit, len(rest.columns))])
    return [*out, rest]


def _columns(shown: Grid, kept: Sequence[int]) -> Grid:
    return Grid(
        tuple(shown.columns[i] for i in kept),
        tuple(tuple(row[i] for i in kept) for row in shown.rows),
        frozenset(new for new, old in enumerate(kept) if old in shown.right),
    )


def grouped(rows: pa.Table, name: str) -> pa.Table:
    """The table with the whole numbers of a column as text for people: ``20,000``, still right-aligned."""
    import pyarrow as pa

    said = pa.array([None if value is None else f"{value:,}" for value in rows[name].to_pylist()], pa.string())
    return rows.set_column(rows.column_names.index(name), pa.field(name, pa.string(), metadata={RIGHT: b"1"}), said)


def of_arrow(rows: pa.Table) -> Grid:
    """An Arrow table: numbers right-aligned, those of one column with the same decimals."""
    import pyarrow as pa

    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    right = frozenset(
        i for i, f in enumerate(rows.schema) if any(of(f.type) for of in numbers) or RIGHT in (f.metadata or {})
    )
    columns = [_floats(c) if pa.types.is_floating(c.type) else [cell(v) for v in c.to_pylist()] for c in rows.columns]
    return Grid(tuple(map(cell, rows.column_names)), tuple(zip(*columns, strict=True)), right)


def _floats(column: Any) -> list[str]:
    """A column of floats as text: up to four decimals, and as few as show every value."""
    values = column.to_pylist()
    real = [abs(v) for v in values if v is not None and math.isfinite(v) and v]
    if real and (min(real) < _TINY or max(real) >= _HUGE):
        return [cell(v) if v is None or not math.isfinite(v) else f"{v:.6g}" for v in values]
    texts = [f"{v:.{_DECIMALS}f}".rstrip("0").rstrip(".") for v in real]
    places = max((len(t.partition(".")[2]) for t in texts), default=0)
    return [cell(v) if v is None or not math.isfinite(v) else f"{v:.{places}f}" for v in values]


def cell(value: Any) -> str:
    """One value as text on one line, as SQL would write it rather than Python."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, bytes):
        return f"base64:{base64.b64encode(value[:_PIPED]).decode()}"
    if isinstance(value, list | dict):
        return clean(_nested(value))
    if hasattr(value, "nanoseconds") and hasattr(value, "months"):
        return _interval(value)
    return clean(" ".join(str(value).split()))


def _nested(value: Any) -> str:
    """Lists and structs as JSON; a MAP, which comes as pairs, as ``{k: 1}``."""
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return "{" + ", ".join(f"{cell(key)}: {_nested(held)}" for key, held in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_nested, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_nested(v)}" for key, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _interval(value: Any) -> str:
    """DuckDB's interval, which arrives as months, days and nanoseconds: ``3 months 2 days 01:00:00``."""
    said = [f"{n} {what}{'s'[: n != 1]}" for n, what in ((value.months, "month"), (value.days, "day")) if n]
    clock = str(dt.timedelta(microseconds=value.nanoseconds // 1000)) if value.nanoseconds or not said else ""
    return " ".join([*said, clock]).strip()


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value and not _TINY <= abs(value) < _HUGE:
        return f"{value:.6g}"
    return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")


def draw(shown: Grid, console: Console, width: int | None) -> Cut:
    """Print a grid within so many columns of a terminal; None is a pipe, where no column is left out."""
    from rich.markup import escape
    from rich.table import Table

    if len(shown.rows) == 1 and len(shown.columns) > 2 and width and _needed(_natural(shown, _WIDEST[0])) > width:
        return _draw_record(shown, console, width)
    widths = _fitting(shown, width)
    cut = Cut(len(shown.columns) - len(widths), _cut_cells(shown, widths))
    if width is None or len(shown.rows) > _MANY:
        _write(shown, widths, console)
        return cut
    built = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for i, limit in enumerate(widths):
        built.add_column(
            escape(shown.columns[i]), justify="right" if i in shown.right else "left", no_wrap=True,
            overflow="ellipsis", min_width=limit, max_width=limit,
        )  # fmt: skip
    for row in shown.rows:
        built.add_row(*(_styled(text) for text in row[: len(widths)]))
    console.print(built)
    return cut


def _write(shown: Grid, widths: Sequence[int], console: Console) -> None:
    """A grid as padded text and nothing else: into a pipe, and where the rows are many."""
    from rich.cells import cell_len, set_cell_size

    for row in (shown.columns, *shown.rows):
        padded = []
        for i, (text, limit) in enumerate(zip(row, widths, strict=False)):
            fit = text if cell_len(text) <= limit else set_cell_size(text, limit - 1) + "…"
            room = " " * (limit - cell_len(fit))
            padded.append(room + fit if i in shown.right else fit + room)
        console.file.write((" " * _GAP).join(padded).rstrip() + "\n")


def _draw_record(shown: Grid, console: Console, width: int) -> Cut:
    """One row that is too wide: a line for each of its columns."""
    pairs = Grid(("column", "value"), tuple(zip(shown.columns, shown.rows[0], strict=True)))
    return draw(pairs, console, max(width, 2 * _LEAST + _GAP))


def _styled(text: str) -> str:
    from rich.markup import escape

    return f"[dim]{NULL}[/dim]" if text == NULL else escape(text)


def _natural(shown: Grid, most: int) -> list[int]:
    from rich.cells import cell_len

    columns = zip(shown.columns, *shown.rows, strict=True)
    return [min(max(cell_len(text) for text in column), most) for column in columns]


def _needed(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * max(len(widths) - 1, 0)


def _fitting(shown: Grid, width: int | None) -> list[int]:
    """The widths of the columns that are shown: all of them where narrower cells make room, else the first ones."""
    if width is None:
        return _natural(shown, _PIPED)
    for most in _WIDEST:
        widths = _natural(shown, most)
        if _needed(widths) <= width:
            return _widened(shown, widths, width)
    while len(widths) > 1 and _needed(widths) > width:
        widths.pop()
    return [min(widths[0], width), *widths[1:]] if widths else []


def _widened(shown: Grid, widths: list[int], width: int) -> list[int]:
    """Give the room that is left to the columns that were cut, from the left."""
    room = width - _needed(widths)
    out = []
    for had, wanted in zip(widths, _natural(shown, _WIDEST[0]), strict=True):
        more = min(wanted - had, room)
        out.append(had + more)
        room -= more
    return out


def _cut_cells(shown: Grid, widths: Sequence[int]) -> int:
    from rich.cells import cell_len

    return sum(
        cell_len(text) > limit for row in shown.rows for text, limit in zip(row[: len(widths)], widths, strict=True)
    )
