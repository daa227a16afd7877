"""The desk of a lake: roster and records from its newest snapshots, kept until there are newer ones.

What was recorded at this desk counts as much as what was loaded: who was offered to a client (`outcomes`) is pitched to
him as a row of ``submissions`` would say, who was placed is booked as a row of ``assignments``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache, cached_property
from typing import Any

import pyarrow as pa

from workbench.errors import ConflictError
from workbench.lake.lake import Lake
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote
from workbench.staffing.book import Book
from workbench.staffing.outcomes import Outcome, Outcomes, open_outcomes
from workbench.staffing.roles import read_trades
from workbench.staffing.validate.columns import day_number
from workbench.staffing.validate.judge import check_kind, judge
from workbench.staffing.validate.records import SHAPES, Clients, Desk, Records
from workbench.staffing.validate.report import Report
from workbench.staffing.validate.roster import NAMES, Roster, SameRole, same_text
from workbench.trades.roles import RoleMatch

TradeOf = Callable[[str], RoleMatch]


class LakeDesk:
    """Judges by a lake: reads what the validators of a kind need, and again only when there is a new version.

    ``trade_of`` says which trade a role text means; without it roles are compared as texts.
    """

    def __init__(self, lake: Lake, trade_of: TradeOf | None = None, *, roster: str = "workers") -> None:
        self._lake = lake
        self._roster = roster
        self._trade_of = trade_of
        self._kept: dict[str, tuple[str, Any]] = {}
        self._joined: dict[str, tuple[Records | None, str, Records | None]] = {}
        self._trades: tuple[Roster, SameRole] | None = None

    @cached_property
    def outcomes(self) -> Book[Outcomes]:
        """What was recorded for the orders of this lake."""
        return open_outcomes(self._lake)

    def judge(self, kind: str, artifact: Any, context: Any = None, *, today: date | None = None) -> Report:
        """`judge` at this desk. Raises InvalidError for an unknown kind."""
        check_kind(kind)
        return judge(kind, artifact, context, desk=self.desk(kind, context), today=today)

    def desk(self, kind: str, context: Any = None) -> Desk:
        """What a validator of ``kind`` looks things up in. A dataset that is not there, or lacks a column, is None.

        ``follows`` in the caller's context is the id of the last outcome recorded for its ``order_id`` and a worker:
        that he was shown to the client since the first of them forbids nothing.
        """
        if kind not in {"fill", "email"}:
            return Desk()
        roster = self._read(self._roster)
        if kind == "email":
            return Desk(roster=roster)
        records = {name: self._read(name) for name in (*SHAPES, "clients")}
        if snapshot := self._recorded():
            records |= {name: self._with_recorded(name, records[name], snapshot) for name in _RECORDED}
        if isinstance(context, Mapping) and context.get("follows") and records["submissions"] is not None:
            records["submissions"] = self._without_chain(records["submissions"], context)
        return Desk(roster=roster, same_role=self._same_role(roster), required=required_paper, **records)

    def _recorded(self) -> str:
        """Which version of what was recorded here is the newest; '' for nothing yet."""
        try:
            return self.outcomes.look(lambda base, _: _version(base))
        except ConflictError:  # a dataset of this name that is none of ours says nothing
            return ""

    def _with_recorded(self, name: str, loaded: Records | None, snapshot: str) -> Records | None:
        """The records that were loaded, and those that were made here."""
        try:
            before = self._joined.get(name)
            if before is None or before[0] is not loaded or before[1] != snapshot:
                made = self.outcomes.look(lambda base, index: _RECORDED[name](index, loaded, base))
                before = (loaded, snapshot, loaded.beside(made) if loaded and made else loaded or made)
                self._joined[name] = before
        except ConflictError:  # as above, since a moment ago
            return loaded
        return before[2]

    def _without_chain(self, pitches: Records, context: Mapping[str, Any]) -> Records:
        chain = self.outcomes.look(lambda _, index: index.chain_with(str(context["follows"])))
        if not chain or chain[0].client_id is None or context.get("order_id") != chain[0].order_id:
            return pitches
        # A day before: ours are in UTC, and the agency's own record of the same pitch is in its own time.
        since, client = day_number(min(one.happened_at for one in chain).date()) - 1, chain[0].client_id
        (rows,) = pitches.of_each([chain[0].worker])
        of, at = pitches.texts["client_id"], pitches.days["at"]
        return pitches.excusing([n for n in rows if at[n] >= since and same_text(of[n] or "", client)], "at")

    def _same_role(self, roster: Roster | None) -> SameRole:
        if self._trade_of is None or roster is None:
            return same_text
        if self._trades is None or self._trades[0] is not roster:
            self._trades = roster, same_trade(roster, self._trade_of)
        return self._trades[1]

    def _read(self, name: str) -> Any:
        manifest = self._lake.catalog.find(name)
        if manifest is None:
            return None
        snapshot = f"{manifest.name}@{manifest.version}"
        kept, value = self._kept.get(name, ("", None))
        if kept != f"{snapshot} {manifest.created_at}":
            value = self._made(name, manifest, snapshot)
            self._kept[name] = (f"{snapshot} {manifest.created_at}", value)
        return value

    def _made(self, name: str, manifest: Manifest, snapshot: str) -> Any:
        if name == self._roster:
            return self._made_roster(manifest, snapshot)
        if name == "clients":
            there = {one: one for one in ("client_id", "status") if manifest.column(one)}
            return Clients.of(self._table(manifest, there), snapshot=snapshot) if "client_id" in there else None
        shape = SHAPES[name]
        if not all(manifest.column(one) for one in shape.needed):
            return None
        wanted = [one for one in ("worker_id", *shape.texts, *shape.days) if manifest.column(one)]
        select = {one: f"try_cast({quote(one)} AS DATE)" if one in shape.days else quote(one) for one in wanted}
        return Records.of(name, self._table(manifest, select), snapshot=snapshot)

    def _made_roster(self, manifest: Manifest, snapshot: str) -> Roster | None:
        found = {what: next(filter(manifest.column, names), None) for what, names in NAMES.items()}
        columns = [name for name in found.values() if name]
        if not found["id"]:
            return None
        return Roster.of(self._table(manifest, {name: quote(name) for name in columns}), snapshot=snapshot)

    def _table(self, manifest: Manifest, select: dict[str, str]) -> pa.Table:
        text = ", ".join(f"{sql} AS {quote(name)}" for name, sql in select.items())
        batches = list(self._lake.queries.read(manifest, text))
        if batches:
            return pa.Table.from_batches(batches)
        return pa.table({name: pa.nulls(0, pa.string()) for name in select})


def _pitches(index: Outcomes, _: Records | None, base: Manifest | None) -> Records | None:
    """Who was shown to a client, when last, and what became of it."""
    rows = [_row(one, at=one.happened_at.date(), outcome=last.outcome) for one, last in index.pitches()]
    return _records("submissions", rows, base)


def _bookings(index: Outcomes, loaded: Records | None, base: Manifest | None) -> Records | None:
    """Who is placed; without an end, until another outcome ends it, or the agency's own records know the booking."""
    placed = list(index.bookings())
    of_each = loaded.of_each([one.worker for one in placed]) if loaded else [range(0)] * len(placed)
    rows = [
        _row(one, shift=one.shift, start=one.start, end=one.end)
        for one, rows in zip(placed, of_each, strict=True)
        if one.end or not (loaded and _knows(loaded, rows, one))
    ]
    return _records("assignments", rows, base)


