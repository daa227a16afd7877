"""The desk of a lake: roster and records from its newest snapshots, kept until there are newer ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import Any

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote
from workbench.staffing.roles import read_trades
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

    def judge(self, kind: str, artifact: Any, context: Any = None, *, today: date | None = None) -> Report:
        """`judge` at this desk. Raises InvalidError for an unknown kind."""
        check_kind(kind)
        return judge(kind, artifact, context, desk=self.desk(kind), today=today)

    def desk(self, kind: str) -> Desk:
        """What a validator of ``kind`` looks things up in. A dataset that is not there, or lacks a column, is None."""
        if kind not in {"fill", "email"}:
            return Desk()
        roster = self._read(self._roster)
        if kind == "email":
            return Desk(roster=roster)
        records = {name: self._read(name) for name in (*SHAPES, "clients")}
        return Desk(roster=roster, same_role=self._same_role(roster), required=required_paper, **records)

    def _same_role(self, roster: Roster | None) -> SameRole:
        if self._trade_of is None or roster is None:
            return same_text
        return same_trade(roster, self._trade_of)

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
