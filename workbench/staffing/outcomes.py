"""Outcomes: what became of a worker who was offered an order, each step of it a row of the dataset ``outcomes``.

``FOLLOWS`` is the whole of the rules; ``Outcomes`` holds the rows by order and worker. Who may write a row, and after
which checks, is decided in `staffing.desk`; the validators read the rows here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.staffing.book import Book, Form, Row

START = ""
"""What stands before the first outcome."""

FOLLOWS: Mapping[str, tuple[str, ...]] = {
    START: ("offered", "accepted", "declined", "no_answer", "placed"),  # a call may settle all of it at once
    "offered": ("accepted", "declined", "no_answer", "placed"),
    "no_answer": ("offered", "accepted", "declined", "placed"),  # called again, or he called back
    "accepted": ("placed", "declined", "no_show"),  # declined: he withdrew
    "declined": ("offered", "accepted"),  # he changed his mind; only then he can be placed
    "placed": ("no_show", "declined"),
    "no_show": ("offered",),  # a second chance begins at the beginning
}
"""Outcome → the outcomes that may follow it for the same worker and order."""

OUTCOMES = ("offered", "accepted", "declined", "no_answer", "no_show", "placed")
PROMISES = frozenset({"offered", "accepted", "placed"})
"""What promises a worker to a client. The others say what happened, and promise nothing."""
PITCHES = frozenset({"offered", "accepted", "placed"})
"""What shows a worker to the client of the order."""
BOOKS = "placed"
"""What books a worker for the days of the order, as long as it is the last outcome."""

FORM = Form(
    "outcomes",
    pa.schema(
        [
            ("outcome_id", pa.string()),
            ("order_id", pa.string()),
            ("worker", pa.string()),  # as validators write it: W-12
            ("worker_id", pa.null()),  # as the roster has it
            ("step", pa.int64()),  # 1, 2, … for this order and worker
            ("outcome", pa.string()),
            ("happened_at", pa.timestamp("us", tz="UTC")),
            ("recorded_at", pa.timestamp("us", tz="UTC")),
            ("recorded_by", pa.string()),
            ("client_id", pa.string()),
            ("role", pa.string()),
            ("city", pa.string()),
            ("state", pa.string()),
            ("shift", pa.string()),
            ("start", pa.date32()),
            ("end", pa.date32()),
            ("passed", pa.bool_()),
            ("verdict", pa.string()),  # SHA-256 of the artifact that was judged
            ("context_sha256", pa.string()),
            ("snapshots", pa.list_(pa.field("element", pa.string()))),
            ("validator", pa.string()),
        ]
    ),
    "outcomes of orders",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row. ``start`` and ``end`` are the days worked as the order says them; ``passed`` is what the validators said
    of this worker for this order, and ``verdict`` and ``context_sha256`` what exactly they judged.
    """

    outcome_id: str
    order_id: str
    worker: str
    worker_id: int | str
    step: int
    outcome: str
    happened_at: dt.datetime
    recorded_at: dt.datetime
    recorded_by: str = ""
    client_id: str | None = None
    role: str | None = None
    city: str | None = None
    state: str | None = None
    shift: str | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    passed: bool = True
    verdict: str = ""
    context_sha256: str = ""
    snapshots: tuple[str, ...] = ()
    validator: str = ""

    @property
    def says(self) -> str:
        """In words: "W-12 accepted JO-000007 (22 Nov 2026 10:05, by ann)"."""
        who = f", by {self.recorded_by}" if self.recorded_by else ""
        when = self.happened_at.astimezone().strftime("%-d %b %Y %H:%M")
        return f"{self.worker} {self.outcome.replace('_', ' ')} {self.order_id} ({when}{who})"

    def to_row(self) -> Row:
        """As the dataset has it."""
        return asdict(self) | {"snapshots": list(self.snapshots)}

    def to_dict(self) -> dict[str, Any]:
        """JSON form: times in UTC, days as ISO text."""
        said = self.to_row()
        return {k: v.isoformat() if isinstance(v, dt.date) else v for k, v in said.items()}

    @classmethod
    def from_row(cls, row: Row) -> Outcome:
        """From a row of the dataset."""
        said = {f.name: row[f.name] for f in fields(cls)}
        texts = ("recorded_by", "verdict", "context_sha256", "validator")
        said |= {name: said[name] or "" for name in texts}
        return cls(**said | {"snapshots": tuple(said["snapshots"] or ()), "passed": bool(said["passed"])})


@dataclass(slots=True)
class Outcomes:
    """All outcomes of one snapshot; a chain is those of one worker for one order, first to last."""

    chains: dict[tuple[str, str], list[Outcome]] = field(default_factory=dict)
    by_id: dict[str, Outcome] = field(default_factory=dict)
    by_order: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Take in one row; what other doors wrote without saying what, of whom and when means nothing here."""
        if any(row[name] is None for name in ("order_id", "worker", "worker_id", "outcome", "step", "happened_at")):
            return
        one = Outcome.from_row(row)
        chain = self.chains.setdefault(_key(one.order_id, one.worker), [])
        chain.append(one)
        if len(chain) > 1 and chain[-2].step > one.step:  # files come in the order of their clocks
            chain.sort(key=lambda each: each.step)
        self.by_id[one.outcome_id] = one
        self.by_order.setdefault(one.order_id.casefold(), {})[one.worker.casefold()] = None

    def chain(self, order_id: str, worker: str) -> tuple[Outcome, ...]:
        """What happened so far with this worker for this order."""
        return tuple(self.chains.get(_key(order_id, worker), ()))

    def chain_with(self, outcome_id: str) -> tuple[Outcome, ...]:
        """The chain that an outcome belongs to; none for one that there is not."""
        one = self.by_id.get(outcome_id)
        return self.chain(one.order_id, one.worker) if one else ()

    def of_order(self, order_id: str) -> tuple[Outcome, ...]:
        """All outcomes of an order, the earliest first."""
        chains = [self.chains[_key(order_id, one)] for one in self.by_order.get(order_id.casefold(), ())]
        return _sorted(each for chain in chains for each in chain)

    def last_of(self, order_id: str) -> tuple[Outcome, ...]:
        """How it stands with each worker of an order."""
        return tuple(self.chains[_key(order_id, one)][-1] for one in self.by_order.get(order_id.casefold(), ()))

    def all(self) -> tuple[Outcome, ...]:
        """Every outcome, the earliest first."""
        return _sorted(self.by_id.values())

    def pitches(self) -> Iterator[tuple[Outcome, Outcome]]:
        """(the last outcome that showed him, how it ended) of each worker who was shown to a client."""
        for chain in self.chains.values():
            shown = next((one for one in reversed(chain) if one.outcome in PITCHES and one.client_id), None)
            if shown is not None:
                yield shown, chain[-1]

    def bookings(self) -> Iterator[Outcome]:
        """Who is placed now, on days that are known."""
        return (last for chain in self.chains.values() if (last := chain[-1]).outcome == BOOKS and last.start)


def _sorted(found: Any) -> tuple[Outcome, ...]:
    return tuple(sorted(found, key=lambda one: (one.recorded_at, one.step)))


def _key(order_id: str, worker: str) -> tuple[str, str]:
    return order_id.casefold(), worker.casefold()


def open_outcomes(lake: Lake) -> Book[Outcomes]:
    """The book of outcomes of a lake."""
    return Book(lake, FORM, Outcomes)
