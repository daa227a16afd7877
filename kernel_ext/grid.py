"""Tables as a notebook and a terminal show them, with an honest line of what they are part of."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from itertools import repeat
from typing import TYPE_CHECKING

from kernel_ext.style import page

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.cli.grid import Grid

COLUMNS = 100  # columns of a page: beyond, a browser takes seconds and no reader looks
CLIP = 48  # characters of a cell about which its whole text is in the title, as the box may cut it
_CELL = 300  # characters of a cell that are sent to the page
_TITLE = 2_000
_PLAIN_WIDTH = 120


def to_html(
    table: pa.Table, *, caption: str = "", note: Sequence[str] = (), details: Sequence[str] | None = None
) -> str:
    """A table in a scrolling box with a fixed header: numbers right, NULL seen as such, long text cut.

    ``caption`` is the line below, ``note`` lines stand above. ``details[i]`` is text that opens below row i.
    """
    from workbench.cli import grid

    part = _first_columns(table)
    shown = grid.of_arrow(part)
    types = [str(field.type) for field in part.schema]
    left_out = table.num_columns - len(shown.columns)
    lines = [*([f"the first {COLUMNS} of {table.num_columns:,} columns are shown"] if left_out > 0 else []), caption]
    body = _body(shown, nulls(part), _exact(part), details)
    # A box that scrolls can be reached by the keyboard.
    box = (
        f'<div class="lh-box" tabindex="0" role="region" aria-label="{_told(caption) or "table"}"><table>'
        f"{_head(shown, types, why=bool(details))}<tbody>{body}</tbody></table></div>"
        if shown.columns
        else ""
    )
    return page(_notes(note) + box + _line(" · ".join(line for line in lines if line)))


def text_to_html(text: str, *, caption: str = "", note: Sequence[str] = ()) -> str:
    """Fixed-width text, such as a plan, in the same frame."""
    from workbench.cli.grid import clean

    body = escape("\n".join(clean(line) for line in text.split("\n")))
    return page(f'{_notes(note)}<pre class="lh-code" tabindex="0">{body}</pre>{_line(caption)}')


def line_to_html(text: str, *, note: Sequence[str] = ()) -> str:
    """One line, such as what a verb did, in the same frame."""
    return page(f'{_notes(note)}<div class="lh-said">{escape(text)}</div>')


def to_text(table: pa.Table, *, caption: str = "", note: Sequence[str] = (), width: int | None = None) -> str:
    """The same as plain text for a terminal of so many columns; 120 where that is not known."""
    from rich.console import Console

    from workbench.cli import grid

    wide = width or _PLAIN_WIDTH
    file = io.StringIO()
    console = Console(
        file=file,
        width=wide,
        highlight=False,
        soft_wrap=False,
        force_terminal=False,
        force_jupyter=False,
        no_color=True,
    )
    left_out = ""
    if table.num_columns:
        cut = grid.draw(grid.of_arrow(_first_columns(table)), console, wide)
        hidden = cut.columns + max(table.num_columns - COLUMNS, 0)
        left_out = f"{hidden} more columns" if hidden else ""
    drawn = [line.rstrip() for line in file.getvalue().splitlines()]
    below = " · ".join(line for line in (left_out, caption) if line)
    return "\n".join([*note, *drawn, *([below] if below else [])])


def _first_columns(table: pa.Table) -> pa.Table:
    return table.select(list(range(COLUMNS))) if table.num_columns > COLUMNS else table


def _exact(table: pa.Table) -> list[list[str] | None]:
    """For each column of floats its values with all their digits, as a cell shows four; None for other columns."""
    import pyarrow as pa

    return [
        ["" if v is None else repr(v) for v in column.to_pylist()] if pa.types.is_floating(column.type) else None
        for column in table.columns
    ]


def nulls(table: pa.Table) -> list[list[bool] | None]:
    """For each column which rows are NULL, as the word may also be a value; None where none is."""
    return [c.is_null().to_pylist() if c.null_count else None for c in table.columns]


def _head(shown: Grid, types: Sequence[str], *, why: bool) -> str:
    cells = [
        f'<th scope="col"{_right(i, shown)} title="{_told(f"{name}: {kind}")}">{_cut(name)}</th>'
        for i, (name, kind) in enumerate(zip(shown.columns, types, strict=True))
    ]
    first = '<th scope="col" aria-label="why"></th>' if why else ""
    return f"<thead><tr>{first}{''.join(cells)}</tr></thead>"


def _body(
    shown: Grid,
    nulls: Sequence[list[bool] | None],
    exact: Sequence[list[str] | None],
    details: Sequence[str] | None,
) -> str:
    right = [_right(i, shown) for i in range(len(shown.columns))]
    blank = [[column is not None and column[at] for column in nulls] for at in range(len(shown.rows))]
    whole = [[None if column is None else column[at] for column in exact] for at in range(len(shown.rows))]
    rows = ["".join(map(_cell, *cells)) for cells in zip(shown.rows, repeat(right), blank, whole, strict=False)]
    if not details:
        return "".join(f"<tr>{row}</tr>" for row in rows)
    return "".join(
        _with_why(row, why, i, len(right) + 1) for i, (row, why) in enumerate(zip(rows, details, strict=True))
    )


def _with_why(cells: str, why: str, at: int, wide: int) -> str:
    """A row with its first cell, which opens the row below."""
    if not why:
        return f'<tr><td class="w"></td>{cells}</tr>'
    opens = f'<details><summary aria-label="why row {at + 1}"></summary></details>'
    below = f'<tr class="lh-why"><td colspan="{wide}"><div>{escape(why)}</div></td></tr>'
    return f'<tr><td class="w">{opens}</td>{cells}</tr>{below}'


def _cell(text: str, right: str, null: bool, exact: str | None) -> str:  # noqa: FBT001 - mapped over columns
    if null:
        return f"<td{right}><i>NULL</i></td>"
    rounded = exact and exact != "nan" and float(exact) != _number(text)
    told = exact if rounded else text if len(text) > CLIP else ""
    title = f' title="{_told(told)}"' if told else ""
    return f"<td{right}{title}>{_cut(text)}</td>"


def _number(text: str) -> float | None:
    """The number that a cell shows; None for one that is told in words."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def _right(at: int, shown: Grid) -> str:
    return ' class="n"' if at in shown.right else ""


def _cut(text: str) -> str:
    return escape(text if len(text) <= _CELL else text[: _CELL - 1] + "…")


def _told(text: str) -> str:
    """Text for an attribute."""
    return escape(text if len(text) <= _TITLE else text[: _TITLE - 1] + "…", quote=True)


def _notes(note: Sequence[str]) -> str:
    return "".join(f'<div class="lh-note">{escape(line)}</div>' for line in note)


def _line(caption: str) -> str:
    return f'<div class="lh-line">{escape(caption)}</div>' if caption else ""
