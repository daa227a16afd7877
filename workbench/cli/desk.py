"""``lh shortlist``, ``lh outcome`` and ``lh saved``: what is done with orders all day."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench import pii
from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, workbench
from workbench.cli.validate import read_json, told
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.session import Workbench
    from workbench.staffing.desk import Recorded, SavedSearch, Shortlist
    from workbench.staffing.outcomes import Outcome

ContextOption = Annotated[
    Path | None, typer.Option(help="A JSON file that describes the order, in place of its row in job_orders.")
]
ByOption = Annotated[str, typer.Option(help="Who says so; else the setting user, else the login.")]
_SAVED = ("list", "run", "add", "drop")


@app.command()
def shortlist(
    order: Annotated[str, typer.Argument(help="Id of the order.")],
    workers: Annotated[list[str] | None, typer.Argument(help="Ids of workers: W-12. None: show the list.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take them off.")] = False,
    note: Annotated[str, typer.Option(help="A word about it; personal data in it is masked.")] = "",
    search_id: Annotated[str, typer.Option("--search", help="Id of the search that showed them.")] = "",
    context: ContextOption = None,
    by: ByOption = "",
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Put workers on the shortlist of an order, take them off, or show who is on it."""
    options = {"remove": remove, "note": note, "search_id": search_id, "by": by} if workers else {}
    with workbench(lake) as wb:
        made = wb.shortlist(_order(order, context) or order, workers or (), **options)
    show.json_out(made.to_dict()) if as_json else _shortlisted(made, remove=remove)


