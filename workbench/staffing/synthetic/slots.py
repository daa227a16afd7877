"""Slots: where the planted violations sit. Everything else is clean by construction, so the lists are complete.

A slot is a position within a block of rows (each thousand workers, each five hundred candidates …), so planting needs
no memory and the list for any size is arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.staffing.synthetic.draws import Flags, Ints


@dataclass(frozen=True, slots=True)
class Slots:
    """``position[kind]`` within each block of ``block`` rows."""

    block: int
    position: Mapping[str, int]

    def at(self, rows: Ints, *kinds: str) -> Flags:
        """Which rows are in the slot of one of the kinds."""
        return np.isin(rows % self.block, [self.position[kind] for kind in kinds])

    def rows(self, kind: str, last: int, first: int = 0) -> list[int]:
        """All rows of that slot from ``first`` to ``last``, both included."""
        start = self.position[kind]
        while start < first:
            start += self.block
        return list(range(start, last + 1, self.block))


FIRST_SLOT = 301

WORKERS = Slots(
    1000,
    {
        # Each duplicate repeats the person one row above, so 301 and 303 are ordinary people.
        "duplicate_person": 302,
        "shared_phone": 304,
        "city_state_mismatch": 305,
        "zip_without_leading_zero": 306,
        "ssn_in_resume": 307,
        "ssn_in_communications": 308,
        "contact_in_resume": 309,
        "name_in_resume": 310,
        "inactive_on_assignment": 311,
        "double_booked": 312,
        "expired_on_shift": 313,
        "assigned_despite_do_not_return": 314,
        "already_pitched": 315,
        "pitched_despite_do_not_return": 316,
        "assignment_ends_before_start": 317,
        "expires_before_issued": 318,
        "ban_by_unknown_client": 319,
        "ban_in_the_future": 320,
        "pitched_to_unknown_client": 321,
        "credential_not_on_profile": 322,
        "assigned_to_unknown_client": 323,
    },
)

# These people have an assignment around the epoch, whatever else the draws say.
BOOKED = (
    "inactive_on_assignment",
    "double_booked",
    "expired_on_shift",
    "assigned_despite_do_not_return",
    "assignment_ends_before_start",
    "assigned_to_unknown_client",
)

CANDIDATES = Slots(
    500,
    {
        "java_chicago_five_calls": 7,
        "java_chicago_four_calls": 8,
        "java_chicago_four_out_two_in": 9,
        "java_chicago_six_calls_placed": 10,
        "shared_phone": 12,
        "blocked_but_placed": 13,
        "placed_before_created": 14,
        "email_without_at": 15,
    },
)

CLIENTS = Slots(40, {"same_ein": 31, "city_state_mismatch": 32, "email_without_at": 33})

JOB_ORDERS = Slots(
    150,
    {
        "count_zero": 101,
        "unknown_client": 102,
        "starts_before_received": 103,
        "pay_above_bill": 104,
        "city_state_mismatch": 105,
    },
)

PLACEMENTS = Slots(500, {"unknown_candidate": 111, "unknown_order": 112, "ends_before_start": 113})

TIMESHEETS = Slots(
    2500, {"over_24_hours": 1021, "negative_hours": 1042, "unknown_placement": 1063, "same_day_twice": 1084}
)

CALLS = Slots(2000, {"negative_duration": 531, "in_the_future": 532})

EMAILS = Slots(
    1500,
    {
        "pay_rate_to_client": 401,
        "ssn_in_body": 402,
        "sms_over_160": 403,
        "subject_over_78": 404,
        "wrong_name": 405,
        "pay_not_the_orders": 406,
        "unknown_candidate": 407,
    },
)

FILL_EVENTS = Slots(200, {"count_zero": 141, "unknown_client": 142, "city_state_mismatch": 143})
