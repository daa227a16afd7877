"""Records of delimited text, one at a time, with their place: a damaged one costs itself and nothing after it.

A quoted cell may hold delimiters and line ends. It ends at a quote before a delimiter or a line end (RFC 4180); when
none comes, or something else follows the quote, only the first line of the record is given up and reading goes on with
the next.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO, NamedTuple

BLOCK = 1 << 20
# A quoted cell over more lines or bytes than this is a quote that nobody closed.
MOST_LINES, MOST_BYTES = 20_000, 8 << 20
ESCAPED, STRAY = "quotes escaped with a backslash", "quotes inside cells, read as they stand"  # notes of records
BLANKS = " \t\r\n\u00a0"  # what is no part of a cell at its ends; the engine's reader is told the same


class Line(NamedTuple):
    """One physical line: its number from 1, the offset of its first byte, its text with its line end."""

    number: int
    offset: int
    text: str


class Record(NamedTuple):
    """One row: its first line's number and offset, its cells, its text without the line end.

    ``trouble`` says why there are no cells, ``note`` what was done to get them ('' for nothing).
    """

    line: int
    offset: int
    cells: list[str]
    raw: str
    trouble: str = ""
    note: str = ""


@dataclass(frozen=True)
class Shape:
    r"""How records are cut: delimiter (one or more characters), quote ('' for none).

    ``backslash``: a quote after a backslash is part of the cell, as a doubled one always is.
    """

    delimiter: str
    quote: str = '"'
    backslash: bool = False
    _gap: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep what every record asks for."""
        object.__setattr__(self, "_gap", f"{self.delimiter} {self.quote}")

    def quotes_in(self, text: str) -> int:
        """Quotes that open or close a cell or are doubled: an even number in a whole record."""
        n = text.count(self.quote)
        return n - text.count("\\" + self.quote) if self.backslash else n

    def split(self, text: str) -> list[str] | None:
        """Cells of a whole record (no line end); None if its quotes do not fit together."""
        if not self.quote or self.quote not in text:
            return text.split(self.delimiter)
        if not self.backslash and len(self.delimiter) == 1 and self._gap not in text:
            try:
                reader = csv.reader((text,), delimiter=self.delimiter, quotechar=self.quote, strict=True)
                return next(reader)
            except (csv.Error, StopIteration):
                pass  # padded quotes, a huge cell or a real fault: the scan below knows which
        return self._scan(text, lenient=False)

    def split_leniently(self, text: str) -> list[str] | None:
        """As `split`, but a quote inside a quoted cell that no delimiter follows is a character like others."""
        return self._scan(text, lenient=True)

    def _scan(self, text: str, *, lenient: bool) -> list[str] | None:
        cells, at = [], 0
        step = len(self.delimiter)
        while True:
            start = at
            while text[start : start + 1] in {" ", "\t"} and not text.startswith(self.delimiter, start):
                start += 1
            if text.startswith(self.quote, start):
                closed = self._closing(text, start + 1, lenient=lenient)
                if closed is None:
                    return None
                inner, at = closed
                cells.append(self._unescaped(inner))
            else:
                end = text.find(self.delimiter, at)
                end = len(text) if end < 0 else end
                cells.append(text[at:end])
                at = end
            if at >= len(text):
                return cells
            at += step

    def _closing(self, text: str, at: int, *, lenient: bool) -> tuple[str, int] | None:
        """The text of a quoted cell and where it ended; None if no quote closes it."""
        begin = at
        while True:
            end = text.find(self.quote, at)
            if end < 0:
                return None
            if self.backslash and _is_escaped(text, end):
                at = end + 1
                continue
            if text.startswith(self.quote, end + 1) and not (lenient and self._ends(text, end + 2) is None):
                at = end + 2
                continue
            after = self._ends(text, end + 1)
            if after is not None:
                return text[begin:end], after
            if not lenient:
                return None
            at = end + 1

    def _ends(self, text: str, at: int) -> int | None:
        """Where the delimiter or the end of the record stands, after blanks only."""
        while at < len(text) and text[at] in " \t" and not text.startswith(self.delimiter, at):
            at += 1
        return at if at >= len(text) or text.startswith(self.delimiter, at) else None

    def _unescaped(self, inner: str) -> str:
        cell = inner.replace(self.quote * 2, self.quote)
        if not self.backslash or "\\" not in cell:
            return cell
        return cell.replace("\\" + self.quote, self.quote).replace("\\\\", "\\")


