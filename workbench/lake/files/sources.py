"""A customer's file as a relation of the engine, whatever its format.

Delimited text and spreadsheets become columns of text whose types are decided later over all values; Parquet and JSON
bring types of their own.
"""

from __future__ import annotations

import csv
import hashlib
import shlex
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.errors import InvalidError, MissingExtraError, NotFoundError
from workbench.lake.files.dialect import Dialect, Overrides, Sketch, detect, duckdb_scan, sketch
from workbench.lake.files.rows import LINE, OFFSET, Reject, blank_rows, read_rows
from workbench.lake.files.survey import (
    NOTHING_EXPECTED,
    Expected,
    begins_tidy,
    original_offsets,
    plain,
    survey,
    survey_head,
)
from workbench.lake.files.tally import BLOCK
from workbench.lake.sql.engine import Progress
from workbench.lake.tables.manifest import Source
from workbench.lake.tables.mapping import literal, quote

EXCEL = {".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"}
LARGE = 8 << 20  # bytes: below, nothing is gained by starting before the whole file was looked at
JSON = {".json", ".ndjson", ".jsonl"}


def _nothing() -> None:
    """There is nothing to stop."""


@dataclass(frozen=True)
class Opened:
    """A file the engine can read: ``relation`` is SQL for FROM; ``typed`` says whether its columns have types.

    ``careful`` reads the same file row by row; None when that is done already. ``positions``: the relation also
    has LINE and OFFSET. ``rows``: how many the relation must give, where that is known by another count. ``header``
    and ``delimiter`` are those of delimited text. ``offsets`` turns values of OFFSET into places in the file as it
    came (None: they are that). ``row_bytes``: of a row of text, on average or in the head; 0 is not known.

    ``settle``: this is a guess by the file's head, good enough to start with; it waits for the whole file to be
    surveyed and returns what is right. ``stop`` gives that up.
    """

    source: Source
    relation: str
    names: tuple[str, ...]
    typed: bool
    findings: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    careful: Callable[[], Opened] | None = None
    positions: bool = False
    rows: int | None = None
    row_bytes: float = 0
    header: tuple[str, ...] = ()
    delimiter: str = ","
    offsets: Callable[[list[int]], Mapping[int, int]] | None = None
    settle: Callable[[], Opened] | None = None
    stop: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: overrides of what is detected, ``text`` keeps every cell as its text, ``sheet`` of a workbook."""

    overrides: Overrides = field(default_factory=Overrides)
    text: bool = False
    sheet: str | None = None


def identify(path: Path, progress: Progress, sheet: str | None = None) -> Source:
    """A file by its bytes, and the sheet that was asked for if any."""
    size, digest = path.stat().st_size, hashlib.sha256()
    buffer = bytearray(1 << 18)
    with path.open("rb", buffering=0) as f:
        while n := f.readinto(buffer):
            digest.update(memoryview(buffer)[:n])
            progress("read", f.tell(), size)
    return Source(path.name, digest.hexdigest(), size, sheet or "")


def open_source(
    path: Path,
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    how: Reading,
    progress: Progress,
    source: Source | None = None,
) -> Opened:
    """Open any supported file. ``folder`` is scratch space that outlives the returned relation's use; ``source`` is the
    file's identity if that is known already.

    Raises NotFoundError when there is no such file and InvalidError when it is none of the formats.
    """
    if not path.exists():
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise NotFoundError.named("file", path.name, near, hint=f"Looked in {path.parent.absolute()}.")
    if path.is_dir():
        raise InvalidError(f"{path} is a folder.", hint="Give one file; a shell loop loads several.")
    kind = _kind(path)
    if kind == "parquet":
        return _typed(path, con, f"read_parquet({literal(str(path))})", source or identify(path, progress))
    if kind == "json":
        relation = f"read_json({literal(str(path))}, sample_size=-1)"
        return _typed(path, con, relation, source or identify(path, progress))
    if kind == "excel":
        return _excel(path, con, folder, how, progress, source or identify(path, progress, how.sheet))
    return _delimited(path, con, folder, how, progress, source)


def without(opened: Opened, names: Sequence[str]) -> Opened:
    """The same without some columns. Raises NotFoundError for one that is not there."""
    if not names:
        return opened
    for name in names:
        if name not in opened.names:
            raise NotFoundError.named("column", name, opened.names)
    careful, settle = opened.careful, opened.settle
    return replace(
        opened,
        relation=f"(SELECT * EXCLUDE ({', '.join(map(quote, names))}) FROM {opened.relation})",
        names=tuple(name for name in opened.names if name not in names),
        findings=[*opened.findings, f"left out as asked: {', '.join(names)}"],
        careful=(lambda: without(careful(), names)) if careful else None,
        settle=(lambda: without(settle(), names)) if settle else None,
    )


def _kind(path: Path) -> str:
    with path.open("rb") as f:
        magic = f.read(4)
    suffix = path.suffix.lower()
    if magic == b"PAR1":
        return "parquet"
    if suffix in EXCEL or (magic == b"PK\x03\x04" and _holds_workbook(path)):
        return "excel"
    return "json" if suffix in JSON else "text"


def _holds_workbook(path: Path) -> bool:
    """Whether a zip archive is a workbook, whatever its name: the parts that OOXML (ECMA-376, part 2) asks for."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)


