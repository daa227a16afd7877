"""Commands about datasets and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, pairs, workbench
from workbench.cli.progress import Bar

if TYPE_CHECKING:
    from workbench.lake.profile import ColumnProfile
    from workbench.lake.snapshots import Diff
    from workbench.lake.tables.manifest import Manifest

_COMMON = 0.005  # share of the rows

Ref = Annotated[str, typer.Argument(help="Dataset, or a version of it: workers@2, workers@2026-11-01.")]
Name = Annotated[str, typer.Argument(help="Dataset.")]


@app.command()
def ls(as_json: JsonOption = False, lake: LakeOption = None) -> None:
    """List the datasets."""
    with workbench(lake) as wb:
        found = wb.datasets()
    if as_json:
        show.json_out([m.to_dict() for m in found])
    elif not found:
        show.line("No datasets yet — lh demo, or lh ingest FILE")
    else:
        show.table(
            ["dataset", "v", "rows", "columns", "size", "PII", "changed", "from"],
            [[m.name, m.version, f"{m.row_count:,}", len(m.columns), show.size(m.size_bytes), " ".join(m.pii),
              show.when(m.snapshot.created_at), m.snapshot.source.file if m.snapshot.source else ""] for m in found],
            right=["v", "rows", "columns", "size"],
        )  # fmt: skip


@app.command()
def describe(
    ref: Ref,
    owner: Annotated[str | None, typer.Option(help="Set the owner.")] = None,
    text: Annotated[str | None, typer.Option("--description", help="Set the description.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Set the tags; repeatable.")] = None,
    pii: Annotated[list[str] | None, typer.Option(help="column=kind sets a PII tag, column= removes it.")] = None,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Show what the catalog knows of a dataset; with options, say more of it."""
    with workbench(lake) as wb:
        if any(x is not None for x in (owner, text, tag, pii)):
            tags = pairs(pii, "--pii", "column=kind")
            wb.lake.annotate(ref, owner=owner, description=text, tags=tag, pii_tags=tags)
        manifest = wb.lake.get(ref)
    show.json_out(manifest.to_dict()) if as_json else _described(manifest)


def _described(m: Manifest) -> None:
    about = m.about
    show.line(f"{m.name}  v{m.version}  {m.row_count:,} rows  {show.size(m.size_bytes)}  {m.dataset_id}")
    show.line(f"fingerprint {m.fingerprint}")
    source = m.snapshot.source
    for label, value in (
        ("owner", about.owner),
        ("about", about.description),
        ("tags", " ".join(about.tags)),
        ("created", show.when(m.created_at)),
        (
            "changed",
            f"{show.when(m.snapshot.created_at)} by {m.snapshot.by or 'nobody named'} ({m.snapshot.operation})",
        ),
        ("source", f"{source.file} sha256 {source.sha256}" if source else ""),
    ):
        if value:
            show.line(f"{label:<8} {value}")
    show.table(
        ["column", "type", "PII", "unit", "stored as"],
        [[c.name, c.type, c.pii, c.unit, c.stored] for c in m.columns],
        wrap=True,
    )


@app.command()
def profile(ref: Ref, show_pii: PiiOption = False, as_json: JsonOption = False, lake: LakeOption = None) -> None:
    """Facts of every column: nulls, distinct values, range, most common values."""
    from workbench.lake.sql.engine import Watch

    with workbench(lake) as wb, Bar() as bar:
        found = wb.lake.profile(ref, show_pii=show_pii, watch=Watch(on_progress=bar, stage="profile"))
    if as_json:
        show.json_out([p.to_dict() for p in found])
        return
    show.table(
        ["column", "type", "PII", "nulls", "distinct", "least", "greatest", "mean", "most common"],
        [[p.name, p.type, p.pii, f"{p.nulls:,}", f"{p.distinct:,}", _short(p.least, 24), _short(p.greatest, 24),
          "" if p.mean is None else p.mean, _common(p)] for p in found],
        right=["nulls", "distinct", "mean"], wrap=True,
    )  # fmt: skip


def _common(p: ColumnProfile) -> str:
    """The most common values with their shares; a share that rounds to nothing is not common."""
    return ", ".join(f"{_short(v, 18)} {s:.0%}" for v, s in p.top if s >= _COMMON)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


