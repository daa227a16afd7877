"""What the magics about the lake show: its datasets, a profile, a diff, a report, findings, what was asked."""

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kernel_ext import log_views
from kernel_ext.bar import Bar
from kernel_ext.demo import use_demo
from kernel_ext.sheet import Checked, Lines, Sheet, printed, tabled, without_empty
from workbench.cli import grid, show
from workbench.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from kernel_ext.session import Session
    from workbench.lake.loading.report import Report
    from workbench.lake.snapshots import Diff
    from workbench.lake.sql.engine import Watch
    from workbench.lake.tables.manifest import Manifest

VERBS = ("ls", "use", "demo", "describe", "sample")
SAMPLE = 10
COMMON = 0.005  # share of the rows; less rounds to nothing


def lake(session: Session, asked: Namespace) -> Sheet:
    """What ``%lh`` shows."""
    if asked.verb not in VERBS:
        if asked.name or session.wb.catalog.find(asked.verb.partition("@")[0]) is None:
            known = [*VERBS, *session.wb.catalog.names()]
            raise NotFoundError.named("verb or dataset", asked.verb, known, hint="%lh --help")
        asked.verb, asked.name = "describe", asked.verb
    if asked.verb not in {"ls", "demo"} and not asked.name:
        what = "a folder or s3://bucket/prefix" if asked.verb == "use" else "a dataset"
        raise InvalidError(f"%lh {asked.verb} needs {what}.", hint=f"%lh {asked.verb} NAME")
    if asked.verb == "use":
        session.use(asked.name)
    elif asked.verb == "demo":
        use_demo(session, asked.name, asked.workers)
    elif asked.verb == "describe":
        return described(session, asked)
    elif asked.verb == "sample":
        return sample(session, asked)
    return listed(session)


def listed(session: Session) -> Sheet:
    """The lake and its datasets."""
    wb = session.wb
    found = wb.datasets()
    table = tabled(
        {
            "dataset": [m.name for m in found],
            "v": [m.version for m in found],
            "rows": [m.row_count for m in found],
            "columns": [len(m.columns) for m in found],
            "size": [show.size(m.size_bytes) for m in found],
            "changed": [age(m.snapshot.created_at) for m in found],
            "PII": [" ".join(m.pii) for m in found],
            "expected": [len(m.about.expectations) for m in found],
            "last": [m.snapshot.operation for m in found],
        }
    )
    empty = "No datasets yet: %lhingest FILE loads one (CSV, Parquet, JSON, Excel); %lh demo has an agency's data."
    said_below = {"lake", "embedder"}
    changed = [row for row in wb.settings.rows() if row["origin"] != "default" and row["name"] not in said_below]
    said = ", ".join(f"{row['name']} = {row['value']}" for row in changed)
    parts = [place(wb.settings.lake, wb.settings.origins["lake"]), f"embedder {wb.settings.embedder}"]
    parts += [f"set: {said}"] if said else []
    shown = grid.grouped(without_empty(table, ("PII", "expected")), "rows")
    return Sheet(session, table, caption=" · ".join(parts), notes=[] if found else [empty], data=found, shown=shown)


def place(lake_url: str, origin: str) -> str:
    """The lake in full, who said so, and that it is not there when it is not."""
    said = {"keyword": "%lh use", "environment": "LH_LAKE"}.get(origin, origin)
    if "://" in lake_url:
        return f"lake {lake_url} ({said})"
    folder = Path(lake_url).expanduser().absolute()
    return f"lake {folder} ({said}{'' if folder.exists() else '; not there yet, the first ingest makes it'})"


def age(moment: dt.datetime, now: dt.datetime | None = None) -> str:
    """How long ago: ``just now``, ``5 min ago``, ``3 h ago``, ``2 d ago``."""
    seconds = ((now or dt.datetime.now(dt.UTC)) - moment).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"


def described(session: Session, asked: Namespace) -> Sheet:
    """What the catalog knows of a dataset."""
    from workbench.cli.app import pairs

    if asked.pii:
        session.wb.lake.annotate(asked.name, pii_tags=pairs(asked.pii, "--pii", "column=kind"))
    m = session.wb.lake.get(asked.name)
    table = tabled(
        {
            "column": [c.name for c in m.columns],
            "type": [c.type for c in m.columns],
            "PII": [c.pii for c in m.columns],
            "unit": [c.unit for c in m.columns],
        }
    )
    notes = [m.about.description, f"owner {m.about.owner}" if m.about.owner else "", " ".join(m.about.tags)]
    notes += [f"expected: {'; '.join(m.about.expectations)}"] if m.about.expectations else []
    return Sheet(session, table, caption=_version(m), notes=notes, data=m, shown=without_empty(table, ("PII", "unit")))


