"""How answers look in a terminal. Answers go to stdout, everything about them to stderr."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench.errors import WorkbenchError
from workbench.lake.drift import Change
from workbench.lake.health import Check
from workbench.lake.report import Report
from workbench.search.searcher import Results

_WIDE = 200  # columns of a pipe or a file, where no terminal cuts
_CELL = 60


def out() -> Console:
    """The console for answers."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_WIDE if piped else None, highlight=False, soft_wrap=False)


def err() -> Console:
    """The console for remarks."""
    return Console(stderr=True, highlight=False, width=_WIDE if not sys.stderr.isatty() else None)


def lake_line(url: str, origin: str) -> None:
    """Name the lake that a command works on."""
    err().print(f"[dim]lake {escape(url)} ({escape(origin)})[/dim]")


def line(text: str) -> None:
    """One line of an answer, as it is."""
    out().print(escape(text), soft_wrap=True)


def remark(text: str) -> None:
    """One line about an answer."""
    err().print(f"[dim]{escape(text)}[/dim]", soft_wrap=True)


def json_out(value: Any) -> None:
    """JSON on stdout; dates as ISO text."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def error(problem: WorkbenchError) -> None:
    """Message and hint of an error."""
    console = err()
    console.print(f"[bold red]✗[/] {escape(problem.message)}", soft_wrap=True)
    for hint in problem.hint.splitlines():
        console.print(f"  [cyan]{escape(hint)}[/]", soft_wrap=True)


def interrupted() -> None:
    """What Ctrl-C leaves."""
    err().print("\nstopped; the lake is as it was before this command")


def usage_error(problem: Exception) -> int | None:
    """Print a mistake in the command line; its exit code, or None when it is no such mistake."""
    message = getattr(problem, "format_message", None)
    if message is None:
        return None
    context = getattr(problem, "ctx", None)
    err().print(f"[bold red]✗[/] {escape(message())}", soft_wrap=True)
    if context is not None:
        err().print(f"  [cyan]{escape(context.command_path)} --help[/]")
    return int(getattr(problem, "exit_code", 2))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """A table; numbers are right-aligned, long cells cut."""
    built = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    numeric = set(right)
    for name in columns:
        justify = "right" if name in numeric else "left"
        built.add_column(escape(name), justify=justify, no_wrap=True, overflow="ellipsis")
    for row in rows:
        built.add_row(*(escape(cell(value)) for value in row))
    out().print(built)


def arrow(rows: pa.Table) -> None:
    """An Arrow table as a table."""
    numeric = [
        f.name
        for f in rows.schema
        if pa.types.is_integer(f.type) or pa.types.is_floating(f.type) or pa.types.is_decimal(f.type)
    ]
    columns = [c.to_pylist() for c in rows.columns]
    table(rows.column_names, zip(*columns, strict=True) if columns else [], right=numeric)


def cell(value: Any) -> str:
    """One value as text on one line."""
    if value is None:
        return "∅"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    text = " ".join(str(value).split())
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"


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
        f"v{done.version}",
        f"{done.rows:,} rows × {len(done.columns)} columns",
        f"{size(done.source.size_bytes)} → {size(done.parquet_bytes)} Parquet",
        f"{done.rejected:,} rejected",
        f"PII: {' '.join(done.pii) or 'none'}",
        f"sha256 {done.source.sha256[:4]}…",
        f"{done.elapsed_s:.1f} s",
    ]
    line("  ".join(parts))
    if done.outcome != "created":
        line(f"  {done.outcome}: {done.total:,} rows now{plan(done.plan)}{lake_note}")
    for finding in done.findings:
        line(f"  · {finding}")
    changes(done.changes)


def plan(counts: Mapping[str, int]) -> str:
    """The counts of an upsert."""
    return f"  ({', '.join(f'{n:,} {what}' for what, n in counts.items())})" if counts else ""


def changes(found: Sequence[Change]) -> None:
    """Schema changes, one a line."""
    for change in found:
        line(f"  {change}")


def checks(found: Sequence[Check]) -> None:
    """Findings of the doctor; the mark says what the colour says."""
    marks = {"ok": "[green]✓[/]", "info": "[blue]·[/]", "warning": "[yellow]![/]"}
    for c in found:
        mark = marks.get(c.state, "[bold red]✗[/]")
        out().print(f"{mark} {escape(c.name)}: {escape(c.message)}", soft_wrap=True)
        if c.fix and c.state != "ok":
            out().print(f"    [cyan]{escape(c.fix)}[/]", soft_wrap=True)


def results(found: Results, *, why: bool) -> None:
    """Ranked rows with their scores, then why each is there."""
    names = ["", "score", *found.table.column_names]
    rows = [
        [f"{i}", f"{h.score:.3f}", *row.values()]
        for i, (h, row) in enumerate(zip(found.hits, found.table.to_pylist(), strict=True), 1)
    ]
    table(names, rows, right=["", "score"])
    if why:
        for i, h in enumerate(found.hits, 1):
            line(f"  {i}. {h.why} — {h.snippet}")
    total, matching = found.funnel
    narrowed = f"{total:,} rows → {matching:,} match → " if found.where else f"{total:,} rows → "
    remark(
        f"{narrowed}{len(found.hits)} shown · {found.dataset}@{found.version} · {found.model} · "
        f"{found.elapsed_s * 1000:,.0f} ms"
    )
    if found.nothing_close:
        remark("Nothing here is close to that query: these are the nearest of what there is, not answers.")
