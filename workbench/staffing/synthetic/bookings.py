"""Bookings: what hangs on a worker: credentials, assignments, bans by clients (do not return) and submissions.

All four come from the crowd of one chunk, in worker order. Days are offsets from the epoch. Clean by construction: a
first assignment ends a month before the epoch and a second begins within 25 days of it, a credential that a role needs
outlives both unless it lapsed (then there is no second), and no worker is booked or pitched at the client that banned
him. The planted rows break exactly one of these each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.staffing.shifts import SHIFTS
from workbench.staffing.synthetic.clients import Pools
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.people import Crowd
from workbench.staffing.synthetic.slots import BOOKED, WORKERS
from workbench.staffing.synthetic.texts import join, numbers, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary

UNKNOWN_CLIENT = "CL-9999"
UNLISTED_CREDENTIAL = "Crane Rigging"
BAN_REASONS = (
    "no-call no-show",
    "left the site early",
    "failed the client's test",
    "attendance points",
    "argument with a lead",
    "damaged product",
)
OUTCOMES = ("pending", "accepted", "rejected", "withdrawn")
PENDING_DAYS = 21


_BANNED = (
    "assigned_despite_do_not_return",
    "pitched_despite_do_not_return",
    "ban_by_unknown_client",
    "ban_in_the_future",
)


def client_ids(codes: Ints) -> Any:
    """Client codes 1, 2, … as ``CL-0001``, ``CL-0002``, …"""
    return words([f"CL-{code:04d}" for code in range(int(codes.max(initial=0)) + 1)], codes)


@dataclass(frozen=True, slots=True)
class Bookings:
    """The assignments, bans and submissions of a crowd, as offsets and codes (see the module's docstring)."""

    crowd: Crowd
    banning: Ints
    """Client code that would ban the worker; only ``banned`` ones are."""
    banned: Flags
    banned_since: Ints
    clients: tuple[Ints, Ints, Ints]
    """Three other clients, never the banning one and never equal."""
    had_first: Flags
    first_start: Ints
    first_end: Ints
    has_second: Flags
    second_start: Ints
    second_end: Ints
    shift: Ints


def draw_bookings(draws: Draws, crowd: Crowd, pools: Pools) -> Bookings:
    """Decide who works where and who is banned where, among the clients that order the worker's trade."""
    ids = crowd.ids
    n_clients = pools.lengths[crowd.role]
    busy = WORKERS.at(ids, *BOOKED)
    banned = WORKERS.at(ids, *_BANNED)
    free = WORKERS.at(ids, "expires_before_issued", "already_pitched") | (banned & ~busy)
    banning = draws.below("banning client", ids, n_clients)
    near = draws.below("client", ids, n_clients - 3)
    others = [pools.take(crowd.role, (banning + 1 + near + step) % n_clients) for step in range(3)]
    first_start = -300 + draws.below("first start", ids, 150)
    first_end = first_start + 20 + draws.below("first days", ids, 100)
    second_start = -25 + draws.below("second start", ids, 50)
    has_second = draws.chance("second assignment", ids, 180) & (crowd.availability > 0) & ~crowd.lapsed
    had_first = draws.chance("first assignment", ids, 200) & ~busy & ~free
    return Bookings(
        crowd=crowd,
        banning=pools.take(crowd.role, banning),
        banned=(draws.chance("banned", ids, 60) & had_first) | banned,
        banned_since=np.select(
            [WORKERS.at(ids, "ban_in_the_future"), banned],
            [draws.between("ban ahead", ids, 5, 60), draws.between("ban ago", ids, -200, -90)],
            first_end + draws.between("ban after", ids, 1, 10),
        ),
        clients=(others[0], others[1], others[2]),
        had_first=had_first,
        first_start=first_start,
        first_end=first_end,
        has_second=(has_second & ~free) | busy,
        second_start=second_start,
        second_end=np.maximum(
            second_start + 5 + draws.below("second days", ids, 60),
            np.where(WORKERS.at(ids, "inactive_on_assignment"), 1, second_start),
        ),
        shift=_one_of(draws, crowd.shifts, ids),
    )


def _one_of(draws: Draws, masks: Ints, ids: Ints) -> Ints:
    """One of the shifts in each bitmask."""
    order = draws.below("assignment shift", ids, len(SHIFTS))
    chosen = np.full(len(ids), -1, dtype=np.int64)
    for step in range(len(SHIFTS)):
        shift = (order + step) % len(SHIFTS)
        chosen = np.where((chosen < 0) & (masks >> shift & 1 == 1), shift, chosen)
    return chosen


def credential_table(draws: Draws, vocabulary: Vocabulary, days: Days, bookings: Bookings) -> pa.Table:
    """``credentials``: worker_id int64, credential text, issued and expires date32; a row for each paper held."""
    crowd = bookings.crowd
    row, held = (part.astype(np.int64) for part in np.nonzero(crowd.holds))
    ids, role = crowd.ids[row], crowd.role[row]
    lasts = _lasting_days(vocabulary)[role, held]
    required = (held == 0) & np.array([bool(entry.required) for entry in vocabulary.roles])[role]
    key = ids * 16 + held
    lapsed_at = np.where(bookings.has_second[row], bookings.second_start[row], 0) - 1 - draws.below("lapsed", key, 3)
    expires = np.select(
        [required & crowd.lapsed[row], ~required & draws.chance("other lapsed", key, 80)],
        [lapsed_at, -draws.between("lapsed ago", key, 1, 300)],
        lasts - 310 - draws.below("issued", key, lasts - 405),
    )
    issued = expires - lasts
    backwards = required & WORKERS.at(ids, "expires_before_issued")
    expires = np.where(backwards, issued - 30, expires)
    unlisted = crowd.ids[WORKERS.at(crowd.ids, "credential_not_on_profile")]
    table = pa.concat_tables(
        [
            _credentials(days, ids, vocabulary.credentials.take(role, held), issued, expires),
            _credentials(
                days,
                unlisted,
                pa.array([UNLISTED_CREDENTIAL] * len(unlisted), pa.string()),
                unlisted * 0 - 200,
                unlisted * 0 + 895,
            ),
        ]
    )
    return _sorted(table, "worker_id")


def _lasting_days(vocabulary: Vocabulary) -> Ints:
    """int64[roles, most credentials of a role]: how long each lasts."""
    years = vocabulary.trades.credential_years
    lasting = np.full(vocabulary.credential_rates.shape, 365 * 5, dtype=np.int64)
    for code, role in enumerate(vocabulary.roles):
        lasting[code, : len(role.credentials)] = [years[name] * 365 for name in role.credentials]
    return lasting


def _credentials(days: Days, ids: Ints, names: Any, issued: Ints, expires: Ints) -> pa.Table:
    return pa.table(
        {
            "worker_id": pa.array(ids),
            "credential": names,
            "issued": days.dates(issued),
            "expires": days.dates(expires),
        }
    )


def assignment_table(vocabulary: Vocabulary, days: Days, bookings: Bookings) -> pa.Table:
    """``assignments``: assignment_id ``A-<worker>-<n>``, worker_id, client_id, shift, start and end date32 (both days
    worked), required_credential text or null.
    """
    ids = bookings.crowd.ids
    banned_here = bookings.banned & ~WORKERS.at(ids, "assigned_despite_do_not_return")
    despite = WORKERS.at(ids, "assigned_despite_do_not_return")
    first = np.where(banned_here, bookings.banning, bookings.clients[0])
    second = np.where(despite, bookings.banning, bookings.clients[1])
    backwards = WORKERS.at(ids, "assignment_ends_before_start")
    ends = np.where(backwards, bookings.second_start - 3, bookings.second_end)
    double = WORKERS.at(ids, "double_booked")
    parts = [
        _assignments(
            bookings, days, vocabulary, bookings.had_first, 1, first, bookings.first_start, bookings.first_end
        ),
        _assignments(bookings, days, vocabulary, bookings.has_second, 2, second, bookings.second_start, ends),
        _assignments(bookings, days, vocabulary, double, 3, bookings.clients[2], bookings.second_start + 2, ends + 2),
    ]
    return _sorted(pa.concat_tables(parts), "worker_id", "start")


def _assignments(
    bookings: Bookings, days: Days, vocabulary: Vocabulary, flags: Flags, n: int, clients: Ints, start: Ints, end: Ints
) -> pa.Table:
    crowd = bookings.crowd
    ids = crowd.ids[flags]
    required = [role.required or None for role in vocabulary.roles]
    unknown = WORKERS.at(ids, "assigned_to_unknown_client")
    return pa.table(
        {
            "assignment_id": join(["A-", numbers(ids), f"-{n}"]),
            "worker_id": pa.array(ids),
            "client_id": where(unknown, UNKNOWN_CLIENT, client_ids(clients[flags])),
            "shift": words(SHIFTS, bookings.shift[flags]),
            "start": days.dates(start[flags]),
            "end": days.dates(end[flags]),
            "required_credential": words(required, crowd.role[flags]),
        }
    )


def ban_table(draws: Draws, days: Days, bookings: Bookings) -> pa.Table:
    """``do_not_return``: client_id, worker_id, since date32, reason."""
    ids = bookings.crowd.ids[bookings.banned]
    unknown = WORKERS.at(ids, "ban_by_unknown_client")
    return pa.table(
        {
            "client_id": where(unknown, UNKNOWN_CLIENT, client_ids(bookings.banning[bookings.banned])),
            "worker_id": pa.array(ids),
            "since": days.dates(bookings.banned_since[bookings.banned]),
            "reason": words(BAN_REASONS, draws.below("ban reason", ids, len(BAN_REASONS))),
        }
    )


def submission_table(draws: Draws, days: Days, bookings: Bookings) -> pa.Table:
    """``submissions``: client_id, worker_id, at timestamp, outcome."""
    ids = bookings.crowd.ids
    again = WORKERS.at(ids, "already_pitched")
    despite = WORKERS.at(ids, "pitched_despite_do_not_return")
    unknown = WORKERS.at(ids, "pitched_to_unknown_client")
    once = draws.chance("submitted", ids, 160) & ~WORKERS.at(ids, "ban_by_unknown_client", "ban_in_the_future")
    twice = draws.chance("submitted again", ids, 250) & once
    first = np.where(despite, bookings.banning, bookings.clients[0])
    second = np.where(again, first, bookings.clients[1])
    day = draws.between("submitted at", ids, -80, -41)
    parts: Sequence[tuple[int, Flags, Ints, Ints]] = (
        (1, once | again | despite | unknown, first, day),
        (2, twice | again, second, day + draws.between("submitted later", ids, 5, 40)),
    )
    tables = []
    for n, flags, clients, at in parts:
        who = ids[flags]
        seconds = draws.between(f"submitted time {n}", who, 8 * 3600, 17 * 3600)
        outcome = draws.weighted(f"outcome {n}", who, [25, 30, 35, 10])
        stale = (outcome == OUTCOMES.index("pending")) & (at[flags] < -PENDING_DAYS)
        outcome = np.where(stale, OUTCOMES.index("rejected"), outcome)
        tables.append(
            pa.table(
                {
                    "client_id": where(unknown[flags] & (n == 1), UNKNOWN_CLIENT, client_ids(clients[flags])),
                    "worker_id": pa.array(who),
                    "at": days.times(at[flags], seconds),
                    "outcome": words(OUTCOMES, outcome),
                }
            )
        )
    return _sorted(pa.concat_tables(tables), "worker_id", "at")


def _sorted(table: pa.Table, *keys: str) -> pa.Table:
    return table.sort_by([(key, "ascending") for key in keys])
