"""Records about workers: credentials, assignments, bans by clients, submissions; each from a snapshot, by worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import InvalidError
from workbench.staffing.validate.columns import Coded, days_of
from workbench.staffing.validate.ids import IdIndex
from workbench.staffing.validate.roster import Lookup, SameRole, same_text

LONG_AGO, NEVER = -(2**31), 2**31 - 1
"""Days of an open start and an open end."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is read of a dataset: columns of text, of days (with the day that null means), and which must be there."""

    texts: tuple[str, ...]
    days: Mapping[str, int]
    needed: tuple[str, ...]


SHAPES: Mapping[str, Shape] = {
    "credentials": Shape(("credential",), {"expires": NEVER}, ("worker_id", "credential", "expires")),
    "assignments": Shape(("client_id", "shift"), {"start": LONG_AGO, "end": NEVER}, ("worker_id", "start", "end")),
    "do_not_return": Shape(("client_id", "reason"), {"since": LONG_AGO}, ("worker_id", "client_id")),
    "submissions": Shape(("client_id", "outcome"), {"at": LONG_AGO}, ("worker_id", "client_id", "at")),
}


@dataclass(frozen=True, slots=True)
class Records:
    """The rows of one such dataset, sorted by worker. ``texts`` and ``days`` hold its columns in that order."""

    snapshot: str
    index: IdIndex
    texts: Mapping[str, Coded]
    days: Mapping[str, NDArray[np.int32]]

    @classmethod
    def of(cls, name: str, table: pa.Table, *, snapshot: str = "") -> Records:
        """Of an Arrow table with the columns that `SHAPES` names. Raises InvalidError when a needed one is missing."""
        shape = SHAPES[name]
        if missing := [one for one in shape.needed if one not in table.column_names]:
            raise InvalidError(
                f"{snapshot or name} has no column {missing[0]}.", hint=f"Needed: {', '.join(shape.needed)}"
            )
        index = IdIndex.of(table["worker_id"])
        there = set(table.column_names)
        texts = {one: Coded.of(table[one], index.rows) for one in shape.texts if one in there}
        days = {one: days_of(table[one], index.rows, unknown=null) for one, null in shape.days.items() if one in there}
        for one in set(shape.texts) - there:
            texts[one] = Coded.unknown(len(index.rows))
        for one in set(shape.days) - there:
            days[one] = np.full(len(index.rows), shape.days[one], dtype=np.int32)
        return cls(snapshot or name, index, texts, days)

    def of_each(self, ids: Sequence[str]) -> list[range]:
        """For each id the rows about that worker."""
        if not ids:
            return []
        first, end = self.index.find(ids)
        return [range(start, stop) for start, stop in zip(first.tolist(), end.tolist(), strict=True)]

    def evidence(self, row: int, **more: Any) -> dict[str, Any]:
        """Where a row stands: the snapshot and its texts."""
        return {"dataset": self.snapshot, **{name: column[row] for name, column in self.texts.items()}, **more}

    def beside(self, other: Records) -> Records:
        """These rows and others of the same shape; the evidence of each names the snapshot that it is from."""
        mine, its = self.index.keys, other.index.keys
        if mine.dtype.kind != its.dtype.kind:  # numbers here and texts there: a number's text is its normal form
            mine, its = mine.astype(np.bytes_), its.astype(np.bytes_)
        keys = np.concatenate([mine, its])
        order = np.argsort(keys, kind="stable")
        names = dict.fromkeys((*self.texts, *other.texts))
        texts = {name: _both(self, other, name).taken(order) for name in names}
        texts["dataset"] = _sources(self).beside(_sources(other)).taken(order)
        days = {name: np.concatenate([self.days[name], other.days[name]])[order] for name in self.days}
        index = IdIndex(keys[order], np.arange(len(keys)))
        return Records(f"{self.snapshot} {other.snapshot}", index, texts, days)

    def excusing(self, rows: Collection[int], day: str) -> Records:
        """The same, with some rows dated so long ago, in the column ``day``, that they forbid nothing any more."""
        moved = self.days[day].copy()
        moved[list(rows)] = LONG_AGO
        return replace(self, days={**self.days, day: moved})

    def knows(self, column: str, value: str) -> bool:
        """Whether a column of texts has this value in any row, but for case."""
        return any(one is not None and same_text(one, value) for one in self.texts[column].values)


def _both(one: Records, other: Records, name: str) -> Coded:
    parts = [records.texts.get(name) or Coded.unknown(len(records.index.keys)) for records in (one, other)]
    return parts[0].beside(parts[1])


def _sources(records: Records) -> Coded:
    return records.texts.get("dataset") or Coded.always(records.snapshot, len(records.index.keys))


@dataclass(frozen=True, slots=True)
class Clients:
    """The agency's clients: id without case → status ('' unknown)."""

    snapshot: str
    status: Mapping[str, str]

    @classmethod
    def of(cls, table: pa.Table, *, snapshot: str = "clients") -> Clients:
        """Of an Arrow table with client_id and perhaps status."""
        ids = table["client_id"].cast(pa.string()).to_pylist()
        said = table["status"].cast(pa.string()).to_pylist() if "status" in table.column_names else [""] * len(ids)
        return cls(snapshot, {id_.casefold(): status or "" for id_, status in zip(ids, said, strict=True) if id_})


@dataclass(frozen=True, slots=True)
class Desk:
    """All that validators look things up in. What is None is not there: the roster's absence fails every existence
    check, a missing record is said in a finding. ``required``: role → the paper without which nobody works in it.
    """

    roster: Lookup | None = None
    credentials: Records | None = None
    assignments: Records | None = None
    do_not_return: Records | None = None
    submissions: Records | None = None
    clients: Clients | None = None
    same_role: SameRole = same_text
    required: Callable[[str], str] = field(default=lambda _role: "")

    @property
    def snapshots(self) -> tuple[str, ...]:
        """The versions of everything but the roster."""
        sources = (self.credentials, self.assignments, self.do_not_return, self.submissions, self.clients)
        return tuple(dict.fromkeys(name for one in sources if one is not None for name in one.snapshot.split()))
