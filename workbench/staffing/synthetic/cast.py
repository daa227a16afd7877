"""The cast: hand-made workers and clients that the 44 scenarios speak of, the same for any size and seed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from workbench.staffing.shifts import SHIFTS, say_shifts
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Ints
from workbench.staffing.synthetic.people import FULL_SCORE, Crowd, emails, name_codes
from workbench.staffing.synthetic.texts import words
from workbench.staffing.synthetic.vocabulary import Vocabulary, fold
from workbench.staffing.synthetic.workers import worker_table

# The cast does not change with the seed of the set: order texts name its people.
CAST_DRAWS = Draws(0)


@dataclass(frozen=True, slots=True)
class CastClient:
    """A client of the scenarios: ``home`` is ``"Joliet, IL"``, ``family`` the trade family of its work."""

    id: int
    name: str
    home: str
    family: str
    contact: str

    @property
    def client_id(self) -> str:
        """``CL-0001`` …"""
        return f"CL-{self.id:04d}"


@dataclass(frozen=True, slots=True)
class Booking:
    """An assignment: ``start`` and ``end`` are days from the epoch, both worked."""

    client: int
    shift: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Ban:
    """A client that does not want the worker back, ``since`` days from the epoch."""

    client: int
    since: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pitch:
    """A submission to a client, ``at`` days from the epoch."""

    client: int
    at: int
    outcome: str


@dataclass(frozen=True, slots=True)
class CastWorker:
    """A person of the scenarios. ``expires`` maps each credential to its last day (days from the epoch); ``note`` is a
    further line of the résumé; no name means one drawn like everybody's, no ``lines`` a résumé drawn so too.
    """

    id: int
    role: str
    home: str
    shifts: tuple[str, ...]
    skills: tuple[str, ...]
    expires: Mapping[str, int] = field(default_factory=dict)
    active: bool = True
    name: str = ""
    note: str = ""
    lines: tuple[str, ...] = ()
    assignments: tuple[Booking, ...] = ()
    bans: tuple[Ban, ...] = ()
    submissions: tuple[Pitch, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """The clients in id order (1, 2, … without a gap) and the workers in id order (the ids between are the crowd's)."""

    clients: tuple[CastClient, ...]
    workers: tuple[CastWorker, ...]

    @property
    def ids(self) -> Ints:
        """The worker ids, int64."""
        return np.array([worker.id for worker in self.workers], dtype=np.int64)


def read_cast() -> Cast:
    """The packaged cast."""
    table = tomllib.loads((files("workbench.staffing") / "data" / "cast.toml").read_text(encoding="utf-8"))
    workers = sorted(msgspec.convert(table["worker"], list[CastWorker]), key=lambda worker: worker.id)
    return Cast(tuple(msgspec.convert(table["client"], list[CastClient])), tuple(workers))


def cast_workers(cast: Cast, vocabulary: Vocabulary, days: Days) -> pa.Table:
    """The cast as rows of ``workers``: written by the same hand as the crowd, then given what the scenarios need."""
    ids = cast.ids
    active = np.array([worker.active for worker in cast.workers])
    crowd = Crowd(
        ids=ids,
        twins=ids,
        role=np.array([vocabulary.role_code(worker.role) for worker in cast.workers]),
        place=np.array([vocabulary.place_code(worker.home) for worker in cast.workers]),
        shifts=np.array([sum(1 << SHIFTS.index(shift) for shift in worker.shifts) for worker in cast.workers]),
        holds=np.zeros((len(ids), vocabulary.credential_rates.shape[1]), dtype=np.bool_),
        availability=np.where(active, CAST_DRAWS.between("availability", ids, 3_000, FULL_SCORE), 0),
        lapsed=np.zeros(len(ids), dtype=np.bool_),
    )
    table = worker_table(CAST_DRAWS, vocabulary, days, crowd)
    names, mails = _identity(cast, vocabulary, ids)
    texts = table["resume_text"].to_pylist()
    own: dict[str, list[str | None]] = {
        "name": list(names),
        "email": list(mails),
        "skills": ["; ".join(worker.skills) for worker in cast.workers],
        "certifications": ["; ".join(worker.expires) or None for worker in cast.workers],
        "resume_text": [_resume(worker, text) for worker, text in zip(cast.workers, texts, strict=True)],
    }
    for name, values in own.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values, pa.string()))
    return table


