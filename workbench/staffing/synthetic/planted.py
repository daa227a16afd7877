"""Planted: the list of every violation in a generated set, by kind and table, with the SQL that finds it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from workbench.errors import InvalidError, NotFoundError
from workbench.staffing.synthetic.bookings import UNKNOWN_CLIENT, UNLISTED_CREDENTIAL, Bookings
from workbench.staffing.synthetic.candidates import Candidates
from workbench.staffing.synthetic.contacts import Calls
from workbench.staffing.synthetic.placements import Placements, same_day_twice
from workbench.staffing.synthetic.size import Size
from workbench.staffing.synthetic.slots import (
    CALLS,
    CANDIDATES,
    CLIENTS,
    EMAILS,
    FILL_EVENTS,
    JOB_ORDERS,
    PLACEMENTS,
    TIMESHEETS,
    WORKERS,
    Slots,
)
from workbench.staffing.synthetic.vocabulary import Vocabulary

FILE_NAME = "planted.json"

Ids = list[Any]

# The kinds that are a pair of a client and a worker, and the table of each.
PAIRED = {
    "ban_by_unknown_client": "do_not_return",
    "ban_in_the_future": "do_not_return",
    "already_pitched": "submissions",
    "pitched_despite_do_not_return": "submissions",
    "pitched_to_unknown_client": "submissions",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """All planted rows of one kind: ``ids`` are values of the ``key`` column, or lists of values where the key has
    several columns; ``sql`` (DuckDB) finds the same rows.
    """

    kind: str
    table: str
    key: tuple[str, ...]
    why: str
    sql: str
    ids: tuple[int | str | tuple[int | str, ...], ...]


@dataclass(frozen=True, slots=True)
class Called:
    """Candidates of one role and city who were called five times or more and never placed; all that there are."""

    role: str
    city: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planted:
    """What ``planted.json`` says. ``epoch`` is an ISO date; ``calls`` is the number behind ``called``."""

    seed: int
    epoch: str
    workers: int
    findings: tuple[Finding, ...]
    calls: int
    called: tuple[Called, ...]

    def finding(self, table: str, kind: str) -> Finding:
        """The finding of that table and kind; raises NotFoundError."""
        known = {f"{entry.table}.{entry.kind}": entry for entry in self.findings}
        if f"{table}.{kind}" not in known:
            raise NotFoundError.named("planted violation", f"{table}.{kind}", known)
        return known[f"{table}.{kind}"]

    def called_never_placed(self, role: str, city: str) -> tuple[str, ...]:
        """The candidate ids behind the sentence, sorted; empty where there is nobody."""
        return next((entry.ids for entry in self.called if (entry.role, entry.city) == (role, city)), ())

    def save(self, folder: Path) -> Path:
        """Write ``planted.json`` into the folder, whole or not at all."""
        path = folder / FILE_NAME
        beside = folder / f".{FILE_NAME}.part"
        beside.write_bytes(msgspec.json.encode(self) + b"\n")
        return beside.replace(path)


def read_planted(folder: Path) -> Planted:
    """Read ``planted.json`` from a folder that ``write_csvs`` wrote. Raises NotFoundError, or InvalidError if it is not
    what was written.
    """
    path = folder / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Planted)
    except FileNotFoundError:
        raise NotFoundError(f"There is no {FILE_NAME} in {folder}.", hint="Make the data first: lh demo") from None
    except msgspec.DecodeError as error:
        raise InvalidError(
            f"{path} is not a list of planted violations: {error}", hint="Make it again: lh demo"
        ) from None


@dataclass(frozen=True, slots=True)
class Made:
    """What the lists are drawn from: the sizes and the decisions of the generator."""

    size: Size
    first_order: int
    candidates: Candidates
    placements: Placements
    calls: Calls


def list_planted(made: Made, vocabulary: Vocabulary, seed: int, epoch: str, banned: Mapping[str, Ids]) -> Planted:
    """Put the list together. ``banned`` holds the ids of the kinds whose key is a client and a worker."""
    table = tomllib.loads((files("workbench.staffing") / "data" / "violations.toml").read_text(encoding="utf-8"))
    listed = _by_slot(made) | _by_decision(made) | {f"{PAIRED[kind]}.{kind}": ids for kind, ids in banned.items()}
    findings = [
        {**entry, "sql": entry["sql"].replace("{epoch}", epoch), "ids": listed[f"{entry['table']}.{entry['kind']}"]}
        for entry in table["violation"]
    ]
    return msgspec.convert(
        {
            "seed": seed,
            "epoch": epoch,
            "workers": made.size.workers,
            "findings": findings,
            "calls": 5,
            "called": _called(made.candidates, vocabulary),
        },
        Planted,
    )


def client_pairs(bookings: Bookings) -> dict[str, Ids]:
    """(client_id, worker_id) of the planted bans and submissions in one chunk of workers, by kind."""
    ids = bookings.crowd.ids
    known = {
        "ban_by_unknown_client": None,
        "ban_in_the_future": bookings.banning,
        "already_pitched": bookings.clients[0],
        "pitched_despite_do_not_return": bookings.banning,
        "pitched_to_unknown_client": None,
    }
    pairs: dict[str, Ids] = {}
    for kind, clients in known.items():
        rows = np.flatnonzero(WORKERS.at(ids, kind))
        pairs[kind] = [(UNKNOWN_CLIENT if clients is None else f"CL-{clients[row]:04d}", int(ids[row])) for row in rows]
    return pairs


def _by_slot(made: Made) -> dict[str, Ids]:
    size = made.size
    return (
        _rows("workers", WORKERS, _PROFILE, size.workers, int)
        | _rows("credentials", WORKERS, _UNLISTED, size.workers, lambda n: (n, UNLISTED_CREDENTIAL))
        | _rows("credentials", WORKERS, _BACKWARDS, size.workers, lambda n: (n, "Forklift Certification"))
        | _rows("assignments", WORKERS, _ASSIGNED, size.workers, lambda n: f"A-{n}-2")
        | _rows("assignments", WORKERS, _THIRD, size.workers, lambda n: f"A-{n}-3")
        | _rows("candidates", CANDIDATES, _APPLICANT, size.candidates, lambda n: f"CAN-{n:07d}")
        | _rows("clients", CLIENTS, CLIENTS.position, size.clients, lambda n: f"CL-{n:04d}")
        | _rows(
            "job_orders", JOB_ORDERS, JOB_ORDERS.position, size.job_orders, lambda n: f"JO-{n:06d}", made.first_order
        )
        | _rows("placements", PLACEMENTS, PLACEMENTS.position, size.placements, lambda n: f"PL-{n:06d}")
        | _rows("timesheets", TIMESHEETS, _SHEET, size.timesheets, lambda n: f"TS-{10_000_000 + n}")
        | _rows("call_log", CALLS, CALLS.position, size.call_log, lambda n: f"CC-{10_000_000 + n}")
        | _rows("email_log", EMAILS, EMAILS.position, size.email_log, lambda n: f"EM-{10_000_000 + n}")
        | _rows("fill_events", FILL_EVENTS, FILL_EVENTS.position, size.fill_events, lambda n: f"FE-{n:07d}")
    )


def _rows(
    table: str, slots: Slots, kinds: Iterable[str], last: int, name: Callable[[int], Any], first: int = 0
) -> dict[str, Ids]:
    return {f"{table}.{kind}": [name(row) for row in slots.rows(kind, last, first)] for kind in kinds}


_PROFILE = (
    "duplicate_person",
    "shared_phone",
    "city_state_mismatch",
    "zip_without_leading_zero",
    "ssn_in_resume",
    "ssn_in_communications",
    "contact_in_resume",
    "name_in_resume",
)
_ASSIGNED = (
    "inactive_on_assignment",
    "expired_on_shift",
    "assigned_despite_do_not_return",
    "assignment_ends_before_start",
    "assigned_to_unknown_client",
)
_UNLISTED = ("credential_not_on_profile",)
_BACKWARDS = ("expires_before_issued",)
_THIRD = ("double_booked",)
_APPLICANT = ("shared_phone", "email_without_at", "blocked_but_placed")
_SHEET = ("over_24_hours", "negative_hours", "unknown_placement")


def _by_decision(made: Made) -> dict[str, Ids]:
    """The kinds that hang on what was drawn, not on a slot of their own table."""
    size, placements = made.size, made.placements
    late = CANDIDATES.at(placements.candidate, "placed_before_created")
    late &= ~PLACEMENTS.at(placements.rows, "unknown_candidate")
    sheets = np.arange(1, size.timesheets + 1)
    twice = sheets[same_day_twice(sheets, size.placements, size.timesheets)]
    unknown = np.flatnonzero(made.calls.candidate == 0) + 1
    return {
        "placements.placed_before_created": [f"PL-{row:06d}" for row in placements.rows[late]],
        "timesheets.same_day_twice": [f"TS-{10_000_000 + row}" for row in twice],
        "call_log.unknown_candidate": [f"CC-{10_000_000 + row}" for row in unknown],
        "places.place_spelled_twice": [("St Louis", "MO")],
    }


def _called(candidates: Candidates, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """By role and city (a city of two states counts as one, as the sentence says no state)."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in np.flatnonzero(candidates.called_in_vain):
        key = (vocabulary.roles[candidates.role[row]].name, vocabulary.places[candidates.place[row]].city)
        found.setdefault(key, []).append(f"CAN-{row + 1:07d}")
    return [{"role": role, "city": city, "ids": ids} for (role, city), ids in sorted(found.items())]


def place_table(vocabulary: Vocabulary) -> pa.Table:
    """``places``: city, state, latitude and longitude float64 degrees; one of them planted under a second spelling."""
    rows = [(place.city, place.state, place.latitude, place.longitude) for place in vocabulary.places]
    twice = next(row for row in rows if row[0] == "St. Louis")
    columns = list(zip(*rows, ("St Louis", *twice[1:]), strict=True))
    return pa.table(dict(zip(("city", "state", "latitude", "longitude"), map(list, columns), strict=True)))