def _typed(path: Path, con: duckdb.DuckDBPyConnection, relation: str, source: Source) -> Opened:
    if source.size_bytes == 0:
        raise InvalidError(f"{path.name} is empty.", hint="Check the export that made it.")
    try:
        names = tuple(row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall())
    except duckdb.Error as error:
        raise InvalidError(
            f"{path.name} cannot be read: {str(error).splitlines()[0]}", hint="Check the export that made it."
        ) from error
    return Opened(source, relation, names, typed=True)


def _delimited(
    path: Path,
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    how: Reading,
    progress: Progress,
    source: Source | None = None,
) -> Opened:
    return _ahead(path, con, folder, how, source) or _surveyed(path, folder, how, progress, source)


def _surveyed(
    path: Path,
    folder: Path,
    how: Reading,
    progress: Progress,
    source: Source | None = None,
    expected: Expected = NOTHING_EXPECTED,
    drawn: Sketch | None = None,
) -> Opened:
    told = how.overrides
    known = source.sha256 if source and source.file == path.name else ""
    facts = survey(
        path, encoding=told.encoding, sha256=known, expected=expected, on_progress=lambda a, b: progress("read", a, b)
    )
    source = source or Source(path.name, facts.sha256, facts.size_bytes)
    body, facts = plain(path, facts, folder, encoding=told.encoding)
    dialect = detect(body, facts, told, drawn=drawn if body == path else None)

    def careful() -> Opened:
        return _carefully(body, facts.encoding, folder, how, dialect, source, progress)

    if not dialect.regular:
        return careful()
    return Opened(
        source,
        duckdb_scan(body, dialect, raw=how.text, tidy=facts.tidy),
        dialect.names,
        typed=False,
        findings=[*dialect.findings, *blank_rows(facts.blank_rows)],
        careful=careful,
        rows=dialect.rows,
        row_bytes=body.stat().st_size / max(dialect.rows, 1),
        header=dialect.header,
        delimiter=dialect.shape.delimiter,
    )


def _ahead(
    path: Path, con: duckdb.DuckDBPyConnection, folder: Path, how: Reading, source: Source | None
) -> Opened | None:
    """A large file by its head, while the whole is surveyed beside; None when its head is not plain throughout.

    Cells that need no trimming in the head are not trimmed: the survey stops what ``con`` does at the first that does.
    """
    told = how.overrides
    if path.stat().st_size < LARGE or told.encoding or told.trailing_lines:
        return None
    head = survey_head(path)
    drawn = sketch(path, told) if head else None
    if head is None or drawn is None or not drawn.suits_engine(head):
        return None
    delimiter = drawn.dialect.shape.delimiter
    tidy = delimiter if not how.text and begins_tidy(path, delimiter) else ""
    expected = Expected(tidy, con.interrupt, drawn.header_again())
    stopped = threading.Event()

    def watched(_stage: str, _done: float, _total: float) -> None:
        if stopped.is_set():
            raise InterruptedError

    beside = ThreadPoolExecutor(1, thread_name_prefix="lh-survey")
    whole = beside.submit(_surveyed, path, folder, how, watched, source, expected, drawn)
    beside.shutdown(wait=False)
    return Opened(
        source or Source(path.name, "", head.size_bytes),
        duckdb_scan(path, drawn.dialect, raw=how.text, tidy=tidy),
        drawn.dialect.names,
        typed=False,
        row_bytes=BLOCK / max(head.rows, 1),
        settle=whole.result,
        stop=stopped.set,
    )


