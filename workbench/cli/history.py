"""``lh history``: what was searched, asked of models, iterated, and shown of personal data: the logs of the lake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.session import Workbench

Row = dict[str, Any]

_SHOWN = 5
_LAST = """\
SELECT s.happened_at, s.search_id, s.position, s.query, s.dataset, s.snapshot, s.filters, s.criteria, s.shown,
  flatten(list(c.chosen) FILTER (c.chosen IS NOT NULL)) AS chosen
FROM searches AS s LEFT JOIN searches AS c ON c.event = 'choice' AND c.search_id = s.search_id
WHERE s.event = 'search'
GROUP BY ALL ORDER BY s.happened_at DESC, s.search_id LIMIT $last"""
_CALLS = "SELECT * FROM llm_calls ORDER BY happened_at DESC, call_id LIMIT $last"
_SESSIONS = "SELECT * EXCLUDE (line) FROM iterate_sessions ORDER BY timestamp DESC, session_id LIMIT $last"
_ACCESS = "SELECT * FROM pii_access ORDER BY happened_at DESC, access_id LIMIT $last"


@dataclass(frozen=True, slots=True)
class _Kind:
    """One log: its dataset, a column it is known by, its newest rows, how a row is told, what is said without any."""

    dataset: str
    key: str
    sql: str
    columns: Sequence[str]
    cells: Callable[[Row], Sequence[Any]]
    none: str


def _search(row: Row) -> Sequence[Any]:
    at = f"{row['dataset']}@{row['snapshot']}"
    return (
        show.when(row["happened_at"]),
        row["query"],
        row["position"] or "",
        at,
        _ids(row["shown"]),
        _ids(row["chosen"]),
    )


def _call(row: Row) -> Sequence[Any]:
    about = "~" if row["estimated"] else ""
    used = [row[name] for name in ("prompt_tokens", "completion_tokens") if row[name] is not None]
    model = f"{row['provider']}/{row['model']}" if row["provider"] else row["asked"]
    cost = "?" if row["cost_usd"] is None else f"{row['cost_usd']:.4f}"
    tokens = about + " + ".join(f"{n:,}" for n in used) if used else ""
    took = f"{row['duration_s']:.1f} s"
    return show.when(row["happened_at"]), row["task"], model, row["outcome"], tokens, cost, took, row["trace_id"] or ""


def _session(row: Row) -> Sequence[Any]:
    grounded = {True: "yes", False: "no", None: ""}[row["grounded_in_roster"]]
    tried = f"{row['iterations']} of {row['max_iterations']}"
    took = f"{row['duration_ms'] / 1000:.1f} s"
    words = (row["kind"], row["model"], row["final_verdict"], grounded, tried, took, row["session_id"])
    return show.when(row["timestamp"]), *words


def _look(row: Row) -> Sequence[Any]:
    datasets, columns = (", ".join(row[name] or ()) for name in ("datasets", "columns"))
    words = (
        row["user"] or "",
        row["door"],
        row["what"],
        datasets,
        columns,
        row["statement"] or "",
        row["purpose"] or "",
    )
    return show.when(row["happened_at"]), *words


_SEARCHES = _Kind(
    "searches",
    "search_id",
    _LAST,
    ("when", "query", "position", "dataset", "shown", "chosen"),
    _search,
    "No search has been noted in this lake.",
)
_OTHERS = {
    "calls": _Kind(
        "llm_calls",
        "call_id",
        _CALLS,
        ("when", "task", "model", "outcome", "tokens", "US$", "took", "run"),
        _call,
        "No call of a model has been noted in this lake.",
    ),
    "sessions": _Kind(
        "iterate_sessions",
        "session_id",
        _SESSIONS,
        ("when", "kind", "model", "verdict", "grounded", "attempts", "took", "session"),
        _session,
        "No run of the loop has been noted in this lake.",
    ),
    "access": _Kind(
        "pii_access",
        "access_id",
        _ACCESS,
        ("when", "user", "door", "what", "datasets", "columns", "statement", "purpose"),
        _look,
        "Nobody has been noted to look at unmasked personal data of this lake.",
    ),
}


@app.command()
def history(
    calls: Annotated[bool, typer.Option("--calls", help="Calls of models: tokens, cost, how they ended.")] = False,
    sessions: Annotated[bool, typer.Option("--sessions", help="Runs of the loop: verdict, grounded or not.")] = False,
    access: Annotated[bool, typer.Option("--access", help="Looks at unmasked personal data: who and what.")] = False,
    last: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 20,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Show the last searches, or calls of models, runs of the loop, looks at personal data; the newest first."""
    kind = _chosen(calls=calls, sessions=sessions, access=access)
    with workbench(lake) as wb:
        waiting = _flushed(wb, kind)
        rows = _newest(wb, kind, last)
    if as_json:
        show.json_out(rows)
    elif rows:
        show.table(list(kind.columns), [kind.cells(row) for row in rows])
    else:
        show.remark(kind.none)
    if waiting is not None:
        newest = "searches" if kind is _SEARCHES else "rows"
        show.caution(
            f"The newest {newest} could not be written into the lake; they wait on this machine. {waiting}".rstrip()
        )


def searches(wb: Workbench, last: int) -> list[Row]:
    """The ``last`` searches of the log, the newest first, personal data masked."""
    return _newest(wb, _SEARCHES, last)


def _chosen(**asked: bool) -> _Kind:
    names = [name for name, wanted in asked.items() if wanted]
    if len(names) > 1:
        raise InvalidError(f"--{names[0]} excludes --{names[1]}.", hint=f"lh history --{names[0]}")
    return _OTHERS[names[0]] if names else _SEARCHES


def _flushed(wb: Workbench, kind: _Kind) -> str | None:
    """What went wrong while the newest rows were put into the lake; None when nothing did."""
    own = {"llm_calls": "calls", "iterate_sessions": "sessions", "pii_access": "access"}.get(kind.dataset)
    log = getattr(wb.logs, own) if own else wb.journal
    return None if log is None or log.flush() else str(log.stats().last_error)


def _newest(wb: Workbench, kind: _Kind, last: int) -> list[Row]:
    found = wb.catalog.find(kind.dataset)
    if found is None or found.column(kind.key) is None:  # none, or somebody's own dataset of that name
        return []
    return list(wb.lake.sql(kind.sql, {"last": last}).table.to_pylist())


def _ids(ids: list[str] | None) -> str:
    if not ids:
        return ""
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
