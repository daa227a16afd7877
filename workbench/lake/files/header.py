"""Where a table begins in the first rows of a file, and what its columns are called.

The rows of the body say what each column holds (numbers, dates, words); a row that does not look like them is a header,
a title or a note. Rules, in order: rows before a blank row or with one cell are titles; the rows above the first row
of data are its header; a header of several rows is joined from the top, a label of a group reaching over its columns.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from workbench.lake.files.records import BLANKS

Row = Sequence[str]

MOST_ROWS_ABOVE = 60  # of titles and headers before the first row of data
FULL = 0.7  # of the usual number of filled cells: a row that names its columns
_TYPED = 0.8  # of a column's cells look alike: the column has a type

NULLS = frozenset(
    {"-", "--", "–", "—", "n/a", "na", "#n/a", "null", "none", "nil", ".", "..", "...", ":", "*", "?", "x"}
)
_NUMBER = re.compile(r"[-+(]?\s?(?:[$£€¥]|[A-Z]{3}\s)?\s?[-+]?\d[\d,.' ]*(?:[eE][-+]?\d+)?\s?(?:%|[$£€])?\)?")
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?|\d{1,2}[ -][A-Za-z]{3,9}[ -,]+\d{2,4}|[A-Za-z]{3,9} \d{1,2}, \d{4}"
)
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]m)?", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Layout:
    """``skip`` rows before the header, ``header`` rows of it, a name per column ('' where there is none)."""

    skip: int
    header: int
    names: tuple[str, ...]


def kind(cell: str) -> str:
    """What a cell looks like: '' (blank or a mark for nothing), number, date, time, email, digits or word."""
    text = cell.strip(BLANKS)
    if not text or text.lower() in NULLS:
        return ""
    if _NUMBER.fullmatch(text):
        return "number"
    if _DATE.fullmatch(text):
        return "date"
    if _TIME.fullmatch(text):
        return "time"
    if "@" in text and " " not in text:
        return "email"
    return "digits" if sum(map(str.isdigit, text)) >= 2 else "word"


def filled(row: Row) -> int:
    """How many cells hold something."""
    return sum(1 for cell in row if cell.strip(BLANKS))


def find_layout(rows: Sequence[Row], *, skip: int | None = None, header: int | None = None) -> Layout:
    """The layout of the first rows of a file, which should reach into its body. What is given is taken as it is."""
    if skip is not None:
        rows = rows[skip:]
    table = _Table(rows)
    above, block = table.above_data() if header is None else (table.first(), header)
    if header is not None and skip is not None:
        above = 0
    names = join_names(rows[above : above + block], table.width(above + block))
    return Layout((skip or 0) + above, block, names)


class _Table:
    """The first rows of a file, with what their columns hold."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.at = [i for i, row in enumerate(rows) if filled(row)]  # of rows that are not blank
        body = [rows[i] for i in self.at[len(self.at) // 2 :]]
        self.usual = median(map(filled, body)) if body else 0
        self.types = self._column_types(body)

    @staticmethod
    def _column_types(body: Sequence[Row]) -> dict[int, str]:
        """Columns most of whose cells are of one kind other than words."""
        types = {}
        for column in range(max(map(len, body), default=0)):
            kinds = Counter(kind(row[column]) for row in body if column < len(row))
            del kinds[""]
            if kinds and (best := kinds.most_common(1)[0]) and best[0] != "word" and best[1] >= _TYPED * kinds.total():
                types[column] = best[0]
        return types

    def first(self) -> int:
        """The first row that is not blank."""
        return self.at[0] if self.at else 0

    def width(self, start: int) -> int:
        """Cells of a row of data: what half of them fill at least."""
        reach = [max((i + 1 for i, c in enumerate(row) if c.strip(BLANKS)), default=0) for row in self.rows[start:]]
        reach = sorted(r for r in reach if r)
        return reach[len(reach) // 2] if reach else 0

    def above_data(self) -> tuple[int, int]:
        """Rows before the header, and rows of the header."""
        if not self.at:
            return 0, 0
        data = self._first_data()
        if data is None:
            return self._above_words()
        block = self._block_before(data)
        if not block:
            return data, 0
        full = next((i for i in block if self._is_full(i)), None)
        if full is None:
            block = [i for i in block if not self._is_title(i)] or block[-1:]
            return block[0], block[-1] - block[0] + 1
        # One label alone over the names of all columns is a title wherever it stands.
        titles = (i for i in block if i < full and (self._is_title(i) or filled(self.rows[i]) == 1))
        start = max(titles, default=block[0] - 1) + 1
        end = full
        while end + 1 in block and self._continues(end + 1):
            end += 1
        return start, end - start + 1

    def _match(self, row: Row) -> tuple[int, int]:
        """In how many typed columns a row's cell is of the type, and in how many it is of another."""
        kinds = [(kind(row[c]), t) for c, t in self.types.items() if c < len(row)]
        return sum(1 for k, t in kinds if k == t), sum(1 for k, t in kinds if k not in {"", t})

    def _first_data(self) -> int | None:
        if not self.types:
            return None
        for i in self.at[:MOST_ROWS_ABOVE]:
            fits, clashes = self._match(self.rows[i])
            if fits > clashes and not (i == self.first_full() and self._names_years(self.rows[i])):
                return i
        return None

    def first_full(self) -> int | None:
        """The first row that is filled as a row of data is."""
        return next((i for i in self.at if self._is_full(i)), None)

    def _names_years(self, row: Row) -> bool:
        """A header like ``country, 2019, 2020, 2021`` over columns that hold no years."""
        cells = {c: row[c].strip(BLANKS) for c in self.types if c < len(row) and row[c].strip(BLANKS)}
        years = [int(cell) for cell in cells.values() if _YEAR.fullmatch(cell)]
        steps = {b - a for a, b in itertools.pairwise(years)}
        if len(years) < 2 or len(years) != len(cells) or steps not in ({1}, {-1}):
            return False
        below = [r[c].strip(BLANKS) for r in self.rows[self.at[len(self.at) // 2] :] for c in cells if c < len(r)]
        return not all(_YEAR.fullmatch(cell) for cell in below if cell)

    def _block_before(self, data: int) -> list[int]:
        """Rows that stand together right before the data; a blank row may divide them from it."""
        end = data - 1
        while end >= 0 and not filled(self.rows[end]):
            end -= 1
        start = end
        while start > 0 and filled(self.rows[start - 1]):
            start -= 1
        return list(range(start, end + 1)) if end >= 0 else []

    def _is_full(self, i: int) -> bool:
        return filled(self.rows[i]) >= FULL * self.usual

    def _is_title(self, i: int) -> bool:
        """One cell at the left, or a name and its value, above a wider table."""
        row = self.rows[i]
        n = filled(row)
        left = filled(row[:2])
        return (
            (n == 1 and left == 1 and self.usual >= 3)
            or (n <= 2 and n == left and self.usual >= 4)
            or (n < self.usual and len(row) == 1)
        )

    def _continues(self, i: int) -> bool:
        """A further row of the header: units or footnotes under it, nothing under the label of the rows."""
        row = self.rows[i]
        fits, clashes = self._match(row)
        return not row[0].strip(BLANKS) and fits == 0 < clashes and filled(row) < self.usual

    def _above_words(self) -> tuple[int, int]:
        """A table of words only: the first full row is its header unless its words come again below."""
        full = self.first_full()
        full = self.at[0] if full is None else full
        head = [cell.strip(BLANKS) for cell in self.rows[full]]
        below = [row for row in self.rows[full + 1 :] if [cell.strip(BLANKS) for cell in row] != head]
        again = any(
            kind(cell) and any(c < len(row) and row[c].strip(BLANKS) == cell for row in below)
            for c, cell in enumerate(head)
        )
        lonely = len(self.at) == 1 and any(kind(cell) not in {"", "word"} for cell in head)
        start = full
        while start > 0 and filled(self.rows[start - 1]) and not self._is_title(start - 1):
            start -= 1
        return (full, 0) if again or lonely else (start, full - start + 1)


def join_names(header: Sequence[Row], width: int) -> tuple[str, ...]:
    """One name per column. A label reaches right over empty cells, within the label above it, where a name is below."""
    width = max([width, *(_reach(row) for row in header)])
    levels = [[" ".join(cell.split()) for cell in row] + [""] * (width - len(row)) for row in header]
    for depth, level in enumerate(levels[:-1]):
        _spread(level, levels[depth - 1] if depth else [], levels[depth + 1 :])
    return tuple(" ".join(filter(None, parts)) for parts in zip(*levels, strict=False)) if levels else ("",) * width


def _reach(row: Row) -> int:
    return max((i + 1 for i, cell in enumerate(row) if cell.strip(BLANKS)), default=0)


def _spread(level: list[str], parent: Sequence[str], below: Sequence[Row]) -> None:
    for column in range(1, len(level)):
        same_group = not parent or parent[column] == parent[column - 1]
        named = any(row[column] for row in below)
        if not level[column] and level[column - 1] and same_group and named:
            level[column] = level[column - 1]