@app.command()
def snapshots(name: Name, as_json: JsonOption = False, lake: LakeOption = None) -> None:
    """All versions of a dataset, newest first."""
    with workbench(lake) as wb:
        found, kept = wb.lake.snapshots(name), wb.lake.get(name).about.expired_before
    if as_json:
        show.json_out([s.to_dict() | {"expired": s.version < kept} for s in found])
        return
    show.table(
        ["v", "when", "what", "rows", "added", "rejected", "by", "from", "message"],
        [[s.version, show.when(s.created_at), s.operation + (" (expired)" if s.version < kept else ""),
          "" if s.rows is None else f"{s.rows:,}", f"{s.added:,}", f"{s.rejected:,}", s.by,
          s.source.file if s.source else "", s.message] for s in found],
        right=["v", "rows", "added", "rejected"],
    )  # fmt: skip


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="workers@1")],
    new: Annotated[str, typer.Argument(help="workers@2, or workers for the newest")],
    key: Annotated[str, typer.Option(help="Columns that name a row; else the first unique …_id.")] = "",
    show_pii: PiiOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """What changed between two versions: counts, columns, changed rows."""
    from workbench.lake.sql.engine import Watch

    with workbench(lake) as wb, Bar() as bar:
        names = [k.strip() for k in key.split(",") if k.strip()]
        found = wb.lake.diff(old, new, key=names, show_pii=show_pii, watch=Watch(on_progress=bar, stage="diff"))
    show.json_out(found.to_dict()) if as_json else _differs(found)


def _differs(d: Diff) -> None:
    by = f"by {', '.join(d.key)}" if d.key else "rows compared whole (no unique key; --key names one)"
    show.line(f"{d.name}  v{d.old} {d.rows_old:,} rows → v{d.new} {d.rows_new:,} rows  {by}")
    show.line(f"+ {d.added:,} added   - {d.removed:,} removed   ~ {d.changed:,} changed")
    show.changes(d.columns)
    for name, n in sorted(d.changed_by_column.items(), key=lambda p: -p[1]):
        show.line(f"  ~ {name}: {n:,} values")
    if d.sample.num_rows:
        shown = [n for n in d.sample.column_names if not d.key or _tells(n, d)]
        show.arrow(d.sample.select(shown))
        if d.changed > d.sample.num_rows:
            show.remark(f"{d.sample.num_rows} of {d.changed:,} changed rows")


def _tells(name: str, d: Diff) -> bool:
    """Whether a column of the sample is a key or has changed."""
    from workbench.lake.snapshots import sampled_column

    column = sampled_column(name)
    return column in d.key or column in d.changed_by_column


@app.command()
def restore(
    ref: Annotated[str, typer.Argument(help="The version to bring back: workers@1.")],
    message: Annotated[str, typer.Option("-m", "--message", help="Why, for the history.")] = "",
    lake: LakeOption = None,
) -> None:
    """Make an older version the newest, as a new snapshot; nothing is lost."""
    with workbench(lake) as wb:
        m = wb.lake.restore(ref, message)
    show.line(f"{m.name}  v{m.version}  {m.row_count:,} rows, as in {ref}")


@app.command()
def compact(name: Name, lake: LakeOption = None) -> None:
    """Rewrite a dataset's many files as one."""
    from workbench.lake.sql.engine import Watch

    with workbench(lake) as wb, Bar() as bar:
        before = wb.lake.get(name)
        m = wb.lake.compact(name, watch=Watch(on_progress=bar, stage="compact"))
    if m.version == before.version:
        show.line(f"{m.name}  v{m.version}  one file already, nothing to do")
    else:
        show.line(f"{m.name}  v{m.version}  {len(before.files)} files → {len(m.files)}  {show.size(m.size_bytes)}")


@app.command()
def expire(
    name: Name, keep: Annotated[int, typer.Option(min=1, help="Versions to keep.")], lake: LakeOption = None
) -> None:
    """Give up old versions and the files that only they need."""
    with workbench(lake) as wb:
        gone = wb.lake.expire(name, keep=keep)
    show.line(f"{name}  {gone.files:,} files removed, {show.size(gone.size_bytes)} freed")
