"""The roster: who exists, and what is known of them, from one snapshot of a dataset of workers.

Half a million workers are some columns of numbers and one of names; a `Worker` is made only for who is asked for.
Unknown (null) differs from empty: an unknown city is not compared, an empty one is no city at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.errors import InvalidError
from workbench.staffing.validate.columns import Coded
from workbench.staffing.validate.ids import IdIndex, normal_id

SameRole = Callable[[str, str], bool]

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("worker_id", "id", "candidate_id"),
    "name": ("name", "full_name", "worker_name"),
    "role": ("role", "job_title", "title"),
    "city": ("city",),
    "state": ("state",),
    "status": ("status",),
    "active": ("active", "is_active"),
    "availability": ("availability",),
    "blacklisted_clients": ("blacklisted_clients", "client_blacklist"),
}
"""What is read of a roster, and the names its column may have, compared without case."""

_ACTIVE = {"active", "available", "true", "t", "yes", "y", "1"}
_A_NUMBER = r"^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,2})?$"
_LISTED = re.compile(r"[^\[\]\"';,|]+")
_NEAR_POOL = 20_000
_NEAREST = 3


class Worker(NamedTuple):  # made for everybody who is proposed: a frozen dataclass takes four times as long
    """What a roster knows of one worker; None is unknown. ``rows``: how many rows have this id."""

    id: str
    name: str | None
    role: str | None
    city: str | None
    state: str | None
    active: bool | None
    status: str
    barred_by: tuple[str, ...]
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom an order looks for; None does not matter."""

    role: str | None = None
    city: str | None = None
    state: str | None = None


