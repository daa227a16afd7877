"""How a file of delimited text is written: found from its head, said in words, and every part of it can be overridden.

A delimiter is right when it cuts nearly all rows into equally many cells that look like values. `Dialect.regular` says
that the engine's own reader will see the same rows as the careful one; a property test holds that to be true.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from workbench.errors import InvalidError
from workbench.lake.files.header import Layout, filled, find_layout, kind
from workbench.lake.files.records import BLANKS, Line, Record, Shape, lines, records
from workbench.lake.files.survey import MIXED, Search, Survey
from workbench.lake.files.tally import BLOCK
from workbench.lake.sql.parquet import unique_names
from workbench.lake.tables.mapping import literal, quote

HEAD, TAIL = 256 << 10, 64 << 10
NO_DELIMITER = "\x1f"  # of a file with one column
_JUDGED_ROWS = 300

# Delimiters by how sure one is of them where they fit: a comma also stands in prose, a space or colon in everything.
_PRIOR = {"\t": 1.0, "|": 1.0, ";": 1.0, ",": 0.95, "\x01": 1.0, "\x1f": 1.0, "^": 0.9, "~": 0.9, ":": 0.4, " ": 0.3}
_RUN = re.compile(r"[^\w\s\"'.,()+=/\\-]{2,4}")
_SEP_LINE = re.compile(r"\"?sep=(.{1,4}?)\"?\s*", re.IGNORECASE)
_PROSE = re.compile(r"[,;:|] ")
_MARKS = re.compile(r"[,;|\t\x01^~]")
_TOTAL = re.compile(r"(?:grand |sub-?)?totals?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a user says of a file; None is found out. ``escape``: 'backslash' or 'doubled'. Lines are physical ones."""

    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    skip_lines: int | None = None
    header_rows: int | None = None
    names: tuple[str, ...] | None = None
    trailing_lines: int | None = None


NO_OVERRIDES = Overrides()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read one file (as UTF-8 text).

    ``names``: a unique name per column, made up where ``header`` (as in the file) has ''. The first row of data is
    line ``line`` (from 1) at byte ``offset``; lines after ``last_line`` (0: none) are notes. A regular file has
    ``rows`` rows of data. ``findings``: what is worth saying, in words.
    """

    shape: Shape
    names: tuple[str, ...]
    header: tuple[str, ...]
    line: int
    offset: int
    last_line: int = 0
    rows: int = 0
    regular: bool = False
    findings: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Cells of a row."""
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Sketch:
    """What the head of a file says by itself. ``above``: records over the data, after ``start`` lines left out."""

    dialect: Dialect
    layout: Layout
    start: int
    above: tuple[Record, ...]

    def suits_engine(self, facts: Survey) -> bool:
        """Whether the engine's reader may be tried, as far as ``facts`` reach."""
        return _is_regular(facts, self.dialect, self.above, self.start)

    def header_again(self) -> Search | None:
        """The search for the header's line in the body, where it stands in files that were put together."""
        return Search(self.above[-1].raw.encode(), self.dialect.offset) if self.above else None


def detect(path: Path, facts: Survey, overrides: Overrides = NO_OVERRIDES, *, drawn: Sketch | None = None) -> Dialect:
    """The dialect of a file of UTF-8 text. Reads its first 256 KiB, if there is no sketch of them, and its last 64.

    Raises InvalidError for a file without any row, and for overrides that mean nothing.
    """
    drawn = drawn or sketch(path, overrides)
    dialect = replace(
        drawn.dialect,
        last_line=_last_line(path, facts, overrides.trailing_lines),
        rows=facts.rows - drawn.start - len(drawn.above),
    )
    regular = _is_regular(facts, dialect, drawn.above, drawn.start)
    if regular and drawn.above:
        regular = not (_comes_again(path, drawn) if facts.again is None else facts.again)
    found = tuple(_findings(path, facts, dialect, drawn))
    return replace(dialect, regular=regular, findings=found)


