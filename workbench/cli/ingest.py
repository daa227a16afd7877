"""``lh ingest`` and ``lh rejects``: files in, and what was set aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, pairs, workbench
from workbench.cli.progress import Bar
from workbench.errors import InvalidError
from workbench.lake.files.dialect import Overrides
from workbench.lake.files.sources import Reading
from workbench.lake.loading.rejects import Rejected, covered
from workbench.lake.loading.report import Report, Request
from workbench.lake.shown import of as shown_of
from workbench.pii import check_kind

if TYPE_CHECKING:
    from workbench.session import Workbench


@app.command()
def ingest(
    path: Annotated[Path, typer.Argument(help="Delimited text of any kind (also packed), Parquet, JSON, Excel.")],
    name: Annotated[str, typer.Option(help="Dataset; else taken from the file's name.")] = "",
    replaces: Annotated[bool, typer.Option("--replace", help="The file replaces the rows there are.")] = False,
    key: Annotated[str, typer.Option(help="Upsert by these columns: --key worker_id.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show types, PII, drift, rejects; write nothing.")] = False,
    evolve: Annotated[bool, typer.Option("--evolve", help="Take new columns and wider types.")] = False,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Set rows aside that do not fit.")] = False,
    rename: Annotated[list[str] | None, typer.Option(help="file_column=dataset_column; repeatable.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Leave this column of the file out; repeatable.")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="column=text|int|double|date dmy …")] = None,
    pii: Annotated[list[str] | None, typer.Option(help="column=name|email|phone|…; empty for none.")] = None,
    max_rejects: Annotated[int | None, typer.Option("--max-errors", min=0, help="Refuse a file with more.")] = None,
    message: Annotated[str, typer.Option("-m", "--message", help="Why, for the history.")] = "",
    text: Annotated[bool, typer.Option("--text", help="Keep every cell exactly as its text.")] = False,
    encoding: Annotated[str | None, typer.Option(help="Override: cp1252, utf-16, …")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Override: one or more characters, \\t for tab.")] = None,
    quote: Annotated[str | None, typer.Option(help="Override: the quote character, '' for none.")] = None,
    escape: Annotated[str | None, typer.Option(help="Override: doubled or backslash, for quotes in cells.")] = None,
    skip_lines: Annotated[int | None, typer.Option(help="Override: lines before the header.")] = None,
    header_rows: Annotated[int | None, typer.Option(help="Override: rows of the header, 0 for none.")] = None,
    names: Annotated[str | None, typer.Option(help="Override: names of all columns, with commas.")] = None,
    trailing_lines: Annotated[int | None, typer.Option(help="Override: lines after the table.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook; else the first.")] = None,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Load a file into a dataset as a new snapshot: typed, checked, tagged, all or nothing."""
    overrides = Overrides(
        encoding=encoding, delimiter=delimiter and delimiter.replace("\\t", "\t"), quote=quote, escape=escape,
        skip_lines=skip_lines, header_rows=header_rows, trailing_lines=trailing_lines, names=_listed(names) or None,
    )  # fmt: skip
    request = Request(
        path, name, mode=_mode(key, replaces), key=_listed(key), message=message,
        evolve=evolve, quarantine=quarantine, ignore=tuple(ignore or ()),
        rename=pairs(rename, "--rename", "file_column=dataset_column"),
        types=pairs(type_, "--type", "column=type"), pii=_kinds(pii),
        max_rejects=max_rejects, dry_run=dry_run, how=Reading(overrides, text, sheet),
    )  # fmt: skip
    with workbench(lake) as wb, Bar() as bar:
        done = wb.lake.ingest(request, bar)
    show.json_out(done.to_dict()) if as_json else _told(done)


def _mode(key: str, replaces: bool) -> str:
    if key and replaces:
        raise InvalidError("--key and --replace exclude each other.", hint="--key updates rows, --replace drops them.")
    return "upsert" if key else "replace" if replaces else "append"


def _kinds(entries: list[str] | None) -> dict[str, str]:
    kinds = pairs(entries, "--pii", "column=kind")
    for kind in kinds.values():
        check_kind(kind)
    return kinds


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _told(done: Report) -> None:
    show.report(done)
    if done.dry_run:
        show.table(["column", "type", "PII", "unit"], [[c.name, c.type, c.pii or "", c.unit] for c in done.columns])
        show.line("dry run: nothing was written")
    for r in done.rejects.slice(0, 5).to_pylist():
        show.line(f"  rejected line {r['line']} (byte {r['byte_offset']}): {r['reason']}")
    if done.rejected and not done.dry_run:
        show.remark(f"lh rejects {done.name} --out fix.csv   mend it, then   lh rejects {done.name} --replay fix.csv")


@app.command()
def rejects(
    name: Annotated[str, typer.Argument(help="Dataset.")],
    snapshot: Annotated[int | None, typer.Option(help="Only those of this snapshot.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the raw rows to this file, to mend by hand.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Append a mended file.")] = None,
    show_pii: PiiOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Rows that ingests set aside: where, why, and their raw text; mend and replay them."""
    if replay and (out or snapshot is not None):
        raise InvalidError("--replay excludes --out and --snapshot.", hint=f"lh rejects {name} --replay {replay}")
    with workbench(lake) as wb, Bar() as bar:
        if replay:
            _told(wb.lake.replay(name, replay, bar))
        elif out:
            show.line(f"{wb.lake.rejects_to_fix(name, out, snapshot):,} rows written to {out} as they came, not masked")
            show.line(f"mend them, then: lh rejects {name} --replay {out}")
        else:
            shown = _shown(wb, name, wb.lake.rejects(name, snapshot), show_pii=show_pii)
            rows = [{"snapshot": f.snapshot.version, **r} for f in shown for r in f.rows.to_pylist()]
            show.json_out(rows) if as_json else _rows_aside(name, rows)


def _shown(wb: Workbench, name: str, found: list[Rejected], *, show_pii: bool) -> list[Rejected]:
    """What is shown of rejected rows: masked, or as they are, and then the access log says so."""
    manifest = wb.lake.get(name)
    if not show_pii:
        return [replace(one, rows=covered(one.rows, manifest.pii)) for one in found]
    wb.logs.access.note(shown_of("rejects", [manifest], rows=sum(one.rows.num_rows for one in found)))
    return found


def _rows_aside(name: str, rows: list[dict[str, object]]) -> None:
    if not rows:
        show.line(f"No ingest of {name} set rows aside.")
        return
    columns = ["snapshot", "line", "byte_offset", "column", "reason", "raw"]
    show.table(columns, [[r[c] for c in columns] for r in rows], right=columns[:3])
