"""``lh history``: the last searches, from the search log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench

if TYPE_CHECKING:
    from workbench.session import Workbench

_SHOWN = 5
_LAST = """\
SELECT s.happened_at, s.search_id, s.position, s.query, s.dataset, s.snapshot, s.filters, s.criteria, s.shown,
  flatten(list(c.chosen) FILTER (c.chosen IS NOT NULL)) AS chosen
FROM searches AS s LEFT JOIN searches AS c ON c.event = 'choice' AND c.search_id = s.search_id
WHERE s.event = 'search'
GROUP BY ALL ORDER BY s.happened_at DESC, s.search_id LIMIT $last"""


@app.command()
def history(
    last: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 20,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Show the last searches: when, what was asked, who was shown and who was chosen."""
    with workbench(lake) as wb:
        moved = wb.journal.flush() if wb.journal else True
        rows = searches(wb, last)
        failed = "" if moved or wb.journal is None else wb.journal.stats().last_error
    if as_json:
        show.json_out(rows)
    elif rows:
        _told(rows)
    else:
        show.remark("No search has been noted in this lake.")
    if not moved:
        show.caution(
            f"The newest searches could not be written into the lake; they wait on this machine. {failed}".rstrip()
        )


def searches(wb: Workbench, last: int) -> list[dict[str, Any]]:
    """The ``last`` searches of the log, the newest first, personal data masked."""
    if wb.catalog.find("searches") is None:
        return []
    return list(wb.sql(_LAST, {"last": last}).table.to_pylist())


def _told(rows: list[dict[str, Any]]) -> None:
    lines = [
        (
            show.when(row["happened_at"]),
            row["query"],
            row["position"] or "",
            f"{row['dataset']}@{row['snapshot']}",
            _ids(row["shown"]),
            _ids(row["chosen"]),
        )
        for row in rows
    ]
    show.table(["when", "query", "position", "dataset", "shown", "chosen"], lines)


def _ids(ids: list[str] | None) -> str:
    if not ids:
        return ""
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