def sketch(path: Path, overrides: Overrides = NO_OVERRIDES) -> Sketch:
    """The dialect as the head alone shows it. Raises as `detect` does."""
    _check(overrides)
    head = _head(path)
    skipped = overrides.skip_lines or 0
    sep = _SEP_LINE.fullmatch(head[0].text) if head and not skipped else None
    told = overrides.delimiter or (sep[1] if sep else None)
    start = skipped or (1 if sep else 0)
    if not any(line.text.strip(BLANKS) for line in head[start:]):
        raise InvalidError(f"{path.name} holds no rows.", hint="Check the export that made it, or --skip-lines.")
    shape = _shape(head[start:], overrides, told)
    found = list(records(head[start:], shape))
    rows = [record.cells for record in found]
    layout = find_layout(rows, skip=0 if skipped or sep else None, header=overrides.header_rows)
    if overrides.names is not None:
        layout = _named(layout, overrides)
    if not layout.names:
        raise InvalidError(f"{path.name} holds no rows.", hint="Check the export that made it.")
    first = layout.skip + layout.header
    line, offset = found[first][:2] if first < len(found) else _after(head)
    dialect = Dialect(shape, _column_names(layout.names), layout.names, line, offset)
    return Sketch(dialect, layout, start, tuple(found[:first]))


def _check(overrides: Overrides) -> None:
    if overrides.escape not in {None, "backslash", "doubled"}:
        raise InvalidError(f"{overrides.escape!r} is no escape.", hint="--escape backslash or --escape doubled.")
    if overrides.quote is not None and len(overrides.quote) > 1:
        raise InvalidError(f"{overrides.quote!r} is no quote.", hint="One character, or '' for none.")
    if overrides.delimiter == "":
        raise InvalidError("The delimiter is empty.", hint="--delimiter ';'")
    for name in ("skip_lines", "header_rows", "trailing_lines"):
        if (getattr(overrides, name) or 0) < 0:
            raise InvalidError(f"--{name.replace('_', '-')} is negative.", hint="Count lines from 0.")


def _head(path: Path) -> list[Line]:
    with path.open("rb") as f:
        block = f.read(HEAD + 3)
        whole = not f.read(1)
    if not whole:
        # Cut at the last line end, or, in a file of one huge line, take that line whole.
        end = block.rfind(b"\n") + 1 or block.rfind(b"\r") + 1
        if not end:
            with path.open("rb") as f:
                return [next(lines(f))]
        block = block[:end]
    return list(lines(io.BytesIO(block)))


def _after(head: Sequence[Line]) -> tuple[int, int]:
    last = head[-1]
    return last.number + 1, last.offset + len(last.text.encode())


def _last_line(path: Path, facts: Survey, trailing: int | None) -> int:
    if not trailing:
        return 0
    with path.open("rb") as f:
        f.seek(-1, io.SEEK_END)
        open_end = f.read(1) not in {b"\n", b"\r"}
    return facts.lf + facts.crlf + facts.cr + open_end - trailing


def _named(layout: Layout, overrides: Overrides) -> Layout:
    names = overrides.names or ()
    if layout.names and len(names) != len(layout.names):
        raise InvalidError(
            f"{len(names)} names are given for {len(layout.names)} columns.",
            hint="Name every column: --names worker_id,name,city",
        )
    return replace(layout, names=names)


def _column_names(header: Sequence[str]) -> tuple[str, ...]:
    return tuple(unique_names([name or f"column_{i}" for i, name in enumerate(header, start=1)]))


# -- delimiter and quote --------------------------------------------------------------------------------------------


def _shape(head: Sequence[Line], overrides: Overrides, delimiter: str | None) -> Shape:
    quote_mark = overrides.quote if overrides.quote is not None else _quote(head)
    backslash = overrides.escape == "backslash"
    if delimiter is None:
        shapes = [Shape(mark, quote_mark, backslash=backslash) for mark in _candidates(head)]
        scored = [(_score(head, shape) * _prior(shape.delimiter), shape) for shape in shapes]
        best, shape = max(scored, key=lambda pair: pair[0], default=(0.0, None))
        if shape is None or best < 0.2:
            return Shape(NO_DELIMITER, quote_mark, backslash=backslash)
        delimiter = shape.delimiter
    plain = Shape(delimiter, quote_mark, backslash=backslash)
    if overrides.escape is None and quote_mark and any("\\" + quote_mark in line.text for line in head):
        other = replace(plain, backslash=True)
        return other if _score(head, other) > _score(head, plain) else plain
    return plain


def _prior(delimiter: str) -> float:
    return _PRIOR.get(delimiter, 1.0)


