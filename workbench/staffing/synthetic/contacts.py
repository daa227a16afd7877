"""Contacts: the call log and the e-mail log (text messages included)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.staffing.shifts import SHIFTS
from workbench.staffing.synthetic.candidates import Candidates, candidate_ids
from workbench.staffing.synthetic.clients import Clients
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.order_texts import OrderFacts
from workbench.staffing.synthetic.people import emails
from workbench.staffing.synthetic.placements import UNKNOWN_CANDIDATE
from workbench.staffing.synthetic.resumes import SSN_SHAPES
from workbench.staffing.synthetic.slots import CALLS, EMAILS
from workbench.staffing.synthetic.texts import join, numbers, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary, inside

SPAN_DAYS = 400


@dataclass(frozen=True, slots=True)
class Calls:
    """Who was called in which row, in order of time: candidate rows (0 = a candidate nobody knows) and directions."""

    candidate: Ints
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
    return Calls(who[order], outbound[order])


def call_table(
    draws: Draws, vocabulary: Vocabulary, days: Days, facts: OrderFacts, calls: Calls, rows: Ints
) -> pa.Table:
    """``call_log`` for some rows of 1 … n: call_id, candidate_id, order_id or null, called_at timestamp, direction
    (outbound or inbound), outcome, duration_s int64, coordinator, notes or null.
    """
    phrases = vocabulary.phrases["calls"]
    candidate, outbound = calls.candidate[rows - 1], calls.outbound[rows - 1]
    outcome = draws.below("call outcome", rows, len(phrases["outcomes"]))
    spoke = np.isin(outcome, [0, 1, 4, 5, 6])
    duration = np.where(spoke, draws.between("call seconds", rows, 20, 900), draws.below("ring seconds", rows, 30))
    duration = np.where(CALLS.at(rows, "negative_duration"), -1 - duration, duration)
    day = np.where(CALLS.at(rows, "in_the_future"), 4, -SPAN_DAYS + rows * (SPAN_DAYS - 1) // len(calls.candidate))
    about = draws.below("call order", rows, len(facts.rows))
    order_ids = words([f"JO-{row:06d}" for row in facts.rows], about)
    notes = words([note or None for note in phrases["notes"]], draws.below("call note", rows, len(phrases["notes"])))
    coordinators = phrases["coordinators"]
    return pa.table(
        {
            "call_id": join(["CC-", numbers(10_000_000 + rows)]),
            "candidate_id": where(candidate == 0, UNKNOWN_CANDIDATE, candidate_ids(candidate)),
            "order_id": where(draws.chance("about an order", rows, 600), order_ids, None),
            "called_at": days.times(day, draws.between("call time", rows, 8 * 3600, 18 * 3600)),
            "direction": words(["inbound", "outbound"], outbound.astype(np.int64)),
            "outcome": words(phrases["outcomes"], outcome),
            "duration_s": pa.array(duration),
            "coordinator": words(coordinators, draws.below("coordinator", rows, len(coordinators))),
            "notes": notes,
        }
    )


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
    message = _message(draws, facts, candidates, rows)
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
            "sent_at": days.times(
                -SPAN_DAYS + rows * (SPAN_DAYS - 1) // total, draws.between("sent time", rows, 6 * 3600, 19 * 3600)
            ),
        }
    )


def _message(draws: Draws, facts: OrderFacts, candidates: Candidates, rows: Ints) -> _Message:
    """The planted ones are of the kind that they break."""
    filled = np.flatnonzero(facts.filled)
    kind = draws.weighted("message kind", rows, [35, 35, 30])
    kind[EMAILS.at(rows, "pay_rate_to_client", "subject_over_78")] = 2
    kind[EMAILS.at(rows, "sms_over_160")] = 0
    kind[EMAILS.at(rows, "wrong_name", "pay_not_the_orders")] = 1
    return _Message(
        rows=rows,
        candidate=1 + draws.below("message to", rows, len(candidates.rows)),
        order=filled[draws.below("message about", rows, len(filled))],
        kind=kind,
    )


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
