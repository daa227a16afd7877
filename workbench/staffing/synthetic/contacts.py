"""Contacts: the call log and the e-mail log (text messages included)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.staffing.shifts import SHIFTS
from workbench.staffing.synthetic.candidates import Candidates, candidate_ids
from workbench.staffing.synthetic.clients import Clients
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.matching import Near, Recent
from workbench.staffing.synthetic.order_texts import OrderFacts
from workbench.staffing.synthetic.orders import LAST_ORDER_S, SPAN_DAYS
from workbench.staffing.synthetic.people import emails
from workbench.staffing.synthetic.placements import UNKNOWN_CANDIDATE
from workbench.staffing.synthetic.resumes import SSN_SHAPES
from workbench.staffing.synthetic.slots import CALLS, EMAILS
from workbench.staffing.synthetic.texts import Ragged, join, numbers, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary, inside

# For so long after it came in, an order is what calls are about.
DESK_DAYS = 21

_CALL_COLUMNS = [
    *("call_id", "candidate_id", "order_id", "called_at", "direction"),
    *("outcome", "duration_s", "coordinator", "notes"),
]


@dataclass(frozen=True, slots=True)
class Calls:
    """Who was called in which row, in order of time: candidate rows (0 = nobody known), their roles, directions."""

    candidate: Ints
    role: Ints
    outbound: Flags


def draw_calls(draws: Draws, candidates: Candidates, total: int) -> Calls:
    """Share out exactly ``total`` calls: everybody's least numbers, the rest to those who were placed."""
    unknown = total // CALLS.block
    least = candidates.calls_out + candidates.calls_in
    placed = np.flatnonzero(candidates.placed)
    rest, more = divmod(total - unknown - int(least.sum()), len(placed))
    counts = least.copy()
    counts[placed] += rest
    counts[placed[:more]] += 1
    who = np.repeat(candidates.rows, counts)
    within = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    incoming = np.repeat(candidates.calls_in, counts)
    who = np.concatenate([who, np.zeros(unknown, dtype=np.int64)])
    outbound = np.concatenate([within >= incoming, np.ones(unknown, dtype=np.bool_)])
    order = np.argsort(draws.bits("call order", np.arange(total)), kind="stable")
    who = who[order]
    return Calls(who, candidates.role[np.maximum(who, 1) - 1], outbound[order])