def _quote(head: Sequence[Line]) -> str:
    """``'`` only where it wraps cells and ``"`` is not there."""
    text = "".join(line.text for line in head[:_JUDGED_ROWS])
    if '"' in text:
        return '"'
    wrapped = re.findall(r"(?:^|[,;\t|])'[^'\r\n]*'(?=[,;\t|\r\n]|\Z)", text, re.MULTILINE)
    return "'" if len(wrapped) >= 2 * max(min(len(head), _JUDGED_ROWS) // 2, 1) else '"'


def _candidates(head: Sequence[Line]) -> Iterator[str]:
    texts = [line.text.rstrip("\r\n") for line in head[:_JUDGED_ROWS] if line.text.strip(BLANKS)]
    together = "\n".join(texts)
    seen = dict.fromkeys(run for text in texts[:3] for run in _RUN.findall(text))
    long = [run for run in seen if sum(run in text for text in texts) >= 0.7 * len(texts)]
    yield from long
    # "||" cuts where "|" would cut twice: then it is the delimiter, and "|" is a part of it.
    part_of_long = {char for run in long for char in run if not together.replace(run, "").count(char)}
    yield from (mark for mark in _PRIOR if mark in together and mark not in part_of_long)


def _score(head: Sequence[Line], shape: Shape) -> float:
    """0..1: the share of rows that have the usual number of cells, times the share of cells that look like values."""
    rows = [r.cells for r in records(head[:_JUDGED_ROWS], shape) if r.raw.strip(BLANKS)]
    widths = Counter(len(cells) for cells in rows if len(cells) > 1)
    if not widths:
        return 0.0
    # The wider of two equally usual widths: titles are narrow.
    width, n = max(widths.items(), key=lambda pair: (pair[1], pair[0]))
    cells = [cell for row in rows if len(row) == width for cell in row]
    clean = sum(1 for cell in cells if _is_clean(cell))
    return n / len(rows) * clean / len(cells) * (1 - 0.25 / width)


def _is_clean(cell: str) -> bool:
    """Not cut too little: no other delimiter in it but in prose, before a space, or within a number or time."""
    if not _MARKS.search(cell) or kind(cell) in {"number", "date", "time"}:
        return True
    return not _MARKS.search(_PROSE.sub(" ", cell))


# -- the engine's reader --------------------------------------------------------------------------------------------


def _is_regular(facts: Survey, dialect: Dialect, above: Sequence[Record], start: int) -> bool:
    """Whether the engine's reader may be tried: it refuses by itself what does not have the width or fit the quotes."""
    shape = dialect.shape
    one_line_each = dialect.line == start + len(above) + 1 and all(r.raw.strip(BLANKS) for r in above)
    return not (
        dialect.width < 2
        or facts.nul
        or facts.long_line  # DuckDB 2.0 drops a line longer than its buffer and says nothing
        or facts.cr
        or (facts.lf and facts.crlf)
        or (facts.quotes and shape.quote != '"')
        or shape.backslash
        or shape.delimiter == NO_DELIMITER
        or not shape.delimiter.isascii()
        or dialect.last_line
        or "" in dialect.header
        or not one_line_each
        or (start + len(above) > 1 and any('"' in r.raw for r in above))
    )


def _comes_again(path: Path, drawn: Sketch) -> bool:
    search = drawn.header_again()
    with path.open("rb") as f:
        while search and not search.found and (block := f.read(BLOCK)):
            search.add(block)
    return bool(search and search.found)


def duckdb_scan(path: Path, dialect: Dialect, *, raw: bool = False, tidy: str = "") -> str:
    """SQL for FROM: the engine's reader over a regular file, every column VARCHAR.

    Cells are trimmed and empty ones null; ``raw`` keeps them exactly. ``tidy`` is as in `Survey`. Rows that the
    reader refuses are in its rejects.
    """
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dialect.names)
    # new_line is not given: with it, DuckDB 2.0 reads no row of a file with \\r\\n.
    scan = (
        f"read_csv({literal(str(path))}, columns={{{columns}}}, auto_detect=false, header=false, "
        f"skip={dialect.line - 1}, delim={literal(dialect.shape.delimiter)}, quote='\"', escape='\"', "
        "strict_mode=true, store_rejects=true, "
        f"buffer_size={READ_BUFFER})"
    )
    if raw:
        cells = ", ".join(f"COALESCE({quote(n)}, '') AS {quote(n)}" for n in dialect.names)
    elif tidy == dialect.shape.delimiter:
        return scan  # the reader makes empty cells null by itself, quoted ones too
    else:
        cells = ", ".join(f"{_trimmed(quote(n))} AS {quote(n)}" for n in dialect.names)
    return f"(SELECT {cells} FROM {scan})"


