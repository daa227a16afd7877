"""How answers look in a terminal. Answers go to stdout, everything about them to stderr."""

from __future__ import annotations

import codecs
import datetime as dt
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from workbench.cli import grid, reasons

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from workbench.errors import WorkbenchError
    from workbench.lake.health import Check
    from workbench.lake.loading.drift import Change
    from workbench.lake.loading.report import Report
    from workbench.lake.tables.manifest import Column
    from workbench.search.answer import Results
    from workbench.search.ranking.hits import Hit

# What a terminal that knows no Unicode shows instead of our signs.
_PLAIN = str.maketrans({
    "→": "->", "×": "x", "…": "...", "·": "-", "—": "-", "–": "-", "✗": "x", "✓": "ok", "’": "'", "“": '"', "”": '"',
    "≤": "<=", "≥": ">=", "•": "*",
})  # fmt: skip
_STYLES = {"dim": "2", "bold": "1", "bold red": "1;31", "cyan": "36", "green": "32", "blue": "34", "yellow": "33"}
_MARKS = {"ok": ("✓", "green"), "info": ("·", "blue"), "warning": ("!", "yellow")}
_NAMED = 8  # columns that a finding names before it only counts them


def fit_streams() -> None:
    """Let every text be written to whatever stdout and stderr are: a terminal's encoding never stops an answer."""
    codecs.register_error("lh-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lh-plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    known = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(c if c.isascii() else "?" for c in known), error.end


def silence() -> None:
    """Nobody reads any more: what is still to be written goes nowhere, and Python's last flush finds no fault."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if not stream.isatty():
                os.dup2(nowhere, stream.fileno())


def width() -> int | None:
    """Columns of the terminal; None when stdout is a pipe or a file. ``COLUMNS`` speaks for both."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(_out().width, 1)
    return None


def _out() -> Console:
    from rich.console import Console

    class _Piped(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704 - rich calls this while it handles the BrokenPipeError; the door ends quietly

    return _Piped(highlight=False, soft_wrap=False)


def styled(text: str, style: str, stream: TextIO) -> str:
    """Text in a style, on a terminal that shows styles."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def lake_line(url: str, origin: str) -> None:
    """Name the lake that a command works on: in full, who said so, and that it is not there when it is not."""
    said = {"keyword": "--lake", "environment": "LH_LAKE"}.get(origin, origin)
    if "://" in url:
        remark(f"lake {url} ({said})")
        return
    folder = Path(url).expanduser().absolute()
    remark(f"lake {folder} ({said}{'' if folder.exists() else '; not there yet, the first ingest makes it'})")


def line(text: str) -> None:
    """One line of an answer, as it is."""
    sys.stdout.write("\n".join(map(grid.clean, text.split("\n"))) + "\n")


def remark(text: str) -> None:
    """One line about an answer. What was answered before it is seen before it."""
    sys.stdout.flush()
    sys.stderr.write(styled(grid.clean(text), "dim", sys.stderr) + "\n")


def json_out(value: Any) -> None:
    """JSON on stdout; dates as ISO text, characters that stdout cannot write as escapes."""
    unicode = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    sys.stdout.write(json.dumps(value, ensure_ascii=not unicode, indent=2, default=_iso) + "\n")


def _iso(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def error(problem: WorkbenchError) -> None:
    """Message and hint of an error."""
    sys.stdout.flush()
    first, *rest = [part.rstrip() for part in problem.message.splitlines()] or [""]
    sys.stderr.write(f"{styled('✗', 'bold red', sys.stderr)} {grid.clean(first)}\n")
    for more in rest:
        sys.stderr.write(f"  {grid.clean(more)}\n")
    for hint in problem.hint.splitlines():
        sys.stderr.write(f"  {styled(grid.clean(hint), 'cyan', sys.stderr)}\n")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = (), wrap: bool = False
) -> None:
    """A list of ours: numbers right-aligned, empty columns left out; ``wrap`` goes on below with what does not fit."""
    whole = grid.told(grid.grid(columns, rows, right))
    for i, part in enumerate(grid.parts(whole, width()) if wrap else [whole]):
        if i:
            line("")
        _draw(part, "--json shows all")


def arrow(rows: pa.Table, full: str = "--json shows all") -> None:
    """An Arrow table as a table; ``full`` says how to see what does not fit."""
    if rows.num_columns:
        _draw(grid.of_arrow(rows), full)


def _draw(shown: grid.Grid, full: str) -> None:
    cut = grid.draw(shown, _out(), width())
    said = []
    if cut.columns:
        said.append(f"{len(shown.columns) - cut.columns} of {len(shown.columns)} columns fit here")
    if cut.cells:
        said.append(f"{cut.cells:,} long cell{'s'[: cut.cells != 1]} cut")
    if said:
        remark(f"{', '.join(said)}: {full}")


def size(n: float) -> str:
    """Bytes for people: 4.1 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} TB"


def when(moment: dt.datetime) -> str:
    """A moment in the reader's own time zone."""
    return moment.astimezone().strftime("%-d %b %Y %H:%M")


def report(done: Report, lake_note: str = "") -> None:
    """The line of an ingest, then what it found."""
    if done.outcome == "unchanged":
        day = dt.datetime.fromisoformat(done.since).astimezone().strftime("%-d %b %Y") if done.since else ""
        said = f"already ingested as v{done.version} on {day}, nothing to do" if day else "nothing to change"
        line(f"{done.name}  {said}{plan(done.plan)}")
        return
    parts = [
        done.name,
        "dry run" if done.dry_run else f"v{done.version}",
        f"{done.rows:,} row{'s'[: done.rows != 1]} × {len(done.columns)} column{'s'[: len(done.columns) != 1]}",
        f"{size(done.source.size_bytes)} → {size(done.parquet_bytes)} Parquet",
        f"{done.rejected:,} rejected",
        f"PII: {' '.join(done.pii) or 'none'}",
        f"sha256 {done.source.sha256[:4]}…",
        f"{done.elapsed_s:.1f} s",
    ]
    line("  ".join(parts))
    if done.outcome != "created":
        now = "would be there" if done.dry_run else "now"
        line(f"  {done.outcome}: {done.total:,} rows {now}{plan(done.plan)}{lake_note}")
    for finding in grouped(done.findings, done.columns):
        line(f"  · {finding}")
    changes(done.changes)


def grouped(findings: Iterable[str], columns: Iterable[Column]) -> list[str]:
    """Findings, with those that say the same of several columns as one: ``bill, pay: amounts in £``."""
    names = {c.name for c in columns}
    about: dict[str, list[str]] = {}
    for finding in findings:
        name, colon, said = finding.partition(": ")
        if colon and name in names:
            about.setdefault(said, []).append(name)
        else:
            about.setdefault(finding, [])
    return [f"{_several(found)}: {said}" if found else said for said, found in about.items()]


def _several(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMED])} and {more} more columns"