def _is_escaped(text: str, at: int) -> bool:
    before = at
    while before and text[before - 1] == "\\":
        before -= 1
    return (at - before) % 2 == 1


def lines(file: IO[bytes], *, number: int = 1, offset: int = 0) -> Iterator[Line]:
    r"""Physical lines of UTF-8 text from where ``file`` stands; they end with \n, \r\n or \r."""
    rest = b""
    while True:
        block = file.read(BLOCK)
        parts = (rest + block).splitlines(keepends=True) if rest else block.splitlines(keepends=True)
        # The last line may go on in the next block, or its \r may be the first half of \r\n.
        rest = parts.pop() if block and parts else b""
        for part in parts:
            yield Line(number, offset, part.decode("utf-8"))
            number += 1
            offset += len(part)
        if not block:
            return


def records(found: Iterable[Line], shape: Shape, width: int = 0) -> Iterator[Record]:
    """Records in order. ``width`` (cells of a row; 0: not known) tells a cell of several lines from a stray quote."""
    return _Cutter(found, shape, width).records()


class _Cutter:
    def __init__(self, found: Iterable[Line], shape: Shape, width: int) -> None:
        self.source, self.shape, self.width = iter(found), shape, width
        # Some exports double their quotes, some write a backslash before them, and some files are made of both.
        self.shapes = (shape, replace(shape, backslash=not shape.backslash))
        self.mark = "\\" + shape.quote
        self.ahead: deque[Line] = deque()

    def records(self) -> Iterator[Record]:
        quote = self.shape.quote
        delimiter = self.shape.delimiter
        while (line := self._next()) is not None:
            raw = line.text.rstrip("\r\n")
            if not quote or quote not in raw:
                yield Record(line.number, line.offset, raw.split(delimiter), raw)
            else:
                yield self._quoted(line, raw)

    def _next(self) -> Line | None:
        return self.ahead.popleft() if self.ahead else next(self.source, None)

    def _split(self, raw: str) -> list[str] | None:
        cells = self.shape.split(raw)
        if self.mark not in raw or (cells is not None and len(cells) == self.width):
            return cells
        other = self.shapes[1].split(raw)
        return other if cells is None or (other is not None and len(other) == self.width) else cells

    def _quoted(self, line: Line, raw: str) -> Record:
        cells = self._split(raw)
        if cells is not None:
            escaped = self.mark in raw and not any(self.mark in cell for cell in cells)
            return Record(line.number, line.offset, cells, raw, note=ESCAPED if escaped else "")
        if self.shape.quotes_in(raw) % 2 == 0:
            return self._mended(line, raw)
        return self._over_lines(line, raw)

    def _over_lines(self, first: Line, raw: str) -> Record:
        """A record of several lines, if its quotes close; else its first line alone, which is no record."""
        taken = self._take(first)
        if taken:
            whole = (first.text + "".join(each.text for each in taken)).rstrip("\r\n")
            cells = self._split(whole)
            if cells is not None and not self._hides_rows(cells, taken):
                return Record(first.number, first.offset, cells, whole)
            self.ahead.extendleft(reversed(taken))
        return self._mended(first, raw)

    def _take(self, first: Line) -> list[Line]:
        """The lines up to the one that makes the quotes even; empty (and nothing taken) if none does."""
        taken: list[Line] = []
        quotes, size = self.shape.quotes_in(first.text), len(first.text)
        while len(taken) < MOST_LINES and size < MOST_BYTES and (line := self._next()) is not None:
            taken.append(line)
            quotes += self.shape.quotes_in(line.text)
            size += len(line.text)
            if quotes % 2 == 0:
                return taken
        self.ahead.extendleft(reversed(taken))
        return []

    def _hides_rows(self, cells: list[str], taken: list[Line]) -> bool:
        """Whether the lines after the first look like rows of their own that a stray quote swallowed."""
        if not self.width or len(cells) == self.width:
            return False
        alone = (self._split(each.text.rstrip("\r\n")) for each in taken)
        return any(found is not None and len(found) == self.width for found in alone)

    def _mended(self, line: Line, raw: str) -> Record:
        for shape in self.shapes if self.mark in raw else self.shapes[:1]:
            cells = shape.split_leniently(raw)
            if cells is not None and self.width and len(cells) == self.width:
                return Record(line.number, line.offset, cells, raw, note=STRAY)
        return Record(line.number, line.offset, [], raw, trouble="a quote that does not close, or does not fit")