def _knows(loaded: Records, rows: range, one: Outcome) -> bool:
    """Whether a booking of this worker at this client that begins with the placement, or after it, was loaded."""
    assert one.start is not None
    first, of, start = day_number(one.start), loaded.texts["client_id"], loaded.days["start"]
    return any(start[n] >= first and same_text(of[n] or "", one.client_id or "") for n in rows)


_RECORDED: Mapping[str, Callable[[Outcomes, Records | None, Manifest | None], Records | None]] = {
    "submissions": _pitches,
    "assignments": _bookings,
}


def _row(one: Outcome, **more: Any) -> dict[str, Any]:
    return {"worker_id": one.worker, "client_id": one.client_id, **more}


def _records(name: str, rows: list[dict[str, Any]], base: Manifest | None) -> Records | None:
    if not rows or base is None:
        return None
    types = {one: pa.date32() if one in SHAPES[name].days else pa.string() for one in rows[0]}
    columns = {one: pa.array([row[one] for row in rows], kind) for one, kind in types.items()}
    return Records.of(name, pa.table(columns), snapshot=f"{base.name}@{base.version}")


def _version(base: Manifest | None) -> str:
    return f"{base.name}@{base.version} {base.created_at}" if base else ""


@cache
def _required() -> dict[str, str]:
    return {role.name.casefold(): role.required for role in read_trades().roles if role.required}


def required_paper(role: str) -> str:
    """The paper without which nobody works in a role of the packaged table, '' for none."""
    return _required().get(role.casefold(), "")


def same_trade(roster: Roster, trade_of: TradeOf) -> SameRole:
    """Equal as texts; and where nobody on the roster has the asked role by that name ("tow motor driver"), one trade.

    Two names that the roster itself tells apart stay apart ("Picker", "Packer"), and an ambiguous title is no proof.
    """
    named = {" ".join(role.split()).casefold() for role in roster.role.values if role}

    @cache
    def same(asked: str, role: str) -> bool:
        if same_text(asked, role):
            return True
        if " ".join(asked.split()).casefold() in named:
            return False
        one, other = trade_of(asked), trade_of(role)
        told = one.occupation is not None and one.occupation == other.occupation
        return told and not one.ambiguous and not other.ambiguous

    return same