def plan(counts: Mapping[str, int]) -> str:
    """The counts of an upsert."""
    return f"  ({', '.join(f'{n:,} {what}' for what, n in counts.items())})" if counts else ""


def changes(found: Sequence[Change]) -> None:
    """Schema changes, one a line."""
    for change in found:
        line(f"  {change}")


def checks(found: Sequence[Check]) -> None:
    """Findings of the doctor; the mark says what the colour says."""
    for c in found:
        mark, style = _MARKS.get(c.state, ("✗", "bold red"))
        sys.stdout.write(f"{styled(mark, style, sys.stdout)} {grid.clean(f'{c.name}: {c.message}')}\n")
        if c.fix and c.state != "ok":
            sys.stdout.write(f"    {styled(grid.clean(c.fix), 'cyan', sys.stdout)}\n")


def results(found: Results, *, why: bool) -> None:
    """Ranked rows with their scores, why each is there, and how the answer came about."""
    scored_rows(found)
    if why:
        hits(found.hits)
    remark(reasons.funnel(found))
    remark(reasons.source(found))
    if why:
        for said in (reasons.formula(found), *reasons.meant(found)):
            if said:
                remark(said)
    for said in reasons.cautions(found):
        caution(said)


def scored_rows(found: Results) -> None:
    """The table of a search."""
    names = ["", "score", *found.table.column_names]
    body = grid.of_arrow(found.table)
    rows = [[f"{i}", f"{h.score:.3f}", *row] for i, (h, row) in enumerate(zip(found.hits, body.rows, strict=True), 1)]
    right = frozenset({0, 1, *(n + 2 for n in body.right)})
    if rows:
        _draw(grid.Grid(tuple(names), tuple(map(tuple, rows)), right), "--column NAME chooses, --json shows all")


def hits(found: Sequence[Hit], first: int = 1) -> None:
    """Why each hit is there, numbered from ``first`` (0: a row by itself); on a terminal its words stand out."""
    room, alike = width(), len(found) > 1 and len({hit.trade for hit in found}) == 1
    for place, hit in enumerate(found, first):
        for i, text in enumerate(reasons.hit_lines(place, hit, room, trade=not alike)):
            sys.stdout.write(f"{grid.clean(text) if i == 0 else _marked(grid.clean(text), hit.matched)}\n")


def _marked(text: str, words: tuple[str, ...]) -> str:
    if not words:
        return text
    return reasons.words_in(words).sub(lambda found: styled(found[0], "bold", sys.stdout), text)


def caution(text: str) -> None:
    """One line about an answer that its reader must not miss."""
    sys.stdout.flush()
    sys.stderr.write(f"{styled('!', 'yellow', sys.stderr)} {grid.clean(text)}\n")