@app.command()
def outcome(
    order: Annotated[str | None, typer.Argument(help="Id of the order. None: what was recorded of all.")] = None,
    worker: Annotated[str | None, typer.Argument(help="Id of the worker: W-12.")] = None,
    said: Annotated[
        str | None,
        typer.Argument(metavar="OUTCOME", help="offered, accepted, declined, no_answer, no_show or placed."),
    ] = None,
    at: Annotated[str, typer.Option(help="When it happened: 2026-11-22T08:30, in local time. Else now.")] = "",
    by: ByOption = "",
    verdict: Annotated[str, typer.Option(help="Digest of the artifact that was validated; another is refused.")] = "",
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of a placement.")] = None,
    context: ContextOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge it and write nothing.")] = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Record what became of a worker for an order, judged again first; without an outcome, show what is recorded."""
    asked = _order(order, context)
    last = end.date() if end else None
    with workbench(lake) as wb:
        if said is None or asked is None or worker is None:
            _recorded(wb, asked, worker, as_json=as_json)
            return
        if dry_run:
            _judged(wb, asked, worker, last, as_json=as_json)
            return
        done = wb.record_outcome(asked, worker, said, at=at or None, by=by, verdict=verdict, end=last)
    _done(done, as_json=as_json)


@app.command()
def saved(
    action: Annotated[str, typer.Argument(help="list, run, add or drop.")] = "list",
    name: Annotated[str, typer.Argument(help="Name of the search.")] = "",
    query: Annotated[str, typer.Argument(help="For add: the query, in plain words.")] = "",
    dataset: Annotated[str, typer.Option("--in", help="For add: dataset, or a version of it.")] = "",
    where: Annotated[str, typer.Option(help="For add: any SQL condition on its columns.")] = "",
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many.")] = None,
    role: Annotated[str, typer.Option(help="For add: only this trade.")] = "",
    city: Annotated[str, typer.Option(help="For add: only this city.")] = "",
    exclude: Annotated[list[str] | None, typer.Option(help="For add: id of a row to leave out; repeatable.")] = None,
    mode: Annotated[str, typer.Option(help="For add: hybrid, vector or text.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="For add: in place of the one of that name.")] = False,
    show_pii: PiiOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """List the saved searches, run one, save one, or drop one."""
    given = {"dataset": dataset, "where": where, "k": k, "role": role, "city": city, "exclude": exclude, "mode": mode}
    options = {key: value for key, value in given.items() if value}
    _check_saved(action, name)
    with workbench(lake) as wb:
        if action == "list":
            _listed(wb.desk.searches.all(), as_json=as_json)
        elif action == "run":
            found = wb.desk.run_saved(name, show_pii=show_pii, **options)
            show.json_out(found.to_dict()) if as_json else show.results(found, why=False)
        else:
            adds = action == "add"
            done = wb.save_search(name, query, replace=replace, **options) if adds else wb.desk.searches.drop(name)
            show.json_out(_covered(done)) if as_json else show.line(f"{'saved' if adds else 'dropped'}: {done.name}")


def _check_saved(action: str, name: str) -> None:
    if action not in _SAVED:
        raise InvalidError(f"{action!r} is nothing to do with a saved search.", hint=f"One of: {', '.join(_SAVED)}.")
    if action != "list" and not name:
        raise InvalidError(f"Which search? lh saved {action} needs a name.", hint="lh saved lists them.")


def _order(order: str | None, context: Path | None) -> str | Mapping[str, Any] | None:
    """The order's id, or the context of the file under that id."""
    if context is None:
        return order
    described = read_json(str(context))
    if not isinstance(described, dict):
        raise InvalidError(f"{context} describes no order.", hint='{"role": …, "city": …, "client_id": …}')
    return {**described, "order_id": order} if order else described


def _shortlisted(made: Shortlist, *, remove: bool) -> None:
    if made.entries:
        rows = [
            (f"{n}", one.worker, show.when(one.added_at), one.added_by, one.note)
            for n, one in enumerate(made.entries, 1)
        ]
        show.table(["", "worker", "since", "by", "note"], rows, right=[""])
    else:
        show.line(f"Nobody is on the shortlist of {made.order_id}.")
    if made.unchanged:
        show.remark(f"{'not on it' if remove else 'on it already'}: {', '.join(made.unchanged)}")


def _recorded(wb: Workbench, order: Any, worker: str | None, *, as_json: bool) -> None:
    found = wb.outcomes(order, worker)
    if as_json:
        show.json_out([one.to_dict() for one in found])
    elif found:
        show.table(["when", "order", "worker", "outcome", "by", "verdict"], list(map(_line, found)))
    else:
        show.remark("Nothing is recorded of that.")


def _done(done: Recorded, *, as_json: bool) -> None:
    if as_json:
        show.json_out(done.to_dict())
        return
    show.line(done.says)
    for note in done.notes:
        show.caution(note)


def _line(one: Outcome) -> Sequence[str]:
    verdict = f"{one.verdict[:12]} {'passed' if one.passed else 'unfit'}"
    return (show.when(one.happened_at), one.order_id, one.worker, one.outcome, one.recorded_by, verdict)


def _judged(wb: Workbench, order: Any, worker: str, end: Any, *, as_json: bool) -> None:
    proposal = wb.desk.proposal(order, worker, end=end)
    report = wb.validate("fill", proposal.artifact, proposal.context)
    show.json_out(report.to_dict()) if as_json else told(report)
    if not report.ok:
        raise typer.Exit(1)


def _listed(found: Sequence[SavedSearch], *, as_json: bool) -> None:
    rows = [
        (one.name, pii.mask_text(one.query), pii.mask_text(_said(one.options)), show.when(one.saved_at), one.saved_by)
        for one in found
    ]
    if as_json:
        show.json_out([_covered(one) for one in found])
    elif rows:
        show.table(["name", "query", "with", "saved", "by"], rows)
    else:
        show.remark('No search is saved yet: lh saved add NAME "forklift operators with OSHA-30"')


def _said(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


def _covered(one: SavedSearch) -> dict[str, Any]:
    """A saved search as JSON, personal data in its texts masked as in the table."""
    said = one.to_dict()
    options = {name: pii.mask_text(value) if isinstance(value, str) else value for name, value in one.options.items()}
    return said | {"query": pii.mask_text(one.query), "options": options}
