"""The careful reader: row by row, every row either loaded or set aside with its line, its place and its reason.

Slower than the engine's reader and used where that one cannot be trusted with a file. Bounded memory.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.lake.files.dialect import Dialect
from workbench.lake.files.records import BLANKS, ESCAPED, STRAY, Record, lines, records

LINE, OFFSET = "\x1fline", "\x1fbyte_offset"  # columns beside the text: no header can be called that

BATCH_ROWS = 16_384
_MOST_PENDING = 1_000  # rows with one cell that may all be notes at the end
_NOTE = re.compile(
    r"[*(\[†‡©]|(?:notes?|sources?|footnotes?|key|legend|disclaimer|end of|prepared|generated|exported|printed|report"
    r"|total (?:rows|records)|[\d,]+ (?:rows|records))\b",
    re.IGNORECASE,
)
_NOTHING = BLANKS + "\x1a\0"  # 1A ends files that old systems wrote


@dataclass(frozen=True, slots=True)
class Reject:
    """A row set aside: physical line (from 1) and byte of its start, the column at fault if one is, why, its text."""

    line: int
    byte_offset: int
    column: str | None
    reason: str
    raw: str


def read_rows(
    path: Path,
    dialect: Dialect,
    *,
    on_reject: Callable[[Reject], Any],
    on_finding: Callable[[str], Any] = lambda _: None,
    text: bool = False,
    batch_rows: int = BATCH_ROWS,
    on_progress: Callable[[int, int], Any] = lambda *_: None,
) -> Iterator[pa.RecordBatch]:
    """Batches of the rows of a file of UTF-8 text: a string column per name, then `LINE` and `OFFSET` (int64).

    Cells are trimmed and empty ones null; ``text`` keeps them exactly. What was seen on the way goes to ``on_finding``
    after the last batch.
    """
    size = path.stat().st_size
    sieve = _Sieve(dialect, on_reject)
    batch: list[Record] = []
    with path.open("rb") as f:
        f.seek(dialect.offset)
        found = records(lines(f, number=dialect.line, offset=dialect.offset), dialect.shape, dialect.width)
        for record in sieve.rows(found):
            batch.append(record)
            if len(batch) < batch_rows:
                continue
            yield _batch(batch, dialect, text=text)
            on_progress(record.offset, size)
            batch = []
    yield _batch(batch, dialect, text=text)
    for finding in sieve.findings():
        on_finding(finding)


def _batch(rows: list[Record], dialect: Dialect, *, text: bool) -> pa.RecordBatch:
    cells = zip(*(row.cells for row in rows), strict=True) if rows else [()] * dialect.width
    columns = [pa.array(column, pa.string()) for column in cells]
    if not text:
        trimmed = (pc.utf8_trim(column, characters=BLANKS) for column in columns)
        columns = [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column) for column in trimmed]
    places = [pa.array([row.line for row in rows], pa.int64()), pa.array([row.offset for row in rows], pa.int64())]
    return pa.RecordBatch.from_arrays([*columns, *places], names=[*dialect.names, LINE, OFFSET])


class _Sieve:
    """Tells rows from what is none. Rows come out with exactly ``width`` cells."""

    def __init__(self, dialect: Dialect, on_reject: Callable[[Reject], Any]) -> None:
        self.dialect, self.reject, self.width = dialect, on_reject, dialect.width
        self.header = list(dialect.header) if any(dialect.header) else []
        self.first_name = self.header[0] if self.header else "\0"
        self.counts: Counter[str] = Counter()
        self.pending: list[tuple[Record, bool]] = []  # with one cell at most, and whether a blank row came before

    def rows(self, found: Iterator[Record]) -> Iterator[Record]:
        after_blank = False
        for record in found:
            if self._is_plain(record):
                if self.pending:
                    yield from self._flush()
                yield record
            elif self._is_blank(record):
                after_blank = True
                continue
            elif (fitted := self._fitted(record)) is None:
                continue
            elif self._is_lonely(fitted):
                self.pending.append((record, after_blank))
                if len(self.pending) >= _MOST_PENDING:
                    yield from self._flush()
                continue
            else:
                yield from self._flush()
                yield fitted
            after_blank = False
        yield from self._flush(at_end=True)

    def _is_plain(self, record: Record) -> bool:
        """The common row, told quickly: as wide as it should be, its first two cells not blank, nothing odd in it."""
        cells = record.cells
        return (
            len(cells) == self.width
            and bool(cells[0])
            and not cells[0].isspace()
            and (self.width < 3 or (bool(cells[1]) and not cells[1].isspace()))
            and self.first_name not in cells[0]
            and not record.note
            and "\0" not in record.raw
            and not self.dialect.last_line
        )

    def _is_blank(self, record: Record) -> bool:
        blank = not record.trouble and not any(cell.strip(_NOTHING) for cell in record.cells)
        self.counts["blank"] += blank
        return blank

    def _is_lonely(self, record: Record) -> bool:
        return self.width >= 3 and not any(cell.strip(_NOTHING) for cell in record.cells[1:])

    def _fitted(self, record: Record) -> Record | None:
        """The record with its full width; None if it was set aside."""
        width, n = self.width, len(record.cells)
        fault = self._fault(record)
        if fault:
            self._set_aside(record, fault)
            return None
        if record.note:
            self.counts[record.note] += 1
        if n < width and (n > 1 or width < 3):
            self.counts["short"] += 1
        return record if n == width else record._replace(cells=(record.cells + [""] * (width - n))[:width])

    def _fault(self, record: Record) -> str:
        if record.trouble:
            return record.trouble
        if self.dialect.last_line and record.line > self.dialect.last_line:
            return "trailing note"
        if "\0" in record.raw:
            return "NUL bytes in it"
        if self.header and [" ".join(cell.split()) for cell in record.cells] == self.header:
            return "the header again"
        if any(cell.strip(BLANKS) for cell in record.cells[self.width :]):
            return f"{len(record.cells)} cells where {self.width} are expected"
        return ""

    def _flush(self, *, at_end: bool = False) -> Iterator[Record]:
        """Decide on the rows with nothing but a first cell that were held back."""
        for record, after_blank in self.pending:
            said = record.cells[0].strip(BLANKS)
            alone = len(record.cells) == 1
            if at_end and (alone or after_blank or said.endswith(":") or _NOTE.match(said)):
                self._set_aside(record, "trailing note")
            elif said.endswith(":"):
                self._set_aside(record, "section label")
            elif alone:
                self._set_aside(record, f"1 cell where {self.dialect.width} are expected")
            else:
                yield record._replace(cells=(record.cells + [""] * self.dialect.width)[: self.dialect.width])
        self.pending.clear()

    def _set_aside(self, record: Record, reason: str) -> None:
        self.reject(Reject(record.line, record.offset, None, reason, record.raw))

    def findings(self) -> Iterator[str]:
        yield from blank_rows(self.counts["blank"])
        for what, told in _TOLD.items():
            n = self.counts[what]
            if n:
                yield f"{n:,} {told.replace('(s)', '' if n == 1 else 's')}"


def blank_rows(n: int) -> Iterator[str]:
    """The finding that rows were blank, if any were."""
    if n:
        yield f"{n:,} blank row{'s'[: n != 1]} left out"


_TOLD = {
    "short": "row(s) shorter than the header: missing cells are empty",
    ESCAPED: f"row(s) with {ESCAPED}",
    STRAY: f"row(s) with {STRAY}",
}