class Lookup(Protocol):
    """What a validator asks of a roster."""

    @property
    def snapshot(self) -> str:
        """The version that it is of: ``workers@12``."""

    def find(self, ids: Sequence[str]) -> list[Worker | None]:
        """The worker of each id, None for nobody."""

    def near(
        self, asked: Sequence[tuple[str, str]], wanted: Wanted, same_role: SameRole, *, without: Collection[str] = ()
    ) -> list[tuple[Worker, ...]]:
        """For each id and name, at most three active workers as wanted that are most like them."""

    def called(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the full names that somebody on the roster has."""


def same_text(one: str, other: str) -> bool:
    """Equal but for case and space: how cities are compared, and roles when nobody brings a dictionary of trades."""
    return one == other or _same_plain(one, other)


@lru_cache(maxsize=4096)  # the same few cities, trades and clients again and again
def _same_plain(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


@dataclass(frozen=True, slots=True)
class Roster:
    """A `Lookup` in memory: about 40 bytes a worker."""

    snapshot: str
    index: IdIndex
    names: Any
    role: Coded
    city: Coded
    state: Coded
    active: NDArray[np.int8]
    """1 active, 0 not, −1 unknown."""
    status: Coded
    barred: Coded

    @classmethod
    def of(cls, table: pa.Table, *, snapshot: str = "") -> Roster:
        """The roster of an Arrow table; columns are found by the names of `NAMES`. Raises InvalidError without ids."""
        columns = _columns(table)
        if "id" not in columns:
            raise InvalidError("The roster has no column of ids.", hint=f"Name it one of: {', '.join(NAMES['id'])}.")
        index = IdIndex.of(columns["id"])

        def coded(what: str) -> Coded:
            there = what in columns and not pa.types.is_nested(columns[what].type)
            return Coded.of(columns[what], index.rows) if there else Coded.unknown(len(index.rows))

        names = columns.get("name", pa.nulls(table.num_rows, pa.string()))
        names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
        in_order = len(names) == len(index.rows) and bool(np.all(np.diff(index.rows) == 1))
        return cls(
            snapshot,
            index,
            (names if in_order else names.take(pa.array(index.rows))).cast(pa.string()),
            coded("role"),
            coded("city"),
            coded("state"),
            _active(columns, table.num_rows)[index.rows],
            coded("status"),
            _barred(columns, index.rows),
        )

    def __len__(self) -> int:
        return len(self.index.keys)

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        arrays = [self.index.keys, self.index.rows, self.active, self.role.codes, self.city.codes, self.state.codes]
        return sum(array.nbytes for array in arrays) + int(self.names.get_total_buffer_size())

    def find(self, ids: Sequence[str]) -> list[Worker | None]:
        """The worker of each id (``W-12``, ``w-12``, ``12``), None for nobody. About 3 µs each."""
        if not ids:
            return []
        first, end = self.index.find(ids)
        there = first < end
        found = iter(self._workers(first[there], (end - first)[there].tolist()))
        return [next(found) if ok else None for ok in there.tolist()]

    def near(
        self, asked: Sequence[tuple[str, str]], wanted: Wanted, same_role: SameRole, *, without: Collection[str] = ()
    ) -> list[tuple[Worker, ...]]:
        """Active workers as wanted: who has this name first, then whose id looks most like this one.

        ``without``: ids as ``normal_id`` writes them.
        """
        pool = [int(row) for row in self._pool(wanted, same_role)]
        names = self.names.take(pa.array(pool, pa.int64())).to_pylist()
        labels = {row: label for row in pool if normal_id(label := self._label(row)) not in without}
        called: dict[str, list[int]] = {}
        for row, name in zip(pool, names, strict=True):
            if name and row in labels:
                called.setdefault(_plain(name), []).append(row)
        heads: set[int] = set()
        return [self._nearest(id_, called.get(_plain(name), []), labels, heads) for id_, name in asked]

    def called(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the full names, compared with case, that somebody on the roster has. Some milliseconds."""
        asked = pa.array(list(dict.fromkeys(names)), pa.string())
        return tuple(self.names.filter(pc.is_in(self.names, value_set=asked)).unique().to_pylist())

    def _nearest(
        self, id_: str, namesakes: Sequence[int], labels: Mapping[int, str], heads: set[int]
    ) -> tuple[Worker, ...]:
        """``heads``: who came first for another id already. A model takes the first of each list, and the same worker
        twice would be refused again; only a namesake comes first all the same.
        """
        from rapidfuzz import process  # only a refusal needs it
        from rapidfuzz.distance import DamerauLevenshtein

        most = _NEAREST + len(heads)
        like = process.extract(id_.upper(), labels, scorer=DamerauLevenshtein.distance, limit=most)
        free = sorted((row for _, _, row in like), key=heads.__contains__)
        rows = [*dict.fromkeys([*namesakes, *free])][:_NEAREST]
        heads.update(rows[:1])
        return tuple(self._workers(np.array(rows, dtype=np.int64), [1] * len(rows)))

    def _pool(self, wanted: Wanted, same_role: SameRole) -> NDArray[np.int64]:
        mask = (self.active != 0) & ~self._twice()
        for column, value, same in (
            (self.city, wanted.city, same_text),
            (self.state, wanted.state, same_text),
            (self.role, wanted.role, same_role),
        ):
            if value is not None:
                mask = mask & column.among([one is not None and same(value, one) for one in column.values])
        return np.flatnonzero(mask)[:_NEAR_POOL]

    def _twice(self) -> NDArray[np.bool_]:
        """Rows whose id another row has too."""
        twice = np.zeros(len(self), dtype=np.bool_)
        same = self.index.keys[1:] == self.index.keys[:-1]
        twice[1:] |= same
        twice[:-1] |= same
        return twice

    def _label(self, row: int) -> str:
        return _written(self.index.keys[row].item())

    def _workers(self, rows: NDArray[np.int64], counts: Sequence[int]) -> list[Worker]:
        """Column by column, which takes a third of the time of worker by worker."""
        known = self.active[rows].tolist()
        return list(
            map(
                Worker,
                map(_written, self.index.keys[rows].tolist()),
                self.names.take(pa.array(rows)).to_pylist(),
                self.role.at(rows),
                self.city.at(rows),
                self.state.at(rows),
                [None if one < 0 else one > 0 for one in known],
                [
                    said if said is not None else "" if one else "not available"
                    for said, one in zip(self.status.at(rows), known, strict=True)
                ],
                map(_barring, self.barred.at(rows)),
                counts,
            )
        )


def _written(key: int | bytes) -> str:
    return f"W-{key}" if isinstance(key, int) else key.decode()


def _barring(text: str | None) -> tuple[str, ...]:
    return tuple(one.strip() for one in _LISTED.findall(text) if one.strip()) if text else ()


def _columns(table: pa.Table) -> dict[str, Any]:
    by_name = {name.casefold(): n for n, name in reversed(list(enumerate(table.column_names)))}
    found = {what: next((by_name[n] for n in names if n in by_name), None) for what, names in NAMES.items()}
    return {what: table.column(n) for what, n in found.items() if n is not None}


def _active(columns: Mapping[str, Any], count: int) -> NDArray[np.int8]:
    """By status, by a flag and by availability: who is inactive by one of them is inactive."""
    said = []
    for what in ("status", "active"):
        if what in columns:
            text = pc.utf8_lower(pc.utf8_trim_whitespace(_texts(columns[what])))
            said.append(pc.if_else(pc.is_valid(text), pc.is_in(text, value_set=pa.array(sorted(_ACTIVE))), None))
    if "availability" in columns:
        said.append(pc.greater(_numbers(columns["availability"]), 0.0))
    active = np.full(count, -1, dtype=np.int8)
    for one in said:
        codes = np.asarray(pc.fill_null(one.cast(pa.int8()), -1))
        active = np.where(codes < 0, active, np.where(active == 0, 0, codes)).astype(np.int8)
    return active


def _numbers(column: Any) -> Any:
    """A column as float64; null is what cannot be read as a number: ``"weekends"``, ``"80%"``, a date, a list."""
    types = pa.types
    if any(is_(column.type) for is_ in (types.is_floating, types.is_integer, types.is_decimal, types.is_boolean)):
        return column.cast(pa.float64())
    text = pc.utf8_trim_whitespace(_texts(column))
    return pc.if_else(pc.match_substring_regex(text, _A_NUMBER), text, None).cast(pa.float64())


def _texts(column: Any) -> Any:
    """A column as text, nulls where it is of a type that has none."""
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), pa.string())


def _barred(columns: Mapping[str, Any], rows: NDArray[np.int64]) -> Coded:
    column = columns.get("blacklisted_clients")
    if column is None:
        return Coded.unknown(len(rows))
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), ";")
    return Coded.of(column, rows)