def _version(m: Manifest) -> str:
    snapshot = m.snapshot
    parts = [
        f"{m.name}@{m.version}",
        f"{m.row_count:,} rows × {len(m.columns)} columns",
        show.size(m.size_bytes),
        f"{snapshot.operation} {show.when(snapshot.created_at)}{f' by {snapshot.by}' if snapshot.by else ''}",
        snapshot.message,
        f"from {snapshot.source.file}" if snapshot.source else "",
    ]
    return " · ".join(part for part in parts if part)


def sample(session: Session, asked: Namespace) -> Sheet:
    """Some rows of a dataset, the same ones each time."""
    from workbench.lake.sql.versions import ref_sql

    if asked.n < 1:
        raise InvalidError(f"-n {asked.n}: a sample has at least one row.", hint=f"-n {SAMPLE}")
    m = session.wb.lake.get(asked.name)
    sql = f"SELECT * FROM {ref_sql(asked.name)} USING SAMPLE reservoir({asked.n} ROWS) REPEATABLE (1)"
    with session.running(stage="sample") as watch:
        answer = session.wb.sql(sql, show_pii=asked.show_pii, watch=watch)
    masked = f" · masked: {', '.join(answer.masked)} (--show-pii)" if answer.masked else ""
    said = f"{answer.row_count:,} of {m.row_count:,} rows, at random · {m.name}@{m.version}{masked}"
    return Sheet(session, answer.table, caption=said, data=answer)


