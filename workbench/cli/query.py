"""``lh sql`` and ``lh export``: answers out."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, params, workbench
from workbench.cli.progress import Bar
from workbench.lake.engine import Watch
from workbench.lake.query import Access, Answer


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT; - reads it from stdin.")],
    param: Annotated[list[str] | None, typer.Option(help="name=value for $name; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 100,
    timeout: Annotated[float | None, typer.Option(help="Seconds it may run.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
    show_pii: PiiOption = False,
    lake: LakeOption = None,
) -> None:
    """Ask the lake. Read-only, older snapshots as workers@2 or workers@'2026-11-01', personal data masked."""
    text = sys.stdin.read() if query == "-" else query
    with workbench(lake) as wb, Bar() as bar:
        watch = Watch(timeout or wb.settings.timeout_s, on_progress=bar)
        access = Access(row_cap=limit, show_pii=show_pii)
        answer = wb.lake.sql(text, params(param or []), access=access, watch=watch)
    if as_json:
        show.json_out(answer.to_dict())
    elif as_csv:
        csv.writer(sys.stdout).writerows([answer.table.column_names, *_rows(answer)])
    else:
        show.arrow(answer.table)
        _footer(answer)


def _rows(answer: Answer) -> list[tuple[object, ...]]:
    return list(zip(*(c.to_pylist() for c in answer.table.columns), strict=True))


def _footer(answer: Answer) -> None:
    more = ", there are more: --limit" if answer.truncated else ""
    read = " ".join(f"{name}@{version}" for name, version in answer.snapshots.items())
    hidden = f" · masked: {', '.join(answer.masked)} (--show-pii)" if answer.masked else ""
    plural = "s"[: answer.row_count != 1]
    show.remark(f"{answer.row_count:,} row{plural}{more} · {read} · {answer.elapsed_s * 1000:,.0f} ms{hidden}")


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="A dataset (workers, workers@2) or a SELECT.")],
    out: Annotated[Path, typer.Argument(help="File to write: .csv .parquet .ndjson .json")],
    param: Annotated[list[str] | None, typer.Option(help="name=value for $name; repeatable.")] = None,
    show_pii: PiiOption = False,
    lake: LakeOption = None,
) -> None:
    """Write a dataset or an answer to a file, whole or not at all; personal data masked."""
    with workbench(lake) as wb, Bar() as bar:
        rows = wb.lake.export(source, out, show_pii=show_pii, params=params(param or []), progress=bar)
    show.line(f"{rows:,} rows  {show.size(out.stat().st_size)}  {out}")
