"""Shortlists: who is considered for an order, in which order, by whom; every change of mind is a row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from workbench.errors import InvalidError
from workbench.lake.lake import Lake
from workbench.pii import mask_text
from workbench.staffing.book import Book, Form, Row
from workbench.staffing.desk.crew import Crew, Member, WorkerRef
from workbench.staffing.desk.job_orders import JobOrders, OrderRef

FORM = Form(
    "shortlists",
    pa.schema(
        [
            ("order_id", pa.string()),
            ("worker", pa.string()),  # as validators write it: W-12
            ("worker_id", pa.null()),  # as the roster has it
            ("step", pa.int64()),  # 1, 2, … for this order
            ("event", pa.string()),  # added | removed
            ("happened_at", pa.timestamp("us", tz="UTC")),
            ("recorded_by", pa.string()),
            ("search_id", pa.string()),
            ("note", pa.string()),
        ]
    ),
    "shortlists of orders",
)
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A worker on a shortlist. ``search_id``: the search that showed him; ``note`` holds no personal data."""

    worker: str
    worker_id: int | str
    added_at: dt.datetime
    added_by: str = ""
    search_id: str = ""
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the time in UTC."""
        return {name: getattr(self, name) for name in self.__slots__} | {"added_at": self.added_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Who is considered for an order, first come first. ``changed``: the workers that the call added or removed;
    ``unchanged``: those that were on it, or not on it, already.
    """

    order_id: str
    entries: tuple[Entry, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()

    @property
    def workers(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(one.worker for one in self.entries)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "order_id": self.order_id,
            "entries": [one.to_dict() for one in self.entries],
            "changed": list(self.changed),
            "unchanged": list(self.unchanged),
        }


@dataclass(slots=True)
class _Lists:
    """Order → the rows about it."""

    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        if row["order_id"] is not None and row["worker"] is not None and row["step"] is not None:
            self.rows.setdefault(row["order_id"].casefold(), []).append(row)

    def steps(self, order_id: str) -> list[Row]:
        return sorted(self.rows.get(order_id.casefold(), ()), key=lambda row: int(row["step"]))

    def entries(self, order_id: str) -> dict[str, Entry]:
        there: dict[str, Entry] = {}
        for row in self.steps(order_id):
            if row["event"] == "added":
                there[row["worker"].casefold()] = _entry(row)
            else:
                there.pop(row["worker"].casefold(), None)
        return there


def _entry(row: Row) -> Entry:
    texts = (row["recorded_by"] or "", row["search_id"] or "", row["note"] or "")
    return Entry(row["worker"], row["worker_id"], row["happened_at"], *texts)


@dataclass(frozen=True)
class Shortlists:
    """The shortlists of a lake. Threads and processes may change one at once: each sees what the other did."""

    lake: Lake
    orders: JobOrders
    crew: Crew
    book: Book[Any]

    @classmethod
    def of(cls, lake: Lake, orders: JobOrders, crew: Crew) -> Shortlists:
        """Those of a lake."""
        return cls(lake, orders, crew, Book(lake, FORM, _Lists))

    def change(
        self,
        order: OrderRef,
        workers: Sequence[WorkerRef],
        *,
        remove: bool = False,
        note: str = "",
        by: str = "",
        search_id: str = "",
    ) -> Shortlist:
        """Put workers on the shortlist of an order, after those on it, or take them off; the list as it is then.

        Who is on it already stays where he is: a second click does no harm. A note is kept with personal data masked.
        Raises NotFoundError for an order or a worker that there is not, naming near ones.
        """
        if isinstance(workers, str | int | Mapping):
            workers = [workers]
        if not workers or len(workers) > _MOST:
            raise InvalidError(
                f"A shortlist takes 1 to {_MOST:,} workers at once, not {len(workers):,}.", hint='["W-12", "W-31"]'
            )
        asked = self.orders.of(order)
        members = list({one.label: one for one in self.crew.members(workers)}.values())
        who = by or self.lake.by

        def decide(index: _Lists) -> tuple[list[Row], Shortlist]:
            there, first = index.entries(asked.id), len(index.rows.get(asked.id.casefold(), ())) + 1
            chosen = [one for one in members if (one.label.casefold() in there) is remove]
            said: dict[str, Any] = {
                "event": "removed" if remove else "added",
                "recorded_by": who,
                "note": mask_text(note) or None,
            }
            said |= {"order_id": asked.id, "happened_at": dt.datetime.now(dt.UTC), "search_id": search_id or None}
            rows: list[Row] = [said | _named(one, step) for step, one in enumerate(chosen, first)]
            for row in rows:
                if remove:
                    del there[row["worker"].casefold()]
                else:
                    there[row["worker"].casefold()] = _entry(row)
            changed = tuple(one.label for one in chosen)
            same = tuple(one.label for one in members if one.label not in changed)
            return rows, Shortlist(asked.id, tuple(there.values()), changed, same)

        made: Shortlist = self.book.append(decide, by=who)
        return made

    def of_order(self, order: OrderRef) -> Shortlist:
        """The shortlist of an order; an empty one where nobody was put on any. Raises NotFoundError for no order."""
        id_ = order.strip() if isinstance(order, str) else self.orders.of(order).id
        found: tuple[Entry, ...] = self.book.look(lambda _, index: tuple(index.entries(id_).values()))
        return Shortlist(id_ if found else self.orders.of(order).id, found)

    def all(self) -> tuple[Shortlist, ...]:
        """Every shortlist with somebody on it, by order."""

        def at(_: Any, index: _Lists) -> tuple[Shortlist, ...]:
            names = {key: rows[0]["order_id"] for key, rows in sorted(index.rows.items())}
            return tuple(Shortlist(name, tuple(index.entries(key).values())) for key, name in names.items())

        return tuple(one for one in self.book.look(at) if one.entries)


def _named(member: Member, step: int) -> dict[str, Any]:
    return {"worker": member.label, "worker_id": member.id, "step": step}