def names(text: str) -> tuple[str, ...]:
    """``a, b`` as names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def loaded(session: Session, done: Report) -> Sheet:
    """The report of an ingest: its columns, and the lines that ``lh ingest`` prints."""
    lines = printed(lambda: show.report(done))
    for row in done.rejects.slice(0, 5).to_pylist():
        lines.append(f"  rejected line {row['line']} (byte {row['byte_offset']}): {row['reason']}")
    if done.rejected and not done.dry_run:
        lines.append(
            f"  !lh rejects {done.name} --out fix.csv   mend it, then   !lh rejects {done.name} --replay fix.csv"
        )
    table = tabled(
        {
            "column": [c.name for c in done.columns],
            "type": [c.type for c in done.columns],
            "PII": [c.pii for c in done.columns],
            "unit": [c.unit for c in done.columns],
        }
    )
    said, notes = lines[0], [*lines[1:], *(["dry run: nothing was written"] if done.dry_run else [])]
    return Sheet(session, table, caption=said, notes=notes, data=done, shown=without_empty(table, ("PII", "unit")))


def profile(session: Session, asked: Namespace) -> Sheet:
    """Facts of every column."""
    with Bar(session.shell, "profile") as bar:
        found = session.wb.lake.profile(asked.dataset, show_pii=asked.show_pii, watch=_watch(bar, "profile"))
    table = tabled(
        {
            "column": [p.name for p in found],
            "type": [p.type for p in found],
            "PII": [p.pii for p in found],
            "nulls": [p.nulls for p in found],
            "distinct": [p.distinct for p in found],
            "least": [p.least for p in found],
            "greatest": [p.greatest for p in found],
            "mean": [p.mean for p in found],
            "most common": [", ".join(f"{v} {s:.0%}" for v, s in p.top if s >= COMMON) for p in found],
        }
    )
    rows = f" · {found[0].rows:,} rows" if found else ""
    means = pa.array(["" if p.mean is None else number(p.mean) for p in found], pa.string())
    shown = without_empty(table.set_column(table.column_names.index("mean"), "mean", means), ("PII", "mean"))
    said = f"{asked.dataset}{rows} · distinct is an estimate"
    return Sheet(session, table, caption=said, data=tuple(found), shown=shown)


def number(value: float) -> str:
    """Four digits that tell: ``0.7237``, ``10,000``; only what is beyond reading is written with a power of ten."""
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e15 else f"{value:,.4g}"


def _watch(bar: Bar, stage: str) -> Watch:
    from workbench.lake.sql.engine import Watch

    return Watch(on_progress=bar, stage=stage)


def diff(session: Session, asked: Namespace) -> Sheet:
    """What changed between two versions; the table is a sample of changed rows, old beside new."""
    with Bar(session.shell, "diff") as bar:
        d = session.wb.lake.diff(
            asked.old, asked.new, key=names(asked.key), show_pii=asked.show_pii, watch=_watch(bar, "diff")
        )
    parts = [
        f"{d.name} v{d.old} {d.rows_old:,} rows → v{d.new} {d.rows_new:,} rows",
        f"+ {d.added:,} added - {d.removed:,} removed ~ {d.changed:,} changed",
        f"by {', '.join(d.key)}" if d.key else "rows compared whole (no unique key; --key names one)",
        f"{d.sample.num_rows:,} changed rows shown" if d.sample.num_rows < d.changed else "",
    ]
    changed = sorted(d.changed_by_column.items(), key=lambda pair: -pair[1])
    notes = [*map(str, d.columns), *(f"~ {name}: {n:,} value{'s'[: n != 1]}" for name, n in changed)]
    told = [name for name in d.sample.column_names if not d.key or _tells(name, d)]
    shown = d.sample.select(told) if d.sample.num_rows else pa.table({})
    caption = " · ".join(part for part in parts if part)
    return Sheet(session, d.sample, caption=caption, notes=notes, data=d, shown=shown)


def _tells(name: str, d: Diff) -> bool:
    """Whether a column of the sample is a key or has changed."""
    from workbench.lake.snapshots import sampled_column

    column = sampled_column(name)
    return column in d.key or column in d.changed_by_column


def check(session: Session, asked: Namespace) -> Sheet:
    """What holds of a dataset; or the expectations that are proposed or dropped."""
    from workbench.cli import check as command

    held, ref, lines = session.wb.lake, asked.dataset, [*asked.expectations, *asked.expect]
    given = bool(lines or asked.file)
    command.check_options(keep=asked.keep, drop=asked.drop, suggest=asked.suggest, given=given)
    wanted = command.asked_for(held, ref, lines, asked.file)
    if asked.drop:
        return _kept(session, ref, printed(lambda: command.dropped(held, ref, wanted)))
    with Bar(session.shell, "check") as bar:
        if asked.suggest or not (wanted or held.get(ref).about.expectations):
            return _suggested(session, asked, bar)
        found = command.checked(held, ref, wanted, bar, keep=asked.keep, show_pii=asked.show_pii)
        return Checked(session, found, ref, kept=asked.keep)


def _suggested(session: Session, asked: Namespace, bar: Bar) -> Sheet:
    held, m = session.wb.lake, session.wb.lake.get(asked.dataset)
    found = held.suggest(asked.dataset, watch=_watch(bar, "suggest"))
    if asked.keep and found:
        held.expect(m.name, found)
    nothing = "" if m.about.expectations or asked.keep else f"Nothing is expected of {m.name} yet. What holds now:"
    if not found:
        nothing = f"{m.name} has no rows that something could be read from."
    said = f"kept with {m.name}" if asked.keep else f"%lhcheck {m.name} --suggest --keep keeps all; or name some"
    said = said if found else '%lhcheck DATASET "not_null(column)" checks what you name'
    table = tabled({"expectation": [e.text for e in found]})
    return Lines(session, table, caption=said, notes=[nothing], data=found)


def _kept(session: Session, ref: str, notes: list[str]) -> Sheet:
    left = session.wb.lake.get(ref).about.expectations
    return Lines(session, tabled({"expectation": left}), notes=notes, data=left)


def history(session: Session, asked: Namespace) -> Sheet:
    """What was asked, newest first: SQL of this session, searches of the whole lake; or one of its other logs."""
    chosen = [name for name in ("sql", "searches", *log_views.VIEWS) if getattr(asked, name)]
    if len(chosen) > 1:
        said = f"--{chosen[0]} and --{chosen[1]} exclude each other."
        raise InvalidError(said, hint="Without any, SQL and searches are shown.")
    if asked.k < 1:
        raise InvalidError(f"-k {asked.k}: at least one is needed.", hint="-k 20")
    if chosen and chosen[0] in log_views.VIEWS:
        return log_views.log(session, chosen[0], asked.k)
    return _asked(session, asked)


def _asked(session: Session, asked: Namespace) -> Sheet:
    from workbench.cli.history import searches

    wb = session.wb
    moved = asked.sql or wb.journal is None or wb.journal.flush()
    found = [] if asked.sql else [_search_row(row) for row in searches(wb, asked.k)]
    if not asked.searches:
        found += [
            (
                a.at,
                "sql",
                a.sql,
                " ".join(f"{n}@{v}" for n, v in a.snapshots.items()),
                a.rows,
                round(a.elapsed_s * 1000, 1),
            )
            for a in session.history
        ]
    found = sorted(found, key=lambda row: row[0], reverse=True)[: asked.k]
    columns = ("when", "what", "asked", "read", "rows", "ms")
    table = tabled({name: [row[i] for row in found] for i, name in enumerate(columns)})
    notes = [] if moved else ["The newest searches wait on this machine: the lake could not be written."]
    said = f"{len(found)} shown" if found else 'Nothing has been asked yet: %lhsql SELECT 1, %lhsearch "forklift"'
    times = pa.array([f"{row[0].astimezone():%-d %b %H:%M:%S}" for row in found], pa.string())
    shown = without_empty(table.set_column(0, "when", times), ("read", "rows", "ms"))
    return Sheet(session, table, caption=said, notes=notes, data=tuple(found), shown=shown)


def _search_row(row: dict[str, Any]) -> tuple[Any, ...]:
    when = row["happened_at"]
    moment = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return moment, "search", row["query"], f"{row['dataset']}@{row['snapshot']}", len(row["shown"] or ()), None
