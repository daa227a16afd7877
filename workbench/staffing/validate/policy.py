"""Policy of a fill: the client's bans, papers on the day, bookings, and who was shown to the client already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from workbench.staffing.order_conditions import PITCH_BLOCKS_DAYS
from workbench.staffing.validate.asked import FillContext
from workbench.staffing.validate.columns import day_number, day_of
from workbench.staffing.validate.ids import normal_id
from workbench.staffing.validate.records import LONG_AGO, NEVER, Desk, Records
from workbench.staffing.validate.report import Finding, error
from workbench.staffing.validate.roster import Worker, same_text

Proposed = Sequence[tuple[str, Worker]]
"""(``fills[3]``, the worker) of all who are on the roster."""


def check_policy(proposed: Proposed, asked: FillContext, desk: Desk, today: date) -> Iterator[Finding]:
    """Findings on the proposed workers; what could not be checked is one too (info)."""
    yield from _check_client(asked, desk)
    yield from _check_blacklist(proposed, asked)
    yield from _check_bans(proposed, asked, desk.do_not_return)
    yield from _check_papers(proposed, asked, desk)
    yield from _check_bookings(proposed, asked, desk.assignments)
    yield from _check_pitches(proposed, asked, desk.submissions, today)


def _not_checked(path: str, what: str, why: str) -> Finding:
    return Finding("not_checked", path, "info", f"{what} was not checked: {why}.")


def _check_client(asked: FillContext, desk: Desk) -> Iterator[Finding]:
    if asked.client_id is None:
        return
    path = "_context.client_id"
    if desk.clients is None:
        yield _not_checked(path, "Whether the client exists", "there is no dataset clients")
        return
    status = desk.clients.status.get(asked.client_id.casefold())
    evidence = {"dataset": desk.clients.snapshot}
    if status is None:
        # With a mistyped client no ban would ever match.
        said = f"{asked.client_id} is no client: bans and pitches cannot be checked."
        yield error("unknown_client", path, said, got=asked.client_id, evidence=evidence)
    elif status.casefold() not in {"", "active"}:
        said = f"The client {asked.client_id} is {status}."
        yield Finding("client_on_hold", path, "warning", said, status, "active", (), evidence)


def _check_blacklist(proposed: Proposed, asked: FillContext) -> Iterator[Finding]:
    barred = {normal_id(one) for one in asked.blacklist}
    client = asked.client_id
    for path, worker in proposed:
        by_roster = client is not None and any(same_text(one, client) for one in worker.barred_by)
        if by_roster or (barred and normal_id(worker.id) in barred):
            said = f"{worker.id} is on the blacklist of {client or 'the client'}."
            evidence = {"said_by": "roster" if by_roster else "_context.blacklist"}
            yield error("client_blacklist", f"{path}.candidate_id", said, got=worker.id, evidence=evidence)


def _ours(records: Records, row: int, client: str) -> bool:
    of = records.texts["client_id"][row]
    return of is not None and same_text(of, client)


def _rows(proposed: Proposed, records: Records) -> Iterator[tuple[str, Worker, range]]:
    of_each = records.of_each([worker.id for _, worker in proposed])
    return ((path, worker, rows) for (path, worker), rows in zip(proposed, of_each, strict=True) if rows)


def _check_bans(proposed: Proposed, asked: FillContext, bans: Records | None) -> Iterator[Finding]:
    if bans is None or asked.client_id is None:
        why = "there is no dataset do_not_return" if bans is None else "the context names no client_id"
        yield _not_checked("fills", "Whom the client does not want back", why)
        return
    # Without a first day every ban counts, also one that begins later.
    last = day_number(asked.end or asked.start) if asked.start else NEVER
    for path, worker, rows in _rows(proposed, bans):
        since = bans.days["since"]
        row = next((row for row in rows if _ours(bans, row, asked.client_id) and since[row] <= last), None)
        if row is not None:
            when = f" since {day_of(since[row])}" if since[row] != LONG_AGO else ""
            reason = bans.texts["reason"][row]
            said = f"{asked.client_id} does not want {worker.id} back{when}{f' ({reason})' if reason else ''}."
            evidence = bans.evidence(row, since=_iso(since[row]))
            yield error("do_not_return", f"{path}.candidate_id", said, got=worker.id, evidence=evidence)


def _check_papers(proposed: Proposed, asked: FillContext, desk: Desk) -> Iterator[Finding]:
    held = desk.credentials
    if held is None or asked.start is None:
        why = "there is no dataset credentials" if held is None else "the context names no start"
        yield _not_checked("fills", "Whether papers are valid on the day", why)
        return
    needed = [paper for paper in asked.must if held.knows("credential", paper)]
    for paper in asked.must:
        if paper not in needed:
            yield _not_checked("_context.must", f"{paper!r}", f"no row of {held.snapshot} has such a paper")
    of_each = held.of_each([worker.id for _, worker in proposed])
    for (path, worker), rows in zip(proposed, of_each, strict=True):
        role = asked.role or worker.role
        required = desk.required(role) if role else ""
        if required and not any(same_text(required, paper) for paper in needed):
            yield from _check_paper(path, worker, held, rows, required, asked, strict=False)
        for paper in needed:
            yield from _check_paper(path, worker, held, rows, paper, asked, strict=True)


def _check_paper(
    path: str, worker: Worker, held: Records, rows: range, paper: str, asked: FillContext, *, strict: bool
) -> Iterator[Finding]:
    """A paper that the order asks for must be there; one that the trade requires, only be valid when it is known."""
    assert asked.start is not None
    where = f"{path}.candidate_id"
    names, expires = held.texts["credential"], held.days["expires"]
    own = [row for row in rows if (name := names[row]) is not None and same_text(name, paper)]
    if not own:
        said = f"{worker.id} holds no {paper} in {held.snapshot}."
        yield Finding("missing_credential", where, "error" if strict else "warning", said, None, paper)
        return
    newest = max(own, key=lambda row: expires[row])
    last = asked.end or asked.start
    day = day_of(expires[newest]) if expires[newest] != NEVER else None
    if day is not None and day < last:
        said = f"The {paper} of {worker.id} expires on {day}, before {last}."
        evidence = held.evidence(newest, expires=day.isoformat())
        yield error(
            "expired_credential", where, said, got=day.isoformat(), expected=f"{last} or later", evidence=evidence
        )


def _check_bookings(proposed: Proposed, asked: FillContext, bookings: Records | None) -> Iterator[Finding]:
    if bookings is None or asked.start is None:
        why = "there is no dataset assignments" if bookings is None else "the context names no start"
        yield _not_checked("fills", "Who is booked already", why)
        return
    first, last = day_number(asked.start), day_number(asked.end or asked.start)
    start, end, shift = bookings.days["start"], bookings.days["end"], bookings.texts["shift"]
    for path, worker, rows in _rows(proposed, bookings):
        for row in rows:
            other = shift[row]
            same_shift = asked.shift is None or other is None or same_text(asked.shift, other)
            if start[row] <= last and end[row] >= first and same_shift:
                evidence = bookings.evidence(row, start=_iso(start[row]), end=_iso(end[row]))
                when = f"from {evidence['start'] or 'long ago'} to {evidence['end'] or 'an open end'}"
                where = f"{evidence['client_id'] or 'client unknown'}, {other or 'any'} shift"
                said = f"{worker.id} is booked {when} ({where})."
                yield error("double_booked", f"{path}.candidate_id", said, got=worker.id, evidence=evidence)
                break


def _check_pitches(proposed: Proposed, asked: FillContext, pitches: Records | None, today: date) -> Iterator[Finding]:
    if pitches is None or asked.client_id is None:
        why = "there is no dataset submissions" if pitches is None else "the context names no client_id"
        yield _not_checked("fills", "Whom the client has seen lately", why)
        return
    since = day_number(today - timedelta(days=PITCH_BLOCKS_DAYS))
    at = pitches.days["at"]
    for path, worker, rows in _rows(proposed, pitches):
        row = max((row for row in rows if _ours(pitches, row, asked.client_id)), key=lambda row: at[row], default=None)
        if row is not None and at[row] >= since:
            outcome = pitches.texts["outcome"][row]
            said = (
                f"{worker.id} was pitched to {asked.client_id} on {day_of(at[row])} ({outcome or 'outcome unknown'})."
            )
            evidence = pitches.evidence(row, at=_iso(at[row]))
            yield error("already_pitched", f"{path}.candidate_id", said, got=worker.id, evidence=evidence)


def _iso(day: int) -> str | None:
    return None if day in {LONG_AGO, NEVER} else day_of(int(day)).isoformat()