def _carefully(
    path: Path, encoding: str, folder: Path, how: Reading, dialect: Dialect, source: Source, progress: Progress
) -> Opened:
    rejects: list[Reject] = []
    findings = list(dialect.findings)
    target = folder / "text.parquet"
    batches = read_rows(
        path,
        dialect,
        on_reject=rejects.append,
        on_finding=findings.append,
        text=how.text,
        on_progress=lambda a, b: progress("rows", a, b),
    )
    schema = pa.schema([*((name, pa.string()) for name in dialect.names), (LINE, pa.int64()), (OFFSET, pa.int64())])
    bare = {
        i for i, name in enumerate(dialect.header) if not name
    }  # columns without a name, until something is in them
    rows = 0
    with pq.ParquetWriter(target, schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
            bare -= {i for i in bare if pc.any(pc.not_equal(batch.column(i), "")).as_py()}
    if len(bare) == dialect.width:
        bare = set()
    if bare:
        findings.append(f"blank column{'s'[: len(bare) != 1]} {', '.join(str(i + 1) for i in sorted(bare))} left out")
    return Opened(
        source,
        f"read_parquet({literal(str(target))})",
        tuple(name for i, name in enumerate(dialect.names) if i not in bare),
        typed=False,
        findings=findings,
        rejects=rejects,
        positions=True,
        row_bytes=path.stat().st_size / max(rows, 1),
        offsets=partial(original_offsets, path, encoding),
        header=dialect.header,
        delimiter=dialect.shape.delimiter,
    )


def _excel(
    path: Path, con: duckdb.DuckDBPyConnection, folder: Path, how: Reading, progress: Progress, source: Source
) -> Opened:
    try:
        from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # an extra: only for spreadsheets
    except ImportError as error:
        raise MissingExtraError(
            f"{path.name} needs the package python-calamine.", hint="pip install 'lakehouse-workbench[excel]'"
        ) from error
    try:
        book = CalamineWorkbook.from_path(str(path))
        name = how.sheet or next(iter(book.sheet_names), "")
        if name not in book.sheet_names:
            raise NotFoundError.named("sheet", name, book.sheet_names)
        plain = folder / "sheet.csv"
        has_values = _write_sheet(book.get_sheet_by_name(name).iter_rows(), plain)
    except PasswordError:
        raise InvalidError(
            f"{path.name} cannot be read: it is protected by a password.",
            hint="Open it, save it without the password, and ingest that copy.",
        ) from None
    except CalamineError as error:
        raise InvalidError(
            f"{path.name} cannot be read: it is damaged, or no workbook.",
            hint="Open it and save it anew as .xlsx, or export the sheet as CSV.",
        ) from error
    others = [s for s in book.sheet_names if s != name]
    if not has_values:
        hint = f"Another sheet: --sheet {shlex.quote(others[0])}" if others else "Check the export that made it."
        raise InvalidError(f"Sheet {name!r} of {path.name} is empty.", hint=hint)
    opened = _delimited(plain, con, folder, how, progress, source)
    opened.findings.append(f"sheet {name!r}" + (f"; not read: {', '.join(others)}" if others else ""))
    return opened


def _write_sheet(rows: Iterator[list[Any]], target: Path) -> bool:
    """The sheet as CSV; whether any of its cells holds something."""
    has_values = False
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for cells in _cells(rows):
            writer.writerow(cells)
            has_values = has_values or any(cells)
    return has_values


def _cells(rows: Iterator[list[Any]]) -> Iterator[list[str]]:
    for row in rows:
        yield [_cell(value) for value in row]


def _cell(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # a spreadsheet has no integers: 5.0 is what it keeps of 5
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
