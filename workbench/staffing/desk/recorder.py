"""The recorder: what became of a worker for an order, taken down once, after the validators have looked again."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import ConflictError, InvalidError, NotFoundError, RejectedError
from workbench.lake.lake import Lake
from workbench.staffing.book import Book, Row
from workbench.staffing.desk.crew import Crew, Member, WorkerRef
from workbench.staffing.desk.job_orders import JobOrder, JobOrders, OrderRef
from workbench.staffing.outcomes import BOOKS, FOLLOWS, OUTCOMES, PROMISES, START, Outcome, Outcomes
from workbench.staffing.validate.asked import read_fill_context
from workbench.staffing.validate.report import Report
from workbench.staffing.validate.verdict import Verdict

Judge = Callable[[Any, Any, dt.date | None], Report]
"""(artifact, context, today) → what the validators of fills, and the rules before them, say."""

UNFIT = frozenset({
    "inactive", "city_mismatch", "state_mismatch", "role_mismatch", "client_on_hold", "client_blacklist",
    "expired_credential", "missing_credential", "double_booked", "do_not_return", "already_pitched",
    "excluded_by_order", "rule_rejected",
})  # fmt: skip
"""Why a worker may not be promised. It is no reason to leave out that he declined or did not come."""

_DIGEST_LENGTH = 64
_AHEAD = dt.timedelta(minutes=5)
"""So much the clocks of two machines may differ."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The fill of one worker for an order, as it is judged: ``wb.validate("fill", p.artifact, p.context)``."""

    order: JobOrder
    member: Member
    artifact: Mapping[str, Any]
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """An outcome that is in the dataset now, with what the validators said; ``notes`` are for the reader."""

    outcome: Outcome
    report: Report
    notes: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """In a line."""
        return self.outcome.says

    def to_dict(self) -> dict[str, Any]:
        """JSON form: the row, the report, the notes."""
        return {"outcome": self.outcome.to_dict(), "report": self.report.to_dict(), "notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a caller wants to have recorded."""

    outcome: str
    at: dt.datetime
    by: str
    verdict: str
    end: dt.date | None
    today: dt.date | None


@dataclass(frozen=True)
class Recorder:
    """Takes outcomes down. Threads and processes may record at once: of the same outcome exactly one is written."""

    lake: Lake
    book: Book[Outcomes]
    orders: JobOrders
    crew: Crew
    judge: Judge

    def record(
        self,
        order: OrderRef,
        worker: WorkerRef,
        outcome: str,
        *,
        at: dt.datetime | str | None = None,
        by: str = "",
        verdict: str | Verdict | None = None,
        end: dt.date | None = None,
        today: dt.date | None = None,
    ) -> Recorded:
        """What became of a worker for an order, after the fill of this one worker was judged on the newest snapshots.

        ``order``: an id of ``job_orders`` or a context; ``worker``: an id, or the entry ``{"candidate_id", "name"}``
        of a fill. ``at``: when it happened (now; a time without a zone is local). ``verdict``: the digest of the
        artifact that the caller's verdict is of. ``end``: the last day of a placement whose order names none.

        A promise (offered, accepted, placed) is recorded only when the fill passes; what merely happened (declined,
        no_answer, no_show) needs a worker and an order that exist. Raises RejectedError with the report, or for a
        verdict of other bytes; ConflictError for the same outcome again (it names the first), for one that cannot
        follow and for a place too many; InvalidError and NotFoundError for what means nothing.
        """
        wish = _Wish(_known(outcome), _moment(at), by or self.lake.by, _digest(verdict), end, today)
        asked = self.orders.of(order)
        member = self.crew.member(worker)

        def decide(index: Outcomes) -> tuple[list[Row], Recorded]:
            chain = index.chain(asked.id, member.label)
            _check_follows(asked, member, chain, wish)
            _check_places(asked, index, wish)
            proposal = _proposal(asked, member, chain, wish.end)
            report = self.judge(proposal.artifact, proposal.context, wish.today)
            _check_report(proposal, report, wish)
            made = _made(proposal, chain, report, wish)
            return [made.to_row()], Recorded(made, report, _notes(asked, wish))

        return self.book.append(decide, by=wish.by)

    def proposal(self, order: OrderRef, worker: WorkerRef, *, end: dt.date | None = None) -> Proposal:
        """The artifact and the context that `record` would judge now."""
        asked, member = self.orders.of(order), self.crew.member(worker)
        chain = self.book.look(lambda _, index: index.chain(asked.id, member.label))
        return _proposal(asked, member, chain, end)

    def outcomes(self, order: OrderRef | None = None, worker: str | int | None = None) -> tuple[Outcome, ...]:
        """What was recorded, the earliest first: of an order, of a worker, of both, or all of it."""
        # An order may be gone from job_orders, and what was recorded of it is there still.
        id_ = order if isinstance(order, str) else None if order is None else self.orders.of(order).id
        found = self.book.look(lambda _, index: index.all() if id_ is None else index.of_order(id_.strip()))
        label = None if worker is None else self.crew.member(worker).label.casefold()
        return tuple(one for one in found if label is None or one.worker.casefold() == label)


def _known(outcome: str) -> str:
    if outcome in OUTCOMES:
        return outcome
    hint = NotFoundError.named("outcome", str(outcome), OUTCOMES).hint
    raise InvalidError(f"{outcome!r} is no outcome.", hint=f"{hint} One of: {', '.join(OUTCOMES)}.")


def _moment(at: dt.datetime | str | None) -> dt.datetime:
    now = dt.datetime.now(dt.UTC)
    if at is None:
        return now
    try:
        when = dt.datetime.fromisoformat(at) if isinstance(at, str) else at
        when = when.astimezone(dt.UTC)  # one without a zone is the reader's own
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise InvalidError(f"{at!r} is no time.", hint="Like this: 2026-11-22T08:30") from None
    if when > now + _AHEAD:
        raise InvalidError(f"{when:%Y-%m-%d %H:%M} UTC has not come yet.", hint="Record what happened, when it has.")
    return when


def _digest(verdict: str | Verdict | None) -> str:
    if verdict is None or verdict == "":
        return ""
    if isinstance(verdict, Verdict):
        if not verdict.passed:
            raise RejectedError("This verdict says no.", hint="Validate what you mean to do again, and give that one.")
        return verdict.artifact_sha256
    text = str(verdict).strip().lower()
    if len(text) != _DIGEST_LENGTH or not set(text) <= set("0123456789abcdef"):
        raise InvalidError(
            f"{verdict!r} is no digest of a verdict.", hint="report.verdict.artifact_sha256: 64 hexadecimal digits."
        )
    return text


def _check_follows(order: JobOrder, member: Member, chain: tuple[Outcome, ...], wish: _Wish) -> None:
    last = chain[-1] if chain else None
    state = last.outcome if last else START
    details: dict[str, Any] = {"order_id": order.id, "worker": member.label, "outcome": wish.outcome}
    details |= {"last": last.to_dict() if last else None, "may_follow": list(FOLLOWS.get(state, ()))}
    if last and state == wish.outcome:
        raise ConflictError(
            f"That is recorded already: {last.says}.",
            hint=f"What may follow: {_listed(state)}. lh outcome {order.id} shows all of it.",
            details=details,
        )
    if wish.outcome not in FOLLOWS.get(state, ()):
        before = f"{last.says}" if last else f"nothing is recorded of {member.label} for {order.id}"
        raise ConflictError(
            f"{wish.outcome!r} cannot be what comes next: {before}.",
            hint=f"{_way(state, wish.outcome)} What may follow now: {_listed(state)}.",
            details=details,
        )
    if last and wish.at < last.happened_at:
        raise InvalidError(
            f"{wish.outcome!r} at {wish.at:%Y-%m-%d %H:%M} UTC would come before what it follows: {last.says}.",
            hint="Give the time at which it happened, or none for now.",
        )


def _listed(state: str) -> str:
    return ", ".join(FOLLOWS.get(state, ())) or "nothing"


def _way(state: str, wanted: str) -> str:
    """The one step after which the wanted outcome may follow, if there is one."""
    step = next((one for one in FOLLOWS.get(state, ()) if wanted in FOLLOWS[one]), "")
    return f"Record {step} first, if that is what happened." if step else "It takes more than one step from here."


def _check_places(order: JobOrder, index: Outcomes, wish: _Wish) -> None:
    if wish.outcome != BOOKS or order.places is None:
        return
    placed = sorted(one.worker for one in index.last_of(order.id) if one.outcome == BOOKS)
    if len(placed) >= order.places:
        places = f"{order.places} place{'s'[: order.places != 1]}"
        raise ConflictError(
            f"{order.id} has {places}, and nobody more can be placed: {', '.join(placed)}.",
            hint="Record no_show or declined for who does not come, or make the order larger.",
            details={"order_id": order.id, "places": order.places, "placed": placed},
        )


def _proposal(order: JobOrder, member: Member, chain: tuple[Outcome, ...], end: dt.date | None) -> Proposal:
    context = {**order.context, "order_id": order.id, "target_count": 1}
    if chain:
        # What was done for this order is no reason against going on with it.
        context["follows"] = chain[-1].outcome_id
    if end is not None:
        shift = context.get("shift")
        context |= {"shift": {**shift, "end": end.isoformat()}} if isinstance(shift, Mapping) else {}
        context["end"] = end.isoformat()
    return Proposal(order, member, {"fills": [dict(member.entry)]}, context)


def _check_report(proposal: Proposal, report: Report, wish: _Wish) -> None:
    who = f"{proposal.member.label} for {proposal.order.id}"
    errors = [found for found in report.findings if found.severity == "error"]
    if wish.outcome not in PROMISES:
        errors = [found for found in errors if found.code not in UNFIT]
    if errors or report.verdict is None:
        lines = [f"  {found.layer} {found.code}: {found.message}" for found in errors]
        near = list(dict.fromkeys(one for found in errors for one in found.nearest_valid))
        raise RejectedError(
            "\n".join([f"{wish.outcome!r} was not recorded: the validators refuse {who}.", *lines]),
            hint=f"Who would pass: {', '.join(near)}" if near else f"lh shortlist {proposal.order.id}",
            details=report.to_dict(),
        )
    if wish.verdict and wish.verdict != report.verdict.artifact_sha256:
        raise RejectedError(
            f"The verdict {wish.verdict[:12]}… is of another artifact than {who}, "
            f"which is {report.verdict.artifact_sha256[:12]}….",
            hint="Any edit voids a verdict, and one of a whole fill is none of a part. Validate what wb.desk.proposal "
            "gives for this order and worker, or leave verdict out.",
            details=report.to_dict() | {"given": wish.verdict},
        )


def _made(proposal: Proposal, chain: tuple[Outcome, ...], report: Report, wish: _Wish) -> Outcome:
    asked, _ = read_fill_context(proposal.context)
    verdict, order, member = report.verdict, proposal.order, proposal.member
    assert verdict is not None  # or it was refused
    return Outcome(
        outcome_id=secrets.token_hex(12),
        order_id=order.id,
        worker=member.label,
        worker_id=member.id,
        step=chain[-1].step + 1 if chain else 1,
        outcome=wish.outcome,
        happened_at=wish.at,
        recorded_at=dt.datetime.now(dt.UTC),
        recorded_by=wish.by,
        client_id=asked.client_id,
        role=asked.role,
        city=asked.city,
        state=asked.state,
        shift=asked.shift,
        start=asked.start,
        end=asked.end,
        passed=verdict.passed,
        verdict=verdict.artifact_sha256,
        context_sha256=verdict.context_sha256,
        snapshots=tuple(one for one in (verdict.roster, *verdict.snapshots, order.source) if one),
        validator=verdict.validator,
    )


def _notes(order: JobOrder, wish: _Wish) -> tuple[str, ...]:
    closed = order.status.casefold() not in {"", "open"}
    return (f"{order.id} is {order.status} in {order.source}.",) if closed and wish.outcome in PROMISES else ()
