"""The lake's logs as ``%lhhistory`` shows them: calls of models, runs of the loop, looks at personal data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from kernel_ext.sheet import Sheet, without_empty

if TYPE_CHECKING:
    from kernel_ext.session import Session


@dataclass(frozen=True, slots=True)
class View:
    """One log: its dataset, its newest rows, the columns that are left out where they say nothing, what none means."""

    dataset: str
    sql: str
    optional: tuple[str, ...]
    none: str


VIEWS = {
    "calls": View(
        "llm_calls",
        "SELECT happened_at AS \"when\", task, coalesce(provider || '/' || model, asked) AS model, outcome, "
        "prompt_tokens, completion_tokens, cost_usd, duration_s, trace_id AS run "
        "FROM llm_calls ORDER BY happened_at DESC, call_id LIMIT $last",
        ("cost_usd", "run"),
        "No call of a model has been noted in this lake.",
    ),
    "sessions": View(
        "iterate_sessions",
        'SELECT timestamp AS "when", kind, model, final_verdict AS verdict, grounded_in_roster AS grounded, '
        'iterations AS attempts, max_iterations AS "at most", duration_ms AS ms, session_id AS session '
        "FROM iterate_sessions ORDER BY timestamp DESC, session_id LIMIT $last",
        (),
        "No run of the loop has been noted in this lake.",
    ),
    "access": View(
        "pii_access",
        'SELECT happened_at AS "when", "user", door, what, datasets, columns, statement, purpose '
        "FROM pii_access ORDER BY happened_at DESC, access_id LIMIT $last",
        ("statement", "purpose"),
        "Nobody has been noted to look at unmasked personal data of this lake.",
    ),
}


def log(session: Session, name: str, last: int) -> Sheet:
    """The newest rows of a log, personal data masked; what waits on this machine is put into the lake first."""
    view, wb = VIEWS[name], session.wb
    moved = getattr(wb.logs, name).flush()
    notes = () if moved else ("The newest rows wait on this machine: the lake could not be written.",)
    if wb.catalog.find(view.dataset) is None:
        return Sheet(session, pa.table({}), caption=view.none, notes=notes)
    table = wb.sql(view.sql, {"last": last}).table
    times = [f"{moment.astimezone():%-d %b %H:%M:%S}" for moment in table.column("when").to_pylist()]
    shown = without_empty(table.set_column(0, "when", pa.array(times, pa.string())), view.optional)
    caption = f"{table.num_rows} shown · all of it: %lhsql SELECT * FROM {view.dataset}"
    return Sheet(session, table, caption=caption, notes=notes, data=tuple(table.to_pylist()), shown=shown)
