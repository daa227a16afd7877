"""A lake with the desk of one order: 24 workers who fit it, and one of each kind that does not, known by number."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import workbench
from workbench.llm.chat import Ask
from workbench.llm.lies import Stock
from workbench.llm.scripted import Scripted
from workbench.session import Workbench

TODAY = date(2026, 11, 20)  # a Friday
ORDER = "Acme Steel Works needs 3 forklift operators in Joliet, IL, first shift, starting 11/23/2026, not W-35."
FIT = range(1, 25)
MISFITS = {
    "inactive": 25, "city": 26, "state": 27, "role": 28, "client_blacklist": 29, "expired_credential": 30,
    "double_booked": 31, "do_not_return": 32, "already_pitched": 33, "shift": 34, "excluded": 35, "no paper": 36,
}  # fmt: skip
FIRST = ["Ann", "Bea", "Cal", "Dee", "Eva", "Fay", "Gil", "Hal", "Ida", "Jon", "Kay", "Lee"]
LAST = ["Ash", "Berg", "Cole", "Dunn"]

Row = dict[str, Any]


def name_of(number: int) -> str:
    return f"{FIRST[number % 12]} {LAST[number // 12 % 4]}"


def fill_of(number: int) -> Mapping[str, str]:
    return {"candidate_id": f"W-{number}", "name": name_of(number)}


STOCK = Stock(
    good=[fill_of(n) for n in FIT],
    count=3,
    elsewhere=[fill_of(MISFITS["city"])],
    inactive=[fill_of(MISFITS["inactive"])],
    misfits={why: fill_of(number) for why, number in MISFITS.items()},
)


def _worker(number: int) -> Row:
    shift = "3rd shift (nights)" if number == MISFITS["shift"] else "1st shift (days)"
    return {
        "worker_id": number,
        "name": name_of(number),
        "role": "Packer" if number == MISFITS["role"] else "Forklift Operator",
        "city": "Gary" if number == MISFITS["city"] else "Joliet",
        "state": "MO" if number == MISFITS["state"] else "IL",
        "phone": f"815-555-{number:04d}",
        "email": f"worker{number}@example.com",
        "skills": "RF scanner",
        "certifications": "Forklift Certification",
        "availability": 0.0 if number == MISFITS["inactive"] else 0.9,
        "blacklisted_clients": "CL-1" if number == MISFITS["client_blacklist"] else "",
        "resume_text": f"Forklift operator. Open to {shift}.",
    }


def _credential(number: int) -> Row:
    expires = "2026-11-01" if number == MISFITS["expired_credential"] else "2028-01-31"
    return {"worker_id": number, "credential": "Forklift Certification", "issued": "2024-02-01", "expires": expires}


def _tables() -> dict[str, list[Row]]:
    numbers = [*FIT, *MISFITS.values()]
    return {
        "workers": [_worker(number) for number in numbers],
        "credentials": [_credential(number) for number in numbers if number != MISFITS["no paper"]],
        "clients": [{"client_id": "CL-1", "name": "Acme Steel Works", "city": "Joliet", "state": "IL"}],
        "assignments": [
            {"worker_id": MISFITS["double_booked"], "client_id": "CL-2", "shift": "1st", "start": "2026-11-02",
             "end": "2026-12-18"},
        ],
        "do_not_return": [
            {"client_id": "CL-1", "worker_id": MISFITS["do_not_return"], "since": "2026-01-05", "reason": "No call"},
        ],
        "submissions": [
            {"worker_id": MISFITS["already_pitched"], "client_id": "CL-1", "at": "2026-11-10", "outcome": "rejected"},
        ],
    }  # fmt: skip


@contextmanager
def open_desk(folder: Path, **settings: Any) -> Iterator[Workbench]:
    """The lake of the desk in a folder, opened; its logs wait in that folder."""
    environ = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
    with workbench.connect(folder / "lake", environ=environ, folder=folder, **settings) as wb:
        for name, rows in _tables().items():
            with (folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            wb.ingest(folder / f"{name}.csv")
        yield wb


def model(*turns: str, again: bool = False) -> Scripted:
    return Scripted(list(turns), again=again)


def answering(turn: Callable[[Ask], str]) -> Scripted:
    return Scripted(turn)