def call_table(
    draws: Draws, vocabulary: Vocabulary, days: Days, facts: OrderFacts, calls: Calls, rows: Ints
) -> pa.Table:
    """``call_log`` for some rows of 1 … n: call_id, candidate_id, order_id or null, called_at timestamp, direction
    (outbound or inbound), outcome, duration_s int64, coordinator, notes or null.
    """
    phrases = vocabulary.phrases["calls"]
    candidate, outbound = calls.candidate[rows - 1], calls.outbound[rows - 1]
    day = np.where(CALLS.at(rows, "in_the_future"), 4, -SPAN_DAYS + rows * (SPAN_DAYS - 1) // len(calls.candidate))
    about = np.where(
        draws.chance("about an order", rows, 700), _order_on_the_desk(facts, calls.role[rows - 1], day), -1
    )
    order_ids = words([f"JO-{row:06d}" for row in facts.rows], np.maximum(about, 0))
    coordinators = phrases["coordinators"]
    return pa.table(
        {
            "call_id": join(["CC-", numbers(10_000_000 + rows)]),
            "candidate_id": where(candidate == 0, UNKNOWN_CANDIDATE, candidate_ids(candidate)),
            "order_id": where(about >= 0, order_ids, None),
            "called_at": days.times(day, draws.between("call time", rows, 8 * 3600, 18 * 3600)),
            "direction": words(["inbound", "outbound"], outbound.astype(np.int64)),
            **_outcomes(draws, phrases["outcome"], outbound, rows),
            "coordinator": words(coordinators, draws.below("coordinator", rows, len(coordinators))),
        }
    ).select(_CALL_COLUMNS)


def _order_on_the_desk(facts: OrderFacts, role: Ints, day: Ints) -> Ints:
    """The position of the latest order of that role that came in before the day, or −1."""
    sound = np.flatnonzero(facts.sound)
    return Recent.of(sound, facts.role[sound], facts.received[sound]).before(role, day, DESK_DAYS)


def _outcomes(draws: Draws, entries: Sequence[Mapping[str, Any]], outbound: Flags, rows: Ints) -> dict[str, Any]:
    """How each call went, how long it took and what was noted: these three fit each other."""
    weights = np.array([[entry["got"] for entry in entries], [entry["made"] for entry in entries]])
    outcome = draws.weighted_by("call outcome", rows, outbound.astype(np.int64), weights)
    shortest, longest = np.array([entry["seconds"] for entry in entries]).T
    duration = draws.between("call seconds", rows, shortest[outcome], longest[outcome])
    notes = Ragged.of([[note or None for note in entry["notes"]] for entry in entries])
    return {
        "outcome": words([entry["name"] for entry in entries], outcome),
        "duration_s": pa.array(np.where(CALLS.at(rows, "negative_duration"), -1 - duration, duration)),
        "notes": notes.take(outcome, draws.below("call note", rows, notes.lengths[outcome])),
    }


_KINDS = ("worker_sms", "worker_email", "client_email")
_SLOTS = ("first name", "role", "city", "shift", "date", "pay")


@dataclass(frozen=True, slots=True)
class _Message:
    """One message a row: whom about, on which order, and of which kind (a position in ``_KINDS``)."""

    rows: Ints
    candidate: Ints
    order: Ints
    kind: Ints


def email_table(
    draws: Draws,
    vocabulary: Vocabulary,
    days: Days,
    clients: Clients,
    facts: OrderFacts,
    candidates: Candidates,
    rows: Ints,
    total: int,
) -> pa.Table:
    """``email_log`` for some rows of 1 … ``total``: email_id, candidate_id, order_id, audience (worker or client), kind
    (email or sms), to_address, subject or null, body, sent_at timestamp.
    """
    message = _message(draws, vocabulary, facts, candidates, rows, total)
    sms, to_client = message.kind == 0, message.kind == 2
    first, last = candidates.first[message.candidate - 1], candidates.last[message.candidate - 1]
    mails = emails(draws, vocabulary, first, last, candidates.people[message.candidate - 1])
    unknown = EMAILS.at(rows, "unknown_candidate")
    return pa.table(
        {
            "email_id": join(["EM-", numbers(10_000_000 + rows)]),
            "candidate_id": where(unknown, UNKNOWN_CANDIDATE, candidate_ids(message.candidate)),
            "order_id": words([f"JO-{row:06d}" for row in facts.rows], message.order),
            "audience": words(["worker", "client"], to_client.astype(np.int64)),
            "kind": words(["email", "sms"], sms.astype(np.int64)),
            "to_address": where(to_client, words(clients.emails, facts.client[message.order]), mails),
            "subject": where(sms, None, _subjects(draws, vocabulary, rows, to_client)),
            "body": _bodies(draws, vocabulary, days, facts, candidates, message),
            "sent_at": _sent_at(draws, days, facts, message),
        }
    )


def _message(
    draws: Draws, vocabulary: Vocabulary, facts: OrderFacts, candidates: Candidates, rows: Ints, total: int
) -> _Message:
    """Order by order, as they came in; the planted ones are of the kind that they break."""
    sound = np.flatnonzero(facts.sound)
    order = sound[(rows - 1) * len(sound) // total]
    near, state = Near.of(candidates.role, vocabulary.states[candidates.place]), vocabulary.states[facts.place[order]]
    kind = draws.weighted("message kind", rows, [35, 35, 30])
    kind[EMAILS.at(rows, "pay_rate_to_client", "subject_over_78")] = 2
    kind[EMAILS.at(rows, "sms_over_160")] = 0
    kind[EMAILS.at(rows, "wrong_name", "pay_not_the_orders")] = 1
    return _Message(
        rows=rows,
        candidate=1 + near.draw(draws, "message to", rows, facts.role[order], state),
        order=order,
        kind=kind,
    )


def _sent_at(draws: Draws, days: Days, facts: OrderFacts, message: _Message) -> Any:
    """After the order came in and before its first day: on one of the next three days, or else that same evening."""
    rows, received = message.rows, facts.received[message.order]
    lead = facts.start[message.order] - received
    at_once = lead < 2
    later = 1 + draws.below("sent day", rows, np.clip(lead - 1, 1, 3))
    evening = draws.between("sent evening", rows, LAST_ORDER_S + 300, LAST_ORDER_S + 3 * 3600)
    seconds = np.where(at_once, evening, draws.between("sent time", rows, 7 * 3600, 19 * 3600))
    return days.times(received + np.where(at_once, 0, later), seconds)


def _subjects(draws: Draws, vocabulary: Vocabulary, rows: Ints, to_client: Flags) -> Any:
    subjects = vocabulary.phrases["emails"]["subjects"]
    worker = words(subjects["worker"], draws.below("subject", rows, len(subjects["worker"])))
    client = words(subjects["client"], draws.below("subject", rows, len(subjects["client"])))
    long = " and everything else that we spoke about on the phone this morning, see below"
    return join([where(to_client, client, worker), where(EMAILS.at(rows, "subject_over_78"), long, "")])


def _bodies(
    draws: Draws, vocabulary: Vocabulary, days: Days, facts: OrderFacts, candidates: Candidates, message: _Message
) -> Any:
    """Fill the slots of the templates: first name, role, city, shift, date and, to the worker only, the order's pay."""
    rows, order = message.rows, message.order
    templates = [entry["parts"] for kind in _KINDS for entry in vocabulary.phrases["emails"][kind]]
    sizes = np.array([len(vocabulary.phrases["emails"][kind]) for kind in _KINDS])
    template = (np.cumsum(sizes) - sizes)[message.kind] + draws.below("message", rows, sizes[message.kind])
    wrong = EMAILS.at(rows, "wrong_name").astype(np.int64)
    first = (candidates.first[message.candidate - 1] + wrong) % len(vocabulary.first)
    cents = facts.pay_cents[order] + 100 * EMAILS.at(rows, "pay_not_the_orders")
    pay = join([numbers(cents // 100), ".", words([f"{n:02d}" for n in range(100)], cents % 100)])
    roles = [inside(role.titles[0]) for role in vocabulary.roles]
    values = [
        words(vocabulary.first, first),
        words(roles, facts.role[order]),
        words([place.city for place in vocabulary.places], facts.place[order]),
        words(SHIFTS, facts.shift[order]),
        days.say(facts.start[order], "md"),
        where(message.kind == _KINDS.index("client_email"), "", pay),
    ]
    parts: list[Any] = []
    for n in range(len(_SLOTS) + 1):
        parts.append(words([entry[n] for entry in templates], template))
        parts.extend(values[n : n + 1])
    return join([*parts, _planted_end(rows, pay)])


def _planted_end(rows: Ints, pay: Any) -> Any:
    leak = join(["\nOur pay rate is $", pay, " an hour, so there is room on the bill rate.\n"])
    ssn = join(["\n", words(SSN_SHAPES, rows // EMAILS.block % len(SSN_SHAPES))])
    long = (
        " The site is behind the rail yard, take the second gate and ask for the night lead, steel toes are needed, "
        "bring two forms of ID, parking is free."
    )
    end = where(EMAILS.at(rows, "pay_rate_to_client"), leak, "")
    end = where(EMAILS.at(rows, "ssn_in_body"), ssn, end)
    return where(EMAILS.at(rows, "sms_over_160"), long, end)
