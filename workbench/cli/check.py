"""``lh check``: what a dataset is expected to hold, and whether it does."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import grid, show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, workbench
from workbench.cli.progress import Bar
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.lake.expectations import Expectation
    from workbench.lake.findings import Finding
    from workbench.lake.lake import Lake
    from workbench.lake.sql.engine import Progress


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="Dataset, or a version of it: workers@2.")],
    expect: Annotated[list[str] | None, typer.Option(help='"unique(worker_id)"; repeatable. Else those kept.')] = None,
    file: Annotated[Path | None, typer.Option(help="A TOML file: workers = ['unique(worker_id)', …].")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep these expectations with the dataset.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Keep these no longer; without --expect none at all.")] = False,
    suggest: Annotated[bool, typer.Option("--suggest", help="Propose expectations that hold now.")] = False,
    as_json: JsonOption = False,
    show_pii: PiiOption = False,
    lake: LakeOption = None,
) -> None:
    """Check what a dataset is expected to hold; exit 1 when something does not.

    unique(a, b) · not_null(a, b) · range(a, 0, 1) · pattern(a, '[0-9]{5}') · reference(a, cities.city) ·
    values(a, 'x', 'y') · rows(1, ). NULL passes everything but not_null.
    """
    check_options(keep=keep, drop=drop, suggest=suggest, given=bool(expect or file))
    with workbench(lake) as wb, Bar() as bar:
        asked = asked_for(wb.lake, dataset, expect, file)
        if drop:
            dropped(wb.lake, dataset, asked)
            return
        if suggest or not (asked or wb.lake.get(dataset).about.expectations):
            suggested(wb.lake, dataset, bar, keep=keep, as_json=as_json)
            return
        found = checked(wb.lake, dataset, asked, bar, keep=keep, show_pii=show_pii)
    show.json_out([f.to_dict() for f in found]) if as_json else _told(found, dataset)
    if any(f.failed for f in found):
        raise typer.Exit(1)


def check_options(*, keep: bool, drop: bool, suggest: bool, given: bool) -> None:
    """Raise InvalidError for options that exclude each other or mean nothing alone."""
    if keep and drop:
        raise InvalidError("--keep and --drop exclude each other.", hint="Choose one of them.")
    if suggest and (drop or given):
        raise InvalidError("--suggest goes with --keep alone.", hint="--suggest proposes, --expect says what to check.")
    if keep and not (given or suggest):
        raise InvalidError("--keep needs something to keep.", hint='--expect "unique(worker_id)" --keep')


def asked_for(lake: Lake, dataset: str, lines: list[str] | None, file: Path | None) -> tuple[Expectation, ...]:
    """The expectations that were written and those of the file. Raises NotFoundError for the dataset too."""
    from workbench.lake.expectations import parse_all, read_file

    name = lake.get(dataset).name
    return parse_all([*(lines or ()), *(read_file(file, name) if file else ())])


def checked(
    lake: Lake, dataset: str, asked: tuple[Expectation, ...], bar: Progress, *, keep: bool, show_pii: bool
) -> tuple[Finding, ...]:
    """The findings; what was asked is kept once it is known that it can be checked."""
    from workbench.lake.sql.engine import Watch

    found = lake.check(dataset, asked, show_pii=show_pii, watch=Watch(on_progress=bar, stage="check"))
    if keep:
        lake.expect(lake.get(dataset).name, asked)
    return found


def dropped(lake: Lake, dataset: str, asked: tuple[Expectation, ...]) -> None:
    """Keep these no longer, or none when none are named."""
    name = lake.get(dataset).name
    gone = [e.text for e in asked] or lake.get(name).about.expectations
    if not gone:
        show.line(f"{name}  nothing was expected of it")
        return
    left = lake.expect(name, gone, drop=True).about.expectations
    show.line(f"{name}  {len(gone)} dropped, {len(left)} kept{': ' if left else ''}{', '.join(left)}")


def suggested(lake: Lake, dataset: str, bar: Progress, *, keep: bool, as_json: bool) -> None:
    """Expectations that hold now, a line each, ready to paste."""
    from workbench.lake.sql.engine import Watch

    manifest = lake.get(dataset)
    found = lake.suggest(dataset, watch=Watch(on_progress=bar, stage="suggest"))
    if keep and found:
        lake.expect(manifest.name, found)
    if as_json:
        show.json_out([e.text for e in found])
        return
    if not (keep or manifest.about.expectations):
        show.remark(f"Nothing is expected of {manifest.name} yet.{' What holds now:' if found else ''}")
    for e in found:
        show.line(f"--expect {shell(e.text)}")
    if not found:
        show.remark(f"{manifest.name} has no rows that something could be read from.")
    elif keep:
        show.remark(f"kept with {manifest.name}; lh check {manifest.name} checks them")
    else:
        show.remark(f"lh check {manifest.name} --expect … --keep   keeps some; --suggest --keep keeps all")


def _told(found: tuple[Finding, ...], dataset: str) -> None:
    for f in found:
        mark = show.styled("✗", "bold red", sys.stdout) if f.failed else show.styled("✓", "green", sys.stdout)
        sys.stdout.write(f"{mark} {grid.clean(f'{f.expectation.text}: {f.says}')}\n")
        if f.examples:
            show.line(f"    {' · '.join(map(str, f.examples))}")
        if f.failed:
            show.line(f"    {f.hint or f'lh sql {shell(f.sql)}'}")
    failed = sum(bool(f.failed) for f in found)
    said = f"{failed} of {len(found)} failed" if failed else f"all {len(found)} hold"
    show.remark(f"{said} · {dataset} · {found[0].rows:,} rows" if found else said)


def shell(text: str) -> str:
    """A text as one word of a shell, in double quotes where nothing in it means something to a shell."""
    return shlex.quote(text) if set(text) & set('"$`!') or "\\\\" in text or text.endswith("\\") else f'"{text}"'
