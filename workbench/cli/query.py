"""``lh sql`` and ``lh export``: answers out."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, params, workbench
from workbench.cli.progress import Bar
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.lake.sql.query import Answer
    from workbench.session import Workbench


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT; - reads it from stdin.")],
    param: Annotated[list[str] | None, typer.Option(help="name=value for $name; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 100,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds it may run.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
    show_pii: PiiOption = False,
    lake: LakeOption = None,
) -> None:
    """Ask the lake in SQL: read-only, personal data masked.

    Older snapshots as workers@2 or workers@'2026-11-01'. Rows go to stdout, everything about them to stderr.
    """
    if as_csv and as_json:
        raise InvalidError("--csv and --json exclude each other.", hint="Choose one of them.")
    text, values = _statement(query), params(param)
    with workbench(lake) as wb, Bar() as bar:
        answer = _asked(wb, text, values, limit=limit, timeout_s=timeout, show_pii=show_pii, bar=bar)
    if as_json:
        show.json_out(answer.to_dict())
    elif as_csv:
        _csv(answer)
    else:
        show.arrow(answer.table, "--json or --csv shows all; or name the columns")
    if not as_json:
        _footer(answer)


def _asked(
    wb: Workbench, text: str, values: dict[str, Any] | None, *, limit: int, timeout_s: float | None, show_pii: bool,
    bar: Bar,
) -> Answer:  # fmt: skip
    from workbench.lake.sql.engine import Watch

    watch = Watch(timeout_s or wb.settings.timeout_s, on_progress=bar)
    return wb.sql(text, values, row_cap=limit, show_pii=show_pii, watch=watch)


def _statement(query: str) -> str:
    """The SQL: what was written, or what stdin holds. Raises InvalidError for bytes that are no text."""
    if query != "-":
        return query
    if sys.stdin.isatty():
        show.remark("reading SQL; Ctrl-D ends it")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError(f"The SQL on stdin is not UTF-8 at byte {error.start:,}.", hint="iconv -t UTF-8") from None


def _csv(answer: Answer) -> None:
    """The answer as CSV; into a pipe always as UTF-8, so that no character is lost to a terminal's encoding."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", newline="")
    csv.writer(sys.stdout, lineterminator="\n").writerows([answer.table.column_names, *_rows(answer)])


def _rows(answer: Answer) -> list[tuple[object, ...]]:
    return list(zip(*(c.to_pylist() for c in answer.table.columns), strict=True))


def _footer(answer: Answer) -> None:
    count = f"{answer.row_count:,} row{'s'[: answer.row_count != 1]}"
    parts = [
        f"{count}, there are more: --limit {answer.row_count * 10}" if answer.truncated else count,
        " ".join(f"{name}@{version}" for name, version in answer.snapshots.items()),
        f"{answer.elapsed_s * 1000:,.0f} ms",
        f"masked: {', '.join(answer.masked)} (--show-pii)" if answer.masked else "",
    ]
    show.remark(" · ".join(part for part in parts if part))


@app.command()
def export(
    source: Annotated[str, typer.Argument(help="A dataset (workers, workers@2) or a SELECT.")],
    out: Annotated[Path, typer.Argument(help="File to write: .csv .tsv .parquet .ndjson .json")],
    param: Annotated[list[str] | None, typer.Option(help="name=value for $name; repeatable.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    show_pii: PiiOption = False,
    lake: LakeOption = None,
) -> None:
    """Write a dataset or an answer to a file, whole or not at all; personal data masked."""
    with workbench(lake) as wb, Bar() as bar:
        rows = wb.lake.export(source, out, show_pii=show_pii, force=force, params=params(param), progress=bar)
    show.line(f"{rows:,} rows  {show.size(out.stat().st_size)}  {out}")
