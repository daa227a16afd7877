"""Placements and timesheets: who was placed on which order, and the hours of the first four weeks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.staffing.synthetic.bookings import client_ids
from workbench.staffing.synthetic.candidates import Candidates, candidate_ids
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.matching import Near, share_out
from workbench.staffing.synthetic.order_texts import OrderFacts
from workbench.staffing.synthetic.orders import FIRST_HOURS_DAYS, WEEKEND
from workbench.staffing.synthetic.slots import PLACEMENTS, TIMESHEETS
from workbench.staffing.synthetic.texts import decimals, join, numbers, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary

UNKNOWN_CANDIDATE = "CAN-9999999"
UNKNOWN_ORDER = "JO-999999"

# More than there are places.
_KINDS = 1_000


@dataclass(frozen=True, slots=True)
class Placements:
    """Placements by position: candidate rows, order positions, days from the epoch."""

    rows: Ints
    candidate: Ints
    order: Ints
    start: Ints


def draw_placements(
    draws: Draws, vocabulary: Vocabulary, candidates: Candidates, facts: OrderFacts, count: int
) -> Placements:
    """Give every placed candidate at least one placement on a filled order, no more on an order than it asks for:
    one for that role in that city, else in that state, else anywhere; when all these are full, on any for that role.
    """
    rows = np.arange(1, count + 1)
    placed = candidates.rows[candidates.placed]
    shuffled = placed[np.argsort(draws.bits("placement order", placed), kind="stable")]
    # A row whose candidate is planted as unknown must not be the only placement of somebody.
    turn = np.cumsum(~PLACEMENTS.at(rows, "unknown_candidate")) - 1
    candidate = shuffled[turn % len(placed)]
    role, place = candidates.role[candidate - 1], candidates.place[candidate - 1]
    filled = np.flatnonzero(facts.filled)
    state = vocabulary.states[place]
    order = filled[
        Near.of(facts.role[filled], vocabulary.states[facts.place[filled]]).draw(draws, "placement", rows, role, state)
    ]
    seats = np.repeat(filled, facts.count[filled])
    seats = seats[np.argsort(draws.bits("seat", np.arange(len(seats))), kind="stable")]
    waiting = np.arange(count)
    for wide in (np.arange(len(vocabulary.places)), vocabulary.states, vocabulary.states * 0):
        kinds, there = role * _KINDS + wide[place], facts.role[seats] * _KINDS + wide[facts.place[seats]]
        seat = share_out(kinds[waiting], there)
        order[waiting[seat >= 0]] = seats[seat[seat >= 0]]
        waiting, seats = waiting[seat < 0], np.delete(seats, seat[seat >= 0])
    return Placements(rows, candidate, order, facts.start[order])


def placement_ids(rows: Ints) -> Any:
    """Rows 1, 2, … as ``PL-000001``, …"""
    return join(["PL-", words([f"{n:06d}" for n in range(int(rows.max(initial=0)) + 1)], rows)])


def placement_table(
    draws: Draws, vocabulary: Vocabulary, days: Days, facts: OrderFacts, placements: Placements
) -> pa.Table:
    """``placements``: placement_id, candidate_id, order_id, client_id, role, city, state, start_date and end_date
    date32, pay_rate and bill_rate decimal dollars an hour, status.
    """
    rows, order = placements.rows, placements.order
    least = np.where(facts.shift[order] == WEEKEND, FIRST_HOURS_DAYS[1], FIRST_HOURS_DAYS[0])
    lasts = np.where(PLACEMENTS.at(rows, "ends_before_start"), -7, draws.between("placement days", rows, least, 240))
    end = placements.start + lasts
    status = np.where(end < 0, draws.weighted("placement status", rows, [70, 20, 10]), 3)
    order_ids = words([f"JO-{row:06d}" for row in facts.rows], order)
    return pa.table(
        {
            "placement_id": placement_ids(rows),
            "candidate_id": where(
                PLACEMENTS.at(rows, "unknown_candidate"), UNKNOWN_CANDIDATE, candidate_ids(placements.candidate)
            ),
            "order_id": where(PLACEMENTS.at(rows, "unknown_order"), UNKNOWN_ORDER, order_ids),
            "client_id": client_ids(facts.client[order]),
            "role": words([role.name for role in vocabulary.roles], facts.role[order]),
            "city": words([place.city for place in vocabulary.places], facts.place[order]),
            "state": words([place.state for place in vocabulary.places], facts.place[order]),
            "start_date": days.dates(placements.start),
            "end_date": days.dates(end),
            "pay_rate": decimals(facts.pay_cents[order], 2),
            "bill_rate": decimals(facts.bill_cents[order], 2),
            "status": words(["completed", "ended early", "converted", "active"], status),
        }
    )


def timesheet_table(
    draws: Draws, days: Days, facts: OrderFacts, placements: Placements, rows: Ints, total: int
) -> pa.Table:
    """``timesheets`` for some rows of 1 … ``total``: timesheet_id, placement_id, candidate_id, client_id, work_date
    date32, hours decimal, pay_rate decimal, approved (true or false).
    """
    position = (rows - 1) * len(placements.rows) // total
    day = _day(rows, position, len(placements.rows), total)
    repeated = same_day_twice(rows, len(placements.rows), total)
    day = np.where(repeated, day - 1, day)
    order = placements.order[position]
    quarters = 16 + draws.below("quarter hours", rows, 24) + draws.below("more quarter hours", rows, 9)
    quarters = np.where(draws.chance("full day", rows, 600), 32, quarters)
    hours = np.where(TIMESHEETS.at(rows, "over_24_hours"), draws.between("too many", rows, 98, 130), quarters) * 25
    hours = np.where(TIMESHEETS.at(rows, "negative_hours"), -hours, hours)
    # Each unknown placement is another one, so that no two of them share a day.
    unknown = join(["PL-", numbers(900_000 + rows // TIMESHEETS.block)])
    return pa.table(
        {
            "timesheet_id": join(["TS-", numbers(10_000_000 + rows)]),
            "placement_id": where(
                TIMESHEETS.at(rows, "unknown_placement"), unknown, placement_ids(placements.rows[position])
            ),
            "candidate_id": candidate_ids(placements.candidate[position]),
            "client_id": client_ids(facts.client[order]),
            "work_date": days.dates(_work_day(days, placements.start[position], day, facts.shift[order] == WEEKEND)),
            "hours": decimals(hours, 2),
            "pay_rate": decimals(facts.pay_cents[order], 2),
            "approved": pa.array(draws.chance("approved", rows, 960)),
        }
    )


def same_day_twice(rows: Ints, placements: int, total: int) -> Any:
    """The timesheets that repeat the day of the row before (only where that row is of the same placement)."""
    position = (rows - 1) * placements // total
    return TIMESHEETS.at(rows, "same_day_twice") & (_day(rows, position, placements, total) > 0)


def _work_day(days: Days, start: Ints, day: Ints, weekend: Flags) -> Ints:
    """Working day number ``day`` from the start: Monday to Friday, or Saturday and Sunday."""
    weekday = (days.epoch.weekday() + start) % 7
    since_monday = weekday + day
    return np.where(weekend, start + day // 2 * 7 + day % 2, start - weekday + since_monday // 5 * 7 + since_monday % 5)


def _day(rows: Ints, position: Ints, placements: int, total: int) -> Ints:
    """The how-manieth timesheet of its placement each one is, from 0."""
    return rows - 1 - -(-position * total // placements)