READ_BUFFER = 4 << 20  # bytes per thread: the engine's 32 MiB hold hundreds of megabytes in flight


def _trimmed(cell: str) -> str:
    """SQL: without `BLANKS` at the ends, null if nothing is left. Few cells need it, and looking is much cheaper."""
    blank = f"{cell} < '!' OR {cell}[-1] < '!' OR prefix({cell}, chr(160)) OR suffix({cell}, chr(160))"
    return f"CASE WHEN {blank} THEN NULLIF(trim({cell}, {_BLANKS_SQL}), '') ELSE {cell} END"


_BLANKS_SQL = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"


def reader_rejected(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether the engine's reader refused a row since the connection was made."""
    known = con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchall()[0][0]
    return bool(known and con.execute("SELECT count(*) FROM reject_errors").fetchall()[0][0])


# -- in words ---------------------------------------------------------------------------------------------------------


def _findings(path: Path, facts: Survey, dialect: Dialect, drawn: Sketch) -> Iterator[str]:
    yield from _file_findings(facts)
    yield from _shape_findings(dialect.shape)
    yield from _head_findings(drawn.layout, drawn.start, drawn.above)
    blank = [str(i) for i, name in enumerate(drawn.layout.names, start=1) if not name]
    if drawn.layout.header and blank:
        yield f"column{'s'[: len(blank) != 1]} {', '.join(blank)} without a name"
    total = _total(path, dialect)
    if total:
        yield f"the last row looks like a total and is kept: {total!r}"


def _file_findings(facts: Survey) -> Iterator[str]:
    if facts.compression:
        yield f"packed with {facts.compression}"
    if facts.encoding == MIXED:
        yield "UTF-8 text in which some lines are in cp1252"
    elif facts.encoding not in {"utf-8", "utf-8-sig"}:
        yield f"encoding {facts.encoding}" + (" (a guess: --encoding overrides it)" if facts.guessed else "")
    if sum(map(bool, (facts.lf, facts.crlf, facts.cr))) > 1:
        yield f"mixed line ends: {facts.lf:,} \\n, {facts.crlf:,} \\r\\n, {facts.cr:,} \\r"
    elif facts.cr:
        yield "line ends are \\r"


def _shape_findings(shape: Shape) -> Iterator[str]:
    if shape.delimiter not in {",", NO_DELIMITER}:
        yield f"delimiter {_said(shape.delimiter)}"
    if shape.quote == "'":
        yield "cells are quoted with '"
    if shape.backslash:
        yield "quotes inside cells are escaped with a backslash"


def _head_findings(layout: Layout, start: int, found: Sequence[Record]) -> Iterator[str]:
    titles = [" ".join(" ".join(r.cells).split()) for r in found[: layout.skip] if filled(r.cells)]
    if start or layout.skip:
        told = f": {'; '.join(titles)[:120]}" if titles else ""
        yield f"{start + layout.skip} rows above the header left out{told}"
    if layout.header > 1:
        yield f"header over {layout.header} rows"
    if not layout.header:
        yield "no header: columns are called column_1, column_2, …"


def _said(delimiter: str) -> str:
    return {"\t": "tab", " ": "space"}.get(delimiter, repr(delimiter))


def _total(path: Path, dialect: Dialect) -> str:
    """The first cell of the last row if it calls itself a total."""
    size = path.stat().st_size
    with path.open("rb") as f:
        f.seek(max(size - TAIL, dialect.offset))
        block = f.read()
    texts = [
        t for t in block.decode("utf-8", errors="replace").splitlines() if t.strip(BLANKS + dialect.shape.delimiter)
    ]
    last = texts[-1].split(dialect.shape.delimiter)[0].strip(BLANKS + '"') if texts else ""
    return last if _TOTAL.match(last) else ""