def _resume(worker: CastWorker, drawn: str) -> str:
    own = [*worker.lines, f"Works {say_shifts(worker.shifts)}."] if worker.lines else [drawn]
    return "\n".join([*own, *filter(None, [worker.note])])


def _identity(cast: Cast, vocabulary: Vocabulary, ids: Ints) -> tuple[list[str], list[str]]:
    first, last = name_codes(CAST_DRAWS, vocabulary, ids)
    drawn = [f"{vocabulary.first[f]} {vocabulary.last[n]}" for f, n in zip(first, last, strict=True)]
    mails = emails(CAST_DRAWS, vocabulary, first, last, ids).to_pylist()
    for row, worker in enumerate(cast.workers):
        if worker.name:
            drawn[row] = worker.name
            mails[row] = f"{fold(worker.name)}{worker.id}@example.com"
    return drawn, mails


def cast_credentials(cast: Cast, vocabulary: Vocabulary, days: Days) -> pa.Table:
    """The cast's rows of ``credentials``; each was issued its full term before it expires."""
    years = vocabulary.trades.credential_years
    rows = [(w.id, name, day - 365 * years[name], day) for w in cast.workers for name, day in w.expires.items()]
    return pa.table(
        {
            "worker_id": _ints(rows, 0),
            "credential": pa.array([row[1] for row in rows], pa.string()),
            "issued": days.dates(np.array([row[2] for row in rows])),
            "expires": days.dates(np.array([row[3] for row in rows])),
        }
    )


def cast_assignments(cast: Cast, vocabulary: Vocabulary, days: Days) -> pa.Table:
    """The cast's rows of ``assignments``."""
    rows = [(worker, n, booking) for worker in cast.workers for n, booking in enumerate(worker.assignments, 1)]
    return pa.table(
        {
            "assignment_id": pa.array([f"A-{worker.id}-{n}" for worker, n, _ in rows], pa.string()),
            "worker_id": pa.array([worker.id for worker, _, _ in rows], pa.int64()),
            "client_id": _clients([booking.client for _, _, booking in rows]),
            "shift": pa.array([booking.shift for _, _, booking in rows], pa.string()),
            "start": days.dates(np.array([booking.start for _, _, booking in rows])),
            "end": days.dates(np.array([booking.end for _, _, booking in rows])),
            "required_credential": pa.array(
                [vocabulary.trades.role(w.role).required or None for w, _, _ in rows], pa.string()
            ),
        }
    )


def cast_bans(cast: Cast, days: Days) -> pa.Table:
    """The cast's rows of ``do_not_return``."""
    rows = [(worker.id, ban) for worker in cast.workers for ban in worker.bans]
    return pa.table(
        {
            "client_id": _clients([ban.client for _, ban in rows]),
            "worker_id": _ints(rows, 0),
            "since": days.dates(np.array([ban.since for _, ban in rows])),
            "reason": pa.array([ban.reason for _, ban in rows], pa.string()),
        }
    )


def cast_submissions(cast: Cast, days: Days) -> pa.Table:
    """The cast's rows of ``submissions``, each at ten in the morning."""
    rows = [(worker.id, pitch) for worker in cast.workers for pitch in worker.submissions]
    at = np.array([pitch.at for _, pitch in rows])
    return pa.table(
        {
            "client_id": _clients([pitch.client for _, pitch in rows]),
            "worker_id": _ints(rows, 0),
            "at": days.times(at, at * 0 + 36_000),
            "outcome": pa.array([pitch.outcome for _, pitch in rows], pa.string()),
        }
    )


def _ints(rows: list[Any], column: int) -> Any:
    return pa.array([row[column] for row in rows], pa.int64())


def _clients(codes: list[int]) -> Any:
    return words([f"CL-{code:04d}" for code in range(max(codes) + 1)], np.array(codes))
